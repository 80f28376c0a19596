"""Many registers to judge in one batch: the batch is answered at once, and what waits is judged afterwards."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import hours_ago, meter_reading, vehicle_reading
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

MINUTE = timedelta(minutes=1)
DEVICES = 250
# Of each device, before and after a power cut that set every register to zero.
VALUES = (500.0, 502.0, 0.0, 1.5)


def batch(kind: str, step: int) -> list[dict[str, Any]]:
    """A reading of every device; the first two come one after the other, the last two together."""
    at = hours_ago(3) + step * 15 * MINUTE
    if kind == "meter":
        return [meter_reading(f"D-{number:03}", at, kwhConsumedAc=VALUES[step]) for number in range(DEVICES)]
    return [vehicle_reading(f"D-{number:03}", at, kwhDeliveredDc=VALUES[step]) for number in range(DEVICES)]


def waiting(connection: Connection) -> int:
    [(count,)] = connection.execute("SELECT count(*) FROM telemetry.register_backlog").fetchall()
    return int(count)


@pytest.mark.parametrize("kind", ["meter", "vehicle"])
def test_a_batch_of_many_registers_is_answered_and_judged_afterwards(
    client: Client, connection: Connection, kind: str
) -> None:
    connection.execute("SELECT api.set_fleet_default(%s, 'register', NULL, NULL)", [kind])
    side = "dcDeliveredKwh" if kind == "vehicle" else "acConsumedKwh"

    def answers() -> list[tuple[float | None, bool]]:
        path = {"meter": "meters", "vehicle": "performance"}[kind]
        found = []
        for number in (0, DEVICES - 1):
            window = {"from_": hours_ago(4).isoformat(), "to": hours_ago(0).isoformat()}
            document = client.get(f"/v1/analytics/{path}/D-{number:03}", **window).json
            energies = document if kind == "meter" else document["totalEnergy"]
            found.append((energies[side], document["pending"]))
        return found

    for step in (0, 1):
        client.ingest(*batch(kind, step))
    assert waiting(connection) == DEVICES - 100
    [first, last] = answers()
    # One that was judged at once, and one that waits.
    assert (first[0], last[1]) == (2.0, True)
    connection.execute("SELECT api.judge_backlog(%s)", [DEVICES])
    assert waiting(connection) == 0
    # All of them fall at once, in a batch with two readings each.
    client.ingest(*batch(kind, 2), *batch(kind, 3))
    assert waiting(connection) > 0
    while waiting(connection):
        connection.execute("SELECT api.judge_backlog(%s)", [DEVICES])
    connection.execute("CALL api.refresh_rollups(%s, %s)", [hours_ago(6), hours_ago(0)])
    assert answers() == [(3.5, False)] * 2
    events = client.get("/v1/register-events", kind="reset", limit=1000).json["events"]
    assert len(events) == DEVICES
