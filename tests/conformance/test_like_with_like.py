"""Like with like: a ratio compares what reached the battery while a meter fed the vehicle with what that meter drew.

Each scene is a day of a vehicle. All answers about it have to agree: performance, series, explain, meters, fleet,
losses and charger health.
"""

import math
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import hours_ago, meter_reading, vehicle_reading
from tests.support.service import Client

Connection = psycopg.Connection[TupleRow]

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

Place = timedelta


class Scene(NamedTuple):
    """Readings by their place in a day: energies of M-1 and V-1; when M-1 fed V-1; what the answers have to be."""

    meter: list[tuple[Place, float]]
    vehicle: list[tuple[Place, float]]
    stays: list[tuple[Place, Place]]
    ac_kwh: float | None
    dc_kwh: float
    elsewhere_kwh: float
    ratio: float | None
    spanned: tuple[float, float] = (0.0, 0.0)
    reason: str | None = None


def charge(begins: Place, hours: int, kwh: float, every: timedelta = 15 * MINUTE) -> list[tuple[Place, float]]:
    """Readings of a charge, the first one at its beginning with nothing, the last one at its end."""
    steps = hours * HOUR // every
    return [(begins, 0.0), *((begins + (i + 1) * every, kwh / steps) for i in range(steps))]


NIGHT, NOON = (HOUR, 7 * HOUR), 12 * HOUR
SCENES = {
    "a_depot_charge_and_a_public_one": Scene(
        charge(HOUR, 6, 30), [*charge(HOUR, 6, 27), *charge(NOON, 1, 22)], [NIGHT], 30, 49, 22, 0.9
    ),
    "a_bad_charger_and_a_public_one": Scene(
        charge(HOUR, 6, 10), [*charge(HOUR, 6, 7), *charge(NOON, 1, 2.4)], [NIGHT], 10, 9.4, 2.4, 0.7
    ),
    "a_report_half_a_minute_after_plug_out": Scene(
        charge(HOUR, 6, 30), [(HOUR, 0.0), (7 * HOUR + 30 * SECOND, 27.0)], [NIGHT], 30, 27, 0, 0.9, (0, 27)
    ),
    "a_report_a_quarter_of_an_hour_after_plug_out": Scene(
        charge(HOUR, 6, 30), [(HOUR, 0.0), (7 * HOUR + 15 * MINUTE, 27.0)], [NIGHT], 30, 27, 0, 0.9, (0, 27)
    ),
    "a_report_later_than_that": Scene(
        charge(HOUR, 6, 30),
        [(HOUR, 0.0), (7 * HOUR + 15 * MINUTE + SECOND, 27.0)],
        [NIGHT],
        30,
        27,
        27,
        None,
        (0, 27),
        "elsewhere_only",
    ),
    "the_second_report_after_plug_out_is_elsewhere": Scene(
        charge(HOUR, 6, 30),
        [(HOUR, 0.0), (7 * HOUR - MINUTE, 26.0), (7 * HOUR + MINUTE, 1.0), (7 * HOUR + 2 * MINUTE, 0.5)],
        [NIGHT],
        30,
        27.5,
        0.5,
        0.9,
        (0, 1.0),
    ),
    "a_reading_at_plug_out_leaves_nothing_to_come": Scene(
        charge(HOUR, 6, 30),
        [(HOUR, 0.0), (7 * HOUR, 27.0), (7 * HOUR + MINUTE, 1.0)],
        [NIGHT],
        30,
        28,
        1,
        0.9,
    ),
    "the_next_charge_takes_its_own_readings": Scene(
        [*charge(HOUR, 6, 30), *charge(8 * HOUR, 1, 10)],
        [(HOUR, 0.0), (7 * HOUR - MINUTE, 27.0), (8 * HOUR + MINUTE, 1.0), (9 * HOUR, 8.0)],
        [NIGHT, (8 * HOUR, 9 * HOUR)],
        40,
        36,
        0,
        0.9,
        (0, 1.0),
    ),
    "a_lost_plug_event": Scene(
        charge(HOUR, 6, 30), charge(HOUR, 6, 27), [], None, 27, 27, None, reason="no_assignment"
    ),
    "nothing_arrived_while_it_was_fed": Scene(
        charge(HOUR, 6, 30), charge(NOON, 1, 22), [NIGHT], 30, 22, 22, None, reason="elsewhere_only"
    ),
    "steps_of_an_hour_across_both_edges": Scene(
        [(place, kwh) for place, kwh in charge(timedelta(0), 8, 32, HOUR)],
        [(place, kwh) for place, kwh in charge(timedelta(0), 8, 24, HOUR)],
        # From half past one to half past six: the steps to 2:00 and to 7:00 span an edge.
        [(HOUR + 30 * MINUTE, 6 * HOUR + 30 * MINUTE)],
        20,
        24,
        9,
        0.75,
        (4.0, 6.0),
    ),
}
# The reading at 7:00 of the last one is 30 minutes after plug-out: it is elsewhere.


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest) -> Scene:
    """Each scene in turn."""
    return SCENES[request.param]


def begin() -> datetime:
    """Midnight UTC of a day that is over."""
    return (hours_ago(0) - 3 * DAY).replace(hour=0)


def post(client: Client, scene: Scene, connection: Connection) -> tuple[datetime, datetime]:
    """Keep what a scene has, and complete its rollups; its day."""
    start = begin()
    client.ingest(
        *(meter_reading("M-1", start + place, kwhConsumedAc=kwh) for place, kwh in scene.meter),
        *(vehicle_reading("V-1", start + place, kwhDeliveredDc=kwh) for place, kwh in scene.vehicle),
    )
    for since, until in scene.stays:
        assignment = {"meterId": "M-1", "vehicleId": "V-1", "from": start + since, "to": start + until}
        assert client.post("/v1/assignments", assignment).status == 201
    connection.execute("CALL api.refresh_rollups(%s, %s)", [start - DAY, start + 2 * DAY])
    return start - HOUR, start + DAY


def ask(client: Client, what: str, window: tuple[datetime, datetime], **parameters: Any) -> Any:
    """An answer."""
    begins, ends = (end.isoformat() for end in window)
    answer = client.get(f"/v1/analytics/{what}", from_=begins, to=ends, **parameters)
    assert answer.status == 200, answer.body
    return answer.json


def energies(scene: Scene) -> Any:
    return pytest.approx(
        {"acConsumedKwh": scene.ac_kwh, "dcDeliveredKwh": scene.dc_kwh, "dcElsewhereKwh": scene.elsewhere_kwh}
        if scene.ac_kwh is not None
        else {"acConsumedKwh": math.nan, "dcDeliveredKwh": scene.dc_kwh, "dcElsewhereKwh": scene.elsewhere_kwh},
        nan_ok=True,
        abs=1e-6,
    )


def test_performance_compares_like_with_like(client: Client, connection: Connection, scene: Scene) -> None:
    window = post(client, scene, connection)
    answered = ask(client, "performance/V-1", window)
    total = answered["totalEnergy"]
    assert {name: math.nan if kwh is None else kwh for name, kwh in total.items()} == energies(scene)
    ratio = scene.ratio if scene.ratio is None else pytest.approx(scene.ratio, abs=1e-4)
    assert answered["efficiencyRatio"] == ratio
    assert answered["reasons"]["efficiencyRatio"] == scene.reason
    assert (answered["spannedKwh"]["ac"], answered["spannedKwh"]["dc"]) == pytest.approx(scene.spanned, abs=1e-6)
    assert answered["estimated"] is (sum(scene.spanned) > 0)


def test_all_answers_agree(client: Client, connection: Connection, scene: Scene) -> None:
    window = post(client, scene, connection)
    performance = ask(client, "performance/V-1", window)
    total = performance["totalEnergy"]

    explained = ask(client, "performance/V-1/explain", window)
    within = sum(one["energyKwh"] or 0 for one in explained["battery"] if one["meterId"] is not None)
    outside = sum(one["energyKwh"] or 0 for one in explained["battery"] if one["meterId"] is None)
    assert (within, outside) == pytest.approx((scene.dc_kwh - scene.elsewhere_kwh, scene.elsewhere_kwh), abs=1e-5)

    for bucket, timezone in (("hour", "UTC"), ("hour", "Asia/Kolkata"), ("day", "Asia/Kolkata")):
        series = ask(client, "performance/V-1/series", window, bucket=bucket, timezone=timezone)["buckets"]
        for name in ("acConsumedKwh", "dcDeliveredKwh", "dcElsewhereKwh"):
            known = [one["totalEnergy"][name] for one in series if one["totalEnergy"][name] is not None]
            assert math.fsum(known) == pytest.approx(total[name] or 0, abs=1e-5), (bucket, timezone, name)
        for side in ("ac", "dc"):
            spanned = math.fsum(one["spannedKwh"][side] for one in series)
            assert spanned == pytest.approx(performance["spannedKwh"][side], abs=1e-5)

    meter = ask(client, "meters/M-1", window)
    fed = [(one["vehicleId"], one["dcDeliveredKwh"], one["efficiencyRatio"]) for one in meter["vehicles"]]
    if scene.stays:
        dc_kwh = None if scene.ratio is None else pytest.approx(scene.dc_kwh - scene.elsewhere_kwh)
        assert fed == [("V-1", dc_kwh, performance["efficiencyRatio"])]

    fleet = ask(client, "fleet", window)
    assert fleet["totalEnergy"]["dcDeliveredKwh"] == total["dcDeliveredKwh"]
    assert fleet["totalEnergy"]["dcElsewhereKwh"] == total["dcElsewhereKwh"]
    assert fleet["acAttributedKwh"] == (total["acConsumedKwh"] or 0)
    assert fleet["efficiencyRatio"] == performance["efficiencyRatio"]

    # With a threshold of 1, all that has a ratio is listed.
    losses = ask(client, "losses", window, below=1)
    for name, device in (("vehicles", "V-1"), ("meters", "M-1")):
        listed = [(one["id"], one["efficiencyRatio"]) for one in losses[name]["listed"]]
        assert listed == ([] if scene.ratio is None else [(device, performance["efficiencyRatio"])])
    assert losses["dataFaults"]["listed"] == []

    days = ask(client, "health/meters/M-1", window)["days"]
    assert math.fsum(day["totalEnergy"]["dcDeliveredKwh"] for day in days) == pytest.approx(
        0 if scene.ratio is None else scene.dc_kwh - scene.elsewhere_kwh
    )


def test_a_bad_charger_is_listed_whatever_its_vehicle_gets_elsewhere(client: Client, connection: Connection) -> None:
    window = post(client, SCENES["a_bad_charger_and_a_public_one"], connection)
    losses = ask(client, "losses", window)
    [vehicle], [meter] = losses["vehicles"]["listed"], losses["meters"]["listed"]
    assert (vehicle["efficiencyRatio"], vehicle["verdict"]) == (meter["efficiencyRatio"], meter["verdict"])
    assert (vehicle["efficiencyRatio"], vehicle["verdict"]) == (0.7, "abnormal_loss")


def test_a_public_charge_is_no_fault(client: Client, connection: Connection) -> None:
    window = post(client, SCENES["a_depot_charge_and_a_public_one"], connection)
    losses = ask(client, "losses", window)
    assert [losses[name]["listed"] for name in ("vehicles", "meters", "dataFaults")] == [[], [], []]


def test_windows_that_meet_at_plug_out_share_what_was_reported_late(client: Client, connection: Connection) -> None:
    # The late report belongs to the charge, which is over when the second window begins: it is not elsewhere.
    post(client, SCENES["a_report_half_a_minute_after_plug_out"], connection)
    start = begin()
    first = ask(client, "performance/V-1", (start, start + 7 * HOUR))
    second = ask(client, "performance/V-1", (start + 7 * HOUR, start + DAY))
    assert (first["totalEnergy"]["dcDeliveredKwh"], second["totalEnergy"]["dcDeliveredKwh"]) == (0.0, 27.0)
    assert second["totalEnergy"]["dcElsewhereKwh"] == 0.0
    assert second["reasons"]["efficiencyRatio"] == "no_assignment"
    fleet = ask(client, "fleet", (start + 7 * HOUR, start + DAY))
    assert (fleet["totalEnergy"]["dcElsewhereKwh"], fleet["efficiencyRatio"]) == (0.0, None)


def test_registers_are_compared_like_with_like(client: Client, connection: Connection) -> None:
    # The registers of a meter and a vehicle that count what the first scene's send.
    scene = SCENES["a_depot_charge_and_a_public_one"]
    for side, rows in (("meter", scene.meter), ("vehicle", scene.vehicle)):
        connection.execute(f"SELECT api.set_{side}_kind(%s, 'register', NULL, NULL)", [f"{side[0].upper()}-1"])
        counted = 500.0
        for number, (place, kwh) in enumerate(rows):
            counted += kwh
            rows[number] = (place, counted)
    try:
        window = post(client, scene, connection)
    finally:
        for rows in (scene.meter, scene.vehicle):
            rows[:] = [
                (place, kwh - (rows[i - 1][1] if i else 500.0)) for i, (place, kwh) in reversed(list(enumerate(rows)))
            ][::-1]
    answered = ask(client, "performance/V-1", window)
    assert answered["totalEnergy"] == {"acConsumedKwh": 30.0, "dcDeliveredKwh": 49.0, "dcElsewhereKwh": 22.0}
    assert answered["efficiencyRatio"] == 0.9
    fleet = ask(client, "fleet", window)
    assert (fleet["totalEnergy"]["dcElsewhereKwh"], fleet["efficiencyRatio"]) == (22.0, 0.9)
