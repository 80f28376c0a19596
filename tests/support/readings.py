"""Readings and instants that tests send."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import TupleRow


def now() -> datetime:
    """The present, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def minutes_ago(minutes: float) -> datetime:
    """An instant before the present, to the second."""
    return now() - timedelta(minutes=minutes)


def meter_reading(meter_id: str = "M-101", at: datetime | None = None, **values: Any) -> dict[str, Any]:
    """A meter reading of 0.2 kWh at 230 V, by default of now."""
    return {"meterId": meter_id, "kwhConsumedAc": 0.2, "voltage": 230.0, "timestamp": at or now(), **values}


def vehicle_reading(vehicle_id: str = "V-202", at: datetime | None = None, **values: Any) -> dict[str, Any]:
    """A vehicle reading of 0.18 kWh at 55 % and 30 degrees C, by default of now."""
    return {
        "vehicleId": vehicle_id,
        "soc": 55.0,
        "kwhDeliveredDc": 0.18,
        "batteryTemp": 30.0,
        "timestamp": at or now(),
        **values,
    }


def hours_ago(hours: int) -> datetime:
    """A whole hour (UTC) before the present: 0 is the hour now running."""
    return now().replace(minute=0, second=0) - timedelta(hours=hours)


MeterRow = tuple[str, datetime, float, float]
VehicleRow = tuple[str, datetime, float, float, float]


def insert_meter_readings(connection: psycopg.Connection[TupleRow], rows: Iterable[MeterRow]) -> None:
    """Keep rows of (meter, instant, kWh, V) by SQL, in one statement, without the service."""
    _insert(
        connection,
        "INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
        "SELECT * FROM unnest(%s::text[], %s::timestamptz[], %s::float8[], %s::float4[])",
        rows,
    )


def insert_vehicle_readings(connection: psycopg.Connection[TupleRow], rows: Iterable[VehicleRow]) -> None:
    """Keep rows of (vehicle, instant, percent, kWh, degrees C) by SQL, in one statement, without the service."""
    _insert(
        connection,
        "INSERT INTO telemetry.vehicle_telemetry_history "
        "(vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c) "
        "SELECT * FROM unnest(%s::text[], %s::timestamptz[], %s::float4[], %s::float8[], %s::float4[])",
        rows,
    )


def _insert(connection: psycopg.Connection[TupleRow], statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    # Not COPY, which is a trap for late rows: app/ingest/store.py says why.
    connection.execute(statement.encode(), [list(column) for column in zip(*rows, strict=True)])
