// A meter: since when does its charger lose, and how much?

import { href, idOfPage } from "./address.js";
import { ask } from "./ask.js";
import { assignments } from "./assignments.js";
import { bucketOf, nameOf } from "./buckets.js";
import { chart } from "./chart.js";
import { h } from "./dom.js";
import { RATIO_LIMIT, RATIO_RANGE, overTime, stacked } from "./energy.js";
import { faultNotice } from "./faults.js";
import { counted, energy, guessed, kwh, percent, ratio, volts } from "./figures.js";
import { headed, start } from "./frame.js";
import { asked } from "./listing.js";
import { READINGS, now } from "./now.js";
import { part } from "./part.js";
import { registerEvents } from "./register.js";
import { sessionColumns } from "./stays.js";
import { table } from "./table.js";
import { tiles } from "./tiles.js";
import { DAY, day, dayAndTime, dayOfYear } from "./times.js";
import { REASONS } from "./words.js";

const SESSIONS = 10;
const SMALLEST_DOT = 2;
const LARGEST_DOT = 7;
const id = idOfPage();
const path = encodeURIComponent(id);

const figures = part("Energy", {
    load: (window, signal) => ask(`/v1/analytics/meters/${path}`, asked(window), signal),
    draw: (meter, { tz }) => [
        faultNotice(meter.faults, tz),
        tiles([
            {
                label: "AC from the grid",
                value: guessed(energy(meter.acConsumedKwh), meter.estimated),
                note: REASONS[meter.reason],
                sign: "ac",
            },
            {
                label: "For vehicles",
                value: energy(meter.acAttributedKwh),
                note: counted(meter.vehicles.length, "vehicle"),
            },
            { label: "For nobody", value: energy(meter.acUnattributedKwh), note: "no vehicle was assigned" },
            {
                label: "Voltage",
                value: `${volts(meter.voltage.mean)} V`,
                note: `${volts(meter.voltage.min)} to ${volts(meter.voltage.max)} V`,
            },
            { label: "Coverage", value: percent(meter.coverage), note: counted(meter.readings, "reading") },
        ]),
        meter.pending && h("p", { class: "muted" }, "◷ Late readings are being added to these figures."),
        meter.vehicles.length > 0 && h("h3", {}, "Vehicles that it fed"),
        meter.vehicles.length > 0 && table("Vehicles that it fed", fedColumns, meter.vehicles),
    ],
});

const fedColumns = [
    {
        label: "Vehicle",
        cell: ({ vehicleId }) => h("a", { href: href(`/vehicles/${encodeURIComponent(vehicleId)}`) }, vehicleId),
    },
    { label: "Hours", isNumber: true, isMinor: true, cell: ({ minutes }) => kwh(minutes / 60) },
    { label: "AC, kWh", isNumber: true, cell: ({ acConsumedKwh }) => kwh(acConsumedKwh) },
    { label: "DC, kWh", isNumber: true, cell: ({ dcDeliveredKwh }) => kwh(dcDeliveredKwh) },
    { label: "Ratio", isNumber: true, cell: ({ efficiencyRatio }) => ratio(efficiencyRatio) },
];

// Days of charger health are of UTC, and go back further than the window, to its baseline.
const health = part("Ratio by day", {
    load: (window, signal) => ask(`/v1/analytics/health/meters/${path}`, { to: asked(window).to }, signal),
    draw: (answer) => [h("p", {}, sentence(answer)), ...(answer.days.length ? dayCharts(answer) : [])],
});

function sentence({ change, baselineRatio, recentRatio, reason }) {
    if (change)
        return `${change.after < change.before ? "▼ Ratio fell" : "Ratio rose"} from ${ratio(change.before)} to ${ratio(change.after)} on ${dayOfYear(Date.parse(change.since), "UTC")}.`;
    if (reason) return `Not enough to compare: ${REASONS[reason] ?? reason}`;
    return `No change from one day to another: ${ratio(baselineRatio)} at first, ${ratio(recentRatio)} of late.`;
}

function dayCharts({ days, change, baselineRatio }) {
    const energies = days.map(({ totalEnergy }) => totalEnergy.acConsumedKwh ?? 0);
    const most = Math.max(...energies, 1);
    const shared = {
        times: days.map(({ window }) => Date.parse(window.from)),
        label: (index) => nameOf(days[index].window, "day", "UTC"),
        head: "Day (UTC)",
        from: Date.parse(days[0].window.from) - DAY / 2,
        to: Date.parse(days.at(-1).window.to) + DAY / 2,
        zone: "UTC",
        canZoom: true,
        hint: "By day (UTC). Drag to choose a window.",
        marks: change ? [{ at: Date.parse(change.since), label: `since ${day(Date.parse(change.since), "UTC")}` }] : [],
    };
    const sizes = energies.map((value) => SMALLEST_DOT + (LARGEST_DOT - SMALLEST_DOT) * Math.sqrt(value / most));
    return [
        chart("Ratio by day", {
            ...shared,
            range: RATIO_RANGE,
            limits: [
                RATIO_LIMIT,
                ...(baselineRatio === null
                    ? []
                    : [{ value: baselineRatio, label: `baseline ${ratio(baselineRatio)}` }]),
            ],
            series: [
                {
                    label: "Ratio; larger dots are more kWh",
                    kind: "point",
                    colour: "ac",
                    values: days.map(({ efficiencyRatio }) => efficiencyRatio),
                    sizes,
                    write: ratio,
                },
            ],
        }),
        chart("Energy by day", { ...shared, series: stacked(days.map(ofDay)) }),
    ];
}

const ofDay = ({ totalEnergy: { acConsumedKwh, dcDeliveredKwh } }) => [
    { label: "DC that arrived", value: acConsumedKwh === null ? null : dcDeliveredKwh, colour: "dc" },
    {
        label: "lost on the way",
        value: acConsumedKwh === null || dcDeliveredKwh === null ? null : acConsumedKwh - dcDeliveredKwh,
        colour: "lost",
        isHatched: true,
    },
];

const series = part("Energy over time", {
    load: (window, signal) =>
        ask(
            `/v1/analytics/meters/${path}/series`,
            { ...asked(window), bucket: bucketOf(window), timezone: window.tz },
            signal,
        ),
    draw: ({ buckets, bucket }, window) =>
        buckets.some(({ readings }) => readings) &&
        chart("Energy over time", { ...overTime(buckets, bucket, window), series: stacked(buckets.map(byUse)) }),
});

const byUse = ({ acAttributedKwh, acUnattributedKwh }) => [
    { label: "AC for vehicles", value: acAttributedKwh, colour: "ac" },
    { label: "AC for nobody", value: acUnattributedKwh, colour: "ac", isOutline: true },
];

const voltage = part("Power and voltage", {
    load: (window, signal) =>
        ask(
            `/v1/analytics/meters/${path}/curve`,
            {
                ...asked(window),
                bucket: window.to - window.from <= DAY ? "1m" : window.to - window.from <= 10 * DAY ? "5m" : "15m",
            },
            signal,
        ),
    draw: ({ points, bucket }, window) =>
        points.some(({ readings }) => readings) &&
        chart("Power and voltage", {
            times: points.map(({ window: { from } }) => Date.parse(from)),
            label: (index) => dayAndTime(Date.parse(points[index].window.to), window.tz),
            from: window.from,
            to: window.to,
            zone: window.tz,
            canZoom: true,
            hint: `Means of ${parseInt(bucket, 10)} min. Drag to choose a window.`,
            series: [
                {
                    label: "Power, kW",
                    kind: "line",
                    colour: "ac",
                    unit: "kW",
                    values: points.map(({ powerKw }) => powerKw),
                    write: kwh,
                },
                {
                    label: "Voltage, V",
                    kind: "line",
                    colour: "muted",
                    side: 1,
                    unit: "V",
                    values: points.map((point) => point.voltage),
                    write: volts,
                },
            ],
        }),
});

const sessions = part("Sessions", {
    load: (window, signal) => ask("/v1/sessions", { ...asked(window), meterId: id, limit: SESSIONS }, signal),
    draw: ({ sessions: listed, total }, { tz }) => [
        table("Sessions, newest first", sessionColumns(tz, { without: "meter" }), listed, {
            empty: "None in this window.",
        }),
        total > SESSIONS && h("p", {}, h("a", { href: href("/sessions", { meterId: id }) }, `All ${total} sessions`)),
    ],
});

const describe = ({ name, site, ratedPowerKw, energyReading }) =>
    [name, site && `site ${site}`, ratedPowerKw && `${ratedPowerKw} kW`, READINGS[energyReading]]
        .filter(Boolean)
        .join(" · ");
const again = () => dispatchEvent(new Event("address"));

headed(id);
start([
    now("meters", describe),
    health,
    figures,
    series,
    voltage,
    sessions,
    registerEvents("meterId", again),
    assignments("meters", again),
]);
