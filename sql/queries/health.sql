-- name: vehicle_condition
SELECT
    is_known,
    battery_capacity_listed_kwh,
    readings,
    coverage,
    hours_hot,
    battery_temp_max_c,
    is_pending
FROM api.vehicle_condition(%(vehicle_id)s, %(window_from)s, %(window_to)s);

-- name: battery_months
SELECT
    to_char(month_from AT TIME ZONE 'UTC', 'YYYY-MM') AS month,
    stretches,
    capacity_kwh,
    capacity_error_kwh,
    capacity_low_kwh,
    capacity_high_kwh,
    trend_kwh_per_month,
    trend_error_kwh_per_month,
    hours_jumping,
    hours_frozen,
    hours_without_energy,
    hours_above_power
FROM api.battery_months(%(vehicle_id)s, %(window_from)s, %(window_to)s);

-- name: charger_health
SELECT
    EXISTS (SELECT FROM api.live_meter_state AS live WHERE live.meter_id = %(meter_id)s)
    OR EXISTS (SELECT FROM api.assignment WHERE assignment.meter_id = %(meter_id)s)
    OR EXISTS (SELECT FROM api.meter AS listed WHERE listed.meter_id = %(meter_id)s) AS is_known,
    internal.is_meter_pending(%(meter_id)s, %(window_from)s, %(window_to)s) AS is_pending,
    has_fed,
    baseline_ratio,
    recent_ratio,
    changed_from,
    ratio_before,
    ratio_after,
    trend_per_30_days,
    trend_error_per_30_days,
    day_from,
    day_to,
    energy_ac_kwh,
    energy_dc_kwh,
    efficiency_ratio,
    meter_readings,
    vehicle_readings,
    meter_coverage,
    vehicle_coverage
FROM api.charger_health(%(meter_id)s, %(window_from)s, %(window_to)s);
