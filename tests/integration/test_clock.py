"""A service whose clock is wrong: devices hear 503 and send again, since after a 422 they would not.

The service runs in a process whose clock is shifted before anything of it is imported.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from app.db import migrate
from tests.support.readings import meter_reading
from tests.support.servers import Server
from tests.support.service import ROOT, Client, running_service

SHIFTED = """
import sys
import time
true_ns = time.time_ns
time.time_ns = lambda: true_ns() + {seconds} * 10**9
from app.__main__ import main
sys.exit(main({arguments}))
"""
MINUTE = timedelta(minutes=1)


def statuses(client: Client) -> tuple[int, int, int]:
    """Of a reading of now, an event of now, and readiness."""
    at = datetime.now(UTC).isoformat()
    event = {"event": "plugIn", "meterId": "M-1", "vehicleId": "V-1", "at": at}
    return (
        client.post("/v1/ingest", meter_reading("M-1", datetime.now(UTC))).status,
        client.post("/v1/assignments/events", event).status,
        client.get("/readyz").status,
    )


@pytest.mark.parametrize(
    ("hours", "where"), [(-3, "3 hours behind the database's"), (3, "3 hours ahead of the database's")]
)
def test_a_service_whose_clock_is_hours_off_refuses_nothing_for_good(
    postgres_server: Server, hours: int, where: str
) -> None:
    with postgres_server.new_database() as url:
        migrate.migrate(url)
        with running_service(
            None, "-c", SHIFTED.format(seconds=hours * 3600, arguments=["serve"]), DATABASE_URL=url
        ) as client:
            assert statuses(client) == (503, 503, 503)
            answer = client.post("/v1/ingest", meter_reading("M-1", datetime.now(UTC)))
            assert (answer.json["code"], answer.headers["retry-after"]) == ("clocks_differ", "60")
            assert where in answer.json["detail"]
            # What needs no clock goes on.
            assert client.get("/v1/live/meters").status == 200


def test_a_clock_that_is_off_by_less_than_is_allowed_changes_nothing(postgres_server: Server) -> None:
    with postgres_server.new_database() as url:
        migrate.migrate(url)
        with running_service(None, "-c", SHIFTED.format(seconds=-200, arguments=["serve"]), DATABASE_URL=url) as client:
            assert statuses(client) == (200, 200, 200)


@pytest.mark.parametrize(
    ("seconds", "status", "message"),
    [
        (
            -3 * 3600,
            4,
            "that of this machine is 3 hours behind the database's: a service here answers 503 (clocks_differ)",
        ),
        (
            3 * 3600,
            4,
            "that of this machine is 3 hours ahead of the database's: a service here answers 503 (clocks_differ)",
        ),
        (-200, 0, None),
    ],
)
def test_doctor_compares_the_clocks(postgres_server: Server, seconds: int, status: int, message: str | None) -> None:
    with postgres_server.new_database() as url:
        migrate.migrate(url)
        done = subprocess.run(
            [sys.executable, "-c", SHIFTED.format(seconds=seconds, arguments=["doctor", "--json"])],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == status, done.stderr
    found = [finding for finding in json.loads(done.stdout)["findings"] if finding["subject"] == "clock"]
    assert [(finding["severity"], finding["message"]) for finding in found] == (
        [("critical", message)] if message else []
    )
