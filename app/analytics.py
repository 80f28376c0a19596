"""Answers from the rollups: parameters in, structs out."""

from app.db import Database
from app.errors import UnknownVehicle
from app.models import Coverage, Performance, ReadingCounts, Reasons, SideCounts, TotalEnergy, Window

# Digits after the point, as the contract gives them.
ENERGY_DIGITS = 6
RATIO_DIGITS = 4
TEMPERATURE_DIGITS = 2


async def vehicle_performance(database: Database, vehicle_id: str, window: Window) -> Performance:
    """A vehicle's energy on both sides over a window, to the exact instant.

    Figures are null where nothing is known, and the reasons say why; the ratio is DC / AC. Raises
    :class:`UnknownVehicle` and :class:`DatabaseLost`. Source: `api.vehicle_performance`.
    """
    [row] = await database.fetch_all(
        "vehicle_performance", {"vehicle_id": vehicle_id, "window_from": window.from_, "window_to": window.to}
    )
    is_known, energy_ac, energy_dc, ratio, temperature, meter_ids, *counted = row
    if not is_known:
        raise UnknownVehicle(f"no reading, assignment or listing names vehicle {vehicle_id}")
    readings, coverages, resets, rollovers = (counted[i : i + 2] for i in range(0, 8, 2))
    estimated, *reasons = counted[8:]
    return Performance(
        vehicleId=vehicle_id,
        window=window,
        totalEnergy=TotalEnergy(_rounded(energy_ac, ENERGY_DIGITS), _rounded(energy_dc, ENERGY_DIGITS)),
        efficiencyRatio=_rounded(ratio, RATIO_DIGITS),
        avgBatteryTemp=_rounded(temperature, TEMPERATURE_DIGITS),
        meters=meter_ids,
        readings=ReadingCounts(*readings),
        coverage=Coverage(*(_rounded(share, RATIO_DIGITS) for share in coverages)),
        resets=SideCounts(*resets),
        rollovers=SideCounts(*rollovers),
        estimated=estimated,
        reasons=Reasons(*reasons),
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
