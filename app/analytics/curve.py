"""The course of a device, minute by minute: parameters in, structs out."""

from datetime import timedelta
from typing import Any, Literal

from app.analytics.rounding import (
    ENERGY_DIGITS,
    POWER_DIGITS,
    TEMPERATURE_DIGITS,
    VOLTAGE_DIGITS,
    rounded,
)
from app.db.pool import Database
from app.errors import InvalidParameter, UnknownMeter, UnknownVehicle
from app.wire.curve import CurveBucket, MeterCurve, MeterPoint, VehicleCurve, VehiclePoint
from app.wire.energy import Window
from app.wire.values import EARLIEST

MAX_CURVE_POINTS = 3000
"""Most points of a curve: two days by the minute, ten by 5 minutes, a month by 15."""
_WIDTHS: dict[CurveBucket, timedelta] = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
}


async def meter_curve(database: Database, meter_id: str, window: Window, bucket: CurveBucket) -> MeterCurve:
    """A meter's power and voltage for every bucket of a window, in order.

    Raises :class:`UnknownMeter`, :class:`InvalidParameter` where there are too many buckets, :class:`DatabaseLost`.
    Source: `api.device_curve`.
    """
    rows = await _curve(database, "meter", meter_id, window, bucket)
    if not rows[0].is_known:
        raise UnknownMeter(f"meter {meter_id} has no reading and no assignment, and is not registered")
    points = [
        MeterPoint(
            Window(row.bucket_from, row.bucket_to),
            rounded(row.energy_kwh, ENERGY_DIGITS),
            rounded(row.power_kw, POWER_DIGITS),
            rounded(row.voltage_mean_v, VOLTAGE_DIGITS),
            row.readings,
        )
        for row in rows
    ]
    return MeterCurve(meter_id, window, bucket, points, rows[0].is_pending)


async def vehicle_curve(database: Database, vehicle_id: str, window: Window, bucket: CurveBucket) -> VehicleCurve:
    """A vehicle's power, state of charge and battery temperature for every bucket of a window, in order.

    Raises :class:`UnknownVehicle`, :class:`InvalidParameter` where there are too many buckets, :class:`DatabaseLost`.
    Source: `api.device_curve`.
    """
    rows = await _curve(database, "vehicle", vehicle_id, window, bucket)
    if not rows[0].is_known:
        raise UnknownVehicle(f"vehicle {vehicle_id} has no reading and no assignment, and is not registered")
    points = [
        VehiclePoint(
            Window(row.bucket_from, row.bucket_to),
            rounded(row.energy_kwh, ENERGY_DIGITS),
            rounded(row.power_kw, POWER_DIGITS),
            row.soc_last_pct,
            rounded(row.battery_temp_mean_c, TEMPERATURE_DIGITS),
            row.readings,
        )
        for row in rows
    ]
    return VehicleCurve(vehicle_id, window, bucket, points, rows[0].is_pending)


async def _curve(
    database: Database, device_type: Literal["meter", "vehicle"], device_id: str, window: Window, bucket: CurveBucket
) -> list[Any]:
    longest = MAX_CURVE_POINTS * _WIDTHS[bucket]
    # Buckets begin with whole minutes of UTC.
    begins = window.from_ - (window.from_ - EARLIEST) % _WIDTHS[bucket]
    if window.to - begins > longest:
        raise InvalidParameter(
            f"a curve must have at most {MAX_CURVE_POINTS:,} points, which are {longest // timedelta(hours=1)} hours "
            f"by {bucket}: ask for less, or with a longer bucket, such as 15m",
            {"field": "from"},
        )
    parameters = {
        "device_type": device_type,
        "device_id": device_id,
        "window_from": window.from_,
        "window_to": window.to,
        "bucket": bucket,
    }
    return await database.fetch_all("device_curve", parameters)
