"""Nothing acknowledged is lost, whatever is killed, and the check that says so would notice.

How it is done stands in tests/support/kills.py. Each kind is killed once here; KILLS=20 in the environment kills each
as often, and `python -m tests.support.kills` does so with figures to read.
"""

import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.kills import KINDS, Kind, Site, cannot_kill, check, kill_under_load, site, wrong_rollups
from tests.support.servers import HOSTS, Unavailable

KILLS = int(os.environ.get("KILLS", "1"))


@pytest.fixture(scope="module", params=HOSTS)
def place(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A durable database of each profile with the service on it."""
    try:
        with site(request.param) as made:
            yield made
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_acknowledged_is_lost_and_nothing_is_doubled_by_a_kill_of(place: Site, kind: Kind) -> None:
    if reason := cannot_kill(place.host, kind):
        pytest.skip(reason)
    for _ in range(KILLS):
        seed = secrets.randbelow(10**6)
        killed = kill_under_load(place, kind, seed)
        outcome = check(place)
        summary = f"seed {seed}, {killed}: {outcome.line()}"
        assert outcome.acknowledged > 0, summary
        assert outcome.is_sound, summary


def remove(connection: psycopg.Connection[TupleRow], place: Site, *meters: str) -> None:
    """Remove meters; on the timescale profile a refresh removes what is materialised of them."""
    tables = ["meter_telemetry_history", "live_meter_state"]
    tables += ["meter_hourly", "meter_daily"] if HOSTS[place.host].profile == "postgres" else []
    for table in tables:
        connection.execute(f"DELETE FROM telemetry.{table} WHERE meter_id = ANY (%s)".encode(), [list(meters)])


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        ("DELETE FROM telemetry.meter_telemetry_history WHERE meter_id = %(device)s", ("lost", "wrong_live")),
        ("UPDATE telemetry.meter_telemetry_history SET voltage_v = 1 WHERE meter_id = %(device)s", ("altered",)),
        ("UPDATE telemetry.live_meter_state SET voltage_v = 1 WHERE meter_id = %(device)s", ("wrong_live",)),
        (
            "INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
            "VALUES ('M-nobody', now(), 1, 1)",
            ("invented",),
        ),
    ],
)
def test_the_check_notices(place: Site, damage: str, wrong: tuple[str, ...]) -> None:
    reading = ("M-damaged", datetime.now(UTC))
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
            "VALUES (%s, %s, 0.25, 230)",
            reading,
        )
        place.ledger.sent[reading] = (0.25, 230.0)
        place.ledger.acknowledged.add(reading)
        try:
            before = check(place)
            connection.execute(damage.encode(), {"device": reading[0]} if "%" in damage else None)
            after = check(place)
        finally:
            place.ledger.acknowledged.remove(reading)
            del place.ledger.sent[reading]
            remove(connection, place, "M-damaged", "M-nobody")
    assert before.is_sound, before.line()
    assert not after.is_sound
    for name in wrong:
        assert getattr(after, name) > 0, after.line()


def test_the_check_notices_a_rollup_that_its_history_does_not_sum_up_to(place: Site) -> None:
    # Its hour is materialised by the check; neither profile hears of a DELETE before a refresh.
    reading = ("M-late", datetime.now(UTC) - timedelta(days=2))
    delete = "DELETE FROM telemetry.meter_telemetry_history WHERE meter_id = 'M-late'"
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
            "VALUES (%s, %s, 0.25, 230)",
            reading,
        )
        place.ledger.sent[reading] = (0.25, 230.0)
        place.ledger.acknowledged.add(reading)
        try:
            assert check(place).is_sound
            with connection.transaction(force_rollback=True):
                connection.execute(delete)
                assert wrong_rollups(connection) > 0
        finally:
            place.ledger.acknowledged.remove(reading)
            del place.ledger.sent[reading]
            remove(connection, place, "M-late")
