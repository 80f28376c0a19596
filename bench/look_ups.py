"""What does a vehicle's performance over 24 hours cost, over HTTP and as bare SQL?"""

import http.client
import statistics
import time
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import TupleRow

from app.queries import query
from bench.generate import whole_minute

LOOK_UPS = 400
WARM_UP = 20


def prepare(connection: psycopg.Connection[TupleRow], vehicles: int) -> None:
    """Two days of minutes of as many meters and vehicles, each vehicle assigned to the meter of its number."""
    connection.execute(
        """
        INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v)
        SELECT 'M-' || lpad(n::text, 5, '0'), date_trunc('minute', now()) - m * interval '1 minute', 0.2, 230
        FROM generate_series(0, %(last)s) AS n, generate_series(0, 2880) AS m
        """,
        {"last": vehicles - 1},
    )
    connection.execute(
        """
        INSERT INTO telemetry.vehicle_telemetry_history
            (vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c)
        SELECT 'V-' || lpad(n::text, 5, '0'), date_trunc('minute', now()) - m * interval '1 minute', 50, 0.18, 28
        FROM generate_series(0, %(last)s) AS n, generate_series(0, 2880) AS m
        """,
        {"last": vehicles - 1},
    )
    connection.execute(
        """
        INSERT INTO telemetry.assignment (meter_id, vehicle_id, during)
        SELECT 'M-' || lpad(n::text, 5, '0'), 'V-' || lpad(n::text, 5, '0'), tstzrange(now() - interval '2 days', NULL)
        FROM generate_series(0, %(last)s) AS n
        """,
        {"last": vehicles - 1},
    )
    connection.execute("CALL api.refresh_rollups(now() - interval '3 days', now())")
    connection.execute("ANALYZE")


def measure(address: str, url: str, vehicles: int) -> tuple[list[float], list[float]]:
    """Seconds of each look-up over HTTP, and of the same statement from psycopg, in turn; vehicles V-00000 and on."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    over_http, bare = [], []
    to = whole_minute()
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("SET plan_cache_mode = force_custom_plan")
        database.execute("SET jit = off")
        for number in range(LOOK_UPS + WARM_UP):
            vehicle_id = f"V-{number % vehicles:05}"
            began = time.perf_counter()
            connection.request("GET", f"/v1/analytics/performance/{vehicle_id}")
            response = connection.getresponse()
            answer = response.read()
            over_http.append(time.perf_counter() - began)
            assert response.status == 200, answer
            window = {"vehicle_id": vehicle_id, "window_from": to - timedelta(hours=24), "window_to": to}
            began = time.perf_counter()
            database.execute(query("vehicle_performance"), window).fetchall()
            bare.append(time.perf_counter() - began)
    connection.close()
    return over_http[WARM_UP:], bare[WARM_UP:]


def percentile(seconds: list[float], percent: int) -> float:
    """A percentile, in milliseconds."""
    return statistics.quantiles(seconds, n=100)[percent - 1] * 1000
