// Instants, days and months of a time zone. Instants are milliseconds since 1970.

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

const formats = new Map();

function format(zone, options) {
    const key = zone + JSON.stringify(options);
    if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(options.locale, { timeZone: zone, ...options }));
    return formats.get(key);
}

/** Whether the browser knows a time zone by this name. */
export function isZone(name) {
    try {
        new Intl.DateTimeFormat("en", { timeZone: name });
        return true;
    } catch {
        return false;
    }
}

/** What a clock on the wall shows at an instant: year, month (1 to 12), day, hour, minute, second. */
function clock(instant, zone) {
    const options = {
        locale: "en",
        hourCycle: "h23",
        year: "numeric",
        month: "numeric",
        day: "numeric",
        hour: "numeric",
        minute: "numeric",
        second: "numeric",
    };
    const parts = Object.fromEntries(
        format(zone, options)
            .formatToParts(instant)
            .map(({ type, value }) => [type, Number(value)]),
    );
    return [parts.year, parts.month, parts.day, parts.hour, parts.minute, parts.second];
}

/** The instant at which the clock on the wall shows this; the first of two, or the next where there is none. */
export function instantOf([year, month, day = 1, hour = 0, minute = 0, second = 0], zone) {
    const wanted = Date.UTC(year, month - 1, day, hour, minute, second);
    let found = wanted;
    for (let round = 0; round < 3; round += 1) {
        const [y, mo, d, hh, mi, s] = clock(found, zone);
        found += wanted - Date.UTC(y, mo - 1, d, hh, mi, s);
    }
    return found;
}

/** The start of a day of the zone, so many days later. */
export function startOfDay(instant, zone, later = 0) {
    const [year, month, day] = clock(instant, zone);
    return instantOf([year, month, day + later], zone);
}

/** The start of a month of the zone, so many months later. */
export function startOfMonth(instant, zone, later = 0) {
    const [year, month] = clock(instant, zone);
    return instantOf([year, month + later, 1], zone);
}

const TIME = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DATE = { day: "numeric", month: "short" };

export const day = (instant, zone) => format(zone, { ...DATE, weekday: "short" }).format(instant);
export const dayOfYear = (instant, zone) => format(zone, { ...DATE, year: "numeric" }).format(instant);
export const dayAndTime = (instant, zone) => format(zone, { ...DATE, ...TIME }).format(instant);
export const fullTime = (instant, zone) => format(zone, { ...DATE, ...TIME, year: "numeric" }).format(instant);
export const time = (instant, zone) => format(zone, TIME).format(instant);

/** As the field of a form has it: 2026-11-20T08:00. */
export function fieldOf(instant, zone) {
    const [year, ...rest] = clock(instant, zone);
    const [month, dayOfMonth, hour, minute] = rest.map((part) => String(part).padStart(2, "0"));
    return `${year}-${month}-${dayOfMonth}T${hour}:${minute}`;
}

/** How long something takes, in its two largest units. */
export function duration(milliseconds) {
    const minutes = Math.round(milliseconds / MINUTE);
    if (minutes < 60) return `${minutes} min`;
    if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60 ? `${minutes % 60} min` : ""}`.trim();
    const hours = Math.round(minutes / 60);
    return `${Math.floor(hours / 24)} d ${hours % 24 ? `${hours % 24} h` : ""}`.trim();
}
