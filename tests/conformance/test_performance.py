"""A vehicle's performance: exact windows, through assignments."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import count
from operator import itemgetter
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import TupleRow

from tests.support import oracle
from tests.support.readings import hours_ago, meter_reading, minutes_ago, now, vehicle_reading
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

US = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

REASONS = dict.fromkeys(("acConsumedKwh", "dcDeliveredKwh", "efficiencyRatio", "avgBatteryTemp"))


# The oracle: the figures by a full scan of the readings as posted, in plain Python.


@dataclass
class World:
    """What a test posted: readings and assignments."""

    readings: list[dict[str, Any]] = field(default_factory=list)
    assignments: list[dict[str, Any]] = field(default_factory=list)

    def post(
        self, client: Client, readings: Sequence[dict[str, Any]], assignments: Iterable[dict[str, Any]] = ()
    ) -> None:
        """Post assignments and readings, all of which have to be taken, and remember them."""
        for assignment in assignments:
            assert client.post("/v1/assignments", assignment).status == 201
            self.assignments.append(assignment)
        if readings:
            assert client.ingest(*readings)["accepted"] == len(readings)
            self.readings += readings


@dataclass(frozen=True)
class Figures:
    """A vehicle's exact figures; the answer's are these, rounded."""

    energy_ac_kwh: float | None
    energy_dc_kwh: float | None
    elsewhere_kwh: float | None
    ratio: float | None
    battery_temp_mean_c: float | None
    meters: list[str]
    meter_readings: int
    vehicle_readings: int


def expected(world: World, vehicle_id: str, begins: datetime, ends: datetime) -> Figures:
    """What the performance of a vehicle in (begins, ends] has to be."""
    assignments = [
        oracle.Assignment(one["meterId"], one["vehicleId"], one["from"], one.get("to")) for one in world.assignments
    ]
    heard = {reading["meterId"] for reading in world.readings if "meterId" in reading}
    if any(one.vehicle == vehicle_id for one in assignments):
        heard |= {one.meter for one in assignments}
    feeds = [one for one in oracle.stretches(heard, assignments, begins, ends) if one.vehicle == vehicle_id]
    grid = [
        reading["kwhConsumedAc"]
        for meter_id, _, feed_from, feed_to in feeds
        for reading in world.readings
        if reading.get("meterId") == meter_id and feed_from < reading["timestamp"] <= feed_to
    ]
    battery = [
        reading
        for reading in world.readings
        if reading.get("vehicleId") == vehicle_id and begins < reading["timestamp"] <= ends
    ]
    ac = sum(grid) if grid else None
    dc = sum(reading["kwhDeliveredDc"] for reading in battery) if battery else None
    # What arrived while a meter fed the vehicle; the first reading after plug-out may be of a charge before begins.
    own = sorted((one for one in world.readings if one.get("vehicleId") == vehicle_id), key=itemgetter("timestamp"))
    counts = [oracle.Counted(one["timestamp"], Fraction(one["kwhDeliveredDc"]), "") for one in own]
    stays = oracle.stretches(heard, assignments, begins - DAY, ends)
    within = oracle.belongs(counts, [(one.begins, one.ends) for one in stays if one.vehicle == vehicle_id])
    fed = [one for one, arrived in zip(own, within, strict=True) if arrived and begins < one["timestamp"] <= ends]
    dc_fed = sum(reading["kwhDeliveredDc"] for reading in fed) if fed else None
    return Figures(
        energy_ac_kwh=ac,
        energy_dc_kwh=dc,
        elsewhere_kwh=None if dc is None else dc - (dc_fed or 0),
        ratio=None if dc_fed is None or not ac else dc_fed / ac,
        battery_temp_mean_c=(
            sum(_as_float4(reading["batteryTemp"]) for reading in battery) / len(battery) if battery else None
        ),
        meters=sorted({feed.meter for feed in feeds}),
        meter_readings=len(grid),
        vehicle_readings=len(battery),
    )


def _as_float4(value: float) -> float:
    stored: float = struct.unpack("f", struct.pack("f", value))[0]
    return stored


def ask(client: Client, vehicle_id: str, begins: datetime, ends: datetime) -> Any:
    """A vehicle's performance in (begins, ends], which has to be known."""
    answer = client.get(f"/v1/analytics/performance/{vehicle_id}", from_=begins.isoformat(), to=ends.isoformat())
    assert answer.status == 200, answer.body
    return answer.json


def check(client: Client, world: World, vehicle_id: str, begins: datetime, ends: datetime) -> Figures:
    """Ask, and hold every figure of the answer to the oracle, to the digits that the contract gives it."""
    answered, exact = ask(client, vehicle_id, begins, ends), expected(world, vehicle_id, begins, ends)
    assert answered["vehicleId"] == vehicle_id
    assert (answered["meters"], answered["readings"]) == (
        exact.meters,
        {"meter": exact.meter_readings, "vehicle": exact.vehicle_readings},
    )
    for name, figure, exact_figure, digits in (
        ("acConsumedKwh", answered["totalEnergy"]["acConsumedKwh"], exact.energy_ac_kwh, 6),
        ("dcDeliveredKwh", answered["totalEnergy"]["dcDeliveredKwh"], exact.energy_dc_kwh, 6),
        ("dcElsewhereKwh", answered["totalEnergy"]["dcElsewhereKwh"], exact.elsewhere_kwh, 6),
        ("efficiencyRatio", answered["efficiencyRatio"], exact.ratio, 4),
        ("avgBatteryTemp", answered["avgBatteryTemp"], exact.battery_temp_mean_c, 2),
    ):
        if exact_figure is None:
            assert figure is None, name
        else:
            # Half of the last digit, and what the order of summing may make of it.
            assert figure == pytest.approx(exact_figure, rel=1e-12, abs=0.5 * 10**-digits + 1e-9), name
            assert figure == round(figure, digits), name
    return exact


def test_the_two_readings_of_the_mission_give_its_figures(client: Client) -> None:
    at = minutes_ago(5)
    assigned = client.post(
        "/v1/assignments", {"meterId": "M-101", "vehicleId": "V-202", "from": at - timedelta(hours=1)}
    )
    assert assigned.status == 201
    readings = (
        meter_reading("M-101", at, kwhConsumedAc=12.4, voltage=231.5),
        vehicle_reading("V-202", at, soc=82.5, kwhDeliveredDc=10.8, batteryTemp=34.2),
    )
    assert client.ingest(*readings) == {"accepted": 2, "duplicates": 0, "conflicts": 0, "rejected": 0, "errors": []}

    first = client.get("/v1/analytics/performance/V-202")
    assert first.status == 200
    figures = first.json
    window = figures.pop("window")
    assert set(window) == {"from", "to"}
    assert figures == {
        "vehicleId": "V-202",
        "totalEnergy": {"acConsumedKwh": 12.4, "dcDeliveredKwh": 10.8, "dcElsewhereKwh": 0.0},
        "efficiencyRatio": 0.871,
        "avgBatteryTemp": 34.2,
        "meters": ["M-101"],
        "readings": {"meter": 1, "vehicle": 1},
        # Of the assignment 65 minutes have passed, of the window all.
        "coverage": {"meter": pytest.approx(1 / 65, abs=1e-3), "vehicle": round(1 / 1440, 4)},
        "resets": {"meter": 0, "vehicle": 0},
        "rollovers": {"meter": 0, "vehicle": 0},
        "spannedKwh": {"ac": 0.0, "dc": 0.0},
        "estimated": False,
        "pending": False,
        "reasons": REASONS,
        "faults": [],
    }

    again = client.ingest(*readings)
    assert (again["accepted"], again["duplicates"], again["conflicts"]) == (0, 2, 0)
    assert client.get("/v1/analytics/performance/V-202", from_=window["from"], to=window["to"]).json == first.json


# Windows


def both_at(instants: Iterable[datetime], meter_id: str = "M-1", vehicle_id: str = "V-1") -> list[dict[str, Any]]:
    """A meter's and a vehicle's reading at each instant, every one of another energy and temperature."""
    readings = []
    for i, at in enumerate(sorted(set(instants)), 1):
        readings.append(meter_reading(meter_id, at, kwhConsumedAc=round(0.2 + i / 1000, 3)))
        readings.append(
            vehicle_reading(vehicle_id, at, kwhDeliveredDc=round(0.1 + i / 2000, 4), batteryTemp=20 + i % 17)
        )
    return readings


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (10 * MINUTE, 40 * MINUTE),
        (40 * MINUTE, 80 * MINUTE),
        (HOUR, 2 * HOUR),
        (HOUR, 4 * HOUR),
        (HOUR, 90 * MINUTE),
        (90 * MINUTE, 2 * HOUR),
        (90 * MINUTE, 4 * HOUR),
        (HOUR, 4 * HOUR + 30 * MINUTE),
        (17 * MINUTE + 30 * US, 4 * HOUR + 42 * MINUTE + 7 * US),
        (HOUR - US, 2 * HOUR + US),
        (HOUR + US, 2 * HOUR - US),
        (HOUR, HOUR + US),
        (2 * HOUR - US, 2 * HOUR),
    ],
    ids=[
        "inside_one_hour",
        "across_one_hour_boundary",
        "one_whole_hour",
        "whole_hours_only",
        "from_a_whole_hour_to_within_it",
        "from_within_an_hour_to_its_end",
        "cut_hour_at_the_start",
        "cut_hour_at_the_end",
        "cut_hours_at_both_ends",
        "a_microsecond_more_than_an_hour",
        "a_microsecond_less_than_an_hour",
        "the_first_microsecond_of_an_hour",
        "the_last_microsecond_of_an_hour",
    ],
)
def test_a_window_excludes_from_and_includes_to(client: Client, begins: timedelta, ends: timedelta) -> None:
    start = hours_ago(30)
    world = World()
    edges = [start + edge + step for edge in (begins, ends) for step in (-US, timedelta(0), US)]
    world.post(
        client,
        both_at([start + 10 * MINUTE * i for i in range(31)] + edges),
        [{"meterId": "M-1", "vehicleId": "V-1", "from": start - DAY}],
    )
    figures = check(client, world, "V-1", start + begins, start + ends)
    # The reading on `to` counts and the one on `from` does not, whatever else there is.
    assert figures.vehicle_readings >= 1
    with_from = check(client, world, "V-1", start + begins - US, start + ends)
    assert with_from.vehicle_readings == figures.vehicle_readings + 1


def test_a_window_of_31_days_is_answered(client: Client) -> None:
    ends = now()
    begins = ends - 31 * DAY
    world = World()
    world.post(
        client,
        both_at([begins - US, begins, ends - US, ends, *(begins + 3 * HOUR * i + 11 * MINUTE for i in range(31 * 8))]),
        [{"meterId": "M-1", "vehicleId": "V-1", "from": begins - DAY}],
    )
    assert check(client, world, "V-1", begins, ends).vehicle_readings == 2 + 31 * 8


def test_the_window_is_the_last_24_hours_by_default(client: Client) -> None:
    client.ingest(*both_at([now() - DAY - MINUTE, now() - DAY + MINUTE, now() - MINUTE, now() + MINUTE]))
    before = datetime.now(UTC)
    answered = client.get("/v1/analytics/performance/V-1").json
    begins, ends = (datetime.fromisoformat(answered["window"][name]) for name in ("from", "to"))
    assert ends - begins == DAY
    assert before <= ends <= datetime.now(UTC)
    assert answered["readings"]["vehicle"] == 2


def test_a_window_given_by_one_end_is_24_hours_or_reaches_to_now(client: Client) -> None:
    client.ingest(vehicle_reading("V-1"))
    to = hours_ago(5)
    answered = client.get("/v1/analytics/performance/V-1", to=to.isoformat()).json["window"]
    assert datetime.fromisoformat(answered["from"]) == to - DAY
    answered = client.get("/v1/analytics/performance/V-1", from_=to.isoformat()).json["window"]
    assert datetime.fromisoformat(answered["from"]) == to
    assert abs(datetime.fromisoformat(answered["to"]) - datetime.now(UTC)) < MINUTE


@pytest.mark.parametrize(
    ("begins", "ends"),
    [(HOUR, HOUR), (2 * HOUR, HOUR), (timedelta(0), 31 * DAY + HOUR + US)],
    ids=["empty", "backwards", "longer_than_31_days_and_an_hour"],
)
def test_a_window_that_makes_no_sense_is_422(client: Client, begins: timedelta, ends: timedelta) -> None:
    client.ingest(vehicle_reading("V-1"))
    start = hours_ago(24 * 40)
    answer = client.get(
        "/v1/analytics/performance/V-1", from_=(start + begins).isoformat(), to=(start + ends).isoformat()
    )
    assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "invalid_parameter", "from")
    assert answer.headers["content-type"] == "application/problem+json"


# The ends of the calendar, where the default window or a zone leaves the years 1 to 9999.
@pytest.mark.parametrize(
    "query",
    [
        {"from_": "yesterday"},
        {"to": "2026-01-01T00:00:00"},
        {"to": "0001-01-01T00:00:00Z"},
        {"to": "9999-12-31T23:59:59-23:00"},
        {"from_": "0001-01-01T00:00:00+23:00"},
    ],
)
def test_an_end_of_a_window_that_is_no_instant_is_422(client: Client, query: dict[str, str]) -> None:
    client.ingest(vehicle_reading("V-1"))
    answer = client.get("/v1/analytics/performance/V-1", **query)
    assert (answer.status, answer.json["code"]) == (422, "invalid_parameter")


# Assignments


def test_assignments_that_begin_and_end_within_an_hour_are_clipped_to_the_instant(client: Client) -> None:
    start = hours_ago(40)
    begins, ends = start + 2 * HOUR + 20 * MINUTE + 5 * US, start + 7 * HOUR + 35 * MINUTE + 5 * US
    world = World()
    edges = [edge + step for edge in (begins, ends) for step in (-US, timedelta(0), US)]
    world.post(
        client,
        both_at([start + 10 * MINUTE * i for i in range(60)] + edges),
        [{"meterId": "M-1", "vehicleId": "V-1", "from": begins, "to": ends}],
    )
    for window in (
        (start, start + 10 * HOUR),
        (begins, ends),
        (begins - US, ends + US),
        (begins + US, ends - US),
        (start + 3 * HOUR, start + 5 * HOUR),
        (start + 2 * HOUR + 30 * MINUTE, start + 2 * HOUR + 40 * MINUTE),
        (start, begins),
        (ends, start + 10 * HOUR),
    ):
        check(client, world, "V-1", *window)
    assert expected(world, "V-1", start, begins).meters == []


def test_several_meters_feed_a_vehicle_one_after_the_other(client: Client) -> None:
    start = hours_ago(40)
    world = World()
    instants = [start + 7 * MINUTE * i for i in range(80)]
    world.post(
        client,
        [
            *(
                meter_reading(f"M-{m}", at, kwhConsumedAc=round(m / 10 + i / 1000, 3))
                for m in (1, 2, 3)
                for i, at in enumerate(instants)
            ),
            *(vehicle_reading("V-1", at, kwhDeliveredDc=0.1) for at in instants),
        ],
        [
            {"meterId": "M-2", "vehicleId": "V-1", "from": start + 21 * MINUTE, "to": start + 3 * HOUR},
            {"meterId": "M-1", "vehicleId": "V-1", "from": start + 3 * HOUR, "to": start + 5 * HOUR + 10 * MINUTE},
            # The same meter again, after a gap: it is named once.
            {"meterId": "M-2", "vehicleId": "V-1", "from": start + 6 * HOUR},
            {"meterId": "M-3", "vehicleId": "V-other", "from": start},
        ],
    )
    assert check(client, world, "V-1", start, start + 10 * HOUR).meters == ["M-1", "M-2"]
    assert check(client, world, "V-1", start + 2 * HOUR, start + 4 * HOUR).meters == ["M-1", "M-2"]
    assert check(client, world, "V-1", start + 3 * HOUR, start + 4 * HOUR).meters == ["M-1"]
    assert check(client, world, "V-1", start + 310 * MINUTE, start + 6 * HOUR).energy_ac_kwh is None


def test_a_meter_handed_over_counts_for_each_vehicle_up_to_the_instant_and_after_it(client: Client) -> None:
    start = hours_ago(40)
    handed_over = start + 4 * HOUR + 13 * MINUTE
    world = World()
    instants = [start + 10 * MINUTE * (i + 1) for i in range(59)] + [handed_over - US, handed_over, handed_over + US]
    world.post(
        client,
        [*both_at(instants, "M-1", "V-1"), *(vehicle_reading("V-2", at) for at in instants)],
        [
            {"meterId": "M-1", "vehicleId": "V-1", "from": start, "to": handed_over},
            {"meterId": "M-1", "vehicleId": "V-2", "from": handed_over},
        ],
    )
    before = check(client, world, "V-1", start, start + 10 * HOUR)
    after = check(client, world, "V-2", start, start + 10 * HOUR)
    assert before.meter_readings + after.meter_readings == len(instants)
    check(client, world, "V-1", handed_over - US, handed_over + US)
    check(client, world, "V-2", handed_over - US, handed_over + US)


def test_a_corrected_assignment_shows_at_once(client: Client) -> None:
    start = hours_ago(40)
    world = World()
    world.post(client, both_at([start + 10 * MINUTE * i for i in range(30)]))
    wrong = {"meterId": "M-1", "vehicleId": "V-1", "from": start + 4 * HOUR}
    assignment_id = client.post("/v1/assignments", wrong).json["id"]
    world.assignments = [wrong]
    check(client, world, "V-1", start, start + 5 * HOUR)
    assert client.patch(f"/v1/assignments/{assignment_id}", {"from": start + 90 * MINUTE}).status == 200
    world.assignments = [{**wrong, "from": start + 90 * MINUTE}]
    check(client, world, "V-1", start, start + 5 * HOUR)


def test_a_vehicle_never_assigned_is_paired_with_the_meter_of_its_own_id(client: Client) -> None:
    start = hours_ago(40)
    world = World()
    world.post(client, both_at([start + 10 * MINUTE * i for i in range(30)], "D-1", "D-1"))
    assert check(client, world, "D-1", start + 15 * MINUTE, start + 3 * HOUR).meters == ["D-1"]
    # An assignment that ended before the window is one all the same: from then on the ids mean nothing.
    world.post(client, [], [{"meterId": "M-9", "vehicleId": "D-1", "from": start - 2 * DAY, "to": start - DAY}])
    figures = check(client, world, "D-1", start + 15 * MINUTE, start + 3 * HOUR)
    assert (figures.meters, figures.energy_ac_kwh) == ([], None)


def test_a_vehicle_never_assigned_does_not_get_what_the_meter_of_its_id_drew_for_another(client: Client) -> None:
    start = hours_ago(40)
    world = World()
    world.post(
        client,
        both_at([start + 10 * MINUTE * i for i in range(30)], "D-1", "D-1"),
        [{"meterId": "D-1", "vehicleId": "D-2", "from": start + HOUR, "to": start + 2 * HOUR}],
    )
    window = (start + 15 * MINUTE, start + 3 * HOUR)
    own, other = (check(client, world, vehicle, *window) for vehicle in ("D-1", "D-2"))
    assert (own.meters, own.meter_readings, other.meters, other.meter_readings) == (["D-1"], 11, ["D-1"], 6)
    # The coverage is of the time in which it did feed the vehicle.
    answered = ask(client, "D-1", *window)
    assert answered["coverage"]["meter"] == pytest.approx(11 / 105, abs=1e-4)
    assert answered["reasons"]["acConsumedKwh"] is None
    # While it feeds the other, nothing is known of what this one drew.
    answered = ask(client, "D-1", start + HOUR, start + 2 * HOUR)
    assert (answered["meters"], answered["totalEnergy"]["acConsumedKwh"], answered["coverage"]["meter"]) == (
        [],
        None,
        None,
    )
    assert answered["reasons"]["acConsumedKwh"] == answered["reasons"]["efficiencyRatio"] == "no_assignment"


def test_a_vehicle_is_not_paired_with_a_meter_that_feeds_another_vehicle_only_by_name(client: Client) -> None:
    start = hours_ago(40)
    world = World()
    world.post(
        client,
        [*both_at([start + MINUTE], "M-1", "V-1"), *both_at([start + 2 * MINUTE], "M-2", "V-2")],
        [{"meterId": "M-1", "vehicleId": "V-1", "from": start}],
    )
    figures = check(client, world, "V-2", start, start + HOUR)
    assert (figures.meters, figures.energy_ac_kwh, figures.ratio) == ([], None, None)


# What is not known


def test_what_is_not_known_is_null_and_never_zero(client: Client) -> None:
    at = minutes_ago(30)
    client.ingest(vehicle_reading("V-1", at, kwhDeliveredDc=1.5, batteryTemp=20))
    answered = ask(client, "V-1", at - MINUTE, at)
    assert answered["totalEnergy"] == {"acConsumedKwh": None, "dcDeliveredKwh": 1.5, "dcElsewhereKwh": 1.5}
    assert answered["reasons"] == REASONS | {"acConsumedKwh": "no_assignment", "efficiencyRatio": "no_assignment"}
    assert answered["coverage"] == {"meter": None, "vehicle": 1.0}
    assert (answered["efficiencyRatio"], answered["meters"], answered["readings"]) == (
        None,
        [],
        {"meter": 0, "vehicle": 1},
    )
    client.ingest(meter_reading("M-2", at, kwhConsumedAc=2))
    client.post("/v1/assignments", {"meterId": "M-2", "vehicleId": "V-2", "from": at - MINUTE})
    answered = ask(client, "V-2", at - MINUTE, at)
    assert answered["totalEnergy"] == {"acConsumedKwh": 2.0, "dcDeliveredKwh": None, "dcElsewhereKwh": None}
    assert (answered["efficiencyRatio"], answered["avgBatteryTemp"]) == (None, None)
    assert answered["reasons"] == dict.fromkeys(REASONS, "no_readings") | {"acConsumedKwh": None}
    assert answered["coverage"] == {"meter": 1.0, "vehicle": 0.0}
    assert (answered["meters"], answered["readings"]) == (["M-2"], {"meter": 1, "vehicle": 0})


def test_an_energy_of_zero_is_zero_and_the_ratio_to_it_is_null(client: Client) -> None:
    at = minutes_ago(30)
    client.ingest(meter_reading("V-1", at, kwhConsumedAc=0), vehicle_reading("V-1", at, kwhDeliveredDc=0))
    answered = ask(client, "V-1", at - MINUTE, at)
    assert answered["totalEnergy"] == {"acConsumedKwh": 0.0, "dcDeliveredKwh": 0.0, "dcElsewhereKwh": 0.0}
    assert (answered["efficiencyRatio"], answered["reasons"]) == (None, REASONS | {"efficiencyRatio": "no_energy"})
    client.ingest(
        meter_reading("V-1", at + MINUTE, kwhConsumedAc=1), vehicle_reading("V-1", at + MINUTE, kwhDeliveredDc=0)
    )
    assert ask(client, "V-1", at - MINUTE, at + MINUTE)["efficiencyRatio"] == 0.0


def test_more_in_the_battery_than_from_the_grid_is_a_data_fault_and_shown(client: Client) -> None:
    at = minutes_ago(30)
    client.ingest(meter_reading("V-1", at, kwhConsumedAc=1), vehicle_reading("V-1", at, kwhDeliveredDc=1.25))
    answered = ask(client, "V-1", at - MINUTE, at)
    assert (answered["efficiencyRatio"], answered["reasons"]) == (1.25, REASONS | {"efficiencyRatio": "data_fault"})
    client.ingest(meter_reading("V-2", at, kwhConsumedAc=0), vehicle_reading("V-2", at, kwhDeliveredDc=1))
    answered = ask(client, "V-2", at - MINUTE, at)
    assert (answered["efficiencyRatio"], answered["reasons"]) == (None, REASONS | {"efficiencyRatio": "data_fault"})


@pytest.mark.parametrize("known_by", ["reading", "assignment", "listing"])
def test_a_vehicle_known_but_silent_in_the_window_is_200_with_nulls(
    client: Client, connection: Connection, known_by: str
) -> None:
    at = hours_ago(48)
    if known_by == "reading":
        client.ingest(vehicle_reading("V-1", at))
    elif known_by == "assignment":
        client.post("/v1/assignments", {"meterId": "M-1", "vehicleId": "V-1", "from": at, "to": at + HOUR})
    else:
        connection.execute("INSERT INTO telemetry.vehicle (vehicle_id) VALUES ('V-1')")
    answered = client.get("/v1/analytics/performance/V-1")
    assert answered.status == 200
    figures = answered.json
    del figures["window"]
    assert figures == {
        "vehicleId": "V-1",
        "totalEnergy": {"acConsumedKwh": None, "dcDeliveredKwh": None, "dcElsewhereKwh": None},
        "efficiencyRatio": None,
        "avgBatteryTemp": None,
        "meters": [],
        "readings": {"meter": 0, "vehicle": 0},
        "coverage": {"meter": None, "vehicle": 0.0},
        "resets": {"meter": 0, "vehicle": 0},
        "rollovers": {"meter": 0, "vehicle": 0},
        "spannedKwh": {"ac": 0.0, "dc": 0.0},
        "estimated": False,
        "pending": False,
        "reasons": {
            "acConsumedKwh": "no_assignment",
            "dcDeliveredKwh": "no_readings",
            "efficiencyRatio": "no_assignment",
            "avgBatteryTemp": "no_readings",
        },
        "faults": [],
    }


def test_a_vehicle_never_heard_of_is_404(client: Client) -> None:
    client.ingest(meter_reading("only-a-meter"), vehicle_reading("V-1"))
    for unknown in ("nobody", "only-a-meter", "no%20id", "x" * 65):
        answer = client.get(f"/v1/analytics/performance/{unknown}")
        assert (answer.status, answer.json["code"]) == (404, "unknown_vehicle")


# Any readings, any assignments, any window

METERS = ("M-1", "M-2", "both")
VEHICLES = ("V-1", "V-2", "both")
SPAN = 26 * HOUR

# Whole hours and their neighbours are where the pieces of an answer meet: they come as often as any other instant.
offsets = st.one_of(
    st.integers(0, 26).map(lambda hours: hours * HOUR),
    st.tuples(st.integers(1, 25), st.sampled_from([-US, US])).map(lambda edge: edge[0] * HOUR + edge[1]),
    st.integers(0, 26 * 12).map(lambda steps: steps * 5 * MINUTE),
    st.timedeltas(timedelta(0), SPAN),
)
energies = st.one_of(st.just(0.0), st.integers(0, 50_000).map(lambda thousandths: thousandths / 1000))
meter_rows = st.tuples(st.sampled_from(METERS), offsets, energies)
vehicle_rows = st.tuples(
    st.sampled_from(VEHICLES), offsets, energies, st.integers(-400, 900).map(lambda tenths: tenths / 10)
)
stretches = st.tuples(st.sampled_from(METERS), st.sampled_from(("V-1", "V-2")), offsets, st.one_of(st.none(), offsets))
windows = st.tuples(offsets, offsets).map(sorted).filter(lambda ends: ends[0] < ends[1])


def distinct(rows: Iterable[Any]) -> list[Any]:
    """Rows of which no two bear the same device and instant."""
    return list({(row[0], row[1]): row for row in rows}.values())


def without_overlaps(candidates: Iterable[tuple[str, str, timedelta, timedelta | None]]) -> list[Any]:
    kept: list[tuple[str, str, timedelta, timedelta]] = []
    for meter, vehicle, begins, ends in candidates:
        last = 2 * SPAN if ends is None else ends
        if begins < last and not any(
            (meter == other[0] or vehicle == other[1]) and begins < other[3] and other[2] < last for other in kept
        ):
            kept.append((meter, vehicle, begins, last))
    return kept


_worlds = count()


@settings(
    max_examples=20,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    meters=st.lists(meter_rows, max_size=30),
    vehicles=st.lists(vehicle_rows, max_size=30),
    late=st.lists(st.one_of(meter_rows, vehicle_rows), max_size=10),
    assigned=st.lists(stretches, max_size=6),
    asked=st.lists(windows, min_size=1, max_size=3),
)
def test_any_window_equals_a_full_scan_of_the_readings_posted(
    client: Client,
    connection: Connection,
    meters: list[Any],
    vehicles: list[Any],
    late: list[Any],
    assigned: list[Any],
    asked: list[Any],
) -> None:
    # Random readings, assignments and windows, days in the past; the oracle scans all that was posted. First the
    # readings are posted and a refresh completes (and, where the rollup is a continuous aggregate, materialises) their
    # hours. Then late readings come, into hours that are materialised now and out of order; after another refresh the
    # answers have to be right again. Every example has devices of its own, so that nothing needs to be emptied.
    prefix = f"{next(_worlds)}:"
    start = hours_ago(24 * 4)
    refresh = (start - HOUR, start + SPAN + HOUR)

    def posted(rows: Iterable[Any]) -> list[dict[str, Any]]:
        return [
            meter_reading(prefix + row[0], start + row[1], kwhConsumedAc=row[2])
            if len(row) == 3
            else vehicle_reading(prefix + row[0], start + row[1], kwhDeliveredDc=row[2], batteryTemp=row[3])
            for row in rows
        ]

    first = [*distinct(meters), *distinct(vehicles)]
    later = [*distinct(row for row in late if len(row) == 3), *distinct(row for row in late if len(row) == 4)]
    taken = {(len(row), row[0], row[1]) for row in first}
    later = [row for row in later if (len(row), row[0], row[1]) not in taken]
    world = World()
    assignments: list[dict[str, Any]] = [
        {"meterId": prefix + meter, "vehicleId": prefix + vehicle, "from": start + begins}
        | ({} if ends == 2 * SPAN else {"to": start + ends})
        for meter, vehicle, begins, ends in without_overlaps(assigned)
    ]
    # Known by an assignment that lies outside of every window, or by a reading; a vehicle of neither kind is 404.
    for readings, new in ((posted(first), assignments), (posted(later), [])):
        world.post(client, readings, new)
        connection.execute("CALL api.refresh_rollups(%s, %s)", refresh)
        known = {reading.get("vehicleId") for reading in world.readings}
        known |= {assignment["vehicleId"] for assignment in world.assignments}
        for begins, ends in asked:
            for vehicle in VEHICLES:
                if prefix + vehicle in known:
                    check(client, world, prefix + vehicle, start + begins, start + ends)
