// A device that nobody knows: what has a similar id.

import { pageOf } from "./address.js";
import { ask } from "./ask.js";
import { h } from "./dom.js";

const MOST = 8;
const SHORTEST = 2;

/** Says so, and lists devices whose ids share their beginning with it. */
export function unknownDevice(kind, id) {
    const similar = h("ul", {});
    fill(similar, kind, id).catch(() => {});
    return [
        h(
            "p",
            { class: "notice unknown" },
            `No ${kind === "vehicles" ? "vehicle" : "meter"} is called ${id}. `,
            h("a", { href: `/${kind}` }, `All ${kind}`),
        ),
        similar,
    ];
}

async function fill(list, kind, id) {
    const key = kind === "vehicles" ? "vehicleId" : "meterId";
    for (let length = id.length - 1; length >= SHORTEST; length = Math.floor(length / 1.5)) {
        const found = (await ask(`/v1/${kind}`, { search: id.slice(0, length), limit: MOST }))[kind];
        if (found.length) {
            list.append(
                ...found.map((device) =>
                    h(
                        "li",
                        {},
                        h("a", { href: pageOf(kind, device[key]) }, device[key]),
                        device.name && ` ${device.name}`,
                    ),
                ),
            );
            return;
        }
    }
}
