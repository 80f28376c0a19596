"""Rows as PostgreSQL takes them: what is encoded here is read back from a real table, by SQL.

The encoder is our own, since it is the loop that every reading passes; the server is the judge of it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.rows import TupleRow

from app.ingest import rows
from app.ingest.rows import Row, copy_data, instant, meter_row, microseconds, numbered_copy_data, vehicle_row
from tests.support.servers import Server

_ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*_=:+|@.-"
_ids = st.text(_ID_CHARACTERS, min_size=1, max_size=64).filter(lambda text: text not in (".", ".."))
_zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_instants = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=_zones)  # noqa: DTZ001
_kwh = st.floats(0, 1e9)


def _singles(lowest: float, highest: float) -> st.SearchStrategy[float]:
    return st.floats(lowest, highest, width=32)


@pytest.fixture(scope="module")
def connection(postgres_server: Server) -> Iterator[psycopg.Connection[TupleRow]]:
    with psycopg.connect(postgres_server.url, autocommit=True, options="-c timezone=UTC") as opened:
        opened.execute("CREATE TEMPORARY TABLE meter (id text, at timestamptz, kwh float8, v float4)")
        opened.execute("CREATE TEMPORARY TABLE vehicle (id text, at timestamptz, soc float4, kwh float8, temp float4)")
        opened.execute("CREATE TEMPORARY TABLE stage (n int, id text, at timestamptz, kwh float8, v float4)")
        yield opened


def _read_back(connection: psycopg.Connection[TupleRow], table: str, data: bytes) -> list[tuple[Any, ...]]:
    connection.execute(f"TRUNCATE {table}".encode())
    # In binary, as in text a float4 comes back with no more digits than tell it from its neighbours.
    with connection.cursor(binary=True) as cursor:
        with cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)".encode()) as copying:
            copying.write(data)
        return cursor.execute(f"SELECT * FROM {table}".encode()).fetchall()


_meters = st.lists(st.tuples(_ids, _instants, _kwh, _singles(0, 50_000)), max_size=20)
_vehicles = st.lists(st.tuples(_ids, _instants, _singles(0, 100), _kwh, _singles(-60, 200)), max_size=20)


@settings(deadline=None, max_examples=50)
@given(meters=_meters, vehicles=_vehicles)
def test_a_row_arrives_as_it_was_given(
    connection: psycopg.Connection[TupleRow],
    meters: list[tuple[str, datetime, float, float]],
    vehicles: list[tuple[str, datetime, float, float, float]],
) -> None:
    meter_rows = [meter_row(place, *given_meter) for place, given_meter in enumerate(meters)]
    vehicle_rows = [vehicle_row(place, *given_vehicle) for place, given_vehicle in enumerate(vehicles)]
    assert _read_back(connection, "meter", copy_data(meter_rows)) == meters
    assert _read_back(connection, "vehicle", copy_data(vehicle_rows)) == vehicles
    numbered = _read_back(connection, "stage", numbered_copy_data(meter_rows))
    assert numbered == [(ordinal, *given_meter) for ordinal, given_meter in enumerate(meters)]


@given(_instants)
def test_an_instant_is_counted_to_the_microsecond(at: datetime) -> None:
    assert instant(microseconds(at)) == at
    assert instant(microseconds(at)).tzinfo is UTC


def test_rows_sort_by_device_then_time_then_place() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    ordered: list[Row] = [
        meter_row(7, "M-1", at, 9, 9),
        meter_row(3, "M-1", at + timedelta(microseconds=1), 1, 1),
        meter_row(5, "M-1", at + timedelta(microseconds=1), 0, 0),
        meter_row(0, "M-10", at, 0, 0),
        meter_row(1, "M-2", at, 0, 0),
    ]
    assert sorted([ordered[place] for place in (4, 2, 0, 3, 1)]) == ordered


@pytest.mark.parametrize("unfit", ["", "x" * 65, "a b", "ä", "a\n", "a/b"])
def test_an_id_that_no_device_can_have_makes_no_row(unfit: str) -> None:
    with pytest.raises(KeyError):
        meter_row(0, unfit, datetime(2026, 1, 1, tzinfo=UTC), 0, 0)
    with pytest.raises(KeyError):
        vehicle_row(0, unfit, datetime(2026, 1, 1, tzinfo=UTC), 0, 0, 0)


def test_no_more_ids_are_remembered_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_IDS_REMEMBERED", 3)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    rows.meter_beginnings.clear()
    first = [meter_row(0, f"M-{number}", at, 0, 0) for number in range(10)]
    assert 0 < len(rows.meter_beginnings) <= 3
    assert [meter_row(0, f"M-{number}", at, 0, 0) for number in range(10)] == first
