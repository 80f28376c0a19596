// Data quality: can I trust the figures, and what is to be done?

import { change, given, href, pageOf } from "./address.js";
import { ask } from "./ask.js";
import { h } from "./dom.js";
import { counted, kwh } from "./figures.js";
import { start } from "./frame.js";
import { PAGE, asked, filters, page, placeNames } from "./listing.js";
import { part } from "./part.js";
import { tiles } from "./tiles.js";
import { fullTime } from "./times.js";
import { CAUSES, ISSUES, KINDS } from "./words.js";

const PATH = "/v1/quality";
const FILTERS = ["kind", "site", "group"];

async function load(window, signal) {
    const parameters = {
        ...asked(window),
        ...Object.fromEntries(FILTERS.map((name) => [name, given(name)])),
        search: given("q"),
        after: given("after"),
        limit: PAGE,
    };
    return { answer: await ask(PATH, parameters, signal), path: PATH, parameters };
}

const issues = part("What is wrong", {
    load,
    draw: ({ answer, ...list }, { tz }) => [
        tiles(
            Object.entries(KINDS).map(
                ([kind, { label, note }]) =>
                    answer.counts[kind] !== null && {
                        label,
                        value: String(answer.counts[kind]),
                        note,
                        to: href("/quality", { kind }),
                        sign: kind === "fault" && answer.counts[kind] ? "fault" : null,
                    },
            ),
        ),
        ...page("What is wrong, worst first", columns(tz), answer.issues, {
            ...list,
            answer,
            isSorted: false,
            empty: nothing(),
        }),
        answer.pending && h("p", { class: "muted" }, "◷ Late readings are being added to the faults."),
    ],
});

function nothing() {
    if (![...FILTERS, "q"].some((name) => given(name)))
        return h("span", { class: "good" }, "✓ Nothing is wrong with the data of this window.");
    return h(
        "span",
        {},
        "Nothing of this kind. ",
        h(
            "button",
            {
                type: "button",
                on: { click: () => change({ kind: null, site: null, group: null, q: null, after: null }) },
            },
            "Show all",
        ),
    );
}

const columns = (tz) => [
    {
        label: "Device",
        cell: ({ meterId, vehicleId, name }) => [
            meterId && device("meters", meterId),
            meterId && vehicleId && ", ",
            vehicleId && device("vehicles", vehicleId),
            name && h("span", { class: "note" }, name),
        ],
    },
    {
        label: "What",
        cell: ({ severity, code, cause }) =>
            h(
                "span",
                { class: "verdict" },
                h(
                    "span",
                    { class: severity === "warning" ? "fault" : null },
                    `${severity === "warning" ? "▲" : "·"} ${ISSUES[code]?.label ?? code}`,
                ),
                h("span", { class: "note" }, cause ? `${CAUSES[cause] ?? cause}. ` : "", ISSUES[code]?.cure ?? ""),
            ),
    },
    { label: "How many", isNumber: true, isMinor: true, cell: ({ count }) => (count === null ? "–" : String(count)) },
    { label: "In doubt, kWh", isNumber: true, cell: ({ doubtfulKwh }) => kwh(doubtfulKwh) },
    { label: "First", isMinor: true, cell: ({ firstAt }) => moment(firstAt, tz) },
    { label: "Last", isMinor: true, cell: ({ lastAt }) => moment(lastAt, tz) },
    { label: "Site, group", isMinor: true, cell: ({ site, group }) => [site, group].filter(Boolean).join(", ") || "–" },
    { label: "More", isMinor: true, cell: ({ see }) => h("a", { href: see }, "as JSON") },
];

const device = (kind, id) => h("a", { href: pageOf(kind, id) }, id);
const moment = (text, tz) => (text === null ? "–" : fullTime(Date.parse(text), tz));

const findings = part("What the database reports", {
    isSteady: true,
    load: (_, signal) => ask("/v1/database/findings", {}, signal),
    draw: ({ findings: found }) =>
        h(
            "p",
            {},
            found.length
                ? [counted(found.length, "finding"), ": ", h("a", { href: "/database" }, "see the database")]
                : "✓ Nothing.",
        ),
});

start([
    filters([
        { name: "q", label: "Id or name contains", type: "search" },
        {
            name: "kind",
            label: "Kind",
            options: [["", "All"], ...Object.entries(KINDS).map(([kind, { label }]) => [kind, label])],
        },
        { name: "site", label: "Site", suggest: placeNames("site") },
        { name: "group", label: "Group", suggest: placeNames("group") },
    ]),
    issues,
    findings,
]);
