"""What is measured: a durable server of each profile, and the service on it, one and two workers side by side."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from app import config
from app.db import migrate
from app.db.migrate import Profile
from app.local.embedded.installation import packaged_bindir
from app.local.embedded.server import EmbeddedServer
from bench.generate import DEVICES_OF_A_KIND, KNOWN_AGE, SWEEP
from bench.load import CannotMeasure, Sample, Target
from bench.machine import cpu_s
from tests.support.servers import local_timescale, open_directory
from tests.support.service import running_service

WORKERS = (1, 2)
_KEPT = (
    "telemetry.meter_telemetry_history",
    "telemetry.vehicle_telemetry_history",
    "telemetry.live_meter_state",
    "telemetry.live_vehicle_state",
)
_KEPT_BY_TRIGGER = (
    "telemetry.meter_hourly",
    "telemetry.vehicle_hourly",
    "telemetry.meter_daily",
    "telemetry.vehicle_daily",
)
_KNOWN = (
    """
    INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)
    SELECT 'M-' || lpad(n::text, 5, '0'), date_trunc('second', now()) - %(age)s, 0.1, 230
    FROM generate_series(0, %(last)s) AS n
    """,
    """
    INSERT INTO telemetry.vehicle_telemetry_history (vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c)
    SELECT 'V-' || lpad(n::text, 5, '0'), date_trunc('second', now()) - %(age)s, 50, 0.09, 25
    FROM generate_series(0, %(last)s) AS n
    """,
)
_TRIES_TO_EMPTY = 5
SETTLE_TIMEOUT_S = 60
LOOK_EVERY_S = 0.1
QUIET_LOOKS = 3


@dataclass
class Storage:
    """A durable server of a profile, with a migrated database and the service on it."""

    profile: Profile
    version: str
    url: str
    psql: Path
    pid: int
    services: dict[int, Target] = field(default_factory=dict)

    @property
    def database(self) -> tuple[int, ...]:
        """The processes whose time is the database's."""
        return (self.pid,)

    def settle(self) -> None:
        """Wait until the service has nothing left to do: when wrk stops, it leaves requests without an answer."""
        services = [pid for target in self.services.values() for pid in target.service]
        with psycopg.connect(self.url, autocommit=True) as connection:
            deadline = time.monotonic() + SETTLE_TIMEOUT_S
            quiet = 0
            used_s = cpu_s(services)
            while quiet < QUIET_LOOKS:
                time.sleep(LOOK_EVERY_S)
                used_s, before_s = cpu_s(services), used_s
                row = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()"
                ).fetchone()
                # An idle service looks at its sockets now and then.
                quiet = quiet + 1 if used_s - before_s <= LOOK_EVERY_S / 5 and row == (0,) else 0
                if time.monotonic() > deadline:
                    raise CannotMeasure("the service does not come to rest")

    def empty(self) -> None:
        """Leave one reading of each device, and write out what is dirty, so that every round begins alike."""
        self.settle()
        tables = [*_KEPT, *(_KEPT_BY_TRIGGER if self.profile == "postgres" else ())]
        with psycopg.connect(self.url, autocommit=True) as connection:
            for tried in range(_TRIES_TO_EMPTY):
                try:
                    connection.execute(f"TRUNCATE {', '.join(tables)}")
                    break
                except psycopg.errors.DeadlockDetected:
                    # A refresh of the rollups was under way.
                    if tried == _TRIES_TO_EMPTY - 1:
                        raise
            # Their rows of live state are there then, as they are on every day but the first.
            known = {"last": DEVICES_OF_A_KIND - 1, "age": KNOWN_AGE}
            for statement in _KNOWN:
                connection.execute(statement.encode(), known)
            connection.execute("CHECKPOINT")

    def holds(self, readings: int) -> None:
        """Raises :class:`CannotMeasure` where the history holds fewer readings than were acknowledged."""
        self.settle()
        if (found := self.count()) < readings:
            raise CannotMeasure(f"{readings} readings were acknowledged, and the history holds {found}")

    def keeps(self, readings_per_request: float) -> Callable[[Sample], None]:
        """What has to hold after a round: everything that was acknowledged is in the history."""
        return lambda sample: self.holds(int(sample.requests * readings_per_request))

    def count(self) -> int:
        """Readings in the history that came since it was emptied."""
        with psycopg.connect(self.url) as connection:
            total = 0
            for table in _KEPT[:2]:
                query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table.split(".")))
                row = connection.execute(query).fetchone()
                total += row[0] if row else 0
            return total - SWEEP


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def can_have_workers() -> bool:
    """Whether this release of the service takes a number of workers."""
    return "ENERGY_WORKERS" in config.variables()


def bindir_of(profile: Profile) -> Path:
    """`bin` of an installation for a profile. Raises :class:`CannotMeasure` where there is none."""
    bindir = packaged_bindir() if profile == "postgres" else local_timescale()
    if bindir is None:
        raise CannotMeasure(
            "no local PostgreSQL has TimescaleDB Community Edition: install it, or name its bin directory in "
            "POSTGRES_BINDIR, or measure the other profile alone (--profiles postgres)"
        )
    return bindir


@contextmanager
def storage(profile: Profile, workers: Sequence[int] = WORKERS) -> Iterator[Storage]:
    """A server of a profile with a service for each number of workers, while the block lasts.

    Raises :class:`CannotMeasure` where there is no server for the profile.
    """
    bindir = bindir_of(profile)
    with ExitStack() as stack:
        directory = stack.enter_context(open_directory())
        server = stack.enter_context(EmbeddedServer(directory / "data", bindir))
        migrate.migrate(server.url, profile)
        made = Storage(profile, _version(server.url), server.url, bindir / "psql", server.pid)
        for number in workers if can_have_workers() else (1,):
            more = {"ENERGY_WORKERS": str(number)} if can_have_workers() else {}
            client = stack.enter_context(running_service(DATABASE_URL=server.url, **more))
            assert client.process is not None
            made.services[number] = Target(client.address, (client.process.pid,), made.database)
        yield made


def _version(url: str) -> str:
    with psycopg.connect(url) as connection:
        version = str(connection.info.parameter_status("server_version")).split()[0]
        row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    return f"PostgreSQL {version}" + (f", TimescaleDB {row[0]}" if row else "")
