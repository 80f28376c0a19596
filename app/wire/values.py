"""The kinds of values that fields have, each with its bounds.

Units: kWh for energy, percent for state of charge, degrees C for temperature, V for voltage. Every timestamp has a
zone; answers are in UTC. Names of fields, in every file here, are the contract's JSON names.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta

DeviceId = Annotated[
    str,
    Meta(
        # Not . or .., which clients take out of paths; without a look-ahead, which RE2 lacks. A bare $ would let a
        # trailing newline through.
        pattern=r"^([A-Za-z0-9*_=:+|@.-]{3,64}|[A-Za-z0-9*_=:+|@-][A-Za-z0-9*_=:+|@.-]?|\.[A-Za-z0-9*_=:+|@-])$(?!\n)",
        description="1 to 64 of the characters A-Z a-z 0-9 * - _ = : + | @ . but not . or ..",
        examples=["M-101"],
    ),
]
EnergyKwh = Annotated[float, Meta(ge=0, le=1e9, description="kWh; below 1e-9 it becomes 0", examples=[12.4])]
VoltageV = Annotated[float, Meta(ge=0, le=50_000, description="V", examples=[231.5])]
SocPct = Annotated[float, Meta(ge=0, le=100, description="percent", examples=[82.5])]
BatteryTempC = Annotated[float, Meta(ge=-60, le=200, description="degrees C", examples=[34.2])]
PowerKw = Annotated[float, Meta(gt=0, le=1e5, description="kW", examples=[11])]
CapacityKwh = Annotated[float, Meta(gt=0, le=1e5, description="kWh", examples=[60])]
ModulusKwh = Annotated[
    float, Meta(gt=0, le=1e9, description="kWh at which a register starts again at 0", examples=[100000])
]
Label = Annotated[
    str,
    Meta(
        pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,98}[^\s\x00-\x1f\x7f])?$(?!\n)",
        description="a line of 1 to 100 characters, without spaces at its ends",
        examples=["Depot North"],
    ),
]
Share = Annotated[float, Meta(ge=0, le=1, examples=[0.98])]
Count = Annotated[int, Meta(ge=0, examples=[12])]
Bytes = Annotated[int, Meta(ge=0, examples=[52_428_800])]
RowId = Annotated[int, Meta(ge=1, examples=[42])]
EnergyReading = Literal["interval", "register", "session"]
Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339 with a time zone", examples=["2026-11-20T08:00:00Z"])]

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Earliest start of an assignment and of a kind of device."""
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""Latest end of an assignment and start of a kind of device; later ones are typing errors."""
