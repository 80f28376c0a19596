"""Energy accounting by its definitions, in plain Python over the raw readings: what every answer has to equal.

It scans everything and adds exactly (fractions), knows nothing of rollups, hours or SQL, and shares no code with what
it judges. Only the comparison with nine tenths is made as the database makes it, in double precision.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Literal, NamedTuple

EVER = datetime(1, 1, 1, tzinfo=UTC)
REMEMBERED = timedelta(days=7)


class Reading(NamedTuple):
    """One reading's instant and kWh value."""

    at: datetime
    kwh: float


class Kind(NamedTuple):
    """What kWh values mean that are stamped after an instant, up to that of the device's next kind."""

    since: datetime
    register: bool
    modulus_kwh: float | None = None


class Counted(NamedTuple):
    """What one reading counts, kWh; None for a register's first reading, whose energy nobody knows."""

    at: datetime
    kwh: Fraction | None
    step: Literal["", "baseline", "reset", "rollover"]


class Assignment(NamedTuple):
    """A meter fed a vehicle in (begins, ends]; ends is None where it still does."""

    meter: str
    vehicle: str
    begins: datetime
    ends: datetime | None


class Stretch(NamedTuple):
    """A meter's time in which it fed one vehicle, or nobody."""

    meter: str
    vehicle: str | None
    begins: datetime
    ends: datetime


@dataclass
class Total:
    """Energy of a window (kWh; None where nothing is known) and what happened in it."""

    kwh: Fraction | None = None
    readings: int = 0
    steps: dict[str, int] = field(default_factory=dict)

    def add(self, counted: Counted) -> None:
        """Count one more reading."""
        self.readings += 1
        self.steps[counted.step] = self.steps.get(counted.step, 0) + 1
        if counted.kwh is not None:
            self.kwh = (self.kwh or Fraction(0)) + counted.kwh


def counted(readings: Iterable[Reading], kinds: Sequence[Kind]) -> list[Counted]:
    """What each reading of a device counts, in order of time; kinds in order of time, the first since ever."""
    in_order = sorted(readings)
    ends = [*(kind.since for kind in kinds[1:]), datetime.max.replace(tzinfo=UTC)]
    result: list[Counted] = []
    for kind, end in zip(kinds, ends, strict=True):
        own = [reading for reading in in_order if kind.since < reading.at <= end]
        if kind.register:
            result += _register(own, kind.modulus_kwh)
        else:
            result += [Counted(reading.at, Fraction(reading.kwh), "") for reading in own]
    return result


def _register(readings: Sequence[Reading], modulus_kwh: float | None) -> list[Counted]:
    result: list[Counted] = []
    since_reset: list[Reading] = []
    for reading in readings:
        if not since_reset:
            result.append(Counted(reading.at, None, "baseline"))
            since_reset = [reading]
            continue
        previous = since_reset[-1]
        # A reading stamped at midnight is of the day that ends.
        midnight = (reading.at - datetime.resolution).replace(hour=0, minute=0, second=0, microsecond=0)
        remembered = [other.kwh for other in since_reset if other.at > midnight - REMEMBERED]
        mark = Fraction(max([previous.kwh, *remembered]))
        if not reading.kwh < 0.9 * previous.kwh:
            result.append(Counted(reading.at, max(Fraction(0), Fraction(reading.kwh) - mark), ""))
            since_reset.append(reading)
            continue
        energy, step = Fraction(reading.kwh), "reset"
        if modulus_kwh is not None and previous.kwh >= 0.9 * modulus_kwh:
            energy, step = energy + max(Fraction(0), Fraction(modulus_kwh) - mark), "rollover"
        result.append(Counted(reading.at, energy, step))  # type: ignore[arg-type]
        since_reset = [reading]
    return result


def total(counts: Sequence[Counted], begins: datetime, ends: datetime) -> Total:
    """The readings of (begins, ends] together; counts in order of time."""
    result = Total()
    first, after = (bisect_right(counts, edge, key=lambda c: c.at) for edge in (begins, ends))
    for one in counts[first:after]:
        result.add(one)
    return result


def fed(meter: str, at: datetime, assignments: Sequence[Assignment]) -> str | None:
    """Whom a meter feeds from an instant on: the vehicle it is assigned to, else the one of its own id, or nobody where
    that one ever had an assignment. So whatever a meter draws is drawn for one vehicle at most."""
    for one in assignments:
        if one.meter == meter and one.begins <= at and (one.ends is None or at < one.ends):
            return one.vehicle
    return None if any(one.vehicle == meter for one in assignments) else meter


def stretches(
    meters: Iterable[str], assignments: Sequence[Assignment], begins: datetime, ends: datetime
) -> list[Stretch]:
    """The window of each meter, cut where one of its assignments begins or ends."""
    result: list[Stretch] = []
    for meter in meters:
        edges = {edge for one in assignments if one.meter == meter for edge in (one.begins, one.ends) if edge}
        cuts = sorted({begins, ends, *(edge for edge in edges if begins < edge < ends)})
        result += [Stretch(meter, fed(meter, start, assignments), start, end) for start, end in pairwise(cuts)]
    return result
