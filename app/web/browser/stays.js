// Sessions as rows of a table.

import { pageOf } from "./address.js";
import { h } from "./dom.js";
import { guessed, kw, kwh, ratio, soc } from "./figures.js";
import { dayAndTime, duration, time } from "./times.js";
import { STATES, VERDICTS } from "./words.js";

const FAULTS = ({ faults }) => faults.map((code) => h("span", { class: "note fault" }, `▲ ${VERDICTS[code] ?? code}`));

/** When a session began, as a link to it. */
export const sessionLink = (session, tz) =>
    h("a", { href: pageOf("sessions", session.id) }, dayAndTime(Date.parse(session.from), tz));

/** Columns of sessions, of vehicles and of meters unless one of them is what the page is about. */
export function sessionColumns(tz, { without = null } = {}) {
    const device = (label, kind, name) => ({
        label,
        cell: (session) => h("a", { href: pageOf(kind, session[name]) }, session[name]),
    });
    return [
        {
            label: "Began",
            cell: (session) => [
                sessionLink(session, tz),
                session.beganBefore && h("span", { class: "note" }, "before this window"),
            ],
        },
        {
            label: "Ended",
            isMinor: true,
            cell: (session) =>
                session.state === "ended" ? ended(session, tz) : h("span", { class: "muted" }, STATES[session.state]),
        },
        without !== "vehicle" && device("Vehicle", "vehicles", "vehicleId"),
        without !== "meter" && device("Meter", "meters", "meterId"),
        { label: "AC, kWh", isNumber: true, cell: (session) => guessed(kwh(session.acConsumedKwh), session.estimated) },
        {
            label: "DC, kWh",
            isNumber: true,
            isMinor: true,
            cell: (session) => guessed(kwh(session.dcDeliveredKwh), session.estimated),
        },
        { label: "Ratio", isNumber: true, cell: (session) => [ratio(session.efficiencyRatio), FAULTS(session)] },
        {
            label: "Lost beyond expected, kWh",
            isNumber: true,
            isMinor: true,
            cell: (session) => kwh(session.lostBeyondExpectedKwh),
        },
        {
            label: "Mean, highest kW",
            isNumber: true,
            isMinor: true,
            cell: (session) => `${kw(session.meanPowerKw)}, ${kw(session.highestPowerKw)}`,
        },
        {
            label: "State of charge",
            isNumber: true,
            isMinor: true,
            cell: (session) => `${soc(session.socStart)} to ${soc(session.socEnd)}`,
        },
    ].filter(Boolean);
}

function ended({ from, to }, tz) {
    const [begins, ends] = [Date.parse(from), Date.parse(to)];
    return [
        ends - begins < 24 * 3600_000 ? time(ends, tz) : dayAndTime(ends, tz),
        h("span", { class: "note" }, duration(ends - begins)),
    ];
}
