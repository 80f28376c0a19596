// The overview: is energy wasted, and where?

import { href, iso, pageOf } from "./address.js";
import { ask } from "./ask.js";
import { bucketOf } from "./buckets.js";
import { h } from "./dom.js";
import { energyCharts, ofFleet } from "./energy.js";
import { counted, energy, guessed, kw, kwh, percent, ratio } from "./figures.js";
import { start } from "./frame.js";
import { part } from "./part.js";
import { table } from "./table.js";
import { tiles } from "./tiles.js";
import { day, fullTime } from "./times.js";
import { verdict } from "./verdict.js";
import { REASONS, whyLost } from "./words.js";

const LOSSES = 8;
const PLACES = 12;
const LIVE_S = 15;

const asked = ({ from, to }) => ({ from: iso(from), to: iso(to) });

const figures = part("Energy", {
    load: (window, signal) => ask("/v1/analytics/fleet", asked(window), signal),
    draw: (fleet) => {
        if (fleet.seen.meters + fleet.seen.vehicles === 0) return nothing();
        const { acConsumedKwh, dcDeliveredKwh } = fleet.totalEnergy;
        return [
            tiles([
                {
                    label: "AC from the grid",
                    value: guessed(energy(acConsumedKwh), fleet.estimated),
                    note: `coverage ${percent(fleet.coverage.meter)}`,
                    to: href("/meters", { sort: "acConsumedKwh" }),
                    sign: "ac",
                },
                {
                    label: "DC in batteries",
                    value: guessed(energy(dcDeliveredKwh), fleet.estimated),
                    note: `coverage ${percent(fleet.coverage.vehicle)}`,
                    to: href("/vehicles", { sort: "dcDeliveredKwh" }),
                    sign: "dc",
                },
                {
                    label: "Ratio",
                    value: ratio(fleet.efficiencyRatio),
                    note: REASONS[fleet.reasons.efficiencyRatio] ?? `of ${counted(fleet.matched.vehicles, "vehicle")}`,
                    to: href("/vehicles", { sort: "efficiencyRatio", order: "asc" }),
                },
                {
                    label: "For nobody",
                    value: energy(fleet.acUnattributedKwh),
                    note: "drawn while no vehicle was assigned",
                    to: href("/meters", { sort: "acUnattributedKwh" }),
                },
            ]),
            fleet.pending && h("p", { class: "muted" }, "◷ Late readings are being added to these figures."),
        ];
    },
});

/** Nothing in this window: says when there was something, or how to send the first reading. */
function nothing() {
    const text = h("p", { class: "notice" }, "No readings in this window. ");
    newest().then((at) =>
        text.append(
            ...(at === null
                ? [firstRequest()]
                : [
                      `The last one is of ${fullTime(at)}. `,
                      h(
                          "a",
                          { href: href("/", { from: iso(at - 24 * 3600_000), to: iso(at) }) },
                          "Show the day before it",
                      ),
                  ]),
        ),
    );
    return text;
}

async function newest() {
    const lists = await Promise.all([
        ask("/v1/live/meters", { limit: 1000 }),
        ask("/v1/live/vehicles", { limit: 1000 }),
    ]);
    const times = [...lists[0].meters, ...lists[1].vehicles].map(({ timestamp }) => Date.parse(timestamp));
    return times.length ? Math.max(...times) : null;
}

function firstRequest() {
    const reading = `[{"meterId": "M-101", "kwhConsumedAc": 12.4, "voltage": 231.5, "timestamp": "${iso(Date.now())}"}]`;
    return h(
        "span",
        {},
        "No device ever sent one. Send the first with:",
        h("pre", {}, `curl -X POST ${location.origin}/v1/ingest -H 'Content-Type: application/json' -d '${reading}'`),
        h("a", { href: "/docs" }, "How to send readings"),
    );
}

const now = part("Now", {
    isSteady: true,
    every: LIVE_S,
    load: (_, signal) => ask("/v1/live", {}, signal),
    draw: ({ meters, vehicles }) =>
        tiles([
            {
                label: "Charging now",
                value: counted(meters.charging, "charger"),
                note: `${kw(meters.powerKw)} kW from the grid`,
                to: href("/meters", { show: "charging" }),
                sign: "ac",
            },
            {
                label: "Vehicles charging",
                value: counted(vehicles.charging, "vehicle"),
                note: `${kw(vehicles.powerKw)} kW into batteries`,
                to: href("/vehicles", { show: "charging" }),
                sign: "dc",
            },
            {
                label: "Silent for 30 min",
                value: counted(meters.silent + vehicles.silent, "device"),
                note: `of ${counted(meters.devices + vehicles.devices, "device")}`,
                to: href("/quality"),
                sign: meters.silent + vehicles.silent ? "fault" : null,
            },
        ]),
});

const series = part("Energy and ratio over time", {
    load: (window, signal) =>
        ask("/v1/analytics/fleet/series", { ...asked(window), bucket: bucketOf(window), timezone: window.tz }, signal),
    draw: (answer, window) =>
        answer.buckets.some(({ readings }) => readings.meter + readings.vehicle) &&
        energyCharts(answer, window, ofFleet),
});

const losses = part("Losses", {
    load: (window, signal) => ask("/v1/analytics/losses", { ...asked(window), limit: LOSSES }, signal),
    draw: (answer, { tz }) => [
        ...attention(answer),
        h(
            "div",
            { class: "halves" },
            worst("Chargers", answer.meters, "meters", tz),
            worst("Vehicles", answer.vehicles, "vehicles", tz),
            answer.dataFaults.devices > 0 &&
                h(
                    "div",
                    {},
                    h("h3", {}, "Data faults, which are never losses"),
                    table("Data faults", faultColumns, answer.dataFaults.listed),
                ),
        ),
    ],
});

/** What a fleet manager has to look after, and how much it is. */
function attention({ totals, dataFaults }) {
    const wasteful = totals.find(({ list, verdict: code }) => list === "meters" && code === "abnormal_loss");
    const devices = wasteful?.devices ?? 0;
    const toMeters = href("/meters", { sort: "lostBeyondExpectedKwh" });
    const found = [
        devices > 0 &&
            h("a", { href: toMeters }, `${counted(devices, "charger")} ${devices === 1 ? "wastes" : "waste"} energy`),
        dataFaults.devices > 0 &&
            h("a", { href: href("/quality") }, `${counted(dataFaults.devices, "device")} with data at fault`),
    ].filter(Boolean);
    if (!found.length) return [h("p", { class: "notice good" }, "✓ Nothing needs attention.")];
    return [
        h(
            "p",
            { class: "notice" },
            h("strong", {}, "Needs attention: "),
            found.flatMap((one, index) => (index ? [" · ", one] : [one])),
        ),
        tiles([
            {
                label: "Lost beyond expected",
                value: energy(wasteful?.lostBeyondExpectedKwh ?? 0),
                note: `by ${counted(devices, "charger")}`,
                to: toMeters,
                sign: "lost",
            },
            {
                label: "Data faults",
                value: counted(dataFaults.devices, "device"),
                note: "no losses; see what helps",
                to: href("/quality", { kind: "fault" }),
                sign: dataFaults.devices ? "fault" : null,
            },
        ]),
    ];
}

function worst(title, list, kind, tz) {
    return h(
        "div",
        {},
        h("h3", {}, title),
        table(`${title} that lose most`, lossColumns(kind, tz), list.listed, {
            empty: "✓ None loses more than it should.",
        }),
        list.devices > LOSSES &&
            h("p", {}, h("a", { href: href(`/${kind}`, { sort: "lostKwh" }) }, `All ${list.devices} that lose energy`)),
    );
}

const lossColumns = (kind, tz) => [
    { label: "Device", cell: ({ id }) => h("a", { href: pageOf(kind, id) }, id) },
    { label: "Verdict", cell: (loss) => verdict(loss.verdict, whyLost(loss, ratio)) },
    { label: "Ratio", isNumber: true, cell: ({ efficiencyRatio }) => ratio(efficiencyRatio) },
    {
        label: "Lost beyond expected, kWh",
        isNumber: true,
        cell: ({ lostBeyondExpectedKwh }) => kwh(lostBeyondExpectedKwh),
    },
    { label: "Since", isMinor: true, cell: ({ since }) => (since ? day(Date.parse(since), tz) : "–") },
];

const faultColumns = [
    { label: "Device", cell: ({ type, id }) => h("a", { href: pageOf(`${type}s`, id) }, id) },
    { label: "Fault", cell: (loss) => verdict(loss.verdict, whyLost(loss, ratio)) },
];

const places = (title, kind, list, energyOf, label) =>
    part(title, {
        className: "half",
        load: (window, signal) => ask(`/v1/analytics/${kind}s`, asked(window), signal),
        draw: (answer) => {
            const rows = answer[`${kind}s`].toSorted(
                (one, other) => other.lostBeyondExpectedKwh - one.lostBeyondExpectedKwh,
            );
            return [
                table(title, placeColumns(kind, list, energyOf, label), rows.slice(0, PLACES), {
                    empty: "None yet: register devices with a site or group.",
                }),
                rows.length > PLACES && h("p", { class: "muted" }, `The ${PLACES} that lose most, of ${rows.length}.`),
                h(
                    "p",
                    {},
                    h(
                        "a",
                        {
                            href: `/v1/analytics/${kind}s?${new URLSearchParams({ ...asked(rangeOf(answer)), format: "csv" })}`,
                        },
                        "As CSV",
                    ),
                ),
            ];
        },
    });

const rangeOf = ({ window }) => ({ from: Date.parse(window.from), to: Date.parse(window.to) });

const placeColumns = (kind, list, energyOf, label) => [
    {
        label: kind === "site" ? "Site" : "Group",
        cell: (row) =>
            row[kind] === null
                ? h("span", { class: "muted" }, "none")
                : h("a", { href: href(`/${list}`, { [kind]: row[kind] }) }, row[kind]),
    },
    { label, isNumber: true, cell: (row) => kwh(row[energyOf]) },
    { label: "Ratio", isNumber: true, cell: (row) => ratio(row.efficiencyRatio) },
    { label: "Lost beyond expected, kWh", isNumber: true, cell: (row) => kwh(row.lostBeyondExpectedKwh) },
    { label: "Devices", isNumber: true, isMinor: true, cell: (row) => `${row.devicesSeen} of ${row.devices}` },
];

start([
    now,
    figures,
    losses,
    series,
    places("Sites", "site", "meters", "acConsumedKwh", "AC, kWh"),
    places("Groups", "group", "vehicles", "dcDeliveredKwh", "DC, kWh"),
]);
