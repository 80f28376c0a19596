// Charts by uPlot: over time, with what stands under the pointer written out below, and everything as a table too.
// Arrow keys move from bucket to bucket, Enter opens one, dragging chooses a window.

import { change, iso } from "./address.js";
import { UNKNOWN } from "./figures.js";
import { h } from "./dom.js";
import { table } from "./table.js";

const HEIGHT = 210;
const LEAST_DRAG_PX = 6;
const dark = matchMedia("(prefers-color-scheme: dark)");

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/**
 * A chart of `series` over `times`, the starts of buckets (milliseconds) that `label(index)` names.
 *
 * A series has `label`, `colour` (a variable of the stylesheet), `values` (null: not known, a gap), `write(value)`, and a
 * `kind`: bar (as high as `drawn`, if that differs), point, line, or text, which is not drawn. `isHatched` and `isOutline`
 * are second signs of bars, `isDashed` of lines; `sizes` are those of points, `errors` their error bars, `side` 1 puts a
 * line on an axis of its own at the right. `range` fixes the axis, which is loose or begins at 0, `limits` are lines
 * across, `marks` stand at instants, and `pick(index)` opens a bucket.
 */
export function chart(title, spec) {
    const readout = h("p", { class: "readout", "aria-live": "polite" }, spec.hint ?? "");
    const seen = spec.series.filter(({ kind }) => kind !== "text");
    const figure = h("figure", { class: "chart", "aria-label": title }, legend(seen));
    const drawn = window.uPlot
        ? canvas(title, { ...spec, all: spec.series, series: seen.toReversed() }, readout)
        : h(
              "p",
              { class: "notice" },
              "Charts are not installed here: run ",
              h("code", {}, "make libraries"),
              " and start the service again.",
          );
    figure.append(drawn, readout, asTable(title, spec, !window.uPlot));
    return figure;
}

function legend(series) {
    const sign = ({ kind, colour: name, isHatched, isOutline, isDashed }) =>
        h("span", {
            class: ["sign", kind, name, isHatched && "hatched", isOutline && "outline", isDashed && "dashed"]
                .filter(Boolean)
                .join(" "),
        });
    return h(
        "figcaption",
        {},
        series.map((one) => h("span", {}, sign(one), one.label)),
    );
}

function asTable(title, { times, label, series, head = "Time" }, isOpen) {
    const details = h("details", { class: "table", open: isOpen }, h("summary", {}, "As table"));
    const fill = () => {
        if (details.children.length > 1) return;
        const columns = [
            { label: head, cell: (index) => label(index) },
            ...series.map((one) => ({ label: one.label, isNumber: true, cell: (index) => written(one, index) })),
        ];
        details.append(
            table(
                title,
                columns,
                times.map((_, index) => index),
            ),
        );
    };
    details.addEventListener("toggle", fill);
    if (isOpen) fill();
    return details;
}

function written(series, index) {
    const value = series.values[index];
    if (value === null || value === undefined) return UNKNOWN;
    const low = series.lows?.[index] ?? null;
    return low === null ? series.write(value, index) : `${series.write(low)} to ${series.write(value)}`;
}

function canvas(title, spec, readout) {
    const hint = `${title}. Arrow keys move, Enter opens.`;
    const frame = h("div", {
        class: "canvas",
        tabindex: 0,
        role: "group",
        "aria-roledescription": "chart",
        "aria-label": hint,
    });
    let plot = null;
    const build = () => {
        plot?.destroy();
        if (frame.clientWidth)
            plot = new window.uPlot(
                options(spec, frame.clientWidth, (index) => show(index)),
                data(spec),
                frame,
            );
        if (plot) pointer(plot, spec);
    };
    const show = (index) => {
        readout.textContent =
            index === null || index === undefined
                ? (spec.hint ?? "")
                : `${spec.label(index)}: ${spec.all.map((one) => `${one.label} ${written(one, index)}`).join(", ")}`;
    };
    const resize = new ResizeObserver(() =>
        plot ? plot.setSize({ width: frame.clientWidth, height: HEIGHT }) : build(),
    );
    resize.observe(frame);
    const recolour = () => (frame.isConnected ? build() : dark.removeEventListener("change", recolour));
    dark.addEventListener("change", recolour);
    frame.addEventListener("keydown", (event) => plot && onKey(event, plot, spec));
    return frame;
}

function onKey(event, plot, spec) {
    const last = spec.times.length - 1;
    const at = plot.cursor.idx ?? -1;
    const moves = { ArrowLeft: Math.max(0, at - 1), ArrowRight: Math.min(last, at + 1), Home: 0, End: last };
    if (event.key === "Enter" && at >= 0) spec.pick?.(at);
    else if (event.key in moves)
        plot.setCursor({ left: plot.valToPos(plot.data[0][moves[event.key]], "x"), top: plot.over.clientHeight / 2 });
    else return;
    event.preventDefault();
}

/** A click opens a bucket, dragging chooses a window. */
function pointer(plot, spec) {
    let from = 0;
    plot.over.addEventListener("mousedown", (event) => (from = event.clientX));
    plot.over.addEventListener("click", (event) => {
        if (Math.abs(event.clientX - from) < LEAST_DRAG_PX && plot.cursor.idx !== null) spec.pick?.(plot.cursor.idx);
    });
}

const scaleOf = (series) => (series.side ? "right" : "left");

function data({ times, series, range }) {
    const within = (value) => Math.min(range[1], Math.max(range[0], value));
    const drawn = ({ values, drawn: heights = values, side }) =>
        range && !side ? heights.map((value) => (value === null ? null : within(value))) : heights;
    return [times.map((time) => time / 1000), ...series.map(drawn)];
}

function options(spec, width, show) {
    const { uPlot } = window;
    const [left, right] = [false, true].map((isRight) => spec.series.find((one) => Boolean(one.side) === isRight));
    return {
        width,
        height: HEIGHT,
        series: [{}, ...spec.series.map((one) => drawing(one, spec.times))],
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), spec.zone),
        scales: {
            x: { time: true, range: () => [spec.from / 1000, spec.to / 1000] },
            left: { range: spec.range ? () => spec.range : spec.isLoose ? around : fromZero },
            right: { range: right?.range ? () => right.range : around },
        },
        axes: [
            axis("x"),
            { ...axis("left"), label: left?.unit, size: 56, labelSize: 18 },
            ...(right
                ? [{ ...axis("right"), side: 1, grid: { show: false }, label: right.unit, size: 50, labelSize: 18 }]
                : []),
        ],
        cursor: { drag: { x: Boolean(spec.canZoom), y: false, setScale: false }, points: { size: 7 } },
        legend: { show: false },
        hooks: {
            setCursor: [(plot) => show(plot.cursor.idx)],
            setSelect: [zoom],
            draw: [(plot) => annotate(plot, spec)],
        },
    };
}

const fromZero = (plot, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08];

function around(plot, low, high) {
    const margin = high === low ? 1 : 0.08 * (high - low);
    return low === null ? [0, 1] : [low - margin, high + margin];
}

function axis(scale) {
    const line = { stroke: colour("line"), width: 1 };
    return {
        scale,
        stroke: colour("muted"),
        grid: line,
        ticks: line,
        font: "12px system-ui",
        labelFont: "12px system-ui",
        values: scale === "x" ? TIMES : undefined,
    };
}

// Days first, 24 hours, as on the rest of the page.
const MONTHS = "{MMM}";
const TIMES = [
    [3600 * 24 * 365, "{YYYY}", null, null, null, null, null, null, 1],
    [3600 * 24 * 28, MONTHS, "\n{YYYY}", null, null, null, null, null, 1],
    [3600 * 24, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
];

function drawing(one, times) {
    const { uPlot } = window;
    const stroke = colour(one.colour);
    const common = { scale: scaleOf(one), stroke, points: { show: false } };
    if (one.kind === "bar") {
        const paths = uPlot.paths.bars({ size: [0.85, 80], align: 1 });
        return { ...common, width: 1, paths, fill: one.isHatched ? hatch(stroke) : one.isOutline ? undefined : stroke };
    }
    if (one.kind === "point") return { ...common, paths: () => null, points: { show: true, size: 6, fill: stroke } };
    return { ...common, width: 1.5, dash: one.isDashed ? [5, 4] : undefined, gaps: gapsOf(one, times) };
}

/** A line is broken where nothing is known for longer than three times what is usual between two values. */
function gapsOf({ values }, times) {
    const known = times.filter((_, index) => values[index] !== null);
    const steps = known.slice(1).map((time, index) => time - known[index]);
    const longest = (3 * (steps.toSorted((one, other) => one - other)[steps.length >> 1] ?? 0)) / 1000;
    return (plot, series, from, to, gaps) =>
        gaps.filter(([begins, ends]) => plot.posToVal(ends, "x", true) - plot.posToVal(begins, "x", true) > longest);
}

function hatch(stroke) {
    const tile = Object.assign(document.createElement("canvas"), { width: 6, height: 6 });
    const pen = tile.getContext("2d");
    pen.fillStyle = colour("ground");
    pen.fillRect(0, 0, 6, 6);
    pen.strokeStyle = stroke;
    for (const offset of [-6, 0, 6]) {
        pen.moveTo(offset, 6);
        pen.lineTo(offset + 6, 0);
    }
    pen.stroke();
    return pen.createPattern(tile, "repeat");
}

function zoom(plot) {
    const { left, width } = plot.select;
    if (width < LEAST_DRAG_PX) return;
    const [from, to] = [left, left + width].map((position) => Math.round(plot.posToVal(position, "x") * 1000));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    change({ from: iso(from), to: iso(Math.min(to, Date.now())), after: null });
}

/** Lines across, marks at instants, error bars, and arrows where a value is beyond the axis. */
function annotate(plot, spec) {
    const pen = plot.ctx;
    const { left, top, width, height } = plot.bbox;
    const ratio = devicePixelRatio;
    pen.save();
    pen.lineWidth = ratio;
    pen.font = `${12 * ratio}px system-ui`;
    pen.textAlign = "left";
    for (const { value, label } of spec.limits ?? []) {
        const y = plot.valToPos(value, "left", true);
        line(pen, colour("muted"), [6 * ratio, 4 * ratio], [left, y], [left + width, y]);
        pen.textAlign = "right";
        write(pen, label, left + width - 4 * ratio, y + 14 * ratio);
        pen.textAlign = "left";
    }
    for (const { at, label } of spec.marks ?? []) {
        const x = plot.valToPos(at / 1000, "x", true);
        line(pen, colour("fault"), [], [x, top], [x, top + height]);
        write(pen, label, x + 4 * ratio, top + 12 * ratio, colour("fault"));
    }
    for (const one of spec.series.filter(({ kind }) => kind === "point")) points(plot, spec, one);
    pen.restore();
}

function points(plot, { times, range }, one) {
    const pen = plot.ctx;
    const half = 4 * devicePixelRatio;
    one.values.forEach((value, index) => {
        if (value === null) return;
        const x = plot.valToPos(times[index] / 1000, "x", true);
        const y = (energy) => plot.valToPos(energy, scaleOf(one), true);
        if (one.errors?.[index])
            line(pen, colour(one.colour), [], [x, y(value - one.errors[index])], [x, y(value + one.errors[index])]);
        if (one.sizes?.[index])
            dot(
                pen,
                colour(one.colour),
                x,
                y(Math.min(range?.[1] ?? value, Math.max(range?.[0] ?? value, value))),
                one.sizes[index] * devicePixelRatio,
            );
        if (range && (value < range[0] || value > range[1])) {
            const edge = y(value < range[0] ? range[0] : range[1]);
            const tip = value < range[0] ? half : -half;
            pen.fillStyle = colour("fault");
            pen.beginPath();
            pen.moveTo(x - half, edge - 2 * tip);
            pen.lineTo(x + half, edge - 2 * tip);
            pen.lineTo(x, edge);
            pen.fill();
        }
    });
}

function line(pen, stroke, dash, [x1, y1], [x2, y2]) {
    pen.strokeStyle = stroke;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
    pen.stroke();
    pen.setLineDash([]);
}

function dot(pen, fill, x, y, radius) {
    pen.fillStyle = fill;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fill();
}

function write(pen, text, x, y, fill = colour("muted")) {
    const { width } = pen.measureText(text);
    const left = pen.textAlign === "right" ? x - width : x;
    pen.fillStyle = colour("ground");
    pen.fillRect(left, y - 11 * devicePixelRatio, width, 14 * devicePixelRatio);
    pen.fillStyle = fill;
    pen.fillText(text, x, y);
}
