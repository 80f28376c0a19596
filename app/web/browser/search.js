// Looks for vehicles and meters by a part of their id or name, from any page.

import { href, pageOf } from "./address.js";
import { ask } from "./ask.js";
import { h } from "./dom.js";

const MOST = 6;
const PAUSE_MS = 200;

/** The search field and its results. */
export function search() {
    const found = h("div", { class: "popup", id: "found", hidden: true });
    const field = h("input", {
        id: "search",
        type: "search",
        placeholder: "Vehicle or meter ( / )",
        "aria-label": "Search vehicles and meters",
        autocomplete: "off",
        maxlength: 100,
    });
    let asking = null;
    let timer = null;

    field.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(look, PAUSE_MS);
    });
    const form = h("form", { role: "search", class: "search" }, field, found);
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        const first = found.querySelector("a");
        if (first && !found.hidden) location.href = first.href;
        else look();
    });
    form.addEventListener("keydown", (event) => {
        if (event.key === "Escape") found.hidden = true;
    });
    form.addEventListener("focusout", (event) => {
        if (!form.contains(event.relatedTarget)) found.hidden = true;
    });

    async function look() {
        asking?.abort();
        const text = field.value.trim();
        found.hidden = !text;
        if (!text) return;
        asking = new AbortController();
        try {
            const [vehicles, meters] = await Promise.all(
                ["vehicles", "meters"].map(
                    async (kind) => (await ask(`/v1/${kind}`, { search: text, limit: MOST }, asking.signal))[kind],
                ),
            );
            found.replaceChildren(...listed(text, vehicles, meters));
        } catch (error) {
            if (error.name !== "AbortError") found.replaceChildren(h("p", {}, error.message));
        }
    }
    return form;
}

function listed(text, vehicles, meters) {
    if (!vehicles.length && !meters.length) return [h("p", {}, `No vehicle or meter has “${text}” in its id or name.`)];
    return [
        ...group("Vehicles", "vehicles", "vehicleId", vehicles, text),
        ...group("Meters", "meters", "meterId", meters, text),
    ];
}

function group(title, kind, id, devices, text) {
    if (!devices.length) return [];
    const entries = devices.map((device) =>
        h(
            "li",
            {},
            h(
                "a",
                { href: pageOf(kind, device[id]) },
                device[id],
                device.name && h("span", { class: "muted" }, ` ${device.name}`),
            ),
        ),
    );
    const more =
        devices.length === MOST && h("li", {}, h("a", { href: href(`/${kind}`, { q: text }) }, "All that match"));
    return [h("h3", {}, title), h("ul", {}, entries, more)];
}
