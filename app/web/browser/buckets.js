// Into which buckets a window is cut, and what they are called.

import { day, dayAndTime, dayOfYear, DAY, HOUR } from "./times.js";

/** The length of a bucket for a window: hours up to 7 days, then days. */
export const bucketOf = ({ from, to }) => (to - from <= 7 * DAY + HOUR ? "hour" : "day");

/** The name of a bucket; a day that is not of 24 hours says so. */
export function nameOf({ from, to }, bucket, zone) {
    const [begins, ends] = [Date.parse(from), Date.parse(to)];
    if (bucket === "hour") return dayAndTime(begins, zone);
    if (bucket === "month") return dayOfYear(begins, zone);
    const hours = Math.round((ends - begins) / HOUR);
    return hours === 23 || hours === 25 ? `${day(begins, zone)} (${hours} h)` : day(begins, zone);
}

/** Starts of buckets, milliseconds. */
export const startsOf = (buckets) => buckets.map(({ window }) => Date.parse(window.from));
