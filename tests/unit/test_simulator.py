"""The simulated fleet obeys its physics; the formulas are written out again here, never imported."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from app.local.simulator import Fleet, Minute, Session, ambient_temp_c

START = datetime(2025, 3, 1, 6, 0, tzinfo=UTC)
MINUTES = 3 * 24 * 60
VEHICLES = 40
CHARGERS = 24


def fleet(seed: int = 7, vehicles: int = VEHICLES, chargers: int = CHARGERS) -> Fleet:
    return Fleet(seed, vehicles, chargers, START)


@dataclass
class Days:
    """Three simulated days: every minute, every session (an open one has no end), and the fleet they left behind."""

    fleet: Fleet
    soc_pct_at_start: dict[str, float]
    minutes: list[Minute]

    @property
    def sessions(self) -> list[Session]:
        ended = [session for minute in self.minutes for session in minute.plugged_out]
        return ended + list(self.fleet.open_sessions)

    @property
    def capacity_kwh(self) -> dict[str, float]:
        return {vehicle.vehicle_id: vehicle.capacity_kwh for vehicle in self.fleet.vehicles}

    def ac_kwh(self) -> dict[tuple[str, datetime], float]:
        return {(r["meterId"], m.at): r["kwhConsumedAc"] for m in self.minutes for r in m.meter_readings}

    def dc_kwh(self) -> dict[tuple[str, datetime], float]:
        return {(r["vehicleId"], m.at): r["kwhDeliveredDc"] for m in self.minutes for r in m.vehicle_readings}


@pytest.fixture(scope="module")
def days() -> Days:
    simulated = fleet()
    soc_pct_at_start = simulated.soc_pct
    return Days(simulated, soc_pct_at_start, [simulated.step() for _ in range(MINUTES)])


def instants(session: Session, end: datetime) -> Iterator[datetime]:
    """The minutes at which readings are stamped that the service attributes to the session: `(in, out]`."""
    at = session.plugged_in_at
    while at < (session.plugged_out_at or end):
        at += timedelta(minutes=1)
        yield at


def test_the_days_hold_enough_to_judge_by(days: Days) -> None:
    ended = [session for session in days.sessions if session.plugged_out_at is not None]
    assert len(ended) > 200
    assert {session.meter_id for session in ended} == {charger.meter_id for charger in days.fleet.chargers}
    assert {charger.rated_kw for charger in days.fleet.chargers} == {7.4, 11, 22, 50}
    assert {session.vehicle_id for session in ended} == set(days.capacity_kwh)


def test_a_charging_minute_raises_soc_by_its_dc_energy_over_capacity(days: Days) -> None:
    before = days.soc_pct_at_start
    charging_minutes = 0
    for minute in days.minutes:
        for reading in minute.vehicle_readings:
            vehicle_id = reading["vehicleId"]
            if reading["kwhDeliveredDc"] > 0:
                charging_minutes += 1
                gained = reading["kwhDeliveredDc"] / days.capacity_kwh[vehicle_id] * 100
                assert reading["soc"] - before[vehicle_id] == pytest.approx(gained, abs=0.00101)
            else:
                assert reading["soc"] <= before[vehicle_id] + 0.00101
        before = {reading["vehicleId"]: reading["soc"] for reading in minute.vehicle_readings}
    assert charging_minutes > 10_000


def test_a_session_raises_soc_by_the_sum_of_its_dc_energy(days: Days) -> None:
    dc_kwh = days.dc_kwh()
    soc_pct = {(r["vehicleId"], m.at): r["soc"] for m in days.minutes for r in m.vehicle_readings}
    for session in days.sessions:
        charged = list(instants(session, days.fleet.now))
        total_kwh = sum(dc_kwh[session.vehicle_id, at] for at in charged)
        gained = soc_pct[session.vehicle_id, session.plugged_out_at or days.fleet.now]
        gained -= soc_pct[session.vehicle_id, session.plugged_in_at]
        assert gained == pytest.approx(total_kwh / days.capacity_kwh[session.vehicle_id] * 100, abs=0.00101)


def test_soc_stays_within_0_and_100_and_uses_the_range(days: Days) -> None:
    seen = [reading["soc"] for minute in days.minutes for reading in minute.vehicle_readings]
    assert 0 <= min(seen) < 30
    assert 98 < max(seen) <= 100


def test_a_session_loses_what_its_charger_loses(days: Days) -> None:
    """Each minute follows 0.93 (P - 0.2 kW), times 0.86 at a faulty charger, within 0.5 % and the wire's rounding."""
    ac_kwh, dc_kwh = days.ac_kwh(), days.dc_kwh()
    chargers = {charger.meter_id: charger for charger in days.fleet.chargers}
    for session in days.sessions:
        charger = chargers[session.meter_id]
        for at in instants(session, days.fleet.now):
            ac, dc = ac_kwh[session.meter_id, at], dc_kwh[session.vehicle_id, at]
            if ac == 0:
                assert dc == 0
                continue
            power_kw = ac * 60
            assert power_kw <= charger.rated_kw + 0.001
            expected_kwh = power_kw * 0.93 * (1 - 0.2 / power_kw) / 60 * (0.86 if charger.faulty else 1)
            assert dc == pytest.approx(expected_kwh, abs=0.005 * expected_kwh + 2e-6)


def test_only_faulty_chargers_fall_below_an_efficiency_of_85_percent(days: Days) -> None:
    ac_kwh, dc_kwh = days.ac_kwh(), days.dc_kwh()
    ac_total: dict[str, float] = defaultdict(float)
    dc_total: dict[str, float] = defaultdict(float)
    for session in days.sessions:
        for at in instants(session, days.fleet.now):
            ac_total[session.meter_id] += ac_kwh[session.meter_id, at]
            dc_total[session.meter_id] += dc_kwh[session.vehicle_id, at]
    ratios = {charger: dc_total[charger.meter_id] / ac_total[charger.meter_id] for charger in days.fleet.chargers}
    assert {charger.meter_id for charger, ratio in ratios.items() if ratio < 0.85} == {
        charger.meter_id for charger in days.fleet.chargers if charger.faulty
    }
    assert max(ratios.values()) < 0.93


def test_power_is_constant_up_to_80_percent_and_falls_above(days: Days) -> None:
    """At the 11 kW chargers, by the vehicle's state of charge at the end of the minute."""
    soc_pct = {(r["vehicleId"], m.at): r["soc"] for m in days.minutes for r in m.vehicle_readings}
    rated_11_kw = {charger.meter_id for charger in days.fleet.chargers if charger.rated_kw == 11}
    ac_kwh = days.ac_kwh()
    power_kw: dict[str, list[float]] = defaultdict(list)
    for session in days.sessions:
        if session.meter_id not in rated_11_kw:
            continue
        drawing = [a for a in instants(session, days.fleet.now) if ac_kwh[session.meter_id, a] > 0]
        for at in drawing[:-1]:  # The last minute is throttled to land on the target.
            soc = soc_pct[session.vehicle_id, at]
            part = "constant" if soc < 80 else "high" if soc > 95 else "between"
            power_kw[part].append(ac_kwh[session.meter_id, at] * 60)
    assert power_kw["constant"] == pytest.approx([11.0] * len(power_kw["constant"]), abs=0.0001)
    assert 0 < max(power_kw["high"]) < 11 * 0.45
    assert max(power_kw["high"]) < max(power_kw["between"]) <= 11.0001


@pytest.mark.parametrize("seed", [1, 7, 2025])
def test_all_energy_lies_within_assignments_and_both_sides_of_each_agree(seed: int) -> None:
    """Attribute every reading to the assignment its timestamp lies in, as the service does, and look at the rest."""
    simulated = fleet(seed, vehicles=15, chargers=9)
    run = Days(simulated, {}, [simulated.step() for _ in range(MINUTES)])
    ac_kwh, dc_kwh = run.ac_kwh(), run.dc_kwh()
    total_kwh = sum(ac_kwh.values()), sum(dc_kwh.values())
    assert min(total_kwh) > 0
    for session in run.sessions:
        for at in instants(session, run.fleet.now):
            drawn, delivered = ac_kwh.pop((session.meter_id, at)), dc_kwh.pop((session.vehicle_id, at))
            assert (drawn > 0) == (delivered > 0)
    assert sum(ac_kwh.values()) == 0
    assert sum(dc_kwh.values()) == 0


def test_assignments_of_one_meter_or_one_vehicle_never_overlap(days: Days) -> None:
    by_device: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for session in days.sessions:
        during = session.plugged_in_at, session.plugged_out_at or datetime.max.replace(tzinfo=UTC)
        assert during[0] < during[1]
        by_device[session.meter_id].append(during)
        by_device[session.vehicle_id].append(during)
    compared = 0
    for intervals in by_device.values():
        for (_, ends), (begins, _) in pairwise(sorted(intervals)):
            assert ends <= begins
            compared += 1
    assert compared > 400


def test_every_device_reports_exactly_once_a_minute(days: Days) -> None:
    expected = {f"demo-M-{101 + n}" for n in range(CHARGERS)} | {f"demo-V-{201 + n}" for n in range(VEHICLES)}
    for number, minute in enumerate(days.minutes, start=1):
        assert minute.at == START + timedelta(minutes=number)
        reported = Counter([r["meterId"] for r in minute.meter_readings])
        reported.update(r["vehicleId"] for r in minute.vehicle_readings)
        assert reported == dict.fromkeys(expected, 1)
        stamps = {r["timestamp"] for r in minute.meter_readings} | {r["timestamp"] for r in minute.vehicle_readings}
        assert stamps == {minute.at.strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_readings_have_the_keys_and_the_decimals_of_the_wire(days: Days) -> None:
    for minute in days.minutes[::97]:
        for meter in minute.meter_readings:
            assert set(meter) == {"meterId", "kwhConsumedAc", "voltage", "timestamp"}
            assert (round(meter["kwhConsumedAc"], 6), round(meter["voltage"], 2)) == (
                meter["kwhConsumedAc"],
                meter["voltage"],
            )
        for vehicle in minute.vehicle_readings:
            assert set(vehicle) == {"vehicleId", "soc", "kwhDeliveredDc", "batteryTemp", "timestamp"}
            figures = vehicle["soc"], vehicle["kwhDeliveredDc"], vehicle["batteryTemp"]
            assert (round(figures[0], 3), round(figures[1], 6), round(figures[2], 2)) == figures


def test_battery_temperature_rises_with_power(days: Days) -> None:
    """Degrees above ambient after 20 minutes or more of charging, by charger rating, against half a day parked."""
    rated_kw = {charger.meter_id: charger.rated_kw for charger in days.fleet.chargers}
    temp_c = {(r["vehicleId"], m.at): r["batteryTemp"] for m in days.minutes for r in m.vehicle_readings}
    ac_kwh = days.ac_kwh()
    rises_c: dict[float, list[float]] = defaultdict(list)
    for session in days.sessions:
        at = session.plugged_in_at + timedelta(minutes=20)
        full_power_kwh = rated_kw[session.meter_id] / 60
        if at < days.fleet.now and ac_kwh[session.meter_id, at] == pytest.approx(full_power_kwh, rel=0.01):
            rise = temp_c[session.vehicle_id, at] - temp_c[session.vehicle_id, session.plugged_in_at]
            rises_c[rated_kw[session.meter_id]].append(rise)
    means_c = {rated: sum(rises) / len(rises) for rated, rises in rises_c.items()}
    assert means_c[7.4] < means_c[11] < means_c[22] < means_c[50]
    assert means_c[50] > 5
    hottest_c = max(temp_c.values())
    assert 28 < hottest_c < 24 + 15


def test_a_battery_at_rest_settles_at_the_temperature_outside() -> None:
    """A vehicle that begins at 40 C is followed while it is parked; a lag of 25 minutes leaves 1/e after as many."""
    resting = Fleet(7, VEHICLES, CHARGERS, START, battery_temp_c={f"demo-V-{201 + n}": 40.0 for n in range(VEHICLES)})
    minutes = [resting.step() for _ in range(25)]
    soc_pct = [{r["vehicleId"]: r["soc"] for r in minute.vehicle_readings} for minute in minutes]
    rested = [v for v in soc_pct[0] if all(at[v] == soc_pct[0][v] for at in soc_pct)]
    assert rested
    temp_c = {r["vehicleId"]: r["batteryTemp"] for r in minutes[-1].vehicle_readings}
    outside_c = ambient_temp_c(resting.now)
    for vehicle_id in rested:
        assert (temp_c[vehicle_id] - outside_c) / (40 - outside_c) == pytest.approx(0.368, abs=0.02)


def test_voltage_is_about_230_and_droops_with_load(days: Days) -> None:
    readings = [reading for minute in days.minutes for reading in minute.meter_readings]
    assert all(220 < reading["voltage"] < 240 for reading in readings)
    idle = [r["voltage"] for r in readings if r["kwhConsumedAc"] == 0]
    loaded = [r["voltage"] for r in readings if r["kwhConsumedAc"] * 60 > 40]
    assert sum(idle) / len(idle) == pytest.approx(230, abs=0.1)
    assert 1 < sum(idle) / len(idle) - sum(loaded) / len(loaded) < 6


def test_the_same_seed_and_start_give_the_same_fleet_and_another_seed_another() -> None:
    first, second, other = fleet(3), fleet(3), fleet(4)
    minutes = [first.step() for _ in range(300)]
    assert minutes == [second.step() for _ in range(300)]
    assert minutes != [other.step() for _ in range(300)]


def test_a_fleet_resumed_later_is_made_of_the_same_devices() -> None:
    later = Fleet(7, VEHICLES, CHARGERS, START + timedelta(hours=5))
    assert (later.chargers, later.vehicles) == (fleet().chargers, fleet().vehicles)


def test_a_resumed_fleet_begins_at_the_given_soc() -> None:
    given = {f"demo-V-{201 + n}": 10.0 + 2 * n for n in range(VEHICLES - 1)}
    resumed = Fleet(7, VEHICLES, CHARGERS, START, given)
    assert {vehicle: soc for vehicle, soc in resumed.soc_pct.items() if vehicle in given} == given
    minute = resumed.step()
    assert minute.at == START + timedelta(minutes=1)
    first = {reading["vehicleId"]: reading for reading in minute.vehicle_readings}
    for vehicle_id, soc in given.items():
        assert first[vehicle_id]["soc"] == pytest.approx(soc, abs=1)
        assert first[vehicle_id]["kwhDeliveredDc"] == 0


def test_a_vehicle_that_was_charging_goes_on_in_the_first_minutes_unless_nearly_full() -> None:
    soc_pct = {"demo-V-202": 94.0, "demo-V-203": 96.0, "demo-V-204": 94.0}
    resumed = Fleet(7, VEHICLES, CHARGERS, START, soc_pct, charging=("demo-V-202", "demo-V-203"))
    first, second = resumed.step(), resumed.step()
    plugged_in = {session.vehicle_id for session in first.plugged_in}
    assert "demo-V-202" in plugged_in
    assert plugged_in.isdisjoint({"demo-V-203", "demo-V-204"})
    charged_kwh = {reading["vehicleId"]: reading["kwhDeliveredDc"] for reading in second.vehicle_readings}
    assert charged_kwh["demo-V-202"] > 0


@pytest.mark.parametrize("seed", range(5))
def test_the_first_vehicle_charges_at_a_sound_charger_in_any_24_hours(seed: int) -> None:
    simulated = fleet(seed)
    assert not simulated.chargers[0].faulty
    charged_at = [START]
    for _ in range(MINUTES):
        minute = simulated.step()
        assert all(s.meter_id == "demo-M-101" for s in minute.plugged_in if s.vehicle_id == "demo-V-201")
        if minute.vehicle_readings[0]["kwhDeliveredDc"] > 0:
            charged_at.append(minute.at)
    charged_at.append(simulated.now)
    assert max(later - earlier for earlier, later in pairwise(charged_at)) < timedelta(hours=24)


@pytest.mark.parametrize(("chargers", "fewest", "most"), [(2, 1, 1), (8, 1, 1), (24, 3, 3), (30, 3, 4)])
def test_about_one_charger_in_eight_is_faulty_at_least_one_and_never_the_first(
    chargers: int, fewest: int, most: int
) -> None:
    for seed in range(20):
        made = fleet(seed, chargers + 1, chargers).chargers
        assert fewest <= sum(charger.faulty for charger in made) <= most
        assert not made[0].faulty


def test_a_fleet_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="2 vehicles and 2 chargers"):
        fleet(vehicles=2, chargers=2)
    with pytest.raises(ValueError, match="1 chargers"):
        fleet(vehicles=5, chargers=1)
    with pytest.raises(ValueError, match="whole minute"):
        Fleet(7, 3, 2, START + timedelta(seconds=1))
    with pytest.raises(ValueError, match="with a zone"):
        Fleet(7, 3, 2, START.replace(tzinfo=None))
    with pytest.raises(ValueError, match="demo-V-202"):
        Fleet(7, 3, 2, START, {"demo-V-202": 100.5})


# What happens to a fleet that has a story


@pytest.fixture(scope="module")
def told() -> Fleet:
    return Fleet(7, VEHICLES, CHARGERS, START, begun_at=START)


def after(begun: timedelta, minutes: int) -> tuple[Fleet, list[Minute]]:
    """A fleet that is resumed so long after it began, and what it says then."""
    resumed = Fleet(7, VEHICLES, CHARGERS, START + begun, begun_at=START)
    return resumed, [resumed.step() for _ in range(minutes)]


def test_a_charger_that_was_sound_breaks_on_its_day(told: Fleet) -> None:
    assert told.story is not None
    breaking = told.chargers[told.story.breaking_charger].meter_id
    for begun, is_broken in ((timedelta(days=10), False), (timedelta(days=18), True)):
        resumed, minutes = after(begun, 24 * 60)
        at = {session.vehicle_id: session.meter_id for minute in minutes for session in minute.plugged_in}
        drawn = sum(r["kwhConsumedAc"] for m in minutes for r in m.meter_readings if r["meterId"] == breaking)
        meters: dict[str, str] = {}
        arrived = 0.0
        for minute in minutes:
            arrived += sum(
                r["kwhDeliveredDc"] for r in minute.vehicle_readings if meters.get(r["vehicleId"]) == breaking
            )
            for session in minute.plugged_out:
                meters.pop(session.vehicle_id)
            meters |= {session.vehicle_id: session.meter_id for session in minute.plugged_in}
        assert at, resumed
        assert (arrived / drawn < 0.85) == is_broken, (begun, arrived, drawn)


def test_a_register_counts_on_and_begins_anew_where_it_is_exchanged(told: Fleet) -> None:
    assert told.story is not None
    resumed, minutes = after(told.story.exchanged_at - START - timedelta(hours=1), 120)
    assert resumed.story is not None
    register = resumed.chargers[resumed.story.register].meter_id
    values = {r["timestamp"]: r["kwhConsumedAc"] for m in minutes for r in m.meter_readings if r["meterId"] == register}
    steps = [later - earlier for earlier, later in pairwise(values.values())]
    assert [number for number, step in enumerate(steps) if step < 0] == [59]
    assert list(values.values())[60] == pytest.approx(7.0, abs=0.5)
    assert sum(minute.drawn_kwh for minute in minutes) > 0


def test_a_battery_ages_and_a_vehicle_falls_silent(told: Fleet) -> None:
    assert told.story is not None
    assert told.story.capacity_share(START + timedelta(days=25)) == pytest.approx(0.9)
    silent = told.vehicles[told.story.silent_vehicle].vehicle_id
    for begun, says in ((timedelta(days=26), True), (timedelta(days=28), False)):
        _, minutes = after(begun, 10)
        assert any(r["vehicleId"] == silent for m in minutes for r in m.vehicle_readings) == says


def test_a_small_fleet_has_no_story() -> None:
    assert Fleet(7, 3, 2, START, begun_at=START).story is None
