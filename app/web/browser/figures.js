// How figures are written. What is not known is a dash, never 0.

export const UNKNOWN = "–";

const numbers = new Map();

function number(value, decimals) {
    if (value === null || value === undefined) return UNKNOWN;
    if (!numbers.has(decimals)) {
        numbers.set(
            decimals,
            new Intl.NumberFormat(undefined, {
                minimumFractionDigits: decimals,
                maximumFractionDigits: decimals,
                signDisplay: "negative",
            }),
        );
    }
    return numbers.get(decimals).format(value);
}

export const count = (value) => number(value, 0);
export const kwh = (value) => number(value, 1);
export const kw = (value) => number(value, 1);
export const ratio = (value) => number(value, 3);
export const volts = (value) => number(value, 1);
export const degrees = (value) => number(value, 1);
export const percent = (share) =>
    share === null || share === undefined ? UNKNOWN : `${number(100 * share, share > 0.995 && share < 1 ? 1 : 0)} %`;
export const soc = (value) => (value === null || value === undefined ? UNKNOWN : `${number(value, 0)} %`);

/** An energy with its unit: MWh from 10,000 kWh on. */
export function energy(value) {
    if (value === null || value === undefined) return UNKNOWN;
    return Math.abs(value) >= 10_000 ? `${number(value / 1000, 1)} MWh` : `${number(value, 1)} kWh`;
}

/** A size in its largest unit. */
export function bytes(value) {
    if (value === null || value === undefined) return UNKNOWN;
    const power = Math.min(4, Math.floor(Math.log(Math.max(Math.abs(value), 1)) / Math.log(1000)));
    return `${number(value / 1000 ** power, power > 1 ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

/** An energy that is the best guess there is. */
export const guessed = (text, isEstimated) => (isEstimated && text !== UNKNOWN ? `≈ ${text}` : text);

/** A sum of what is known; null where nothing is. */
export function sum(values) {
    const known = values.filter((value) => value !== null && value !== undefined);
    return known.length ? known.reduce((total, value) => total + value, 0) : null;
}

/** "1 charger", "3 chargers". */
export const counted = (many, one, several = `${one}s`) => `${count(many)} ${many === 1 ? one : several}`;
