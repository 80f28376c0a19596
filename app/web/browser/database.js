// The database: is there room, and do its jobs run? Nothing is changed here.

import { zone } from "./address.js";
import { ask } from "./ask.js";
import { h } from "./dom.js";
import { UNKNOWN, bytes, count, ratio } from "./figures.js";
import { start } from "./frame.js";
import { part } from "./part.js";
import { table } from "./table.js";
import { tiles } from "./tiles.js";
import { duration, fullTime } from "./times.js";

const EVERY_S = 60;
const SHORT_DAYS = 30;

const moment = (text) => (text === null ? UNKNOWN : fullTime(Date.parse(text), zone()));
const days = (value) => (value === null ? "never" : `${count(value)} d`);
const every = (seconds) => (seconds === null ? "never" : duration(1000 * seconds));

const findings = part("What is not normal", {
    isSteady: true,
    every: EVERY_S,
    load: (_, signal) => ask("/v1/database/findings", {}, signal),
    draw: ({ findings: found, computedAt }) => [
        table(
            "What is not normal",
            [
                { label: "Subject", cell: ({ subject }) => subject },
                {
                    label: "What",
                    cell: ({ severity, message }) =>
                        h(
                            "span",
                            { class: "verdict" },
                            h(
                                "span",
                                { class: severity === "note" ? null : "fault" },
                                `${severity === "note" ? "·" : "▲"} ${severity}`,
                            ),
                            h("span", { class: "note" }, message),
                        ),
                },
                { label: "What to do", cell: ({ action }) => action },
            ],
            found,
            { empty: "✓ Nothing." },
        ),
        h("p", { class: "muted" }, `Looked at ${moment(computedAt)}.`),
    ],
});

const figures = part("Room and jobs", {
    isSteady: true,
    every: EVERY_S,
    load: (_, signal) => ask("/v1/database", {}, signal),
    draw: ({ computedAt, databaseBytes, growthBytesPerDay, diskFreeBytes, diskDaysLeft, relations, jobs }) => [
        tiles([
            {
                label: "Days of disk left",
                value: diskDaysLeft === null ? UNKNOWN : count(diskDaysLeft),
                note: room(diskFreeBytes, growthBytesPerDay),
                sign: diskDaysLeft !== null && diskDaysLeft < SHORT_DAYS ? "fault" : null,
            },
            {
                label: "Free",
                value: bytes(diskFreeBytes),
                note: diskFreeBytes === null ? "CALL api.set_disk_size('500 GB') says how large the disk is" : null,
            },
            { label: "Database", value: bytes(databaseBytes), note: `grows ${bytes(growthBytesPerDay)} a day` },
        ]),
        h("h3", {}, "Histories and rollups"),
        table(
            "Histories and rollups",
            RELATIONS,
            relations.toSorted((one, other) => other.totalBytes - one.totalBytes),
        ),
        h("h3", {}, "Policies"),
        table("Policies", POLICIES, relations),
        h("h3", {}, "Jobs"),
        table("Jobs", JOBS, jobs),
        h(
            "p",
            { class: "muted" },
            `Figures of ${moment(computedAt)}. Policies are changed with `,
            h("code", {}, "ev-fleet-energy policies"),
            ".",
        ),
    ],
});

const room = (free, growth) =>
    free === null ? "the size of the disk is not known" : growth > 0 ? "at the present growth" : "nothing grows now";

const RELATIONS = [
    { label: "Relation", cell: ({ relation }) => relation },
    { label: "Size", isNumber: true, cell: ({ totalBytes }) => bytes(totalBytes) },
    { label: "of it indexes", isNumber: true, isMinor: true, cell: ({ indexBytes }) => bytes(indexBytes) },
    { label: "Rows, about", isNumber: true, isMinor: true, cell: ({ rows }) => count(rows) },
    { label: "A day", isNumber: true, cell: ({ bytesPerDay }) => bytes(bytesPerDay) },
    {
        label: "Compressed",
        isNumber: true,
        isMinor: true,
        cell: ({ chunks, chunksCompressed, compressionRatio }) =>
            chunks
                ? `${chunksCompressed} of ${chunks} chunks${compressionRatio === null ? "" : `, ${ratio(compressionRatio)} times smaller`}`
                : UNKNOWN,
    },
    {
        label: "Since",
        isMinor: true,
        cell: ({ from, growing }) => [moment(from), growing && h("span", { class: "note" }, "nothing is dropped yet")],
    },
];

const POLICIES = [
    { label: "Relation", cell: ({ relation }) => relation },
    { label: "Dropped after", isNumber: true, cell: ({ policy }) => days(policy.dropAfterDays) },
    { label: "Compressed after", isNumber: true, cell: ({ policy }) => days(policy.columnstoreAfterDays) },
    {
        label: "Refreshed every",
        isNumber: true,
        isMinor: true,
        cell: ({ policy }) => every(policy.refreshEverySeconds),
    },
    {
        label: "Chunk of",
        isNumber: true,
        isMinor: true,
        cell: ({ policy }) => (policy.chunkIntervalDays === null ? UNKNOWN : days(policy.chunkIntervalDays)),
    },
];

const JOBS = [
    { label: "Job", cell: ({ job, relation }) => [job, relation && h("span", { class: "note" }, relation)] },
    {
        label: "State",
        cell: ({ lastStatus, lastError, scheduled }) => [
            scheduled ? lastStatus : "▲ not scheduled",
            lastError && h("span", { class: "note fault" }, lastError),
        ],
    },
    { label: "Every", isNumber: true, cell: ({ everySeconds }) => every(everySeconds) },
    { label: "Succeeded", isMinor: true, cell: ({ lastSucceededAt }) => moment(lastSucceededAt) },
    { label: "Next", isMinor: true, cell: ({ nextRunAt }) => moment(nextRunAt) },
    {
        label: "Failed, of runs",
        isNumber: true,
        isMinor: true,
        cell: ({ failures, runs }) => (runs === null ? UNKNOWN : `${failures} of ${runs}`),
    },
];

start([findings, figures], { hasWindow: false });
