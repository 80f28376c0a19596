// Tables: columns with heads that sort, on the server; a phone shows the columns that matter most.

import { h } from "./dom.js";

/**
 * A column: `label`, `cell(row)` gives text or elements; `isNumber` aligns it, `isMinor` leaves it out on a phone,
 * `sort` is the figure by which the server sorts.
 */
export function table(
    caption,
    columns,
    rows,
    { sort = null, order = null, onSort = null, empty = "None.", foot = null } = {},
) {
    if (!rows.length) return h("p", { class: "muted" }, empty);
    const head = h(
        "tr",
        {},
        columns.map((column) => headOf(column, sort, order, onSort)),
    );
    const body = rows.map((row) =>
        h(
            "tr",
            {},
            columns.map((column, index) => cellOf(column, row, index)),
        ),
    );
    // A long table scrolls within its frame, by keys too.
    return h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
        h(
            "table",
            {},
            h("caption", { class: "hidden" }, caption),
            h("thead", {}, head),
            h("tbody", {}, body),
            foot && h("tfoot", {}, foot),
        ),
    );
}

const classOf = (column) => [column.isNumber && "number", column.isMinor && "minor"].filter(Boolean).join(" ") || null;

function headOf(column, sort, order, onSort) {
    const isSorted = column.sort && column.sort === sort;
    const attributes = {
        scope: "col",
        class: classOf(column),
        "aria-sort": isSorted ? (order === "asc" ? "ascending" : "descending") : null,
    };
    if (!column.sort || !onSort) return h("th", attributes, column.label);
    const click = () => onSort(column.sort, isSorted && order !== "asc" ? "asc" : "desc");
    return h(
        "th",
        attributes,
        h(
            "button",
            { type: "button", class: "plain", on: { click } },
            column.label,
            isSorted ? (order === "asc" ? " ▲" : " ▼") : "",
        ),
    );
}

function cellOf(column, row, index) {
    const attributes = { class: classOf(column) };
    return index === 0
        ? h("th", { ...attributes, scope: "row" }, column.cell(row))
        : h("td", attributes, column.cell(row));
}
