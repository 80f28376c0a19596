"""Readings and instants that tests send."""

from datetime import UTC, datetime, timedelta
from typing import Any


def now() -> datetime:
    """The present, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def minutes_ago(minutes: float) -> datetime:
    """An instant before the present, to the second."""
    return now() - timedelta(minutes=minutes)


def meter_reading(meter_id: str = "M-101", at: datetime | None = None, **values: Any) -> dict[str, Any]:
    """A meter reading of 0.2 kWh at 230 V, now unless told."""
    return {"meterId": meter_id, "kwhConsumedAc": 0.2, "voltage": 230.0, "timestamp": at or now(), **values}


def vehicle_reading(vehicle_id: str = "V-202", at: datetime | None = None, **values: Any) -> dict[str, Any]:
    """A vehicle reading of 0.18 kWh at 55 % and 30 degrees C, now unless told."""
    return {
        "vehicleId": vehicle_id,
        "soc": 55.0,
        "kwhDeliveredDc": 0.18,
        "batteryTemp": 30.0,
        "timestamp": at or now(),
        **values,
    }
