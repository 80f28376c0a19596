"""The command line, as people type it: processes of their own, their output and their exit status."""

import os
import re
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from app.config import Settings, variables
from tests.support.servers import open_directory
from tests.support.service import command

_COMMANDS = ("serve", "demo", "migrate", "roles", "import", "copy", "compare", "doctor", "policies")


def test_the_entry_point_is_installed_beside_python_and_tells_its_version() -> None:
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
    assert (typed.returncode, typed.stderr) == (2, "energy: --port http is not a whole number\n")
    other = command(
        "policies", "plan", "--database-url", "nonsense", DATABASE_URL="postgresql://energy@127.0.0.1:1/energy"
    )
    assert other.returncode != 0
    assert "127.0.0.1" not in other.stderr


@pytest.mark.parametrize("name", ["serve", "demo"])
def test_a_port_in_use_is_reported_before_anything_starts(name: str) -> None:
    with open_directory() as directory, closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        ended = command(name, "--port", str(port), ENERGY_DATA_DIR=str(directory / "data"))
        assert ended.returncode == 2
        assert ended.stderr.startswith(f"energy: port {port} of 127.0.0.1 is in use by another program: ")
        assert re.search(r"such as --port \d+ \(or ENERGY_PORT=\d+; ", ended.stderr)
        assert os.listdir(directory) == []  # noqa: PTH208
