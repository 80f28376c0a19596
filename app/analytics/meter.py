"""A meter's energy, and the vehicles that it fed: parameters in, structs out."""

from app.analytics.rounding import ENERGY_DIGITS, MINUTES_DIGITS, RATIO_DIGITS, VOLTAGE_DIGITS, rounded
from app.db.pool import Database
from app.errors import UnknownMeter
from app.wire.energy import Window
from app.wire.meter import FedVehicle, MeterEnergy, Voltage


async def meter_energy(database: Database, meter_id: str, window: Window) -> MeterEnergy:
    """A meter's AC energy over a window, to the exact instant, its voltages, and the vehicles it fed.

    Figures are null where there is no reading. Raises :class:`UnknownMeter` and :class:`DatabaseLost`. Sources:
    `api.meter_energy`, `api.meter_vehicles`.
    """
    rows = await database.fetch_all(
        "meter_energy", {"meter_id": meter_id, "window_from": window.from_, "window_to": window.to}
    )
    is_known, readings, energy, attributed, unattributed, *voltages, coverage, resets, estimated, reason = rows[0][:-4]
    if not is_known:
        raise UnknownMeter(f"meter {meter_id} has no reading and no assignment, and is not registered")
    return MeterEnergy(
        meterId=meter_id,
        window=window,
        acConsumedKwh=rounded(energy, ENERGY_DIGITS),
        acAttributedKwh=rounded(attributed, ENERGY_DIGITS),
        acUnattributedKwh=rounded(unattributed, ENERGY_DIGITS),
        voltage=Voltage(*(rounded(value, VOLTAGE_DIGITS) for value in voltages)),
        readings=readings,
        coverage=rounded(coverage, RATIO_DIGITS),
        resets=resets,
        estimated=estimated,
        reason=reason,
        vehicles=[_fed(*row[-4:]) for row in rows if row[-4] is not None],
    )


def _fed(vehicle_id: str, seconds: float, readings: int, energy_kwh: float | None) -> FedVehicle:
    return FedVehicle(vehicle_id, round(seconds / 60, MINUTES_DIGITS), rounded(energy_kwh, ENERGY_DIGITS), readings)
