// A vehicle: is it at fault, or its charger?

import { given, href, idOfPage } from "./address.js";
import { ask } from "./ask.js";
import { assignments } from "./assignments.js";
import { battery } from "./battery.js";
import { bucketOf } from "./buckets.js";
import { curveCharts, loadCurve } from "./curve.js";
import { h } from "./dom.js";
import { energyCharts, ofVehicle } from "./energy.js";
import { faultNotice } from "./faults.js";
import { counted, degrees, energy, guessed, kwh, percent, ratio } from "./figures.js";
import { headed, start } from "./frame.js";
import { asked } from "./listing.js";
import { READINGS, now } from "./now.js";
import { part } from "./part.js";
import { sessionColumns, sessionLink } from "./stays.js";
import { table } from "./table.js";
import { tiles } from "./tiles.js";
import { REASONS } from "./words.js";
import { why } from "./why.js";

const SESSIONS = 10;
const id = idOfPage();
const performancePath = `/v1/analytics/performance/${encodeURIComponent(id)}`;

const figures = part("Energy", {
    load: (window, signal) => ask(performancePath, asked(window), signal),
    draw: (
        {
            totalEnergy,
            efficiencyRatio,
            avgBatteryTemp,
            coverage,
            meters,
            estimated,
            pending,
            reasons,
            faults,
            spannedKwh,
        },
        { tz },
    ) => [
        faultNotice(faults, tz),
        tiles([
            {
                label: "AC from the grid",
                value: guessed(energy(totalEnergy.acConsumedKwh), estimated),
                note: REASONS[reasons.acConsumedKwh] ?? `at ${counted(meters.length, "meter")}`,
                sign: "ac",
            },
            {
                label: "DC in the battery",
                value: guessed(energy(totalEnergy.dcDeliveredKwh), estimated),
                note: REASONS[reasons.dcDeliveredKwh] ?? `${kwh(totalEnergy.dcElsewhereKwh)} kWh of it from elsewhere`,
                sign: "dc",
            },
            {
                label: "Ratio",
                value: guessed(ratio(efficiencyRatio), estimated),
                note: REASONS[reasons.efficiencyRatio],
            },
            { label: "Battery, mean", value: `${degrees(avgBatteryTemp)} °C`, note: REASONS[reasons.avgBatteryTemp] },
            {
                label: "Coverage",
                value: percent(coverage.vehicle),
                note: `of its minutes; ${percent(coverage.meter)} of its meters'`,
            },
        ]),
        estimated &&
            h(
                "p",
                { class: "muted" },
                `≈ Estimated: ${kwh(spannedKwh.ac)} kWh AC and ${kwh(spannedKwh.dc)} kWh DC reach across the edge of an assignment, or readings are no longer kept.`,
            ),
        pending && h("p", { class: "muted" }, "◷ Late readings are being added to these figures."),
    ],
});

const series = part("Energy and ratio over time", {
    load: (window, signal) =>
        ask(`${performancePath}/series`, { ...asked(window), bucket: bucketOf(window), timezone: window.tz }, signal),
    draw: (answer, window) => energyCharts(answer, window, ofVehicle),
});

const sessions = part("Sessions", {
    load: async (window, signal) => {
        const answer = await ask("/v1/sessions", { ...asked(window), vehicleId: id, limit: SESSIONS }, signal);
        const chosen =
            answer.sessions.find((session) => session.id === given("session")) ??
            answer.sessions.find(({ acConsumedKwh }) => acConsumedKwh) ??
            answer.sessions[0];
        return { ...answer, chosen, curve: chosen && (await loadCurve(chosen, signal)) };
    },
    draw: ({ sessions: listed, total, chosen, curve }, { tz }) => [
        table("Sessions, newest first", [...sessionColumns(tz, { without: "vehicle" }), curveColumn(chosen)], listed, {
            empty: "None in this window.",
        }),
        total > SESSIONS && h("p", {}, h("a", { href: href("/sessions", { vehicleId: id }) }, `All ${total} sessions`)),
        curve && h("h3", {}, "The session of ", sessionLink(chosen, tz)),
        ...(curve ? curveCharts(curve, tz) : []),
    ],
});

const curveColumn = (chosen) => ({
    label: "Curve",
    isMinor: true,
    cell: (session) =>
        session === chosen ? "below" : h("a", { href: href(location.pathname, { session: session.id }) }, "show"),
});

const health = part("Battery", {
    load: (window, signal) => ask(`/v1/analytics/health/${encodeURIComponent(id)}`, { to: asked(window).to }, signal),
    draw: battery,
});

const explanation = part("Why this figure", {
    load: (window, signal) => ask(`${performancePath}/explain`, asked(window), signal),
    draw: why,
});

const describe = ({ name, group, batteryCapacityKwh, energyReading }) =>
    [
        name,
        group && `group ${group}`,
        batteryCapacityKwh && `battery of ${kwh(batteryCapacityKwh)} kWh`,
        READINGS[energyReading],
    ]
        .filter(Boolean)
        .join(" · ");

headed(id);
start([
    now("vehicles", describe),
    figures,
    series,
    sessions,
    health,
    explanation,
    assignments("vehicles", () => dispatchEvent(new Event("address"))),
]);
