"""What a kWh value means: by device, by the fleet's default, from an instant on; the past keeps its meaning."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.db import migrate, reapply
from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings, now
from tests.support.servers import Server

Connection = psycopg.Connection[TupleRow]

HOUR = timedelta(hours=1)
EVER = datetime(1970, 1, 1, tzinfo=UTC)
Kind = tuple[str, float | None, datetime, datetime]


@pytest.fixture(params=["meter", "vehicle"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of device in turn."""
    return str(request.param)


def keep_a_reading(connection: Connection, kind: str, device: str = "D-1") -> None:
    """Make a device known by a reading."""
    if kind == "meter":
        insert_meter_readings(connection, [(device, hours_ago(1), 1, 230)])
    else:
        insert_vehicle_readings(connection, [(device, hours_ago(1), 50, 1, 20)])


def set_kind(connection: Connection, kind: str, *declared: Any, device: str = "D-1") -> None:
    """Say of a device: energy_reading, modulus, since."""
    connection.execute(f"SELECT api.set_{kind}_kind(%s, %s, %s, %s)", [device, *declared])


def set_default(connection: Connection, kind: str, *declared: Any) -> None:
    """Set for all devices without a kind: energy_reading, modulus, since."""
    connection.execute("SELECT api.set_fleet_default(%s, %s, %s, %s)", [kind, *declared])


def kinds(connection: Connection, kind: str, device: str = "D-1", to: datetime | None = None) -> list[Kind]:
    """What is known of a device since ever, in order of time."""
    return connection.execute(
        "SELECT energy_reading, register_modulus_kwh, greatest(kind_from, %(from)s), least(kind_to, %(to)s) "
        "FROM api.device_kind WHERE device_type = %(kind)s AND device_id = %(device)s "
        "AND kind_from < %(to)s AND kind_to > %(from)s ORDER BY kind_from",
        {"kind": kind, "device": device, "from": EVER, "to": to or hours_ago(0)},
    ).fetchall()


def test_a_device_heard_of_reads_intervals_by_default(connection: Connection, kind: str) -> None:
    assert kinds(connection, kind) == []
    keep_a_reading(connection, kind)
    assert kinds(connection, kind) == [("interval", None, EVER, hours_ago(0))]


def test_a_kind_set_without_an_instant_has_always_held(connection: Connection, kind: str) -> None:
    set_kind(connection, kind, "interval", None, hours_ago(9))
    set_kind(connection, kind, "register", 1000, None)
    assert kinds(connection, kind) == [("register", 1000, EVER, hours_ago(0))]


def test_a_kind_changes_from_an_instant_on_and_the_past_keeps_its_meaning(connection: Connection, kind: str) -> None:
    set_kind(connection, kind, "register", 1000, hours_ago(9))
    set_kind(connection, kind, "register", None, hours_ago(5))
    set_kind(connection, kind, "interval", None, hours_ago(2))
    expected = [
        ("interval", None, EVER, hours_ago(9)),
        ("register", 1000, hours_ago(9), hours_ago(5)),
        ("register", None, hours_ago(5), hours_ago(2)),
        ("interval", None, hours_ago(2), hours_ago(0)),
    ]
    assert kinds(connection, kind) == expected
    # Clipped to what is asked.
    assert kinds(connection, kind, to=hours_ago(7)) == [expected[0], ("register", 1000, hours_ago(9), hours_ago(7))]


def test_saying_the_same_again_changes_nothing(connection: Connection, kind: str) -> None:
    for _ in range(2):
        set_kind(connection, kind, "register", 1000, hours_ago(5))
    set_kind(connection, kind, "register", 1000, hours_ago(2))
    assert kinds(connection, kind) == [
        ("interval", None, EVER, hours_ago(5)),
        ("register", 1000, hours_ago(5), hours_ago(0)),
    ]
    assert connection.execute(f"SELECT until FROM telemetry.{kind}_kind_past").fetchall() == [(hours_ago(5),)]


def test_a_change_replaces_what_was_declared_of_later_times(connection: Connection, kind: str) -> None:
    set_kind(connection, kind, "register", None, hours_ago(5))
    set_kind(connection, kind, "interval", None, hours_ago(2))
    set_kind(connection, kind, "register", 50, hours_ago(7))
    assert kinds(connection, kind) == [
        ("interval", None, EVER, hours_ago(7)),
        ("register", 50, hours_ago(7), hours_ago(0)),
    ]


def test_the_default_of_the_fleet_holds_where_nothing_is_declared(connection: Connection, kind: str) -> None:
    keep_a_reading(connection, kind)
    keep_a_reading(connection, kind, "D-2")
    connection.execute(f"INSERT INTO telemetry.{kind} ({kind}_id, rated_power_kw) VALUES ('D-3', 11)")
    set_default(connection, kind, "register", 1000, hours_ago(9))
    set_default(connection, kind, "interval", None, hours_ago(4))
    set_kind(connection, kind, "interval", None, hours_ago(6), device="D-2")
    by_default = [
        ("interval", None, EVER, hours_ago(9)),
        ("register", 1000, hours_ago(9), hours_ago(4)),
        ("interval", None, hours_ago(4), hours_ago(0)),
    ]
    assert kinds(connection, kind) == kinds(connection, kind, "D-3") == by_default
    assert kinds(connection, kind, "D-2") == [
        by_default[0],
        ("register", 1000, hours_ago(9), hours_ago(6)),
        ("interval", None, hours_ago(6), hours_ago(0)),
    ]
    # A device can go back to the default; the other kind of device is not concerned.
    set_kind(connection, kind, None, None, hours_ago(5), device="D-2")
    assert [row[:2] for row in kinds(connection, kind, "D-2")] == [
        ("interval", None), ("register", 1000), ("interval", None), ("register", 1000), ("interval", None)
    ]  # fmt: skip
    [(others,)] = connection.execute(
        "SELECT count(*) FROM telemetry.fleet_default WHERE device_type <> %s", [kind]
    ).fetchall()
    assert others == 0


def test_the_default_of_the_fleet_can_be_declared_again_and_for_always(connection: Connection, kind: str) -> None:
    keep_a_reading(connection, kind)
    for _ in range(2):
        set_default(connection, kind, "register", None, hours_ago(5))
    set_default(connection, kind, "register", None, hours_ago(3))
    assert [row[2:] for row in kinds(connection, kind)] == [(EVER, hours_ago(5)), (hours_ago(5), hours_ago(0))]
    set_default(connection, kind, "register", 10, None)
    assert kinds(connection, kind) == [("register", 10, EVER, hours_ago(0))]


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        (("register", None, now() + timedelta(days=1)), "22023"),
        (("interval", 1000, None), "22023"),
        (("counter", None, None), "22023"),
        (("register", 0, None), "23514"),
        (("register", 2e9, None), "23514"),
        (("register", float("nan"), None), "23514"),
    ],
)
def test_a_kind_of_no_sense_is_refused_and_changes_nothing(
    connection: Connection, kind: str, declared: tuple[Any, ...], code: str
) -> None:
    keep_a_reading(connection, kind)
    for call in (set_kind, set_default):
        with pytest.raises(psycopg.Error) as error:
            call(connection, kind, *declared)
        assert error.value.sqlstate == code
    assert kinds(connection, kind) == [("interval", None, EVER, hours_ago(0))]
    with pytest.raises(psycopg.errors.CheckViolation):
        set_kind(connection, kind, "register", None, None, device="no id")
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        set_default(connection, "charger", "register", None, None)


def test_a_database_with_devices_listed_keeps_what_was_declared_of_them(
    server: Server, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The schema as it was before kinds could change, with a device of each kind listed; then this release migrates.
    with monkeypatch.context() as earlier:
        before = [m for m in migrate._migrations(server.profile) if str(m.id) < "0006"]
        earlier.setattr(migrate, "_migrations", lambda _: before)
        earlier.setattr(reapply, "files", lambda _: [])
        # They ask schema api, which these migrations alone do not make.
        for name in ("_create_jobs", "_warn_of_too_few_workers", "_warn_of_other_policies"):
            earlier.setattr(migrate, name, lambda _: None)
        migrate.migrate(fresh_database, server.profile)
    with psycopg.connect(fresh_database, autocommit=True, options="-c timezone=UTC") as connection:
        connection.execute(
            "INSERT INTO telemetry.meter (meter_id, energy_reading, register_modulus_kwh) "
            "VALUES ('M-1', 'register', 100)"
        )
        connection.execute("INSERT INTO telemetry.meter (meter_id) VALUES ('M-2')")
        connection.execute("INSERT INTO telemetry.vehicle (vehicle_id, energy_reading) VALUES ('V-1', 'register')")
        assert "0006_energy_kinds" in migrate.migrate(fresh_database).applied
        assert kinds(connection, "meter", "M-1") == [("register", 100, EVER, hours_ago(0))]
        assert kinds(connection, "meter", "M-2") == [("interval", None, EVER, hours_ago(0))]
        assert kinds(connection, "vehicle", "V-1") == [("register", None, EVER, hours_ago(0))]
