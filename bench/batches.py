"""How near does a POST of many readings come to COPY of the same rows into the same tables, triggers included?

Two clients post at once, as two would copy; each figure is the median of its rounds, and the rounds of the two
alternate, so that both see the machine in the same state.
"""

import http.client
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import msgspec
import psycopg

from bench.generate import minutes, whole_minute

CLIENTS = 2
ROUNDS = 5
BATCHES_PER_CLIENT = 20


def measure(address: str, url: str, readings_per_batch: int) -> tuple[float, float]:
    """Median readings per second over HTTP, and by text COPY with psycopg (its encoding in Python included)."""
    bodies = _bodies(readings_per_batch, 2 * ROUNDS * CLIENTS * BATCHES_PER_CLIENT)
    posted, copied = [], []
    for _ in range(ROUNDS):
        posted.append(_rate(lambda part: _post(address, part), bodies, readings_per_batch))
        copied.append(_rate(lambda part: _copy(url, part), bodies, readings_per_batch))
    return statistics.median(posted), statistics.median(copied)


def _bodies(readings_per_batch: int, count: int) -> list[bytes]:
    devices = readings_per_batch // 2
    # Each size has devices of its own, so that nothing is sent twice.
    first = readings_per_batch * 10
    return [msgspec.json.encode(minute) for minute in minutes(devices, count, whole_minute(), first)]


def _rate(work: Callable[[Sequence[bytes]], None], bodies: list[bytes], readings_per_batch: int) -> float:
    """Readings per second of the next batches, shared out among the clients; the batches are used up."""
    parts = [[bodies.pop(0) for _ in range(BATCHES_PER_CLIENT)] for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        began = time.perf_counter()
        for done in [clients.submit(work, part) for part in parts]:
            done.result()
    return CLIENTS * BATCHES_PER_CLIENT * readings_per_batch / (time.perf_counter() - began)


def _post(address: str, bodies: Sequence[bytes]) -> None:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=120)
    for body in bodies:
        connection.request("POST", "/v1/ingest", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
    connection.close()


def _copy(url: str, bodies: Sequence[bytes]) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for body in bodies:
            readings = msgspec.json.decode(body)
            with cursor.copy(
                "COPY telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) FROM STDIN"
            ) as copy:
                copy.write(
                    "".join(
                        f"{r['meterId']}\t{r['timestamp']}\t{r['kwhConsumedAc']}\t{r['voltage']}\n"
                        for r in readings
                        if "meterId" in r
                    )
                )
            with cursor.copy(
                "COPY telemetry.vehicle_telemetry_history "
                "(vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c) FROM STDIN"
            ) as copy:
                copy.write(
                    "".join(
                        f"{r['vehicleId']}\t{r['timestamp']}\t{r['soc']}\t{r['kwhDeliveredDc']}\t{r['batteryTemp']}\n"
                        for r in readings
                        if "vehicleId" in r
                    )
                )
            connection.commit()
