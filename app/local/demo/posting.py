"""A fleet under way: its past posted or loaded, then each minute as it ends."""

import math
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from tqdm import tqdm

from app.errors import OperatorError
from app.local.demo.client import Client, Ingested
from app.local.simulator import MINUTE, Fleet, MeterReading, Minute, Session, VehicleReading, rfc3339

# This much of the past is posted in requests, as devices send; older data is loaded as files, which is faster.
_POSTED_PAST: Final = timedelta(hours=24)
_READINGS_PER_REQUEST: Final = 4000
_ASSIGNMENTS_PER_REQUEST: Final = 500
_STATUS_EVERY_S: Final = 15.0
# A minute's readings are spread over this much of the next one, so that all arrive before it ends.
_SPREAD: Final = timedelta(seconds=55)
_T = TypeVar("_T")
_Reading = MeterReading | VehicleReading
# Loads a file of readings, lines of JSON; returns how many were stored.
Load = Callable[[Path], int]


@dataclass(slots=True)
class Demo:
    """A fleet under way: what it posts to, what was posted so far, and when it ends."""

    client: Client
    fleet: Fleet
    stop: threading.Event
    ends_at_s: float
    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    assignments: int = 0
    last_minute: Minute | None = None
    status_due_s: float = 0.0

    def write(self, text: str = "") -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def over(self) -> bool:
        return self.stop.is_set() or time.monotonic() >= self.ends_at_s

    def advance(self, count: int) -> list[Minute]:
        """Simulate minutes and post their assignments; their readings are still to be posted.

        In this order, so that whoever asks meanwhile never finds energy without its assignment.
        """
        minutes = [self.fleet.step() for _ in range(count)]
        self.last_minute = minutes[-1]
        self.post_assignments(minutes)
        return minutes

    def post_readings(self, readings: Sequence[_Reading]) -> None:
        answer = msgspec.json.decode(self.client.call("POST", "/v1/ingest", readings), type=Ingested)
        if answer.rejected:
            raise OperatorError(
                f"{answer.rejected} of {len(readings)} simulated readings were rejected: {answer.errors[0].detail}"
            )
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
        for assignment in self.client.assignments(
            meterId=session.meter_id, vehicleId=session.vehicle_id, at=rfc3339(begins_at)
        ):
            if assignment.begins_at == begins_at:
                self.client.end_assignment(assignment, session.plugged_out_at)
                return
        raise OperatorError(f"the assignment of {session.vehicle_id} to {session.meter_id}, posted before, is gone")

    def post_past(self) -> None:
        """Post every minute up to the current one, thousands of readings a request; a stop takes effect in between."""
        devices = len(self.fleet.vehicles) + len(self.fleet.chargers)
        minutes_per_batch = max(1, _READINGS_PER_REQUEST // devices)
        missing = (whole_minute(now()) - self.fleet.now) // MINUTE * devices
        with tqdm(total=missing, unit=" readings", unit_scale=True, leave=False, disable=None) as bar:
            while not self.stop.is_set():
                count = min(minutes_per_batch, (whole_minute(now()) - self.fleet.now) // MINUTE)
                if count <= 0:
                    break
                for batch in _batches(_readings(self.advance(count)), _READINGS_PER_REQUEST):
                    self.post_readings(batch)
                    bar.update(len(batch))

    def load_past(self, load: Load) -> None:
        """Load all but the last day of the past, a file of readings a day; a stop takes effect in between."""
        end = whole_minute(now()) - _POSTED_PAST
        days = math.ceil((end - self.fleet.now) / timedelta(days=1))
        if days > 0:
            self.write(f"Loading {days} days of history; Ctrl-C stops, and the next run continues.")
        with (
            tempfile.TemporaryDirectory(prefix="energy-demo-") as directory,
            tqdm(total=max(0, days), unit=" days", leave=False, disable=None) as bar,
        ):
            path = Path(directory) / "readings.ndjson"
            while self.fleet.now < end and not self.stop.is_set():
                midnight = (self.fleet.now + MINUTE).replace(hour=0, minute=0) + timedelta(days=1)
                count = (min(end, midnight - MINUTE) - self.fleet.now) // MINUTE
                path.write_bytes(msgspec.json.Encoder().encode_lines(_readings(self.advance(count))))
                self.accepted += load(path)
                bar.update()

    def live(self) -> None:
        """Post each minute as it ends, its devices spread over the next, until the end; minutes stay whole."""
        while True:
            if now() - self.fleet.now >= 2 * MINUTE:  # The machine was asleep, or the service slow.
                self.post_past()
            due = self.fleet.now + MINUTE
            if not self.pause_until(due):
                return
            (minute,) = self.advance(1)
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
            wait_s = (moment - now()).total_seconds()
            if wait_s <= 0:
                return True
            # At most a second, because the wall clock may be set, or the machine sleep, meanwhile.
            self.stop.wait(min(wait_s, self.ends_at_s - time.monotonic(), 1.0))
        return False

    def status(self) -> None:
        if time.monotonic() < self.status_due_s:
            return
        self.status_due_s = time.monotonic() + _STATUS_EVERY_S
        line = f"{now():%H:%M:%S} UTC  {self.accepted:>9,} readings accepted"
        if self.last_minute is not None:
            charging = sum(reading["kwhDeliveredDc"] > 0 for reading in self.last_minute.vehicle_readings)
            drawn_kw = self.last_minute.drawn_kwh * 60
            line += f"  {charging:>4} vehicles charging  {drawn_kw:>8.1f} kW drawn"
        if self.conflicts:
            line += f"  {self.conflicts:,} contradicted kept ones: does another demo post here?"
        self.write(line)


def _groups(minute: Minute, plugged: Sequence[Session]) -> list[list[_Reading]]:
    """Split a minute's readings by device, but for a plugged vehicle, which goes with its meter.

    Their energies then arrive together, and a ratio asked for in between is right.
    """
    meter_by_vehicle = {session.vehicle_id: session.meter_id for session in plugged}
    groups: dict[str, list[_Reading]] = {reading["meterId"]: [reading] for reading in minute.meter_readings}
    for reading in minute.vehicle_readings:
        vehicle_id = reading["vehicleId"]
        groups.setdefault(meter_by_vehicle.get(vehicle_id, vehicle_id), []).append(reading)
    return list(groups.values())


def _readings(minutes: Sequence[Minute]) -> list[_Reading]:
    readings: list[_Reading] = []
    for minute in minutes:
        readings += minute.meter_readings
        readings += minute.vehicle_readings
    return readings


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


def whole_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def now() -> datetime:
    return datetime.now(UTC)
