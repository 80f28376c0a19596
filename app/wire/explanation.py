"""What a vehicle's performance is made of."""

from typing import Literal

from msgspec import Struct

from app.wire.energy import Window
from app.wire.performance import Performance
from app.wire.values import Count, Instant, RowId


class RegisterStep(Struct):
    """A step of a register that is not plain energy; `beforeKwh` is its value before, `registerKwh` after.

    `baseline`: its first reading, nothing is known before. `reset` and `rollover`: it began again at zero. `break`: no
    charger leads from one value to the other, it counts nothing. `return`: back to where it was before. `plain`,
    `glitch`, `exchange`: what an operator decided.
    """

    timestamp: Instant
    step: Literal["baseline", "return", "reset", "rollover", "break", "plain", "glitch", "exchange"]
    beforeKwh: float | None
    registerKwh: float


class EnergyPart(Struct):
    """What one hour adds to an energy, kWh to 9 decimals, and where it comes from.

    `rollup`: the hour's rollup. `cut_hour`: readings of a partial hour, clipped by the window, the assignment or a
    change of kind.
    """

    hour: Instant
    source: Literal["rollup", "cut_hour"]
    energyReading: Literal["interval", "register", "session"]
    firstReading: Instant
    lastReading: Instant
    readings: Count
    energyKwh: float | None
    estimated: bool
    steps: list[RegisterStep]


class ExplainedStretch(Struct):
    """A part of the window: a meter that fed the vehicle, by which assignment (null: it has the vehicle's id), and the
    readings that belong to it. Without a meter: what arrived elsewhere."""

    meterId: str | None
    assignmentId: RowId | None
    window: Window
    readings: Count
    energyKwh: float | None
    parts: list[EnergyPart]


class Explanation(Struct):
    """A vehicle's performance and what it is made of: readings and energies of the parts add up to its figures.

    `grid`: the meters' side, AC. `battery`: the vehicle's side, DC; its stretches with a meter are those of the ratio.
    One may end up to 15 minutes after its assignment: the first reading after the plug is out belongs to it.
    """

    performance: Performance
    grid: list[ExplainedStretch]
    battery: list[ExplainedStretch]
