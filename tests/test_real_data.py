"""Real readings and real stays through the real command line: the answers against sums over the files themselves.

The files are public data that lies beside the repository, not in it: one household's meter, a reading a minute with its
real gaps, and the charging sessions of a year at two plugs.
"""

import bisect
import csv
import itertools
import math
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.readings import vehicle_reading
from tests.service import Client, command

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
HOUSEHOLD = DATA / "household_meter_minutes.csv"
SESSIONS = DATA / "ev_charging_sessions_2022.csv"
SEED = 20061216

pytestmark = pytest.mark.skipif(
    not (HOUSEHOLD.exists() and SESSIONS.exists()), reason=f"skipped: there are no real readings in {DATA}"
)

Connection = psycopg.Connection[TupleRow]


class Session(NamedTuple):
    """One vehicle's stay at a plug."""

    vehicle_id: str
    plug: str
    arrived_at: datetime
    departed_at: datetime

    def overlaps(self, other: "Session") -> bool:
        """Whether the two cannot both be: one plug or one vehicle, at one time."""
        return (self.plug == other.plug or self.vehicle_id == other.vehicle_id) and (
            self.arrived_at < other.departed_at and other.arrived_at < self.departed_at
        )


def _household() -> list[tuple[datetime, float]]:
    with HOUSEHOLD.open(newline="") as file:
        return [(datetime.fromisoformat(row["recorded_at"]), float(row["energy_kwh"])) for row in csv.DictReader(file)]


def _sessions() -> list[Session]:
    with SESSIONS.open(newline="") as file:
        return [
            Session(
                row["session"],
                row["plug"],
                datetime.fromisoformat(row["arrived_at"]),
                datetime.fromisoformat(row["departed_at"]),
            )
            for row in csv.DictReader(file)
        ]


def _import(url: str, path: Path, *options: str) -> str:
    """Run the command; returns what its summary says of the lines: `n kept, n there already, ...`."""
    done = command("import", str(path), *options, DATABASE_URL=url)
    assert done.returncode == 0, done.stdout + done.stderr
    [summary] = [line for line in done.stdout.splitlines() if " lines of " in line]
    return summary.split(": ", 2)[2]


def _rows(connection: Connection, statement: str) -> list[Any]:
    return connection.execute(statement.encode()).fetchall()


def _windows(instants: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """Ten windows from seconds to days, at random but for their edges: on a reading, just beside one, or anywhere."""
    numbers = random.Random(SEED)
    first, last = instants[0], instants[-1]
    windows = [(first, last), (first - timedelta(days=1), last + timedelta(microseconds=1))]
    for length_s in (1, 45, 600, 3600, 9000, 86_400, 3 * 86_400, 9 * 86_400):
        begins = numbers.choice(instants[: len(instants) // 3])
        begins += numbers.choice([timedelta(0), timedelta(microseconds=1), timedelta(seconds=numbers.uniform(-60, 60))])
        ends = begins + timedelta(seconds=length_s * numbers.uniform(0.5, 1.5))
        if numbers.random() < 0.5:
            ends = next((at for at in instants if at > ends), ends)
        windows.append((begins, ends))
    return windows


EVERYTHING = (
    "SELECT count(*), sum(energy_ac_kwh), min(recorded_at), max(recorded_at), max(received_at) "
    "FROM telemetry.meter_telemetry_history",
    "SELECT meter_id, bucket_start, readings, energy_ac_sum_kwh FROM telemetry.meter_hourly ORDER BY 1, 2",
    "SELECT * FROM telemetry.live_meter_state",
    "SELECT * FROM telemetry.import_source",
)


def test_energy_over_any_window_is_the_sum_over_the_file_imported_once_or_twice(
    client: Client, connection: Connection, migrated_database: str
) -> None:
    """The household's meter is paired with the vehicle of its own id, once as it is, and once through assignments that
    split its time between two vehicles. Windows cut hours, days and gaps; the sum is taken over the file with fsum, to
    the contract's 6 decimals. Before the windows are asked for, the file is imported again, which changes nothing."""
    minutes = _household()
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(minutes)]
    assert max(gaps) > timedelta(minutes=1)
    options = ("--meter", "HOME", "--end-at", "now")
    count = len(minutes)
    assert _import(migrated_database, HOUSEHOLD, *options) == f"{count} kept, 0 there already, 0 conflicts, 0 bad"
    before = [_rows(connection, statement) for statement in EVERYTHING]
    assert before[0][0][0] == sum(readings for _, _, readings, _ in before[1]) == count
    assert _import(migrated_database, HOUSEHOLD, *options) == f"0 kept, {count} there already, 0 conflicts, 0 bad"
    assert [_rows(connection, statement) for statement in EVERYTHING] == before

    [(newest,)] = _rows(connection, "SELECT max(recorded_at) FROM telemetry.meter_telemetry_history")
    shift = newest - minutes[-1][0]
    instants = [at + shift for at, _ in minutes]
    energies = [energy for _, energy in minutes]
    client.ingest(vehicle_reading("HOME"))

    def expected(begins: datetime, ends: datetime) -> tuple[float | None, int]:
        low, high = bisect.bisect_left(instants, begins), bisect.bisect_left(instants, ends)
        return (round(math.fsum(energies[low:high]), 6) if high > low else None), high - low

    def answered(vehicle_id: str, begins: datetime, ends: datetime) -> tuple[float | None, int]:
        answer = client.get(f"/v1/analytics/performance/{vehicle_id}", from_=begins.isoformat(), to=ends.isoformat())
        assert answer.status == 200, answer.body
        return answer.json["totalEnergy"]["acConsumedKwh"], answer.json["readings"]["meter"]

    windows = _windows(instants)
    for begins, ends in windows:
        assert answered("HOME", begins, ends) == expected(begins, ends), (begins, ends)
    assert {expected(*window)[1] > 0 for window in windows} == {True, False}

    switched = instants[len(instants) // 2] + timedelta(seconds=17)
    assigned = [
        {"meterId": "HOME", "vehicleId": "EARLIER", "from": instants[0] - timedelta(days=2), "to": switched},
        {"meterId": "HOME", "vehicleId": "LATER", "from": switched},
    ]
    assert client.post("/v1/assignments", assigned).status == 201
    for begins, ends in windows:
        if begins < switched:
            assert answered("EARLIER", begins, ends) == expected(begins, min(ends, switched)), (begins, ends)
        if ends > switched:
            assert answered("LATER", begins, ends) == expected(max(begins, switched), ends), (begins, ends)


ASSIGNED = "SELECT vehicle_id, meter_id, lower(during), upper(during) FROM telemetry.assignment ORDER BY id"


def _fitting(sessions: Sequence[Session]) -> list[Session]:
    """Those that are left when each in turn is refused if it overlaps one taken before it."""
    taken: list[Session] = []
    for session in sessions:
        if not any(session.overlaps(other) for other in taken):
            taken.append(session)
    return taken


def test_charging_sessions_are_assignments_of_a_vehicle_to_a_plug(
    client: Client, connection: Connection, migrated_database: str
) -> None:
    sessions = _sessions()
    fitting = _fitting(sessions)
    overlaps = len(sessions) - len(fitting)
    assert _import(migrated_database, SESSIONS) == (f"{len(fitting)} kept, 0 there already, {overlaps} overlaps, 0 bad")
    assert _rows(connection, ASSIGNED) == fitting
    assert _import(migrated_database, SESSIONS) == (f"0 kept, {len(fitting)} there already, {overlaps} overlaps, 0 bad")
    assert _rows(connection, ASSIGNED) == fitting

    for session in random.Random(SEED).sample(fitting, 10):
        answer = client.get(
            f"/v1/analytics/performance/{session.vehicle_id}",
            from_=(session.arrived_at - timedelta(hours=1)).isoformat(),
            to=(session.departed_at + timedelta(hours=1)).isoformat(),
        )
        assert answer.status == 200, answer.body
        assert answer.json["meters"] == [session.plug]
        assert answer.json["totalEnergy"] == {"acConsumedKwh": None, "dcDeliveredKwh": None}
    assert client.get("/v1/analytics/performance/no-such-session").status == 404


def test_sessions_of_both_plugs_as_if_they_were_one_overlap_as_counted_from_the_file(
    connection: Connection, migrated_database: str, tmp_path: Path
) -> None:
    # Each plug serves one vehicle at a time; the two together do not, so that here real stays really overlap.
    path = tmp_path / "sessions.csv"
    path.write_text(SESSIONS.read_text().replace(",plug,", ",socket,", 1))
    sessions = [session._replace(plug="CCS") for session in _sessions()]
    fitting = _fitting(sessions)
    overlaps = len(sessions) - len(fitting)
    assert overlaps > 50
    for counts in (f"{len(fitting)} kept, 0 there already", f"0 kept, {len(fitting)} there already"):
        assert _import(migrated_database, path, "--meter", "CCS") == f"{counts}, {overlaps} overlaps, 0 bad"
        assert _rows(connection, ASSIGNED) == fitting
