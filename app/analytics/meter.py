"""A meter's energy, and the vehicles that it fed: parameters in, structs out."""

from typing import Any

from app.analytics.buckets import Cut, cut_size
from app.analytics.rounding import ENERGY_DIGITS, MINUTES_DIGITS, RATIO_DIGITS, VOLTAGE_DIGITS, rounded
from app.analytics.sides import faults
from app.db.pool import Database
from app.errors import UnknownMeter
from app.wire.energy import Window
from app.wire.meter import FedVehicle, MeterBucket, MeterEnergy, MeterSeries, Voltage


async def meter_energy(database: Database, meter_id: str, window: Window) -> MeterEnergy:
    """A meter's AC energy over a window, to the exact instant, its voltages, and the vehicles it fed.

    Figures are null where there is no reading. Raises :class:`UnknownMeter` and :class:`DatabaseLost`. Sources:
    `api.meter_energy`, `api.meter_vehicles`.
    """
    rows = await database.fetch_all(
        "meter_energy", {"meter_id": meter_id, "window_from": window.from_, "window_to": window.to}
    )
    drawn = rows[0]
    if not drawn.is_known:
        raise _unknown(meter_id)
    return MeterEnergy(
        meterId=meter_id,
        window=window,
        acConsumedKwh=rounded(drawn.energy_ac_kwh, ENERGY_DIGITS),
        acAttributedKwh=rounded(drawn.energy_ac_attributed_kwh, ENERGY_DIGITS),
        acUnattributedKwh=rounded(drawn.energy_ac_unattributed_kwh, ENERGY_DIGITS),
        voltage=Voltage(
            rounded(drawn.voltage_mean_v, VOLTAGE_DIGITS),
            rounded(drawn.voltage_min_v, VOLTAGE_DIGITS),
            rounded(drawn.voltage_max_v, VOLTAGE_DIGITS),
        ),
        readings=drawn.readings,
        coverage=rounded(drawn.coverage, RATIO_DIGITS),
        resets=drawn.resets,
        spannedKwh=round(drawn.spanned_ac_kwh, ENERGY_DIGITS),
        estimated=drawn.is_estimated,
        pending=drawn.is_pending,
        reason=drawn.energy_ac_reason,
        faults=faults(drawn),
        vehicles=[_fed(row) for row in rows if row.vehicle_id is not None],
    )


async def meter_series(database: Database, meter_id: str, window: Window, cut: Cut) -> MeterSeries:
    """A meter's AC energy and mean voltage for every bucket of a window, in order; energies add up to the window's.

    Raises :class:`UnknownMeter`, :class:`InvalidParameter` where the time zone is not known, and :class:`DatabaseLost`.
    Source: `api.meter_series`.
    """
    if cut.timezone != "UTC":
        await cut_size(database, window, cut)
    rows = await database.fetch_all("meter_series", {"meter_id": meter_id, **cut.parameters(window)})
    if not rows[0].is_known:
        raise _unknown(meter_id)
    return MeterSeries(meter_id, window, cut.bucket, cut.timezone, [_bucket(row) for row in rows])


def _unknown(meter_id: str) -> UnknownMeter:
    return UnknownMeter(f"meter {meter_id} has no reading and no assignment, and is not registered")


def _bucket(row: Any) -> MeterBucket:
    return MeterBucket(
        window=Window(row.bucket_from, row.bucket_to),
        acConsumedKwh=rounded(row.energy_ac_kwh, ENERGY_DIGITS),
        acAttributedKwh=rounded(row.energy_ac_attributed_kwh, ENERGY_DIGITS),
        acUnattributedKwh=rounded(row.energy_ac_unattributed_kwh, ENERGY_DIGITS),
        avgVoltage=rounded(row.voltage_mean_v, VOLTAGE_DIGITS),
        readings=row.readings,
        coverage=rounded(row.coverage, RATIO_DIGITS),
        estimated=row.is_estimated,
        pending=row.is_pending,
    )


def _fed(row: Any) -> FedVehicle:
    return FedVehicle(
        row.vehicle_id,
        round(row.fed_seconds / 60, MINUTES_DIGITS),
        rounded(row.fed_energy_ac_kwh, ENERGY_DIGITS),
        rounded(row.fed_energy_dc_kwh, ENERGY_DIGITS),
        rounded(row.fed_efficiency_ratio, RATIO_DIGITS),
        row.fed_readings,
    )
