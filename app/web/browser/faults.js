// What is wrong with the data of a device.

import { pageOf } from "./address.js";
import { h } from "./dom.js";
import { counted, kwh } from "./figures.js";
import { fullTime } from "./times.js";
import { CAUSES, VERDICTS } from "./words.js";

/** A notice of faults with their likely cause and examples; nothing without any. */
export function faultNotice(faults, tz) {
    if (!faults.length) return null;
    return h(
        "div",
        { class: "notice wrong" },
        faults.map((fault) =>
            h(
                "p",
                {},
                h("strong", { class: "fault" }, `▲ ${VERDICTS[fault.code] ?? fault.code}`),
                ` of `,
                h("a", { href: pageOf(`${fault.deviceType}s`, fault.deviceId) }, fault.deviceId),
                `, ${counted(fault.readings, "reading")}: ${CAUSES[fault.cause] ?? fault.cause}.`,
                examples(fault, tz),
            ),
        ),
    );
}

const examples = ({ examples: shown }, tz) =>
    shown.length > 0 &&
    h(
        "span",
        { class: "note" },
        `For example ${shown.map(({ timestamp, kwh: energy, mostKwh }) => `${kwh(energy)} kWh at ${fullTime(Date.parse(timestamp), tz)} (at most ${kwh(mostKwh)})`).join("; ")}`,
    );
