"""What the benchmarks send: the same readings in every form, each once, and every one of them taken."""

import http.client
import shutil
import time
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from bench.batches import prepare
from bench.generate import (
    SWEEP,
    Reading,
    Requests,
    get,
    json_array,
    late,
    line_protocol,
    post,
    repeated,
    sweeps,
    whole_second,
    write_requests,
)
from bench.load import Target, send
from bench.machine import cpu_s, largest_mb, tree
from tests.support.service import Client

_COPY = {
    "meters": "COPY telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
    "FROM STDIN (FORMAT binary)",
    "vehicles": "COPY telemetry.vehicle_telemetry_history "
    "(vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c) FROM STDIN (FORMAT binary)",
}


def _requests(file: Requests) -> list[bytes]:
    content, found = file.path.read_bytes(), []
    while content:
        length = int(content[:8])
        found.append(content[9 : 9 + length])
        content = content[9 + length :]
    return found


def _post(address: str, request: bytes) -> Any:
    """Send the body of a request that was framed for wrk."""
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.split(": ") for line in head.decode().split("\r\n")[1:])
    assert int(headers.pop("Content-Length")) == len(body)
    return Client(address).request("POST", head.decode().split()[1], body, headers)


def test_every_form_holds_the_same_readings(
    client: Client, connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    requests, files = prepare(tmp_path, 1000, SWEEP)
    with connection.cursor().copy(_COPY["meters"].encode()) as copy:
        copy.write(files.meters[3].read_bytes())
    with connection.cursor().copy(_COPY["vehicles"].encode()) as copy:
        copy.write(files.vehicles[3].read_bytes())
    for form in ("JSON", "NDJSON"):
        answer = _post(client.address, _requests(requests[form])[3])
        assert answer.json == {"accepted": 0, "duplicates": 1000, "conflicts": 0, "rejected": 0, "errors": []}, form
    lines = _requests(requests["lines"])[3].partition(b"\r\n\r\n")[2].splitlines()
    assert len(lines) == 1000


def test_every_reading_of_a_run_is_of_another_device_or_time() -> None:
    readings = list(chain.from_iterable(sweeps(2, whole_second())))
    assert len(readings) == 2 * SWEEP
    assert len({(reading.device, reading.at) for reading in readings}) == 2 * SWEEP


def test_the_same_seed_gives_the_same_readings() -> None:
    at = whole_second()
    assert [list(batch) for batch in sweeps(1, at, 10_000)] == [list(batch) for batch in sweeps(1, at, 10_000)]


def test_late_readings_are_as_many_as_asked_for_and_none_meets_another() -> None:
    at = whole_second()
    batches = list(late(sweeps(1, at), 0.05))
    for batch in batches:
        assert sum(1 for reading in batch if at - reading.at >= timedelta(hours=2)) == 50
    readings = list(chain.from_iterable(batches))
    assert len({(reading.device, reading.at) for reading in readings}) == SWEEP


def test_repeated_requests_come_twice_each_the_second_time_later() -> None:
    bodies = [b"a", b"b", b"c", b"d"]
    assert list(repeated(bodies, 2)) == [b"a", b"b", b"c", b"a", b"d", b"b", b"c", b"d"]


def test_line_protocol_names_series_fields_and_nanoseconds() -> None:
    at = whole_second()
    meter = Reading("M-00001", at, (0.25, 230.5))
    vehicle = Reading("V-00002", at, (50.5, 0.2, 21.0))
    nanoseconds = int(at.timestamp()) * 10**9
    assert line_protocol([meter, vehicle]).decode().splitlines() == [
        f"meter,meter_id=M-00001 energy_ac_kwh=0.25,voltage_v=230.5 {nanoseconds}",
        f"vehicle,vehicle_id=V-00002 soc_pct=50.5,energy_dc_kwh=0.2,battery_temp_c=21.0 {nanoseconds}",
    ]


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
@pytest.mark.parametrize("readings_per_request", [1, 100])
def test_wrk_sends_every_request_once_and_ends(
    client: Client, connection: psycopg.Connection[Any], tmp_path: Path, readings_per_request: int
) -> None:
    batches = [b[:readings_per_request] for b in list(sweeps(1, whole_second(timedelta(minutes=5)), 100))[:50]]
    file = write_requests(
        tmp_path / "requests",
        (post("/v1/ingest", "application/json", json_array(batch)) for batch in batches),
        readings_per_request,
    )
    assert client.process is not None
    # One connection, so that nothing is under way when the last has its answer.
    began = time.monotonic()
    sample = send(Target(client.address, (client.process.pid,), ()), file, connections=1, seconds=100)
    assert time.monotonic() - began < 50
    assert sample.requests == 50
    rows = connection.execute(
        "SELECT meter_id FROM telemetry.meter_telemetry_history "
        "UNION ALL SELECT vehicle_id FROM telemetry.vehicle_telemetry_history"
    ).fetchall()
    assert len(rows) == 50 * readings_per_request


def test_a_get_is_framed_as_http_has_it(client: Client) -> None:
    parts = urlsplit(client.address)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.connect()
    assert connection.sock is not None
    connection.sock.sendall(get("/livez"))
    response = http.client.HTTPResponse(connection.sock)
    response.begin()
    assert response.status == 200
    response.close()
    connection.close()


def test_a_process_tree_has_time_and_memory(client: Client) -> None:
    assert client.process is not None
    pid = client.process.pid
    assert next(process.pid for process in tree(pid)) == pid
    assert cpu_s([pid]) > 0
    assert max(largest_mb(pid)) > 10
