"""Settings: each is read from its variable, and a value that cannot be used is refused by name."""

import os
import re
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings, variables
from app.errors import ConfigurationError

# A text for every variable, and what it is read as; none of them is the default.
_READ_AS: dict[str, tuple[str, Any]] = {
    "DATABASE_URL": ("postgresql://somewhere/energy", "postgresql://somewhere/energy"),
    "DATABASE_READ_URL": ("postgresql://reader@somewhere/energy", "postgresql://reader@somewhere/energy"),
    "STORAGE_PROFILE": ("timescale", "timescale"),
    "POSTGRES_BINDIR": ("/opt/pgsql/bin", Path("/opt/pgsql/bin")),
    "ENERGY_DATA_DIR": ("/srv/energy", Path("/srv/energy")),
    "ENERGY_POSTGRES_USER": ("database", "database"),
    "ENERGY_HOST": ("0.0.0.0", "0.0.0.0"),
    "ENERGY_OPEN": ("yes", "yes"),
    "ENERGY_ALLOWED_HOSTS": ("Energy.example, app,", ("energy.example", "app")),
    "ENERGY_READ_ORIGINS": (
        "https://Dashboard.example, http://localhost:3000,",
        ("https://dashboard.example", "http://localhost:3000"),
    ),
    "ENERGY_PORT": ("0", 0),
    "ENERGY_WORKERS": ("3", 3),
    "ENERGY_LOG_FORMAT": ("json", "json"),
    "ENERGY_READ_CONNECTIONS": ("7", 7),
    "ENERGY_READ_TIMEOUT_S": ("2.5", 2.5),
    "ENERGY_WRITE_TIMEOUT_S": ("0.1", 0.1),
    "ENERGY_CONNECT_TIMEOUT_S": ("600", 600.0),
    "ENERGY_MAX_BODY_BYTES": ("1024", 1024),
    "ENERGY_MAX_BODY_BYTES_HELD": ("2048", 2048),
    "ENERGY_MAX_READINGS_PER_REQUEST": ("1", 1),
    "ENERGY_MAX_READINGS_WAITING": ("12", 12),
    "ENERGY_MAX_READINGS_PER_TRANSACTION": ("13", 13),
    "ENERGY_LATE_AFTER_S": ("90", 90.0),
    "ENERGY_MAX_CLOCK_SKEW_S": ("0", 0.0),
    "ENERGY_PLUG_CLOCK_TOLERANCE_S": ("2.5", 2.5),
    "ENERGY_MAX_WINDOW_DAYS": ("3660", 3660),
    "ENERGY_MAX_HEALTH_DAYS": ("90", 90),
    "ENERGY_MAX_LIST_LIMIT": ("14", 14),
    "ENERGY_MAX_ERRORS_LISTED": ("15", 15),
    "ENERGY_MAX_ASSIGNMENTS_PER_REQUEST": ("16", 16),
    "ENERGY_DRAIN_TIMEOUT_S": ("2", 2),
}
_NUMERIC = [variable for variable, (default, _) in variables().items() if isinstance(default, int | float)]


def _by_variable(settings: Settings) -> dict[str, Any]:
    return {spec.metadata["variable"]: getattr(settings, spec.name) for spec in fields(settings)}


def test_every_setting_is_tried_below() -> None:
    assert set(_READ_AS) == set(variables())


@pytest.mark.parametrize("variable", _READ_AS)
def test_a_setting_is_read_from_its_variable_and_from_no_other(variable: str) -> None:
    text, value = _READ_AS[variable]
    defaults = _by_variable(Settings())
    assert value != defaults[variable]
    assert _by_variable(Settings.from_environment({variable: f" {text} "})) == defaults | {variable: value}


def test_all_settings_are_read_together() -> None:
    read = Settings.from_environment({variable: text for variable, (text, _) in _READ_AS.items()})
    assert _by_variable(read) == {variable: value for variable, (_, value) in _READ_AS.items()}


@pytest.mark.parametrize("variable", variables())
@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_means_the_default(variable: str, text: str) -> None:
    assert Settings.from_environment({variable: text}) == Settings()


def test_an_empty_environment_means_all_defaults() -> None:
    assert Settings.from_environment({}) == Settings()
    assert _by_variable(Settings()) == {variable: default for variable, (default, _) in variables().items()}


@pytest.mark.parametrize("variable", _NUMERIC)
@pytest.mark.parametrize("text", ["-1", "many", "1.5.2", "nan", "inf", "1e400", "99999999999999", "0x10", "1,5"])
def test_a_number_that_cannot_be_used_is_refused_by_name(variable: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{variable}={text} is not .*, such as {variables()[variable][0]}$"):
        Settings.from_environment({variable: text})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("STORAGE_PROFILE", "Timescale"),
        ("STORAGE_PROFILE", "sqlite"),
        ("ENERGY_ALLOWED_HOSTS", "https://energy.example"),
        ("ENERGY_ALLOWED_HOSTS", "energy.example:8000"),
        ("ENERGY_ALLOWED_HOSTS", "app,*"),
        ("ENERGY_READ_ORIGINS", "dashboard.example"),
        ("ENERGY_READ_ORIGINS", "https://dashboard.example/"),
        ("ENERGY_READ_ORIGINS", "*"),
        ("ENERGY_PORT", "65536"),
        ("ENERGY_PORT", "80.0"),
        ("ENERGY_READ_CONNECTIONS", "0"),
        ("ENERGY_READ_CONNECTIONS", "101"),
        ("ENERGY_READ_TIMEOUT_S", "0"),
        ("ENERGY_WRITE_TIMEOUT_S", "240.1"),
        ("ENERGY_LATE_AFTER_S", "3000.1"),
        ("ENERGY_DRAIN_TIMEOUT_S", "0"),
        ("ENERGY_DRAIN_TIMEOUT_S", "1.5"),
        ("ENERGY_MAX_BODY_BYTES", "1023"),
        ("ENERGY_MAX_BODY_BYTES", "8MB"),
        ("ENERGY_MAX_READINGS_PER_REQUEST", "0"),
        ("ENERGY_MAX_ERRORS_LISTED", "0"),
    ],
)
def test_a_value_outside_what_is_allowed_is_refused_by_name(variable: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match="^" + re.escape(f"{variable}={text} is not ")):
        Settings.from_environment({variable: text})


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_READ_URL"])
@pytest.mark.parametrize(
    "text", ["nonsense", "mysql://energy:hidden@localhost/energy", "postgresql://localhost/?nope=1"]
)
def test_a_database_url_that_is_none_is_refused_with_an_example_and_without_its_password(
    variable: str, text: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{variable} is not a .*, such as postgresql://energy@[^ ]+$"):
        Settings.from_environment({variable: text})


@pytest.mark.parametrize(("text", "port"), [("1", 1), ("65535", 65535)])
def test_the_ends_of_a_range_belong_to_it(text: str, port: int) -> None:
    assert Settings.from_environment({"ENERGY_PORT": text}).port == port


def test_every_unknown_variable_of_ours_is_named() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^ENERGY_PROT, ENERGY_X: no such setting; did you mean ENERGY_PORT\?$"
    ):
        Settings.from_environment({"ENERGY_X": "1", "ENERGY_PORT": "1", "ENERGY_PROT": "8000"})


def test_variables_of_other_programs_are_none_of_ours() -> None:
    assert Settings.from_environment({"PATH": "/bin", "PGHOST": "x", "energy_port": "1", "MY_ENERGY_X": "1"}) == (
        Settings()
    )


def test_the_process_environment_is_what_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ENERGY_PORT" not in os.environ
    monkeypatch.setenv("ENERGY_PORT", "8123")
    assert Settings.from_environment().port == 8123


def test_a_bad_setting_ends_a_command_as_one_asked_for_wrongly() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_environment({"ENERGY_PORT": "x"})
    assert refused.value.exit_status == 2


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


def test_every_setting_of_ours_bears_our_name() -> None:
    known_elsewhere = {"DATABASE_URL", "DATABASE_READ_URL", "STORAGE_PROFILE", "POSTGRES_BINDIR"}
    assert {variable for variable in variables() if not variable.startswith("ENERGY_")} == known_elsewhere


@pytest.mark.parametrize(
    ("host", "open_", "needs_keys"),
    [
        ("127.0.0.1", "loopback", False),
        ("127.8.9.1", "loopback", False),
        ("::1", "loopback", False),
        ("localhost", "loopback", False),
        ("0.0.0.0", "loopback", True),
        ("::", "loopback", True),
        ("10.0.0.7", "loopback", True),
        ("energy.example", "loopback", True),
        ("127.0.0.1", "no", True),
        ("0.0.0.0", "yes", False),
    ],
)
def test_requests_need_keys_beyond_this_machine(host: str, open_: str, needs_keys: bool) -> None:
    assert Settings(host=host, open=open_).needs_keys == needs_keys
