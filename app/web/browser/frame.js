// What every page has: the window and its zone, the search, keys. A page calls `start` with its parts.

import { WrongAddress, href, onChange, span } from "./address.js";
import { h } from "./dom.js";
import { keys } from "./keys.js";
import { explained } from "./part.js";
import { picker } from "./picker.js";
import { search } from "./search.js";

const main = document.getElementById("main");

/** Shows the parts of a page, and the window above them unless the page has none. */
export function start(parts, { hasWindow = true } = {}) {
    const bar = h("div", { class: "window" });
    document.querySelector("header.top").append(search());
    main.append(bar, h("div", { class: "parts" }, parts));
    const draw = () => {
        bar.replaceChildren(...chosen(hasWindow));
        carry();
    };
    draw();
    onChange(draw);
    keys();
}

/** The window to choose, or what is wrong with the address. */
function chosen(hasWindow) {
    try {
        const window = span();
        return hasWindow ? [picker(window)] : [];
    } catch (error) {
        if (!(error instanceof WrongAddress)) throw error;
        return [explained(error)];
    }
}

/** The menu leads to the same window on other pages. */
function carry() {
    for (const link of document.querySelectorAll("nav a, a.brand")) link.href = href(new URL(link.href).pathname);
}

/** The heading of a page about one thing, and its title. */
export function headed(text, ...beside) {
    document.title = `${text} · EV fleet energy`;
    main.querySelector("h1").replaceChildren(text, ...beside);
}
