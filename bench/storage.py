"""What do readings take on disk, before and after the columnstore; what do refresh, late readings and retention cost?

python -m bench.storage [--profile timescale] [--days 10] [--devices 1200]: on a throwaway server. The simulated fleet
of the demo drives for so many days; each of its devices then stands for several, with the same values under ids of
their own. That changes no figure per reading: the columnstore compresses device by device. Readings are received a
moment after they were taken, not all at one instant, which would compress too well. `doctor` is asked before, during
and after a backlog: one device in twenty reports a whole day, five days late. 10,000 devices of each kind and 10 days
are 288 million readings, 36 GB before the columnstore.
"""

import argparse
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.rows import TupleRow

from app.db import migrate
from app.local.embedded.installation import packaged_bindir
from app.local.embedded.server import EmbeddedServer
from app.local.simulator import Fleet
from app.tools import doctor
from tests.support.servers import PROFILES, local_timescale, open_directory, stop_jobs

Connection = psycopg.Connection[TupleRow]

SEED = 11
SIMULATED = {"meter": 80, "vehicle": 100}
LATE_SHARE = 20
NEEDED_BYTES_PER_READING = 200
DAY, HOUR = timedelta(days=1), timedelta(hours=1)

_STAGE = """
    CREATE UNLOGGED TABLE public.meter_stage (
        device integer, recorded_at timestamptz, energy_kwh float8, voltage_v float4
    );
    CREATE UNLOGGED TABLE public.vehicle_stage (
        device integer, recorded_at timestamptz, soc_pct float4, energy_kwh float8, battery_temp_c float4
    )
"""
_KEEP = {
    "meter": """
    INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v, received_at)
    SELECT
        format('M-%%s%%s', %(name)s::text, copy * 80 + device), recorded_at, energy_kwh, voltage_v,
        coalesce(%(received_at)s, recorded_at + (0.2 + 2 * random()) * interval '1 second')
    FROM public.meter_stage CROSS JOIN generate_series(0, %(devices)s / 80) AS copy
    WHERE recorded_at >= %(from)s AND recorded_at < %(to)s AND copy * 80 + device < %(devices)s
    ORDER BY recorded_at
    """,
    "vehicle": """
    INSERT INTO telemetry.vehicle_telemetry_history
        (vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c, received_at)
    SELECT
        format('V-%%s%%s', %(name)s::text, copy * 100 + device), recorded_at, soc_pct, energy_kwh, battery_temp_c,
        coalesce(%(received_at)s, recorded_at + (0.2 + 2 * random()) * interval '1 second')
    FROM public.vehicle_stage CROSS JOIN generate_series(0, %(devices)s / 100) AS copy
    WHERE recorded_at >= %(from)s AND recorded_at < %(to)s AND copy * 100 + device < %(devices)s
    ORDER BY recorded_at
    """,
}


def main() -> int:
    """Print the figures; returns 0, or 1 where there is no TimescaleDB or no room."""
    parser = argparse.ArgumentParser(prog="python -m bench.storage", description=__doc__)
    parser.add_argument("--profile", choices=PROFILES, default="timescale")
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--devices", type=int, default=1200, help="of each kind")
    options = parser.parse_args()
    bindir = local_timescale() if options.profile == "timescale" else packaged_bindir()
    needed = 2 * options.devices * options.days * 1440 * NEEDED_BYTES_PER_READING
    if bindir is None or shutil.disk_usage("/tmp").free < needed:
        sys.stderr.write(f"bench: no local TimescaleDB, or less than {needed / 1e9:.0f} GB free in /tmp\n")
        return 1
    with open_directory() as directory, EmbeddedServer(directory / "data", bindir, durable=False) as server:
        stop_jobs(server.url, options.profile)
        migrate.migrate(server.url, options.profile)
        with psycopg.connect(server.url, autocommit=True, options="-c timezone=UTC -c jit=off") as connection:
            _measure(connection, options.profile, options.days, options.devices)
    return 0


def _measure(connection: Connection, profile: str, days: int, devices: int) -> None:
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    start = (end - days * DAY).replace(hour=0, minute=0)
    _timed(
        f"simulate {SIMULATED['vehicle']} vehicles and {SIMULATED['meter']} chargers",
        lambda: _simulate(connection, start, end),
    )
    _timed(
        f"keep them for {devices:,} of each kind, hour by hour, by INSERT on two connections",
        lambda: _load(connection.info.dsn, start, end, devices),
    )
    [(readings,)] = connection.execute(
        "SELECT (SELECT sum(n) FROM (SELECT count(*) FROM telemetry.meter_telemetry_history "
        "UNION ALL SELECT count(*) FROM telemetry.vehicle_telemetry_history) AS kept (n))"
    ).fetchall()
    _say(f"{readings:,} readings of {2 * devices:,} devices")
    if profile == "timescale":
        _timed("refresh all rollups", lambda: _call(connection, "CALL api.refresh_rollups(%s, %s)", start, end))
    _timed("VACUUM ANALYZE", lambda: _call(connection, "VACUUM ANALYZE"))
    connection.execute("CALL api.upkeep()")
    if profile == "timescale":
        _sizes(connection, "before the columnstore")
        _timed("columnstore jobs", lambda: _run_jobs(connection, "columnstore"))
        _sizes(connection, "after the columnstore")
    else:
        _sizes(connection, "as loaded")
    _doctor(connection, "before a backlog")
    late = (end - 5 * DAY).replace(hour=0)
    where = ", into the columnstore" if profile == "timescale" else ""
    _timed(
        f"a day of one more device for {LATE_SHARE} there are, five days late{where}",
        lambda: _keep_late(connection, late, devices // LATE_SHARE),
    )
    _doctor(connection, "during the backlog")
    if profile == "timescale":
        _timed("refresh jobs", lambda: _run_jobs(connection, "refresh"))
        _timed("columnstore jobs again", lambda: _run_jobs(connection, "columnstore"))
        _doctor(connection, "after the backlog")
    _retention(connection, profile)


def _simulate(connection: Connection, start: datetime, end: datetime) -> None:
    connection.execute(_STAGE.encode())
    fleet = Fleet(SEED, SIMULATED["vehicle"], SIMULATED["meter"], start - timedelta(minutes=1))
    meters: list[tuple[object, ...]] = []
    vehicles: list[tuple[object, ...]] = []
    for _ in range(round((end - start) / timedelta(minutes=1))):
        minute = fleet.step()
        meters += [(n, minute.at, r["kwhConsumedAc"], r["voltage"]) for n, r in enumerate(minute.meter_readings)]
        vehicles += [
            (n, minute.at, r["soc"], r["kwhDeliveredDc"], r["batteryTemp"])
            for n, r in enumerate(minute.vehicle_readings)
        ]
        if len(meters) > 100_000:
            _copy(connection, meters, vehicles)
    _copy(connection, meters, vehicles)
    for stream in _KEEP:
        connection.execute(f"CREATE INDEX ON public.{stream}_stage (recorded_at)".encode())


def _copy(connection: Connection, meters: list[tuple[object, ...]], vehicles: list[tuple[object, ...]]) -> None:
    for statement, rows in (
        (b"COPY public.meter_stage FROM STDIN", meters),
        (b"COPY public.vehicle_stage FROM STDIN", vehicles),
    ):
        with connection.cursor() as cursor, cursor.copy(statement) as stream:
            for row in rows:
                stream.write_row(row)
        rows.clear()


def _load(url: str, start: datetime, end: datetime, devices: int) -> None:
    with ThreadPoolExecutor() as threads:
        for load in [threads.submit(_load_stream, url, stream, start, end, devices) for stream in _KEEP]:
            load.result()


def _load_stream(url: str, stream: str, start: datetime, end: datetime, devices: int) -> None:
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC -c jit=off -c work_mem=256MB") as connection:
        while start < end:
            values = {"name": "", "devices": devices, "from": start, "to": start + HOUR, "received_at": None}
            connection.execute(_KEEP[stream].encode(), values)
            start += HOUR


def _keep_late(connection: Connection, start: datetime, devices: int) -> None:
    values = {"name": "late-", "devices": devices, "from": start, "to": start + DAY, "received_at": datetime.now(UTC)}
    for statement in _KEEP.values():
        connection.execute(statement.encode(), values)


def _run_jobs(connection: Connection, job: str) -> None:
    for (number,) in connection.execute("SELECT job_id FROM api.job_health WHERE job = %s", [job]).fetchall():
        connection.execute("CALL public.run_job(%s)", [number])


def _call(connection: Connection, statement: str, *parameters: object) -> None:
    connection.execute(statement.encode(), parameters or None)


def _sizes(connection: Connection, when: str) -> None:
    _say(f"\n{when}: relation, chunks (compressed), bytes, ratio, bytes a row of the compressed or closed chunks")
    for relation, chunks, compressed, size, ratio in connection.execute(
        "SELECT relation, chunks, chunks_compressed, total_bytes, compression_ratio "
        "FROM api.relation_size ORDER BY relation"
    ).fetchall():
        per_row = _bytes_per_row(connection, relation) if relation.endswith("_history") else None
        line = f"{relation:26} {chunks:3} ({compressed}) {size / 1e6:10,.1f} MB"
        line += f"  {ratio:5.1f}x" if ratio else ""
        _say(line + (f"  {per_row:6.1f} B a reading" if per_row else ""))


def _bytes_per_row(connection: Connection, relation: str) -> float:
    """Bytes a reading in the chunks that are over, in the columnstore where some are."""
    chunks = connection.execute(
        "SELECT min(range_from), max(range_to), sum(total_bytes) FROM api.chunk_size "
        "WHERE relation = %s AND range_to <= now() GROUP BY is_compressed ORDER BY is_compressed DESC LIMIT 1",
        [relation],
    ).fetchall()
    [(begins, ends, size)] = chunks
    [(rows,)] = connection.execute(
        f"SELECT count(*) FROM telemetry.{relation} WHERE recorded_at >= %s AND recorded_at < %s".encode(),
        [begins, ends],
    ).fetchall()
    return float(size) / float(rows)


def _doctor(connection: Connection, when: str) -> None:
    _say(f"\ndoctor {when}:")
    began = time.perf_counter()
    status = doctor.run(connection.info.dsn, Namespace(json=False, silent_for="1 hour"))
    _say(f"exit status {status}, {time.perf_counter() - began:.1f} s")


def _retention(connection: Connection, profile: str) -> None:
    wanted = (
        '{"meter_telemetry_history": {"drop_after": "7 days"}, "vehicle_telemetry_history": {"drop_after": "7 days"}, '
        '"meter_hourly": {"refresh_start_offset": "3 days"}, "vehicle_hourly": {"refresh_start_offset": "3 days"}}'
    )
    for row in connection.execute("SELECT * FROM internal.policy_effects(%s)", [wanted]).fetchall():
        chunks = f"{row[2]} chunks, {row[4] / 1e6:,.1f} MB, " if profile == "timescale" else ""
        _say(f"plan: {row[0]} {row[1]} {chunks}{row[3]:,} rows")
    sums = (
        "SELECT sum(readings) FROM telemetry.meter_hourly UNION ALL SELECT sum(readings) FROM telemetry.vehicle_daily"
    )
    before = connection.execute(sums.encode()).fetchall()
    connection.execute("CALL api.set_policies(%s)", [wanted])
    if profile == "timescale":
        _timed("retention jobs", lambda: _run_jobs(connection, "retention"))
        connection.execute("CALL api.refresh_rollups(now() - interval '20 days', now())")
    else:
        _timed("retention by upkeep", lambda: _call(connection, "CALL api.upkeep()"))
    _say(f"rollups whole after the drop: {connection.execute(sums.encode()).fetchall() == before}")
    _sizes(connection, "after retention")


def _timed(what: str, work: Callable[[], None]) -> None:
    began = time.perf_counter()
    work()
    _say(f"{what}: {time.perf_counter() - began:.1f} s")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
