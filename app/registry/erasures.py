"""Erasure of devices: parameters in, structs out."""

from typing import Any

import psycopg

from app.db.pool import Connection, Database
from app.db.queries import query
from app.errors import TakesTooLong, UnknownMeter, UnknownVehicle
from app.registry.register_events import Device
from app.wire.erasures import Erased, ErasedRows, Erasure, Erasures


async def erase(database: Database, device: Device, operator: str | None, *, is_preview: bool = False) -> Erased:
    """Erase a device, or see what that would take away.

    Raises :class:`UnknownMeter` or :class:`UnknownVehicle` where nothing is known of it, :class:`DatabaseLost`.
    """

    async def work(connection: Connection) -> Erased:
        async with connection.transaction(force_rollback=is_preview):
            asked = {**device._asdict(), "operator": operator}
            try:
                rows = await (await connection.execute(query("forget_device"), asked)).fetchall()
            except psycopg.errors.QueryCanceled:
                raise TakesTooLong(
                    "it takes longer than a request may; use the command, ev-fleet-energy forget"
                ) from None
        return Erased([ErasedRows(row.relation, row.row_count) for row in rows])

    try:
        return await database.write(work)
    except psycopg.errors.NoDataFound as error:
        unknown = UnknownMeter if device.device_type == "meter" else UnknownVehicle
        raise unknown(error.diag.message_primary or str(error)) from None


async def erasures(database: Database, *, before: int | None = None, limit: int = 100) -> Erasures:
    """A page of erasures, newest first; empty without any. Raises :class:`DatabaseLost`."""
    rows = await database.fetch_all("erasures", {"before": before, "row_limit": limit + 1})
    page = [_erasure(row) for row in rows[:limit]]
    return Erasures(page, page[-1].id if len(rows) > limit else None)


def _erasure(row: Any) -> Erasure:
    return Erasure(row.id, row.device_type, row.erased_at, row.database_role, row.operator)
