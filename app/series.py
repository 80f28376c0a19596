"""A vehicle's performance, bucket by bucket: parameters in, structs out."""

from typing import Any

from app.answers import VehicleBucket, VehicleSeries
from app.db import Database
from app.errors import UnknownVehicle
from app.figures import ENERGY_DIGITS, RATIO_DIGITS, TEMPERATURE_DIGITS, Cut, cut_size, rounded
from app.models import Coverage, ReadingCounts, Reasons, TotalEnergy, Window


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
        raise UnknownVehicle(f"no reading, assignment or listing names vehicle {vehicle_id}")
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
