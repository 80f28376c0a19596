// Which meter fed which vehicle: listed, and added, closed, corrected and voided by hand.

import { idOfPage, iso, pageOf } from "./address.js";
import { ask } from "./ask.js";
import { dialog } from "./dialog.js";
import { h } from "./dom.js";
import { part } from "./part.js";
import { table } from "./table.js";
import { fieldOf, fullTime, instantOf } from "./times.js";

const MOST = 200;
// The newest ones; the others open on demand.
const SHOWN = 10;

/** The assignments of the window of a vehicle or meter; `changed` is called when one was changed. */
export function assignments(kind, changed) {
    const own = kind === "vehicles" ? "vehicleId" : "meterId";
    return part("Assignments", {
        load: (window, signal) =>
            ask(
                "/v1/assignments",
                { [own]: idOfPage(), from: iso(window.from), to: iso(window.to), limit: MOST },
                signal,
            ),
        draw: ({ assignments: listed, next }, { tz }) => {
            const newest = listed.toReversed();
            const earlier = newest.slice(SHOWN);
            return [
                h("p", {}, "Which meter fed which vehicle, and when. Changes take effect at once, in all figures."),
                h(
                    "p",
                    {},
                    h("button", { type: "button", on: { click: () => add(own, tz, changed) } }, "Add an assignment"),
                ),
                table("Assignments in this window", columns(own, tz, changed), newest.slice(0, SHOWN), {
                    empty: "None in this window.",
                }),
                earlier.length > 0 &&
                    h(
                        "details",
                        {},
                        h("summary", {}, `${earlier.length} earlier ones`),
                        table("Earlier assignments in this window", columns(own, tz, changed), earlier),
                    ),
                next !== null && h("p", { class: "muted" }, `The first ${MOST}; a shorter window shows the others.`),
            ];
        },
    });
}

function columns(own, tz, changed) {
    const other = own === "vehicleId" ? ["Meter", "meters", "meterId"] : ["Vehicle", "vehicles", "vehicleId"];
    const act = (text, click, label) =>
        h("button", { type: "button", class: "plain", "aria-label": label, on: { click } }, text);
    return [
        { label: "Number", cell: ({ id }) => String(id) },
        { label: other[0], cell: (one) => h("a", { href: pageOf(other[1], one[other[2]]) }, one[other[2]]) },
        { label: "From", cell: ({ from }) => fullTime(Date.parse(from), tz) },
        { label: "To", cell: ({ to }) => (to === null ? "still" : fullTime(Date.parse(to), tz)) },
        {
            label: "Change",
            isMinor: true,
            cell: (one) =>
                h(
                    "span",
                    { class: "actions" },
                    one.to === null && act("Close", () => close(one, tz, changed), `Close assignment ${one.id}`),
                    act("Correct", () => correct(one, tz, changed), `Correct assignment ${one.id}`),
                    act("Void", () => voided(one, tz, changed), `Void assignment ${one.id}`),
                    act("History", () => history(one, tz), `History of assignment ${one.id}`),
                ),
        },
    ];
}

const told = ({ meterId, vehicleId, from, to }, tz) =>
    `${meterId} fed ${vehicleId} from ${fullTime(Date.parse(from), tz)} ${to === null ? "on" : `to ${fullTime(Date.parse(to), tz)}`}`;

const device = (label, name, value = "") =>
    h("label", {}, label, h("input", { name, value, required: true, pattern: "[A-Za-z0-9*_=:+\\|@.\\-]{1,64}" }));
const moment = (label, name, value, tz, required = true) =>
    h(
        "label",
        {},
        `${label} (${tz})`,
        h("input", { type: "datetime-local", name, value: value === null ? "" : fieldOf(value, tz), required }),
    );
const sent = (text, tz) => (text ? iso(instantOf(text.split(/[-T:]/).map(Number), tz)) : null);

function add(own, tz, done) {
    const id = idOfPage();
    dialog("Add an assignment", {
        verb: "Add",
        fields: [
            device("Meter", "meterId", own === "meterId" ? id : ""),
            device("Vehicle", "vehicleId", own === "vehicleId" ? id : ""),
            moment("From", "from", Date.now(), tz),
            moment("To, empty while it goes on", "to", null, tz, false),
        ],
        request: ({ meterId, vehicleId, from, to }) => [
            "POST",
            "/v1/assignments",
            { meterId, vehicleId, from: sent(from, tz), ...(to && { to: sent(to, tz) }) },
        ],
        done,
    });
}

function close(one, tz, done) {
    dialog(`Close assignment ${one.id}`, {
        before: `Now: ${told(one, tz)}.`,
        verb: "Close it",
        fields: [moment("It ended", "to", Date.now(), tz)],
        request: ({ to }) => ["PATCH", `/v1/assignments/${one.id}`, { to: sent(to, tz) }],
        done,
    });
}

function correct(one, tz, done) {
    const [from, to] = [Date.parse(one.from), one.to && Date.parse(one.to)];
    dialog(`Correct assignment ${one.id}`, {
        before: `Now: ${told(one, tz)}.`,
        verb: "Correct it",
        fields: [
            device("Meter", "meterId", one.meterId),
            device("Vehicle", "vehicleId", one.vehicleId),
            moment("From", "from", from, tz),
            moment("To, empty while it goes on", "to", to, tz, false),
        ],
        request: (values) => ["PATCH", `/v1/assignments/${one.id}`, differences(one, values, tz)],
        done,
    });
}

/** What of an assignment is to change; a field that stands as it was keeps its seconds. */
function differences(one, { meterId, vehicleId, from, to }, tz) {
    const isMoved = (text, was) => text !== (was === null ? "" : fieldOf(Date.parse(was), tz));
    return {
        ...(meterId !== one.meterId && { meterId }),
        ...(vehicleId !== one.vehicleId && { vehicleId }),
        ...(isMoved(from, one.from) && { from: sent(from, tz) }),
        ...(isMoved(to, one.to) && { to: sent(to, tz) }),
    };
}

function voided(one, tz, done) {
    dialog(`Void assignment ${one.id}`, {
        before: `As if it had never been: ${told(one, tz)}. Its history stays.`,
        verb: "Void it",
        isDanger: true,
        request: () => ["DELETE", `/v1/assignments/${one.id}`],
        done,
    });
}

async function history(one, tz) {
    const { changes } = await ask(`/v1/assignments/${one.id}`);
    const box = h(
        "dialog",
        { "aria-label": `History of assignment ${one.id}` },
        h("h2", {}, `History of assignment ${one.id}`),
        table("Changes", historyColumns(tz), changes),
        h("form", { method: "dialog" }, h("button", { class: "main" }, "Close")),
    );
    box.addEventListener("close", () => box.remove());
    document.body.append(box);
    box.showModal();
}

const historyColumns = (tz) => [
    { label: "When", cell: ({ at }) => fullTime(Date.parse(at), tz) },
    { label: "What", cell: ({ action, after }) => [action, after && h("span", { class: "note" }, told(after, tz))] },
    { label: "By", cell: ({ operator, databaseRole }) => operator ?? databaseRole },
    { label: "Why", cell: ({ reason }) => reason ?? "–" },
];
