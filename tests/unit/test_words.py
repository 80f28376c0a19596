"""How numbers, lengths of time and instants are written for a person."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.words import counted, duration, rfc3339


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (14_400_000, "14,400,000 lines")]
)
def test_a_number_of_things_has_the_right_plural(count: int, text: str) -> None:
    assert counted(count, "line") == text


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "0 seconds"),
        (timedelta(seconds=1.2), "1 second"),
        (timedelta(minutes=5), "5 minutes"),
        (timedelta(hours=2, minutes=5, seconds=7), "2 hours 5 minutes"),
        (timedelta(hours=12, minutes=29), "12 hours"),
        (timedelta(days=3), "3 days"),
        (timedelta(days=3, minutes=5), "3 days"),
        (timedelta(days=1, hours=1), "1 day 1 hour"),
        (timedelta(days=1100, hours=1), "1,100 days"),
    ],
)
def test_a_length_of_time_is_written_by_its_largest_units(length: timedelta, text: str) -> None:
    assert duration(length) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 11, 20, 8, tzinfo=UTC), "2026-11-20T08:00:00Z"),
        (datetime(2026, 11, 20, 8, 0, 0, 1, UTC), "2026-11-20T08:00:00.000001Z"),
        (datetime(2026, 11, 20, 8, tzinfo=timezone(timedelta(hours=5))), "2026-11-20T03:00:00Z"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "0001-01-01T00:00:00+05:00"),
    ],
)
def test_an_instant_is_written_in_utc_where_utc_has_it(at: datetime, text: str) -> None:
    assert rfc3339(at) == text
