// Tiles: a figure each, and where it leads.

import { h } from "./dom.js";

/** A row of tiles; one has `label`, `value`, and may have a `note`, a link `to`, and a `sign` (a class of style.css). */
export function tiles(figures) {
    return h("dl", { class: "tiles" }, figures.filter(Boolean).map(tile));
}

function tile({ label, value, note, to, sign }) {
    const figure = to ? h("a", { href: to }, value) : value;
    return h(
        "div",
        { class: sign ? `tile ${sign}` : "tile" },
        h("dt", {}, label),
        h("dd", {}, h("span", { class: "figure" }, figure), note && h("span", { class: "note" }, note)),
    );
}
