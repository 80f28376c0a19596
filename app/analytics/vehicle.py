"""A vehicle's performance, as a series and explained: parameters in, structs out."""

import math
from itertools import groupby
from operator import attrgetter
from typing import Any

from app.analytics.buckets import Cut, cut_size
from app.analytics.rounding import ENERGY_DIGITS, PART_DIGITS, RATIO_DIGITS, TEMPERATURE_DIGITS, rounded
from app.analytics.sides import coverage, faults, reading_counts, spanned, total_energy
from app.db.pool import Database
from app.errors import UnknownVehicle
from app.wire.energy import Reasons, SideCounts, Window
from app.wire.explanation import EnergyPart, ExplainedStretch, Explanation, RegisterStep
from app.wire.performance import Performance, VehicleBucket, VehicleSeries

_SIDE = attrgetter("device_type", "meter_id", "assignment_id", "feed_from", "feed_to")


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
    performance = _performance(vehicle_id, window, rows[0])
    stretches: dict[str, list[ExplainedStretch]] = {"meter": [], "vehicle": []}
    for side, of_side in groupby(rows, key=_SIDE):
        device_type, meter_id, assignment_id, begins, ends = side
        parts = [_part(row) for row in of_side if row.bucket_start is not None]
        energies = [part.energyKwh for part in parts if part.energyKwh is not None]
        energy = round(math.fsum(energies), ENERGY_DIGITS) if energies else None
        readings = sum(part.readings for part in parts)
        # Time without a reading in which no meter fed the vehicle explains nothing.
        if meter_id is not None or parts:
            stretches[device_type].append(
                ExplainedStretch(meter_id, assignment_id, Window(begins, ends), readings, energy, parts)
            )
    return Explanation(performance, stretches["meter"], stretches["vehicle"])


def _performance(vehicle_id: str, window: Window, row: Any) -> Performance:
    if not row.is_known:
        raise UnknownVehicle(f"vehicle {vehicle_id} has no reading and no assignment, and is not registered")
    return Performance(
        vehicleId=vehicle_id,
        window=window,
        totalEnergy=total_energy(row),
        efficiencyRatio=rounded(row.efficiency_ratio, RATIO_DIGITS),
        avgBatteryTemp=rounded(row.battery_temp_mean_c, TEMPERATURE_DIGITS),
        meters=row.meter_ids,
        readings=reading_counts(row),
        coverage=coverage(row),
        resets=SideCounts(row.meter_resets, row.vehicle_resets),
        rollovers=SideCounts(row.meter_rollovers, row.vehicle_rollovers),
        spannedKwh=spanned(row),
        estimated=row.is_estimated,
        pending=row.is_pending,
        reasons=_reasons(row),
        faults=faults(row),
    )


def _reasons(row: Any) -> Reasons:
    return Reasons(row.energy_ac_reason, row.energy_dc_reason, row.efficiency_reason, row.battery_temp_reason)


def _part(row: Any) -> EnergyPart:
    steps = zip(row.steps_at, row.steps, row.steps_before_kwh, row.steps_to_kwh, strict=True) if row.steps else ()
    return EnergyPart(
        hour=row.bucket_start,
        source=row.source,
        energyReading=row.energy_reading,
        firstReading=row.first_recorded_at,
        lastReading=row.last_recorded_at,
        readings=row.readings,
        energyKwh=rounded(row.energy_kwh, PART_DIGITS),
        estimated=row.part_is_estimated,
        steps=[RegisterStep(*step) for step in steps],
    )


async def vehicle_series(database: Database, vehicle_id: str, window: Window, cut: Cut) -> VehicleSeries:
    """A vehicle's energies, ratio and temperature for every bucket of a window, in order.

    Buckets in which nothing is known have nulls; energies add up to those of the window. Raises
    :class:`UnknownVehicle`, :class:`InvalidParameter` where the time zone is not known, and :class:`DatabaseLost`.
    Source: `api.vehicle_series`.
    """
    if cut.timezone != "UTC":
        await cut_size(database, window, cut)
    rows = await database.fetch_all("vehicle_series", {"vehicle_id": vehicle_id, **cut.parameters(window)})
    if not rows[0].is_known:
        raise UnknownVehicle(f"vehicle {vehicle_id} has no reading and no assignment, and is not registered")
    return VehicleSeries(vehicle_id, window, cut.bucket, cut.timezone, [_bucket(row) for row in rows])


def _bucket(row: Any) -> VehicleBucket:
    return VehicleBucket(
        window=Window(row.bucket_from, row.bucket_to),
        totalEnergy=total_energy(row),
        efficiencyRatio=rounded(row.efficiency_ratio, RATIO_DIGITS),
        avgBatteryTemp=rounded(row.battery_temp_mean_c, TEMPERATURE_DIGITS),
        readings=reading_counts(row),
        coverage=coverage(row),
        spannedKwh=spanned(row),
        estimated=row.is_estimated,
        pending=row.is_pending,
        reasons=_reasons(row),
    )
