"""Properties of meters and vehicles: parameters in, structs out.

Devices are those registered here, those with readings, and those with an assignment. What their kWh values mean may
change at an instant; the time before keeps its kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

import psycopg
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from app.db.pool import Connection, Database
from app.db.queries import query
from app.errors import InvalidParameter, UnknownMeter, UnknownVehicle
from app.wire.devices import (
    ChangedFleetDefaults,
    ChangedMeter,
    ChangedVehicle,
    DefaultChange,
    DeviceChange,
    DeviceKind,
    FleetDefaults,
    FleetDefaultsChange,
    Judged,
    Meter,
    MeterChange,
    MeterDetails,
    Meters,
    Vehicle,
    VehicleChange,
    VehicleDetails,
    Vehicles,
)
from app.wire.values import EARLIEST, LATEST
from app.words import rfc3339

DeviceType = Literal["meter", "vehicle"]


class Wanted(NamedTuple):
    """A device, and the change of it."""

    device_type: DeviceType
    device_id: str
    change: DeviceChange


@dataclass(frozen=True, slots=True)
class Page:
    """Which devices to list: ids after `after`, at most `limit`.

    `place` keeps the meters of a site, or the vehicles of a group; `search` those whose id or name contains a text,
    whatever its case. None keeps all.
    """

    after: str = ""
    limit: int = 100
    place: str | None = None
    search: str | None = None

    def parameters(self) -> dict[str, Any]:
        """The query's parameters; one row more than the limit, to know whether there is a next page."""
        return {"after": self.after, "row_limit": self.limit + 1, "place": self.place, "search": self.search}


class _Kind(NamedTuple):
    """What kWh values mean: interval, register, session, or None for the fleet's default."""

    energy_reading: str | None
    modulus_kwh: float | None


class _Done(NamedTuple):
    """Whether a device was changed, and which of its steps were judged anew: None where none had to be."""

    changed: bool
    judged: Judged | None

    @property
    def outcome(self) -> Literal["changed", "unchanged"]:
        return "changed" if self.changed else "unchanged"


async def meters(database: Database, page: Page) -> Meters:
    """A page of meters in order of id, empty where none fits. Raises :class:`DatabaseLost`."""
    rows = await database.fetch_all("meters", page.parameters())
    listed = [
        Meter(row.meter_id, row.name, row.site_name, **_properties(row, _kind(row))) for row in rows[: page.limit]
    ]
    return Meters(listed, listed[-1].meterId if len(rows) > page.limit else None)


async def vehicles(database: Database, page: Page) -> Vehicles:
    """A page of vehicles in order of id, empty where none fits. Raises :class:`DatabaseLost`."""
    rows = await database.fetch_all("vehicles", page.parameters())
    listed = [
        Vehicle(
            row.vehicle_id,
            row.name,
            row.group_name,
            **_properties(row, _kind(row)),
            batteryCapacityKwh=row.battery_capacity_kwh,
        )
        for row in rows[: page.limit]
    ]
    return Vehicles(listed, listed[-1].vehicleId if len(rows) > page.limit else None)


async def meter(database: Database, meter_id: str) -> MeterDetails:
    """A meter. Raises :class:`UnknownMeter` where it has no reading and no assignment, and is not registered;
    :class:`DatabaseLost`."""
    kinds = await _kinds(database, "meter", meter_id)
    if not kinds:
        raise UnknownMeter(f"meter {meter_id} has no reading and no assignment, and is not registered")
    [row] = await database.fetch_all("listed_meter", {"device_id": meter_id})
    return MeterDetails(meter_id, row.name, row.site_name, **_properties(row, kinds[-1]), kinds=kinds)


async def vehicle(database: Database, vehicle_id: str) -> VehicleDetails:
    """A vehicle. Raises :class:`UnknownVehicle` where it has no reading and no assignment, and is not registered;
    :class:`DatabaseLost`."""
    kinds = await _kinds(database, "vehicle", vehicle_id)
    if not kinds:
        raise UnknownVehicle(f"vehicle {vehicle_id} has no reading and no assignment, and is not registered")
    [row] = await database.fetch_all("listed_vehicle", {"device_id": vehicle_id})
    return VehicleDetails(
        vehicle_id,
        row.name,
        row.group_name,
        **_properties(row, kinds[-1]),
        batteryCapacityKwh=row.battery_capacity_kwh,
        kinds=kinds,
    )


async def set_meter(database: Database, meter_id: str, wanted: MeterChange) -> ChangedMeter:
    """Register a meter, or change it. Raises :class:`InvalidParameter` where the kind would change and
    `since` is missing, or cannot change; :class:`DatabaseLost`."""
    done = await database.write(lambda connection: _change(connection, Wanted("meter", meter_id, wanted)))
    return ChangedMeter(**asdict(await meter(database, meter_id)), outcome=done.outcome, judged=done.judged)


async def set_vehicle(database: Database, vehicle_id: str, wanted: VehicleChange) -> ChangedVehicle:
    """Register a vehicle, or change it, as :func:`set_meter` does."""
    done = await database.write(lambda connection: _change(connection, Wanted("vehicle", vehicle_id, wanted)))
    return ChangedVehicle(**asdict(await vehicle(database, vehicle_id)), outcome=done.outcome, judged=done.judged)


async def set_each(database: Database, wanted: Sequence[Wanted]) -> list[bool | InvalidParameter]:
    """Register or change devices, in one transaction: whether each was changed by it, or why it cannot be.

    Raises :class:`DatabaseLost`.
    """

    async def work(connection: Connection) -> list[bool | InvalidParameter]:
        outcomes: list[bool | InvalidParameter] = []
        for one in wanted:
            try:
                async with connection.transaction():
                    outcomes.append((await _change(connection, one)).changed)
            except InvalidParameter as error:
                outcomes.append(error)
        return outcomes

    return await database.write(work)


async def fleet_defaults(database: Database) -> FleetDefaults:
    """What kWh values mean and what devices can deliver by default, and how lost plugOuts are closed.

    Raises :class:`DatabaseLost`.
    """
    sides: dict[str, list[DeviceKind]] = {"meter": [], "vehicle": []}
    for row in await database.fetch_all("fleet_defaults"):
        sides[row.device_type].append(_kind(row))
    rated = {row.device_type: row.rated_power_kw for row in await database.fetch_all("fleet_rated_powers")}
    [plug_events] = await database.fetch_all("plug_event_default")
    return FleetDefaults(
        sides["meter"],
        sides["vehicle"],
        rated.get("meter"),
        rated.get("vehicle"),
        plug_events.closes_by_next_plug_in,
    )


async def set_fleet_defaults(
    database: Database, wanted: FleetDefaultsChange, operator: str | None = None
) -> ChangedFleetDefaults:
    """Change the defaults that are given, all or none of them. Raises as :func:`set_meter` does."""

    async def work(connection: Connection) -> tuple[list[int], int]:
        await connection.execute(query("set_author"), {"operator": operator, "reason": None})
        await connection.execute(query("lock_fleet_default"))
        judged: list[int] = []
        for device_type, default in (("meter", wanted.meters), ("vehicle", wanted.vehicles)):
            if default is not UNSET:
                assert isinstance(default, DefaultChange)
                judged += await _set_default(connection, device_type, default)
        if wanted.closeByNextPlugIn is not UNSET:
            [kept] = await (await connection.execute(query("plug_event_default"))).fetchall()
            # It judges no register.
            judged += [0] * (kept.closes_by_next_plug_in != wanted.closeByNextPlugIn)
            await connection.execute(
                query("set_plug_event_default"), {"close_by_next_plug_in": wanted.closeByNextPlugIn}
            )
        [waiting] = await (await connection.execute(query("registers_waiting"))).fetchall()
        return judged, waiting.registers

    if wanted == FleetDefaultsChange():
        raise InvalidParameter(
            "the body must have meters, vehicles or closeByNextPlugIn, such as "
            '{"meters": {"energyReading": "register"}}',
            {"field": "meters"},
        )
    judged, waiting = await database.write(work)
    return ChangedFleetDefaults(
        **asdict(await fleet_defaults(database)),
        outcome="changed" if judged else "unchanged",
        registersJudged=sum(judged),
        registersWaiting=waiting,
        pending=waiting > 0,
    )


def _properties(row: Any, kind: DeviceKind) -> dict[str, Any]:
    """Fields that a meter and a vehicle share; the kind is the one that applies now."""
    return {
        "listed": row.is_listed,
        "energyReading": kind.energyReading,
        "registerModulusKwh": kind.registerModulusKwh,
        "fleetDefault": kind.fleetDefault,
        "since": kind.from_,
        "ratedPowerKw": row.rated_power_kw,
    }


def _kind(row: Any) -> DeviceKind:
    return DeviceKind(row.energy_reading, row.register_modulus_kwh, row.is_fleet_default, row.kind_from, row.kind_to)


async def _kinds(database: Database, device_type: DeviceType, device_id: str) -> list[DeviceKind]:
    rows = await database.fetch_all("kinds_of_device", {"device_type": device_type, "device_id": device_id})
    return [_kind(row) for row in rows]


async def _change(connection: Connection, wanted: Wanted) -> _Done:
    """Raises :class:`InvalidParameter`."""
    device_type, device_id, change = wanted
    if change.since is not UNSET and change.energyReading is UNSET and change.registerModulusKwh is UNSET:
        raise InvalidParameter(
            'since must come with an energyReading, such as "energyReading": "register"', {"field": "since"}
        )
    kept_as = {"device_id": device_id}
    is_new = (await connection.execute(query(f"list_{device_type}"), kept_as)).rowcount > 0
    cursor = await connection.execute(query(f"lock_{device_type}"), kept_as)
    row = await cursor.fetchone()
    assert row is not None
    current, holds_since = _Kind(row.energy_reading, row.register_modulus_kwh), row.kind_from
    kind = _wanted_kind(current, change)
    since = _since(kind != current, change.since, is_set=current.energy_reading is not None or holds_since is not None)
    kind_changes = kind != current or _begins_earlier(since, holds_since)
    if kind_changes:
        await _set_kind(connection, query(f"set_{device_type}_kind"), kept_as, kind, since)
    given = {
        "name": change.name,
        "site_name": getattr(change, "site", UNSET),
        "group_name": getattr(change, "group", UNSET),
        "rated_power_kw": change.ratedPowerKw,
        "battery_capacity_kwh": getattr(change, "batteryCapacityKwh", UNSET),
    }
    kept = {name: value for name, value in row._asdict().items() if name in given}
    changed = {name: value if given[name] is UNSET else given[name] for name, value in kept.items()}
    if changed != kept:
        await connection.execute(query(f"change_{device_type}"), {**kept_as, **changed})
    power_changes = changed["rated_power_kw"] != kept["rated_power_kw"]
    judged = None
    if kind_changes or power_changes:
        judged_from = None if power_changes or isinstance(since, UnsetType) else since
        judged = await _judged(connection, device_type, device_id, judged_from)
    return _Done(is_new or kind_changes or changed != kept, judged)


def _begins_earlier(since: datetime | UnsetType | None, holds_since: datetime | None) -> bool:
    """Whether a kind that holds already would begin earlier."""
    if isinstance(since, UnsetType) or holds_since is None:
        return False
    return since is None or since < holds_since


async def _judged(
    connection: Connection, device_type: str, device_id: str, judged_from: datetime | None
) -> Judged | None:
    await connection.execute(query("judge_now"))
    parameters = {"device_type": device_type, "device_id": device_id, "since": judged_from}
    [row] = await (await connection.execute(query("judged_since"), parameters)).fetchall()
    if not (row.readings or row.events or row.is_pending):
        return None
    return Judged(judged_from, row.readings, row.events, row.is_pending)


async def _set_default(connection: Connection, device_type: str, wanted: DefaultChange) -> list[int]:
    """Of how many registers the steps are judged anew, for each change. Raises :class:`InvalidParameter`."""
    judged: list[int] = []
    if not isinstance(wanted.energyReading, UnsetType):
        judged += await _set_default_kind(connection, device_type, wanted.energyReading, wanted)
    elif wanted.registerModulusKwh is not UNSET or wanted.since is not UNSET:
        field = "since" if wanted.registerModulusKwh is UNSET else "registerModulusKwh"
        raise InvalidParameter(
            f'{field} must come with an energyReading, such as "energyReading": "register"', {"field": field}
        )
    elif wanted.ratedPowerKw is UNSET:
        raise InvalidParameter(
            'a default must have energyReading, ratedPowerKw or both, such as {"energyReading": "register"}',
            {"field": f"{device_type}s"},
        )
    if not isinstance(wanted.ratedPowerKw, UnsetType):
        of_side = {"device_type": device_type}
        kept = await (await connection.execute(query("kept_fleet_rated_power"), of_side)).fetchone()
        if wanted.ratedPowerKw != (kept.rated_power_kw if kept else None):
            setting = {**of_side, "power_kw": wanted.ratedPowerKw}
            [done] = await (await connection.execute(query("set_fleet_rated_power"), setting)).fetchall()
            judged.append(done.registers)
    return judged


async def _set_default_kind(
    connection: Connection, device_type: str, energy_reading: str, wanted: DefaultChange
) -> list[int]:
    kind = _Kind(
        energy_reading, None if isinstance(wanted.registerModulusKwh, UnsetType) else wanted.registerModulusKwh
    )
    if kind.modulus_kwh is not None and kind.energy_reading != "register":
        raise InvalidParameter(
            'registerModulusKwh must come with "energyReading": "register"', {"field": "registerModulusKwh"}
        )
    cursor = await connection.execute(query("latest_fleet_default"), {"device_type": device_type})
    row = await cursor.fetchone()
    current = _Kind(row.energy_reading, row.register_modulus_kwh) if row else _Kind("interval", None)
    differs = kind != current
    since = _since(differs, wanted.since, is_set=row is not None)
    if not differs and not (row and _begins_earlier(since, row.kind_from)):
        return []
    done = await _set_kind(connection, query("set_fleet_default"), {"device_type": device_type}, kind, since)
    return [done.registers]


def _wanted_kind(current: _Kind, wanted: DeviceChange) -> _Kind:
    """A device's new kind: omitted fields keep their value, a modulus as long as it is a register."""
    reading = current.energy_reading if isinstance(wanted.energyReading, UnsetType) else wanted.energyReading
    modulus = wanted.registerModulusKwh
    if isinstance(modulus, UnsetType):
        return _Kind(reading, current.modulus_kwh if reading == "register" else None)
    if modulus is not None and reading != "register":
        raise InvalidParameter(
            'registerModulusKwh must come with "energyReading": "register"', {"field": "registerModulusKwh"}
        )
    return _Kind(reading, modulus)


def _since(differs: bool, since: datetime | UnsetType | None, *, is_set: bool) -> datetime | UnsetType | None:
    """The instant after which a kind applies. Raises :class:`InvalidParameter` where it replaces a kind that is set and
    `since` is omitted."""
    if isinstance(since, datetime) and not EARLIEST <= since <= LATEST:
        raise InvalidParameter(f"since must be from {rfc3339(EARLIEST)} to {rfc3339(LATEST)}", {"field": "since"})
    if since is UNSET and differs and is_set:
        detail = (
            "since is missing: a change of a kind that is set must say from when on it holds, such as "
            "2026-11-20T08:00:00Z, or null for always"
        )
        raise InvalidParameter(detail, {"field": "since"})
    return since


async def _set_kind(
    connection: Connection, statement: bytes, whose: dict[str, Any], kind: _Kind, since: datetime | UnsetType | None
) -> Any:
    setting = {"kind": kind.energy_reading, "modulus_kwh": kind.modulus_kwh, "since": None if since is UNSET else since}
    try:
        return await (await connection.execute(statement, {**whose, **setting})).fetchone()
    except psycopg.errors.InvalidParameterValue as error:
        raise InvalidParameter(error.diag.message_primary or str(error), {"field": "since"}) from None
