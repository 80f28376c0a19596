// Into which buckets a window is cut, and what they are called.

import { DAY, HOUR, day, dayAndTime, dayOfYear } from "./times.js";

// The longest window, in days, of which a bucket of this length is shown; an hour more where clocks change.
const LONGEST = [
    ["hour", 7],
    ["day", 92],
    ["week", 366],
];

/** The length of a bucket for a window. */
export function bucketOf({ from, to }) {
    const fitting = LONGEST.find(([, days]) => to - from <= days * DAY + HOUR);
    return fitting ? fitting[0] : "month";
}

/** The name of a bucket; a day that is not of 24 hours says so. */
export function nameOf({ from, to }, bucket, zone) {
    const [begins, ends] = [Date.parse(from), Date.parse(to)];
    if (bucket === "hour") return dayAndTime(begins, zone);
    if (bucket !== "day") return `${dayOfYear(begins, zone)} to ${dayOfYear(ends, zone)}`;
    const hours = Math.round((ends - begins) / HOUR);
    return hours === 23 || hours === 25 ? `${day(begins, zone)} (${hours} h)` : day(begins, zone);
}

/** Starts of buckets, milliseconds. */
export const startsOf = (buckets) => buckets.map(({ window }) => Date.parse(window.from));
