"""Kills the service, a worker or PostgreSQL under load, and counts what became of the readings.

Run it by itself with `python -m tests.support.kills`.

Clients post a mixed load all the while: readings one by one, batches, late ones, and what was sent before once more.
Like a device, a client that gets no answer, or 503, sends the same request again, and sometimes gives it up. At a
random moment something is killed with SIGKILL; what does not start again by itself is started here, and the load goes
on until every client is heard again. Then every reading that was ever acknowledged has to be in the history with its
values, none twice and none that nobody sent, and rollups and live state have to agree with the history.

A kill leaves what the operating system has of the files, so that this tries recovery and not whether the disk keeps its
word. The seed decides what is sent and killed; when, and in which order answers come, the machine has a say in too.
"""

import argparse
import http.client
import os
import random
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import psycopg

from app import config
from app.db import migrate
from app.local.embedded.server import EmbeddedServer
from tests.support.servers import HOSTS, Unavailable, open_directory, start
from tests.support.service import Client, running_service

Kind = Literal["service", "worker", "database"]
KINDS: tuple[Kind, ...] = ("service", "worker", "database")
WORKERS = 2
DEVICES = 40
KILLED_AFTER_S = (0.2, 1.5)
HEARD_AGAIN_WITHIN_S = 60.0
ANSWERS_AFTER_A_KILL = 3
# How often a client that got no answer gives its request up, so that nobody ever learns what became of it.
GIVES_UP = 0.3
PAUSE_S = 0.05

# A device's name and an instant; a reading's values in the order of the history's columns.
Key = tuple[str, datetime]
Values = tuple[float, ...]


# What was sent, and what became of it


@dataclass
class Ledger:
    """What clients sent and heard; they share it."""

    sent: dict[Key, Values] = field(default_factory=dict)
    acknowledged: set[Key] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    unanswered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Outcome:
    """What a check found; nothing lost, nothing doubled, nothing invented and no disagreement is what has to be."""

    kills: int = 0
    acknowledged: int = 0
    found: int = 0
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    altered: int = 0
    wrong_live: int = 0
    wrong_rollups: int = 0
    unanswered: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether everything is as it has to be."""
        wrong = (self.lost, self.doubled, self.invented, self.altered, self.wrong_live, self.wrong_rollups)
        return not any(wrong) and not self.faults

    def line(self) -> str:
        """All of it as a line."""
        return (
            f"{self.kills} kills, {self.unanswered} requests without an answer, {self.acknowledged} readings "
            f"acknowledged, {self.found} found, {self.lost} lost, {self.doubled} doubled, {self.invented} invented, "
            f"{self.altered} altered, {self.wrong_live} live rows and {self.wrong_rollups} rollup rows wrong"
            + "".join(f"; {fault}" for fault in self.faults[:5])
        )


def document(key: Key, values: Values) -> dict[str, Any]:
    """A reading as it is sent."""
    device, at = key
    stamp = at.isoformat()
    if device.startswith("M"):
        return {"meterId": device, "kwhConsumedAc": values[0], "voltage": values[1], "timestamp": stamp}
    soc, energy, temp = values
    return {"vehicleId": device, "soc": soc, "kwhDeliveredDc": energy, "batteryTemp": temp, "timestamp": stamp}


class LoadClient(threading.Thread):
    """Posts until it has to stop. Each client stamps microseconds of its own, so that no two make one key."""

    def __init__(self, number: int, seed: int, port: int, ledger: Ledger) -> None:
        super().__init__(name=f"load-{number}")
        self._number = number
        self._rng = random.Random(f"{seed}/{number}")
        self._address = ("127.0.0.1", port)
        self._ledger = ledger
        self._connection: http.client.HTTPConnection | None = None
        self._made = 0
        self._posted: list[list[Key]] = []
        self.stopped = threading.Event()
        self.answers = 0

    def run(self) -> None:
        """Post one request after another."""
        try:
            while not self.stopped.is_set():
                self._deliver(self._request())
        except Exception as error:
            self._ledger.faults.append(f"a client failed: {error!r}")
            raise
        finally:
            self._hang_up()

    def _request(self) -> list[Key]:
        """A reading, a batch, a late batch, or one of the former again."""
        form = self._rng.random()
        if form < 0.25 and self._posted:
            return self._rng.choice(self._posted[-50:])
        count = 1 if form < 0.6 else self._rng.randint(2, 120)
        keys = [self._key(is_late=form > 0.85) for _ in range(count)]
        self._posted.append(keys)
        with self._ledger.lock:
            self._ledger.sent |= {key: self._values(key) for key in keys}
        return keys

    def _key(self, *, is_late: bool) -> Key:
        self._made += 1
        device = f"{self._rng.choice('MV')}-{self._rng.randrange(DEVICES):03}"
        age = timedelta(hours=self._rng.randint(1, 72), minutes=self._rng.randint(0, 59)) if is_late else timedelta(0)
        # The count tells apart what a client stamps within a second, its number what several do.
        at = (datetime.now(UTC) - age).replace(microsecond=(self._made % 9000) * 100 + self._number)
        return device, at

    def _values(self, key: Key) -> Values:
        # Steps of a quarter: the history's narrow columns hold them exactly.
        energy = round(self._rng.uniform(0, 0.4), 6)
        if key[0].startswith("M"):
            return energy, 225 + self._rng.randrange(40) / 4
        return self._rng.randrange(400) / 4, energy, self._rng.randrange(40, 160) / 4

    def _deliver(self, keys: list[Key]) -> None:
        documents = [document(key, self._ledger.sent[key]) for key in keys]
        body = msgspec.json.encode(documents if len(documents) > 1 else documents[0])
        while not self.stopped.is_set():
            status, answer = self._post(body)
            if status == 200:
                self._heard(keys, msgspec.json.decode(answer))
                return
            if status not in (0, 503):
                self._ledger.faults.append(f"answered {status}: {answer[:200]!r}")
                return
            with self._ledger.lock:
                self._ledger.unanswered += 1
            if self._rng.random() < GIVES_UP:
                return
            self.stopped.wait(PAUSE_S)

    def _heard(self, keys: list[Key], result: Any) -> None:
        if result["accepted"] + result["duplicates"] != len(keys) or result["rejected"]:
            self._ledger.faults.append(f"{len(keys)} readings answered with {result}"[:300])
        with self._ledger.lock:
            self._ledger.acknowledged.update(keys)
        self.answers += 1

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body; status 0 where no answer came."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(*self._address, timeout=HEARD_AGAIN_WITHIN_S)
            self._connection.request("POST", "/v1/ingest", body, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._hang_up()
            return 0, b""

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


# What is killed


class Site:
    """A durable database of a profile and the service on it, always at one port."""

    def __init__(self, host: str, workers: int, server: EmbeddedServer | None, url: str) -> None:
        self.host = host
        self.url = url
        self.port = _free_port()
        self.ledger = Ledger()
        self.kills = 0
        self._server = server
        self._workers = workers
        self._running: Any = None
        self._client: Client | None = None

    def start(self) -> None:
        """Start the service, again where the port is not free yet: workers that outlived it have to end first."""
        environment = {"DATABASE_URL": self.url, "ENERGY_PORT": str(self.port)}
        if self._workers > 1:
            environment["ENERGY_WORKERS"] = str(self._workers)
        deadline = time.monotonic() + HEARD_AGAIN_WITHIN_S
        while True:
            running = running_service(**environment)
            try:
                self._client = running.__enter__()
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_S)
            else:
                self._running = running
                return

    def stop(self) -> None:
        """End the service as an operator would; it has to end with status 0 unless it was killed."""
        running, self._running = self._running, None
        if running is not None:
            running.__exit__(None, None, None)

    def kill(self, kind: Kind, rng: random.Random) -> str:
        """Kill, and start again what does not start by itself; returns what was killed."""
        self.kills += 1
        if kind == "service":
            return self._kill_service(rng)
        if kind == "worker":
            place, worker = rng.choice(list(enumerate(_workers(self._pid))))
            os.kill(worker, signal.SIGKILL)
            replaced = _workers(self._pid, without=worker)
            assert len(replaced) == WORKERS, f"worker {worker} was not replaced: {replaced}"
            return f"worker {place + 1}"
        return self._kill_database(rng)

    @property
    def _pid(self) -> int:
        assert self._client is not None
        assert self._client.process is not None
        return self._client.process.pid

    def _kill_service(self, rng: random.Random) -> str:
        is_whole = rng.random() < 0.5
        if is_whole:
            os.killpg(self._pid, signal.SIGKILL)
        else:
            os.kill(self._pid, signal.SIGKILL)
        assert self._client is not None
        assert self._client.process is not None
        self._client.process.wait()
        self.stop()
        self.start()
        return "the service with all its processes" if is_whole else "the first process of the service"

    def _kill_database(self, rng: random.Random) -> str:
        assert self._server is not None
        server = self._server
        what = rng.choice(("a session", "the postmaster", "the postmaster and all its processes"))
        processes = children(server.pid)
        if what == "a session":
            # The postmaster ends all other sessions then, recovers, and goes on by itself.
            os.kill(rng.choice(_sessions(self.url)), signal.SIGKILL)
            return what
        os.kill(server.pid, signal.SIGKILL)
        if what != "the postmaster":
            for process in processes:
                _kill_if_there(process)
        time.sleep(rng.uniform(0, 0.5))
        server.stop()
        server.start()
        return what


def children(pid: int) -> list[int]:
    """Processes that a process has started and that live. Reads /proc."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return sorted(set(found))


def _workers(pid: int, without: int = 0) -> list[int]:
    """The workers of a service, as soon as all are there, or as many as are there at last."""
    deadline = time.monotonic() + HEARD_AGAIN_WITHIN_S
    while True:
        # The supervisor has another child, which looks after what its workers share.
        found = [child for child in children(pid) if b"spawn_main" in _command_line(child) and child != without]
        if len(found) == WORKERS or time.monotonic() > deadline:
            return found
        time.sleep(PAUSE_S)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _kill_if_there(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _sessions(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchall()
    return [pid for (pid,) in rows]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def cannot_kill(host: str, kind: Kind) -> str | None:
    """Why something cannot be killed here; None where it can."""
    if kind == "worker" and "ENERGY_WORKERS" not in config.variables():
        return "this release of the service runs one worker"
    if kind == "worker" and not Path("/proc/self/task").exists():
        return "the system has no /proc to find workers by"
    if kind == "database" and HOSTS[host].bindir is None:
        return "no local PostgreSQL has TimescaleDB Community Edition, or TIMESCALE_URL names another server"
    return None


@contextmanager
def site(host: str) -> Iterator[Site]:
    """A site while the block lasts: on a durable server of its own, or where there is none on what the tests use.

    Raises :class:`Unavailable` where there is no server.
    """
    bindir = HOSTS[host].bindir
    workers = WORKERS if cannot_kill(host, "worker") is None else 1
    if bindir is None:
        with start(host) as other, other.new_database() as url:
            yield from _site(host, workers, None, url)
        return
    with open_directory() as directory, EmbeddedServer(directory / "data", bindir) as server:
        yield from _site(host, workers, server, server.url)


def _site(host: str, workers: int, server: EmbeddedServer | None, url: str) -> Iterator[Site]:
    migrate.migrate(url, HOSTS[host].profile)
    made = Site(host, workers, server, url)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def kill_under_load(place: Site, kind: Kind, seed: int) -> str:
    """One kill in the middle of a mixed load of four clients; returns what was killed."""
    rng = random.Random(f"{seed}/kill")
    # Numbers keep the keys of all rounds apart.
    clients = [LoadClient(place.kills * 4 % 100 + number, seed, place.port, place.ledger) for number in range(4)]
    for client in clients:
        client.start()
    try:
        time.sleep(rng.uniform(*KILLED_AFTER_S))
        killed = place.kill(kind, rng)
        before = [client.answers for client in clients]
        deadline = time.monotonic() + HEARD_AGAIN_WITHIN_S
        while any(c.answers < b + ANSWERS_AFTER_A_KILL for c, b in zip(clients, before, strict=True) if c.is_alive()):
            if time.monotonic() > deadline:
                place.ledger.faults.append(f"not every client was heard again after a kill of {killed}")
                break
            time.sleep(PAUSE_S)
    finally:
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join()
    return killed


# What is found


def check(place: Site) -> Outcome:
    """Hold history, live state and rollups against what was sent and acknowledged since the site was made."""
    ledger = place.ledger
    outcome = Outcome(place.kills, len(ledger.acknowledged), unanswered=ledger.unanswered, faults=list(ledger.faults))
    with psycopg.connect(place.url, autocommit=True, options="-c timezone=UTC") as connection:
        rows = connection.execute(_HISTORY).fetchall()
        kept = {(device, at): tuple(v for v in values if v is not None) for device, at, *values in rows}
        outcome.found = len(ledger.acknowledged & kept.keys())
        outcome.lost = outcome.acknowledged - outcome.found
        outcome.doubled = len(rows) - len(kept)
        outcome.invented = len(kept.keys() - ledger.sent.keys())
        outcome.altered = sum(1 for key, values in kept.items() if ledger.sent.get(key, values) != values)
        outcome.wrong_live = _number(connection, _WRONG_LIVE)
        _refresh(connection)
        outcome.wrong_rollups = wrong_rollups(connection)
    return outcome


def wrong_rollups(connection: psycopg.Connection[Any]) -> int:
    """Hours and days of devices whose rollup is not what the history sums up to."""
    return sum(_number(connection, statement) for statement in _WRONG_ROLLUPS)


def _number(connection: psycopg.Connection[Any], statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    return int(row[0]) if row else 0


def _refresh(connection: psycopg.Connection[Any]) -> None:
    deadline = time.monotonic() + HEARD_AGAIN_WITHIN_S
    while True:
        try:
            connection.execute("CALL api.refresh_rollups(now() - interval '5 days', now())")
        except psycopg.errors.LockNotAvailable:
            # A job refreshes the same hours.
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


_HISTORY = """
SELECT meter_id, recorded_at, energy_ac_kwh, voltage_v, NULL FROM telemetry.meter_telemetry_history
UNION ALL
SELECT vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c FROM telemetry.vehicle_telemetry_history
"""

_WRONG_LIVE = """
SELECT
    (
        SELECT count(*)
        FROM (
            SELECT DISTINCT ON (meter_id) meter_id, recorded_at, energy_ac_kwh, voltage_v
            FROM telemetry.meter_telemetry_history
            ORDER BY meter_id, recorded_at DESC
        ) AS newest
        FULL JOIN telemetry.live_meter_state AS live USING (meter_id)
        WHERE
            (newest.recorded_at, newest.energy_ac_kwh, newest.voltage_v)
            IS DISTINCT FROM (live.recorded_at, live.energy_ac_kwh, live.voltage_v)
    ) + (
        SELECT count(*)
        FROM (
            SELECT DISTINCT ON (vehicle_id) vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c
            FROM telemetry.vehicle_telemetry_history
            ORDER BY vehicle_id, recorded_at DESC
        ) AS newest
        FULL JOIN telemetry.live_vehicle_state AS live USING (vehicle_id)
        WHERE
            (newest.recorded_at, newest.soc_pct, newest.energy_dc_kwh, newest.battery_temp_c)
            IS DISTINCT FROM (live.recorded_at, live.soc_pct, live.energy_dc_kwh, live.battery_temp_c)
    )
"""

_WRONG_ROLLUP = """
SELECT count(*)
FROM (
    SELECT
        {device}_id AS device_id,
        date_trunc('{unit}', recorded_at - interval '1 microsecond', 'UTC') + interval '1 microsecond' AS bucket_start,
        count(*) AS readings,
        sum({energy}) AS energy, min({energy}) AS lowest, max({energy}) AS highest, max(recorded_at) AS newest
    FROM telemetry.{device}_telemetry_history
    GROUP BY 1, 2
) AS summed
FULL JOIN telemetry.{device}_{rollup} AS rollup
    ON rollup.{device}_id = summed.device_id AND rollup.bucket_start = summed.bucket_start
WHERE
    (summed.readings, summed.lowest, summed.highest, summed.newest)
    IS DISTINCT FROM
    (rollup.readings, rollup.{name}_min_kwh, rollup.{name}_max_kwh, rollup.last_recorded_at)
    OR abs(summed.energy - rollup.{name}_sum_kwh) > 1e-9
"""
_WRONG_ROLLUPS = [
    _WRONG_ROLLUP.format(device=device, energy=f"{name}_kwh", name=name, rollup=rollup, unit=unit)
    for device, name in (("meter", "energy_ac"), ("vehicle", "energy_dc"))
    for rollup, unit in (("hourly", "hour"), ("daily", "day"))
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill as often as asked; returns 0 where every check was sound, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.kills", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="kills of each kind on each server")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--hosts", nargs="+", choices=HOSTS, default=tuple(HOSTS))
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options = parser.parse_args(arguments)
    _say(f"seed {options.seed}")
    is_sound = True
    for host in options.hosts:
        for kind in options.kinds:
            if reason := cannot_kill(host, kind):
                _say(f"{host}, {kind}: skipped: {reason}")
                continue
            try:
                with site(host) as place:
                    for number in range(options.times):
                        killed = kill_under_load(place, kind, options.seed + number)
                        outcome = check(place)
                        is_sound = is_sound and outcome.is_sound
                        _say(f"{host}, {kind}: {killed}: {outcome.line()}")
            except Unavailable as reason:
                _say(f"{host}: {reason}")
    return 0 if is_sound else 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
