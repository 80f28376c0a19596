"""Readings that contradict stored ones, as ingest recorded them: parameters in, structs out."""

from datetime import datetime
from typing import Any

from app.db.pool import Database
from app.registry.register_events import Device, Place
from app.wire.quality import ReadingConflictList, ReadingConflicts
from app.words import rfc3339


async def listed(
    database: Database,
    device: Device | None = None,
    *,
    begins: datetime | None = None,
    ends: datetime | None = None,
    after: Place | None = None,
    limit: int = 100,
) -> ReadingConflictList:
    """A page of conflicts by day and device, of days with such readings in (begins, ends]; empty without any.

    Raises :class:`DatabaseLost`. Source: `api.reading_conflict`.
    """
    parameters: dict[str, Any] = {
        "device_type": device and device.device_type,
        "device_id": device and device.device_id,
        "from": begins,
        "to": ends,
        "after_at": after and after.at,
        "after_type": after.device_type if after else "",
        "after_id": after.device_id if after else "",
        "row_limit": limit + 1,
    }
    rows = await database.fetch_all("reading_conflicts", parameters)
    counted = rows
    if not rows and after is not None:
        # After the last one: what the list counts is still asked for.
        first = {"after_at": None, "after_type": "", "after_id": "", "row_limit": 1}
        counted = await database.fetch_all("reading_conflicts", parameters | first)
    page = rows[:limit]
    return ReadingConflictList(
        conflicts=[_conflicts(row) for row in page],
        total=counted[0].listed_rows if counted else 0,
        next=_written(page[-1]) if len(rows) > limit else None,
    )


def _conflicts(row: Any) -> ReadingConflicts:
    return ReadingConflicts(
        meterId=row.device_id if row.device_type == "meter" else None,
        vehicleId=row.device_id if row.device_type == "vehicle" else None,
        day=row.day_start,
        conflicts=row.conflicts,
        firstAt=row.first_recorded_at,
        lastAt=row.last_recorded_at,
        lastReceivedAt=row.last_received_at,
        exampleAt=row.example_recorded_at,
        keptKwh=row.kept_kwh,
        sentKwh=row.sent_kwh,
    )


def _written(row: Any) -> str:
    return f"{rfc3339(row.day_start)},{row.device_type},{row.device_id}"
