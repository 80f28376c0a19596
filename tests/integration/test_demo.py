"""The demo, run as a person runs it: its imaginary fleet stays apart from real ones."""

from collections.abc import Iterator

import pytest

from app.db import migrate
from tests.support.readings import meter_reading, minutes_ago
from tests.support.servers import Server, open_directory
from tests.support.service import command, running_service

_BRIEFLY = ("--seconds", "1", "--vehicles", "3")


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
        assert shown.stdout.startswith(began)
