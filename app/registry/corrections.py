"""Corrections of readings by operators, previewed, made, undone and listed: parameters in, structs out."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from app.db.pool import Connection, Database
from app.db.queries import query
from app.errors import (
    CorrectionConflict,
    InvalidParameter,
    ProblemError,
    TakesTooLong,
    UnknownCorrection,
    UnknownMeter,
    UnknownVehicle,
)
from app.registry.assignments import Author
from app.registry.register_events import Device
from app.wire.corrections import (
    CorrectedReading,
    Correction,
    CorrectionDetail,
    Corrections,
    NewCorrection,
    ReadingChange,
    ReadingValues,
)

SMALLEST_ENERGY_KWH = 1e-9
# Names of arguments in SQL that the wire calls otherwise.
_FIELDS = {"corrected_from": "from", "corrected_to": "to", "correction": "id"}
# What a reading of a kind of device says, and its column.
_VALUES = {
    "meter": {"kwhConsumedAc": "energy_ac_kwh", "voltage": "voltage_v"},
    "vehicle": {"soc": "soc_pct", "kwhDeliveredDc": "energy_dc_kwh", "batteryTemp": "battery_temp_c"},
}
_ENERGIES = {"meter": "kwhConsumedAc", "vehicle": "kwhDeliveredDc"}


async def correct(
    database: Database, device: Device, wanted: NewCorrection, author: Author, *, is_preview: bool = False
) -> Correction:
    """Correct readings, or see what it would do.

    Raises :class:`InvalidParameter` where it is not allowed or there is nothing to correct, :class:`UnknownMeter` or
    :class:`UnknownVehicle`, :class:`DatabaseLost`.
    """
    readings = wanted.readings and Jsonb([_columns(device, reading) for reading in wanted.readings])
    parameters = {
        **device._asdict(),
        "from": wanted.from_,
        "to": wanted.to,
        "action": wanted.action,
        "factor": wanted.factor,
        "readings": readings,
        **author._asdict(),
    }
    return await _changing(database, query("correct_readings"), parameters, device, is_preview)


async def undo(database: Database, number: int, author: Author, *, is_preview: bool = False) -> Correction:
    """Take back what a correction did, or see what that would do.

    Raises :class:`UnknownCorrection`, :class:`CorrectionConflict` where it is undone or its readings have changed
    since, :class:`InvalidParameter`, :class:`DatabaseLost`.
    """
    return await _changing(database, query("undo_correction"), {"id": number, **author._asdict()}, None, is_preview)


async def corrections(
    database: Database, device: Device | None = None, *, before: int | None = None, limit: int = 100
) -> Corrections:
    """A page of corrections, newest first, of a device or of all; empty without any. Raises :class:`DatabaseLost`."""
    of_device = {"device_type": None, "device_id": None} if device is None else device._asdict()
    rows = await database.fetch_all("corrections", {**of_device, "before": before, "row_limit": limit + 1})
    page = [_correction(row) for row in rows[:limit]]
    return Corrections(page, page[-1].id if len(rows) > limit else None)


async def correction(
    database: Database, number: int, *, after: datetime | None = None, limit: int = 100
) -> CorrectionDetail:
    """A correction, and a page of the readings that it changed.

    Raises :class:`UnknownCorrection`, :class:`DatabaseLost`.
    """
    found = await database.fetch_all("correction", {"id": number})
    if not found:
        raise UnknownCorrection(f"there is no correction {number}", {"field": "id"})
    rows = await database.fetch_all("corrected_readings", {"id": number, "after": after, "row_limit": limit + 1})
    known = _VALUES[found[0].device_type]
    page = [ReadingChange(row.recorded_at, _values(known, row.was), _values(known, row.became)) for row in rows[:limit]]
    return CorrectionDetail(_correction(found[0]), page, page[-1].timestamp if len(rows) > limit else None)


async def _changing(
    database: Database, change: bytes, parameters: dict[str, Any], device: Device | None, is_preview: bool
) -> Correction:
    async def work(connection: Connection) -> Correction:
        async with connection.transaction() as transaction:
            try:
                [done] = await (await connection.execute(change, parameters)).fetchall()
            except psycopg.errors.QueryCanceled:
                raise TakesTooLong(
                    "it takes longer than a request may; use the command, ev-fleet-energy correct"
                ) from None
            [row] = await (await connection.execute(query("correction"), {"id": done.id})).fetchall()
            made = _correction(row)
            if is_preview:
                made.id = None
                raise psycopg.Rollback(transaction)
        return made

    return await _explained(database.write(work), device)


async def _explained(changing: Awaitable[Correction], device: Device | None) -> Correction:
    """The correction; what the database says against it is what the answer says."""
    try:
        return await changing
    except psycopg.errors.InvalidParameterValue as error:
        name = error.diag.column_name or "readings"
        field = _FIELDS.get(name, name)
        detail = _message(error)
        for argument, known in _FIELDS.items():
            detail = detail.replace(argument, known)
        raise InvalidParameter(detail, {"field": field}) from None
    except (psycopg.errors.NotNullViolation, psycopg.errors.CheckViolation) as error:
        raise InvalidParameter(
            f"readings must be such as devices send: {_message(error)}", {"field": "readings"}
        ) from None
    except psycopg.errors.RestrictViolation as error:
        raise CorrectionConflict(f"{_message(error)}; {error.diag.message_hint}", {"field": "id"}) from None
    except psycopg.errors.NoDataFound as error:
        raise _unknown(device)(_message(error)) from None


def _unknown(device: Device | None) -> type[ProblemError]:
    if device is None:
        return UnknownCorrection
    return UnknownMeter if device.device_type == "meter" else UnknownVehicle


def _message(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error)


def _columns(device: Device, reading: CorrectedReading) -> dict[str, Any]:
    """A reading as a row of the history, by column. Raises :class:`InvalidParameter` for one of the other kind."""
    known = _VALUES[device.device_type]
    energy = _ENERGIES[device.device_type]
    said = {
        name: value
        for name in CorrectedReading.__struct_fields__
        if name != "timestamp" and (value := getattr(reading, name)) is not None
    }
    if energy not in said or said.keys() - known.keys():
        raise InvalidParameter(
            f"a reading of a {device.device_type} has timestamp, {', '.join(known)} and nothing else",
            {"field": "readings"},
        )
    if said[energy] < SMALLEST_ENERGY_KWH:
        said[energy] = 0.0
    return {"recorded_at": reading.timestamp.isoformat(), **{known[name]: value for name, value in said.items()}}


def _values(known: dict[str, str], row: dict[str, Any] | None) -> ReadingValues | None:
    return None if row is None else ReadingValues(**{name: row[column] for name, column in known.items()})


def _correction(row: Any) -> Correction:
    return Correction(
        id=row.id,
        action=row.action,
        meterId=row.device_id if row.device_type == "meter" else None,
        vehicleId=row.device_id if row.device_type == "vehicle" else None,
        from_=row.corrected_from,
        to=row.corrected_to,
        factor=row.factor,
        undoes=row.undoes,
        undoneBy=row.undone_by,
        correctedAt=row.corrected_at,
        databaseRole=row.database_role,
        operator=row.operator,
        reason=row.reason,
        readingsBefore=row.readings_before,
        readingsAfter=row.readings_after,
        energyBeforeKwh=_rounded(row.energy_before_kwh),
        energyAfterKwh=_rounded(row.energy_after_kwh),
        pending=row.is_pending,
    )


def _rounded(energy_kwh: float | None) -> float | None:
    """To 6 decimals, and 0 without a sign."""
    return None if energy_kwh is None else round(energy_kwh, 6) + 0.0
