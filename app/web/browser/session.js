// A session: why this figure?

import { href, idOfPage, iso, pageOf, zone } from "./address.js";
import { ask, shared } from "./ask.js";
import { curveCharts, loadCurve } from "./curve.js";
import { h } from "./dom.js";
import { energy, guessed, kw, percent, ratio, soc } from "./figures.js";
import { headed, start } from "./frame.js";
import { part } from "./part.js";
import { tiles } from "./tiles.js";
import { duration, fullTime } from "./times.js";
import { STATES, VERDICTS } from "./words.js";
import { why } from "./why.js";

const id = idOfPage();
const unknown = () =>
    h(
        "p",
        { class: "notice unknown" },
        `There is no session ${id}. `,
        h("a", { href: href("/sessions") }, "All sessions"),
    );
const load = shared((_, signal) => ask(`/v1/sessions/${encodeURIComponent(id)}`, {}, signal));

const figures = part("Session", {
    load,
    onUnknown: unknown,
    draw: ({ session, pending }) => {
        const tz = zone();
        headed(`${session.vehicleId} at ${session.meterId}`);
        const end = session.to === null ? Date.now() : Date.parse(session.to);
        return [
            h(
                "p",
                {},
                h("a", { href: pageOf("vehicles", session.vehicleId, around(session)) }, session.vehicleId),
                " at ",
                h("a", { href: pageOf("meters", session.meterId, around(session)) }, session.meterId),
                ` from ${fullTime(Date.parse(session.from), tz)} ${session.to === null ? "on" : `to ${fullTime(end, tz)}`} (${tz}), ${duration(end - Date.parse(session.from))}: ${STATES[session.state]}.`,
            ),
            session.faults.length > 0 &&
                h(
                    "p",
                    { class: "notice wrong" },
                    `▲ ${session.faults.map((code) => VERDICTS[code] ?? code).join(", ")}: no ratio of these figures means anything.`,
                ),
            tiles([
                {
                    label: "AC from the grid",
                    value: guessed(energy(session.acConsumedKwh), session.estimated),
                    sign: "ac",
                },
                {
                    label: "DC in the battery",
                    value: guessed(energy(session.dcDeliveredKwh), session.estimated),
                    sign: "dc",
                },
                { label: "Ratio", value: guessed(ratio(session.efficiencyRatio), session.estimated) },
                {
                    label: "Lost beyond expected",
                    value: energy(session.lostBeyondExpectedKwh),
                    note: "less than 0: more arrived than expected",
                    sign: "lost",
                },
                {
                    label: "Power",
                    value: `${kw(session.meanPowerKw)} kW`,
                    note: `highest ${kw(session.highestPowerKw)} kW; energy flowed ${percent(session.flowShare)} of the time`,
                },
                { label: "State of charge", value: `${soc(session.socStart)} to ${soc(session.socEnd)}` },
            ]),
            pending && h("p", { class: "muted" }, "◷ Late readings are being added to these figures."),
        ];
    },
});

const around = ({ from, to }) => ({ from, to: to ?? null });

const curve = part("Curve", {
    load: async (window, signal) => loadCurve((await load(window, signal)).session, signal),
    draw: (answer) => answer && curveCharts(answer, zone()),
});

const explanation = part("Why this figure", {
    load: async (window, signal) => {
        const { session, window: whole } = await load(window, signal);
        return ask(
            `/v1/analytics/performance/${encodeURIComponent(session.vehicleId)}/explain`,
            { from: iso(Date.parse(whole.from)), to: iso(Date.parse(whole.to)) },
            signal,
        );
    },
    draw: (answer) => why(answer, { tz: zone() }),
});

start([figures, curve, explanation], { hasWindow: false });
