// The course of a session: power of both sides, state of charge, temperature, voltage.

import { iso } from "./address.js";
import { ask } from "./ask.js";
import { chart } from "./chart.js";
import { degrees, kw, soc, volts } from "./figures.js";
import { DAY, HOUR, dayAndTime } from "./times.js";

const bucketFor = (length) => (length <= DAY ? "1m" : length <= 10 * DAY ? "5m" : "15m");

/** Both curves of a session, up to its end or to now; of a long one the last 31 days. */
export async function loadCurve(session, signal) {
    const to = Math.min(session.to === null ? Date.now() : Date.parse(session.to), Date.now());
    const from = Math.max(Date.parse(session.from), to - 31 * DAY);
    if (from >= to) return null;
    const parameters = { from: iso(from), to: iso(to), bucket: bucketFor(to - from) };
    const curve = (kind, id) =>
        ask(`/v1/analytics/${kind}/${encodeURIComponent(id)}/curve`, parameters, signal).catch(orNone);
    const [vehicle, meter] = await Promise.all([
        curve("vehicles", session.vehicleId),
        curve("meters", session.meterId),
    ]);
    return { from, to, vehicle, meter };
}

function orNone(error) {
    if (error.status === 404) return { points: [] };
    throw error;
}

/** The charts of curves, or nothing. */
export function curveCharts(curve, tz) {
    const { vehicle, meter, from, to } = curve;
    const points = vehicle.points.length ? vehicle.points : meter.points;
    if (!points.length) return [];
    const shared = {
        times: points.map(({ window }) => Date.parse(window.from)),
        label: (index) => dayAndTime(Date.parse(points[index].window.to), tz),
        from,
        to: Math.max(to, from + HOUR / 4),
        zone: tz,
        hint: "Arrow keys move from reading to reading.",
    };
    const of = ({ points: all }, name) => points.map((_, index) => all[index]?.[name] ?? null);
    return [
        chart("Power and state of charge", {
            ...shared,
            series: [
                {
                    label: "AC power, kW",
                    kind: "line",
                    colour: "ac",
                    unit: "kW",
                    values: of(meter, "powerKw"),
                    write: kw,
                },
                {
                    label: "DC power, kW",
                    kind: "line",
                    isDashed: true,
                    colour: "dc",
                    unit: "kW",
                    values: of(vehicle, "powerKw"),
                    write: kw,
                },
                {
                    label: "State of charge",
                    kind: "line",
                    colour: "muted",
                    side: 1,
                    unit: "%",
                    range: [0, 100],
                    values: of(vehicle, "soc"),
                    write: soc,
                },
            ],
        }),
        chart("Battery temperature and voltage", {
            ...shared,
            isLoose: true,
            series: [
                {
                    label: "Battery, °C",
                    kind: "line",
                    isDashed: true,
                    colour: "dc",
                    unit: "°C",
                    values: of(vehicle, "batteryTemp"),
                    write: degrees,
                },
                {
                    label: "Voltage, V",
                    kind: "line",
                    colour: "ac",
                    side: 1,
                    unit: "V",
                    values: of(meter, "voltage"),
                    write: volts,
                },
            ],
        }),
    ];
}
