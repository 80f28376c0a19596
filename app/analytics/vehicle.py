"""A vehicle's performance, as a series and explained: parameters in, structs out."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from app.analytics.buckets import Cut, cut_size
from app.analytics.rounding import ENERGY_DIGITS, PART_DIGITS, RATIO_DIGITS, TEMPERATURE_DIGITS, rounded
from app.db.pool import Database
from app.errors import UnknownVehicle
from app.wire.energy import Coverage, ReadingCounts, Reasons, SideCounts, TotalEnergy, Window
from app.wire.explanation import EnergyPart, ExplainedFeed, ExplainedVehicle, Explanation, RegisterStep
from app.wire.performance import Performance, VehicleBucket, VehicleSeries

# Columns that `vehicle_performance` returns, and `vehicle_explanation` before those of its parts.
PERFORMANCE_COLUMNS = 19


async def vehicle_performance(database: Database, vehicle_id: str, window: Window) -> Performance:
    """A vehicle's energy on both sides over a window, to the exact instant.

    Figures are null where nothing is known, and the reasons say why; the ratio is DC / AC. Raises
    :class:`UnknownVehicle` and :class:`DatabaseLost`. Source: `api.vehicle_performance`.
    """
    [row] = await database.fetch_all(
        "vehicle_performance", {"vehicle_id": vehicle_id, "window_from": window.from_, "window_to": window.to}
    )
    return _performance(vehicle_id, window, row)


async def vehicle_explanation(database: Database, vehicle_id: str, window: Window) -> Explanation:
    """A vehicle's performance, and the assignments, hours, readings and register steps that it is made of.

    Figures and parts are of one moment. Raises :class:`UnknownVehicle` and :class:`DatabaseLost`. Sources:
    `api.vehicle_performance`, `api.vehicle_explanation`.
    """
    rows = await database.fetch_all(
        "vehicle_explanation", {"vehicle_id": vehicle_id, "window_from": window.from_, "window_to": window.to}
    )
    performance = _performance(vehicle_id, window, rows[0][:PERFORMANCE_COLUMNS])
    feeds: list[ExplainedFeed] = []
    vehicle = ExplainedVehicle(0, None, [])
    for side, of_side in groupby((row[PERFORMANCE_COLUMNS:] for row in rows), key=lambda row: row[:5]):
        device_type, device_id, assignment_id, feed_from, feed_to = side
        parts = [_part(*row[5:]) for row in of_side if row[5] is not None]
        energies = [part.energyKwh for part in parts if part.energyKwh is not None]
        energy = round(math.fsum(energies), ENERGY_DIGITS) if energies else None
        made_of = (sum(part.readings for part in parts), energy, parts)
        if device_type == "vehicle":
            vehicle = ExplainedVehicle(*made_of)
        else:
            feeds.append(ExplainedFeed(device_id, assignment_id, Window(feed_from, feed_to), *made_of))
    return Explanation(performance, feeds, vehicle)


def _performance(vehicle_id: str, window: Window, row: Sequence[Any]) -> Performance:
    is_known, energy_ac, energy_dc, ratio, temperature, meter_ids, *counted = row
    if not is_known:
        raise UnknownVehicle(f"vehicle {vehicle_id} has no reading and no assignment, and is not registered")
    readings, coverages, resets, rollovers = (counted[i : i + 2] for i in range(0, 8, 2))
    estimated, *reasons = counted[8:]
    return Performance(
        vehicleId=vehicle_id,
        window=window,
        totalEnergy=TotalEnergy(rounded(energy_ac, ENERGY_DIGITS), rounded(energy_dc, ENERGY_DIGITS)),
        efficiencyRatio=rounded(ratio, RATIO_DIGITS),
        avgBatteryTemp=rounded(temperature, TEMPERATURE_DIGITS),
        meters=meter_ids,
        readings=ReadingCounts(*readings),
        coverage=Coverage(*(rounded(share, RATIO_DIGITS) for share in coverages)),
        resets=SideCounts(*resets),
        rollovers=SideCounts(*rollovers),
        estimated=estimated,
        reasons=Reasons(*reasons),
    )


def _part(
    hour: Any,
    energy_reading: Any,
    source: Any,
    first_recorded_at: Any,
    last_recorded_at: Any,
    readings: int,
    energy_kwh: float | None,
    estimated: bool,
    steps: Sequence[Any],
    *details: Sequence[Any],
) -> EnergyPart:
    told = [
        RegisterStep(at, step, before, value)
        for step, at, before, value in zip(steps, *details, strict=True)
    ] if steps else []  # fmt: skip
    energy = rounded(energy_kwh, PART_DIGITS)
    return EnergyPart(
        hour, source, energy_reading, first_recorded_at, last_recorded_at, readings, energy, estimated, told
    )


async def vehicle_series(database: Database, vehicle_id: str, window: Window, cut: Cut) -> VehicleSeries:
    """A vehicle's energies, ratio and temperature for every hour or day of a window, in order.

    Buckets in which nothing is known have nulls; energies add up to those of the window. Raises
    :class:`UnknownVehicle`, :class:`InvalidParameter` where the time zone is not known, and :class:`DatabaseLost`.
    Source: `api.vehicle_series`.
    """
    if cut.timezone != "UTC":
        await cut_size(database, window, cut)
    rows = await database.fetch_all("vehicle_series", {"vehicle_id": vehicle_id, **cut.parameters(window)})
    if not rows[0][0]:
        raise UnknownVehicle(f"vehicle {vehicle_id} has no reading and no assignment, and is not registered")
    return VehicleSeries(vehicle_id, window, cut.bucket, cut.timezone, [_bucket(*row[1:]) for row in rows])


def _bucket(
    bucket_from: Any,
    bucket_to: Any,
    energy_ac_kwh: float | None,
    energy_dc_kwh: float | None,
    ratio: float | None,
    temperature_c: float | None,
    *counted: Any,
) -> VehicleBucket:
    meter_readings, vehicle_readings, meter_coverage, vehicle_coverage, estimated, *reasons = counted
    return VehicleBucket(
        window=Window(bucket_from, bucket_to),
        totalEnergy=TotalEnergy(rounded(energy_ac_kwh, ENERGY_DIGITS), rounded(energy_dc_kwh, ENERGY_DIGITS)),
        efficiencyRatio=rounded(ratio, RATIO_DIGITS),
        avgBatteryTemp=rounded(temperature_c, TEMPERATURE_DIGITS),
        readings=ReadingCounts(meter_readings, vehicle_readings),
        coverage=Coverage(rounded(meter_coverage, RATIO_DIGITS), rounded(vehicle_coverage, RATIO_DIGITS)),
        estimated=estimated,
        reasons=Reasons(*reasons),
    )
