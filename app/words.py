"""How numbers, lengths of time and instants are written for a person."""

from datetime import UTC, datetime, timedelta

MAX_UNITS_DIVIDED = 10
"""Days from which on a length of time is shown without hours, and hours from which on without minutes."""


def counted(count: int, noun: str) -> str:
    """A number of things: `1 line`, `14,400 lines`. The plural of the noun ends in s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(length: timedelta) -> str:
    """A length of time by its two largest units: `3 days`, `2 hours 5 minutes`, `400 days`."""
    left_s = round(length.total_seconds())
    parts: list[str] = []
    for unit, unit_s in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left_s = divmod(left_s, unit_s)
        if count:
            parts.append(counted(count, unit))
        if len(parts) == 2 or (parts and (not count or count >= MAX_UNITS_DIVIDED)):
            break
    return " ".join(parts) or "0 seconds"


def rfc3339(at: datetime) -> str:
    """An instant as answers have it, in UTC: `2026-11-20T08:00:00Z`."""
    try:
        return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        # In UTC it is before year 1 or after year 9999.
        return at.isoformat()
