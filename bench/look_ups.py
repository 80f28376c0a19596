"""What does a vehicle's performance over 24 hours cost, over HTTP and as bare SQL, and does it grow with the history?

On each profile there are databases of 1, 10 and 30 days of minutes of as many vehicles and meters, each with a service
of its own. The same vehicles are asked for, in the same order, by wrk over one connection and by psycopg.
"""

import http.client
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psycopg
from psycopg.conninfo import make_conninfo

from app.db import migrate
from app.db.migrate import Profile
from app.db.queries import query
from app.local.embedded.server import EmbeddedServer
from bench.generate import (
    SEED,
    Requests,
    get,
    json_array,
    json_object,
    post,
    sweeps,
    whole_second,
    write_requests,
)
from bench.load import Figure, Sample, Target, alternate, median, percentile, send
from bench.machine import cpu_s
from bench.report import Reached, Table
from bench.targets import bindir_of
from tests.support.servers import open_directory, stop_jobs
from tests.support.service import running_service

DAYS = (1, 10, 30)
QUICK_DAYS = (1, 3)
VEHICLES = 30
WINDOW = timedelta(hours=24)
# A longer history has chunks that are old enough for the columnstore.
COMPRESSED_FROM_DAYS = 4
BATCH_CONNECTIONS = 4
SINGLE_CONNECTIONS = 64
# As many a second as are enough while the other core answers.
INGEST_PER_S = 120_000
INGEST_ROUND_S = 2
NOMINAL_PER_S = 20_000 / 60
SETTLES_S = 1.0

_LOAD = """
INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)
SELECT 'M-' || lpad(n::text, 5, '0'), %(day)s + m * interval '1 minute', (n * 31 + m * 7) %% 100 / 500.0, 229 + n %% 3
FROM generate_series(0, %(last)s) AS n, generate_series(0, 1439) AS m
ORDER BY n, m;
INSERT INTO telemetry.vehicle_telemetry_history (vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c)
SELECT
    'V-' || lpad(n::text, 5, '0'), %(day)s + m * interval '1 minute', 20 + m %% 60, (n * 31 + m * 7) %% 100 / 560.0,
    20 + m %% 15
FROM generate_series(0, %(last)s) AS n, generate_series(0, 1439) AS m
ORDER BY n, m;
"""
_ASSIGN = """
INSERT INTO telemetry.assignment (meter_id, vehicle_id, during)
SELECT 'M-' || lpad(n::text, 5, '0'), 'V-' || lpad(n::text, 5, '0'), tstzrange(%(since)s, NULL)
FROM generate_series(0, %(last)s) AS n
"""
_RUN_COLUMNSTORE_JOBS = """
SELECT format('CALL public.run_job(%s)', job_id)
FROM timescaledb_information.jobs
WHERE proc_name = 'policy_compression'
"""
_COMPRESSED_CHUNKS = "SELECT 1 FROM timescaledb_information.chunks WHERE is_compressed LIMIT 1"


@dataclass
class History:
    """A database of so many days, and the service on it."""

    profile: Profile
    days: int
    url: str
    until: datetime
    target: Target | None = None

    @property
    def name(self) -> str:
        """How the tables call it."""
        return f"{self.profile}, {self.days} day{'' if self.days == 1 else 's'}"

    def paths(self) -> list[str]:
        """The look-ups, a vehicle each, in a seeded order."""
        window = urlencode({"from": (self.until - WINDOW).isoformat(), "to": self.until.isoformat()})
        paths = [f"/v1/analytics/performance/V-{number:05}?{window}" for number in range(VEHICLES)]
        random.Random(SEED).shuffle(paths)
        return paths

    def parameters(self) -> list[dict[str, object]]:
        """The same as parameters of the statement."""
        vehicles = [path.rpartition("/")[2].partition("?")[0] for path in self.paths()]
        return [
            {"vehicle_id": vehicle, "window_from": self.until - WINDOW, "window_to": self.until} for vehicle in vehicles
        ]


def measure(profiles: Sequence[Profile], rounds: int, seconds: int, quick: bool) -> list[Table]:
    """Cold, warm, and while readings come in."""
    days = QUICK_DAYS if quick else DAYS
    with ExitStack() as stack:
        directory = stack.enter_context(open_directory())
        servers = {
            profile: stack.enter_context(EmbeddedServer(directory / profile, bindir_of(profile)))
            for profile in profiles
        }
        with ThreadPoolExecutor(len(servers)) as loaders:
            loading = [loaders.submit(_load, profile, server.url, days) for profile, server in servers.items()]
            histories = [history for loaded in loading for history in loaded.result()]
        cold = _cold(servers, histories, rounds)
        for history in histories:
            client = stack.enter_context(running_service(DATABASE_URL=history.url))
            assert client.process is not None
            history.target = Target(client.address, (client.process.pid,), (servers[history.profile].pid,))
        warm = _warm(histories, directory, rounds, seconds)
        longest = [history for history in histories if history.days == days[-1]]
        return [cold, warm, _during_ingest(longest, directory, rounds)]


# Load


def _load(profile: Profile, url: str, days: Sequence[int]) -> list[History]:
    until = datetime.fromisoformat(time.strftime("%Y-%m-%dT%H:%M:00+00:00", time.gmtime()))
    histories = []
    for count in days:
        name = f"history_{count}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        history = History(profile, count, make_conninfo(url, dbname=name), until)
        stop_jobs(history.url, profile)
        migrate.migrate(history.url, profile)
        with psycopg.connect(history.url, autocommit=True) as connection:
            for day in range(count, 0, -1):
                connection.cursor().execute(
                    _LOAD.replace("%(day)s", f"'{(until - timedelta(days=day)).isoformat()}'::timestamptz")
                    .replace("%(last)s", str(VEHICLES - 1))
                    .replace("%%", "%")
                )
            connection.execute(_ASSIGN, {"since": until - timedelta(days=count), "last": VEHICLES - 1})
            connection.execute(
                "CALL api.refresh_rollups(%s, %s)", [until - timedelta(days=count), until - timedelta(hours=1)]
            )
            if profile == "timescale":
                for (statement,) in connection.execute(_RUN_COLUMNSTORE_JOBS).fetchall():
                    connection.execute(statement)
                if count > COMPRESSED_FROM_DAYS:
                    row = connection.execute(_COMPRESSED_CHUNKS).fetchone()
                    assert row, "no chunk went to the columnstore"
            connection.execute("VACUUM ANALYZE")
        histories.append(history)
    return histories


# Query


def _warm(histories: Sequence[History], directory: Path, rounds: int, seconds: int) -> Table:
    figures: dict[str, Figure] = {}
    for history in histories:
        requests = write_requests(directory / history.name, map(get, history.paths()))
        figures |= _figures(history, requests, seconds)
    for figure in figures.values():
        figure.take()
    samples = alternate(rounds, figures)
    table = Table("Look-ups of 24 hours, warm", samples, unit="look-ups/s")
    for profile in dict.fromkeys(history.profile for history in histories):
        mine = [history for history in histories if history.profile == profile]
        shortest, longest = (median(samples[f"HTTP, {mine[place].name}"]) for place in (0, -1))
        bare = median(samples[f"bare SQL, {mine[-1].name}"])
        growth, over = longest.p99_ms / shortest.p99_ms, longest.p50_ms / bare.p50_ms
        table.notes += [
            f"{profile}: p99 at {mine[-1].days} days over {mine[0].days}: **{growth:.2f}**",
            f"{profile}: p50 over HTTP over bare SQL at {mine[-1].days} days: **{over:.2f}**",
        ]
        if profile == histories[0].profile:
            table.reached += [
                Reached(f"look-up p99, {mine[-1].days} days of history over {mine[0].days}", f"{growth:.2f}", "≤ 1.2"),
                Reached("look-up p50 over bare SQL from psycopg", f"{over:.2f}", "≤ 2"),
            ]
    return table


def _during_ingest(histories: Sequence[History], directory: Path, rounds: int) -> Table:
    table = Table("Look-ups of 24 hours while readings come in", {}, unit="look-ups/s")
    samples: dict[str, list[Sample]] = {}
    for history in histories:
        look_ups = write_requests(directory / history.name, map(get, history.paths()))
        lasts = round(rounds * 2 * (INGEST_ROUND_S + 0.5) + 2 * SETTLES_S)
        for load, write, per_s in (
            ("333 readings/s", _single_readings, NOMINAL_PER_S),
            ("batches of 1,000 as fast as they go", _batches, None),
        ):
            readings = write(directory / "readings", lasts)
            taken = _figures(history, look_ups, INGEST_ROUND_S)
            with _ingesting(history, readings, lasts, per_s) as sending:
                samples |= alternate(rounds, {f"{name}, {load}": figure for name, figure in taken.items()})
                has_ended = sending.done()
            ingested = sending.result()
            table.notes.append(f"{history.name}: {ingested.per_s:,.0f} readings/s came in meanwhile")
            if has_ended:
                table.notes[-1] += ", and ended before the last look-up"
    table.samples = samples
    return table


@contextmanager
def _ingesting(history: History, readings: Requests, seconds: int, per_s: float | None) -> Iterator[Future[Sample]]:
    assert history.target is not None
    with ThreadPoolExecutor(1) as background:
        sending = background.submit(
            send,
            history.target,
            readings,
            connections=SINGLE_CONNECTIONS if readings.readings_per_request == 1 else BATCH_CONNECTIONS,
            seconds=seconds,
            per_s=per_s,
        )
        time.sleep(SETTLES_S)
        yield sending


def _single_readings(path: Path, seconds: int) -> Requests:
    count = round(NOMINAL_PER_S * (seconds + 1))
    readings = (reading for batch in sweeps(1, whole_second()) for reading in batch)
    bodies = (json_object(reading).encode() for reading, _ in zip(readings, range(count), strict=False))
    return write_requests(path, (post("/v1/ingest", "application/json", body) for body in bodies), 1)


def _batches(path: Path, seconds: int) -> Requests:
    batches = sweeps(INGEST_PER_S * seconds // 20_000, whole_second(timedelta(minutes=20)))
    return write_requests(path, (post("/v1/ingest", "application/json", json_array(b)) for b in batches), 1000)


def _figures(history: History, requests: Requests, seconds: int) -> dict[str, Figure]:
    assert history.target is not None
    over_http = partial(send, history.target, requests, connections=1, seconds=seconds, again=True)
    return {
        f"HTTP, {history.name}": Figure(over_http),
        f"bare SQL, {history.name}": Figure(partial(_bare, history, seconds)),
    }


@contextmanager
def _connected(history: History) -> Iterator[Callable[[dict[str, object]], float]]:
    """A function that takes one look-up on a connection set up as the service's, and returns its seconds."""
    with psycopg.connect(history.url, autocommit=True) as connection:
        connection.execute("SET plan_cache_mode = force_custom_plan")
        connection.execute("SET jit = off")
        statement = query("vehicle_performance")

        def look_up(parameters: dict[str, object]) -> float:
            began = time.perf_counter()
            connection.execute(statement, parameters).fetchall()
            return time.perf_counter() - began

        yield look_up


def _bare(history: History, seconds: int) -> Sample:
    assert history.target is not None
    took: list[float] = []
    database, client = cpu_s(history.target.database), time.process_time()
    with _connected(history) as look_up:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            took += map(look_up, history.parameters())
        lasted_s = time.perf_counter() - began
    database, client = cpu_s(history.target.database) - database, time.process_time() - client
    return Sample(
        len(took) / lasted_s,
        statistics.median(took) * 1000,
        percentile(took, 99) * 1000,
        client / lasted_s,
        0.0,
        database / lasted_s,
    )


# Cold: the database restarted, so that it has nothing in its own memory, and a service that has just started. What the
# operating system keeps of the files stays.


def _cold(servers: dict[Profile, EmbeddedServer], histories: Sequence[History], rounds: int) -> Table:
    first: dict[str, list[float]] = {}
    others: dict[str, list[Sample]] = {}
    for _ in range(rounds):
        for name, take in (("bare SQL", _cold_bare), ("HTTP", _cold_http)):
            for server in servers.values():
                server.stop()
                server.start()
            for history in histories:
                took = take(history)
                first.setdefault(f"{name}, {history.name}", []).append(took[0])
                rate, p50_s, p99_s = 1 / statistics.mean(took), statistics.median(took[1:]), percentile(took[1:], 99)
                sample = Sample(rate, p50_s * 1000, p99_s * 1000, 0.0, 0.0, 0.0)
                others.setdefault(f"{name}, {history.name}", []).append(sample)
    table = Table("Look-ups of 24 hours, cold: the first of each vehicle after a restart", others, unit="look-ups/s")
    table.notes = [
        f"The very first: {name}: {statistics.median(seconds) * 1000:.1f} ms" for name, seconds in first.items()
    ]
    return table


def _cold_bare(history: History) -> list[float]:
    with _connected(history) as look_up:
        return [look_up(parameters) for parameters in history.parameters()]


def _cold_http(history: History) -> list[float]:
    took = []
    with running_service(DATABASE_URL=history.url) as client:
        connection = http.client.HTTPConnection(urlsplit(client.address).netloc, timeout=60)
        connection.connect()
        for path in history.paths():
            began = time.perf_counter()
            connection.request("GET", path)
            response = connection.getresponse()
            answer = response.read()
            took.append(time.perf_counter() - began)
            assert response.status == 200, answer
        connection.close()
    return took
