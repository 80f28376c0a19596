"""What a DBA asks about the database: sizes, policies, jobs and findings, as they were computed last.

`…Bytes` are bytes, `…Days` are days, `…Seconds` seconds.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct, field


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
    rows: int | None
    totalBytes: int
    indexBytes: int
    compressionRatio: float | None
    chunks: int
    chunksCompressed: int
    from_: datetime | None = field(name="from")
    to: datetime | None
    historyDays: float | None
    bytesPerDay: int | None
    growing: bool
    policy: DatabasePolicy


class DatabaseJob(Struct):
    """A job of the database, or upkeep, which the service calls: how it fares. `relation` null: all of them; counts
    null: not counted."""

    job: str
    relation: str | None
    everySeconds: float
    lastStartedAt: datetime | None
    lastSucceededAt: datetime | None
    nextRunAt: datetime | None
    lastStatus: str
    runs: int | None
    failures: int | None
    lastError: str | None
    scheduled: bool


class DatabaseFigures(Struct):
    """The database as it was at `computedAt`. `diskDaysLeft`: until the disk is full at the present growth; null where
    nothing grows, or `diskFreeBytes` is not known: `CALL api.set_disk_size('500 GB')` says how large the disk is."""

    computedAt: datetime
    databaseBytes: int
    growthBytesPerDay: int
    diskFreeBytes: int | None
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

    computedAt: datetime
    severity: Literal["critical", "warning", "note", "none"]
    findings: list[DatabaseFinding]
