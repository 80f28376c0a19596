"""The physics of a simulated EV fleet, minute by minute. Pure: no clock, no network, no files.

A depot of chargers, each behind its meter, and of more vehicles than chargers. A vehicle drives, parks, plugs in at a
free charger, charges to a target, perhaps stays plugged once it is there, and leaves.

**Instants.** Everything happens at whole minutes. A reading stamped `t` reports the energy of `(t - 1 min, t]`. An
assignment takes the readings of `(from, to]`. So a session's AC and DC cover the same minutes, with nothing lost or
lent at the ends:

- a vehicle plugged in at `t` draws its first energy after `t`, so its first charging reading is stamped `t + 1 min`;
- a vehicle plugged out at `t` drew nothing in `(t - 1 min, t]`: its last charging reading is stamped `t - 1 min` at the
  latest, and its reading stamped `t` is zero;
- the next vehicle may plug in at that same `t`: the meter's reading stamped `t` is zero, and of the session before.
"""

import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, TypedDict

MINUTE: Final = timedelta(minutes=1)

CONVERSION_EFFICIENCY: Final = 0.93
FIXED_OVERHEAD_KW: Final = 0.2
CONVERSION_NOISE: Final = 0.005
FAULT_FACTOR: Final = 0.86

# No device of a real fleet is likely to be called so.
ID_PREFIX: Final = "demo-"
_FIRST_METER: Final = 101
_FIRST_VEHICLE: Final = 201
_RATED_KW: Final = (11.0, 22.0, 11.0, 7.4, 22.0, 11.0, 22.0, 11.0)
_FAST_RATED_KW: Final = 50.0
_FAST_CHARGERS: Final = frozenset({4, 14})
_CHARGERS_PER_FAULT: Final = 8
_CAPACITIES_KWH: Final = (40.0, 60.0, 77.0)

# What happens to a fleet that has a story, after it began.
_CHARGER_BREAKS_AFTER: Final = timedelta(days=18)
_METER_EXCHANGED_AFTER: Final = timedelta(days=12, hours=3)
_VEHICLE_SILENT_AFTER: Final = timedelta(days=27)
_LOST_CAPACITY_PER_DAY: Final = 0.004
_LEAST_CAPACITY_SHARE: Final = 0.7
_FIRST_REGISTER_KWH: Final = 41_250.0
EXCHANGED_REGISTER_KWH: Final = 7.0
_LEAST_CHARGERS_OF_A_STORY: Final = 10

_TAPER_FROM_SOC_PCT: Final = 80.0
_TAPER_SHARE_AT_FULL: Final = 0.2
_LOWEST_DRIVING_SOC_PCT: Final = 8.0
# Nobody plugs in for less than the one, so nobody may plug in above the other.
_LEAST_CHARGE_SOC_PCT: Final = 5.0
_LATEST_RESUMED_SOC_PCT: Final = 95.0
# Two units of the kWh values' last decimal: anything less counts as zero.
_NOTHING_KWH: Final = 2e-6

_AMBIENT_MEAN_C: Final = 18.0
_AMBIENT_SWING_C: Final = 6.0
_AMBIENT_WARMEST_HOUR: Final = 15.0
_HEATING_C_PER_KW: Final = 0.28
_THERMAL_LAG_MIN: Final = 25.0

_VOLTAGE_V: Final = 230.0
_VOLTAGE_NOISE_V: Final = 0.8
_VOLTAGE_DROOP_V_PER_KW: Final = 0.06


class MeterReading(TypedDict):
    """A meter's reading as it goes over the wire: kWh since the meter's previous reading or, of a register, its value;
    volts."""

    meterId: str
    kwhConsumedAc: float
    voltage: float
    timestamp: str


class VehicleReading(TypedDict):
    """A vehicle's reading as it goes over the wire: percent, kWh since its previous reading, degrees Celsius."""

    vehicleId: str
    soc: float
    kwhDeliveredDc: float
    batteryTemp: float
    timestamp: str


@dataclass(frozen=True, slots=True)
class Charger:
    """A charger behind its meter; a faulty one loses a further 14 % of what it draws."""

    meter_id: str
    rated_kw: float
    faulty: bool


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle and its habits: the charger it prefers, and the state of charge below which it plugs in."""

    vehicle_id: str
    capacity_kwh: float
    home_charger: int
    plugs_in_below_soc_pct: float


@dataclass(frozen=True, slots=True)
class Story:
    """What a fleet goes through from `begun_at` on, to devices named by their place: a charger that was sound breaks, a
    meter that is a register is exchanged, a battery ages faster than others, a vehicle falls silent."""

    begun_at: datetime
    breaking_charger: int
    register: int
    aging_vehicle: int
    silent_vehicle: int

    @property
    def breaks_at(self) -> datetime:
        """When the charger breaks."""
        return self.begun_at + _CHARGER_BREAKS_AFTER

    @property
    def exchanged_at(self) -> datetime:
        """When the meter is exchanged: the first reading of the new one is a minute later."""
        return self.begun_at + _METER_EXCHANGED_AFTER

    @property
    def silent_from(self) -> datetime:
        """From when on the vehicle says nothing, and stands still."""
        return self.begun_at + _VEHICLE_SILENT_AFTER

    def capacity_share(self, moment: datetime) -> float:
        """What is left of the ageing battery's capacity."""
        lost = _LOST_CAPACITY_PER_DAY * ((moment - self.begun_at) / timedelta(days=1))
        return max(_LEAST_CAPACITY_SHARE, 1 - lost)


@dataclass(frozen=True, slots=True)
class Session:
    """A vehicle at a charger over `(plugged_in_at, plugged_out_at]`; `plugged_out_at` is None while it is there."""

    meter_id: str
    vehicle_id: str
    plugged_in_at: datetime
    plugged_out_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Minute:
    """What became known at `at`: one reading of every device, and who plugged in or out at that instant.

    `plugged_out` holds sessions begun earlier, now with both ends. `drawn_kwh` is the AC energy of all chargers.
    """

    at: datetime
    drawn_kwh: float
    meter_readings: tuple[MeterReading, ...]
    vehicle_readings: tuple[VehicleReading, ...]
    plugged_in: tuple[Session, ...]
    plugged_out: tuple[Session, ...]


class _Activity(Enum):
    DRIVING = "driving"
    PARKED = "parked"
    PLUGGED = "plugged"


@dataclass(slots=True)
class _State:
    """A vehicle's present. `minutes_left` counts down the drive, the stay in a bay, or the stay once charged."""

    vehicle: Vehicle
    capacity_kwh: float
    soc_pct: float
    battery_temp_c: float
    activity: _Activity
    minutes_left: int
    plugs_in_below_soc_pct: float
    driving_kw: float = 0.0
    target_soc_pct: float = 0.0
    charger: int | None = None
    session: Session | None = None


def rfc3339(moment: datetime) -> str:
    """Write an aware datetime the way the wire has it: UTC, ending in Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def dc_power_kw(ac_power_kw: float) -> float:
    """DC power in kW that reaches the battery of a sound charger drawing `ac_power_kw`; 0 at or below the overhead.

    0.93 x (1 - 0.2 kW / P) of P: a conversion loss in proportion and a fixed overhead. It reproduces what ADAC measured
    on AC charging: 6 to 10 % lost at 11 kW, 13 to 24 % at 2.3 kW.
    """
    return max(0.0, CONVERSION_EFFICIENCY * (ac_power_kw - FIXED_OVERHEAD_KW))


def ambient_temp_c(moment: datetime) -> float:
    """Outdoor temperature in degrees Celsius: a daily sinusoid from 12 to 24, warmest at 15:00 UTC."""
    hour = moment.hour + moment.minute / 60
    return _AMBIENT_MEAN_C + _AMBIENT_SWING_C * math.cos((hour - _AMBIENT_WARMEST_HOUR) / 24 * math.tau)


class Fleet:
    """A fleet whose time moves a minute with every :meth:`step`; the same arguments give the same readings.

    `start` is an aware whole minute; the first readings are stamped a minute later. `soc_pct` (percent) and
    `battery_temp_c` give vehicles, by id, the state to begin with; others begin with one drawn from the seed, and ids
    that are not of the fleet are passed over. Nobody is plugged in at `start`, and the first plug-in is a minute after;
    vehicles whose id is in `charging` want to go on charging then, unless they are nearly full.

    With `begun_at`, when it began, a fleet of 10 chargers or more has a :class:`Story`, which goes on where it is
    resumed; `register_kwh` is what its register shows, to be set there.

    What devices are (ratings, faults, capacities) follows from the seed and their number alone, so that a fleet resumed
    at another `start` is the same fleet; what they do follows from the seed and `start`. The first vehicle has the
    first charger, a sound one, to itself and charges after nearly every trip: at least once in any 24 hours.

    Raises ValueError for fewer than two chargers (one is faulty, one is not), for no more vehicles than chargers, for a
    `start` that is naive or not a whole minute, and for a state of charge outside 0..100.
    """

    def __init__(
        self,
        seed: int,
        vehicles: int,
        chargers: int,
        start: datetime,
        soc_pct: Mapping[str, float] | None = None,
        battery_temp_c: Mapping[str, float] | None = None,
        charging: Collection[str] = (),
        begun_at: datetime | None = None,
    ) -> None:
        if chargers < 2 or vehicles <= chargers:
            raise ValueError(f"{vehicles} vehicles and {chargers} chargers: it takes 2 chargers and a vehicle more")
        if start.tzinfo is None or start.second or start.microsecond:
            raise ValueError(f"{start.isoformat()} is not a whole minute with a zone")
        self.chargers: Final = tuple(_chargers(seed, chargers))
        self.vehicles: Final = tuple(_vehicles(seed, vehicles, chargers))
        self.now = start.astimezone(UTC)
        self.story: Final = None if begun_at is None else _story(begun_at, self.chargers, self.vehicles)
        self.register_kwh = _FIRST_REGISTER_KWH
        self._rng: Final = _rng(seed, self.now.isoformat())
        self._occupied: Final[set[int]] = set()
        self._states: Final = [self._initial(vehicle, soc_pct or {}, battery_temp_c or {}) for vehicle in self.vehicles]
        for state in self._states:
            if state.vehicle.vehicle_id in charging:
                state.minutes_left = 0
                state.plugs_in_below_soc_pct = _LATEST_RESUMED_SOC_PCT

    @property
    def soc_pct(self) -> dict[str, float]:
        """State of charge now, percent by vehicle id."""
        return {state.vehicle.vehicle_id: state.soc_pct for state in self._states}

    @property
    def open_sessions(self) -> tuple[Session, ...]:
        """Who is plugged in now, charging or not."""
        return tuple(state.session for state in self._states if state.session is not None)

    def step(self) -> Minute:
        """Move time on by one minute and return what became known at its end."""
        self.now += MINUTE
        stamp = rfc3339(self.now)
        ac_kwh_by_charger: dict[int, float] = {}
        plugged_out: list[Session] = []
        vehicle_readings: list[VehicleReading] = []
        for number, state in enumerate(self._states):
            dc_kwh = 0.0
            if self.story is not None:
                if number == self.story.silent_vehicle and self.now > self.story.silent_from and state.charger is None:
                    continue
                if number == self.story.aging_vehicle:
                    state.capacity_kwh = state.vehicle.capacity_kwh * self.story.capacity_share(self.now)
            if state.charger is None:
                self._drive_or_park(state)
            elif _missing_kwh(state) >= _NOTHING_KWH:
                ac_kwh_by_charger[state.charger], dc_kwh = self._charge(state, state.charger)
            elif state.minutes_left > 0:
                state.minutes_left -= 1
            else:
                plugged_out.append(self._plug_out(state))
            self._warm(state, dc_kwh * 60)
            vehicle_readings.append(
                {
                    "vehicleId": state.vehicle.vehicle_id,
                    "soc": round(state.soc_pct, 3),
                    "kwhDeliveredDc": dc_kwh,
                    "batteryTemp": round(state.battery_temp_c, 2),
                    "timestamp": stamp,
                }
            )
        meter_readings = tuple(
            self._meter_reading(index, ac_kwh_by_charger.get(index, 0.0), stamp) for index in range(len(self.chargers))
        )
        plugged_in = tuple(self._plug_in_who_wait())
        drawn_kwh = sum(ac_kwh_by_charger.values())
        return Minute(self.now, drawn_kwh, meter_readings, tuple(vehicle_readings), plugged_in, tuple(plugged_out))

    def _initial(self, vehicle: Vehicle, soc_pct: Mapping[str, float], battery_temp_c: Mapping[str, float]) -> _State:
        drawn_soc_pct = self._rng.uniform(30, 95)
        minutes_parked = self._rng.randint(0, 45)
        soc = soc_pct.get(vehicle.vehicle_id, drawn_soc_pct)
        if not 0 <= soc <= 100:
            raise ValueError(f"{vehicle.vehicle_id} cannot begin at a state of charge of {soc} %")
        temp_c = battery_temp_c.get(vehicle.vehicle_id, ambient_temp_c(self.now))
        return _State(
            vehicle, vehicle.capacity_kwh, soc, temp_c, _Activity.PARKED, minutes_parked, vehicle.plugs_in_below_soc_pct
        )

    def _drive_or_park(self, state: _State) -> None:
        state.minutes_left -= 1
        if state.activity is _Activity.DRIVING:
            used_kwh = state.driving_kw * self._rng.uniform(0.6, 1.4) / 60
            state.soc_pct -= used_kwh / state.capacity_kwh * 100
            if state.minutes_left <= 0 or state.soc_pct <= _LOWEST_DRIVING_SOC_PCT:
                state.activity = _Activity.PARKED
                state.minutes_left = self._rng.randint(15, 200)
        elif state.minutes_left <= 0 and state.soc_pct >= state.plugs_in_below_soc_pct:
            self._drive_off(state)

    def _drive_off(self, state: _State) -> None:
        state.activity = _Activity.DRIVING
        state.driving_kw = self._rng.uniform(8, 16)
        state.minutes_left = self._rng.randint(20, 75)

    def _is_faulty(self, index: int) -> bool:
        if self.story is not None and index == self.story.breaking_charger:
            return self.now > self.story.breaks_at
        return self.chargers[index].faulty

    def _charge(self, state: _State, index: int) -> tuple[float, float]:
        """Charge for a minute; returns AC and DC energy in kWh, rounded as reported so that the battery agrees."""
        sound = 1 + self._rng.uniform(-CONVERSION_NOISE, CONVERSION_NOISE)
        factor = sound * (FAULT_FACTOR if self._is_faulty(index) else 1.0)
        ac_kw = self.chargers[index].rated_kw * _taper_share(state.soc_pct)
        dc_kwh = round(factor * dc_power_kw(ac_kw) / 60, 6)
        missing_kwh = _missing_kwh(state)
        if dc_kwh >= missing_kwh:
            # The last minute is throttled to land on the target, never above it: hence floor and not round. The formula
            # is linear in the power, so it is turned round exactly.
            dc_kwh = math.floor(missing_kwh * 1e6) / 1e6
            ac_kw = dc_kwh * 60 / factor / CONVERSION_EFFICIENCY + FIXED_OVERHEAD_KW
        state.soc_pct += dc_kwh / state.capacity_kwh * 100
        return round(ac_kw / 60, 6), dc_kwh

    def _warm(self, state: _State, charging_kw: float) -> None:
        power_kw = state.driving_kw if state.activity is _Activity.DRIVING else charging_kw
        settles_at_c = ambient_temp_c(self.now) + _HEATING_C_PER_KW * power_kw
        state.battery_temp_c += (settles_at_c - state.battery_temp_c) * (1 - math.exp(-1 / _THERMAL_LAG_MIN))

    def _meter_reading(self, index: int, ac_kwh: float, stamp: str) -> MeterReading:
        said_kwh = ac_kwh
        if self.story is not None and index == self.story.register:
            if self.now == self.story.exchanged_at + MINUTE:
                self.register_kwh = EXCHANGED_REGISTER_KWH
            self.register_kwh = said_kwh = round(self.register_kwh + ac_kwh, 6)
        voltage_v = _VOLTAGE_V + self._rng.gauss(0, _VOLTAGE_NOISE_V) - _VOLTAGE_DROOP_V_PER_KW * ac_kwh * 60
        return {
            "meterId": self.chargers[index].meter_id,
            "kwhConsumedAc": said_kwh,
            "voltage": round(voltage_v, 2),
            "timestamp": stamp,
        }

    def _plug_out(self, state: _State) -> Session:
        assert state.charger is not None
        assert state.session is not None
        ended = replace(state.session, plugged_out_at=self.now)
        self._occupied.remove(state.charger)
        state.charger = None
        state.session = None
        state.plugs_in_below_soc_pct = state.vehicle.plugs_in_below_soc_pct
        self._drive_off(state)
        return ended

    def _plug_in_who_wait(self) -> Iterator[Session]:
        waiting = [
            state
            for state in self._states
            if state.activity is _Activity.PARKED
            and state.minutes_left <= 0
            and state.soc_pct < state.plugs_in_below_soc_pct
        ]
        # The emptiest goes first, or the vehicles with the highest numbers would wait for ever at a busy depot.
        for state in sorted(waiting, key=lambda state: state.soc_pct):
            charger = self._free_charger(state.vehicle)
            if charger is not None:
                yield self._plug_in(state, charger)

    def _free_charger(self, vehicle: Vehicle) -> int | None:
        if vehicle.home_charger not in self._occupied:
            return vehicle.home_charger
        # The first charger is kept for the first vehicle.
        free = [index for index in range(1, len(self.chargers)) if index not in self._occupied]
        return self._rng.choice(free) if free else None

    def _plug_in(self, state: _State, charger: int) -> Session:
        wanted_soc_pct = self._rng.choice((self._rng.uniform(60, 80), 80.0, 90.0, 100.0))
        stays_min = self._rng.choice((0, self._rng.randint(1, 30), self._rng.randint(30, 120)))
        session = Session(self.chargers[charger].meter_id, state.vehicle.vehicle_id, self.now)
        self._occupied.add(charger)
        state.activity = _Activity.PLUGGED
        state.charger = charger
        state.session = session
        state.target_soc_pct = max(wanted_soc_pct, state.soc_pct + _LEAST_CHARGE_SOC_PCT)
        state.minutes_left = stays_min
        return session


def _rng(*parts: object) -> random.Random:
    # Seeded with a string, which is hashed in full: neighbouring seeds have nothing in common.
    return random.Random("/".join(map(str, parts)))  # noqa: S311 - a simulation keeps no secrets


def _chargers(seed: int, count: int) -> Iterator[Charger]:
    # One fault in each run of eight chargers, never at the first charger, which the first vehicle relies on.
    faulty = {_rng(seed, "fault", 0).randrange(1, min(count, _CHARGERS_PER_FAULT))}
    for first in range(_CHARGERS_PER_FAULT, count, _CHARGERS_PER_FAULT):
        faulty.add(first + _rng(seed, "fault", first).randrange(_CHARGERS_PER_FAULT))
    for index in range(count):
        rated_kw = _FAST_RATED_KW if index in _FAST_CHARGERS else _RATED_KW[index % len(_RATED_KW)]
        yield Charger(f"{ID_PREFIX}M-{_FIRST_METER + index}", rated_kw, index in faulty)


def _story(begun_at: datetime, chargers: Sequence[Charger], vehicles: Sequence[Vehicle]) -> Story | None:
    """The last faulty charger is the one that breaks; the register is at a sound one; a small fleet has no story."""
    faulty = [index for index, charger in enumerate(chargers) if charger.faulty]
    if len(chargers) < _LEAST_CHARGERS_OF_A_STORY:
        return None
    sound = next(index for index in range(2, len(chargers)) if index not in faulty)
    return Story(begun_at, faulty[-1], sound, aging_vehicle=4, silent_vehicle=len(vehicles) - 1)


def _vehicles(seed: int, count: int, chargers: int) -> Iterator[Vehicle]:
    for index in range(count):
        rng = _rng(seed, "vehicle", index)
        capacity_kwh = rng.choice(_CAPACITIES_KWH)
        # Every fourth vehicle, the first among them, plugs in after nearly every trip.
        plugs_in_below_soc_pct = 92.0 if index % 4 == 0 else rng.uniform(35, 70)
        home_charger = index if index < chargers else 1 + (index - chargers) % (chargers - 1)
        yield Vehicle(f"{ID_PREFIX}V-{_FIRST_VEHICLE + index}", capacity_kwh, home_charger, plugs_in_below_soc_pct)


def _taper_share(soc_pct: float) -> float:
    """Share of the rated power a battery takes: all of it up to 80 %, then linearly down to a fifth when full."""
    above_pct = max(0.0, soc_pct - _TAPER_FROM_SOC_PCT)
    return 1 - (1 - _TAPER_SHARE_AT_FULL) * above_pct / (100 - _TAPER_FROM_SOC_PCT)


def _missing_kwh(state: _State) -> float:
    return (state.target_soc_pct - state.soc_pct) / 100 * state.capacity_kwh
