-- Differs by necessity because COMMENT ON names the kind of relation: here the rollup is a table.

COMMENT ON TABLE telemetry.meter_hourly IS
'Hourly rollup of meter_telemetry_history: only what can be added up again; averages and ratios are computed in schema api.';
COMMENT ON TABLE telemetry.vehicle_hourly IS
'Hourly rollup of vehicle_telemetry_history: only what can be added up again; averages and ratios are computed in schema api.';
COMMENT ON TABLE telemetry.meter_daily IS
'Daily rollup (UTC) of meter_hourly, for years of trend: only what can be added up again; it stays when the hours it was made of are dropped.';
COMMENT ON TABLE telemetry.vehicle_daily IS
'Daily rollup (UTC) of vehicle_hourly, for years of trend: only what can be added up again; it stays when the hours it was made of are dropped.';
