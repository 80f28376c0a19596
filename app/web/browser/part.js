// A part of a page: it asks its own question, shows what it waits for, what went wrong, and keeps old figures, greyed,
// while the database is away.

import { WrongAddress, href, iso, onChange, span, zone } from "./address.js";
import { Problem } from "./ask.js";
import { h } from "./dom.js";
import { DAY, time } from "./times.js";

// Pauses before it asks again, each longer than the one before.
const FIRST_PAUSE_S = 4;
const LONGEST_PAUSE_S = 60;

/**
 * A section with a heading. `load(window, signal)` gets the answer, `draw(answer, window)` gives what is shown of it; a
 * part without any is hidden. `every` seconds it asks again while the page is seen; `isSteady` parts do not depend on the
 * address. `onUnknown(error)` gives what stands here where the device of the page is unknown; other parts are hidden then.
 */
export function part(title, { load, draw, every = null, isSteady = false, className = "", onUnknown = null }) {
    const body = h("div", { class: "body" });
    const notice = h("div", { role: "status" });
    const section = h(
        "section",
        { class: `part ${className}`, "aria-label": title },
        title && h("h2", {}, title),
        notice,
        body,
    );
    let asking = null;
    let timer = null;
    let drawnAt = null;
    let pauseS = FIRST_PAUSE_S;

    async function reload({ isQuiet = false } = {}) {
        asking?.abort();
        clearTimeout(timer);
        const mine = (asking = new AbortController());
        if (!isQuiet) section.setAttribute("aria-busy", "true");
        if (drawnAt === null) body.replaceChildren(h("div", { class: "waiting" }));
        try {
            const window = isSteady ? null : span();
            const answer = await load(window, mine.signal);
            if (mine.signal.aborted) return;
            const drawn = [draw(answer, window)].flat().filter(Boolean);
            body.replaceChildren(...drawn);
            body.classList.remove("stale");
            notice.replaceChildren();
            section.hidden = drawn.length === 0;
            drawnAt = Date.now();
            pauseS = FIRST_PAUSE_S;
            if (every) timer = setTimeout(again, 1000 * every);
        } catch (error) {
            // What another part gave up, which asks for both, is about to be asked anew.
            if (mine.signal.aborted || error.name === "AbortError") return;
            fail(error);
        }
        section.removeAttribute("aria-busy");
    }

    function again() {
        if (document.hidden) timer = setTimeout(again, 1000);
        else reload({ isQuiet: true });
    }

    function fail(error) {
        // What is wrong with the address stands where the window is chosen.
        const isUnknown = error.code?.startsWith("unknown_");
        section.hidden = error instanceof WrongAddress || (isUnknown && !onUnknown);
        if (section.hidden) return;
        if (isUnknown) {
            body.replaceChildren(...[onUnknown(error)].flat());
            return;
        }
        if (!(error instanceof Problem)) console.error(error);
        if (drawnAt === null || !error.isPassing) body.replaceChildren();
        body.classList.toggle("stale", drawnAt !== null);
        notice.replaceChildren(explained(error, () => reload(), error.isPassing && drawnAt));
        if (!error.isPassing) return;
        timer = setTimeout(again, 1000 * pauseS);
        pauseS = Math.min(1.5 * pauseS, LONGEST_PAUSE_S);
    }

    if (!isSteady) onChange(() => reload());
    reload();
    return section;
}

/** What went wrong, and what helps. */
export function explained(error, retry, staleSince = null) {
    if (error instanceof WrongAddress)
        return h(
            "p",
            { class: "notice wrong" },
            `${error.message}. `,
            h("a", { href: error.corrected }, "Show it without"),
        );
    const isAway = error instanceof Problem && error.isPassing;
    return h(
        "p",
        { class: "notice wrong" },
        isAway
            ? `Not available now: ${error.message}. `
            : error instanceof Problem
              ? `${error.message}. `
              : "This could not be shown. ",
        staleSince && `The figures are those of ${time(staleSince, zone())}. `,
        isAway && "It is asked again by itself. ",
        error.field === "from"
            ? h("a", { href: shorter() }, "Show the last 30 days of it")
            : retry && h("button", { type: "button", on: { click: retry } }, "Try again"),
    );
}

/** A window that any question takes. */
const shorter = () => href(location.pathname, { from: iso(span().to - 30 * DAY), after: null });
