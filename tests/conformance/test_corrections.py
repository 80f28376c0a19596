"""Corrections of readings: what follows them equals what follows from readings that never had the fault."""

import argparse
import json
import os
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from app.__main__ import _options
from app.db import migrate
from app.errors import CorrectionRefused
from app.tools import corrections
from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings, meter_reading
from tests.support.servers import ONLY_TIMESCALE, Server, url_of
from tests.support.service import Client, running_service

Connection = psycopg.Connection[TupleRow]
Readings = dict[datetime, float]

EXAMPLES = int(os.environ.get("ENERGY_TEST_EXAMPLES", "12"))
NUMBERS = count(1)
QUARTER = timedelta(minutes=15)
# Everything that is kept of a device beside its readings, without its id and when it was received.
KEPT = """
    SELECT 'hour', to_jsonb(kept) FROM internal.DEVICE_hourly AS kept WHERE kept.DEVICE_id = %(device)s
    UNION ALL SELECT 'day', to_jsonb(kept) FROM internal.DEVICE_daily AS kept WHERE kept.DEVICE_id = %(device)s
    UNION ALL SELECT 'live', to_jsonb(kept) FROM telemetry.live_DEVICE_state AS kept WHERE kept.DEVICE_id = %(device)s
    UNION ALL SELECT 'event', to_jsonb(kept) FROM telemetry.register_event AS kept WHERE kept.device_id = %(device)s
    UNION ALL SELECT 'reading', to_jsonb(kept) FROM telemetry.DEVICE_telemetry_history AS kept
        WHERE kept.DEVICE_id = %(device)s
"""
IDS = {"device_id", "meter_id", "vehicle_id", "received_at"}


def means_something(name: str, row: dict[str, Any]) -> bool:
    """Whether a column is part of what is kept of a device: what judging needs, only of a register."""
    return name not in IDS and not (name.startswith("register_") and row.get("register_kind") is None)


def insert(connection: Connection, kind: str, device: str, readings: Readings) -> None:
    """Keep readings of a device, in order of time."""
    rows = sorted(readings.items())
    if rows and kind == "meter":
        insert_meter_readings(connection, [(device, at, kwh, 230) for at, kwh in rows])
    elif rows:
        insert_vehicle_readings(connection, [(device, at, 50, kwh, 20) for at, kwh in rows])


def kept(connection: Connection, kind: str, device: str) -> list[Any]:
    """All that is kept of a device, in any order that is the same each time."""
    rows = connection.execute(KEPT.replace("DEVICE", kind).encode(), {"device": device}).fetchall()
    return sorted(
        ((what, {name: value for name, value in row.items() if means_something(name, row)}) for what, row in rows),
        key=lambda one: (one[0], str(one[1].get("bucket_start") or one[1].get("recorded_at"))),
    )


def refresh(connection: Connection) -> None:
    """Complete the rollups of the time that tests use."""
    connection.execute("CALL api.refresh_rollups(now() - interval '5 days', now())")


def new_device(connection: Connection, kind: str, meaning: str) -> str:
    """A device of a kind of energy value, not heard of before."""
    device = f"C-{next(NUMBERS)}"
    connection.execute("SELECT api.set_%s_kind(%%s, %%s, NULL, NULL)" % kind, [device, meaning])  # noqa: UP031
    return device


def correct(connection: Connection, kind: str, device: str, begins: datetime, ends: datetime, **more: Any) -> int:
    """Correct the readings of a window; the number of the correction."""
    asked = {"action": "void", "reason": "a test", **more}
    names = ", ".join(f"{name} => %({name})s" for name in asked)
    [(number,)] = connection.execute(
        f"SELECT api.correct_readings(%(kind)s, %(device)s, %(begins)s, %(ends)s, {names})".encode(),
        {"kind": kind, "device": device, "begins": begins, "ends": ends, **asked},
    ).fetchall()
    return int(number)


@pytest.fixture(params=["meter", "vehicle"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of device in turn."""
    return str(request.param)


HISTORIES = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from([0.0, 1.0, 2.0, 2.5, 100.0, 104.0, 4000.0])),
    min_size=1,
    max_size=14,
    unique_by=lambda reading: reading[0],
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # The same ones each time, unless more are asked for.
    derandomize="ENERGY_TEST_EXAMPLES" not in os.environ,
)
@given(
    meaning=st.sampled_from(["interval", "register", "session"]),
    history=HISTORIES,
    window=st.tuples(st.integers(-1, 200), st.integers(1, 60)),
    action=st.sampled_from(["void", "scale", "replace"]),
    others=HISTORIES,
)
def test_a_corrected_history_is_one_that_never_had_the_fault(
    connection: Connection,
    kind: str,
    meaning: str,
    history: list[tuple[int, float]],
    window: tuple[int, int],
    action: str,
    others: list[tuple[int, float]],
) -> None:
    start = hours_ago(60)
    begins = start + QUARTER * window[0]
    ends = begins + QUARTER * window[1]
    readings = {start + QUARTER * place: kwh for place, kwh in history}
    inside = {at: kwh for at, kwh in readings.items() if begins < at <= ends}
    more: dict[str, Any] = {"action": action}
    if action == "scale":
        more["factor"] = 0.5
        after = {at: kwh * 0.5 for at, kwh in inside.items()}
    elif action == "replace":
        after = {start + QUARTER * place: kwh for place, kwh in others if begins < start + QUARTER * place <= ends}
        energy = "energy_ac_kwh" if kind == "meter" else "energy_dc_kwh"
        measured = {"voltage_v": 230} if kind == "meter" else {"soc_pct": 50, "battery_temp_c": 20}
        more["readings"] = Jsonb([{"recorded_at": str(at), energy: kwh, **measured} for at, kwh in after.items()])
    else:
        after = {}
    outside = {at: kwh for at, kwh in readings.items() if at not in inside}

    faulty, original, right = (new_device(connection, kind, meaning) for _ in range(3))
    insert(connection, kind, faulty, readings)
    insert(connection, kind, original, readings)
    insert(connection, kind, right, outside | after)
    # The faulty readings may be in the rollups before they are corrected.
    refresh(connection)
    if not inside and not after:
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="has no reading after"):
            correct(connection, kind, faulty, begins, ends, **more)
        return
    number = correct(connection, kind, faulty, begins, ends, **more)
    refresh(connection)
    assert kept(connection, kind, faulty) == kept(connection, kind, right)
    connection.execute("SELECT api.undo_correction(%s, 'a test')", [number])
    refresh(connection)
    assert kept(connection, kind, faulty) == kept(connection, kind, original)


# Over HTTP


def asked(begins: datetime, ends: datetime, **more: Any) -> dict[str, Any]:
    """A correction of meter M-1 as a request has it."""
    return {"meterId": "M-1", "from": begins, "to": ends, "action": "void", **more}


def meters_energy(client: Client, begins: datetime, ends: datetime) -> Any:
    """What the service says that M-1 drew, kWh."""
    answer = client.get("/v1/analytics/meters/M-1", from_=begins.isoformat(), to=ends.isoformat())
    assert answer.status == 200, answer.body
    return answer.json["acConsumedKwh"]


PATH = "/v1/corrections?reason=a%20test"


def test_a_preview_says_what_a_correction_does_and_changes_nothing(client: Client, connection: Connection) -> None:
    begins, ends = hours_ago(30), hours_ago(26)
    insert(connection, "meter", "M-1", {begins + QUARTER * place: 5.0 for place in range(-3, 25)})
    wanted = asked(begins, ends, action="scale", factor=0.001)
    before = (meters_energy(client, begins, ends), kept(connection, "meter", "M-1"))
    previewed = client.post(f"{PATH}&dryRun=true", wanted)
    assert previewed.status == 200
    assert (meters_energy(client, begins, ends), kept(connection, "meter", "M-1")) == before
    assert client.get("/v1/corrections").json["corrections"] == []
    made = client.post(PATH, wanted)
    assert made.status == 201
    unlike = ("id", "correctedAt", "pending")
    assert {**made.json, **dict.fromkeys(unlike)} == {**previewed.json, **dict.fromkeys(unlike)}
    assert (made.json["readingsBefore"], made.json["readingsAfter"]) == (16, 16)
    # With the reading after the window, which stays.
    assert (made.json["energyBeforeKwh"], made.json["energyAfterKwh"]) == (85.0, 5.08)
    refresh(connection)
    assert meters_energy(client, begins, ends) == pytest.approx(0.08)


def test_corrections_are_listed_newest_first_with_the_readings_before_and_after(
    client: Client, connection: Connection
) -> None:
    begins = hours_ago(30)
    insert(connection, "meter", "M-1", {begins + QUARTER * place: 5.0 for place in range(1, 9)})
    void = client.request(
        "POST",
        PATH,
        msgspec.json.encode(asked(begins, begins + QUARTER * 3)),
        {"Content-Type": "application/json", "X-Operator": "anna"},
    ).json
    reading = {"timestamp": begins + QUARTER, "kwhConsumedAc": 1.5, "voltage": 231}
    added = client.post(PATH, asked(begins, begins + QUARTER * 2, action="replace", readings=[reading])).json
    undone = client.post(f"/v1/corrections/{added['id']}/undo?reason=no", None).json
    assert (void["operator"], void["reason"], undone["undoes"]) == ("anna", "a test", added["id"])
    first = client.get("/v1/corrections", limit=2, meterId="M-1").json
    assert [one["id"] for one in first["corrections"]] == [undone["id"], added["id"]]
    assert first["corrections"][1]["undoneBy"] == undone["id"]
    rest = client.get("/v1/corrections", limit=2, meterId="M-1", after=first["next"]).json
    assert ([one["id"] for one in rest["corrections"]], rest["next"]) == ([void["id"]], None)
    assert client.get("/v1/corrections", vehicleId="V-1").json["corrections"] == []
    page = client.get(f"/v1/corrections/{void['id']}", limit=2).json
    values = dict.fromkeys(("kwhConsumedAc", "voltage", "soc", "kwhDeliveredDc", "batteryTemp"))
    assert [one["before"] for one in page["readings"]] == [{**values, "kwhConsumedAc": 5.0, "voltage": 230.0}] * 2
    assert [one["after"] for one in page["readings"]] == [None] * 2
    [last] = client.get(f"/v1/corrections/{void['id']}", after=page["next"]).json["readings"]
    assert datetime.fromisoformat(last["timestamp"]) == begins + QUARTER * 3
    [change] = client.get(f"/v1/corrections/{added['id']}").json["readings"]
    assert (change["before"], change["after"]) == (None, {**values, "kwhConsumedAc": 1.5, "voltage": 231.0})


def test_what_has_changed_since_is_undone_in_order(client: Client, connection: Connection) -> None:
    begins, ends = hours_ago(30), hours_ago(29)
    insert(connection, "meter", "M-1", {begins + QUARTER * place: 5.0 for place in range(1, 5)})
    first = client.post(PATH, asked(begins, ends, action="scale", factor=0.5)).json["id"]
    second = client.post(PATH, asked(begins, ends)).json["id"]
    refused = client.post(f"/v1/corrections/{first}/undo?reason=no", None)
    assert (refused.status, refused.json["code"]) == (409, "correction_conflict")
    assert f"Undo {second} first." in refused.json["detail"]
    assert client.post(f"/v1/corrections/{second}/undo?reason=no", None).status == 201
    again = client.post(f"/v1/corrections/{second}/undo?reason=no", None)
    assert (again.status, again.json["detail"]) == (
        409,
        f"correction {second} is undone already, by {second + 1}; To do it again, undo {second + 1}.",
    )
    assert client.post(f"/v1/corrections/{first}/undo?reason=no", None).status == 201
    refresh(connection)
    assert meters_energy(client, begins, ends) == 20.0
    # A device that sends a voided reading again brings it back.
    voided = client.post(PATH, asked(begins, ends)).json["id"]
    client.ingest(meter_reading("M-1", begins + QUARTER))
    refused = client.post(f"/v1/corrections/{voided}/undo?reason=no", None)
    assert (refused.status, refused.json["detail"].split("; ")[1]) == (409, "The device sent it again: void it first.")


@pytest.mark.parametrize(
    ("change", "field", "detail"),
    [
        ({"action": "delete"}, "action", "action must be "),
        ({"action": "scale"}, "factor", "factor is missing: scale needs what to multiply energies by, such as 0.001"),
        ({"factor": 2}, "factor", "factor must come with scale: void has none"),
        ({"action": "scale", "factor": 0}, "factor", "factor must be a number above 0"),
        ({"action": "scale", "factor": 1}, "factor", "factor must be a number above 0, up to 1e6, and not 1"),
        ({"action": "scale", "factor": 1e6}, "factor", "factor must be smaller: 5000 kWh becomes more than 1e9"),
        ({"action": "replace"}, "readings", "readings are missing"),
        ({"readings": []}, "readings", "readings must come with replace: void has none"),
        (
            {
                "action": "replace",
                "readings": [{"timestamp": "2020-01-01T00:00:00Z", "kwhConsumedAc": 1, "voltage": 1}],
            },
            "readings",
            "readings: the reading of 2020-01-01T00:00:00Z is not in the window",
        ),
        (
            {"action": "replace", "readings": [{"timestamp": "2020-01-01T00:00:00Z", "soc": 1}]},
            "readings",
            "a reading of a meter has timestamp, kwhConsumedAc, voltage and nothing else",
        ),
        ({"to": "2020-01-01T00:00:00Z"}, "from", "from must be earlier than to"),
        ({"from": "2020-01-01T00:00:00Z"}, "from", "from must be at least "),
        ({"vehicleId": "V-1"}, "vehicleId", "meterId and vehicleId exclude each other"),
        ({"meterId": None}, "meterId", "meterId is missing"),
    ],
)
def test_a_correction_that_cannot_be_is_named(
    client: Client, connection: Connection, change: dict[str, Any], field: str, detail: str
) -> None:
    insert(connection, "meter", "M-1", {hours_ago(29): 5000.0})
    before = kept(connection, "meter", "M-1")
    answer = client.post(PATH, {**asked(hours_ago(30), hours_ago(28)), **change})
    assert (answer.status, answer.json["field"]) == (422, field), answer.body
    assert answer.json["detail"].startswith(detail)
    assert kept(connection, "meter", "M-1") == before


def test_nothing_to_correct_no_reason_and_nobody_are_named(client: Client, connection: Connection) -> None:
    insert(connection, "meter", "M-1", {hours_ago(29): 5.0})
    without = client.post(PATH, asked(hours_ago(28), hours_ago(27)))
    assert (without.status, without.json["field"]) == (422, "from")
    assert "has no reading after" in without.json["detail"]
    assert "reason is missing" in client.post("/v1/corrections", asked(hours_ago(30), hours_ago(28))).json["detail"]
    unknown = client.post(PATH, asked(hours_ago(30), hours_ago(28), meterId="M-nobody"))
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_meter")
    for number in ("1", "x", "9" * 25):
        answer = client.post(f"/v1/corrections/{number}/undo?reason=no", None)
        assert (answer.status, answer.json["code"]) == (404, "unknown_correction")


@ONLY_TIMESCALE
def test_what_is_in_the_columnstore_is_corrected_too(own: Connection, kind: str) -> None:
    start = hours_ago(96)
    readings = {start + QUARTER * place: 1.0 + place for place in range(200)}
    for device in ("C-1", "C-2"):
        insert(own, kind, device, readings)
    refresh(own)
    own.execute(
        "SELECT public.compress_chunk(chunk) FROM public.show_chunks(%s) AS chunk",
        [f"telemetry.{kind}_telemetry_history"],
    )
    number = correct(own, kind, "C-1", start + QUARTER * 3, start + QUARTER * 150, action="scale", factor=0.5)
    refresh(own)
    corrected = {at: kwh * 0.5 if 3 < place <= 150 else kwh for place, (at, kwh) in enumerate(readings.items())}
    insert(own, kind, "C-3", corrected)
    refresh(own)
    assert kept(own, kind, "C-1") == kept(own, kind, "C-3")
    own.execute("SELECT api.undo_correction(%s, 'a test')", [number])
    refresh(own)
    assert kept(own, kind, "C-1") == kept(own, kind, "C-2")


# By hand


@pytest.mark.parametrize("meaning", ["interval", "register"])
@pytest.mark.parametrize("change", ["delete", "update"])
def test_rows_changed_in_sql_are_followed_by_everything_after_a_refresh(
    connection: Connection, kind: str, meaning: str, change: str
) -> None:
    start = hours_ago(60)
    energy = "energy_ac_kwh" if kind == "meter" else "energy_dc_kwh"
    readings = {start + QUARTER * place: 100.0 + 2 * place for place in range(30)}
    # A spike, the first hours, the last ones.
    readings |= {start + QUARTER * 12: 5000.0, start + QUARTER * 13: 5002.0}
    hand, right, other = (new_device(connection, kind, meaning) for _ in range(3))
    insert(connection, kind, hand, readings)
    # Another device has readings as old, so that it is no retention.
    insert(connection, kind, other, readings)
    refresh(connection)
    wrong = [at for place, at in enumerate(readings) if place < 6 or place in (12, 13) or place > 26]
    table = f"telemetry.{kind}_telemetry_history"
    where = f"WHERE {kind}_id = %s AND recorded_at = ANY (%s)"
    if change == "delete":
        connection.execute(f"DELETE FROM {table} {where}".encode(), [hand, wrong])
        insert(connection, kind, right, {at: kwh for at, kwh in readings.items() if at not in wrong})
    else:
        connection.execute(f"UPDATE {table} SET {energy} = {energy} / 2 {where}".encode(), [hand, wrong])
        insert(connection, kind, right, {at: kwh / 2 if at in wrong else kwh for at, kwh in readings.items()})
    refresh(connection)
    assert kept(connection, kind, hand) == kept(connection, kind, right)
    assert connection.execute("SELECT count(*) FROM telemetry.changed_history").fetchone() == (0,)


# The commands


def run(*arguments: str) -> argparse.Namespace:
    """The options of a command, as typed."""
    return _options(arguments)


def test_the_command_previews_corrects_undoes_and_lists(
    connection: Connection, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url = url_of(connection)
    begins, ends = hours_ago(30), hours_ago(29)
    insert(connection, "meter", "M-1", {begins + QUARTER * place: 5.0 for place in range(1, 5)})
    window = (
        "--meter",
        "M-1",
        "--from",
        begins.isoformat(),
        "--to",
        ends.isoformat(),
        "--reason",
        "Wh",
        "--operator",
        "ana",
    )
    scale = ("correct", "scale", *window, "--factor", "0.001")
    before = kept(connection, "meter", "M-1")
    assert corrections.run_correct(url, run(*scale, "--dry-run")) == 0
    shown = capsys.readouterr().out
    assert "scale by 0.001, meter M-1 from " in shown
    assert "readings before and after: 4 and 4; kWh: 20.000 and 0.020; Wh\nnothing was changed: --dry-run\n" in shown
    assert kept(connection, "meter", "M-1") == before
    assert corrections.run_correct(url, run(*scale)) == 0
    number = capsys.readouterr().out.split(":")[0]
    assert corrections.run_correct(url, run("correct", "undo", number, "--reason", "no")) == 0
    readings = tmp_path / "readings.json"
    readings.write_text(json.dumps([{"recorded_at": ends.isoformat(), "energy_ac_kwh": 1, "voltage_v": 230}]))
    assert corrections.run_correct(url, run("correct", "replace", *window, "--readings", str(readings))) == 0
    capsys.readouterr()
    assert corrections.run_correct(url, run("correct", "list", "--meter", "M-1")) == 0
    newest, undo, first = capsys.readouterr().out.splitlines()
    assert "replace, meter M-1" in newest
    assert "readings before and after: 4 and 1" in newest
    assert f"undo of {number}, " in undo
    assert first.endswith(f"(undone by {undo.split(':')[0]})")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["correct", "void"], "--meter or --vehicle is missing: such as --meter M-101"),
        (["correct", "undo"], "the number of the correction is missing: such as correct undo 42"),
        (["correct", "undo", "42", "--reason", "no"], "there is no correction 42"),
        (["correct", "void", "--meter", "M-9"], "corrected_from must be an instant, such as "),
        (
            ["correct", "replace", "--meter", "M-9", "--readings", "nowhere.json"],
            "nowhere.json cannot be read as JSON: ",
        ),
        (["forget"], "--meter or --vehicle is missing: such as --meter M-101"),
        (["forget", "--vehicle", "V-9"], "nothing is known of vehicle V-9"),
    ],
)
def test_what_a_command_cannot_do_says_what_it_needs(connection: Connection, arguments: list[str], fault: str) -> None:
    options = run(*arguments)
    command = corrections.run_correct if arguments[0] == "correct" else corrections.run_forget
    with pytest.raises(CorrectionRefused) as refused:
        command(url_of(connection), options)
    assert str(refused.value).startswith(fault)


def test_a_change_that_takes_longer_than_a_request_may_names_the_command(postgres_server: Server) -> None:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(
                "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql "
                "AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'"
            )
            for table in ("correction", "erasure"):
                owner.execute(
                    f"CREATE TRIGGER slow BEFORE INSERT ON telemetry.{table} "
                    "FOR EACH ROW EXECUTE FUNCTION public.slow()".encode()
                )
        with running_service(DATABASE_URL=url, ENERGY_WRITE_TIMEOUT_S="0.5") as client:
            client.ingest(meter_reading("M-1", hours_ago(3)))
            for path, body in ((PATH, asked(hours_ago(4), hours_ago(2))), ("/v1/erasures", {"meterId": "M-1"})):
                answer = client.post(path, body)
                assert (answer.status, answer.json["code"]) == (422, "takes_too_long")
                assert "use the command, ev-fleet-energy " in answer.json["detail"]
            assert client.get("/v1/live/meters/M-1").status == 200
