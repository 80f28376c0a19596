"""The whole fleet, and where its energy is lost: parameters in, structs out."""

from typing import Any

from app.answers import (
    Fleet,
    FleetReasons,
    FleetSeries,
    Loss,
    Losses,
    LossList,
    Matched,
    Seen,
    UnattributedList,
    UnattributedMeter,
)
from app.db import Database
from app.errors import InvalidParameter
from app.figures import ENERGY_DIGITS, POWER_DIGITS, RATIO_DIGITS, Cut, cut_size, rounded
from app.models import Coverage, ReadingCounts, TotalEnergy, Window

# A series of the fleet adds up every device's rows by bucket. By hour it covers a week at most; where buckets begin
# within an hour of UTC, that hour is read from the history, of every device.
MAX_FLEET_BUCKETS = 7 * 24 + 1
MAX_FLEET_BUCKETS_CUTTING_HOURS = 7


async def fleet(database: Database, window: Window) -> Fleet:
    """The fleet's energy on both sides over a window, to the exact instant. Raises :class:`DatabaseLost`.

    Source: `api.fleet_energy`.
    """
    parameters = {"window_from": window.from_, "window_to": window.to, "bucket": "window", "timezone": "UTC"}
    [row] = await database.fetch_all("fleet_energy", parameters)
    return _fleet(row)


async def fleet_series(database: Database, window: Window, cut: Cut) -> FleetSeries:
    """The fleet's energy for every hour or day of a window, in order.

    Raises :class:`InvalidParameter` where the time zone is not known or the buckets are too many, and
    :class:`DatabaseLost`. Source: `api.fleet_energy`.
    """
    size = await cut_size(database, window, cut)
    if size.buckets > MAX_FLEET_BUCKETS:
        raise InvalidParameter(
            f"from: a series of the fleet has {MAX_FLEET_BUCKETS} buckets at most, not {size.buckets}",
            {"field": "from"},
        )
    if size.begin_within_an_hour > MAX_FLEET_BUCKETS_CUTTING_HOURS:
        raise InvalidParameter(
            f"timezone: {size.begin_within_an_hour} buckets begin within an hour of UTC; a series of the fleet reads "
            f"{MAX_FLEET_BUCKETS_CUTTING_HOURS} at most; ask for fewer, or in a zone of whole hours",
            {"field": "timezone"},
        )
    rows = await database.fetch_all("fleet_energy", cut.parameters(window))
    return FleetSeries(window, cut.bucket, cut.timezone, [_fleet(row) for row in rows])


def _fleet(row: tuple[Any, ...]) -> Fleet:
    bucket_from, bucket_to, energy_ac, energy_dc, attributed, unattributed, ratio, *counted = row
    vehicles_matched, matched_ac, matched_dc, meters_seen, vehicles_seen, *read = counted
    meter_readings, vehicle_readings, meter_coverage, vehicle_coverage, estimated, *reasons = read
    return Fleet(
        window=Window(bucket_from, bucket_to),
        totalEnergy=TotalEnergy(rounded(energy_ac, ENERGY_DIGITS), rounded(energy_dc, ENERGY_DIGITS)),
        acAttributedKwh=rounded(attributed, ENERGY_DIGITS),
        acUnattributedKwh=rounded(unattributed, ENERGY_DIGITS),
        efficiencyRatio=rounded(ratio, RATIO_DIGITS),
        matched=Matched(vehicles_matched, rounded(matched_ac, ENERGY_DIGITS), rounded(matched_dc, ENERGY_DIGITS)),
        seen=Seen(meters_seen, vehicles_seen),
        readings=ReadingCounts(meter_readings, vehicle_readings),
        coverage=Coverage(rounded(meter_coverage, RATIO_DIGITS), rounded(vehicle_coverage, RATIO_DIGITS)),
        estimated=estimated,
        reasons=FleetReasons(*reasons),
    )


async def losses(database: Database, window: Window, below: float | None, limit: int) -> Losses:
    """Devices below a ratio (None: 0.85, or what is normal for their power), data faults, meters that fed nobody.

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
