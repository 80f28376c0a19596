// Questions to the API.

/** An answer that is a problem, or none at all (status 0). `isPassing` says that asking again may help. */
export class Problem extends Error {
    constructor(status, document = {}) {
        super(
            document.detail ?? (status ? `the service answered with status ${status}` : "the service does not answer"),
        );
        this.status = status;
        this.code = document.code;
        this.field = document.field;
        this.document = document;
    }

    get isPassing() {
        return [0, 429, 502, 503, 504].includes(this.status);
    }
}

/** A path with its parameters; those that are null or empty are left out. */
export function question(path, parameters = {}) {
    const wanted = Object.entries(parameters).filter(
        ([, value]) => value !== null && value !== undefined && value !== "",
    );
    return wanted.length ? `${path}?${new URLSearchParams(wanted)}` : path;
}

// Answers about all devices are work for the database: what a page shows first is asked first, and the rest waits.
const MOST_AT_ONCE = 2;
const waiting = [];
let asking = 0;

/** The answer to a GET. Throws a Problem. */
export async function ask(path, parameters, signal) {
    if (!path.startsWith("/v1/analytics/")) return send("GET", question(path, parameters), undefined, signal);
    if (asking >= MOST_AT_ONCE) await new Promise((goOn) => waiting.push(goOn));
    asking += 1;
    try {
        return await send("GET", question(path, parameters), undefined, signal);
    } finally {
        asking -= 1;
        waiting.shift()?.();
    }
}

/** The same `load` for several parts of a page, which then ask once for a window and share the answer. */
export function shared(load) {
    let last = null;
    return (window, signal) => {
        const key = `${window.from} ${window.to}`;
        if (last?.key !== key || last.hasFailed || last.signal.aborted) {
            const mine = (last = { key, signal, answer: load(window, signal), hasFailed: false });
            mine.answer.catch(() => (mine.hasFailed = true));
        }
        return last.answer;
    };
}

/** The answer to any request, with a body as JSON. Throws a Problem. */
export async function send(method, path, body, signal, headers = {}) {
    const request = { method, signal, headers: { Accept: "application/json", ...headers } };
    if (method !== "GET") request.headers["Content-Type"] = "application/json";
    if (body !== undefined) request.body = JSON.stringify(body);
    let response;
    try {
        response = await fetch(path, request);
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Problem(0);
    }
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Problem(response.status, answer);
    return answer;
}
