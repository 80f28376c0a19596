"""What a DBA asks about the database: sizes, policies, jobs and findings, as they were computed last.

`…Bytes` are bytes, `…Days` are days, `…Seconds` seconds.
"""

from typing import Literal

from msgspec import Struct, field

from app.wire.values import Bytes, Count, Instant


class DatabasePolicy(Struct):
    """How long a relation is kept and when it is compressed and refreshed; null: never."""

    chunkIntervalDays: float | None
    columnstoreAfterDays: float | None
    dropAfterDays: float | None
    refreshStartDays: float | None
    refreshEverySeconds: float | None


class DatabaseRelation(Struct):
    """The size of a history or rollup. `rows` is an estimate, null before the first ANALYZE; `bytesPerDay` is the size
    of a day once it is in the columnstore; `historyDays` is how many days it has; `growing`: nothing is dropped yet
    in return for what comes. `compressionRatio`: how many times smaller the columnstore made its chunks."""

    relation: str
    rows: Count | None
    totalBytes: Bytes
    indexBytes: Bytes
    compressionRatio: float | None
    chunks: Count
    chunksCompressed: Count
    from_: Instant | None = field(name="from")
    to: Instant | None
    historyDays: float | None
    bytesPerDay: Bytes | None
    growing: bool
    policy: DatabasePolicy


class DatabaseJob(Struct):
    """A job of the database, or upkeep, which the service calls: how it fares. `relation` null: all of them; counts
    null: not counted."""

    job: str
    relation: str | None
    everySeconds: float
    lastStartedAt: Instant | None
    lastSucceededAt: Instant | None
    nextRunAt: Instant | None
    lastStatus: str
    runs: Count | None
    failures: Count | None
    lastError: str | None
    scheduled: bool


class DatabaseFigures(Struct):
    """The database as it was at `computedAt`. `diskDaysLeft`: until the disk is full at the present growth; null where
    nothing grows, or `diskFreeBytes` is not known: `CALL api.set_disk_size('500 GB')` says how large the disk is."""

    computedAt: Instant
    computedInSeconds: float
    databaseBytes: Bytes
    growthBytesPerDay: Bytes
    diskFreeBytes: Bytes | None
    diskDaysLeft: float | None
    relations: list[DatabaseRelation]
    jobs: list[DatabaseJob]


class DatabaseFinding(Struct):
    """What is not normal, what it concerns, and what to do about it, as `doctor` prints it."""

    severity: Literal["critical", "warning", "note"]
    subject: str
    message: str
    action: str


class DatabaseFindings(Struct):
    """What was not normal at `computedAt`, the worst first; `severity` is the worst of all, none where all was well."""

    computedAt: Instant
    computedInSeconds: float
    severity: Literal["critical", "warning", "note", "none"]
    findings: list[DatabaseFinding]
