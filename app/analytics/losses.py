"""Where the fleet's energy is lost: parameters in, structs out."""

from typing import Any

import msgspec

from app.analytics.rounding import ENERGY_DIGITS, POWER_DIGITS, RATIO_DIGITS, rounded
from app.analytics.sides import coverage, reading_counts
from app.db.pool import Database
from app.wire.energy import Window
from app.wire.losses import (
    Listed,
    Loss,
    Losses,
    LossList,
    LossRow,
    LossTable,
    LossTotal,
    UnattributedList,
    UnattributedMeter,
)

_LISTS: dict[str, Listed] = {
    "vehicles": "vehicles",
    "meters": "meters",
    "data_faults": "dataFaults",
    "unattributed": "unattributed",
}


async def losses(database: Database, window: Window, below: float | None, limit: int) -> Losses:
    """Devices below a ratio (None: 0.85, or what is normal for their power), data faults, meters that fed no vehicle.

    At most `limit` of each, most kWh first. Raises :class:`DatabaseLost`. Source: `api.losses` and `api.loss_totals`.
    """
    rows = await _rows(database, window, below, limit)
    lists: dict[str, list[Any]] = {}
    for row in rows:
        # None: nothing is listed.
        lists.setdefault("totals" if row.is_total else row.list, []).append(row)
    unattributed = lists.get("unattributed", [])
    return Losses(
        window=window,
        below=below,
        pending=rows[0].is_pending,
        vehicles=_losses(lists.get("vehicles", [])),
        meters=_losses(lists.get("meters", [])),
        dataFaults=_losses(lists.get("data_faults", [])),
        unattributed=UnattributedList(*_whole_list(unattributed), [_unattributed(row) for row in unattributed]),
        totals=[_total(row) for row in lists.get("totals", [])],
    )


async def loss_table(database: Database, window: Window, below: float | None, limit: int) -> LossTable:
    """What :func:`losses` lists, as one table."""
    rows = await _rows(database, window, below, limit)
    return LossTable([_loss_row(row) for row in rows if row.is_total is False])


async def _rows(database: Database, window: Window, below: float | None, limit: int) -> list[Any]:
    parameters = {"window_from": window.from_, "window_to": window.to, "below": below, "row_limit": limit}
    return await database.fetch_all("losses", parameters)


def _losses(rows: list[Any]) -> LossList:
    return LossList(*_whole_list(rows), [_loss(row) for row in rows])


def _whole_list(rows: list[Any]) -> tuple[int, float]:
    return (rows[0].listed_devices, round(rows[0].listed_kwh, ENERGY_DIGITS)) if rows else (0, 0.0)


def _loss(row: Any) -> Loss:
    return Loss(
        type=row.device_type,
        id=row.device_id,
        verdict=row.verdict,
        cause=row.cause,
        acConsumedKwh=rounded(row.energy_ac_kwh, ENERGY_DIGITS),
        dcDeliveredKwh=rounded(row.energy_dc_kwh, ENERGY_DIGITS),
        efficiencyRatio=rounded(row.efficiency_ratio, RATIO_DIGITS),
        meanChargingPowerKw=rounded(row.mean_power_kw, POWER_DIGITS),
        expectedRatio=rounded(row.expected_ratio, RATIO_DIGITS),
        lostKwh=rounded(row.lost_kwh, ENERGY_DIGITS),
        lostBeyondExpectedKwh=rounded(row.lost_beyond_expected_kwh, ENERGY_DIGITS),
        since=row.since,
        readings=reading_counts(row),
        coverage=coverage(row),
    )


def _loss_row(row: Any) -> LossRow:
    listed = msgspec.structs.asdict(_loss(row))
    return LossRow(list=_LISTS[row.list], **listed)


def _total(row: Any) -> LossTotal:
    return LossTotal(
        list=_LISTS[row.list],
        type=row.device_type,
        verdict=row.verdict,
        devices=row.listed_devices,
        acConsumedKwh=rounded(row.energy_ac_kwh, ENERGY_DIGITS),
        dcDeliveredKwh=rounded(row.energy_dc_kwh, ENERGY_DIGITS),
        efficiencyRatio=rounded(row.efficiency_ratio, RATIO_DIGITS),
        lostKwh=rounded(row.lost_kwh, ENERGY_DIGITS),
        lostBeyondExpectedKwh=rounded(row.lost_beyond_expected_kwh, ENERGY_DIGITS),
    )


def _unattributed(row: Any) -> UnattributedMeter:
    return UnattributedMeter(
        row.device_id,
        round(row.energy_ac_kwh, ENERGY_DIGITS),
        row.meter_readings,
        rounded(row.meter_coverage, RATIO_DIGITS),
    )
