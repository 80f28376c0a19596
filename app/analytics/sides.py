"""What rows of answers say of both sides, the meters' and the vehicles': a row in, structs out."""

from typing import Any

from msgspec import convert

from app.analytics.rounding import ENERGY_DIGITS, RATIO_DIGITS, rounded
from app.wire.energy import BothEnergies, Coverage, Fault, ReadingCounts, SpannedEnergy, TotalEnergy


def both_energies(row: Any) -> BothEnergies:
    """The energies of a row with `energy_ac_kwh` and `energy_dc_kwh`."""
    return BothEnergies(rounded(row.energy_ac_kwh, ENERGY_DIGITS), rounded(row.energy_dc_kwh, ENERGY_DIGITS))


def total_energy(row: Any) -> TotalEnergy:
    """The energies of a row that has `energy_dc_elsewhere_kwh` too."""
    return TotalEnergy(
        rounded(row.energy_ac_kwh, ENERGY_DIGITS),
        rounded(row.energy_dc_kwh, ENERGY_DIGITS),
        rounded(row.energy_dc_elsewhere_kwh, ENERGY_DIGITS),
    )


def spanned(row: Any) -> SpannedEnergy:
    """The energies of a row with `spanned_ac_kwh` and `spanned_dc_kwh`."""
    return SpannedEnergy(round(row.spanned_ac_kwh, ENERGY_DIGITS), round(row.spanned_dc_kwh, ENERGY_DIGITS))


def reading_counts(row: Any) -> ReadingCounts:
    """The counts of a row with `meter_readings` and `vehicle_readings`."""
    return ReadingCounts(row.meter_readings, row.vehicle_readings)


def faults(row: Any) -> list[Fault]:
    """What is wrong with the data, of a row with `faults`."""
    return convert(row.faults, list[Fault])


def coverage(row: Any) -> Coverage:
    """The shares of a row with `meter_coverage` and `vehicle_coverage`."""
    return Coverage(rounded(row.meter_coverage, RATIO_DIGITS), rounded(row.vehicle_coverage, RATIO_DIGITS))
