"""Register events, and what operators decide about them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from app.wire.values import Count, DeviceId, Instant, RowId

EventKind = Literal["baseline", "return", "rollover", "reset", "break", "plain", "glitch", "exchange"]
StepDecision = Literal["plain", "reset", "rollover", "glitch", "exchange"]
FirstKwh = Annotated[
    float, Meta(ge=0, le=1e9, description="kWh, the value with which the new meter began", examples=[700])
]


class RegisterEvent(Struct):
    """A step of a register that is not plain energy, from the value before (null: the first reading) to a reading's.

    `countedKwh` is the energy that it counts, `correctionKwh` that less the difference of the two values. `toDecide`:
    the rules guessed a reset of a register, or a break, and no return has undone it. `pending`: it is being judged
    anew.
    """

    meterId: str | None
    vehicleId: str | None
    at: Instant
    kind: EventKind
    beforeAt: Instant | None
    beforeKwh: float | None
    kwh: float
    countedKwh: float
    correctionKwh: float
    decidedBy: Literal["rule", "operator"]
    operator: str | None
    reason: str | None
    decidedAt: Instant | None
    toDecide: bool
    pending: bool


class RegisterEvents(Struct):
    """A page of events in order of time; `next` is what to pass as `after`, null on the last page. `total` counts
    100,000 at most."""

    events: list[RegisterEvent]
    total: Count
    next: str | None


class NewDecision(Struct, forbid_unknown_fields=True):
    """What a step of a register was. `at` is the instant of the reading to which it leads; of an exchange, when it
    takes place: it is about the first reading from then on, and `firstKwh` is the value the new meter began with."""

    at: Instant
    decision: StepDecision
    meterId: DeviceId | None = None
    vehicleId: DeviceId | None = None
    firstKwh: FirstKwh | None = None


class Decision(Struct):
    """What an operator decided about a step of a register; it stands until it is withdrawn."""

    meterId: str | None
    vehicleId: str | None
    at: Instant
    decision: StepDecision
    firstKwh: float | None
    decidedAt: Instant
    databaseRole: str
    operator: str | None
    reason: str | None


class Decisions(Struct):
    """A page of decisions by device and instant; `next` is what to pass as `after`, null on the last page."""

    decisions: list[Decision]
    next: str | None


class DecisionOutcome(Struct):
    """What a request changed: the decision as it stands (null: withdrawn), the event at its reading (null: a plain
    step, or the reading is still to come), and by how much the energy of the register changed (null: not known, since
    it was being judged anew already). `pending`: later readings are still to be judged."""

    outcome: Literal["decided", "changed", "unchanged", "withdrawn"]
    decision: Decision | None
    event: RegisterEvent | None
    energyChangeKwh: float | None
    pending: bool


class DecisionValues(Struct):
    """What was decided before or after a change."""

    decision: StepDecision
    firstKwh: float | None


class DecisionChange(Struct):
    """One change of a decision: `before` is null where it was made, `after` where it was withdrawn."""

    id: RowId
    meterId: str | None
    vehicleId: str | None
    at: Instant
    changedAt: Instant
    action: Literal["decided", "changed", "withdrawn"]
    databaseRole: str
    operator: str | None
    reason: str | None
    before: DecisionValues | None
    after: DecisionValues | None


class DecisionChanges(Struct):
    """A page of changes in the order they were made; `next` is what to pass as `after`, null on the last page."""

    changes: list[DecisionChange]
    next: Count | None
