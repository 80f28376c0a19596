"""The health of batteries and chargers: parameters in, structs out."""

from typing import Any

from app.analytics.rounding import (
    CAPACITY_DIGITS,
    ENERGY_DIGITS,
    HOURS_DIGITS,
    RATIO_DIGITS,
    TEMPERATURE_DIGITS,
    rounded,
)
from app.db.pool import Database
from app.errors import UnknownMeter, UnknownVehicle
from app.wire.energy import Coverage, ReadingCounts, TotalEnergy, Window
from app.wire.health import (
    BatteryHealth,
    BatteryMonth,
    Capacity,
    Change,
    ChargerDay,
    ChargerHealth,
    HealthReason,
    Trend,
)


async def battery(database: Database, vehicle_id: str, window: Window) -> BatteryHealth:
    """A battery's capacity from its charging stretches, its trend over months, and the hours above 40 degrees C.

    Of the window, whole hours count. What cannot be known is null, with a reason. Raises :class:`UnknownVehicle` and
    :class:`DatabaseLost`. Sources: `api.battery_months`, `api.vehicle_condition`.
    """
    parameters = {"vehicle_id": vehicle_id, "window_from": window.from_, "window_to": window.to}
    [condition] = await database.fetch_all("vehicle_condition", parameters)
    is_known, listed, readings, coverage, hours_hot, max_temperature = condition
    if not is_known:
        raise UnknownVehicle(f"vehicle {vehicle_id} has no reading and no assignment, and is not registered")
    rows = await database.fetch_all("battery_months", parameters)
    months = [BatteryMonth(month, _capacity(stretches, *fit)) for month, stretches, *fit, _, _ in rows if month]
    [(_, stretches, capacity, error, trend, trend_error)] = [row for row in rows if row[0] is None] or [_NO_STRETCHES]
    return BatteryHealth(
        vehicleId=vehicle_id,
        window=window,
        capacity=_capacity(stretches, capacity, error, silent=readings == 0),
        listedCapacityKwh=listed,
        shareOfListed=rounded(capacity / listed if capacity and listed else None, RATIO_DIGITS),
        trend=_battery_trend(trend, trend_error, silent=readings == 0),
        months=months,
        hoursAbove40C=rounded(hours_hot, HOURS_DIGITS),
        maxBatteryTemp=rounded(max_temperature, TEMPERATURE_DIGITS),
        readings=readings,
        coverage=rounded(coverage, RATIO_DIGITS),
    )


_NO_STRETCHES = (None, 0, None, None, None, None)


def _capacity(stretches: int, kwh: float | None, error_kwh: float | None, *, silent: bool = False) -> Capacity:
    reason: HealthReason | None = None
    if kwh is None:
        reason = "no_readings" if silent else "too_few_stretches"
    return Capacity(rounded(kwh, CAPACITY_DIGITS), rounded(error_kwh, CAPACITY_DIGITS), stretches, reason)


def _battery_trend(per_month: float | None, error: float | None, *, silent: bool) -> Trend:
    reason: HealthReason | None = None
    if per_month is None:
        reason = "no_readings" if silent else "too_few_months"
    return Trend(rounded(per_month, CAPACITY_DIGITS), rounded(error, CAPACITY_DIGITS), reason)


async def charger(database: Database, meter_id: str, window: Window) -> ChargerHealth:
    """A charger's ratio by day, against its own baseline, and the day on which it changed.

    What cannot be known is null, with a reason. Raises :class:`UnknownMeter` and :class:`DatabaseLost`. Source:
    `api.charger_health`.
    """
    rows = await database.fetch_all(
        "charger_health", {"meter_id": meter_id, "window_from": window.from_, "window_to": window.to}
    )
    is_known, has_fed, _, baseline, recent, changed_from, before, after, trend, trend_error = rows[0][:10]
    if not is_known:
        raise UnknownMeter(f"meter {meter_id} has no reading and no assignment, and is not registered")
    days = [_day(*row[10:]) for row in rows if row[10] is not None]
    reason = _charger_reason(has_fed=has_fed, has_days=bool(days), recent_ratio=recent)
    return ChargerHealth(
        meterId=meter_id,
        window=window,
        baselineRatio=rounded(baseline, RATIO_DIGITS),
        recentRatio=rounded(recent, RATIO_DIGITS),
        changeSinceBaseline=rounded(None if recent is None else recent - baseline, RATIO_DIGITS),
        reason=reason,
        change=None
        if changed_from is None
        else Change(changed_from, round(before, RATIO_DIGITS), round(after, RATIO_DIGITS)),
        trend=Trend(
            rounded(trend, RATIO_DIGITS), rounded(trend_error, RATIO_DIGITS), reason if trend is None else None
        ),
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


def _day(
    day_from: Any, day_to: Any, energy_ac: float, energy_dc: float, ratio: float | None, *counted: Any
) -> ChargerDay:
    meter_readings, vehicle_readings, *coverages = counted
    return ChargerDay(
        window=Window(day_from, day_to),
        totalEnergy=TotalEnergy(rounded(energy_ac, ENERGY_DIGITS), rounded(energy_dc, ENERGY_DIGITS)),
        efficiencyRatio=rounded(ratio, RATIO_DIGITS),
        readings=ReadingCounts(meter_readings, vehicle_readings),
        coverage=Coverage(*(rounded(coverage, RATIO_DIGITS) for coverage in coverages)),
    )
