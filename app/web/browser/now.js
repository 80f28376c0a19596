// What a device does now, in a line.

import { idOfPage, pageOf, zone } from "./address.js";
import { ask } from "./ask.js";
import { h } from "./dom.js";
import { kw, soc } from "./figures.js";
import { part } from "./part.js";
import { dayAndTime, duration } from "./times.js";
import { unknownDevice } from "./unknown.js";

const EVERY_S = 15;
const SILENT_MS = 30 * 60_000;

/** The part at the top of the page of a device: its name and place, and what it does. */
export function now(kind, describe) {
    const path = encodeURIComponent(idOfPage());
    return part("Now", {
        isSteady: true,
        every: EVERY_S,
        className: "now",
        onUnknown: () => unknownDevice(kind, idOfPage()),
        load: async (_, signal) => {
            const live = ask(`/v1/live/${kind}/${path}`, {}, signal).catch((error) => {
                if (error.status === 404) return null;
                throw error;
            });
            const [device, state] = await Promise.all([ask(`/v1/${kind}/${path}`, {}, signal), live]);
            return { device, state };
        },
        draw: ({ device, state }) => [
            h("p", { class: "muted" }, describe(device)),
            state === null ? h("p", {}, "No reading yet.") : doing(kind, state),
        ],
    });
}

function doing(kind, state) {
    const at = Date.parse(state.timestamp);
    const other = kind === "vehicles" ? ["at ", "meters", state.meterId] : ["feeding ", "vehicles", state.vehicleId];
    const isSilent = Date.now() - at > SILENT_MS;
    const what = state.charging
        ? "Charging"
        : isSilent
          ? "▲ Silent"
          : other[2] === null
            ? "Not plugged in"
            : "Plugged in";
    return h(
        "p",
        { class: state.charging ? "doing charging" : isSilent ? "doing silent" : "doing" },
        h("strong", {}, what),
        other[2] !== null && !isSilent && [" ", other[0], h("a", { href: pageOf(other[1], other[2]) }, other[2])],
        state.since !== null && !isSilent && ` since ${dayAndTime(Date.parse(state.since), zone())}`,
        state.charging && `, ${kw(state.powerKw)} kW`,
        kind === "vehicles" && ` · battery ${soc(state.soc)}`,
        kind === "vehicles" && state.minutesToFull !== null && `, ${duration(state.minutesToFull * 60_000)} to full`,
        kind === "vehicles" &&
            state.socPlausible === false &&
            h("span", { class: "fault" }, " ▲ this state of charge cannot follow from the readings before"),
        h("span", { class: "note" }, `Newest reading ${dayAndTime(at, zone())}`),
    );
}

/** What a device's kWh values mean. */
export const READINGS = {
    interval: "each reading is energy since the one before",
    register: "readings are of a register",
    session: "readings are of a counter of sessions",
};
