// A verdict as a word with a sign, and its reason.

import { h } from "./dom.js";
import { VERDICTS, signOf } from "./words.js";

/** The verdict, and below it why, where that is given. */
export function verdict(code, why = null) {
    if (code === null) return h("span", { class: "muted" }, "–");
    const kind = code === "abnormal_loss" ? "lost" : code.startsWith("normal") ? "good" : "fault";
    return h(
        "span",
        { class: "verdict" },
        h("span", { class: kind }, `${signOf(code)} ${VERDICTS[code] ?? code}`),
        why && h("span", { class: "note" }, why),
    );
}
