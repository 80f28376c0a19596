"""The demo, run as a person runs it: its imaginary fleet stays apart from real ones."""

from collections.abc import Iterator

import psycopg
import pytest

from app.db import migrate
from tests.support.readings import meter_reading, minutes_ago
from tests.support.servers import Server, open_directory
from tests.support.service import command, running_service

_BRIEFLY = ("--seconds", "1", "--vehicles", "3", "--days", "1")


@pytest.fixture
def database_url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        yield url


def test_a_demo_and_a_service_of_one_data_directory_know_nothing_of_each_other() -> None:
    with open_directory() as directory:
        data_dir = str(directory / "data")
        shown = command("demo", *_BRIEFLY, ENERGY_DATA_DIR=data_dir, ENERGY_PORT="0")
        assert shown.returncode == 0, shown.stderr
        assert "A simulated fleet, 3 vehicles at 2 chargers" in shown.stdout
        with running_service(ENERGY_DATA_DIR=data_dir) as client:
            assert client.get("/v1/vehicles").json["vehicles"] == []
            client.ingest(meter_reading("M-101"))
        again = command("demo", *_BRIEFLY, ENERGY_DATA_DIR=data_dir, ENERGY_PORT="0")
        assert again.returncode == 0, again.stderr
        assert "Continuing a simulated fleet, 3 vehicles at 2 chargers" in again.stdout


def test_a_demo_begins_with_as_many_days_of_history_as_it_is_asked_for(database_url: str) -> None:
    arguments = (*_BRIEFLY, "--days", "4")
    first = command("demo", *arguments, DATABASE_URL=database_url, ENERGY_PORT="0")
    assert first.returncode == 0, first.stderr
    assert "Loading 3 days of history" in first.stdout
    with psycopg.connect(database_url) as connection:
        readings = connection.execute(
            "SELECT count(*), count(DISTINCT recorded_at) FROM telemetry.vehicle_telemetry_history"
        ).fetchone()
        open_or_wrong = connection.execute(
            "SELECT count(*) FROM telemetry.assignment WHERE upper(during) < lower(during) + interval '1 minute'"
        ).fetchone()
        days = connection.execute(
            "SELECT sum(readings) FROM telemetry.vehicle_daily WHERE bucket_start < now() - interval '2 days'"
        ).fetchone()
    # Every minute of every vehicle, once; a run takes longer than a minute on a slow machine.
    assert readings is not None
    assert readings[0] == 3 * readings[1] >= 3 * 4 * 24 * 60
    assert open_or_wrong == (0,)
    assert days is not None
    assert days[0] >= 3 * 24 * 60
    again = command("demo", *arguments, DATABASE_URL=database_url, ENERGY_PORT="0")
    assert again.returncode == 0, again.stderr
    assert "Continuing a simulated fleet" in again.stdout
    assert "Loading" not in again.stdout


@pytest.mark.parametrize("days", ["0", "367"])
def test_a_demo_of_too_few_or_too_many_days_says_what_is_allowed(database_url: str, days: str) -> None:
    refused = command("demo", "--days", days, DATABASE_URL=database_url, ENERGY_PORT="0")
    assert refused.returncode == 2
    assert f"energy: {days} days: the past of a simulated fleet has 1 to 366, such as --days 30\n" in refused.stderr


@pytest.mark.parametrize(
    ("kind", "other"), [("meter", "A-1"), ("meter", "zoe"), ("vehicle", "demo"), ("vehicle", "demo.1")]
)
def test_a_demo_refuses_a_database_that_holds_another_device(database_url: str, kind: str, other: str) -> None:
    ids = {"meterId": "demo-M-101", "vehicleId": "demo-V-201", f"{kind}Id": other}
    with running_service(DATABASE_URL=database_url) as client:
        assert client.post("/v1/assignments", {**ids, "from": minutes_ago(9), "to": minutes_ago(8)}).status == 201
        refused = command("demo", *_BRIEFLY, DATABASE_URL=database_url, ENERGY_PORT="0")
        assert refused.returncode == 1
        assert f"energy: the database holds {other}, which is no device of the demo's" in refused.stderr
        assert client.get("/v1/live/vehicles").json["vehicles"] == []


def test_a_demo_continues_on_a_database_of_its_own(database_url: str) -> None:
    for began in ("A simulated fleet, ", "Continuing a simulated fleet, "):
        shown = command("demo", *_BRIEFLY, DATABASE_URL=database_url, ENERGY_PORT="0")
        assert shown.returncode == 0, shown.stderr
        assert f"\n{began}" in shown.stdout
