"""Energy accounting by its definitions, in plain Python over the raw readings: what every answer has to equal.

It scans everything and adds exactly (fractions), knows nothing of rollups, hours or SQL, and shares no code with what
it judges. The rules of registers are in registers.py.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Literal, NamedTuple

from tests.support.registers import Rules, events

EVER = datetime(1, 1, 1, tzinfo=UTC)
LATE_REPORT = timedelta(minutes=15)
"""A vehicle's reading may come so long after its charge, and still belong to it."""


class Reading(NamedTuple):
    """One reading's instant and kWh value."""

    at: datetime
    kwh: float


class Kind(NamedTuple):
    """What kWh values mean that are stamped after an instant, up to that of the device's next kind."""

    since: datetime
    meaning: Literal["interval", "register", "session"]
    modulus_kwh: float | None = None


class Counted(NamedTuple):
    """What one reading counts, kWh; None for a register's first reading, whose energy nobody knows."""

    at: datetime
    kwh: Fraction | None
    step: str


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


def counted(readings: Iterable[Reading], kinds: Sequence[Kind], rated_power_kw: float | None = None) -> list[Counted]:
    """What each reading of a device counts, in order of time; kinds in order of time, the first since ever.

    Neighbouring kinds of one meaning are one: a register goes on where its modulus changes.
    """
    in_order = sorted(readings)
    ends = [*(kind.since for kind in kinds[1:]), datetime.max.replace(tzinfo=UTC)]
    result: list[Counted] = []
    for meaning, group in groupby(zip(kinds, ends, strict=True), key=lambda pair: pair[0].meaning):
        run = list(group)
        own = [reading for reading in in_order if run[0][0].since < reading.at <= run[-1][1]]
        if meaning == "interval":
            result += [Counted(reading.at, Fraction(reading.kwh), "") for reading in own]
        else:
            moduli = [(kind.since, kind.modulus_kwh) for kind, _ in run]
            result += _register(own, Rules(meaning, moduli, rated_power_kw))
    return result


def _register(readings: Sequence[Reading], rules: Rules) -> list[Counted]:
    found = {event.at: event for event in events(readings, rules)}
    result: list[Counted] = []
    before = 0.0
    for at, kwh in readings:
        event = found.get(at)
        if event is None:
            result.append(Counted(at, Fraction(kwh) - Fraction(before), ""))
        elif event.kind == "baseline":
            result.append(Counted(at, None, "baseline"))
        else:
            result.append(Counted(at, Fraction(event.counted_kwh), event.kind))
        before = kwh
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


def belongs(counts: Sequence[Counted], stays: Sequence[tuple[datetime, datetime]]) -> list[bool]:
    """Whether each reading of a vehicle, in order of time, arrived in one of the times `(begins, ends]` in which meters
    fed it: it is stamped within one, or within 15 minutes after one, and the time since the reading before reaches into
    that."""
    before = EVER
    result: list[bool] = []
    for one in counts:
        result.append(
            any(begins < one.at <= ends for begins, ends in stays)
            or any(ends < one.at <= ends + LATE_REPORT and before < ends for _, ends in stays)
        )
        before = one.at
    return result


def spans(counts: Sequence[Counted], edges: Iterable[datetime]) -> list[bool]:
    """Whether the time since the reading before has an edge of an assignment within it, for each reading in order."""
    known = sorted(edges)
    result = [False] * min(1, len(counts))
    result += [bisect_right(known, before.at) < bisect_left(known, after.at) for before, after in pairwise(counts)]
    return result
