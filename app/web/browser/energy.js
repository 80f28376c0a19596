// Energy and ratio over time: how a series of the API is drawn.

import { change, iso } from "./address.js";
import { nameOf, startsOf } from "./buckets.js";
import { chart } from "./chart.js";
import { kwh, ratio } from "./figures.js";

export const RATIO_RANGE = [0.6, 1.05];
export const RATIO_LIMIT = { value: 0.85, label: "0.85" };

const less = (one, other) => (one === null || other === null ? null : one - other);

/** What the fleet's AC energy became: it is compared where vehicles sent readings too. */
export const ofFleet = ({ totalEnergy, matched }) => [
    layer("DC that arrived", matched.dcDeliveredKwh, { colour: "dc" }),
    layer("lost on the way", less(matched.acConsumedKwh, matched.dcDeliveredKwh), { colour: "lost", isHatched: true }),
    layer("for nobody, or not compared", less(totalEnergy.acConsumedKwh, matched.acConsumedKwh ?? 0), {
        colour: "ac",
        isOutline: true,
    }),
];

/** What a vehicle's AC energy became, and what it charged elsewhere. */
export const ofVehicle = ({ totalEnergy: { acConsumedKwh, dcDeliveredKwh, dcElsewhereKwh } }) => {
    const arrived = less(dcDeliveredKwh, dcElsewhereKwh ?? 0);
    return [
        layer("DC that arrived", acConsumedKwh === null ? null : arrived, { colour: "dc" }),
        layer("lost on the way", less(acConsumedKwh, arrived), { colour: "lost", isHatched: true }),
        layer("DC from elsewhere", acConsumedKwh === null ? dcDeliveredKwh : dcElsewhereKwh, {
            colour: "dc",
            isOutline: true,
        }),
    ];
};

const layer = (label, value, look) => ({ label, value, ...look });

/** Two charts of a series: energies by what became of them (`layersOf` a bucket), and the ratio. */
export function energyCharts({ buckets, bucket }, window, layersOf) {
    const shared = overTime(buckets, bucket, window);
    return [
        chart("Energy", { ...shared, series: [total(buckets), ...stacked(buckets.map(layersOf))] }),
        chart("Ratio of DC to AC", {
            ...shared,
            range: RATIO_RANGE,
            limits: [RATIO_LIMIT],
            series: [
                {
                    label: "Ratio",
                    kind: "point",
                    colour: "ac",
                    values: buckets.map(({ efficiencyRatio }) => efficiencyRatio),
                    write: ratio,
                },
            ],
        }),
    ];
}

/** What charts of a series have in common. */
export function overTime(buckets, bucket, window) {
    const open = ({ from, to }) => change({ from: iso(Date.parse(from)), to: iso(Date.parse(to)), after: null });
    return {
        times: startsOf(buckets),
        label: (index) => nameOf(buckets[index].window, bucket, window.tz),
        head: bucket[0].toUpperCase() + bucket.slice(1),
        from: window.from,
        to: window.to,
        zone: window.tz,
        canZoom: true,
        hint: `By ${bucket}. Drag to choose a window, click to open a bucket.`,
        pick: (index) => open(buckets[index].window),
    };
}

const total = (buckets) => ({
    label: "AC from the grid, kWh",
    kind: "text",
    values: buckets.map(({ totalEnergy }) => totalEnergy.acConsumedKwh),
    write: kwh,
});

/** Layers on each other, the lowest first: what is higher is drawn before it, as high as all below reach. */
export function stacked(buckets) {
    const heights = buckets.map((layers) => {
        let height = 0;
        return layers.map(({ value }) => (value === null ? null : (height += value)));
    });
    return buckets[0]
        ? buckets[0].map(({ label, ...look }, place) => ({
              label,
              ...look,
              kind: "bar",
              unit: "kWh",
              values: buckets.map((layers) => layers[place].value),
              drawn: heights.map((height) => height[place]),
              write: kwh,
          }))
        : [];
}
