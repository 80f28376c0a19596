"""Policies as data: changed by procedure or by file, written down, and refused where that would do harm."""

import json
import re
from argparse import Namespace
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from app.__main__ import main
from app.db.queries import query
from app.errors import DatabaseUnavailable, PoliciesRefused, PolicyFileError
from app.tools import policies
from tests.support.readings import hours_ago, insert_meter_readings, now
from tests.support.servers import ONLY_TIMESCALE, Server, run_jobs, url_of

Connection = psycopg.Connection[TupleRow]

HISTORY = "meter_telemetry_history"
DAY = timedelta(days=1)

RunFile = Callable[[Connection, str, str], str]


@pytest.fixture
def untouched(migrated_database: str) -> Iterator[Connection]:
    """A connection to the database that tests share, for those that are refused and leave it as it is."""
    with psycopg.connect(migrated_database, autocommit=True, options="-c timezone=UTC") as connection:
        yield connection


@pytest.fixture
def run_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> RunFile:
    """Runs `policies plan|apply` on a file of the text given; returns what it prints."""

    def run(connection: Connection, action: str, text: str) -> str:
        path = tmp_path / "policies.toml"
        path.write_text(text)
        assert policies.run(url_of(connection), Namespace(action=action, file=path)) == 0
        return capsys.readouterr().out

    return run


def kept(connection: Connection) -> dict[str, tuple[Any, ...]]:
    """The policies, by relation."""
    rows = connection.execute("""
        SELECT
            relation, chunk_interval, columnstore_after, drop_after,
            refresh_start_offset, refresh_end_offset, refresh_every
        FROM telemetry.policy
    """).fetchall()
    return {row[0]: row[1:] for row in rows}


def changes(connection: Connection) -> list[tuple[Any, ...]]:
    """What was written down, in order."""
    return connection.execute("""
        SELECT relation, setting, value_before, value_after FROM telemetry.policy_change ORDER BY id
    """).fetchall()


def refused(connection: Connection, call: str) -> tuple[str, str]:
    """The guardrail that refuses a call, and its message with its hint; nothing is changed."""
    before = kept(connection)
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        connection.execute(call.encode())
    assert kept(connection) == before
    assert changes(connection) == []
    diag = caught.value.diag
    assert diag.message_primary
    assert diag.message_hint
    assert len(str(diag.context).splitlines()) <= 6
    return str(diag.constraint_name), f"{diag.message_primary}. {diag.message_hint}"


def minutes_of(days_ago: int, count: int, device: str = "M-1") -> list[tuple[str, datetime, float, float]]:
    """Meter readings a minute apart in the first minutes (UTC) of a day."""
    start = (now() - days_ago * DAY).replace(hour=0, minute=0, second=0)
    return [(device, start + timedelta(minutes=i), 0.5, 230.0) for i in range(1, count + 1)]


# Changing


def test_a_policy_is_changed_in_what_is_named_and_nothing_else(own: Connection) -> None:
    before = kept(own)
    own.execute(f"CALL api.set_policy('{HISTORY}', drop_after => '300 days', columnstore_after => '3 days')")
    after = kept(own)
    assert after.pop(HISTORY) == (DAY, 3 * DAY, 300 * DAY, None, None, None)
    assert after == {relation: policy for relation, policy in before.items() if relation != HISTORY}
    if own.execute("SELECT profile FROM telemetry.installation").fetchone() == ("timescale",):
        # Its job carries it out from now on.
        assert own.execute(
            "SELECT config ->> 'drop_after' FROM timescaledb_information.jobs "
            "WHERE hypertable_name = %s AND proc_name = 'policy_retention'",
            (HISTORY,),
        ).fetchone() == ("300 days",)
    own.execute(f"CALL api.set_policy('{HISTORY}', drop_after => 'never')")
    assert kept(own)[HISTORY] == (DAY, 3 * DAY, None, None, None, None)


def test_each_change_is_written_down_with_who_when_and_from_what_to_what(own: Connection) -> None:
    own.execute("SET application_name = 'by-hand'")
    began = now()
    own.execute(f"CALL api.set_policy('{HISTORY}', drop_after => '300 days', chunk_interval => '12 hours')")
    own.execute(f"CALL api.set_policy('{HISTORY}', drop_after => '300 days')")
    own.execute("UPDATE telemetry.policy SET drop_after = '900 days' WHERE relation = 'meter_daily'")
    assert changes(own) == [
        (HISTORY, "chunk_interval", DAY, DAY / 2),
        (HISTORY, "drop_after", 400 * DAY, 300 * DAY),
        ("meter_daily", "drop_after", None, 900 * DAY),
    ]
    rows = own.execute("SELECT changed_at, changed_by, changed_through FROM api.policy_change").fetchall()
    assert all(began <= at <= now() + timedelta(seconds=1) for at, _, _ in rows)
    assert {row[1:] for row in rows} == {(own.info.user, "by-hand")}


ONE_LENGTH = "but months and years are not always of one length"
NO_UNIT = "which ends in a number without a unit"


@pytest.mark.parametrize(
    ("relation", "setting", "value", "complaint"),
    [
        ("meter_weekly", "drop_after", "300 days", 'no relation with a policy is named "meter_weekly"'),
        ("meter_hourly", "drop_after", "300 moons", 'is "300 moons", which is not a length of time'),
        # Seconds, as PostgreSQL has it.
        ("meter_daily", "drop_after", "800", f'meter_daily.drop_after is "800", {NO_UNIT}'),
        ("meter_daily", "drop_after", " 8e2 ", NO_UNIT),
        ("meter_daily", "drop_after", "800 days 12", NO_UNIT),
        # Compared as 90 and 32 days, subtracted as up to 92 and 33.
        (HISTORY, "drop_after", "3 months", f'{HISTORY}.drop_after is "3 months", {ONE_LENGTH}'),
        ("meter_hourly", "refresh_start_offset", "1 month 2 days", ONE_LENGTH),
        ("meter_daily", "chunk_interval", "1 year", ONE_LENGTH),
        ("meter_daily", "refresh_every", "1 mon", ONE_LENGTH),
    ],
)
def test_what_is_no_policy_is_refused(
    untouched: Connection, relation: str, setting: str, value: str, complaint: str
) -> None:
    with pytest.raises(psycopg.errors.DataError, match=re.escape(complaint)) as caught:
        untouched.execute(f"CALL api.set_policy('{relation}', {setting} => '{value}')".encode())
    assert changes(untouched) == []
    # What psql prints below the message is where it was raised, without pages of source.
    assert len(str(caught.value.diag.context).splitlines()) <= 6
    with pytest.raises(psycopg.errors.DataError, match=re.escape(complaint)):
        untouched.execute("SELECT internal.policy_violations(%s::jsonb)", [json.dumps({relation: {setting: value}})])


def test_intervals_of_one_length_are_taken_however_they_are_written(untouched: Connection) -> None:
    for given, meant in (("2 weeks", 14 * DAY), ("1 12:00", 1.5 * DAY), ("PT36H", 1.5 * DAY)):
        printed = untouched.execute(
            "SELECT drop_after FROM internal.policy_wanted(%s::jsonb) WHERE relation = 'meter_daily'",
            [json.dumps({"meter_daily": {"drop_after": given}})],
        ).fetchone()
        assert printed == (meant,)


# By file


def test_a_plan_shows_what_would_change_and_changes_nothing(untouched: Connection, run_file: RunFile) -> None:
    before = kept(untouched)
    shown = run_file(
        untouched, "plan", f'[{HISTORY}]\ndrop_after = "300 days"\ncolumnstore_after = "never"\n[meter_hourly]\n'
    )
    assert f"{HISTORY}.drop_after: 400 days -> 300 days\n" in shown
    assert f"{HISTORY}.columnstore_after: 2 days -> never\n" in shown
    # On the other profile a plan says, as applying does, what only TimescaleDB carries out.
    is_postgres = untouched.execute("SELECT profile FROM telemetry.installation").fetchone() == ("postgres",)
    assert ("only drop_after has an effect" in shown) == is_postgres
    assert "meter_hourly" not in shown
    assert kept(untouched) == before
    assert changes(untouched) == []


def test_a_file_is_applied_whole_and_a_second_time_changes_nothing(own: Connection, run_file: RunFile) -> None:
    # The one setting alone would be refused: the other makes room for it.
    text = f'[{HISTORY}]\ndrop_after = "20 days"\n[meter_hourly]\nrefresh_start_offset = "10 days"\n'
    insert_meter_readings(own, minutes_of(5, 60))
    own.execute("CALL api.refresh_rollups(now() - interval '10 days', now())")
    assert "applied" in run_file(own, "apply", text)
    assert kept(own)[HISTORY][2] == 20 * DAY
    assert kept(own)["meter_hourly"][3] == 10 * DAY
    assert own.execute("SELECT DISTINCT changed_through FROM telemetry.policy_change").fetchall() == [
        ("energy-policies",)
    ]
    before = changes(own)
    assert run_file(own, "apply", text) == "nothing to change\n"
    assert changes(own) == before


def test_of_a_file_with_one_fault_nothing_is_applied_and_a_plan_names_it(
    untouched: Connection, run_file: RunFile
) -> None:
    text = f'[{HISTORY}]\ndrop_after = "10 days"\n[vehicle_daily]\ndrop_after = "900 days"\n'
    before = kept(untouched)
    for action in ("plan", "apply"):
        with pytest.raises(PoliciesRefused, match=rf"^{HISTORY} would be dropped after 10 days, but the refresh"):
            run_file(untouched, action, text)
    assert kept(untouched) == before
    assert changes(untouched) == []


def test_a_plan_tells_what_data_goes_and_that_is_what_goes(own: Connection, run_file: RunFile) -> None:
    # Two whole days are older than 200 days, one of 100 readings and one of 50; a third is younger.
    for days, count in ((250, 100), (220, 50), (150, 30)):
        insert_meter_readings(own, minutes_of(days, count))
    own.execute("CALL api.refresh_rollups(now() - interval '300 days', now())")
    shown = run_file(own, "plan", f'[{HISTORY}]\ndrop_after = "200 days"\n')
    printed = re.search(
        rf"^{HISTORY} drops (?:(\d+) chunks?, )?150 rows(?:, [\d.]+ MB)? from (\S+)", shown, re.MULTILINE
    )
    assert printed, shown
    assert printed[2] == f"{now() - 250 * DAY:%F}"
    run_file(own, "apply", f'[{HISTORY}]\ndrop_after = "200 days"\n')
    if own.execute("SELECT profile FROM telemetry.installation").fetchone() == ("timescale",):
        assert printed[1] == "2"
        [(job,)] = own.execute(
            "SELECT job_id FROM timescaledb_information.jobs "
            "WHERE hypertable_name = %s AND proc_name = 'policy_retention'",
            (HISTORY,),
        ).fetchall()
        own.execute("CALL public.run_job(%s)", (job,))
    else:
        own.execute("CALL api.upkeep()")
    assert own.execute(f"SELECT count(*) FROM telemetry.{HISTORY}".encode()).fetchone() == (30,)
    assert own.execute("SELECT sum(readings) FROM telemetry.meter_hourly").fetchone() == (180,)


@ONLY_TIMESCALE
def test_a_plan_says_that_there_is_more_than_the_rollup_knows_of(own: Connection, run_file: RunFile) -> None:
    # Readings are counted from their rollup, and that is behind: of a day that is materialised, 30 came late.
    text = f'[{HISTORY}]\ncolumnstore_after = "3 days"\n'
    insert_meter_readings(own, minutes_of(10, 100))
    own.execute("CALL api.refresh_rollups(now() - interval '20 days', now())")
    assert "1 chunk, 100 rows, " in run_file(own, "plan", text)
    insert_meter_readings(own, minutes_of(10, 30, device="M-2"))
    assert "1 chunk, at least 100 rows, " in run_file(own, "plan", text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("drop_after = ", 'is not TOML: Invalid value (at end of document); write drop_after = "200 days"'),
        ("[meter_hourly]\ndrop_after = 90 days", 'line 2, column 17); write drop_after = "90 days"'),
        ("[meter_hourly]\ndrop_after = never # for ever\n", 'line 2, column 14); write drop_after = "never"'),
        ('[meter_hourly]\ndrop_after = "90 days\n', 'line 2, column 22); write drop_after = "90 days"'),
        ("[meter_hourly]\ndrop_after = “90 days”\n", 'line 2, column 14); write drop_after = "90 days"'),
        ("[meter_hourly\n", 'line 1, column 14); write drop_after = "200 days"'),
        ('drop_after = "3 days"', "drop_after is not a table"),
        (
            "[meter_hourly]\ndrop_after = 3",
            'drop_after is not a text in quotes; write drop_after = "3 days"',
        ),
        ("[meter_hourly]\ndrop_after = true", 'is not a text in quotes; write drop_after = "90 days"'),
        ('[meter_weekly]\ndrop_after = "3 days"', 'no relation with a policy is named "meter_weekly"'),
        ('[meter_hourly]\nkeep = "3 days"', "no such setting: meter_hourly.keep"),
        (
            '[meter_hourly]\ndrop_after = "soon"',
            '"soon", which is not a length of time. Write "800 days"',
        ),
    ],
)
def test_a_file_that_is_no_policies_is_refused(
    untouched: Connection, run_file: RunFile, text: str, complaint: str
) -> None:
    with pytest.raises(PolicyFileError, match=re.escape(complaint)):
        run_file(untouched, "plan", text)


def test_the_command_ends_in_one_line_where_a_guardrail_refuses(
    migrated_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "policies.toml"
    path.write_text(f'[{HISTORY}]\ndrop_after = "10 days"\n')
    monkeypatch.setenv("DATABASE_URL", migrated_database)
    assert main(["policies", "apply", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"energy: {HISTORY} would be dropped after 10 days")
    assert main(["policies", "plan", str(tmp_path / "none.toml")]) == 2
    with pytest.raises(DatabaseUnavailable):
        policies.run("postgresql://127.0.0.1:1/none", Namespace(action="plan", file=path))


# Guardrails, each tripped on purpose


def test_a_drop_inside_the_refresh_window_is_refused(untouched: Connection) -> None:
    fault, message = refused(untouched, f"CALL api.set_policy('{HISTORY}', drop_after => '31 days')")
    assert fault == "drop_inside_the_refresh_window"
    assert "meter_hourly looks back 31 days" in message
    fault, message = refused(untouched, "CALL api.set_policy('vehicle_hourly', drop_after => '33 days')")
    assert (fault, "vehicle_daily looks back 33 days" in message) == ("drop_inside_the_refresh_window", True)
    # What nothing is made of is itself refreshed.
    fault, message = refused(untouched, "CALL api.set_policy('vehicle_daily', drop_after => '1 day')")
    assert (fault, "its refresh looks back 33 days" in message) == ("drop_inside_the_refresh_window", True)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        ("00:10", "10 minutes"),
        ("1:00:01.5", "1 hour 1.5 seconds"),
        ("1 12:00", "1 day 12 hours"),
        ("1 month 36 hours", "1 month 36 hours"),
        ("-400 days -1 min", "-400 days -1 minute"),
        ("0", "0 seconds"),
    ],
)
def test_an_interval_is_written_in_words_that_mean_the_same(untouched: Connection, length: str, text: str) -> None:
    [written] = untouched.execute("SELECT internal.interval_text(%s::interval)", [length]).fetchall()
    assert written == (text,)
    assert untouched.execute("SELECT %s::interval::text = %s::interval::text", [text, length]).fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("relation", "settings", "fault", "complaint"),
    [
        (HISTORY, {"chunk_interval": "1 microsecond"}, "interval_is_too_short", "1 hour is the shortest it can be"),
        (HISTORY, {"chunk_interval": "-1 day"}, "interval_is_too_short", "chunk_interval would be -1 day"),
        (HISTORY, {"drop_after": "-400 days"}, "interval_is_too_short", "drop_after would be -400 day"),
        (HISTORY, {"columnstore_after": "0 days"}, "interval_is_too_short", "columnstore_after would be 0"),
        (
            "meter_hourly",
            {"refresh_end_offset": "30 minutes"},
            "interval_is_too_short",
            "refresh_end_offset would be 30 minutes",
        ),
        ("meter_hourly", {"refresh_every": "1 microsecond"}, "interval_is_too_short", "10 seconds is the shortest"),
        (HISTORY, {"drop_after": "1100000 days"}, "interval_is_too_long", "36500 days is the longest it can be"),
        ("meter_daily", {"drop_after": "170000000 weeks"}, "interval_is_too_long", "is the longest it can be"),
        (HISTORY, {"chunk_interval": "never"}, "chunk_interval_is_given", "always of some length"),
        (
            HISTORY,
            {"refresh_start_offset": "31 days", "refresh_end_offset": "1 hour", "refresh_every": "1 hour"},
            "only_rollups_are_refreshed",
            "a history is not refreshed",
        ),
        ("meter_hourly", {"refresh_every": "never"}, "refresh_is_given_whole_or_not_at_all", "given together"),
        ("meter_hourly", {"refresh_end_offset": "40 days"}, "refresh_starts_before_it_ends", "by 2 hours or more"),
        ("meter_daily", {"refresh_start_offset": "49 hours"}, "daily_refresh_spans_two_days", "by 2 days or more"),
    ],
)
def test_a_plan_refuses_what_the_database_would(
    untouched: Connection, run_file: RunFile, relation: str, settings: dict[str, str], fault: str, complaint: str
) -> None:
    named = ", ".join(f"{name} => '{value}'" for name, value in settings.items())
    constraint, message = refused(untouched, f"CALL api.set_policy('{relation}', {named})")
    assert (constraint, complaint in message) == (fault, True)
    text = f"[{relation}]\n" + "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    for action in ("plan", "apply"):
        with pytest.raises(PoliciesRefused, match=re.escape(complaint)):
            run_file(untouched, action, text)


def test_a_setting_that_was_taken_before_holds_up_no_other_change(own: Connection) -> None:
    own.execute("UPDATE telemetry.policy SET refresh_every = '1 second' WHERE relation = 'meter_hourly'")
    own.execute("CALL api.apply_policies()")
    own.execute("CALL api.set_policy('meter_hourly', columnstore_after => '40 days')")


def test_a_history_kept_for_thousands_of_years_keeps_no_service_from_starting(own: Connection) -> None:
    # By hand, past the guardrail.
    own.execute("UPDATE telemetry.policy SET drop_after = '3000 years' WHERE relation LIKE '%_history'")
    assert own.execute(query("oldest_timestamps_kept")).fetchone() == (None, None)
    own.execute("UPDATE telemetry.policy SET drop_after = '36500 days' WHERE relation LIKE '%_history'")
    [(oldest, _)] = own.execute(query("oldest_timestamps_kept")).fetchall()
    assert abs(oldest - (now() - 36500 * DAY)) < timedelta(minutes=1)
    own.execute("CALL api.upkeep()")


def test_a_refresh_that_looks_back_over_what_was_dropped_erases_nothing(own: Connection) -> None:
    # Kept for 10 days, and then for long again: the history of the time before is gone.
    insert_meter_readings(own, ((f"M-{i % 2}", now() - timedelta(hours=i), 0.5, 230.0) for i in range(24 * 25)))
    own.execute("CALL api.refresh_rollups(now() - interval '30 days', now())")
    rollup = "SELECT * FROM telemetry.meter_hourly WHERE bucket_start < now() - interval '2 hours' ORDER BY 1, 2"
    before = own.execute(rollup).fetchall()
    own.execute("CALL api.set_policy('meter_hourly', refresh_start_offset => '5 days')")
    own.execute(f"CALL api.set_policy('{HISTORY}', drop_after => '10 days')")
    run_jobs(own)
    longer = {HISTORY: {"drop_after": "400 days"}, "meter_hourly": {"refresh_start_offset": "31 days"}}
    own.execute("CALL api.set_policies(%s::jsonb)", [json.dumps(longer)])
    run_jobs(own)
    assert own.execute(rollup).fetchall() == before


@ONLY_TIMESCALE
def test_history_is_not_dropped_before_its_rollup_is_refreshed(own: Connection) -> None:
    drop = f"CALL api.set_policy('{HISTORY}', drop_after => '100 days')"
    insert_meter_readings(own, minutes_of(150, 120))
    fault, message = refused(own, drop)
    assert (fault, "it was never refreshed" in message) == ("drop_before_the_rollup_is_refreshed", True)
    # What the message says to do is enough.
    [hint] = re.findall(r"CALL api\.refresh_rollups\(.*\);$", message)
    own.execute(hint)
    # A late reading of a day that is materialised: an hour of it waits.
    insert_meter_readings(own, minutes_of(150, 1, device="M-2"))
    fault, message = refused(own, drop)
    assert (fault, "1 hour from" in message) == ("drop_before_the_rollup_is_refreshed", True)
    own.execute(re.findall(r"CALL api\.refresh_rollups\(.*\);$", message)[0])
    own.execute(drop.encode())


@ONLY_TIMESCALE
def test_history_that_is_dropped_keeps_the_refresh_of_its_rollup(untouched: Connection) -> None:
    fault, message = refused(
        untouched,
        "CALL api.set_policy('meter_hourly', refresh_start_offset => 'never', refresh_end_offset => 'never', "
        "refresh_every => 'never')",
    )
    assert (fault, "would never be refreshed" in message) == ("drop_before_the_rollup_is_refreshed", True)


# What costs memory or time, and no data, is not refused: api.findings() tells of it.


def advice(connection: Connection, subject: str) -> list[str]:
    """What is found of a subject, message and action, where a policy is the reason."""
    found = connection.execute(
        "SELECT message || '. ' || action FROM api.findings() WHERE subject = %s AND action LIKE '%%set_policy%%'",
        [subject],
    ).fetchall()
    return [text for (text,) in found]


def test_a_columnstore_inside_the_refresh_window_is_advised_against(own: Connection, server: Server) -> None:
    assert advice(own, "meter_hourly") == []
    own.execute("CALL api.set_policy('meter_hourly', columnstore_after => '30 days')")
    if server.profile == "postgres":
        assert advice(own, "meter_hourly") == []
        return
    [printed] = advice(own, "meter_hourly")
    assert "goes to the columnstore after 30 days, but its refresh looks back 31 days" in printed
    own.execute(printed.split(". ")[-1])
    assert advice(own, "meter_hourly") == []


@ONLY_TIMESCALE
def test_a_columnstore_where_late_readings_come_is_advised_against(own: Connection) -> None:
    # 200 readings that came five days late; some on time, which say nothing.
    insert_meter_readings(own, [(f"M-{i % 9}", now() - 5 * DAY - timedelta(minutes=i), 0.5, 230.0) for i in range(200)])
    insert_meter_readings(own, [(f"M-{i % 9}", now() - timedelta(minutes=i), 0.5, 230.0) for i in range(50)])
    own.execute(f"CALL api.set_policy('{HISTORY}', columnstore_after => '1 day')")
    [printed] = advice(own, HISTORY)
    assert "9 in 10 of these within 5 days" in printed
    own.execute(f"CALL api.set_policy('{HISTORY}', columnstore_after => '7 days')")
    # Of the other history nothing came late.
    own.execute("CALL api.set_policy('vehicle_telemetry_history', columnstore_after => '1 day')")
    assert advice(own, HISTORY) == advice(own, "vehicle_telemetry_history") == []


@ONLY_TIMESCALE
def test_a_change_that_adds_a_job_is_not_held_up_by_too_few_workers(own: Connection) -> None:
    own.execute("CREATE PROCEDURE public.rest(job_id integer, config jsonb) LANGUAGE plpgsql AS 'BEGIN END'")
    own.execute("SELECT public.add_job('public.rest', '1 year') FROM generate_series(1, 40)")
    own.execute("CALL api.set_policy('meter_daily', drop_after => '1800 days')")
    [(message,)] = own.execute("SELECT message FROM api.findings() WHERE subject = 'jobs'").fetchall()
    assert re.search(r"they are \d+, but the server has background workers for \d+ at once", message)


@ONLY_TIMESCALE
def test_chunks_so_long_that_hot_indexes_outgrow_memory_are_advised_against(own: Connection) -> None:
    start = hours_ago(2)
    insert_meter_readings(own, ((f"M-{i}", start, 0.5, 230.0) for i in range(8_000)))
    own.execute("SET effective_cache_size = '6MB'")
    own.execute(f"CALL api.set_policy('{HISTORY}', chunk_interval => '60 days')")
    [printed] = advice(own, "indexes")
    assert "effective_cache_size = 6MB" in printed
    own.execute("SET effective_cache_size = '1TB'")
    assert advice(own, "indexes") == []


def test_policies_are_shown_beside_what_the_database_does_and_who_changed_them_last(
    connection: Connection, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Namespace(action="show", file=None)
    connection.execute("SET application_name = 'a-dba'")
    try:
        connection.execute(f"CALL api.set_policy('{HISTORY}', drop_after => '500 days')".encode())
        assert policies.run(url_of(connection), options) == 0
    finally:
        connection.execute(f"CALL api.set_policy('{HISTORY}', drop_after => '400 days')".encode())
    shown = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines()]
    [mine] = [line for line in shown if line[0] == f"{HISTORY}.drop_after"]
    assert mine[1:3] == ["500 days", "as set"]
    assert re.fullmatch(rf"{now():%F} \d\d:\d\d UTC by \w+, a-dba", mine[3])
    assert next(line[:3] for line in shown if line[0] == "vehicle_daily.drop_after") == [
        "vehicle_daily.drop_after",
        "never",
        "as set",
    ]
    # What the profile does not have is left out.
    has_columnstore = any(line[0].endswith(".columnstore_after") for line in shown)
    assert has_columnstore == (server.profile == "timescale")


@ONLY_TIMESCALE
def test_a_policy_that_the_database_does_not_carry_out_is_shown(
    own: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    own.execute("SELECT public.remove_retention_policy('telemetry.meter_telemetry_history')")
    assert policies.run(url_of(own), Namespace(action="show", file=None)) == 0
    shown = capsys.readouterr().out
    assert re.search(rf"^{HISTORY}\.drop_after +400 days +never ", shown, re.MULTILINE)
    assert "where the database does otherwise" in shown
