"""Settings from the environment.

A field of :class:`Settings` is one environment variable; its metadata gives the variable's name and its meaning in
docs/reference.md.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from app.errors import ConfigurationError

EXAMPLE_URL = "postgresql://energy@localhost:5432/energy"
_HOST_NAME = re.compile(r"[a-z0-9_.-]+")
_ORIGIN = re.compile(r"https?://[a-z0-9_.-]+(:[0-9]{1,5})?")


def _setting(variable: str, default: Any, read: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"variable": variable, "read": read, "meaning": meaning})


def _text(value: str) -> str:
    return value


def _libpq_url(value: str) -> str:
    """A libpq URL or connection string. Raises :class:`ValueError`, without its text, which may hold a password."""
    try:
        conninfo_to_dict(value)
    except ProgrammingError:
        raise ValueError(f"is not a libpq URL or connection string, such as {EXAMPLE_URL}") from None
    return value


def _host_names(value: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in value.split(",") if name.strip())
    if not all(_HOST_NAME.fullmatch(name) for name in names):
        raise ValueError("is not a list of host names without scheme and port, such as energy.example,app")
    return names


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(origin.strip().lower() for origin in value.split(",") if origin.strip())
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("is not a list of origins, such as https://dashboard.example,http://localhost:3000")
    return origins


def _choice(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"is not one of {', '.join(allowed)}")
        return value

    return read


def _integer(lowest: int, highest: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError("is not a whole number") from None
        if not lowest <= number <= highest:
            raise ValueError(f"is not between {lowest} and {highest}")
        return number

    return read


def _seconds(lowest: float, highest: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            raise ValueError("is not a number of seconds") from None
        if not lowest <= number <= highest:
            raise ValueError(f"is not between {lowest:g} and {highest:g} seconds")
        return number

    return read


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment sets, checked once at the start; `Settings()` is all defaults."""

    database_url: str | None = _setting(
        "DATABASE_URL",
        None,
        _libpq_url,
        "PostgreSQL or TimescaleDB to use, as a libpq URL or connection string; without it the embedded server is used",
    )
    database_read_url: str | None = _setting(
        "DATABASE_READ_URL",
        None,
        _libpq_url,
        "the same database, or a standby of it, as a role that only reads, for answers; default: `DATABASE_URL`",
    )
    storage_profile: str = _setting(
        "STORAGE_PROFILE",
        "auto",
        _choice("auto", "timescale", "postgres"),
        "`timescale`, `postgres`, or `auto`: what the server offers when it is first migrated",
    )
    postgres_bindir: Path | None = _setting(
        "POSTGRES_BINDIR",
        None,
        Path,
        "`bin` directory of the PostgreSQL installation that the embedded server runs; default: the packaged one",
    )
    data_dir: Path = _setting(
        "ENERGY_DATA_DIR",
        Path("data"),
        Path,
        "directory of the embedded server: its cluster, log and lock, and `demo/` with those of the demo; a service "
        "that runs as root uses one under `/var/lib/ev-fleet-energy` instead, and logs it, if the server's account "
        "cannot enter this one",
    )
    postgres_user: str | None = _setting(
        "ENERGY_POSTGRES_USER",
        None,
        _text,
        "system account of the embedded server when the service runs as root; default: `postgres`, else `nobody`",
    )
    host: str = _setting("ENERGY_HOST", "127.0.0.1", _text, "address to listen on")
    allowed_hosts: tuple[str, ...] = _setting(
        "ENERGY_ALLOWED_HOSTS",
        (),
        _host_names,
        "allowed values of the `Host` header, besides `localhost`, IP addresses and `ENERGY_HOST`; without ports, such "
        "as `energy.example,app`",
    )
    open: str = _setting(
        "ENERGY_OPEN",
        "loopback",
        _choice("loopback", "yes", "no"),
        "who needs no key: `loopback`: everybody, where the service listens on an address of this machine alone; "
        "`yes`: everybody; `no`: nobody",
    )
    read_origins: tuple[str, ...] = _setting(
        "ENERGY_READ_ORIGINS",
        (),
        _origins,
        "origins whose pages may read answers (CORS), such as `https://dashboard.example`; they may not write",
    )
    port: int = _setting("ENERGY_PORT", 8000, _integer(0, 65535), "port to listen on; 0 takes a free one")
    workers: int = _setting(
        "ENERGY_WORKERS", 1, _integer(1, 64), "worker processes; each keeps one processor core busy"
    )
    log_format: str = _setting(
        "ENERGY_LOG_FORMAT",
        "text",
        _choice("text", "json"),
        "format of the log on standard error: `text`, or `json` for one JSON object per line",
    )
    read_connections: int = _setting(
        "ENERGY_READ_CONNECTIONS", 4, _integer(1, 100), "database connections for answers, per worker process"
    )
    read_timeout_s: float = _setting(
        "ENERGY_READ_TIMEOUT_S", 10.0, _seconds(0.1, 600), "longest time of an answer in the database"
    )
    write_timeout_s: float = _setting(
        "ENERGY_WRITE_TIMEOUT_S",
        30.0,
        # Two statements on top of the oldest fresh reading that `late_after_s` allows are still less than an hour.
        _seconds(0.1, 240),
        "longest time of one statement of an ingest transaction; a lock wait may take half of it",
    )
    connect_timeout_s: float = _setting(
        "ENERGY_CONNECT_TIMEOUT_S", 5.0, _seconds(0.1, 600), "longest wait for a database connection before 503"
    )
    max_body_bytes: int = _setting(
        "ENERGY_MAX_BODY_BYTES", 8 * 1024 * 1024, _integer(1024, 2**30), "largest request body, decompressed"
    )
    max_body_bytes_held: int = _setting(
        "ENERGY_MAX_BODY_BYTES_HELD",
        32 * 1024 * 1024,
        _integer(1024, 2**34),
        "most bytes of unfinished request bodies in one worker; above it ingest answers 503",
    )
    max_readings_per_request: int = _setting(
        "ENERGY_MAX_READINGS_PER_REQUEST", 20_000, _integer(1, 1_000_000), "most readings in one request"
    )
    max_readings_waiting: int = _setting(
        "ENERGY_MAX_READINGS_WAITING",
        100_000,
        _integer(1, 10_000_000),
        "most readings waiting to be written in one worker; above it ingest answers 503",
    )
    max_readings_per_transaction: int = _setting(
        "ENERGY_MAX_READINGS_PER_TRANSACTION",
        20_000,
        _integer(1, 1_000_000),
        "readings after which a shared ingest transaction takes no further request",
    )
    late_after_s: float = _setting(
        "ENERGY_LATE_AFTER_S",
        2700.0,
        _seconds(60, 3000),
        "age from which a reading is written apart from fresh ones, by INSERT instead of COPY; rollups are "
        "materialised from an age of 3600 s on, and the time between covers two statements of a transaction and the "
        "difference between the clocks of service and database",
    )
    max_clock_skew_s: float = _setting(
        "ENERGY_MAX_CLOCK_SKEW_S",
        300.0,
        _seconds(0, 86_400),
        "how far in the future a reading's timestamp may lie, and how far the clocks of service and database may "
        "differ; while they differ by more, ingest and `/readyz` answer 503",
    )
    plug_clock_tolerance_s: float = _setting(
        "ENERGY_PLUG_CLOCK_TOLERANCE_S",
        5.0,
        _seconds(0, 300),
        "how far the clocks of two chargers, or of a charger and its backend, may differ in plug events: an assignment "
        "that overlaps the next plug-in by no more ends there",
    )
    max_window_days: int = _setting(
        "ENERGY_MAX_WINDOW_DAYS",
        31,
        _integer(1, 3660),
        "longest window of an analytics answer, days; an hour more is allowed for a change of clocks",
    )
    max_health_days: int = _setting(
        "ENERGY_MAX_HEALTH_DAYS",
        366,
        _integer(1, 3660),
        "longest window of an answer about health, and of a vehicle's series by days or longer, days; an hour more is "
        "allowed for a change of clocks",
    )
    max_list_limit: int = _setting(
        "ENERGY_MAX_LIST_LIMIT", 1000, _integer(1, 100_000), "largest `limit` of a list; default length: 100"
    )
    max_errors_listed: int = _setting(
        "ENERGY_MAX_ERRORS_LISTED", 100, _integer(1, 10_000), "most errors an ingest answer lists; all are counted"
    )
    max_assignments_per_request: int = _setting(
        "ENERGY_MAX_ASSIGNMENTS_PER_REQUEST", 1000, _integer(1, 100_000), "most assignments or events in one request"
    )
    drain_timeout_s: int = _setting(
        "ENERGY_DRAIN_TIMEOUT_S",
        10,
        _integer(1, 600),
        "longest time that a stopping service waits for requests in progress; it answers 503 to the rest",
    )

    @property
    def needs_keys(self) -> bool:
        """Whether requests need a key."""
        return self.open == "no" or (self.open == "loopback" and not _is_loopback(self.host))

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, flags: Mapping[str, str | None] | None = None
    ) -> "Settings":
        """Read every setting; an unset or empty variable means its default.

        `flags` are values from the command line, by variable; one that is given overrides the variable.

        Raises :class:`ConfigurationError` naming the variable, or the flag, and what is wrong with its value.
        """
        values: dict[str, Any] = {}
        for spec in fields(cls):
            variable = spec.metadata["variable"]
            given = (flags or {}).get(variable)
            text = (environment.get(variable, "") if given is None else given).strip()
            if not text:
                continue
            try:
                values[spec.name] = spec.metadata["read"](text)
            except ValueError as error:
                raise ConfigurationError(_complaint(spec, text, str(error), is_flag=given is not None)) from None
        unknown = sorted(name for name in environment if name.startswith("ENERGY_") and name not in variables())
        if unknown:
            close = get_close_matches(unknown[0], variables(), n=1)
            meant = f"did you mean {close[0]}?" if close else f"settings are {', '.join(variables())}"
            raise ConfigurationError(f"{', '.join(unknown)}: no such setting; {meant}")
        return cls(**values)


def _complaint(spec: Field[Any], text: str, what: str, *, is_flag: bool) -> str:
    """What is wrong with the value of a setting, and a value that is allowed."""
    variable, read = spec.metadata["variable"], spec.metadata["read"]
    named = flag_of(variable) if is_flag else variable
    if read is not _libpq_url:
        named += f"{' ' if is_flag else '='}{text}"
    example = f", such as {spec.default}" if isinstance(spec.default, int | float | str) else ""
    return f"{named} {what}{example}"


def flag_of(variable: str) -> str:
    """The command line's flag for a setting: `--port` for `ENERGY_PORT`."""
    return "--" + variable.removeprefix("ENERGY_").lower().replace("_", "-")


def variables() -> dict[str, tuple[Any, str]]:
    """Every environment variable with its default and its meaning, in the order of docs/reference.md."""
    return {spec.metadata["variable"]: (spec.default, spec.metadata["meaning"]) for spec in fields(Settings)}
