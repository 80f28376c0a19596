// A battery's capacity over months, with its error.

import { chart } from "./chart.js";
import { counted, degrees, kwh, percent } from "./figures.js";
import { h } from "./dom.js";
import { tiles } from "./tiles.js";
import { DAY } from "./times.js";
import { REASONS } from "./words.js";

const two = (value) => value.toFixed(2);

/** Capacity, trend, heat, and the chart of months. */
export function battery(
    { capacity, listedCapacityKwh, shareOfListed, trend, months, hoursAbove40C, maxBatteryTemp },
    { tz },
) {
    const known = months.filter(({ capacity: { kwh: value } }) => value !== null);
    return [
        h("p", {}, sentence(trend)),
        tiles([
            {
                label: "Capacity",
                value: capacity.kwh === null ? "–" : `${kwh(capacity.kwh)} kWh`,
                note:
                    capacity.kwh === null
                        ? REASONS[capacity.reason]
                        : `${kwh(capacity.lowKwh)} to ${kwh(capacity.highKwh)} with 95 % confidence, of ${counted(capacity.stretches, "charge")}`,
                sign: "dc",
            },
            {
                label: "Of the listed",
                value: percent(shareOfListed),
                note: listedCapacityKwh === null ? "no capacity is registered" : `${kwh(listedCapacityKwh)} kWh`,
            },
            {
                label: "Above 40 °C",
                value: hoursAbove40C === null ? "–" : `${kwh(hoursAbove40C)} h`,
                note: `highest ${degrees(maxBatteryTemp)} °C`,
            },
        ]),
        known.length > 0 && monthsChart(known, listedCapacityKwh, tz),
    ];
}

function sentence({ perMonth, standardError, reason }) {
    if (perMonth === null) return `No trend yet: ${REASONS[reason] ?? reason}`;
    const error = `± ${two(1.96 * standardError)}`;
    if (Math.abs(perMonth) < 1.96 * standardError)
        return `✓ No change that can be told from chance: ${two(perMonth)} kWh a month ${error}.`;
    return `${perMonth < 0 ? "▼ Loses" : "Gains"} ${two(Math.abs(perMonth))} kWh a month ${error}.`;
}

function monthsChart(months, listed, tz) {
    const starts = months.map(({ month }) => Date.parse(`${month}-01T00:00:00Z`));
    const [lows, highs] = ["lowKwh", "highKwh"].map((name) =>
        months.map(({ capacity }) => capacity[name] ?? capacity.kwh),
    );
    const edges = [...lows, ...highs, ...(listed === null ? [] : [listed])];
    return chart("Battery capacity by month", {
        times: starts,
        label: (index) => months[index].month,
        head: "Month",
        from: starts[0] - 15 * DAY,
        to: starts.at(-1) + 30 * DAY,
        zone: tz,
        range: [0.95 * Math.min(...edges), 1.05 * Math.max(...edges)],
        limits: listed === null ? [] : [{ value: listed, label: "listed" }],
        series: [
            {
                label: "Capacity, kWh",
                kind: "point",
                colour: "dc",
                unit: "kWh",
                values: months.map(({ capacity }) => capacity.kwh),
                errors: highs.map((high, index) => (high - lows[index]) / 2),
                write: kwh,
            },
            { label: "95 % confidence, kWh", kind: "text", values: highs, lows, write: kwh },
        ],
    });
}
