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

from tests.support.readings import (
    MeterRow,
    VehicleRow,
    hours_ago,
    insert_meter_readings,
    insert_vehicle_readings,
    vehicle_reading,
)
from tests.support.servers import Server
from tests.support.service import Client, command

DATA = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data"
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
    [summary] = [line for line in done.stdout.splitlines() if " kept, " in line]
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
    assert _import(migrated_database, HOUSEHOLD, *options) == f"{count:,} kept, 0 there already, 0 conflicts, 0 bad"
    before = [_rows(connection, statement) for statement in EVERYTHING]
    assert before[0][0][0] == sum(readings for _, _, readings, _ in before[1]) == count
    assert _import(migrated_database, HOUSEHOLD, *options) == f"0 kept, {count:,} there already, 0 conflicts, 0 bad"
    assert [_rows(connection, statement) for statement in EVERYTHING] == before

    [(newest,)] = _rows(connection, "SELECT max(recorded_at) FROM telemetry.meter_telemetry_history")
    shift = newest - minutes[-1][0]
    instants = [at + shift for at, _ in minutes]
    energies = [energy for _, energy in minutes]
    client.ingest(vehicle_reading("HOME"))

    def expected(begins: datetime, ends: datetime) -> tuple[float | None, int]:
        low, high = bisect.bisect_right(instants, begins), bisect.bisect_right(instants, ends)
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


def test_the_same_meter_as_a_register_that_was_reset_glitched_and_exchanged_counts_the_same(
    client: Client, connection: Connection, migrated_database: str, tmp_path: Path
) -> None:
    """Its minutes added up to a register, which loses its value once, sends a zero once, and is exchanged for one that
    stands at 4711. The operator announces the exchange; the rest the service finds."""
    minutes = _household()
    reset, glitch, exchange = (len(minutes) * part // 4 for part in (1, 2, 3))
    energies = [energy for _, energy in minutes]
    value = 52_000.0
    path = tmp_path / "register.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["recorded_at", "energy_kwh", "voltage_v"])
        for number, (at, energy) in enumerate(minutes):
            value = {reset: 0.0, exchange: 4711.0}.get(number, value) + energy
            writer.writerow([at.isoformat(), 0.0 if number == glitch else round(value, 5), 230])
    assert client.put("/v1/meters/HOME", {"energyReading": "register", "since": None}).status == 200
    _import(migrated_database, path, "--meter", "HOME", "--end-at", "now")
    [(newest,)] = _rows(connection, "SELECT max(recorded_at) FROM telemetry.meter_telemetry_history")
    instants = [at + (newest - minutes[-1][0]) for at, _ in minutes]
    decision = {"meterId": "HOME", "decision": "exchange", "firstKwh": 4711.0}
    announced = client.put("/v1/register-decisions", {**decision, "at": instants[exchange] - timedelta(seconds=20)})
    assert announced.status == 200, announced.body
    connection.execute("CALL api.refresh_rollups(%s, %s)", [instants[0], instants[-1]])

    # The first reading begins the register. What a zero hides is in the reading after it.
    energies[0], energies[glitch], energies[glitch + 1] = 0.0, 0.0, energies[glitch] + energies[glitch + 1]
    client.ingest(vehicle_reading("HOME"))
    edges = [(instants[number] - timedelta(hours=2), instants[number]) for number in (reset, exchange, glitch + 1)]
    for begins, ends in [*_windows(instants), *edges]:
        low, high = bisect.bisect_right(instants, begins), bisect.bisect_right(instants, ends)
        answer = client.get("/v1/analytics/performance/HOME", from_=begins.isoformat(), to=ends.isoformat()).json
        assert answer["readings"]["meter"] == high - low
        if high > low:
            energy = answer["totalEnergy"]["acConsumedKwh"]
            assert energy == pytest.approx(math.fsum(energies[low:high]), abs=2e-5), (begins, ends)
    events = client.get("/v1/register-events", meterId="HOME").json["events"]
    kinds = [event["kind"] for event in events]
    assert (kinds[0], kinds[1], kinds[-1]) == ("baseline", "reset", "exchange")


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
    rest = f"{len(sessions) - len(fitting):,} overlaps, 0 bad"
    assert _import(migrated_database, SESSIONS) == f"{len(fitting):,} kept, 0 there already, {rest}"
    assert _rows(connection, ASSIGNED) == fitting
    assert _import(migrated_database, SESSIONS) == f"0 kept, {len(fitting):,} there already, {rest}"
    assert _rows(connection, ASSIGNED) == fitting

    for session in random.Random(SEED).sample(fitting, 10):
        answer = client.get(
            f"/v1/analytics/performance/{session.vehicle_id}",
            from_=(session.arrived_at - timedelta(hours=1)).isoformat(),
            to=(session.departed_at + timedelta(hours=1)).isoformat(),
        )
        assert answer.status == 200, answer.body
        assert answer.json["meters"] == [session.plug]
        assert answer.json["totalEnergy"] == {"acConsumedKwh": None, "dcDeliveredKwh": None, "dcElsewhereKwh": None}
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
    for counts in (f"{len(fitting):,} kept, 0 there already", f"0 kept, {len(fitting):,} there already"):
        assert _import(migrated_database, path, "--meter", "CCS") == f"{counts}, {overlaps:,} overlaps, 0 bad"
        assert _rows(connection, ASSIGNED) == fitting


# The energy of the sessions, minute by minute

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
# On TimescaleDB each day of the sessions is a chunk to create; a month of them will do.
DAYS_ON_TIMESCALE = 31


class Charge(NamedTuple):
    """What a session of the file moved: AC energy as it was measured, DC energy as the state of charge tells it."""

    session: Session
    energy_ac_kwh: float
    energy_dc_kwh: float
    soc_arrival_pct: float
    soc_departure_pct: float


def _charges(last_days: int | None) -> tuple[list[Charge], timedelta]:
    """Sessions that fit, or those of the last days alone, and the whole days by which to shift them up to now."""
    with SESSIONS.open(newline="") as file:
        rows = {row["session"]: row for row in csv.DictReader(file)}
    fitting = _fitting(_sessions())
    last = max(session.departed_at for session in fitting)
    if last_days is not None:
        fitting = [session for session in fitting if session.arrived_at > last - last_days * DAY]
    charges = []
    for session in fitting:
        row = rows[session.vehicle_id]
        arrival, departure = float(row["soc_arrival_pct"]), float(row["soc_departure_pct"])
        energy_dc = (departure - arrival) / 100 * float(row["battery_capacity_kwh"])
        charges.append(Charge(session, float(row["energy_ac_kwh"]), energy_dc, arrival, departure))
    return charges, (hours_ago(24) - last) // DAY * DAY


def _minutes(charges: Sequence[Charge], shift: timedelta, kind: str) -> tuple[list[MeterRow], list[VehicleRow]]:
    """A reading a minute of each session's meter and vehicle: power falls by half from arrival to departure.

    As intervals, or as registers that had counted before: a vehicle's from its arrival on, a plug's through all its
    sessions, but for a reset to 0 amid them.
    """
    meters: list[MeterRow] = []
    vehicles: list[VehicleRow] = []
    counted: dict[str, float] = {}
    resets = {plug: len([one for one in charges if one.session.plug == plug]) // 2 for plug in ("CCS1", "CCS2")}
    for charge in charges:
        (vehicle, plug, arrived_at, departed_at), begins = charge.session, charge.session.arrived_at + shift
        length = int((departed_at - arrived_at) / MINUTE)
        shares = [1 - 0.5 * i / length for i in range(length)]
        if plug not in counted:
            counted[plug] = 1234.5
            meters.append((plug, begins - 60 * MINUTE, counted[plug] if kind == "register" else 0.0, 400.0))
        resets[plug] -= 1
        counted[plug] = 0.0 if resets[plug] == 0 else counted[plug]
        delivered, soc = 77.0, charge.soc_arrival_pct
        vehicles.append((vehicle, begins - 30 * MINUTE / 60, soc, delivered if kind == "register" else 0.0, 25.0))
        for i, share in enumerate(shares):
            energy_ac, energy_dc = (
                energy * share / math.fsum(shares) for energy in (charge.energy_ac_kwh, charge.energy_dc_kwh)
            )
            counted[plug] += energy_ac
            delivered += energy_dc
            soc += (charge.soc_departure_pct - charge.soc_arrival_pct) * share / math.fsum(shares)
            at = begins + (i + 1) * MINUTE
            meters.append((plug, at, counted[plug] if kind == "register" else energy_ac, 400.0))
            vehicles.append(
                (vehicle, at, soc, delivered if kind == "register" else energy_dc, 25.0 + 15.0 * (1 - share))
            )
    return meters, vehicles


@pytest.mark.parametrize("kind", ["interval", "register"])
def test_the_fleets_totals_are_the_files_whether_meters_read_intervals_or_registers(
    client: Client, connection: Connection, server: Server, kind: str
) -> None:
    """Each session is an assignment, and minutes of its plug and of its vehicle add up to its energy. Answers of the
    fleet over windows of up to 31 days, some of which cut sessions, add up to the file's, to 1e-6 of a kWh each."""
    charges, shift = _charges(DAYS_ON_TIMESCALE if server.profile == "timescale" else None)
    meters, vehicles = _minutes(charges, shift, kind)
    if kind == "register":
        connection.execute(
            "INSERT INTO telemetry.fleet_default (device_type, effective_from, energy_reading) "
            "VALUES ('meter', '-infinity', 'register'), ('vehicle', '-infinity', 'register')"
        )
    insert_meter_readings(connection, meters)
    insert_vehicle_readings(connection, vehicles)
    sessions = [charge.session for charge in charges]
    connection.execute(
        "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) "
        "SELECT plug, vehicle, tstzrange(arrived, departed) "
        "FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[]) "
        "AS session (plug, vehicle, arrived, departed)",
        [
            [session.plug for session in sessions],
            [session.vehicle_id for session in sessions],
            [session.arrived_at + shift for session in sessions],
            [session.departed_at + shift for session in sessions],
        ],
    )
    begins, ends = meters[0][1] - DAY, hours_ago(0)
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begins, ends])

    totals = {"acConsumedKwh": 0.0, "dcDeliveredKwh": 0.0}
    answers = 0
    while begins < ends:
        upto = min(begins + 30 * DAY + timedelta(hours=7, minutes=13), ends)
        fleet = client.get("/v1/analytics/fleet", from_=begins.isoformat(), to=upto.isoformat()).json
        assert fleet["acUnattributedKwh"] in (0.0, None)
        for side in totals:
            totals[side] += fleet["totalEnergy"][side] or 0
        begins, answers = upto, answers + 1
    for side, energies in (
        ("acConsumedKwh", [charge.energy_ac_kwh for charge in charges]),
        ("dcDeliveredKwh", [charge.energy_dc_kwh for charge in charges]),
    ):
        assert totals[side] == pytest.approx(math.fsum(energies), abs=1e-6 * answers), side
