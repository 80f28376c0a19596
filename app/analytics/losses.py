"""Where the fleet's energy is lost: parameters in, structs out."""

from typing import Any

from app.analytics.rounding import ENERGY_DIGITS, POWER_DIGITS, RATIO_DIGITS, rounded
from app.db.pool import Database
from app.wire.energy import Coverage, ReadingCounts, Window
from app.wire.losses import Loss, Losses, LossList, UnattributedList, UnattributedMeter


async def losses(database: Database, window: Window, below: float | None, limit: int) -> Losses:
    """Devices below a ratio (None: 0.85, or what is normal for their power), data faults, meters that fed no vehicle.

    At most `limit` of each, most kWh first. Raises :class:`DatabaseLost`. Source: `api.losses`.
    """
    parameters = {"window_from": window.from_, "window_to": window.to, "below": below, "row_limit": limit}
    rows = await database.fetch_all("losses", parameters)
    lists: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        lists.setdefault(row[0], []).append(row)
    unattributed = lists.get("unattributed", [])
    return Losses(
        window=window,
        below=below,
        vehicles=_losses(lists.get("vehicles", [])),
        meters=_losses(lists.get("meters", [])),
        dataFaults=_losses(lists.get("data_faults", [])),
        unattributed=UnattributedList(*_whole_list(unattributed), [_unattributed(row) for row in unattributed]),
    )


def _losses(rows: list[tuple[Any, ...]]) -> LossList:
    return LossList(*_whole_list(rows), [_loss(*row[1:16]) for row in rows])


def _whole_list(rows: list[tuple[Any, ...]]) -> tuple[int, float]:
    return (rows[0][16], round(rows[0][17], ENERGY_DIGITS)) if rows else (0, 0.0)


def _loss(device_type: Any, device_id: str, verdict: Any, energy_ac: float, energy_dc: float, *rest: Any) -> Loss:
    ratio, power, expected, lost, beyond, since, meter_readings, vehicle_readings, *coverages = rest
    return Loss(
        type=device_type,
        id=device_id,
        verdict=verdict,
        acConsumedKwh=round(energy_ac, ENERGY_DIGITS),
        dcDeliveredKwh=round(energy_dc, ENERGY_DIGITS),
        efficiencyRatio=round(ratio, RATIO_DIGITS),
        meanChargingPowerKw=rounded(power, POWER_DIGITS),
        expectedRatio=rounded(expected, RATIO_DIGITS),
        lostKwh=round(lost, ENERGY_DIGITS),
        lostBeyondExpectedKwh=rounded(beyond, ENERGY_DIGITS),
        since=since,
        readings=ReadingCounts(meter_readings, vehicle_readings),
        coverage=Coverage(*(rounded(coverage, RATIO_DIGITS) for coverage in coverages)),
    )


def _unattributed(row: tuple[Any, ...]) -> UnattributedMeter:
    return UnattributedMeter(row[2], round(row[4], ENERGY_DIGITS), row[12], rounded(row[14], RATIO_DIGITS))
