"""What is wrong with the data, as lists to work through."""

from typing import Literal

from msgspec import Struct

from app.wire.energy import Cause, Window
from app.wire.values import Count, Instant

QualityKind = Literal["fault", "conflict", "register", "arrival", "plugOut"]
QualityCode = Literal[
    "implausible_power",
    "unsteady_register",
    "ratio_above_one",
    "conflict",
    "reset",
    "break",
    "silent",
    "late",
    "never_seen",
    "waiting_plug_out",
]


class QualityIssue(Struct):
    """What is wrong with the data of a device, by kind and code.

    `firstAt` and `lastAt` are the first and last reading or event concerned, `count` how many there are; of a device
    that is `silent` or `late`, `firstAt` is when its newest reading was taken, and `lastAt` when that came, if late.
    `doubtfulKwh`: of a fault all energy of the device, or the DC above the AC; of conflicts the largest difference of
    two values; of resets and breaks what they correct. `see` is the path of the request that shows more.
    """

    kind: QualityKind
    severity: Literal["warning", "note"]
    code: QualityCode
    cause: Cause | None
    meterId: str | None
    vehicleId: str | None
    name: str | None
    site: str | None
    group: str | None
    firstAt: Instant | None
    lastAt: Instant | None
    count: Count | None
    doubtfulKwh: float | None
    see: str


class QualityCounts(Struct):
    """How many issues there are of each kind; null where the request leaves the kind out."""

    fault: Count | None
    conflict: Count | None
    register: Count | None
    arrival: Count | None
    plugOut: Count | None


class Quality(Struct):
    """A page of issues, warnings before notes and most doubtful kWh first; `next` is what to pass as `after`, null on
    the last page. `pending`: committed readings may be missing in the faults yet."""

    window: Window
    total: Count
    counts: QualityCounts
    issues: list[QualityIssue]
    pending: bool
    next: Count | None


class ReadingConflicts(Struct):
    """Readings of a device and a day (UTC) that came with other values than are stored for their time: the first one
    stands. `conflicts` counts repeats too; the example is the one whose kWh differ most."""

    meterId: str | None
    vehicleId: str | None
    day: Instant
    conflicts: Count
    firstAt: Instant
    lastAt: Instant
    lastReceivedAt: Instant
    exampleAt: Instant
    keptKwh: float
    sentKwh: float


class ReadingConflictList(Struct):
    """A page of conflicts by day and device; `next` is what to pass as `after`, null on the last page."""

    conflicts: list[ReadingConflicts]
    total: Count
    next: str | None
