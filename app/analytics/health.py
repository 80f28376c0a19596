"""The health of batteries and chargers: parameters in, structs out."""

from typing import Any

from app.analytics.rounding import (
    CAPACITY_DIGITS,
    HOURS_DIGITS,
    RATIO_DIGITS,
    TEMPERATURE_DIGITS,
    rounded,
)
from app.analytics.sides import both_energies, coverage, reading_counts
from app.db.pool import Database
from app.errors import UnknownMeter, UnknownVehicle
from app.wire.energy import Window
from app.wire.health import (
    BatteryHealth,
    BatteryMonth,
    Capacity,
    Change,
    ChargerDay,
    ChargerHealth,
    HealthReason,
    HoursLeftOut,
    Trend,
)

# As api.battery_months has it.
LEAST_STRETCHES = 3


async def battery(database: Database, vehicle_id: str, window: Window) -> BatteryHealth:
    """A battery's capacity from its charging stretches, its trend over months, and the hours above 40 degrees C.

    Of the window, whole hours count. What cannot be known is null, with a reason. Raises :class:`UnknownVehicle` and
    :class:`DatabaseLost`. Sources: `api.battery_months`, `api.vehicle_condition`.
    """
    parameters = {"vehicle_id": vehicle_id, "window_from": window.from_, "window_to": window.to}
    [condition] = await database.fetch_all("vehicle_condition", parameters)
    if not condition.is_known:
        raise UnknownVehicle(f"vehicle {vehicle_id} has no reading and no assignment, and is not registered")
    rows = await database.fetch_all("battery_months", parameters)
    whole = next((row for row in rows if row.month is None), None)
    silent = condition.readings == 0
    listed = condition.battery_capacity_listed_kwh
    capacity = whole and whole.capacity_kwh
    return BatteryHealth(
        vehicleId=vehicle_id,
        window=window,
        capacity=_capacity(whole, silent=silent),
        listedCapacityKwh=listed,
        shareOfListed=rounded(capacity / listed if capacity and listed else None, RATIO_DIGITS),
        trend=_battery_trend(whole, silent=silent),
        months=[BatteryMonth(row.month, _capacity(row)) for row in rows if row.month],
        hoursAbove40C=rounded(condition.hours_hot, HOURS_DIGITS),
        maxBatteryTemp=rounded(condition.battery_temp_max_c, TEMPERATURE_DIGITS),
        readings=condition.readings,
        coverage=rounded(condition.coverage, RATIO_DIGITS),
        pending=condition.is_pending,
    )


def _capacity(row: Any, *, silent: bool = False) -> Capacity:
    """The capacity of a month, or of all stretches; None: there is no stretch, and no hour left out."""
    if row is None:
        reason: HealthReason = "no_readings" if silent else "too_few_stretches"
        return Capacity(None, None, None, None, 0, HoursLeftOut(0, 0, 0, 0), reason)
    left_out = HoursLeftOut(row.hours_jumping, row.hours_frozen, row.hours_without_energy, row.hours_above_power)
    return Capacity(
        kwh=rounded(row.capacity_kwh, CAPACITY_DIGITS),
        standardErrorKwh=rounded(row.capacity_error_kwh, CAPACITY_DIGITS),
        lowKwh=rounded(row.capacity_low_kwh, CAPACITY_DIGITS),
        highKwh=rounded(row.capacity_high_kwh, CAPACITY_DIGITS),
        stretches=row.stretches,
        hoursLeftOut=left_out,
        reason=None if row.capacity_kwh is not None else _unknown_capacity(row),
    )


def _unknown_capacity(row: Any) -> HealthReason:
    """Why stretches, and hours left out, give no capacity."""
    return "uncertain" if row.stretches >= LEAST_STRETCHES else "too_few_stretches"


def _battery_trend(row: Any, *, silent: bool) -> Trend:
    if row is None or row.trend_kwh_per_month is None:
        return Trend(None, None, "no_readings" if silent else "too_few_months")
    return Trend(
        round(row.trend_kwh_per_month, CAPACITY_DIGITS), rounded(row.trend_error_kwh_per_month, CAPACITY_DIGITS), None
    )


async def charger(database: Database, meter_id: str, window: Window) -> ChargerHealth:
    """A charger's ratio by day, against its own baseline, and the day on which it changed.

    What cannot be known is null, with a reason. Raises :class:`UnknownMeter` and :class:`DatabaseLost`. Source:
    `api.charger_health`.
    """
    rows = await database.fetch_all(
        "charger_health", {"meter_id": meter_id, "window_from": window.from_, "window_to": window.to}
    )
    found = rows[0]
    if not found.is_known:
        raise UnknownMeter(f"meter {meter_id} has no reading and no assignment, and is not registered")
    days = [_day(row) for row in rows if row.day_from is not None]
    baseline, recent, trend = found.baseline_ratio, found.recent_ratio, found.trend_per_30_days
    reason = _charger_reason(has_fed=found.has_fed, has_days=bool(days), recent_ratio=recent)
    return ChargerHealth(
        meterId=meter_id,
        window=window,
        baselineRatio=rounded(baseline, RATIO_DIGITS),
        recentRatio=rounded(recent, RATIO_DIGITS),
        changeSinceBaseline=rounded(None if recent is None else recent - baseline, RATIO_DIGITS),
        reason=reason,
        change=None
        if found.changed_from is None
        else Change(
            found.changed_from, round(found.ratio_before, RATIO_DIGITS), round(found.ratio_after, RATIO_DIGITS)
        ),
        trend=Trend(
            rounded(trend, RATIO_DIGITS),
            rounded(found.trend_error_per_30_days, RATIO_DIGITS),
            reason if trend is None else None,
        ),
        pending=found.is_pending,
        days=days,
    )


def _charger_reason(*, has_fed: bool, has_days: bool, recent_ratio: float | None) -> HealthReason | None:
    if not has_fed:
        return "no_assignment"
    if not has_days:
        return "no_readings"
    if recent_ratio is None:
        return "too_few_days"
    return "data_fault" if recent_ratio > 1 else None


def _day(row: Any) -> ChargerDay:
    return ChargerDay(
        window=Window(row.day_from, row.day_to),
        totalEnergy=both_energies(row),
        efficiencyRatio=rounded(row.efficiency_ratio, RATIO_DIGITS),
        readings=reading_counts(row),
        coverage=coverage(row),
    )
