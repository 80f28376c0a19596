"""A small fleet of ten days for the pages, up to now, with something of each kind that they show.

M-101 turned bad in the middle and feeds V-202, which charges now; M-102 is a slow socket with V-203; M-103 feeds
nobody; M-104 and V-205 contradict each other; M-105 is a register with a jump. Names, sites and groups are hostile.
"""

from datetime import timedelta
from typing import Any

import psycopg

from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings, minutes_ago
from tests.support.service import Client

DAYS = 10
TURNED_BAD = 5
HOSTILE = "<img src=x onerror=alert(1)>"
_STEP = timedelta(minutes=10)
_RATIOS = {"M-101": (0.91, 0.78), "M-102": (0.83, 0.83), "M-104": (1.2, 1.2)}


def fill(url: str, client: Client) -> None:
    """Put the fleet into a database and register it with the service."""
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC") as connection:
        connection.execute("SELECT api.set_meter_kind('M-105', 'register', NULL, NULL)")
        _charge(connection, "M-101", "V-202", power_kw=11.0, capacity_kwh=58.0)
        _charge(connection, "M-102", "V-203", power_kw=2.3, capacity_kwh=40.0)
        _charge(connection, "M-104", "V-205", power_kw=7.4, capacity_kwh=60.0)
        begins = hours_ago(30)
        insert_meter_readings(connection, [("M-103", begins + i * _STEP, 0.05, 230.0) for i in range(12)])
        register = enumerate((842.0, 845.5, 9000.0, 846.0, 850.0))
        insert_meter_readings(connection, [("M-105", begins + i * 1.5 * _STEP, kwh, 230.0) for i, kwh in register])
    for kind, ids in (("meters", ("M-101", "M-103")), ("vehicles", ("V-202", "V-205"))):
        for id_ in ids:
            place = {"meters": "site", "vehicles": "group"}[kind]
            client.put(f"/v1/{kind}/{id_}", {"name": f"{id_} {HOSTILE}", place: HOSTILE})
    client.put("/v1/vehicles/V-202", {"batteryCapacityKwh": 58})
    for minutes in (2, 1):
        at = minutes_ago(minutes)
        client.ingest(
            {"meterId": "M-101", "kwhConsumedAc": 0.18, "voltage": 230.5, "timestamp": at},
            {"vehicleId": "V-202", "soc": 60.0, "kwhDeliveredDc": 0.15, "batteryTemp": 31.0, "timestamp": at},
        )


def _charge(
    connection: psycopg.Connection[Any], meter: str, vehicle: str, *, power_kw: float, capacity_kwh: float
) -> None:
    """A drive of two hours and a charge of two each day, a reading every ten minutes."""
    meters, vehicles = [], []
    first = hours_ago(24 * DAYS)
    for day in range(DAYS):
        ratio = _RATIOS[meter][day >= TURNED_BAD]
        gained = 200 * power_kw * ratio / capacity_kwh
        for i in range(24):
            at = first + timedelta(days=day) + (i + 1) * _STEP
            energy = power_kw / 6 if i >= 12 else 0.0
            share = (i - 11) / 12 if i >= 12 else 1 - (i + 1) / 12
            meters.append((meter, at, energy, 229.0 + (i * 7 + day) % 5))
            vehicles.append((vehicle, at, round(90 - gained + gained * share, 1), energy * ratio, 20.0 + i % 9))
    insert_meter_readings(connection, meters)
    insert_vehicle_readings(connection, vehicles)
    for day in range(DAYS):
        begins = first + timedelta(days=day)
        # The last one is open: it charges now.
        ends = begins + timedelta(hours=6) if day < DAYS - 1 else None
        connection.execute(
            "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) VALUES (%s, %s, tstzrange(%s, %s))",
            [meter, vehicle, begins, ends],
        )
