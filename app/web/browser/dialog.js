// Changes: a dialog shows what there is, asks for what is to be, why, and by whom, and sends it.

import { question, send } from "./ask.js";
import { h, say } from "./dom.js";

const WHO = "operator";

/**
 * Opens a dialog. `fields` are form elements with names; `request(values)` gives the method, path and body to send.
 * `done(answer)` is called after it succeeded.
 */
export function dialog(title, { before = null, fields = [], request, done, verb, isDanger = false }) {
    const wrong = h("p", { class: "notice wrong", hidden: true, role: "alert" });
    const form = h(
        "form",
        { class: "stacked" },
        before && h("p", { class: "muted" }, before),
        fields,
        h("label", {}, "Why", h("input", { name: "reason", maxlength: 500, placeholder: "stored with the change" })),
        h(
            "label",
            {},
            "Who",
            h("input", {
                name: "who",
                maxlength: 100,
                value: sessionStorage.getItem(WHO) ?? "",
                placeholder: "your name",
            }),
        ),
        wrong,
        h(
            "div",
            { class: "pages" },
            h("button", { class: isDanger ? "danger" : "main" }, verb),
            h("button", { type: "button", on: { click: () => box.close() } }, "Cancel"),
        ),
    );
    const box = h("dialog", { "aria-label": title }, h("h2", {}, title), form);
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        const { reason, who, ...values } = Object.fromEntries(new FormData(form));
        sessionStorage.setItem(WHO, who);
        const [method, path, body, parameters] = request(values);
        try {
            const answer = await send(
                method,
                question(path, { ...parameters, reason: reason.trim() }),
                body,
                undefined,
                who.trim() && { "X-Operator": asBytes(who.trim()) },
            );
            box.close();
            say("Done.");
            done(answer);
        } catch (error) {
            wrong.textContent = `${error.message}.`;
            wrong.hidden = false;
        }
    });
    box.addEventListener("close", () => box.remove());
    document.body.append(box);
    box.showModal();
}

/** UTF-8 as a header carries it. */
const asBytes = (text) => String.fromCharCode(...new TextEncoder().encode(text));
