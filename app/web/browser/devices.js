// Lists of vehicles and of meters: over a window, or what they do now.

import { change, given, pageOf } from "./address.js";
import { ask } from "./ask.js";
import { h } from "./dom.js";
import { counted, degrees, energy, guessed, kw, kwh, percent, ratio, soc, sum, volts } from "./figures.js";
import { start } from "./frame.js";
import { PAGE, asked, filters, page, placeNames, sorting } from "./listing.js";
import { part } from "./part.js";
import { tiles } from "./tiles.js";
import { dayAndTime } from "./times.js";
import { verdict } from "./verdict.js";

const SILENT_FOR = "30m";
const SHOWN = [
    ["", "All, over the window"],
    ["charging", "Charging now"],
    ["silent", "Silent now"],
];

/** The page of a kind of devices: `kind` is vehicles or meters, `place` group or site. */
export function listDevices({ kind, place, placeLabel, columns, liveColumns }) {
    const isLive = () => given("show") === "charging" || given("show") === "silent";
    start([
        filters([
            { name: "q", label: "Id or name contains", type: "search" },
            { name: place, label: placeLabel, suggest: placeNames(place) },
            { name: "show", label: "Show", options: SHOWN },
        ]),
        part("In total", {
            load: (window, signal) =>
                isLive() || given("q") ? null : ask(`/v1/analytics/${place}s`, asked(window), signal),
            draw: (answer) => totals(answer, kind, place),
        }),
        part(kind === "vehicles" ? "Vehicles" : "Meters", {
            load: (window, signal) =>
                isLive() ? live(kind, place, window, signal) : ranked(kind, place, window, signal),
            draw: (list, window) =>
                page(
                    `All ${kind}`,
                    [identity(kind), ...(list.isSorted ? columns(window) : liveColumns(window))],
                    list.answer[kind],
                    list,
                ),
        }),
    ]);
}

async function ranked(kind, place, window, signal) {
    const path = `/v1/analytics/${kind}`;
    const { sort, order } = sorting("lostBeyondExpectedKwh");
    const parameters = {
        ...asked(window),
        [place]: given(place),
        search: given("q"),
        sort,
        order,
        after: given("after"),
        limit: PAGE,
    };
    const answer = await ask(path, parameters, signal);
    return { answer, path, parameters, sort, order, isSorted: true, empty: nothing(kind) };
}

async function live(kind, place, _, signal) {
    const path = `/v1/live/${kind}`;
    const wanted = given("show") === "charging" ? { charging: true } : { silentFor: SILENT_FOR };
    const parameters = { [place]: given(place), search: given("q"), ...wanted, after: given("after"), limit: PAGE };
    return {
        answer: await ask(path, parameters, signal),
        path,
        parameters,
        isSorted: false,
        empty: `No ${kind} ${given("show") === "charging" ? "charge now" : "are silent"}.`,
    };
}

function nothing(kind) {
    const isFiltered = ["q", "site", "group"].some((name) => given(name));
    if (isFiltered)
        return h(
            "span",
            {},
            `No ${kind} match. `,
            h(
                "button",
                { type: "button", on: { click: () => change({ q: null, site: null, group: null, after: null }) } },
                "Show all",
            ),
        );
    return h(
        "span",
        {},
        `No ${kind} yet: they appear when they send readings. `,
        h("a", { href: "/docs" }, "How to send readings"),
    );
}

function totals(answer, kind, place) {
    // They are of whole sites and groups, over a window.
    if (answer === null) return null;
    const chosen = given(place);
    const rows = answer[`${place}s`].filter((row) => chosen === null || row[place] === chosen);
    const of = (name) => sum(rows.map((row) => row[name]));
    const isEstimated = rows.some(({ estimated }) => estimated);
    const rest = kind === "vehicles" ? ["DC from elsewhere", "dcElsewhereKwh"] : ["For nobody", "acUnattributedKwh"];
    return tiles([
        { label: "AC from the grid", value: guessed(energy(of("acConsumedKwh")), isEstimated), sign: "ac" },
        { label: "DC in batteries", value: guessed(energy(of("dcDeliveredKwh")), isEstimated), sign: "dc" },
        { label: rest[0], value: energy(of(rest[1])) },
        {
            label: "Lost beyond expected",
            value: energy(of("lostBeyondExpectedKwh")),
            note: `by ${counted(of("devicesWithLosses") ?? 0, "device")}`,
            sign: "lost",
        },
        {
            label: "Sessions",
            value: String(of("sessions") ?? 0),
            note: `${of("devicesSeen") ?? 0} of ${counted(of("devices") ?? 0, "device")} sent readings`,
        },
    ]);
}

const idOf = (device) => device.id ?? device.vehicleId ?? device.meterId;

const identity = (kind) => ({
    label: kind === "vehicles" ? "Vehicle" : "Meter",
    sort: "id",
    cell: (device) => [
        h("a", { href: pageOf(kind, idOf(device)) }, idOf(device)),
        device.name && h("span", { class: "note" }, device.name),
    ],
});

const figure = (label, sort, write, isMinor = true) => ({
    label,
    sort,
    isNumber: true,
    isMinor,
    cell: (device) => write(device[sort]),
});

const placeColumn = (label, place) => ({
    label,
    isMinor: true,
    cell: (device) => device[place] ?? h("span", { class: "muted" }, "–"),
});
const energyColumn = (label, name, isMinor) => ({
    ...figure(label, name, kwh, isMinor),
    cell: (device) => guessed(kwh(device[name]), device.estimated),
});
const verdictColumn = { label: "Verdict", cell: (device) => verdict(device.verdict) };
const since = (window) => ({
    label: "Newest reading",
    isMinor: true,
    cell: ({ timestamp }) => dayAndTime(Date.parse(timestamp), window.tz),
});
const other = (label, kind, name) => ({
    label,
    cell: (device) => (device[name] === null ? "–" : h("a", { href: pageOf(kind, device[name]) }, device[name])),
});

const COMMON = [
    figure("Ratio", "efficiencyRatio", ratio, false),
    verdictColumn,
    figure("Lost beyond expected, kWh", "lostBeyondExpectedKwh", kwh, false),
    figure("Lost, kWh", "lostKwh", kwh),
    figure("Mean power, kW", "meanPowerKw", kw),
    figure("Sessions", "sessions", String),
    figure("Coverage", "coverage", percent),
];

export const VEHICLES = {
    kind: "vehicles",
    place: "group",
    placeLabel: "Group",
    columns: () => [
        placeColumn("Group", "group"),
        energyColumn("AC, kWh", "acConsumedKwh"),
        energyColumn("DC, kWh", "dcDeliveredKwh"),
        energyColumn("Elsewhere, kWh", "dcElsewhereKwh"),
        ...COMMON,
        figure("Battery, °C", "avgBatteryTemp", degrees),
    ],
    liveColumns: (window) => [
        placeColumn("Group", "group"),
        { label: "State of charge", isNumber: true, cell: (vehicle) => soc(vehicle.soc) },
        { label: "Power, kW", isNumber: true, cell: (vehicle) => kw(vehicle.powerKw) },
        other("At", "meters", "meterId"),
        {
            label: "To full, min",
            isNumber: true,
            isMinor: true,
            cell: ({ minutesToFull }) => (minutesToFull === null ? "–" : String(Math.round(minutesToFull))),
        },
        since(window),
    ],
};

export const METERS = {
    kind: "meters",
    place: "site",
    placeLabel: "Site",
    columns: () => [
        placeColumn("Site", "site"),
        energyColumn("AC, kWh", "acConsumedKwh"),
        energyColumn("DC, kWh", "dcDeliveredKwh"),
        energyColumn("For nobody, kWh", "acUnattributedKwh"),
        ...COMMON,
        figure("Voltage, V", "avgVoltage", volts),
    ],
    liveColumns: (window) => [
        placeColumn("Site", "site"),
        { label: "Power, kW", isNumber: true, cell: (meter) => kw(meter.powerKw) },
        other("Feeds", "vehicles", "vehicleId"),
        { label: "Voltage, V", isNumber: true, isMinor: true, cell: (meter) => volts(meter.voltage) },
        since(window),
    ],
};
