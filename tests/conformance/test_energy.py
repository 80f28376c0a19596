"""Energy of intervals and registers: any readings, any window, equal to the oracle's full scan."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import count, pairwise
from typing import Any, Literal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import TupleRow, namedtuple_row

from app.db.queries import query
from tests.support import oracle
from tests.support.oracle import Kind, Reading, Stretch
from tests.support.readings import hours_ago
from tests.support.servers import Server, stop_jobs

Connection = psycopg.Connection[TupleRow]

US = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TOLERANCE_KWH = 1e-9
# Of data at fault there is no ratio (test_implausible_power.py).
FAULTS = ("implausible_power", "unsteady_register")
EXAMPLES = int(os.environ.get("ENERGY_TEST_EXAMPLES", "10"))

METERS = ("M-1", "M-2")
VEHICLES = ("V-1", "M-1", "M-2")
# Everything happens in a month that ended days ago: its chunks are made once, and no job or clock comes into it.
SPAN = 30 * DAY

Place = timedelta
Meaning = Literal["interval", "register", "session"]
Device = tuple[Sequence[tuple[Place, float]], Sequence[tuple[Place | None, Meaning, float | None]]]


@dataclass(frozen=True)
class World:
    """One example. Instants are places: time since the start of the month."""

    meters: dict[str, Device]
    vehicles: dict[str, Device]
    assignments: Sequence[tuple[str, str, Place, Place | None]] = ()
    windows: Sequence[tuple[Place, Place]] = ()
    # Every so many readings come late, after the first refresh.
    late_every: int = 0
    default_is_register: bool = False
    # Of every device; None: not known.
    rated_power_kw: float | None = None
    # Where rollups are materialised: all of the month, or its first half, the rest being made when asked.
    is_materialised: bool = True
    is_compressed: bool = False


def month_starts() -> datetime:
    """Midnight UTC of the first day of the month that all is placed in."""
    return (hours_ago(0) - 35 * DAY).replace(hour=0)


# What a world holds, and what its answers have to be


def readings_of(device: Device) -> list[Reading]:
    """The readings of a device, one an instant: of two at one instant, the first stands."""
    return [Reading(month_starts() + place, kwh) for place, kwh in dict(reversed(device[0])).items()]


def kinds_of(device: Device, default_is_register: bool) -> list[Kind]:
    """What a device's values mean, in order of time; to say the same again changes nothing."""
    kinds = [Kind(oracle.EVER, "register" if default_is_register else "interval")]
    for since, reading, modulus in device[1]:
        declared = Kind(oracle.EVER if since is None else month_starts() + since, reading, modulus)
        if since is None:
            kinds = [declared]
        elif (declared.meaning, declared.modulus_kwh) != (kinds[-1].meaning, kinds[-1].modulus_kwh):
            kinds.append(declared)
    return kinds


@dataclass(frozen=True)
class Expected:
    """The oracle's view of a world: what every reading of each device counts."""

    world: World
    meters: dict[str, list[oracle.Counted]]
    vehicles: dict[str, list[oracle.Counted]]

    @classmethod
    def of(cls, world: World) -> "Expected":
        def counted(devices: dict[str, Device]) -> dict[str, list[oracle.Counted]]:
            return {
                name: oracle.counted(
                    readings_of(device), kinds_of(device, world.default_is_register), world.rated_power_kw
                )
                for name, device in devices.items()
            }

        return cls(world, counted(world.meters), counted(world.vehicles))

    def stretches(self, begins: datetime, ends: datetime) -> list[Stretch]:
        """Whom each meter fed in (begins, ends], of those heard from and those assigned."""
        assignments = self.assigned()
        heard = {meter for meter, counts in self.meters.items() if counts}
        return oracle.stretches(sorted(heard | {one.meter for one in assignments}), assignments, begins, ends)

    def feeds(self, vehicle: str, begins: datetime, ends: datetime) -> list[Stretch]:
        """The meters that fed a vehicle in (begins, ends], each with its part of it; by its id, only one heard from."""
        assigned = any(row[1] == vehicle for row in self.world.assignments)
        return [
            one
            for one in self.stretches(begins, ends)
            if one.vehicle == vehicle and (assigned or self.meters.get(one.meter))
        ]

    def grid(self, vehicle: str, begins: datetime, ends: datetime) -> oracle.Total:
        """What came from the grid for a vehicle."""
        result = oracle.Total()
        for meter, _, since, until in self.feeds(vehicle, begins, ends):
            for one in self.meters.get(meter, []):
                if since < one.at <= until:
                    result.add(one)
        return result

    def fed(self, vehicle: str, begins: datetime, ends: datetime, meter: str | None = None) -> oracle.Total:
        """What reached a vehicle while meters fed it, or while one did."""
        start = month_starts()
        # Reports may be late by so much: what happened before the window matters, and nothing after it.
        feeds = self.feeds(vehicle, min(begins, start) - DAY, ends)
        stays = [(one.begins, one.ends) for one in feeds if meter in (None, one.meter)]
        # Asked of one meter, its feeds in the window.
        if meter is not None:
            stays = [stay for stay in stays if stay[1] > begins]
        counts = self.vehicles.get(vehicle, [])
        every = oracle.belongs(counts, [(one.begins, one.ends) for one in feeds])
        result = oracle.Total()
        for one, anywhere, here in zip(counts, every, oracle.belongs(counts, stays), strict=True):
            if begins < one.at <= ends and anywhere and here:
                result.add(one)
        return result

    def assigned(self) -> list[oracle.Assignment]:
        """The assignments of the world."""
        start = month_starts()
        return [
            oracle.Assignment(meter, vehicle, start + since, None if until is None else start + until)
            for meter, vehicle, since, until in self.world.assignments
        ]

    def spanned(self, vehicle: str, begins: datetime, ends: datetime) -> tuple[Fraction, Fraction]:
        """Energies of readings that span an edge of an assignment: of the meters that fed a vehicle, and its own."""

        def edges(of: Iterable[oracle.Assignment]) -> list[datetime]:
            return [edge for one in of for edge in (one.begins, one.ends) if edge is not None]

        assigned = self.assigned()
        ac = sum(
            (
                spanned_kwh(
                    self.meters.get(feed.meter, []),
                    edges(one for one in assigned if one.meter == feed.meter),
                    feed.begins,
                    feed.ends,
                )
                for feed in self.feeds(vehicle, begins, ends)
            ),
            Fraction(0),
        )
        own = edges(one for one in assigned if one.vehicle == vehicle)
        return ac, spanned_kwh(self.vehicles.get(vehicle, []), own, begins, ends)


def reasons(feeds: int, grid: oracle.Total, battery: oracle.Total) -> tuple[str | None, str | None]:
    """Why the two energies are not known, or what is wrong with them."""

    def own(side: oracle.Total) -> str | None:
        if side.readings == 0:
            return "no_readings"
        return "baseline_missing" if side.steps.get("baseline") else None

    return own(grid) if feeds else "no_assignment", own(battery)


def same_kwh(answered: float | None, exact: Any) -> bool:
    """Equal to a billionth of a kWh, or both not known."""
    if answered is None or exact is None:
        return answered is None and exact is None
    return bool(abs(Fraction(answered) - exact) <= TOLERANCE_KWH)


def near(answered: float, exact: Any) -> bool:
    """Equal to a billionth of a kWh."""
    return bool(abs(Fraction(answered) - exact) <= TOLERANCE_KWH)


def check_performance(
    connection: Connection, expected: Expected, prefix: str, window: tuple[datetime, datetime]
) -> None:
    """Hold the performance of every vehicle in a window to the oracle."""
    begins, ends = window
    for vehicle in expected.vehicles:
        [row] = ask(
            connection,
            "vehicle_performance",
            {"vehicle_id": prefix + vehicle, "window_from": begins, "window_to": ends},
        )
        feeds = expected.feeds(vehicle, begins, ends)
        grid = expected.grid(vehicle, begins, ends)
        battery = oracle.total(expected.vehicles.get(vehicle, []), begins, ends)
        fed = expected.fed(vehicle, begins, ends)
        at = (vehicle, window, row, grid, battery, fed)
        assert same_kwh(row.energy_ac_kwh, grid.kwh), at
        assert same_kwh(row.energy_dc_kwh, battery.kwh), at
        elsewhere = None if battery.kwh is None else battery.kwh - (fed.kwh or 0)
        assert same_kwh(row.energy_dc_elsewhere_kwh, elsewhere), at
        assert row.meter_ids == sorted({prefix + feed.meter for feed in feeds})
        assert (row.meter_readings, row.vehicle_readings) == (grid.readings, battery.readings)
        seconds = sum((feed.ends - feed.begins for feed in feeds), timedelta(0))
        if ends <= hours_ago(0):  # no reading is expected of the time to come
            share = pytest.approx(min(1.0, grid.readings * MINUTE / seconds)) if seconds else None
            assert row.meter_coverage == share
        steps = (row.meter_resets, row.vehicle_resets, row.meter_rollovers, row.vehicle_rollovers)
        assert steps == tuple(side.steps.get(step, 0) for step in ("reset", "rollover") for side in (grid, battery)), at
        spanned = expected.spanned(vehicle, begins, ends)
        assert near(row.spanned_ac_kwh, spanned[0]), (*at, spanned)
        assert near(row.spanned_dc_kwh, spanned[1]), (*at, spanned)
        assert row.is_estimated is (max(row.spanned_ac_kwh, row.spanned_dc_kwh) >= 1e-9)
        assert (row.energy_ac_reason, row.energy_dc_reason) == reasons(len(feeds), grid, battery)
        if row.efficiency_reason not in FAULTS and None not in (grid.kwh, battery.kwh) and fed.readings == 0:
            assert row.efficiency_reason == "elsewhere_only", at
        if row.efficiency_reason not in FAULTS and grid.kwh is not None and grid.kwh >= 1e-9 and fed.kwh is not None:
            assert row.efficiency_ratio == pytest.approx(float(fed.kwh / grid.kwh), rel=1e-6, abs=1e-6), at
        else:
            assert row.efficiency_ratio is None, at


def ask(connection: Connection, name: str, parameters: dict[str, Any]) -> list[Any]:
    """The rows of a named query, by name of their columns."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(query(name), parameters).fetchall()


def check_series(connection: Connection, expected: Expected, prefix: str, window: tuple[datetime, datetime]) -> None:
    """Hold the days of every vehicle in a window to the oracle, in a zone whose days begin within an hour of UTC."""
    for vehicle in expected.vehicles:
        parameters = {"window_from": window[0], "window_to": window[1], "bucket": "day", "timezone": "Asia/Kolkata"}
        for row in ask(connection, "vehicle_series", {"vehicle_id": prefix + vehicle, **parameters}):
            if not row.is_known:
                # Never heard of: there is no answer about it.
                break
            bucket = (row.bucket_from, row.bucket_to)
            grid = expected.grid(vehicle, *bucket)
            battery = oracle.total(expected.vehicles.get(vehicle, []), *bucket)
            fed = expected.fed(vehicle, *bucket)
            at = (vehicle, window, row, grid, battery, fed)
            assert same_kwh(row.energy_ac_kwh, grid.kwh), at
            assert same_kwh(row.energy_dc_kwh, battery.kwh), at
            elsewhere = None if battery.kwh is None else battery.kwh - (fed.kwh or 0)
            assert same_kwh(row.energy_dc_elsewhere_kwh, elsewhere), at
            spanned = expected.spanned(vehicle, *bucket)
            assert near(row.spanned_ac_kwh, spanned[0]), (*at, spanned)
            assert near(row.spanned_dc_kwh, spanned[1]), (*at, spanned)
            if (
                row.efficiency_reason not in FAULTS
                and grid.kwh is not None
                and grid.kwh >= 1e-9
                and fed.kwh is not None
            ):
                assert row.efficiency_ratio == pytest.approx(float(fed.kwh / grid.kwh), rel=1e-6, abs=1e-6), at
            else:
                assert row.efficiency_ratio is None, at


def check_meters(connection: Connection, expected: Expected, prefix: str, window: tuple[datetime, datetime]) -> None:
    """Hold every meter's energy in a window, and what reached the vehicles it fed, to the oracle."""
    begins, ends = window
    for meter, counts in expected.meters.items():
        rows = ask(connection, "meter_energy", {"meter_id": prefix + meter, "window_from": begins, "window_to": ends})
        if not rows[0].is_known:
            # Never heard of: there is no answer about it.
            continue
        drawn = oracle.total(counts, begins, ends)
        edges = [edge for one in expected.assigned() if one.meter == meter for edge in (one.begins, one.ends) if edge]
        assert same_kwh(rows[0].energy_ac_kwh, drawn.kwh)
        assert near(rows[0].spanned_ac_kwh, spanned_kwh(counts, edges, begins, ends)), (meter, window, rows)
        for row in rows:
            if row.vehicle_id is not None:
                vehicle = row.vehicle_id.removeprefix(prefix)
                fed = expected.fed(vehicle, begins, ends, meter)
                assert same_kwh(row.fed_energy_dc_kwh, fed.kwh), (meter, window, row, fed)


def spanned_kwh(
    counts: Sequence[oracle.Counted], edges: Iterable[datetime], begins: datetime, ends: datetime
) -> Fraction:
    """Energy of the readings of (begins, ends] whose time since the reading before has an edge within it."""
    return sum(
        (
            one.kwh
            for one, spans in zip(counts, oracle.spans(counts, edges), strict=True)
            if spans and begins < one.at <= ends and one.kwh is not None
        ),
        Fraction(0),
    )


HOURS = b"""
    SELECT bucket_from, sum(readings), sum(energy_kwh), bool_or(is_estimated)
    FROM internal.device_energies(%(kind)s, %(from)s, %(to)s, 'hour', 'UTC', ARRAY[%(id)s])
    GROUP BY bucket_from
"""


def check_hours(connection: Connection, expected: Expected, prefix: str, window: tuple[datetime, datetime]) -> None:
    """Hold every hour of every device to the oracle, and the parts of hours at the ends of the window."""
    begins, ends = window
    for kind, counts in (("meter", expected.meters), ("vehicle", expected.vehicles)):
        for device, counted in counts.items():
            rows = connection.execute(
                HOURS, {"kind": kind, "id": prefix + device, "from": begins, "to": ends}
            ).fetchall()
            within = {
                (one.at - US).replace(minute=0, second=0, microsecond=0) for one in counted if begins < one.at <= ends
            }
            assert sorted(row[0] for row in rows) == sorted(max(hour, begins) for hour in within)
            for since, readings, energy, is_estimated in rows:
                until = min(since.replace(minute=0, second=0, microsecond=0) + HOUR, ends)
                exact = oracle.total(counted, since, until)
                assert same_kwh(energy, exact.kwh), (kind, device, since, energy, exact)
                assert (readings, is_estimated) == (exact.readings, False)


def check_feeds(connection: Connection, expected: Expected, prefix: str, window: tuple[datetime, datetime]) -> None:
    """Hold to the oracle whom the meters fed, asked of each vehicle, of each meter and of the fleet: no energy is given
    to two vehicles. Stretches that meet are one."""
    begins, ends = window
    known = {name for name, (readings, kinds) in expected.world.vehicles.items() if readings or kinds}
    assigned = {row[1] for row in expected.world.assignments}
    exact = expected.stretches(begins, ends)
    of_fleet = connection.execute(
        "SELECT meter_id, vehicle_id, feed_from, feed_to FROM internal.fleet_feeds(%s, %s) "
        "WHERE starts_with(meter_id, %s)",
        [begins, ends, prefix],
    ).fetchall()
    of_meters = [
        (prefix + meter, *row)
        for meter in {one.meter for one in exact if expected.meters.get(one.meter)}
        for row in connection.execute(
            "SELECT vehicle_id, feed_from, feed_to FROM internal.meter_feeds(%s, %s, %s)",
            [prefix + meter, begins, ends],
        ).fetchall()
    ]
    of_vehicles = [
        (row[0], prefix + vehicle, *row[1:])
        for vehicle in known | assigned
        for row in connection.execute(
            "SELECT meter_id, feed_from, feed_to FROM internal.vehicle_feeds(%s, %s, %s)",
            [prefix + vehicle, begins, ends],
        ).fetchall()
    ]
    fed = joined(
        (prefix + one.meter, prefix + one.vehicle, one.begins, one.ends)
        for one in exact
        if one.vehicle in assigned or (one.vehicle in known and expected.meters.get(one.meter))
    )
    assert joined(row for row in of_fleet if row[1] is not None) == fed, window
    assert joined(of_meters) == [row for row in fed if expected.meters.get(row[0].removeprefix(prefix))], window
    assert joined(of_vehicles) == fed, window


def joined(rows: Iterable[tuple[str, str, datetime, datetime]]) -> list[tuple[str, str, datetime, datetime]]:
    """Stretches in order, those of one meter and vehicle that meet made one."""
    result: list[tuple[str, str, datetime, datetime]] = []
    for meter, vehicle, since, until in sorted(rows):
        if result and result[-1][:2] == (meter, vehicle) and result[-1][3] == since:
            since = result.pop()[2]
        result.append((meter, vehicle, since, until))
    return result


# A world in the database


@dataclass(frozen=True)
class Site:
    """Databases for the worlds of a profile: rollups materialised for all of the month, or for its first half."""

    profile: str
    whole: Connection
    half: Connection

    def connection(self, world: World) -> Connection:
        """The database in which a world is to be built."""
        return self.whole if world.is_materialised else self.half

    def refresh(self, world: World) -> None:
        """Complete the rollups of the month; in plain PostgreSQL they are complete."""
        if self.profile == "timescale":
            ends = month_starts() + (SPAN + 2 * DAY if world.is_materialised else SPAN / 2)
            self.connection(world).execute("CALL api.refresh_rollups(%s, %s)", [month_starts() - DAY, ends])

    def compress(self, world: World) -> None:
        """Put the history of the month into the columnstore."""
        if self.profile == "timescale":
            for relation in ("meter_telemetry_history", "vehicle_telemetry_history"):
                self.connection(world).execute(
                    "SELECT public.compress_chunk(chunk, if_not_compressed => true) "
                    f"FROM public.show_chunks('telemetry.{relation}') AS chunk"
                )


@pytest.fixture(scope="module")
def site(server: Server, template: str) -> Iterator[Site]:
    """Databases of the module's own: each example has devices of its own, so that nothing needs to be emptied."""
    with ExitStack() as stack:
        connections = []
        for _ in range(2 if server.profile == "timescale" else 1):
            url = stack.enter_context(server.new_database(template=template))
            stop_jobs(url, server.profile)
            connection = stack.enter_context(psycopg.connect(url, autocommit=True, options="-c timezone=UTC"))
            connection.execute("SET plan_cache_mode = force_custom_plan")
            connection.execute("SET jit = off")
            connections.append(connection)
        yield Site(server.profile, connections[0], connections[-1])


def insert(connection: Connection, prefix: str, world: World, part: slice, *, twice: bool = False) -> None:
    """Keep a part of the readings of all devices, as one writer does; twice: with other values, where they are kept."""
    for kind, devices in (("meter", world.meters), ("vehicle", world.vehicles)):
        rows = [
            (prefix + name, reading.at, reading.kwh + (1 if twice else 0))
            for name, device in devices.items()
            for reading in readings_of(device)[part]
        ]
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            connection.execute(INSERT[kind], columns)


INSERT = {
    "meter": b"INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
    b"SELECT id, at, kwh, 230 FROM unnest(%s::text[], %s::timestamptz[], %s::float8[]) AS reading (id, at, kwh) "
    b"ON CONFLICT DO NOTHING",
    "vehicle": b"INSERT INTO telemetry.vehicle_telemetry_history "
    b"(vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c) "
    b"SELECT id, at, 50, kwh, 20 FROM unnest(%s::text[], %s::timestamptz[], %s::float8[]) AS reading (id, at, kwh) "
    b"ON CONFLICT DO NOTHING",
}


def say_kinds(connection: Connection, prefix: str, world: World) -> None:
    """Say what devices are, in order of time."""
    for kind, devices in (("meter", world.meters), ("vehicle", world.vehicles)):
        for name, device in devices.items():
            for since, reading, modulus in device[1]:
                connection.execute(
                    f"SELECT api.set_{kind}_kind(%s, %s, %s, %s)",
                    [prefix + name, reading, modulus, None if since is None else month_starts() + since],
                )


def say_default(connection: Connection, meaning: Meaning) -> None:
    """Say what devices are of which nothing is declared. Those of earlier examples are not asked any more."""
    found = connection.execute("SELECT energy_reading FROM internal.fleet_default_kind ORDER BY 1").fetchall()
    if found != [(meaning,), (meaning,)]:
        connection.execute("DELETE FROM telemetry.live_meter_state")
        connection.execute("DELETE FROM telemetry.live_vehicle_state")
        for kind in ("meter", "vehicle"):
            connection.execute("SELECT api.set_fleet_default(%s, %s, NULL, NULL)", [kind, meaning])


def say_power(connection: Connection, prefix: str, world: World) -> None:
    """Say what devices can deliver; whatever is listed is known, with readings or without."""
    if world.rated_power_kw is not None:
        for kind, devices in (("meter", world.meters), ("vehicle", world.vehicles)):
            for name in (name for name, (rows, kinds) in devices.items() if rows or kinds):
                connection.execute(
                    f"INSERT INTO telemetry.{kind} ({kind}_id, rated_power_kw) VALUES (%s, %s) "
                    f"ON CONFLICT ({kind}_id) DO UPDATE SET rated_power_kw = excluded.rated_power_kw",
                    [prefix + name, world.rated_power_kw],
                )


def say_assignments(connection: Connection, prefix: str, world: World) -> None:
    """Say which meter fed which vehicle, and when."""
    start = month_starts()
    for meter, vehicle, since, until in world.assignments:
        connection.execute(
            "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) VALUES (%s, %s, tstzrange(%s, %s))",
            [prefix + meter, prefix + vehicle, start + since, None if until is None else start + until],
        )


def build(site: Site, prefix: str, world: World) -> None:
    """Say what devices are, assign them, keep their first readings and, after a refresh, the late ones."""
    connection = site.connection(world)
    say_default(connection, "register" if world.default_is_register else "interval")
    say_kinds(connection, prefix, world)
    say_power(connection, prefix, world)
    say_assignments(connection, prefix, world)
    if world.late_every:
        # The first of every few readings come after a refresh: hours that are materialised get another first value.
        step = world.late_every + 1
        for offset in range(1, step):
            insert(connection, prefix, world, slice(offset, None, step))
        site.refresh(world)
        if world.is_compressed:
            site.compress(world)
    insert(connection, prefix, world, slice(None))
    insert(connection, prefix, world, slice(None), twice=True)
    site.refresh(world)
    if world.is_compressed:
        site.compress(world)


_examples = count()


def check(site: Site, world: World) -> None:
    """Build a world and hold all of its answers to the oracle."""
    prefix = f"{next(_examples)}:"
    build(site, prefix, world)
    check_answers(site.connection(world), prefix, world)


def check_answers(connection: Connection, prefix: str, world: World) -> None:
    """Hold all answers of a world that is in the database to the oracle."""
    expected = Expected.of(world)
    for since, until in world.windows:
        window = (month_starts() + since, month_starts() + until)
        check_performance(connection, expected, prefix, window)
        check_series(connection, expected, prefix, window)
        check_meters(connection, expected, prefix, window)
        check_feeds(connection, expected, prefix, window)
        check_hours(connection, expected, prefix, window)


# Worlds by hand


REGISTER: Sequence[tuple[Place | None, Meaning, float | None]] = [(None, "register", None)]
NOON = 12 * HOUR


def steps(*values: float, start: Place = NOON, every: timedelta = 10 * MINUTE) -> list[tuple[Place, float]]:
    """Readings of these values, from a start, every so often."""
    return [(start + i * every, value) for i, value in enumerate(values)]


def both(rows: Sequence[tuple[Place, float]], kinds: Sequence[tuple[Place | None, Meaning, float | None]]) -> World:
    """A meter and the vehicle of its id with the same readings, asked whole and in parts that meet."""
    middle, last = rows[len(rows) // 2][0], rows[-1][0]
    cuts = [timedelta(0), middle, (last // HOUR) * HOUR + US, SPAN]
    windows = [(begins, ends) for begins, ends in pairwise(sorted(cuts)) if begins < ends]
    device = ([(place, float(kwh)) for place, kwh in rows], kinds)
    return World({"M-1": device}, {"M-1": device}, windows=[(timedelta(0), SPAN), *windows])


BY_HAND = {
    # First is the smallest and last is the largest, and there is a step back in it all the same.
    "an_hour_that_seems_to_rise": both(steps(10, 30, 20, 40), REGISTER),
    "a_restored_older_value_and_the_return_from_it": both(steps(100, 90, 95, 99, 100, 101), REGISTER),
    "jitter_cancels_out": both(steps(100, 99.6, 100.2, 99.9, 101), REGISTER),
    "a_fall_to_a_tenth_is_a_reset": both(steps(100, 10, 11), REGISTER),
    "a_spike_that_lasts": both(steps(12, 13, 9000, 9000, 9001, 13.5, 15), REGISTER),
    "a_meter_exchanged_for_one_that_stands_higher": both(steps(12, 13, 90_000, 90_001, 90_004), REGISTER),
    "a_session_counter": both(steps(0, 3, 7, 0, 2, 5, 1, 4), [(None, "session", None)]),
    "from_register_to_session": both(
        steps(500, 501, 2, 3, 0.5, 4), [(None, "register", None), (NOON + 15 * MINUTE, "session", None)]
    ),
    "a_reset_between_two_hours": both(steps(100, 101, 2, 3, every=31 * MINUTE), REGISTER),
    "several_resets_within_an_hour": both(steps(10, 1, 5, 2, 9, 0, 3, every=5 * MINUTE), REGISTER),
    "a_rollover_counts_the_rest_up_to_the_modulus": both(steps(97, 99, 98, 3, 4), [(None, "register", 100)]),
    "a_rollover_between_two_days": both(steps(97, 99, 98, 3, 4, every=11 * HOUR), [(None, "register", 100)]),
    "far_from_the_modulus_it_is_a_reset": both(steps(80, 85, 3, 4), [(None, "register", 100)]),
    "beyond_its_modulus": both(steps(99, 105, 3), [(None, "register", 100)]),
    "the_first_reading_alone_is_a_baseline": both(steps(100), REGISTER),
    "a_register_that_stands_still": both(steps(*[7] * 9, every=3 * HOUR), REGISTER),
    "at_zero": both(steps(0, 0, 1, 0, 0, 2), REGISTER),
    "silent_for_weeks": both(steps(100, 101, 102, every=12 * DAY), REGISTER),
    "silent_for_weeks_and_reset": both(steps(100, 2, 3, every=12 * DAY), REGISTER),
    "a_return_within_seven_days": both(steps(100, 0, 101, every=3 * DAY + 12 * HOUR), REGISTER),
    "and_none_after_that": both([*steps(100, 0), *steps(101, 103, start=8 * DAY + NOON)], REGISTER),
    "from_interval_to_register_within_an_hour": both(
        steps(1, 2, 500, 501, 502), [(None, "interval", None), (NOON + 15 * MINUTE, "register", None)]
    ),
    "from_register_to_interval_within_an_hour": both(
        steps(500, 501, 1, 2, 3), [(None, "register", None), (NOON + 15 * MINUTE, "interval", None)]
    ),
    "a_meter_of_a_vehicles_id_that_feeds_another": replace(
        both(steps(100, 101, 103, 106, 110), REGISTER), assignments=[("M-1", "V-1", timedelta(0), None)]
    ),
    "a_meter_of_a_vehicles_id_that_feeds_others_at_times": replace(
        both(steps(*range(1, 40)), [(None, "interval", None)]),
        assignments=[
            ("M-1", "V-1", NOON + 5 * MINUTE, NOON + 15 * MINUTE),
            ("M-1", "V-2", NOON + 15 * MINUTE, NOON + 3 * HOUR + 20 * MINUTE),
            ("M-1", "V-1", NOON + 5 * HOUR, NOON + 6 * HOUR),
        ],
    ),
    "another_register_from_an_instant_on": both(
        steps(500, 501, 700, 702), [(None, "register", 1000), (NOON + 15 * MINUTE, "register", None)]
    ),
}
FOUND = {
    # The fleet's default declared register, then the device declared so itself: its first reading was a baseline twice.
    "the_default_said_again_of_the_device": replace(
        both(steps(10, 10, start=US, every=DAY), [(HOUR, "register", None)]), default_is_register=True
    ),
    "an_hour_after_a_long_silence": both([*steps(10, start=US), *steps(9, 9.001, start=8 * DAY, every=US)], REGISTER),
}


@pytest.fixture(scope="module")
def built_by_hand(site: Site) -> Connection:
    """All worlds by hand, of which every other reading came late."""
    for part in (slice(1, None, 2), slice(0, None, 2)):
        for name, world in BY_HAND.items():
            if part.start:
                say_kinds(site.whole, f"{name}:", world)
                say_assignments(site.whole, f"{name}:", world)
            insert(site.whole, f"{name}:", world, part)
        site.refresh(World({}, {}))
    return site.whole


@pytest.mark.parametrize("name", BY_HAND)
def test_energy_is_exact_of(built_by_hand: Connection, name: str) -> None:
    check_answers(built_by_hand, f"{name}:", BY_HAND[name])


@pytest.mark.parametrize("name", FOUND)
def test_what_the_property_test_found_stays_right(site: Site, name: str) -> None:
    check(site, FOUND[name])


# Any world

# Half of all steps stay within an hour or two: most of what can go wrong does so where readings are close together.
gaps = st.one_of(
    st.sampled_from([US, timedelta(seconds=1), MINUTE, 10 * MINUTE, HOUR - US, HOUR, HOUR + US, 5 * HOUR]),
    st.integers(1, 180).map(lambda minutes: minutes * MINUTE),
    st.sampled_from([DAY, 6 * DAY, 7 * DAY, 8 * DAY - US, 8 * DAY, 15 * DAY]),
)
starts = st.one_of(
    st.integers(0, 24 * 12).map(lambda hours: hours * HOUR),
    st.integers(0, 60 * 24 * 10).map(lambda minutes: minutes * MINUTE + US),
)
MODULUS_KWH = 100.0
moves = st.one_of(
    st.tuples(st.just("rise"), st.integers(0, 9000)),
    st.tuples(st.just("fall to"), st.integers(880, 1000)),
    st.tuples(st.just("fall to"), st.integers(0, 1000)),
    st.tuples(st.just("stand at"), st.sampled_from([0, 1, 45_000, 89_999, 90_000, 99_999, 100_000])),
)


def course(start: Place, steps: Sequence[tuple[Place, tuple[str, int]]]) -> list[tuple[Place, float]]:
    """Readings from a start and steps: gaps in time, and moves of the register in thousandths."""
    place, value, rows = start, 10.0, []
    for gap, (move, thousandths) in steps:
        place += gap
        if place > SPAN:
            break
        if move == "rise":
            value += thousandths / 1000
        elif move == "fall to":
            value *= thousandths / 1000
        else:
            value = thousandths / 1000
        rows.append((place, value))
    return rows


readings = st.builds(course, starts, st.lists(st.tuples(gaps, moves), max_size=40))
places = st.one_of(starts, st.integers(0, 30).map(lambda days: days * DAY), st.timedeltas(timedelta(0), SPAN))
meanings: list[tuple[Meaning, float | None]] = [
    ("interval", None), ("register", None), ("register", MODULUS_KWH), ("session", None),
]  # fmt: skip
declared = st.sampled_from(meanings)


@st.composite
def devices(draw: st.DrawFn) -> Device:
    """A device: mostly a register that was always declared, sometimes one that changes, at a reading or anywhere."""
    rows = draw(readings)
    kinds: list[tuple[Place | None, Meaning, float | None]] = []
    if draw(st.integers(0, 5)):
        kinds.append((None, *draw(declared)))
    if rows and not draw(st.integers(0, 2)):
        anywhere = st.one_of(places, st.sampled_from([row[0] for row in rows]))
        kinds += [(place, *draw(declared)) for place in sorted(draw(st.sets(anywhere, min_size=1, max_size=3)))]
    return rows, kinds


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Two meters, two vehicles of the same ids and another, who fed whom, and windows whose ends are readings as often
    as not."""
    meters = {name: draw(devices()) for name in METERS}
    vehicles = {name: draw(devices()) for name in VEHICLES}
    known = [row[0] for device in (*meters.values(), *vehicles.values()) for row in device[0]]
    edges = places
    if known:
        edge = st.tuples(st.sampled_from(known), st.sampled_from([-US, timedelta(0), timedelta(0), US]))
        edges = st.one_of(places, edge.map(lambda parts: max(timedelta(0), parts[0] + parts[1])))
    assignments: list[tuple[str, str, Place, Place | None, Place]] = []
    for _ in range(draw(st.integers(0, 4))):
        meter, vehicle = draw(st.sampled_from(METERS)), draw(st.sampled_from(VEHICLES))
        since, until = draw(edges), draw(st.one_of(st.none(), edges))
        ends = 2 * SPAN if until is None else until
        if since < ends and not any(
            (meter == other[0] or vehicle == other[1]) and since < other[4] and other[2] < ends for other in assignments
        ):
            assignments.append((meter, vehicle, since, until, ends))
    lengths = st.one_of(
        edges, st.sampled_from([timedelta(seconds=1), 5 * MINUTE, HOUR, DAY, 31 * DAY]).map(lambda length: -length)
    )
    windows = []
    for _ in range(draw(st.integers(1, 3))):
        since, until = draw(edges), draw(lengths)
        begins, ends = (since, since - until) if until < timedelta(0) else sorted((since, until))
        if begins < ends:
            windows.append((begins, ends))
    return World(
        meters,
        vehicles,
        [row[:4] for row in assignments],
        windows,
        late_every=draw(st.integers(0, 3)),
        default_is_register=draw(st.booleans()),
        rated_power_kw=draw(st.sampled_from([None, None, 11.0])),
        is_materialised=draw(st.booleans()),
        is_compressed=not draw(st.integers(0, 24)),
    )


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    derandomize="ENERGY_TEST_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(world=worlds())
def test_any_window_of_any_world_equals_the_full_scan(site: Site, world: World) -> None:
    # Each example has devices of its own in a database that grows. Their readings come in two parts, the late ones
    # after a refresh; then everything comes again with other values, which must not count. Every figure of every
    # vehicle and of every hour is held to the oracle's, for windows of a second to a month.
    check(site, world)
