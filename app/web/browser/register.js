// Steps of a register that are not plain energy, and what an operator decides about them.

import { idOfPage, iso } from "./address.js";
import { ask } from "./ask.js";
import { dialog } from "./dialog.js";
import { h } from "./dom.js";
import { kwh } from "./figures.js";
import { part } from "./part.js";
import { table } from "./table.js";
import { fullTime } from "./times.js";
import { EVENTS } from "./words.js";

const DECISIONS = [
    ["plain", "Plain energy: it counts as it is"],
    ["reset", "The register began anew at 0"],
    ["rollover", "It passed its highest value"],
    ["glitch", "A glitch: the value is wrong"],
    ["exchange", "The meter was exchanged"],
];

/** The events of a device's register in the window; `changed` is called after a decision. */
export function registerEvents(own, changed) {
    return part("Register", {
        load: (window, signal) =>
            ask("/v1/register-events", { [own]: idOfPage(), from: iso(window.from), to: iso(window.to) }, signal),
        draw: ({ events }, { tz }) =>
            events.length > 0 && [
                h("p", {}, "Steps that are not plain energy. What an operator decides stands, whatever arrives later."),
                table("Steps of the register", columns(own, tz, changed), events),
            ],
    });
}

const columns = (own, tz, changed) => [
    { label: "When", cell: ({ at }) => fullTime(Date.parse(at), tz) },
    {
        label: "What",
        cell: ({ kind, decidedBy, operator, reason }) => [
            EVENTS[kind] ?? kind,
            decidedBy === "operator" &&
                h(
                    "span",
                    { class: "note" },
                    `decided${operator ? ` by ${operator}` : ""}${reason ? `: ${reason}` : ""}`,
                ),
        ],
    },
    { label: "From, kWh", isNumber: true, isMinor: true, cell: ({ beforeKwh }) => kwh(beforeKwh) },
    { label: "To, kWh", isNumber: true, cell: ({ kwh: value }) => kwh(value) },
    { label: "Counts, kWh", isNumber: true, cell: ({ countedKwh }) => kwh(countedKwh) },
    {
        label: "Decide",
        cell: (event) =>
            event.kind !== "baseline" &&
            h(
                "button",
                {
                    type: "button",
                    class: "plain",
                    "aria-label": `Decide the step of ${fullTime(Date.parse(event.at), tz)}`,
                    on: { click: () => decide(own, event, tz, changed) },
                },
                "Decide",
            ),
    },
];

function decide(own, event, tz, done) {
    const isDecided = event.decidedBy === "operator";
    dialog("What was this step?", {
        before: `${fullTime(Date.parse(event.at), tz)}: from ${kwh(event.beforeKwh)} to ${kwh(event.kwh)} kWh, which counts ${kwh(event.countedKwh)} kWh as: ${EVENTS[event.kind] ?? event.kind}.`,
        verb: "Decide",
        fields: [
            h(
                "label",
                {},
                "It was",
                h(
                    "select",
                    { name: "decision" },
                    DECISIONS.map(([value, text]) => h("option", { value, selected: event.kind === value }, text)),
                    isDecided && h("option", { value: "" }, "Let the rules judge it again"),
                ),
            ),
            h(
                "label",
                {},
                "First value of the new meter, kWh (of an exchange)",
                h("input", { name: "firstKwh", type: "number", min: 0, step: "any" }),
            ),
        ],
        request: ({ decision, firstKwh }) => {
            const step = { [own]: event[own], at: event.at };
            if (!decision) return ["DELETE", "/v1/register-decisions", undefined, step];
            return [
                "PUT",
                "/v1/register-decisions",
                {
                    ...step,
                    decision,
                    ...(decision === "exchange" && firstKwh !== "" && { firstKwh: Number(firstKwh) }),
                },
            ];
        },
        done,
    });
}
