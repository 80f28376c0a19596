"""Months of history in one file: loaded a day at a time, completed and compressed on the way, stopped and resumed."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from app.config import Settings
from app.ingest.decode import UNKNOWN_HORIZON, ReadingDecoder
from app.tools.day_spool import DaySpool
from app.tools.import_file import ImportFile
from tests.support.readings import insert_meter_readings, insert_vehicle_readings, meter_reading, now, vehicle_reading
from tests.support.servers import ONLY_TIMESCALE
from tests.support.service import ROOT, command

Connection = psycopg.Connection[TupleRow]

DAY = timedelta(days=1)
WAIT_S = 60
LOADED = "SELECT day_start, readings FROM telemetry.import_progress ORDER BY 1"


def days_ago(days: int) -> datetime:
    """A midnight (UTC) before the present."""
    return (now() - days * DAY).replace(hour=0, minute=0, second=0)


def of_a_day(day: datetime, minutes: int, devices: int = 2) -> list[dict[str, Any]]:
    """Readings of some meters and vehicles over the first minutes of a day."""
    return [
        kind(f"D-{device}", day + timedelta(minutes=minute))
        for minute in range(1, minutes + 1)
        for device in range(devices)
        for kind in (meter_reading, vehicle_reading)
    ]


def write(path: Path, readings: list[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(msgspec.json.encode(reading) + b"\n" for reading in readings))


def is_timescale(connection: Connection) -> bool:
    return connection.execute("SELECT profile FROM telemetry.installation").fetchone() == ("timescale",)


def check_complete(connection: Connection, readings_of_a_kind: int) -> None:
    """All readings are there and in the rollups, with nobody having refreshed them since."""
    for relation in ("meter_telemetry_history", "vehicle_telemetry_history"):
        assert connection.execute(f"SELECT count(*) FROM telemetry.{relation}".encode()).fetchone() == (
            readings_of_a_kind,
        )
    for rollup in ("meter_hourly", "vehicle_hourly", "meter_daily", "vehicle_daily"):
        assert connection.execute(f"SELECT sum(readings) FROM telemetry.{rollup}".encode()).fetchone() == (
            readings_of_a_kind,
        )
    # Of the days, time that was never refreshed counts too, where a refresh job ran before the import: hours have
    # chunks of ten days, and what lies within one chunk looks alike.
    assert connection.execute(
        "SELECT sum(backlog_ranges) FROM api.refresh_lag WHERE relation LIKE '%hourly'"
    ).fetchone() == (0,)


def test_a_file_of_many_days_in_any_order_is_loaded_day_by_day_and_completed(
    own: Connection, own_database: str, tmp_path: Path
) -> None:
    days = [days_ago(n) for n in (40, 20, 19, 1)]
    readings = [reading for day in days for reading in of_a_day(day, 30)]
    random.Random(5).shuffle(readings)
    path = tmp_path / "history.ndjson"
    write(path, readings)
    with path.open("ab") as file:
        file.write(b'{"meterId": "D-1"}\n')
    done = command("import", str(path), "--by-day", DATABASE_URL=own_database)
    assert done.returncode == 0, done.stderr
    assert "481 lines of readings" in done.stdout
    assert "480 kept, 0 there already, 0 conflicts, 1 bad" in done.stdout
    assert own.execute(LOADED).fetchall() == [(day, 120) for day in days]
    check_complete(own, 240)
    if is_timescale(own):
        assert own.execute(
            "SELECT range_from, is_compressed FROM api.chunk_size WHERE relation = 'meter_telemetry_history' ORDER BY 1"
        ).fetchall() == [(day, day < days[-1]) for day in days]
    # Nobody takes an import for late devices.
    assert own.execute("SELECT coalesce(sum(late_readings), 0) FROM internal.lateness()").fetchone() == (0,)
    # Again: nothing is read twice, and nothing changes.
    done = command("import", str(path), "--by-day", DATABASE_URL=own_database)
    assert done.returncode == 0, done.stderr
    assert "480 lines of days that an earlier run has finished" in done.stdout
    check_complete(own, 240)
    # More readings of a day that is in the columnstore already.
    write(path, of_a_day(days[1] + timedelta(hours=5), 30))
    assert command("import", str(path), "--by-day", DATABASE_URL=own_database).returncode == 0
    check_complete(own, 300)


def test_an_import_that_is_stopped_goes_on_where_it_was(own: Connection, own_database: str, tmp_path: Path) -> None:
    days = [days_ago(n) for n in range(24, 10, -1)]
    path = tmp_path / "history.ndjson"
    write(path, [reading for day in days for reading in of_a_day(day, 60, devices=6)])
    with subprocess.Popen(
        [sys.executable, "-m", "app", "import", str(path), "--by-day"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": own_database},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may have switched it off, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + WAIT_S
        while len(own.execute(LOADED).fetchall()) < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, complaints
    assert "Traceback" not in complaints
    before = own.execute(LOADED).fetchall()
    assert before == [(day, 720) for day in days[: len(before)]]
    assert 2 <= len(before) < len(days)
    done = command("import", str(path), "--by-day", DATABASE_URL=own_database)
    assert done.returncode == 0, done.stderr
    assert f"{720 * len(before):,} lines of days that an earlier run has finished" in done.stdout
    assert own.execute(LOADED).fetchall() == [(day, 720) for day in days]
    check_complete(own, 360 * len(days))


def test_only_readings_have_days(own_database: str, tmp_path: Path) -> None:
    path = tmp_path / "stays.ndjson"
    path.write_bytes(b'{"meterId": "M-1", "vehicleId": "V-1", "from": "2026-01-01T00:00:00Z"}\n')
    done = command("import", str(path), "--by-day", DATABASE_URL=own_database)
    assert done.returncode == 2
    assert "--by-day is for readings" in done.stderr


def test_a_day_with_readings_too_old_is_not_over_and_comes_in_once_they_are_taken(
    own: Connection, own_database: str, tmp_path: Path
) -> None:
    path = tmp_path / "history.ndjson"
    old, yesterday = days_ago(500), days_ago(1)
    write(path, [reading for day in (old, yesterday) for reading in of_a_day(day, 1)])
    done = command("import", str(path), "--by-day", DATABASE_URL=own_database)
    assert "4 kept, 0 there already, 0 conflicts, 4 bad" in done.stdout
    assert "1 day not finished, " in done.stdout
    assert own.execute(LOADED).fetchall() == [(yesterday, 4)]
    # Nothing has changed, and so nothing comes in; what the first run was over with stays over.
    done = command("import", str(path), "--by-day", DATABASE_URL=own_database)
    assert "0 kept, 0 there already, 0 conflicts, 4 bad" in done.stdout
    assert "1 day not finished, " in done.stdout
    for kind in ("meter", "vehicle"):
        own.execute(f"CALL api.set_policy('{kind}_telemetry_history', drop_after => 'never')".encode())
    done = command("import", str(path), "--by-day", DATABASE_URL=own_database)
    assert done.returncode == 0, done.stderr
    assert "4 kept, 0 there already, 0 conflicts, 0 bad" in done.stdout
    assert "not over" not in done.stdout
    assert own.execute(LOADED).fetchall() == [(old, 4), (yesterday, 4)]
    check_complete(own, 4)


def test_a_day_with_readings_in_the_future_is_not_over(own: Connection, own_database: str, tmp_path: Path) -> None:
    path = tmp_path / "history.ndjson"
    write(path, [meter_reading("D-1", now() + DAY)])
    done = command("import", str(path), "--by-day", DATABASE_URL=own_database)
    assert done.returncode == 1
    assert "1 day not finished, " in done.stdout
    assert own.execute(LOADED).fetchall() == []


def test_timestamps_at_the_ends_of_the_calendar_spoil_their_lines_only(
    own: Connection, own_database: str, tmp_path: Path
) -> None:
    # The first is in the year 0 of UTC; the day of the second has no end. The third is stamped with the end of its day.
    path = tmp_path / "history.csv"
    ends = ("0001-01-01T00:00:00+05:00", "9999-12-31T12:00:00Z")
    lines = [f"M-1,1,230,{at}" for at in (*ends, days_ago(1).isoformat())]
    path.write_text("\n".join(["meterId,kwhConsumedAc,voltage,timestamp", *lines]))
    done = command("import", str(path), "--by-day", DATABASE_URL=own_database)
    assert done.returncode == 0, done.stderr
    assert "1 kept, 0 there already, 0 conflicts, 2 bad" in done.stdout
    assert [line.split(":")[0] for line in done.stdout.splitlines()[:2]] == ["line 2", "line 3"]
    assert own.execute(LOADED).fetchall() == [(days_ago(2), 1)]


def test_readings_wait_on_disk_and_come_back_as_they_were_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("app.tools.day_spool.MAX_READINGS_HELD", 10)
    decoder = ReadingDecoder(Settings(), UNKNOWN_HORIZON)
    days = [days_ago(3), days_ago(2)]
    with DaySpool() as spool:
        for number in range(25):
            batch = decoder.decode_json(msgspec.json.encode(of_a_day(days[number % 2], 1)))
            spool.add(batch, range(4 * number, 4 * number + 4))
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert {path.name for path in files} == {f"{day:%F}" for day in days}
        assert spool.days() == days
        read = list(spool.batches(days[0], 20))
        assert [len(batch) for batch, _ in read] == [20, 20, 12]
        assert sorted(number for _, numbers in read for number in numbers) == [
            4 * number + place for number in range(0, 25, 2) for place in (0, 1, 2, 3)
        ]
        [first, *_] = read
        expected = decoder.decode_json(msgspec.json.encode(of_a_day(days[0], 1)))
        assert {(device, at, row) for device, at, _, row in first[0].meters} == {
            (device, at, row) for device, at, _, row in expected.meters
        }


def test_a_timestamp_shifted_to_a_year_that_utc_has_not_spoils_its_line_only(tmp_path: Path) -> None:
    path = tmp_path / "history.ndjson"
    path.write_bytes(b'{"meterId": "M-1", "timestamp": "0001-01-01T00:00:00+05:00"}\n')
    [line] = ImportFile(path).lines(timedelta(hours=1))
    assert line.fault is not None
    assert "cannot be shifted" in line.fault


@ONLY_TIMESCALE
def test_a_load_compresses_nothing_where_the_columnstore_is_switched_off(own: Connection) -> None:
    own.execute("CALL api.set_policy('meter_telemetry_history', columnstore_after => 'never')")
    insert_meter_readings(own, [("M-1", days_ago(days), 0.5, 230.0) for days in range(5)])
    insert_vehicle_readings(own, [("V-1", days_ago(days), 50.0, 0.5, 20.0) for days in range(5)])
    own.execute("CALL api.complete_load('-infinity', 'infinity')")
    compressed: dict[str, int] = dict(
        own.execute(
            "SELECT hypertable_name, count(*) FILTER (WHERE is_compressed) FROM timescaledb_information.chunks "
            "WHERE hypertable_schema = 'telemetry' GROUP BY 1"
        ).fetchall()
    )
    # Of the other history, what is two days old.
    assert compressed == {"meter_telemetry_history": 0, "vehicle_telemetry_history": 2}
