// Why this figure: a picture of the parts that a vehicle's energy is made of, which add up to it.

import { change, iso, pageOf } from "./address.js";
import { h, placed } from "./dom.js";
import { counted, kwh, ratio, sum } from "./figures.js";
import { table } from "./table.js";
import { dayAndTime } from "./times.js";
import { EVENTS } from "./words.js";

// Energies of parts have 9 decimals, the figures 6.
const SAME_KWH = 1e-5;

/** The picture of an explanation: a bar for each time at a meter, AC with what arrived of it, then what came elsewhere. */
export function why({ performance, grid, battery }, { tz }) {
    const rows = [...stays(grid, battery), ...elsewhere(battery)];
    if (!rows.length) return h("p", { class: "muted" }, "Nothing in this window belongs to this vehicle.");
    const most = Math.max(...rows.map(({ ac, dc }) => Math.max(ac ?? 0, dc ?? 0)), SAME_KWH);
    const { acConsumedKwh, dcDeliveredKwh } = performance.totalEnergy;
    return [
        h(
            "p",
            {},
            "Each bar is a time at a meter: the outline is what the grid gave (AC), the filled part what reached the battery (DC). Together they are the figures above.",
        ),
        h(
            "div",
            { class: "why" },
            rows.map((row) => line(row, most, tz)),
        ),
        h(
            "p",
            { class: "sum" },
            added(
                "AC",
                rows.map(({ ac }) => ac),
                acConsumedKwh,
            ),
            added(
                "DC",
                rows.map(({ dc }) => dc),
                dcDeliveredKwh,
            ),
            `Ratio ${ratio(performance.efficiencyRatio)}`,
        ),
    ];
}

function stays(grid, battery) {
    const arrived = battery.filter(({ meterId }) => meterId !== null);
    const keyOf = ({ meterId, assignmentId }) => `${meterId} ${assignmentId}`;
    const rows = grid.map((stretch) => ({ ...stretch, ac: stretch.energyKwh, dc: null, sides: [stretch] }));
    for (const stretch of arrived) {
        const row =
            rows.find((one) => keyOf(one) === keyOf(stretch) && one.dc === null) ??
            rows.find((one) => keyOf(one) === keyOf(stretch));
        if (!row) rows.push({ ...stretch, ac: null, dc: stretch.energyKwh, sides: [stretch] });
        else {
            row.dc = sum([row.dc, stretch.energyKwh]);
            row.sides.push(stretch);
        }
    }
    return rows;
}

const elsewhere = (battery) =>
    battery
        .filter(({ meterId, energyKwh }) => meterId === null && energyKwh)
        .map((stretch) => ({ ...stretch, ac: null, dc: stretch.energyKwh, sides: [stretch] }));

function line(row, most, tz) {
    const { meterId, assignmentId, window, ac, dc } = row;
    const [from, to] = [window.from, window.to].map((instant) => Date.parse(instant));
    const bar = (value, side) =>
        value !== null && placed(h("span", { class: `bar ${side}` }), { width: (100 * value) / most });
    return h(
        "details",
        { class: "stay" },
        h(
            "summary",
            {},
            h(
                "span",
                { class: "name" },
                meterId ?? "Elsewhere",
                h("span", { class: "note" }, `${dayAndTime(from, tz)} to ${dayAndTime(to, tz)}`),
            ),
            h("span", { class: "bars" }, bar(ac, "ac"), bar(dc, "dc")),
            h(
                "span",
                { class: "number" },
                `AC ${kwh(ac)}, DC ${kwh(dc)}`,
                h(
                    "span",
                    { class: "note" },
                    meterId === null ? "not in the ratio" : `ratio ${ratio(ac && dc !== null ? dc / ac : null)}`,
                ),
            ),
        ),
        h(
            "p",
            {},
            meterId === null
                ? "No meter of this fleet fed the vehicle. "
                : [
                      assignmentId === null ? "Paired by the same id, with " : `Assignment ${assignmentId}, at `,
                      h("a", { href: pageOf("meters", meterId) }, meterId),
                      ". ",
                  ],
            h(
                "button",
                { type: "button", class: "plain", on: { click: () => change({ from: iso(from), to: iso(to) }) } },
                "Show this time alone",
            ),
        ),
        row.sides.map((side) => hours(side, row.sides[0] === side && ac !== null ? "AC" : "DC", tz)),
    );
}

const hours = (stretch, side, tz) =>
    table(
        `${side} by hour`,
        [
            { label: `${side}, hour`, cell: ({ hour }) => dayAndTime(Date.parse(hour), tz) },
            { label: "From", cell: ({ source }) => (source === "rollup" ? "whole hour" : "readings of a part of it") },
            { label: "Readings", isNumber: true, cell: ({ readings }) => String(readings) },
            {
                label: "Steps",
                isMinor: true,
                cell: ({ steps }) => steps.map(({ step }) => EVENTS[step] ?? step).join(", "),
            },
            { label: "kWh", isNumber: true, cell: ({ energyKwh }) => kwh(energyKwh) },
        ],
        stretch.parts,
        { empty: `${side}: no readings.` },
    );

/** What the parts add up to, and whether that is the figure. */
function added(side, parts, figure) {
    const total = sum(parts);
    const isSame = Math.abs((total ?? 0) - (figure ?? 0)) < SAME_KWH;
    return h(
        "span",
        { class: isSame ? "good" : "fault" },
        `${side}: ${counted(parts.filter((part) => part !== null).length, "part")}, ${kwh(total)} kWh, ${isSame ? "✓ the figure above" : `▲ the figure is ${kwh(figure)}`}`,
    );
}
