// What a page shows is in its address: the window, the time zone, filters, order and page. So it can be shared, and
// back, forward and reload restore it.

import { DAY, HOUR, MINUTE, instantOf, isZone, startOfDay, startOfMonth } from "./times.js";

const UNITS = { m: MINUTE, h: HOUR, d: DAY };
const CARRIED = ["from", "to", "tz"];
const DEFAULT_FROM = "now-7d";

/** Windows that people choose by name. */
export const PRESETS = [
    ["Today", "today", "now"],
    ["24 hours", "now-24h", "now"],
    ["7 days", "now-7d", "now"],
    ["30 days", "now-30d", "now"],
    ["This month", "month", "now"],
    ["Last month", "last-month", "month"],
    ["Year", "now-365d", "now"],
];

/** A part of the address that means nothing, and what stands in for it. */
export class WrongAddress extends Error {
    constructor(name, given, allowed, instead) {
        super(`${name}=${given} means nothing here: ${allowed}`);
        this.corrected = href(location.pathname, instead);
    }
}

const query = () => new URLSearchParams(location.search);

/** A part of the address, as it stands there; null without it. */
export const given = (name) => query().get(name);

/** The time zone in which days start and times are shown. */
export function zone() {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const named = given("tz") ?? own;
    if (!isZone(named))
        throw new WrongAddress("tz", named, "it is the name of a time zone, such as Europe/Berlin", { tz: null });
    return named;
}

// Parts of a page that ask at the same time mean the same now.
const SAME_MS = 200;
let lastNow = 0;

function nowOf() {
    if (Date.now() - lastNow > SAME_MS) lastNow = Date.now();
    return lastNow;
}

/** The window of the address: `from` and `to` (milliseconds), `asked` as it stands there, and the zone. */
export function span(now = nowOf()) {
    const tz = zone();
    const asked = { from: given("from") ?? DEFAULT_FROM, to: given("to") ?? "now" };
    const from = instant("from", asked.from, now, tz);
    const to = instant("to", asked.to, now, tz);
    if (from >= to) throw new WrongAddress("from", asked.from, "it is earlier than to", { from: null, to: null });
    return { from, to, tz, asked, now };
}

function instant(name, text, now, tz) {
    const back = /^now-(\d{1,4})([mhd])$/.exec(text);
    if (back) return now - Number(back[1]) * UNITS[back[2]];
    const date = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(text);
    if (date)
        return instantOf(
            date.slice(1).map((part) => Number(part ?? 0)),
            tz,
        );
    const named = {
        now: () => now,
        today: () => startOfDay(now, tz),
        month: () => startOfMonth(now, tz),
        "last-month": () => startOfMonth(now, tz, -1),
    };
    if (Object.hasOwn(named, text)) return named[text]();
    const exact = /^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : NaN;
    if (!Number.isNaN(exact)) return exact;
    throw new WrongAddress(name, text, "it is now, now-7d, today, month, 2026-11-20 or 2026-11-20T08:00:00Z", {
        [name]: null,
    });
}

/** As the API takes it. */
export const iso = (milliseconds) => new Date(milliseconds).toISOString();

/** A link to a page that keeps the window and the zone; `changes` sets parts of the address, null takes one out. */
export function href(path, changes = {}) {
    const kept =
        path === location.pathname
            ? query()
            : new URLSearchParams([...query()].filter(([name]) => CARRIED.includes(name)));
    for (const [name, value] of Object.entries(changes)) {
        if (value === null || value === undefined || value === "") kept.delete(name);
        else kept.set(name, value);
    }
    const text = kept.toString().replaceAll("%3A", ":").replaceAll("%2F", "/");
    return text ? `${path}?${text}` : path;
}

/** Changes the address; what listens to it asks anew. */
export function change(changes) {
    history.pushState(null, "", href(location.pathname, changes));
    dispatchEvent(new Event("address"));
}

/** Calls when the address has changed, by a click or by back and forward. */
export function onChange(listener) {
    addEventListener("address", listener);
    addEventListener("popstate", listener);
}

/** The page of a device or of a session. */
export const pageOf = (kind, id, changes) => href(`/${kind}/${encodeURIComponent(id)}`, changes);

/** The id in the address of such a page. */
export const idOfPage = () => decodeURIComponent(location.pathname.split("/")[2]);
