// Pages that list: filters, a table that the server sorts and pages, and everything as CSV.

import { change, given, iso, onChange } from "./address.js";
import { ask, question } from "./ask.js";
import { h, say } from "./dom.js";
import { counted } from "./figures.js";
import { table } from "./table.js";

/** Rows of a page. */
export const PAGE = 100;

/** The window as the API takes it. */
export const asked = ({ from, to }) => ({ from: iso(from), to: iso(to) });

/** Sort and order of the address, or these. */
export const sorting = (sort, order = "desc") => ({
    sort: given("sort") ?? sort,
    order: given("order") ?? (given("sort") ? "desc" : order),
});

/**
 * Fields that filter a list; each has `name` (in the address), `label`, and perhaps `options` of [value, text] or
 * `suggest`, which gets names to choose from when the field is first used.
 */
export function filters(fields) {
    const form = h("form", { class: "filters", "aria-label": "Filters" });
    const submit = () =>
        change({
            ...Object.fromEntries(fields.map(({ name }) => [name, form.elements[name].value.trim() || null])),
            after: null,
        });
    form.append(...fields.map((field) => filter(field, submit)), h("button", {}, "Filter"));
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        submit();
    });
    onChange(() => fields.forEach(({ name }) => (form.elements[name].value = given(name) ?? "")));
    return form;
}

function filter({ name, label, options, suggest, type = "text" }, submit) {
    if (options) {
        const chosen = options.map(([value, text]) =>
            h("option", { value, selected: (given(name) ?? "") === value }, text),
        );
        return h("label", {}, label, h("select", { name, on: { change: submit } }, chosen));
    }
    const input = h("input", {
        name,
        type,
        value: given(name) ?? "",
        maxlength: 100,
        list: suggest ? `${name}s` : null,
    });
    if (!suggest) return h("label", {}, label, input);
    const names = h("datalist", { id: `${name}s` });
    const fill = async () => names.replaceChildren(...(await suggest()).map((value) => h("option", { value })));
    input.addEventListener("focus", () => fill().catch(() => {}), { once: true });
    return h("label", {}, label, input, names);
}

/** Names of sites or groups. */
export const placeNames = (kind) => async () =>
    (await ask(`/v1/analytics/${kind}s`))[`${kind}s`].map((place) => place[kind]).filter((name) => name !== null);

/** A table of a page of a list, with what leads to the rest of it. */
export function page(caption, columns, rows, { answer, path, parameters, sort, order, isSorted = true, empty }) {
    const { total = rows.length, next } = answer;
    const onSort = isSorted ? (by, how) => change({ sort: by, order: how, after: null }) : null;
    say(`${counted(total, "row")}.`);
    return [
        h(
            "p",
            { class: "above" },
            counted(total, "row"),
            rows.length < total && `, ${rows.length} on this page`,
            " · ",
            h(
                "a",
                { href: question(path, { ...parameters, limit: null, after: null, format: "csv" }) },
                total > 10_000 ? "First 10,000 as CSV" : "All as CSV",
            ),
        ),
        table(caption, columns, rows, { sort, order, onSort, empty }),
        h("p", { class: "pages" }, pager(next)),
    ];
}

function pager(next) {
    const button = (text, after) => h("button", { type: "button", on: { click: () => change({ after }) } }, text);
    return [
        given("after") !== null && button("First page", null),
        next !== null && next !== undefined && button("Next page", next),
    ].filter(Boolean);
}
