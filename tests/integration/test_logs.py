"""The log: lines of text or of JSON, and a bounded sample of what is rejected."""

import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, Counter
from psycopg.conninfo import make_conninfo

from app.db import migrate
from app.http import rejections
from app.http.rejections import _Sampler
from tests.support.readings import meter_reading, vehicle_reading
from tests.support.servers import Server
from tests.support.service import Client, command, running_service

_PATIENCE_S = 60


@pytest.fixture(scope="module")
def database_url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        yield make_conninfo(url, password="hidden")


def _send_bad_readings(client: Client) -> None:
    for _ in range(3):
        assert client.post("/v1/ingest", {**meter_reading("M-7"), "voltage": -1}).status == 422
    client.ingest(vehicle_reading("V-8"), {**vehicle_reading("V-9"), "soc": "full"})
    assert client.get("/v1/analytics/performance/V-404").status == 404


def _send_what_is_no_http(client: Client) -> None:
    address = urlsplit(client.address)
    with socket.create_connection((address.hostname or "", address.port or 0), _PATIENCE_S) as connection:
        connection.sendall(b"no http\r\n\r\n")
        connection.recv(1024)


def _lines(log: Path, last: str) -> list[str]:
    """Lines of the log, once one has what is logged last."""
    deadline = time.monotonic() + _PATIENCE_S
    while last not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return log.read_text().splitlines()


def _counted(client: Client, name: str) -> dict[str, float]:
    text = client.get("/metrics").body.decode()
    return {code: float(count) for code, count in re.findall(rf'^{name}_total\{{code="(\w+)"\}} (\S+)$', text, re.M)}


def test_rejections_are_counted_by_code_and_logged_once_with_code_and_device(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running_service(log, DATABASE_URL=database_url) as client:
        _send_bad_readings(client)
        lines = [line for line in _lines(log, "V-404") if " energy.rejected: " in line]
        assert _counted(client, "energy_rejected_readings") == {"out_of_range": 3, "wrong_type": 1}
        assert _counted(client, "energy_rejected_requests") == {"no_reading_accepted": 3, "unknown_vehicle": 1}
    printed = [line.split(" energy.rejected: ")[1].split(', "')[0].split(", '")[0] for line in lines]
    assert printed == [
        "rejected reading, device 'M-7': out_of_range",
        "rejected POST '/v1/ingest', device 'M-7': no_reading_accepted",
        "rejected reading, device 'V-9': wrong_type",
        "rejected GET '/v1/analytics/performance/V-404', device 'V-404': unknown_vehicle",
    ]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_line_of_a_log_in_json_is_an_object_whoever_writes_it(
    database_url: str, tmp_path: Path, workers: str
) -> None:
    log = tmp_path / "log"
    environment = {"DATABASE_URL": database_url, "ENERGY_LOG_FORMAT": "json", "ENERGY_WORKERS": workers}
    with running_service(log, **environment) as client:
        _send_bad_readings(client)
        _send_what_is_no_http(client)
        lines: list[dict[str, Any]] = [json.loads(line) for line in _lines(log, "uvicorn.error")]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    [first] = [line for line in lines if line.get("code") == "unknown_vehicle"]
    assert (first["logger"], first["level"], first["deviceId"]) == ("energy.rejected", "info", "V-404")
    assert "hidden" not in log.read_text()


def test_a_command_that_fails_says_so_in_the_form_of_the_log() -> None:
    nobody_listens = "postgresql://energy:hidden@127.0.0.1:1/energy"
    ended = command("migrate", DATABASE_URL=nobody_listens, ENERGY_LOG_FORMAT="json")
    assert ended.returncode == 1
    line = json.loads(ended.stderr)
    assert (line["level"], line["logger"]) == ("error", "energy")
    assert line["message"].startswith("the database cannot be reached")
    assert "hidden" not in ended.stderr


def test_a_line_about_rejections_counts_those_left_out_since_the_last(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sampler = _Sampler(Counter("rejected", "", ["code"], registry=CollectorRegistry()))
    with caplog.at_level(logging.INFO, "energy.rejected"):
        for code in ("too_old", "too_old", "no_id", "too_old"):
            sampler.note(code, 10, "reading", "M-1\n", "why")
        assert len(caplog.messages) == 2
        monkeypatch.setattr(rejections, "LOG_PERIOD_S", 0.0)
        sampler.note("too_old", 1, "reading", "M-1\n", "why")
    assert caplog.messages[0].endswith("; 9 more with this code since the last such line")
    assert caplog.messages[-1] == (
        r"rejected reading, device 'M-1\n': too_old, 'why'; 20 more with this code since the last such line"
    )
