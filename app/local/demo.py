"""A simulated fleet that posts over HTTP to a served API, as devices would, and prints what the API answers.

A client of the HTTP contract and of nothing else: it never looks at the database. A second run on the same data goes
on where the first one stopped.
"""

import http.client
import math
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from tqdm import tqdm

from app.errors import ConfigurationError, OperatorError
from app.local.simulator import ID_PREFIX, MINUTE, Fleet, MeterReading, Minute, Session, VehicleReading, rfc3339

VEHICLES: Final = 40
SEED: Final = 7

_CHARGERS_PER_VEHICLE: Final = 0.6
# This much of the past is posted in requests, as devices send; older data is loaded as files, which is faster.
_POSTED_PAST: Final = timedelta(hours=24)
DAYS: Final = 1
MOST_DAYS: Final = 366
_READINGS_PER_REQUEST: Final = 4000
_ASSIGNMENTS_PER_REQUEST: Final = 500
_VEHICLES_ASKED: Final = 60
_VEHICLES_SHOWN: Final = 8
_ABNORMAL_BELOW_RATIO: Final = 0.85
_STATUS_EVERY_S: Final = 15.0
# A minute's readings are spread over this much of the next one, so that all arrive before it ends.
_SPREAD: Final = timedelta(seconds=55)

_TRIES: Final = 8
_RETRIED_STATUSES: Final = frozenset({429, 502, 503, 504})
_LONGEST_RETRY_AFTER_S: Final = 10.0
# Above every id of a simulated device, and below every greater one of others.
_LAST_OWN_ID: Final = ID_PREFIX.ljust(64, "z")
_TIMEOUT_S: Final = 30.0
_TIMEOUT_STOPPING_S: Final = 0.8
# Servers close a connection that has been idle for a few seconds; one this old is opened anew before it is used.
_IDLE_S: Final = 2.0

_T = TypeVar("_T")
_Reading = MeterReading | VehicleReading
# Loads a file of readings, lines of JSON; returns how many were stored.
Load = Callable[[Path], int]


class _LiveVehicle(msgspec.Struct, rename="camel"):
    vehicle_id: str
    timestamp: datetime
    soc: float
    battery_temp: float
    charging: bool


class _LiveVehicles(msgspec.Struct):
    vehicles: list[_LiveVehicle]
    next: str | None = None


class _Device(msgspec.Struct, rename="camel"):
    meter_id: str = ""
    vehicle_id: str = ""


class _Devices(msgspec.Struct):
    meters: list[_Device] = []
    vehicles: list[_Device] = []


class _Assignment(msgspec.Struct, rename={"begins_at": "from", "ends_at": "to", "meter_id": "meterId"}):
    id: int | str
    meter_id: str
    begins_at: datetime
    ends_at: datetime | None = None


class _Assignments(msgspec.Struct):
    assignments: list[_Assignment]
    next: int | str | None = None


class _ReadingError(msgspec.Struct):
    code: str
    detail: str


class _Ingested(msgspec.Struct):
    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    errors: list[_ReadingError]


class _TotalEnergy(msgspec.Struct, rename="camel"):
    ac_consumed_kwh: float | None
    dc_delivered_kwh: float | None


class _Performance(msgspec.Struct, rename="camel"):
    vehicle_id: str
    total_energy: _TotalEnergy
    efficiency_ratio: float | None
    avg_battery_temp: float | None


class _Problem(msgspec.Struct):
    code: str = ""
    title: str = ""
    detail: str = ""


class _Client:
    """One keep-alive connection to the API; every answer other than the expected one is an OperatorError."""

    def __init__(self, base_url: str, stop: threading.Event) -> None:
        url = urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise OperatorError(f"{base_url} is not the http address of a service")
        connection = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self.base_url: Final = base_url.rstrip("/")
        self._prefix: Final = url.path.rstrip("/")
        self._connection: Final = connection(url.hostname, url.port, timeout=_TIMEOUT_S)
        self._stop: Final = stop
        self._used_at_s = 0.0

    def get(self, path: str, kind: type[_T]) -> _T:
        return self.decode(path, self.call("GET", path), kind)

    def decode(self, path: str, body: bytes, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise OperatorError(f"{self.base_url}{path} answered what the contract does not say: {error}") from None

    def call(self, method: str, path: str, document: Any = None, *, expected: int = 200) -> bytes:
        """Send a request and return the body of its answer; 429, 502, 503 and 504 are tried again when they say."""
        body = None if document is None else msgspec.json.encode(document)
        for attempt in range(1, _TRIES + 1):
            try:
                status, retry_after, answer = self._exchange(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                # An assignment sent twice would overlap itself, and it is unknown whether the first one arrived.
                repeatable = method != "POST" or path == "/v1/ingest" or isinstance(error, ConnectionRefusedError)
                failure = f"{method} {self.base_url}{path} got no answer: {error or type(error).__name__}"
                wait_s = 0.5
            else:
                if status == expected:
                    return answer
                repeatable = status in _RETRIED_STATUSES
                failure = f"{method} {self.base_url}{path} answered {status} {_reason(answer)}"
                wait_s = _retry_after_s(retry_after)
            if not repeatable or attempt == _TRIES or self._stop.wait(wait_s):
                raise OperatorError(failure)
        raise AssertionError("the last try returns or raises")

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, str | None, bytes]:
        if time.monotonic() - self._used_at_s > _IDLE_S:
            self.close()
        timeout_s = _TIMEOUT_STOPPING_S if self._stop.is_set() else _TIMEOUT_S
        self._connection.timeout = timeout_s
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_s)
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, self._prefix + path, body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        self._used_at_s = time.monotonic()
        return response.status, response.getheader("Retry-After"), answer

    def close(self) -> None:
        self._connection.close()


@dataclass(slots=True)
class _Demo:
    """A fleet under way: what it posts to, what was posted so far, and when it ends."""

    client: _Client
    fleet: Fleet
    stop: threading.Event
    out: TextIO
    ends_at_s: float | None
    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    assignments: int = 0
    last_minute: Minute | None = None
    status_due_s: float = 0.0

    def say(self, text: str = "") -> None:
        self.out.write(text + "\n")
        self.out.flush()

    def over(self) -> bool:
        return self.stop.is_set() or (self.ends_at_s is not None and time.monotonic() >= self.ends_at_s)

    def step(self) -> Minute:
        self.last_minute = self.fleet.step()
        return self.last_minute

    def post_readings(self, readings: Sequence[_Reading]) -> None:
        body = self.client.call("POST", "/v1/ingest", readings)
        answer = self.client.decode("/v1/ingest", body, _Ingested)
        if answer.rejected:
            first = f": {answer.errors[0].code}, {answer.errors[0].detail}" if answer.errors else ""
            raise OperatorError(f"{answer.rejected} of {len(readings)} simulated readings were refused{first}")
        self.accepted += answer.accepted
        self.duplicates += answer.duplicates
        self.conflicts += answer.conflicts

    def post_assignments(self, minutes: Sequence[Minute]) -> None:
        """Make known who was plugged in where: whole if it began and ended in these minutes, else by its one end."""
        begun: dict[tuple[str, datetime], Session] = {}
        for minute in minutes:
            for session in minute.plugged_out:
                if (session.meter_id, session.plugged_in_at) in begun:
                    begun[session.meter_id, session.plugged_in_at] = session
                else:
                    self.close_session(session)
            for session in minute.plugged_in:
                begun[session.meter_id, session.plugged_in_at] = session
        for batch in _batches(list(begun.values()), _ASSIGNMENTS_PER_REQUEST):
            self.client.call("POST", "/v1/assignments", [_assignment(session) for session in batch], expected=201)
        self.assignments += len(begun)

    def close_session(self, session: Session) -> None:
        assert session.plugged_out_at is not None
        begins_at = session.plugged_in_at
        listed = _assignments(
            self.client, meterId=session.meter_id, vehicleId=session.vehicle_id, at=rfc3339(begins_at)
        )
        for assignment in listed:
            if assignment.begins_at == begins_at:
                _close(self.client, assignment, session.plugged_out_at)
                return
        raise OperatorError(f"the assignment of {session.vehicle_id} to {session.meter_id}, posted before, is gone")

    def post_past(self) -> None:
        """Post every minute up to the current one, a few thousand readings a request; it checks for a stop in between.

        Assignments go before the readings they explain, so that whoever asks meanwhile never finds energy without its
        assignment.
        """
        devices = len(self.fleet.vehicles) + len(self.fleet.chargers)
        minutes_per_batch = max(1, _READINGS_PER_REQUEST // devices)
        missing = (_whole_minute(_now()) - self.fleet.now) // MINUTE * devices
        with tqdm(total=missing, unit=" readings", unit_scale=True, leave=False, disable=None) as bar:
            while not self.stop.is_set():
                count = min(minutes_per_batch, (_whole_minute(_now()) - self.fleet.now) // MINUTE)
                if count <= 0:
                    break
                minutes = [self.step() for _ in range(count)]
                self.post_assignments(minutes)
                readings = [reading for minute in minutes for reading in _readings(minute)]
                for batch in _batches(readings, _READINGS_PER_REQUEST):
                    self.post_readings(batch)
                    bar.update(len(batch))

    def load_past(self, load: Load) -> None:
        """Load all but the last day of the past, a file of readings for each day; it checks for a stop in between."""
        end = _whole_minute(_now()) - _POSTED_PAST
        days = math.ceil((end - self.fleet.now) / timedelta(days=1))
        if days > 0:
            self.say(f"Loading {days} days of history; Ctrl-C stops, and the next run continues.")
        with (
            tempfile.TemporaryDirectory(prefix="energy-demo-") as directory,
            tqdm(total=max(0, days), unit=" days", leave=False, disable=None) as bar,
        ):
            path = Path(directory) / "readings.ndjson"
            while self.fleet.now < end and not self.stop.is_set():
                midnight = (self.fleet.now + MINUTE).replace(hour=0, minute=0) + timedelta(days=1)
                count = (min(end, midnight - MINUTE) - self.fleet.now) // MINUTE
                minutes = [self.step() for _ in range(count)]
                self.post_assignments(minutes)
                readings = [reading for minute in minutes for reading in _readings(minute)]
                path.write_bytes(msgspec.json.Encoder().encode_lines(readings))
                self.accepted += load(path)
                bar.update()

    def live(self) -> None:
        """Post each minute as it ends, its devices spread over the next, until the end; minutes stay whole."""
        while True:
            if _now() - self.fleet.now >= 2 * MINUTE:  # The machine was asleep, or the service away.
                self.post_past()
            due = self.fleet.now + MINUTE
            if not self.pause_until(due):
                return
            minute = self.step()
            self.post_assignments([minute])
            groups = _groups(minute, self.fleet.open_sessions)
            for number, group in enumerate(groups):
                if not self.pause_until(due + _SPREAD * number / len(groups)):
                    # A vehicle's DC energy without its meter's AC energy would look like a fault for ever.
                    rest = [reading for late in groups[number:] for reading in late]
                    for batch in _batches(rest, _READINGS_PER_REQUEST):
                        self.post_readings(batch)
                    return
                self.post_readings(group)

    def pause_until(self, moment: datetime) -> bool:
        """Wait, with a status line now and then; False if the demo is over."""
        while not self.over():
            self.status()
            wait_s = (moment - _now()).total_seconds()
            if wait_s <= 0:
                return True
            if self.ends_at_s is not None:
                wait_s = min(wait_s, max(0.0, self.ends_at_s - time.monotonic()))
            # At most a second, because the wall clock may be set, or the machine sleep, meanwhile.
            self.stop.wait(min(wait_s, 1.0))
        return False

    def status(self) -> None:
        if time.monotonic() < self.status_due_s:
            return
        self.status_due_s = time.monotonic() + _STATUS_EVERY_S
        line = f"{_now():%H:%M:%S} UTC  {self.accepted:>9,} readings accepted"
        if self.last_minute is not None:
            charging = sum(reading["kwhDeliveredDc"] > 0 for reading in self.last_minute.vehicle_readings)
            drawn_kw = sum(reading["kwhConsumedAc"] for reading in self.last_minute.meter_readings) * 60
            line += f"  {charging:>4} vehicles charging  {drawn_kw:>8.1f} kW drawn"
        if self.conflicts:
            line += f"  {self.conflicts:,} contradicted kept ones: does another demo post here?"
        self.say(line)


def run(
    base_url: str,
    *,
    stop: threading.Event,
    seconds: float | None = None,
    vehicles: int = VEHICLES,
    seed: int = SEED,
    days: int = DAYS,
    load: Load | None = None,
    alone: bool = False,
    out: TextIO | None = None,
) -> None:
    """Post the past of a simulated fleet to the API at `base_url`, print what it answers, then post live.

    Runs until `stop` is set, which takes effect within a second between answered requests, or until `seconds` have
    passed since the call; the past is posted whole even then, and the last performance is printed at the end.
    `vehicles` is 3 or more; there are 0.6 chargers to each. The past covers `days`; data older than 24 hours goes
    through `load`, which takes a file of readings and returns how many were stored. Writes to
    `out` (default: standard output), and a progress bar to standard error where that is a terminal.

    Data of an earlier run is continued: vehicles keep their state of charge, those that were charging go on, readings
    follow the newest one, at most `days` back, and assignments left open are closed there.

    Raises OperatorError where the service does not answer, or not as the contract says, and with `alone` where it knows
    a device that is none of a simulated fleet. Nothing is raised once `stop`
    is set: the service may be going away too.
    """
    if vehicles < 3:
        raise ConfigurationError(f"{vehicles} vehicles: a simulated fleet has at least 3, such as --vehicles 12")
    if not DAYS <= days <= MOST_DAYS:
        raise ConfigurationError(
            f"{days} days: the past of a simulated fleet has {DAYS} to {MOST_DAYS}, such as --days 30"
        )
    ends_at_s = None if seconds is None else time.monotonic() + seconds
    client = _Client(base_url, stop)
    try:
        if alone and (other := _other_device(client)) is not None:
            raise OperatorError(
                f"the database holds {other}, which is no device of the demo's, and its simulated fleet would be "
                "counted with yours: unset DATABASE_URL, or name a database of the demo's own"
            )
        fleet, resumed = _resume(client, seed, vehicles, timedelta(days=days))
        demo = _Demo(client, fleet, stop, sys.stdout if out is None else out, ends_at_s)
        demo.say(resumed)
        _tell(demo, seconds, load)
    except OperatorError:
        if not stop.is_set():
            raise
    finally:
        client.close()


def _tell(demo: _Demo, seconds: float | None, load: Load | None) -> None:
    began_at_s = time.monotonic()
    began_at = demo.fleet.now
    if load is not None:
        demo.load_past(load)
    demo.post_past()
    elapsed_s = time.monotonic() - began_at_s
    demo.say(_posted(demo, (demo.fleet.now - began_at) // MINUTE, elapsed_s))
    if demo.stop.is_set():
        return
    performances = _performances(demo)
    featured = _featured(performances)
    if featured is not None:
        _show_performance(demo, featured)
    _show_table(demo, performances)
    if demo.stop.is_set():
        return
    demo.say(f"\nServed at {demo.client.base_url}  (its description: {demo.client.base_url}/docs)")
    demo.say(
        "The simulated devices now send a reading each minute; Ctrl-C stops."
        if seconds is None
        else f"The simulated devices now send a reading each minute, until {seconds:g} s have passed."
    )
    demo.live()
    if not demo.stop.is_set():
        featured = featured or _featured(_performances(demo))
        if featured is not None:
            _show_performance(demo, featured)
    demo.say(f"\nStopped; {demo.accepted:,} readings accepted.")


def _resume(client: _Client, seed: int, vehicles: int, past: timedelta) -> tuple[Fleet, str]:
    """Make the fleet that continues what the service has of it; returns it with a line that says so.

    It starts after everything an earlier run made known: readings, and assignments, which run ahead of them.
    """
    chargers = max(2, round(vehicles * _CHARGERS_PER_VEHICLE))
    this_minute = _whole_minute(_now())
    roster = Fleet(seed, vehicles, chargers, this_minute)
    known = _known_vehicles(client, {vehicle.vehicle_id for vehicle in roster.vehicles})
    # Asked by vehicle and by meter: an earlier fleet of another size may hold either with a device this one lacks.
    listed: list[_Assignment] = []
    for vehicle in roster.vehicles:
        listed += _assignments(client, vehicleId=vehicle.vehicle_id)
    for charger in roster.chargers:
        listed += _assignments(client, meterId=charger.meter_id)
    latest = max(
        [vehicle.timestamp for vehicle in known]
        + [assignment.begins_at for assignment in listed]
        + [assignment.ends_at for assignment in listed if assignment.ends_at is not None],
        default=this_minute - past,
    )
    start = min(max(_whole_minute(latest + MINUTE - timedelta.resolution), this_minute - past), this_minute)
    still_open = {assignment.id: assignment for assignment in listed if assignment.ends_at is None}
    for assignment in still_open.values():
        # A second later, so that the reading stamped `start` still belongs to it; the new run's first one begins a
        # minute later.
        _close(client, assignment, max(start, assignment.begins_at) + timedelta(seconds=1))
    fleet = Fleet(
        seed,
        vehicles,
        chargers,
        start,
        {vehicle.vehicle_id: vehicle.soc for vehicle in known},
        {vehicle.vehicle_id: vehicle.battery_temp for vehicle in known},
        {vehicle.vehicle_id for vehicle in known if vehicle.charging},
    )
    size = f"{vehicles} vehicles at {chargers} chargers"
    if not known:
        return fleet, f"A simulated fleet, {size}, from {rfc3339(start)} on."
    closed = f"{len(still_open)} open assignment{'' if len(still_open) == 1 else 's'} closed"
    return fleet, f"Continuing a simulated fleet, {size}, from {rfc3339(start)} on; {closed}."


def _other_device(client: _Client) -> str | None:
    """A device that is not simulated, or None. Listed in order of id, one stands before all simulated
    ones or behind them."""
    for kind in ("meters", "vehicles"):
        for query in ({"limit": "1"}, {"limit": "1", "after": _LAST_OWN_ID}):
            page = client.get(f"/v1/{kind}?{urlencode(query)}", _Devices)
            for device in (*page.meters, *page.vehicles):
                device_id = device.meter_id or device.vehicle_id
                if not device_id.startswith(ID_PREFIX):
                    return device_id
    return None


def _known_vehicles(client: _Client, vehicle_ids: set[str]) -> list[_LiveVehicle]:
    known: list[_LiveVehicle] = []
    query: dict[str, Any] = {"limit": 1000}
    while True:
        page = client.get(f"/v1/live/vehicles?{urlencode(query)}", _LiveVehicles)
        known += [vehicle for vehicle in page.vehicles if vehicle.vehicle_id in vehicle_ids]
        if page.next is None:
            return known
        query["after"] = page.next


def _assignments(client: _Client, **query: Any) -> list[_Assignment]:
    listed: list[_Assignment] = []
    while True:
        page = client.get(f"/v1/assignments?{urlencode(query)}", _Assignments)
        listed += page.assignments
        if page.next is None:
            return listed
        query["after"] = page.next


def _close(client: _Client, assignment: _Assignment, ends_at: datetime) -> None:
    client.call("PATCH", f"/v1/assignments/{quote(str(assignment.id))}", {"to": rfc3339(ends_at)})


def _performances(demo: _Demo) -> list[_Performance]:
    """Ask for the last 24 hours of the first vehicles."""
    performances: list[_Performance] = []
    for vehicle in islice(demo.fleet.vehicles, _VEHICLES_ASKED):
        if demo.stop.is_set():
            break
        performances.append(demo.client.get(_performance_path(vehicle.vehicle_id), _Performance))
    return performances


def _featured(performances: Sequence[_Performance]) -> str | None:
    """The vehicle with the most energy among those with a normal ratio, or None."""
    sound = [one for one in performances if one.efficiency_ratio is not None and not _remark(one)]
    most = max(sound, key=lambda one: one.total_energy.ac_consumed_kwh or 0, default=None)
    return None if most is None else most.vehicle_id


def _show_performance(demo: _Demo, vehicle_id: str) -> None:
    path = _performance_path(vehicle_id)
    answer = demo.client.call("GET", path)
    demo.say(f"\n$ curl '{demo.client.base_url}{path}'")
    demo.say(msgspec.json.format(answer, indent=2).decode())


def _show_table(demo: _Demo, performances: Sequence[_Performance]) -> None:
    """The worst few and the busiest of the others, in the order of their ids."""
    charged = [one for one in performances if one.efficiency_ratio is not None]
    if not charged:
        demo.say("\nNo vehicle has charged in the last 24 hours.")
        return
    odd = sorted((one for one in charged if _remark(one)), key=lambda one: one.efficiency_ratio or 0)
    shown = odd[: _VEHICLES_SHOWN // 2]
    sound = sorted((one for one in charged if not _remark(one)), key=lambda one: one.total_energy.ac_consumed_kwh or 0)
    shown += sound[::-1][: _VEHICLES_SHOWN - len(shown)]
    demo.say(f"\nLast 24 hours, {len(shown)} of {len(charged)} vehicles that charged ({len(odd)} out of the ordinary):")
    demo.say(f"  {'vehicle':<12}{'AC kWh':>10}{'DC kWh':>10}{'ratio':>9}{'battery C':>11}")
    for one in sorted(shown, key=lambda one: one.vehicle_id):
        energy = one.total_energy
        demo.say(
            f"  {one.vehicle_id:<12}{_figure(energy.ac_consumed_kwh, 10, 2)}{_figure(energy.dc_delivered_kwh, 10, 2)}"
            f"{_figure(one.efficiency_ratio, 9, 4)}{_figure(one.avg_battery_temp, 11, 1)}   {_remark(one)}".rstrip()
        )


def _remark(performance: _Performance) -> str:
    ratio = performance.efficiency_ratio
    if ratio is None:
        return ""
    return "abnormal loss" if ratio < _ABNORMAL_BELOW_RATIO else "data fault" if ratio > 1 else ""


def _figure(value: float | None, width: int, decimals: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{decimals}f}"


def _posted(demo: _Demo, minutes: int, elapsed_s: float) -> str:
    if not minutes:
        return "No whole minute has passed since then; nothing to post yet."
    rate = demo.accepted / elapsed_s
    line = (
        f"Posted {demo.accepted:,} readings of {minutes:,} minutes and {demo.assignments:,} assignments"
        f" in {elapsed_s:.1f} s: {rate:,.0f} readings/s."
    )
    if demo.duplicates or demo.conflicts:
        line += f" Of others, {demo.duplicates:,} were kept already and {demo.conflicts:,} contradicted kept ones."
    return line


def _groups(minute: Minute, plugged: Sequence[Session]) -> list[list[_Reading]]:
    """Split a minute's readings by device, but for a plugged vehicle, which goes with its meter.

    Their energies then arrive together, and a ratio asked for in between is right.
    """
    meter_by_vehicle = {session.vehicle_id: session.meter_id for session in plugged}
    meters = {reading["meterId"]: reading for reading in minute.meter_readings}
    groups: list[list[_Reading]] = []
    for reading in minute.vehicle_readings:
        meter_id = meter_by_vehicle.get(reading["vehicleId"])
        groups.append([reading] if meter_id is None else [meters.pop(meter_id), reading])
    groups += [[reading] for reading in meters.values()]
    return groups


def _readings(minute: Minute) -> Iterator[_Reading]:
    yield from minute.meter_readings
    yield from minute.vehicle_readings


def _assignment(session: Session) -> dict[str, str]:
    document = {
        "meterId": session.meter_id,
        "vehicleId": session.vehicle_id,
        "from": rfc3339(session.plugged_in_at),
    }
    if session.plugged_out_at is not None:
        document["to"] = rfc3339(session.plugged_out_at)
    return document


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _performance_path(vehicle_id: str) -> str:
    return f"/v1/analytics/performance/{vehicle_id}"


def _reason(answer: bytes) -> str:
    try:
        problem = msgspec.json.decode(answer, type=_Problem)
    except msgspec.DecodeError:
        return repr(answer[:200])
    return f"{problem.code}: {problem.detail or problem.title}"


def _retry_after_s(header: str | None) -> float:
    seconds = float(header) if header is not None and header.isdigit() else 1.0
    return min(seconds, _LONGEST_RETRY_AFTER_S)


def _whole_minute(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _now() -> datetime:
    return datetime.now(UTC)
