"""Loading files: the real command line on real files, and what the database holds afterwards.

Most of it runs on the postgres profile; what touches rollups runs on both.
"""

import contextlib
import gzip
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from app.__main__ import main
from app.db import migrate
from app.tools.import_file import MAX_LINE_LENGTH
from app.tools.importer import LINES_PER_BATCH, MAX_BAD_LINES_LISTED
from app.words import rfc3339
from tests.support.readings import meter_reading, minutes_ago, now, vehicle_reading
from tests.support.servers import Server, url_of
from tests.support.service import ROOT, command

BASE = minutes_ago(180)
METERS = "SELECT meter_id, recorded_at, energy_ac_kwh, voltage_v FROM telemetry.meter_telemetry_history ORDER BY 1, 2"
VEHICLES = (
    "SELECT vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c "
    "FROM telemetry.vehicle_telemetry_history ORDER BY 1, 2"
)
ASSIGNMENTS = "SELECT meter_id, vehicle_id, lower(during), upper(during) FROM telemetry.assignment ORDER BY id"
LISTED_VEHICLES = """
    SELECT
        vehicle_id, energy_reading, register_modulus_kwh, rated_power_kw, battery_capacity_kwh,
        EXISTS (SELECT FROM telemetry.vehicle_kind_past AS past WHERE past.vehicle_id = vehicle.vehicle_id)
    FROM telemetry.vehicle ORDER BY vehicle_id
"""
WAIT_S = 20

Connection = psycopg.Connection[TupleRow]


@pytest.fixture(scope="module")
def postgres_database(postgres_server: Server) -> Iterator[str]:
    with postgres_server.new_database() as url:
        migrate.migrate(url)
        yield url


@pytest.fixture
def database(postgres_database: str) -> Iterator[Connection]:
    """A connection (autocommit, UTC) to a migrated database of the postgres profile, empty at the start."""
    with psycopg.connect(postgres_database, autocommit=True, options="-c timezone=UTC") as opened:
        opened.execute(
            "TRUNCATE telemetry.meter_telemetry_history, telemetry.vehicle_telemetry_history, "
            "telemetry.live_meter_state, telemetry.live_vehicle_state, telemetry.meter_hourly, "
            "telemetry.vehicle_hourly, telemetry.assignment, telemetry.import_source, "
            "telemetry.meter, telemetry.vehicle, telemetry.meter_kind_past, "
            "telemetry.vehicle_kind_past RESTART IDENTITY"
        )
        yield opened


def _url(database: Connection) -> str:
    return make_conninfo(url_of(database), options="")


def _import(
    database: Connection, path: Path, *options: str, status: int = 0, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the command; whatever it ends with, it is never a traceback."""
    done = command("import", str(path), *options, timeout_s=120, DATABASE_URL=_url(database), **(environment or {}))
    assert "Traceback" not in done.stderr
    assert done.returncode == status, done.stdout + done.stderr
    return done


def _rows(database: Connection, statement: str) -> list[Any]:
    return database.execute(statement.encode()).fetchall()


def _counts(done: "subprocess.CompletedProcess[str]") -> str:
    """What the summary says of the lines: `n kept, n there already, n conflicts, n bad`."""
    [summary] = [line for line in done.stdout.splitlines() if re.search(" lines? of .* kept, ", line)]
    return summary.split(": ", 2)[2]


def _bad_lines(done: "subprocess.CompletedProcess[str]") -> dict[int, str]:
    """What was printed of each listed line, in the order listed."""
    listed = [
        line.removeprefix("line ").split(": ", 1) for line in done.stdout.splitlines() if line.startswith("line ")
    ]
    assert sorted(int(number) for number, _ in listed) == [int(number) for number, _ in listed]
    return {int(number): what for number, what in listed}


def _csv(*lines: str, end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def _ndjson(*documents: Any) -> bytes:
    return b"".join(msgspec.json.encode(document) + b"\n" for document in documents)


def _at(minutes: int) -> datetime:
    return BASE + timedelta(minutes=minutes)


def _text(minutes: int) -> str:
    return rfc3339(_at(minutes))


# What is read: forms, columns, identities.


def test_csv_files_of_meter_readings_are_kept_and_show_in_the_rollup(connection: Connection, tmp_path: Path) -> None:
    """Two meters of the same hours, some hours back, one file after the other. The first file's hours are materialized
    in between, as a policy would do, so that the second file's readings show in the rollup only if the import sees to
    it."""
    totals = (
        "SELECT meter_id, sum(readings)::int, sum(energy_ac_sum_kwh) FROM telemetry.meter_hourly GROUP BY 1 ORDER BY 1"
    )
    kept, summed = [], []
    for meter in ("M-1", "M-2"):
        path = tmp_path / f"{meter}.csv"
        lines = (f"{meter},{_text(n)},{n / 8},{230 + n / 2},x" for n in range(100))
        path.write_bytes(b"\xef\xbb\xbf" + _csv("meter,recorded_at,energy_kwh,voltage_v,note", *lines, end="\r\n"))
        done = _import(connection, path)
        assert _counts(done) == "100 kept, 0 there already, 0 conflicts, 0 bad"
        assert f"from {_text(0)} to {_text(99)}" in done.stdout
        kept += [(meter, _at(n), n / 8, 230 + n / 2) for n in range(100)]
        summed.append((meter, 100, sum(range(100)) / 8))
        assert _rows(connection, METERS) == kept
        assert _rows(connection, totals) == summed
        connection.execute("CALL api.refresh_rollups(%s, %s)", [_at(0), now()])

    assert _counts(_import(connection, path)) == "0 kept, 100 there already, 0 conflicts, 0 bad"
    assert _rows(connection, METERS) == kept
    assert _rows(connection, totals) == summed


def test_a_gzip_csv_with_semicolons_of_vehicle_readings_is_kept(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "vehicles.csv.gz"
    text = _csv("vehicleId;soc;kwhDeliveredDc;batteryTemp;timestamp", f"V-1;55.5;0.18;-3.5;{_text(0)}")
    path.write_bytes(gzip.compress(text))
    assert _counts(_import(database, path)) == "1 kept, 0 there already, 0 conflicts, 0 bad"
    assert _rows(database, VEHICLES) == [("V-1", _at(0), 55.5, 0.18, -3.5)]


def test_lines_of_json_may_mix_both_kinds_of_reading(connection: Connection, tmp_path: Path) -> None:
    path = tmp_path / "readings.ndjson.gz"
    readings = [
        reading
        for n in range(60)
        for reading in (
            meter_reading("M-1", _at(n), kwhConsumedAc=n / 4, unknown="ignored"),
            vehicle_reading("V-1", _at(n), soc=n),
        )
    ]
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf\n \n" + _ndjson(*readings)))
    assert _counts(_import(connection, path)) == "120 kept, 0 there already, 0 conflicts, 0 bad"
    assert _rows(connection, METERS) == [("M-1", _at(n), n / 4, 230.0) for n in range(60)]
    assert _rows(connection, VEHICLES) == [("V-1", _at(n), float(n), 0.18, 30.0) for n in range(60)]
    for relation in ("telemetry.meter_hourly", "telemetry.vehicle_hourly"):
        assert _rows(connection, f"SELECT sum(readings)::int FROM {relation}") == [(60,)]
    assert _counts(_import(connection, path)) == "0 kept, 120 there already, 0 conflicts, 0 bad"


def test_assignments_come_as_csv_or_as_lines_of_json(database: Connection, tmp_path: Path) -> None:
    as_csv, as_json = tmp_path / "a.csv", tmp_path / "a.ndjson"
    as_csv.write_bytes(
        _csv("session\tplug\tarrived_at\tdeparted_at", f"7\tP-1\t{_text(0)}\t{_text(10)}", f"8\tP-1\t{_text(10)}\t")
    )
    as_json.write_bytes(_ndjson({"meterId": "P-2", "vehicleId": "9", "from": _at(0)}))
    expected = [("P-1", "7", _at(0), _at(10)), ("P-1", "8", _at(10), None), ("P-2", "9", _at(0), None)]

    assert _counts(_import(database, as_csv)) == "2 kept, 0 there already, 0 overlaps, 0 bad"
    assert _counts(_import(database, as_json)) == "1 kept, 0 there already, 0 overlaps, 0 bad"
    assert _rows(database, ASSIGNMENTS) == expected

    assert _counts(_import(database, as_csv)) == "0 kept, 2 there already, 0 overlaps, 0 bad"
    assert _counts(_import(database, as_json)) == "0 kept, 1 there already, 0 overlaps, 0 bad"
    assert _rows(database, ASSIGNMENTS) == expected


def test_devices_come_as_csv_or_as_lines_of_json(database: Connection, tmp_path: Path) -> None:
    as_csv, as_json = tmp_path / "vehicles.csv", tmp_path / "devices.ndjson"
    as_csv.write_bytes(
        _csv(
            "vehicle_id,energy_reading,register_modulus_kwh,since,rated_power_kw,battery_capacity_kwh",
            f"V-1,register,1000,{_text(0)},11,60",
            "V-2,,,,,58.5",
            "V-3,counter,,,11,60",
            "V 4,,,,11,60",
            "V-5,interval,1000,,11,60",
        )
    )
    as_json.write_bytes(
        _ndjson(
            {"meterId": "M-1", "ratedPowerKw": 22},
            {"vehicleId": "V-2", "energyReading": "register"},
            {"ratedPowerKw": 22},
            {"meterId": "M-2", "batteryCapacityKwh": 60},
        )
    )
    done = _import(database, as_csv)
    assert _counts(done) == "2 kept, 0 there already, 0 conflicts, 3 bad"
    assert _bad_lines(done).keys() == {4, 5, 6}
    assert "Modulus" in _bad_lines(done)[6]
    done = _import(database, as_json)
    assert _counts(done) == "2 kept, 0 there already, 0 conflicts, 2 bad"
    assert _bad_lines(done).keys() == {3, 4}
    expected = [("V-1", "register", 1000, 11, 60, True), ("V-2", "register", None, None, 58.5, False)]
    assert _rows(database, LISTED_VEHICLES) == expected
    assert _rows(database, "SELECT meter_id, rated_power_kw FROM telemetry.meter") == [("M-1", 22)]

    assert _counts(_import(database, as_csv)) == "0 kept, 2 there already, 0 conflicts, 3 bad"
    assert _counts(_import(database, as_json)) == "0 kept, 2 there already, 0 conflicts, 2 bad"
    assert _rows(database, LISTED_VEHICLES) == expected


def test_devices_come_with_names_sites_and_groups(database: Connection, tmp_path: Path) -> None:
    meters, vehicles = tmp_path / "meters.csv", tmp_path / "vehicles.csv"
    meters.write_bytes(_csv("charger,name,site", "M-1,Gate 7,Depot North", "M-2,,Depot South", f"M-3,{'x' * 101},"))
    vehicles.write_bytes(_csv("vehicle,group,name", "V-1,Vans,2024"))
    assert _counts(_import(database, meters)) == "2 kept, 0 there already, 0 conflicts, 1 bad"
    assert _counts(_import(database, vehicles)) == "1 kept, 0 there already, 0 conflicts, 0 bad"
    listed = _rows(database, "SELECT meter_id, name, site_name FROM telemetry.meter ORDER BY meter_id")
    assert listed == [("M-1", "Gate 7", "Depot North"), ("M-2", None, "Depot South")]
    assert _rows(database, "SELECT vehicle_id, name, group_name FROM telemetry.vehicle") == [("V-1", "2024", "Vans")]


def test_one_device_of_a_file_may_be_named_on_the_command_line(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "meter.csv"
    path.write_bytes(_csv("rated_power_kw", "22"))
    assert _counts(_import(database, path, "--meter", "M-1")) == "1 kept, 0 there already, 0 conflicts, 0 bad"
    assert "no column for meterId" in _import(database, path, status=1).stderr


def test_columns_are_found_however_they_are_spelt_or_by_being_named(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "meters.csv"
    path.write_bytes(
        _csv(' Meter-ID ,"Recorded At",Active Energy,Voltage_V,energy_kwh', f"M-1,{_text(0)},0.25,231,999")
    )
    _import(database, path, "--column", "kwhConsumedAc=Active Energy")
    assert _rows(database, METERS) == [("M-1", _at(0), 0.25, 231.0)]


def test_an_id_on_the_command_line_stands_where_the_file_names_none(database: Connection, tmp_path: Path) -> None:
    meters, mixed, stays = tmp_path / "meters.csv", tmp_path / "mixed.ndjson", tmp_path / "stays.csv"
    meters.write_bytes(_csv("meter,timestamp,energy_kwh,voltage", f",{_text(0)},1,230", f"M-2,{_text(0)},2,230"))
    nameless = meter_reading(at=_at(1), kwhConsumedAc=3.0)
    del nameless["meterId"]
    mixed.write_bytes(_ndjson(nameless, vehicle_reading("V-2", _at(0)), meter_reading("M-2", _at(1))))
    stays.write_bytes(_csv("vehicle,from,to", f"V-1,{_text(0)},{_text(5)}"))
    for path in (meters, mixed, stays):
        _import(database, path, "--meter", "M-1")
    assert [(meter, energy) for meter, _, energy, _ in _rows(database, METERS)] == [
        ("M-1", 1.0),
        ("M-1", 3.0),
        ("M-2", 2.0),
        ("M-2", 0.2),
    ]
    assert [vehicle for vehicle, *_ in _rows(database, VEHICLES)] == ["V-2"]
    assert _rows(database, ASSIGNMENTS) == [("M-1", "V-1", _at(0), _at(5))]


def test_energy_and_time_are_of_a_vehicle_where_the_command_line_names_one(
    database: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "vehicle.csv"
    path.write_bytes(_csv("time,energy_kwh,soc_pct,battery_temp_c", f"{_text(0)},0.5,40,20"))
    _import(database, path, "--vehicle", "V-1")
    assert _rows(database, VEHICLES) == [("V-1", _at(0), 40.0, 0.5, 20.0)]


# What vendors write. Zones without summer time, since the times are relative to now.

_INDIA, _JAPAN = ("--timezone", "Asia/Kolkata"), ("--timezone", "Asia/Tokyo")


def _minute(number: int) -> datetime:
    return _at(number).replace(second=0, microsecond=0)


def _local(minutes: int, form: str, zone: str = "Asia/Kolkata") -> str:
    return _minute(minutes).astimezone(ZoneInfo(zone)).strftime(form)


def _columns(*assigned: str) -> list[str]:
    return [part for text in assigned for part in ("--column", text)]


# Lines and their encoding, options, and what is kept: of meters energy and voltage, else the row without its device.
VENDORS: Mapping[str, tuple[Sequence[str], str, Sequence[str], Sequence[tuple[Any, ...]]]] = {
    "decimal commas and umlauts": (
        [
            "Zähler;Zeit;Energie;Spannung",
            f"DE*A*1;{_local(0, '%d.%m.%Y %H:%M')};12,5;230,1",
            f"DE*A*1;{_local(1, '%d.%m.%Y %H:%M:%S')};1.234;230",
        ],
        "cp1252",
        [*_INDIA, *_columns("meterId=Zähler", "timestamp=Zeit", "kwhConsumedAc=Energie", "voltage=Spannung")],
        [(12.5, 230.1), (1234.0, 230.0)],
    ),
    "a spreadsheet's first line": (
        ["sep=;", "meter;timestamp;energy_kwh;voltage", f"M-1;{rfc3339(_minute(0))};1.234,56;230"],
        "utf-8-sig",
        (),
        [(1234.56, 230.0)],
    ),
    "UTF-16 with tabs": (
        ["meter\ttime\tenergy_kwh\tvoltage", f"M-1\t{_local(0, '%Y-%m-%d %H:%M', 'Asia/Tokyo')}\t1,5\t229,5"],
        "utf-16",
        _JAPAN,
        [(1.5, 229.5)],
    ),
    "apostrophes": (
        ["meter,timestamp,energy_kwh,voltage", f"M-1,{rfc3339(_minute(0))},1'234.5,230"],
        "utf-8",
        (),
        [(1234.5, 230.0)],
    ),
    "the month first": (
        [
            "Meter,Time,Energy kWh,Voltage,Operator",
            f'M-1,{_local(0, "%m/%d/%Y %I:%M %p")},"1,234.5",230,x',
        ],
        "utf-8",
        ("--date-format", "%m/%d/%Y %I:%M %p", *_INDIA),
        [(1234.5, 230.0)],
    ),
    "Wh": (
        ["meter;timestamp;Energy (Wh);voltage", f"M-1;{rfc3339(_minute(0))};12345;230"],
        "utf-8",
        ("--column", "kwhConsumedAc=Energy (Wh)", "--unit", "Wh"),
        [(12.345, 230.0)],
    ),
    "pipes": (
        ["meter|timestamp|energy_kwh|voltage", f"M-1|{_local(0, '%Y-%m-%dT%H:%M:%S')}|1.234|230"],
        "utf-8",
        (*_INDIA, "--decimal", "point"),
        [(1.234, 230.0)],
    ),
    "spaces and the day first": (
        ["meter;timestamp;energy_kwh;voltage", f"M-1;{_local(0, '%d/%m/%Y %H:%M')};1\u00a0234,5;230"],
        "cp1252",
        ("--date-format", "%d/%m/%Y %H:%M", *_INDIA),
        [(1234.5, 230.0)],
    ),
    "vehicles in another encoding": (
        [
            "sep=,",
            "Pojazd,soc,energy_kwh,battery_temp_c,time,Właściciel",
            f"V-1,55.5,0.5,20,{rfc3339(_minute(0))},Łódź",
        ],
        "cp1250",
        ("--column", "vehicleId=Pojazd", "--encoding", "cp1250"),
        [(_minute(0), 55.5, 0.5, 20.0)],
    ),
    "sessions": (
        [
            "plug;vehicle;started at;ended at;Cost",
            f"P-1;V-1;{_local(0, '%d.%m.%Y, %H:%M')};{_local(9, '%d.%m.%Y, %H:%M')};3,20",
        ],
        "utf-8",
        _INDIA,
        [("V-1", _minute(0), _minute(9))],
    ),
}


def test_files_of_ten_vendors_are_each_imported_by_one_command(
    database: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", _url(database))
    for vendor, (lines, encoding, options, expected) in VENDORS.items():
        database.execute(
            "TRUNCATE telemetry.meter_telemetry_history, telemetry.vehicle_telemetry_history, "
            "telemetry.live_meter_state, telemetry.live_vehicle_state, telemetry.assignment"
        )
        path = tmp_path / "file.csv"
        path.write_bytes("".join(f"{line}\r\n" for line in lines).encode(encoding))
        assert main(["import", str(path), *options, "--dry-run"]) == 0
        shown = capsys.readouterr().out
        assert "nothing was loaded" in shown, vendor
        assert _rows(database, METERS) == _rows(database, VEHICLES) == _rows(database, ASSIGNMENTS) == []
        status = main(["import", str(path), *options])
        printed = capsys.readouterr().out
        assert (status, "0 bad" in printed) == (0, True), (vendor, printed)
        meters = [(energy, pytest.approx(voltage, rel=1e-6)) for _, _, energy, voltage in _rows(database, METERS)]
        others = [tuple(values) for _, *values in _rows(database, VEHICLES) + _rows(database, ASSIGNMENTS)]
        assert [*meters, *others] == list(expected), vendor
        assert {at for _, at, *_ in _rows(database, METERS)} <= {_minute(0), _minute(1)}, vendor
        for column in ("Operator", "Właściciel", "Cost"):
            named = f"columns that are not read: {column}" in printed
            assert named == any(column in line for line in lines), (vendor, printed)
    assert '"from":"' in shown


# What is wrong with a line, and with which.


def test_bad_lines_are_reported_by_the_number_they_begin_at_and_the_others_kept(
    database: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "meters.csv"
    lines = [
        "",
        "meterId,timestamp,kwhConsumedAc,voltage,note",
        "",
        f"M-1,{_text(0)},0.1,230,fine",
        f'M-1,{_text(1)},0.1,230,"a note, of\ntwo lines and a ""quote"""',
        "",
        f'M-1,{_text(2)},0.1,99999,"line 8\nand 9"',
        ",,,,",
        f"M-1,{_text(3)},0,1,230,x",
        f"M-1,{_text(4)},0.1",
        f"M 1,{_text(5)},0.1,230,",
        "M-1,2026-01-01 00:00:00,0.1,230,",
        f"M-1,{_text(6)},nan,230,",
        f"M-1,{_text(7)},1_0,230,",
        f"M-1,{_text(8)},0.1,230,,,",
    ]
    path.write_bytes(_csv(*lines))
    done = _import(database, path)
    bad = _bad_lines(done)
    assert {number: what.split()[:2] for number, what in bad.items()} == {
        8: ["out_of_range:", "voltage"],
        11: ["6", "values"],
        12: ["missing_field:", "voltage"],
        13: ["invalid_id:", "meterId"],
        14: ["timestamp", "2026-01-01"],
        15: ["wrong_type:", "kwhConsumedAc"],
        16: ["wrong_type:", "kwhConsumedAc"],
    }
    assert _counts(done) == "3 kept, 0 there already, 0 conflicts, 7 bad"
    assert [at for _, at, *_ in _rows(database, METERS)] == [_at(0), _at(1), _at(8)]


def test_bad_lines_of_json_are_reported_by_number(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "readings.ndjson"
    good = msgspec.json.encode(meter_reading("M-1", _at(0)))
    both = {**meter_reading("M-1", _at(1)), "vehicleId": "V-1"}
    lines = [
        b'{"meterId": "M-1", ',
        b"",
        good,
        b"[1]",
        b"  \r",
        b'{"meterId": "M-\xff"}',
        msgspec.json.encode(both),
        b"{}",
    ]
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines))
    done = _import(database, path)
    assert {number: what.split(": ")[0] for number, what in _bad_lines(done).items()} == {
        1: "malformed_item",
        4: "not_an_object",
        6: "invalid_id",
        7: "both_ids",
        8: "no_id",
    }
    assert _counts(done) == "1 kept, 0 there already, 0 conflicts, 5 bad"


def test_a_byte_order_mark_alone_on_its_line_does_not_shift_the_numbers(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "readings.ndjson"
    path.write_bytes(b"\xef\xbb\xbf\n" + _ndjson(meter_reading("M-1", _at(0)), {"meterId": "M-1"}))
    done = _import(database, path)
    assert list(_bad_lines(done)) == [3]


def test_an_unclosed_quote_spoils_its_own_line_only(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "meters.csv"
    path.write_bytes(
        _csv(
            "meterId,timestamp,kwhConsumedAc,voltage,note",
            *(f"M-1,{_text(n)},0.1,230,{chr(34) if n in (1, 3, 98) else ''}note" for n in range(100)),
        )
    )
    done = _import(database, path)
    assert list(_bad_lines(done)) == [3, 5, 100]
    assert [at for _, at, *_ in _rows(database, METERS)] == [_at(n) for n in range(100) if n not in (1, 3, 98)]


def test_lines_and_fields_too_long_are_reported_and_those_beside_them_kept(
    database: Connection, tmp_path: Path
) -> None:
    as_csv, as_json = tmp_path / "meters.csv", tmp_path / "meters.ndjson"
    long_field, long_line = "x" * 200_000, "x" * (2 * MAX_LINE_LENGTH)
    as_csv.write_bytes(
        _csv(
            "meterId,timestamp,kwhConsumedAc,voltage,note",
            *(
                f"M-1,{_text(n)},0.1,230,{note}"
                for n, note in enumerate(["", long_field, "", f'"{long_field}"', "", long_line, ""])
            ),
        )
    )
    done = _import(database, as_csv)
    bad = _bad_lines(done)
    assert list(bad) == [3, 5, 7]
    assert "field larger than field limit" in bad[3]
    assert "longer than" in bad[7]
    assert [at for _, at, *_ in _rows(database, METERS)] == [_at(0), _at(2), _at(4), _at(6)]

    as_json.write_bytes(
        _ndjson(*(meter_reading("M-2", _at(n), note=note) for n, note in enumerate(["", long_line, long_field])))
    )
    done = _import(database, as_json)
    assert list(_bad_lines(done)) == [2]
    assert [at for meter, at, *_ in _rows(database, METERS) if meter == "M-2"] == [_at(0), _at(2)]


def test_bytes_that_are_not_utf8_spoil_only_the_field_they_are_in(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "meters.csv"
    header = _csv("meterId,timestamp,kwhConsumedAc,voltage,note")
    in_the_note = f"M-1,{_text(0)},0.1,230,caf\u00e9\n".encode("latin-1")
    in_the_id = f"M\u00e9,{_text(1)},0.1,230,\n".encode("latin-1")
    path.write_bytes(header + in_the_note + in_the_id)
    done = _import(database, path)
    assert {number: what.split(": ")[0] for number, what in _bad_lines(done).items()} == {3: "invalid_id"}
    assert len(_rows(database, METERS)) == 1


def test_only_the_first_bad_lines_are_listed_and_all_are_counted(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "meters.csv"
    count = LINES_PER_BATCH + 200
    path.write_bytes(
        _csv(
            "meterId,timestamp,kwhConsumedAc,voltage",
            *(f"M-{n},{_text(0)},{'x' if n % 20 else 0.5},230" for n in range(count)),
        )
    )
    done = _import(database, path)
    kept, bad = count // 20, count - count // 20
    assert _counts(done) == f"{kept:,} kept, 0 there already, 0 conflicts, {bad:,} bad"
    assert list(_bad_lines(done)) == [n + 2 for n in range(count) if n % 20][:MAX_BAD_LINES_LISTED]
    assert f"... and {bad - MAX_BAD_LINES_LISTED:,} more lines not kept" in done.stdout
    assert len(_rows(database, METERS)) == kept


def test_a_file_without_a_good_line_fails(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "meters.csv"
    path.write_bytes(_csv("meterId,timestamp,kwhConsumedAc,voltage", "M-1,yesterday,0.1,230", "a,b,c,d,e"))
    done = _import(database, path, status=1)
    assert _counts(done) == "0 kept, 0 there already, 0 conflicts, 2 bad"


def test_readings_older_than_the_history_is_kept_come_with_a_hint(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "meters.csv"
    hint = "--end-at now replays the file as if it ended now"
    # The hint does not depend on an old reading being among the lines listed.
    others = [f"M-1,x,{n},230" for n in range(MAX_BAD_LINES_LISTED)]
    path.write_bytes(_csv("meterId,timestamp,kwhConsumedAc,voltage", *others, "M-1,2006-12-16T17:24:00Z,0.1,230"))
    done = _import(database, path, status=1)
    assert hint in done.stdout
    done = _import(database, path, "--end-at", "now")
    assert hint not in done.stdout
    assert _counts(done) == f"1 kept, 0 there already, 0 conflicts, {MAX_BAD_LINES_LISTED} bad"


def test_a_conflict_is_reported_by_line_and_the_first_stands(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "meters.csv"
    lines = [f"M-1,{_text(n)},{n},230" for n in range(5)]
    path.write_bytes(_csv("meterId,timestamp,kwhConsumedAc,voltage", *lines, f"M-1,{_text(2)},77,230", lines[0]))
    done = _import(database, path)
    assert _counts(done) == "5 kept, 1 there already, 1 conflict, 0 bad"
    assert {number: what.split(": ")[0] for number, what in _bad_lines(done).items()} == {7: "conflict"}
    path.write_bytes(_csv("meterId,timestamp,kwhConsumedAc,voltage", *(line.replace(",230", ",231") for line in lines)))
    done = _import(database, path, status=1)
    assert list(_bad_lines(done)) == [2, 3, 4, 5, 6]
    assert _rows(database, METERS) == [("M-1", _at(n), float(n), 230.0) for n in range(5)]


def test_assignments_that_overlap_are_reported_with_what_they_overlap(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "stays.csv"
    path.write_bytes(
        _csv(
            "meter,vehicle,from,to",
            f"M-1,V-1,{_text(0)},{_text(10)}",
            f"M-1,V-2,{_text(9)},{_text(20)}",
            f"M-1,V-3,{_text(10)},",
            f"M-2,V-1,{_text(5)},{_text(6)}",
            f"M-2,V-2,{_text(6)},{_text(5)}",
            f"M-1,V-1,{_text(0)},{_text(10)}",
            f"M-1,V-4,{_text(60)},{_text(70)}",
            f"M-2,V-5,soon,{_text(70)}",
            f"M-2,V-5,{_text(60)},{_text(70)},M-3",
        )
    )
    done = _import(database, path)
    assert _counts(done) == "2 kept, 1 there already, 3 overlaps, 3 bad"
    first = f"overlaps assignment 1 (M-1 to V-1, from {_text(0)}, to {_text(10)})"
    remedy = f"begin at its end or later ({_text(10)}), or correct it with PATCH /v1/assignments/1"
    bad = _bad_lines(done)
    assert list(bad) == [3, 5, 6, 8, 9, 10]
    assert bad[3] == f"M-1 to V-2 from {_text(9)} {first}; they share 1 minute: {remedy}"
    assert bad[5] == f"M-2 to V-1 from {_text(5)} {first}; they share 1 minute: {remedy}"
    assert bad[6] == "to must be later than from"
    assert f"(M-1 to V-3, from {_text(10)}, still open); close it first: PATCH /v1/assignments/" in bad[8]
    kept = [("M-1", "V-1", _at(0), _at(10)), ("M-1", "V-3", _at(10), None)]
    assert _rows(database, ASSIGNMENTS) == kept

    assert _counts(_import(database, path)) == "0 kept, 3 there already, 3 overlaps, 3 bad"
    assert _rows(database, ASSIGNMENTS) == kept


# A file replayed as if it ended at another time.


def _old_meters(path: Path, minutes: Sequence[int]) -> datetime:
    """Write readings of 2006, out of order; returns the newest's time."""
    first = datetime(2006, 12, 16, 17, 24, tzinfo=UTC)
    instants = [first + timedelta(minutes=n) for n in minutes]
    shuffled = random.Random(5).sample(instants, len(instants))
    path.write_bytes(_csv("recorded_at,energy_kwh,voltage_v", *(f"{at.isoformat()},0.5,230" for at in shuffled)))
    return max(instants)


def test_end_at_an_instant_shifts_every_timestamp_by_the_same_exact_amount(
    database: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "old.csv"
    minutes = [0, 1, 3, 1000, 3000]
    _old_meters(path, minutes)
    end_at = BASE + timedelta(microseconds=123_456)
    for counts in ("5 kept, 0 there already", "0 kept, 5 there already"):
        done = _import(database, path, "--meter", "M-1", "--end-at", end_at.isoformat())
        assert _counts(done) == f"{counts}, 0 conflicts, 0 bad"
        assert [at for _, at, *_ in _rows(database, METERS)] == [end_at - timedelta(minutes=3000 - n) for n in minutes]


def test_end_at_now_ends_in_this_minute_and_later_runs_shift_by_the_same_amount(
    database: Connection, tmp_path: Path
) -> None:
    """That time went on between two runs is brought about by moving the first run into the past: its readings go, and
    the amount remembered is what it would have been 90 minutes ago."""
    path = tmp_path / "old.csv"
    _old_meters(path, range(0, 100, 7))
    options = ("--meter", "M-1", "--end-at", "now")
    before = now().replace(second=0)
    _import(database, path, *options)
    instants = [at for _, at, *_ in _rows(database, METERS)]
    assert before <= instants[-1] <= now()
    assert instants == [instants[-1] - timedelta(minutes=98 - n) for n in range(0, 100, 7)]

    database.execute("UPDATE telemetry.import_source SET shifted_by = shifted_by - interval '90 minutes'")
    # Without its live state and rollups: with them it would be retention.
    database.execute("TRUNCATE telemetry.meter_telemetry_history, telemetry.live_meter_state, telemetry.meter_hourly")
    for counts in ("15 kept, 0 there already", "0 kept, 15 there already"):
        done = _import(database, path, *options)
        assert _counts(done) == f"{counts}, 0 conflicts, 0 bad"
        earlier = [at - timedelta(minutes=90) for at in instants]
        assert f"imported before; shifted again by the same amount, so that it ends at {rfc3339(earlier[-1])}" in (
            done.stdout
        )
        assert [at for _, at, *_ in _rows(database, METERS)] == earlier

    # Another meter's import of the same file is another import, and ends now.
    _import(database, path, "--meter", "M-2", "--end-at", "now")
    assert max(at for meter, at, *_ in _rows(database, METERS) if meter == "M-2") >= instants[-1]
    assert len(_rows(database, "SELECT FROM telemetry.import_source")) == 2


def test_two_imports_of_a_file_at_once_shift_by_one_amount(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    _old_meters(path, range(3000))
    arguments = [sys.executable, "-m", "app", "import", str(path), "--meter", "M-1", "--end-at", "now"]
    environment = {**os.environ, "DATABASE_URL": _url(database)}
    both = [subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert len(_rows(database, METERS)) == 3000
    assert len(_rows(database, "SELECT FROM telemetry.import_source")) == 1


def test_lines_of_json_and_both_ends_of_assignments_are_shifted_too(database: Connection, tmp_path: Path) -> None:
    readings, stays = tmp_path / "readings.ndjson", tmp_path / "stays.ndjson"
    old = datetime(2020, 2, 29, 23, 59, 59, 500_000, tzinfo=UTC)
    hour = timedelta(hours=1)
    readings.write_bytes(
        b"{not json\n" + _ndjson(meter_reading("M-1", old - hour), vehicle_reading("V-1", old), {"timestamp": 5})
    )
    stays.write_bytes(
        _ndjson(
            {"meterId": "M-1", "vehicleId": "V-1", "from": old - 3 * hour, "to": old},
            {"meterId": "M-1", "vehicleId": "V-2", "from": old, "to": None},
        )
    )
    assert list(_bad_lines(_import(database, readings, "--end-at", BASE.isoformat()))) == [1, 4]
    _import(database, stays, "--end-at", BASE.isoformat())
    assert [at for _, at, *_ in _rows(database, METERS)] == [BASE - hour]
    assert [at for _, at, *_ in _rows(database, VEHICLES)] == [BASE]
    assert _rows(database, ASSIGNMENTS) == [("M-1", "V-1", BASE - 3 * hour, BASE), ("M-1", "V-2", BASE, None)]


def test_a_timestamp_that_a_shift_takes_out_of_the_calendar_spoils_its_line_only(
    database: Connection, tmp_path: Path
) -> None:
    # A stay written as ending in the year 9999 makes that the newest timestamp.
    path = tmp_path / "stays.csv"
    path.write_bytes(
        _csv(
            "meter,vehicle,from,to",
            "M-1,V-1,2022-04-12T19:27:00Z,2022-04-12T19:38:00Z",
            "M-2,V-2,9999-12-30T00:00:00Z,9999-12-31T00:00:00Z",
        )
    )
    done = _import(database, path, "--end-at", "now")
    assert "from 2022-04-12T19:27:00Z cannot be shifted" in _bad_lines(done)[2]
    assert [meter for meter, *_ in _rows(database, ASSIGNMENTS)] == ["M-2"]


# Files and databases that fail.


def _noisy_meters(path: Path, count: int) -> list[Any]:
    """Write a gzip of readings a second apart, with six digits of noise that do not compress away; returns the rows."""
    numbers = random.Random(7)
    rows = [("M-1", BASE + timedelta(seconds=n), numbers.randrange(10**6) / 10**6, 230.0) for n in range(count)]
    lines = (f"{meter},{at.isoformat()},{energy},{voltage}" for meter, at, energy, voltage in rows)
    path.write_bytes(gzip.compress(_csv(HEADER, *lines), mtime=0))
    return rows


def test_what_came_before_the_cut_in_a_gzip_is_kept_and_the_whole_file_completes_it(
    connection: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "meters.csv.gz"
    rows = _noisy_meters(path, 9000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    done = _import(connection, path, status=1)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"energy: {path} is damaged: ")
    last_line = int(done.stderr.split("; up to line ")[1].removesuffix(" was loaded\n"))

    # All that came before, and nothing of a line that was cut in two; line 1 is the header.
    kept = _rows(connection, METERS)
    assert LINES_PER_BATCH < len(kept) < len(rows)
    assert kept == rows[: last_line - 1]
    assert _counts(done) == f"{len(kept):,} kept, 0 there already, 0 conflicts, 0 bad"
    readings = "SELECT sum(readings)::int FROM telemetry.meter_hourly"
    assert _rows(connection, readings) == [(len(kept),)]

    path.write_bytes(whole)
    done = _import(connection, path)
    assert _counts(done) == f"{len(rows) - len(kept):,} kept, {len(kept):,} there already, 0 conflicts, 0 bad"
    assert _rows(connection, METERS) == rows
    assert _rows(connection, readings) == [(len(rows),)]


def test_nothing_of_a_gzip_cut_short_is_kept_where_its_newest_timestamp_is_needed(
    database: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "meters.csv.gz"
    _noisy_meters(path, 9000)
    path.write_bytes(path.read_bytes()[:-100])
    done = _import(database, path, "--end-at", "now", status=1)
    assert done.stderr.startswith(f"energy: {path} is damaged: ")
    assert done.stderr.count("\n") == 1
    assert _rows(database, METERS) == []


@pytest.mark.parametrize("place", ["middle", "checksum"])
def test_nothing_of_a_gzip_with_a_wrong_checksum_is_kept(database: Connection, tmp_path: Path, place: str) -> None:
    # Bytes that were changed on the way unpack to lines that look well, with other numbers.
    path = tmp_path / "meters.csv.gz"
    _noisy_meters(path, 9000)
    data = bytearray(path.read_bytes())
    position = {"middle": len(data) // 2, "checksum": len(data) - 8}[place]
    data[position] ^= 0x10
    path.write_bytes(data)
    done = _import(database, path, status=1)
    assert done.stderr.startswith(f"energy: {path} is damaged: ")
    assert done.stderr.count("\n") == 1
    assert _rows(database, METERS) == []


HEADER = "meterId,timestamp,kwhConsumedAc,voltage"
METER_LINE = f"M-1,{_text(0)},0.1,230"
METER_JSON = _ndjson(meter_reading("M-1", BASE))
VEHICLE_CSV = _csv("vehicleId,soc,kwhDeliveredDc,batteryTemp,timestamp", f"V-1,55,0.1,30,{_text(0)}")

# Contents, options, and what the one line says.
REFUSED: Mapping[str, tuple[bytes, Sequence[str], str]] = {
    "empty": (b"", (), "is empty"),
    "blank lines": (b"\xef\xbb\xbf\r\n \n\n", (), "is empty"),
    "an empty gzip": (gzip.compress(b""), (), "is empty"),
    "a gzip cut in its header": (gzip.compress(b"x")[:8], (), "is damaged: "),
    "a header only": (_csv(HEADER), (), "has a header and nothing under it"),
    "a JSON array": (b" [" + METER_JSON + b"]", (), "is a JSON array; lines of JSON are read, an object each"),
    "UTF-16 of JSON": (METER_JSON.decode().encode("utf-16"), (), "is not text in UTF-8"),
    "a dialect of JSON": (METER_JSON, ("--unit", "Wh"), "are for CSV"),
    "a column of Wh": (
        _csv("meter,timestamp,Energy (Wh),voltage", METER_LINE),
        ("--column", "kwhConsumedAc=Energy (Wh)"),
        "has a column Energy (Wh); give --unit Wh or --unit kWh",
    ),
    "an unknown time zone": (_csv(HEADER), ("--timezone", "Berlin"), "such as Europe/Berlin, not Berlin"),
    "an unknown encoding": (_csv(HEADER), ("--encoding", "ansi7"), "such as cp1250, not ansi7"),
    "an encoding of no text": (_csv(HEADER), ("--encoding", "hex"), "such as cp1250, not hex"),
    "a binary file": (b"PK\3\4\n\0\0\0", (), "is not text in UTF-8"),
    "a header without end": (b"x" * 100_000, (), "has a first line longer than 65536 bytes"),
    "a header that is not CSV": (b'meterId,"timestamp\n', (), "has a header that cannot be read: "),
    "unknown columns": (
        _csv("when,what", "1,2"),
        (),
        "has no column for meterId; it has when, what. Say which: --column meterId=COLUMN, or --meter ID",
    ),
    "a vehicle's columns missing": (
        _csv(HEADER, METER_LINE),
        ("--vehicle", "V-1"),
        f"has no column for soc; it has {HEADER.replace(',', ', ')}. Say which: --column soc=COLUMN",
    ),
    "readings of both kinds": (
        _csv("meterId,vehicleId,kwhConsumedAc,voltage,soc,kwhDeliveredDc,batteryTemp,timestamp"),
        (),
        "A CSV has readings of one kind, such as meterId,kwhConsumedAc,voltage,timestamp; split it, or send lines of",
    ),
    "sessions without their columns": (
        _csv("meterId,vehicleId,arrival,departure"),
        (),
        "Say which: --column kwhConsumedAc=COLUMN, or for assignments --column from=COLUMN",
    ),
    "an unknown field": (_csv(HEADER), ("--column", "meter=m"), "--column meter=m: it takes FIELD=COLUMN"),
    "a field without a column": (_csv(HEADER), ("--column", "meterId"), "--column meterId: it takes FIELD=COLUMN"),
    "a column that is not there": (
        _csv(HEADER),
        ("--column", "voltage=u"),
        f"has no column u (for voltage); it has {HEADER.replace(',', ', ')}",
    ),
    "columns of lines of JSON": (METER_JSON, ("--column", "voltage=u"), "--column is for CSV"),
    "a bad meter id": (METER_JSON, ("--meter", "M 1"), "--meter must be a string (1 to 64"),
    "an empty vehicle id": (METER_JSON, ("--vehicle", ""), "--vehicle must be a string (1 to 64"),
    "both ids for readings": (METER_JSON, ("--meter", "M-1", "--vehicle", "V-1"), "--meter or --vehicle, not both"),
    "a meter for vehicles": (VEHICLE_CSV, ("--meter", "M-1"), "has readings of vehicles; --meter is not for them"),
    "an end that is no instant": (METER_JSON, ("--end-at", "noon"), "--end-at must be a date and time"),
    "an end without a zone": (METER_JSON, ("--end-at", "2026-01-01T00:00:00"), "with a time zone"),
    "an end and no timestamp": (b"{}\n", ("--end-at", "now"), "has no line with a timestamp"),
    "assignments by day": (_csv("meterId,vehicleId,from"), ("--by-day",), "--by-day is for readings"),
}
# Of these, those where the file is right.
WRONG_OPTIONS = {
    "an unknown field",
    "a field without a column",
    "a column that is not there",
    "columns of lines of JSON",
    "a dialect of JSON",
    "a column of Wh",
    "an unknown time zone",
    "an unknown encoding",
    "an encoding of no text",
    "a bad meter id",
    "an empty vehicle id",
    "both ids for readings",
    "a meter for vehicles",
    "an end that is no instant",
    "an end without a zone",
    "assignments by day",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_or_option_of_no_use_is_refused_in_one_line(
    case: str,
    database: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content, options, message = REFUSED[case]
    path = tmp_path / "file"
    path.write_bytes(content)
    monkeypatch.setenv("DATABASE_URL", _url(database))
    # The command line, called rather than started: a second a case is saved.
    assert main(["import", str(path), *options]) == (2 if case in WRONG_OPTIONS else 1)
    printed = capsys.readouterr().err
    assert printed.startswith("energy: ")
    assert message in printed
    assert printed.count("\n") == 1
    assert _rows(database, METERS) == _rows(database, VEHICLES) == _rows(database, ASSIGNMENTS) == []


def test_what_is_no_file_is_refused_in_one_line(database: Connection, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, message in (
        (tmp_path / "nothing.csv", "cannot be read: No such file or directory"),
        (tmp_path, "is not a regular file"),
        (pipe, "is not a regular file"),
    ):
        done = _import(database, path, status=1)
        assert done.stderr == f"energy: {path} {message}\n"
        assert done.stdout == ""


def test_a_database_that_is_down_or_not_migrated_is_reported(tmp_path: Path, postgres_server: Server) -> None:
    path = tmp_path / "meters.ndjson"
    path.write_bytes(METER_JSON)
    done = command("import", str(path), DATABASE_URL="postgresql://energy@127.0.0.1:1/energy")
    assert done.returncode == 1
    assert done.stderr.startswith("energy: the database cannot be reached: ")
    assert "Traceback" not in done.stderr
    with postgres_server.new_database() as url:
        done = command("import", str(path), DATABASE_URL=url)
    assert (done.returncode, done.stderr) == (
        1,
        "energy: the database has no schema yet; run: ev-fleet-energy migrate\n",
    )


@pytest.mark.parametrize("kind", ["readings", "assignments"])
def test_a_database_lost_midway_is_reported_and_another_run_completes_the_import(
    database: Connection, tmp_path: Path, kind: str
) -> None:
    """The import is held up in its first transaction by a lock on the table it writes to, and its session is ended
    there, each time that it tries."""
    path = tmp_path / "file.ndjson"
    stay = {"meterId": "M-1", "vehicleId": "V-1", "from": BASE}
    table, document = {
        "readings": ("telemetry.meter_telemetry_history", meter_reading("M-1", BASE)),
        "assignments": ("telemetry.assignment", stay),
    }[kind]
    path.write_bytes(_ndjson(document))
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(psycopg.connect(_url(database)))
        holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "app", "import", str(path)],
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": _url(database)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        waiting = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name IN ('energy-writer', 'energy-assignments') "
            "AND wait_event_type = 'Lock' AND datname = current_database()"
        )
        deadline = time.monotonic() + WAIT_S
        while process.poll() is None:
            assert time.monotonic() < deadline
            _rows(database, waiting)
            time.sleep(0.02)
        out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (
        "energy: the database was lost after line 0; run it again: what is there already is left alone"
    )
    assert "0 kept" in out
    assert _counts(_import(database, path)).startswith("1 kept")


def test_a_role_that_may_only_read_gets_a_plain_error(database: Connection, tmp_path: Path) -> None:
    readings, stays = tmp_path / "readings.ndjson", tmp_path / "stays.ndjson"
    readings.write_bytes(METER_JSON)
    stays.write_bytes(_ndjson({"meterId": "M-1", "vehicleId": "V-1", "from": BASE}))
    role = f"energy_test_reader_{os.getpid()}"
    database.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'no-secret'; "
        f"GRANT USAGE ON SCHEMA telemetry, api, migration_log TO {role}; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA telemetry, migration_log TO {role}".encode()
    )
    try:
        for path in (readings, stays):
            url = make_conninfo(_url(database), user=role, password="no-secret")
            done = command("import", str(path), DATABASE_URL=url)
            assert done.returncode == 1
            assert "Traceback" not in done.stderr
            assert done.stderr.splitlines()[-1].startswith("energy: ")
            assert f"role {role} may not INSERT telemetry.meter_telemetry_history" in done.stderr
    finally:
        database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_limits_of_requests_do_not_limit_files(database: Connection, tmp_path: Path) -> None:
    path = tmp_path / "meters.ndjson"
    path.write_bytes(_ndjson(*(meter_reading("M-1", _at(n)) for n in range(10))))
    limits = {"ENERGY_MAX_READINGS_PER_REQUEST": "3", "ENERGY_MAX_READINGS_PER_TRANSACTION": "2"}
    done = _import(database, path, environment=limits)
    assert _counts(done) == "10 kept, 0 there already, 0 conflicts, 0 bad"
