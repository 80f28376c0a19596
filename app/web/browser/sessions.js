// Sessions: who charged where, and how much?

import { given } from "./address.js";
import { ask } from "./ask.js";
import { start } from "./frame.js";
import { PAGE, asked, filters, page, placeNames } from "./listing.js";
import { part } from "./part.js";
import { sessionColumns } from "./stays.js";

const FILTERS = ["vehicleId", "meterId", "site", "group", "state"];
const STATES = [
    ["", "All"],
    ["active", "Going on"],
    ["ended", "Ended"],
    ["planned", "Planned"],
];

start([
    filters([
        { name: "vehicleId", label: "Vehicle" },
        { name: "meterId", label: "Meter" },
        { name: "site", label: "Site", suggest: placeNames("site") },
        { name: "group", label: "Group", suggest: placeNames("group") },
        { name: "state", label: "Show", options: STATES },
    ]),
    part("Sessions", {
        load: async (window, signal) => {
            const parameters = {
                ...asked(window),
                ...Object.fromEntries(FILTERS.map((name) => [name, given(name)])),
                after: given("after"),
                limit: PAGE,
            };
            return { answer: await ask("/v1/sessions", parameters, signal), path: "/v1/sessions", parameters };
        },
        draw: (list, { tz }) =>
            page("Sessions, newest first", sessionColumns(tz), list.answer.sessions, {
                ...list,
                isSorted: false,
                empty: "No sessions in this window: choose another one above.",
            }),
    }),
]);
