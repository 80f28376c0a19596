"""The rules of registers and session counters, in plain Python: one pass over a device's sorted readings.

What the database has to come to, whatever the order in which readings arrive. It knows nothing of SQL, hours or
rollups and shares no code with what it judges. Powers, energies and hours are compared in double precision, as the
database does it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

Meaning = Literal["interval", "register", "session"]

JITTER_KWH = 0.5
SESSION_JITTER_KWH = 0.1
OVER_RATED = 1.2
UNKNOWN_POWER_KW = 1000.0
RESET_SHARE = 0.1
STANDS_STILL_KNOWN = timedelta(hours=24)
STANDS_STILL_UNKNOWN = timedelta(hours=1)
OPEN_FOR = timedelta(days=7)
HOUR = timedelta(hours=1)


class Decision(NamedTuple):
    """What an operator says a step was; of an exchange, the new meter's first value."""

    kind: Literal["plain", "reset", "rollover", "glitch", "exchange"]
    first_kwh: float | None = None


class Event(NamedTuple):
    """A step that is not plain energy. `before_kwh` is the value it counts from; None at the first reading."""

    at: datetime
    kind: str
    before_kwh: float | None
    kwh: float
    counted_kwh: float
    correction_kwh: float


@dataclass(frozen=True)
class Rules:
    """What is known of a device: all that judging rests on beside the readings."""

    meaning: Literal["register", "session"] = "register"
    modulus_kwh: float | Sequence[tuple[datetime, float | None]] | None = None
    rated_power_kw: float | None = None

    @property
    def power_kw(self) -> float:
        """The most that the device can deliver."""
        return UNKNOWN_POWER_KW if self.rated_power_kw is None else OVER_RATED * self.rated_power_kw

    def modulus_at(self, at: datetime) -> float | None:
        """The value at which the register rolls over to zero: one for all time, or each after its instant."""
        if isinstance(self.modulus_kwh, float | int | None):
            return self.modulus_kwh
        return [modulus for since, modulus in self.modulus_kwh if since < at][-1]

    @property
    def stands_still(self) -> timedelta:
        """How long a value may stand while energy flows."""
        return STANDS_STILL_UNKNOWN if self.rated_power_kw is None else STANDS_STILL_KNOWN


@dataclass(frozen=True)
class Open:
    """The event that a return may still undo: the value before it, and what was counted since."""

    at: datetime
    before_kwh: float
    kind: str
    fell: bool
    counted_kwh: float
    moved: bool = False


@dataclass(frozen=True)
class State:
    """What judging the next reading rests on."""

    at: datetime
    kwh: float
    flows_from: datetime
    stands: bool
    before_at: datetime | None = None
    before_kwh: float | None = None
    counted_kwh: float = 0.0
    may_be_undone: bool = False
    open: Open | None = None


def events(
    readings: Iterable[tuple[datetime, float]], rules: Rules, decisions: Mapping[datetime, Decision] | None = None
) -> list[Event]:
    """The events of one run of readings of a device, in order of time.

    A decision stands at the reading it is about; an exchange at the first reading at or after its instant.
    """
    found: list[Event] = []
    state: State | None = None
    shown: float = 0.0
    left_out = False
    decided = dict(sorted((decisions or {}).items()))
    for at, kwh in sorted(readings):
        decision = _due(decided, at)
        if decision is not None and decision.kind == "glitch":
            found.append(Event(at, "glitch", state.kwh if state else None, kwh, 0.0, shown - kwh))
            shown, left_out = kwh, True
            continue
        kind, counted, after = _judge(state, at, kwh, rules, decision)
        if kind is None and left_out:
            kind = "return"
            after = replace(after, flows_from=state.at if state else at, stands=True)
        if kind is not None:
            found.append(Event(at, kind, state.kwh if state else None, kwh, counted, counted - (kwh - shown)))
        state, shown, left_out = after, kwh, False
    return found


def _due(decided: dict[datetime, Decision], at: datetime) -> Decision | None:
    due: Decision | None = decided.pop(at, None)
    for instant, decision in list(decided.items()):
        if decision.kind == "exchange" and instant <= at:
            due = due or decision
            del decided[instant]
    return due


def _hours(length: timedelta) -> float:
    return length.total_seconds() / 3600


def _judge(
    state: State | None, at: datetime, kwh: float, rules: Rules, decision: Decision | None
) -> tuple[str | None, float, State]:
    """The event's kind or None, what the step counts, and the state after it."""
    if state is None:
        return "baseline", 0.0, State(at, kwh, flows_from=at, stands=True)
    if decision is not None:
        return _decided(state, at, kwh, rules, decision)
    step = kwh - state.kwh
    moves = step != 0
    opened = state.open if state.open is not None and at - state.open.at <= OPEN_FOR else None
    flows_from = min(state.at, max(state.flows_from, at - rules.stands_still))
    can_flow = rules.power_kw * _hours(at - flows_from) + JITTER_KWH
    is_plain = -JITTER_KWH <= step <= can_flow
    # While the register stands after an event, a step that takes longer than the last reading may be the way back.
    is_plain_at_once = is_plain and (not state.stands or step <= rules.power_kw * _hours(at - state.at) + JITTER_KWH)
    is_register = rules.meaning == "register"

    def event(kind: str, counted: float, new: Open | None) -> tuple[str, float, State]:
        return kind, counted, State(
            at, kwh, state.at, True, state.at, state.kwh, counted, kind == "return", new
        )  # fmt: skip

    def goes_on(counted: float) -> Open | None:
        if opened is None:
            return None
        return replace(opened, counted_kwh=opened.counted_kwh + counted, moved=opened.moved or moves)

    def opens(kind: str, counted: float) -> tuple[str, float, State]:
        return event(kind, counted, Open(state.at, state.kwh, kind, step < 0, counted))

    if is_register and opened is not None:
        back = kwh - opened.before_kwh
        is_back = -JITTER_KWH <= back <= rules.power_kw * _hours(at - opened.at) + JITTER_KWH
        goes_against = step > 0 if opened.fell else step < 0
        first_move = (
            not opened.moved
            and opened.fell
            and abs(step) > JITTER_KWH
            and (opened.kind == "break" or rules.rated_power_kw is None)
        )
        if is_back and goes_against and (not is_plain_at_once or first_move):
            return event("return", back - opened.counted_kwh, None)
    modulus_kwh = rules.modulus_at(at)
    rolled = None if modulus_kwh is None else kwh + modulus_kwh - state.kwh
    rolls_over = step < 0 and rolled is not None and 0 <= rolled <= can_flow
    if (
        is_register
        and step < -JITTER_KWH
        and state.may_be_undone
        and state.before_kwh is not None
        and state.before_at is not None
        and -JITTER_KWH <= kwh - state.before_kwh <= rules.power_kw * _hours(at - state.before_at) + JITTER_KWH
        and state.kwh - state.before_kwh > JITTER_KWH
        and not rolls_over
    ):
        counted = kwh - state.before_kwh - state.counted_kwh
        return event("return", counted, goes_on(counted))
    if not is_register and step < -SESSION_JITTER_KWH:
        return opens("reset", kwh)
    if is_plain:
        stands = state.stands and not moves
        flows = state.at if moves else state.flows_from
        return None, step, State(at, kwh, flows, stands, state.at, state.kwh, step, True, goes_on(step))
    if rolls_over and rolled is not None:
        return opens("rollover", rolled)
    if step < 0 and kwh <= RESET_SHARE * state.kwh and kwh <= can_flow:
        return opens("reset", kwh)
    return opens("break", 0.0)


def _decided(
    state: State, at: datetime, kwh: float, rules: Rules, decision: Decision
) -> tuple[str | None, float, State]:
    counted = {
        "plain": kwh - state.kwh,
        "reset": kwh,
        "rollover": kwh + (rules.modulus_at(at) or 0.0) - state.kwh,
        "exchange": kwh - (decision.first_kwh or 0.0),
    }[decision.kind]
    return decision.kind, counted, State(at, kwh, state.at, True, state.at, state.kwh, counted, False, None)


def energy(
    readings: Iterable[tuple[datetime, float]], found: Iterable[Event], begins: datetime, ends: datetime
) -> float | None:
    """Energy of a run of readings in (begins, ends], kWh: its last value less that before, plus the corrections.

    None where no reading of the window counts anything: none is there, or the run's first one alone.
    """
    in_order = sorted(readings)
    inside = [at for at, _ in in_order if begins < at <= ends]
    of_window = [event for event in found if begins < event.at <= ends]
    if not inside or (len(inside) == 1 and any(event.kind == "baseline" for event in of_window)):
        return None
    before = [kwh for at, kwh in in_order if at <= begins]
    last = [kwh for at, kwh in in_order if at <= ends][-1]
    return last - (before[-1] if before else 0.0) + sum(event.correction_kwh for event in of_window)
