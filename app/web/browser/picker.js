// The window that a page shows: presets, any two instants, earlier and later, wider and narrower, the time zone.

import { PRESETS, change, href, iso } from "./address.js";
import { h } from "./dom.js";
import { dayAndTime, duration, fieldOf, fullTime, instantOf } from "./times.js";

/** The bar of a window. */
export function picker(window) {
    const width = window.to - window.from;
    const isNow = window.asked.to === "now";
    const move = (share) => fixed(window.from + share * width, window.to + share * width);
    return h(
        "div",
        { class: "picker", role: "group", "aria-label": "Window" },
        step("‹", "Earlier", "earlier", () => move(-1)),
        chooser(window),
        step("›", "Later", "later", () => move(1), isNow),
        step("−", "Half as long", "narrower", () => fixed(window.to - width / 2, window.to)),
        step("+", "Twice as long", "wider", () => fixed(window.from - width, window.to)),
        h("span", { class: "muted" }, duration(width)),
    );
}

function step(sign, name, id, click, isDisabled = false) {
    return h(
        "button",
        { type: "button", id, title: name, "aria-label": name, disabled: isDisabled, on: { click } },
        sign,
    );
}

function fixed(from, to) {
    const end = Math.min(to, Date.now());
    change({ from: iso(Math.round(from - (to - end))), to: iso(Math.round(end)), after: null });
}

/** A summary that opens to presets and fields. */
function chooser(window) {
    const { from, to, tz, asked } = window;
    const preset = PRESETS.find(([, begins, ends]) => asked.from === begins && asked.to === ends);
    const label = `${dayAndTime(from, tz)} to ${dayAndTime(to, tz)}`;
    const box = h(
        "details",
        { class: "chooser" },
        h("summary", { id: "window" }, preset ? `${preset[0]}: ` : "", h("strong", {}, label), ` ${tz}`),
        h(
            "div",
            { class: "popup" },
            h(
                "div",
                { class: "presets" },
                PRESETS.map(([name, begins, ends]) => presetButton(name, begins, ends, preset?.[0] === name)),
            ),
            form(window),
            h(
                "p",
                {},
                h(
                    "a",
                    { href: href(location.pathname, { from: iso(from), to: iso(to), tz }) },
                    "Link to exactly this window",
                ),
                `, from ${fullTime(from, tz)}`,
            ),
        ),
    );
    box.addEventListener("keydown", (event) => {
        if (event.key === "Escape") box.open = false;
    });
    return box;
}

function presetButton(name, from, to, isChosen) {
    return h(
        "button",
        {
            type: "button",
            "aria-pressed": String(isChosen),
            on: { click: () => change({ from, to: to === "now" ? null : to, after: null }) },
        },
        name,
    );
}

function form({ from, to, tz }) {
    const field = (name, value) =>
        h("label", {}, name, h("input", { type: "datetime-local", name, value: fieldOf(value, tz), required: true }));
    const zones = h(
        "datalist",
        { id: "zones" },
        (Intl.supportedValuesOf?.("timeZone") ?? []).map((name) => h("option", { value: name })),
    );
    const chosen = h(
        "form",
        {},
        field("from", from),
        field("to", to),
        h("label", {}, "Time zone", h("input", { name: "tz", value: tz, list: "zones" })),
        zones,
        h("button", { class: "main" }, "Show"),
    );
    chosen.addEventListener("submit", (event) => {
        event.preventDefault();
        const { elements } = chosen;
        const isSame = (name, was) => elements[name].value === fieldOf(was, tz);
        const own = elements.tz.value || null;
        change({
            from: isSame("from", from) ? iso(from) : iso(at(elements.from, tz)),
            to: isSame("to", to) ? iso(to) : iso(at(elements.to, tz)),
            tz: own,
            after: null,
        });
    });
    return chosen;
}

const at = (input, tz) => instantOf(input.value.split(/[-T:]/).map(Number), tz);
