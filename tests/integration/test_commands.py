"""The command line, as people type it: processes of their own, their output and their exit status."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from app.config import Settings, variables
from app.local.embedded.joined import JoinedServer, join_or_start
from tests.support.readings import meter_reading, minutes_ago
from tests.support.servers import open_directory
from tests.support.service import ROOT, Client, command, running_service

_PATIENCE_S = 60
_IS_NO_URL = "is not a libpq URL or connection string, such as postgresql://energy@localhost:5432/energy"
_COMMANDS = (
    "serve", "demo", "migrate", "roles", "keys", "import", "copy", "compare", "correct", "forget", "doctor", "policies",
)  # fmt: skip


def test_the_entry_point_is_installed_beside_python_and_shows_its_version() -> None:
    program = Path(sys.executable).with_name("ev-fleet-energy")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == command("--version").stdout


def test_help_groups_the_commands_with_a_phrase_each() -> None:
    shown = command("--help").stdout
    groups = re.findall(r"^(\w[\w ]+):\n((?:  \w+ .*\n)+)", shown, re.MULTILINE)
    assert len(groups) > 2
    listed = re.findall(r"^  (\w+)  +(\w.+)$", "".join(lines for _, lines in groups), re.MULTILINE)
    assert {name for name, _ in listed} == set(_COMMANDS)


@pytest.mark.parametrize("name", _COMMANDS)
def test_help_of_a_command_names_the_variable_and_the_default_behind_each_flag(name: str) -> None:
    shown = " ".join(command(name, "--help").stdout.split())
    assert f": ev-fleet-energy {name}" in shown
    assert f" ev-fleet-energy {name}" in shown.split("example")[1]
    assert "(variable DATABASE_URL, default: none)" in shown
    for variable in set(re.findall(r"variable (\w+),", shown)):
        default = variables()[variable][0]
        assert f"(variable {variable}, default: {'none' if default is None else default})" in shown


def test_a_flag_overrides_its_variable_and_an_error_names_what_was_typed() -> None:
    assert Settings.from_environment({"ENERGY_PORT": "1"}, {"ENERGY_PORT": "2", "ENERGY_HOST": None}).port == 2
    typed = command("serve", "--port", "http", ENERGY_PORT="8000")
    assert (typed.returncode, typed.stderr) == (2, "energy: --port http is not a whole number, such as 8000\n")
    other = command(
        "policies", "plan", "--database-url", "nonsense", DATABASE_URL="postgresql://energy@127.0.0.1:1/energy"
    )
    assert (other.returncode, other.stderr) == (2, f"energy: --database-url {_IS_NO_URL}\n")


@pytest.mark.parametrize(
    ("arguments", "usage", "error"),
    [
        (
            ["serve", "--prot", "9"],
            "serve [-h]",
            "error: unrecognized arguments: --prot 9; did you mean --port?",
        ),
        (["migrate", "now"], "migrate [-h]", "migrate: error: unrecognized arguments: now"),
        (
            ["policies"],
            "policies [-h]",
            "error: the following arguments are required: {show,plan,apply,adopt}",
        ),
        (["compare", "x", "--from", "noon"], "compare [-h]", "noon is not a time, such as 2026-01-31T00:00:00Z"),
        ([], "COMMAND", f"error: a command is missing: {', '.join(_COMMANDS)}"),
    ],
)
def test_a_slip_in_the_command_line_is_answered_with_the_usage_of_the_command(
    arguments: list[str], usage: str, error: str
) -> None:
    typed = command(*arguments)
    assert typed.returncode == 2
    assert typed.stderr.startswith(f"usage: ev-fleet-energy {usage}")
    assert typed.stderr.endswith(f"{error}\n")


@pytest.mark.parametrize("name", ["serve", "demo"])
def test_a_port_in_use_is_reported_before_anything_starts(name: str) -> None:
    with open_directory() as directory, closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        ended = command(name, "--port", str(port), ENERGY_DATA_DIR=str(directory / "data"))
        assert ended.returncode == 2
        assert ended.stderr.startswith(f"energy: port {port} of 127.0.0.1 is in use by another program: ")
        assert re.search(r"such as --port \d+ \(or ENERGY_PORT=\d+; ", ended.stderr)
        assert os.listdir(directory) == []  # noqa: PTH208


@pytest.fixture(scope="module")
def data_dir() -> Iterator[str]:
    with open_directory() as directory:
        yield str(directory / "data")


@pytest.fixture
def service(data_dir: str) -> Iterator[Client]:
    """A service on its embedded server."""
    with running_service(ENERGY_DATA_DIR=data_dir) as client:
        yield client


def _joined(data_dir: str) -> JoinedServer:
    server = join_or_start(Path(data_dir), None, None)
    assert isinstance(server, JoinedServer)
    return server


def _readings(directory: Path, count: int) -> Path:
    path = directory / "readings.csv"
    rows = (f"M-{number},{number},230,{minutes_ago(5)}\n" for number in range(count))
    path.write_text("meter_id,energy_ac_kwh,voltage_v,recorded_at\n" + "".join(rows))
    return path


def test_commands_join_the_embedded_server_of_a_running_service_and_leave_it_running(
    service: Client, data_dir: str, tmp_path: Path
) -> None:
    server = _joined(data_dir)
    loaded = command("import", str(_readings(tmp_path, 3)), ENERGY_DATA_DIR=data_dir)
    assert loaded.returncode == 0, loaded.stderr
    assert [meter["meterId"] for meter in service.get("/v1/live/meters").json["meters"]] == ["M-0", "M-1", "M-2"]
    for arguments in (("doctor",), ("policies", "plan"), ("compare", server.url), ("migrate",), ("copy", server.url)):
        done = command(*arguments, ENERGY_DATA_DIR=data_dir)
        assert done.returncode in (0, 3), done.stderr
        assert f"joined the embedded PostgreSQL in {data_dir}, process {server.pid}" in done.stderr
    assert service.ingest(meter_reading("M-3"))["accepted"] == 1
    assert _joined(data_dir) == server


def test_an_import_whose_service_stops_says_so_and_what_to_do(data_dir: str, tmp_path: Path) -> None:
    """A lock keeps the import in the database until the service, which has started the server, stops.

    The service's own maintenance waits for that lock too, so the import is recognised by its connection.
    """
    path = _readings(tmp_path, 3)
    waiting = "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND application_name = %s"
    with (
        running_service(ENERGY_DATA_DIR=data_dir) as client,
        closing(psycopg.connect(_joined(data_dir).url)) as holder,
        closing(psycopg.connect(_joined(data_dir).url, autocommit=True)) as observer,
    ):
        holder.execute("LOCK TABLE telemetry.meter_telemetry_history")
        with subprocess.Popen(
            [sys.executable, "-m", "app", "import", str(path)],
            env={**os.environ, "ENERGY_DATA_DIR": data_dir},
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        ) as loading:
            deadline = time.monotonic() + _PATIENCE_S
            while observer.execute(waiting, ["energy-writer"]).fetchone() is None:
                assert loading.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert client.process is not None
            client.process.send_signal(signal.SIGTERM)
            assert loading.wait(_PATIENCE_S) == 1
            assert loading.stderr is not None
            printed = loading.stderr.read().splitlines()[-1]
        assert client.process.wait(_PATIENCE_S) == 0
    assert printed.startswith("energy: the database was lost after line ")
    assert "has stopped it; run the command again" in printed
    again = command("import", str(path), ENERGY_DATA_DIR=data_dir)
    assert again.returncode == 0, again.stderr
    assert "3 lines of readings" in again.stdout


def test_a_command_joins_a_server_that_is_about_to_start(tmp_path: Path) -> None:
    """Both begin at once in a directory without a cluster: whoever comes second waits for the first."""
    with open_directory() as directory:
        environment = {**os.environ, "ENERGY_DATA_DIR": str(directory / "data")}
        importing = [sys.executable, "-m", "app", "import", str(_readings(tmp_path, 3))]
        both = [subprocess.Popen(importing, env=environment, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
        printed = [each.communicate(timeout=_PATIENCE_S)[0].decode() for each in both]
        # The one that has started the server may stop it under the other, which then is to be repeated.
        assert 0 in [each.returncode for each in both], printed


def test_a_command_beside_the_database_of_a_demo_names_it() -> None:
    """The demo has a database of its own, which is easily meant: where there is no other, or while it runs."""
    with open_directory() as directory:
        data_dir = directory / "data"
        hint = f"the demo's is another one: for that, set ENERGY_DATA_DIR={data_dir / 'demo'}\n"
        with running_service(ENERGY_DATA_DIR=str(data_dir / "demo")):
            for _ in range(2):
                assert hint in command("policies", "plan", ENERGY_DATA_DIR=str(data_dir)).stderr
        assert hint not in command("policies", "plan", ENERGY_DATA_DIR=str(data_dir)).stderr
        assert hint not in command("policies", "plan", ENERGY_DATA_DIR=str(data_dir / "demo")).stderr


def test_a_second_service_in_a_data_directory_is_refused(service: Client, data_dir: str) -> None:
    refused = command("serve", "--port", "0", ENERGY_DATA_DIR=data_dir)
    assert service.process is not None
    assert refused.returncode == 1
    assert f"energy: the data directory {data_dir} is in use by process {service.process.pid}: " in refused.stderr
