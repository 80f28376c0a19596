// Keys that work on every page. They can be switched off, for people whose tools use the same ones.

import { h } from "./dom.js";

const SWITCH = "keys";
const KEYS = [
    ["/", "Search", () => document.getElementById("search")?.focus()],
    ["t", "Choose the window", () => document.getElementById("window")?.click()],
    ["[", "Earlier", () => document.getElementById("earlier")?.click()],
    ["]", "Later", () => document.getElementById("later")?.click()],
    ["?", "This help", () => help().showModal()],
];

/** Listens to them. */
export function keys() {
    document
        .querySelector("footer")
        .append(
            " · ",
            h("button", { type: "button", class: "plain", on: { click: () => help().showModal() } }, "Keys (?)"),
        );
    addEventListener("keydown", (event) => {
        if (
            event.ctrlKey ||
            event.metaKey ||
            event.altKey ||
            event.target.closest("input, select, textarea, dialog") ||
            localStorage.getItem(SWITCH) === "off"
        )
            return;
        const found = KEYS.find(([key]) => key === event.key);
        if (!found) return;
        event.preventDefault();
        found[2]();
    });
}

function help() {
    const isOn = localStorage.getItem(SWITCH) !== "off";
    const dialog = h(
        "dialog",
        { "aria-label": "Keys" },
        h("h2", {}, "Keys"),
        h(
            "table",
            {},
            h(
                "tbody",
                {},
                KEYS.map(([key, name]) => h("tr", {}, h("td", {}, h("kbd", {}, key)), h("td", {}, name))),
            ),
        ),
        h("p", {}, "In a chart, the arrow keys move from bucket to bucket and Enter opens one."),
        h(
            "label",
            {},
            h("input", {
                type: "checkbox",
                checked: isOn,
                on: { change: (event) => localStorage.setItem(SWITCH, event.target.checked ? "on" : "off") },
            }),
            " Keys work",
        ),
        h("form", { method: "dialog" }, h("button", { class: "main" }, "Close")),
    );
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    return dialog;
}
