"""Erasure: after it, no column of any table names the device."""

import re
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from app.__main__ import _options
from app.tools import corrections
from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings, meter_reading
from tests.support.servers import compute_reports, url_of
from tests.support.service import ROOT, Client

Connection = psycopg.Connection[TupleRow]

# Every table of every schema of ours, and those of rollups and chunks.
TABLES = """
    SELECT format('%I.%I', schema.nspname, named.relname)
    FROM pg_class AS named
    JOIN pg_namespace AS schema ON schema.oid = named.relnamespace
    WHERE
        named.relkind = 'r'
        AND (schema.nspname = 'telemetry' OR named.relname ~ '^(_hyper|compress_hyper|_materialized)')
"""
# A name that is part of others, and holds what regular expressions take for something else.
METER, VEHICLE = "DE.1-a", "WBA:7"
OTHERS = ("M-1", "V-1", f"{METER}.2", f"X.{VEHICLE}")


def named(connection: Connection, device: str) -> dict[str, int]:
    """In how many rows of which table a device is named: its id within the text of the row, by itself."""
    found = {}
    for (table,) in connection.execute(TABLES).fetchall():
        rows = connection.execute(f"SELECT to_jsonb(kept)::text FROM {table} AS kept".encode()).fetchall()
        count = sum(device in row.replace(f"{METER}.2", "").replace(f"X.{VEHICLE}", "") for (row,) in rows)
        if count:
            found[table] = count
    return found


def fill(client: Client, connection: Connection) -> None:
    """Everything that the database can hold of two devices, and of others."""
    operator = {"Content-Type": "application/json", "X-Operator": f"driver of {VEHICLE}"}
    for meter, vehicle in ((METER, VEHICLE), OTHERS[:2], OTHERS[2:]):
        for device, side in ((meter, "meters"), (vehicle, "vehicles")):
            assert client.put(f"/v1/{side}/{device}", {"name": f"name of {device}", "ratedPowerKw": 50}).status == 200
            changed = {"energyReading": "register", "since": hours_ago(30).isoformat()}
            assert client.put(f"/v1/{side}/{device}", changed).status == 200
        readings = [(hours_ago(50 - number), 100.0 + number) for number in range(46)]
        readings[30] = (readings[30][0], 9_000_000.0)
        insert_meter_readings(connection, [(meter, at, kwh, 230) for at, kwh in readings])
        insert_vehicle_readings(connection, [(vehicle, at, 50, kwh, 20) for at, kwh in readings])
        wanted = {"meterId": meter, "vehicleId": vehicle, "from": hours_ago(49), "to": hours_ago(20)}
        made = client.post(f"/v1/assignments?reason=for%20{VEHICLE}", wanted)
        assert made.status == 201
        assert client.patch(f"/v1/assignments/{made.json['id']}", {"to": hours_ago(21)}).status == 200
        event = {"event": "plugOut", "meterId": meter, "vehicleId": vehicle, "at": hours_ago(2)}
        assert client.post("/v1/assignments/events", event).status == 200
        decision = {"meterId": meter, "at": readings[30][0], "decision": "glitch"}
        assert client.put(f"/v1/register-decisions?reason=see%20{METER}.", decision).status == 200
        client.ingest(meter_reading(meter, readings[0][0], kwhConsumedAc=7.5))
        for side, device in (("meterId", meter), ("vehicleId", vehicle)):
            window = {side: device, "from": hours_ago(45), "to": hours_ago(43), "action": "scale", "factor": 2}
            path = f"/v1/corrections?reason={VEHICLE}%20and%20{METER}"
            answer = client.request("POST", path, client_body(window), operator)
            assert answer.status == 201, answer.body
    connection.execute(
        "INSERT INTO telemetry.import_source (fingerprint, file_name, shifted_by) VALUES ('f', %s, '0')",
        [f"{VEHICLE}-2026.csv {VEHICLE}.csv"],
    )
    connection.execute("CALL api.refresh_rollups(now() - interval '60 hours', now())")
    compute_reports(url_of(connection))


def client_body(content: Any) -> bytes:
    """A body in JSON."""
    return msgspec.json.encode(content)


@pytest.mark.parametrize(("kind", "device"), [("meter", METER), ("vehicle", VEHICLE)])
def test_no_column_of_any_table_names_a_device_that_was_erased(
    client: Client, connection: Connection, kind: str, device: str
) -> None:
    fill(client, connection)
    others = {other: named(connection, other) for other in OTHERS[:2]}
    before = named(connection, device)
    assert len(before) > 12, before
    rows = connection.execute("SELECT * FROM api.forget_device(%s, %s, 'ana')", [kind, device]).fetchall()
    assert {relation for relation, _ in rows} <= before.keys()
    assert named(connection, device) == {}
    connection.execute("CALL api.refresh_rollups(now() - interval '60 hours', now())")
    assert named(connection, device) == {}
    # Nothing of the others went, but for the reports, which are made again.
    for tables in others.values():
        tables.pop("telemetry.report", None)
    assert {other: named(connection, other) for other in OTHERS[:2]} == others
    assert connection.execute("SELECT device_type, operator FROM api.erasure").fetchall() == [(kind, "ana")]
    with pytest.raises(psycopg.errors.NoDataFound, match=f"nothing is known of {kind}"):
        connection.execute("SELECT * FROM api.forget_device(%s, %s)", [kind, device])


def test_an_erasure_is_previewed_made_and_listed_over_http(client: Client, connection: Connection) -> None:
    insert_meter_readings(connection, [("M-1", hours_ago(3), 1.0, 230.0)])
    previewed = client.post("/v1/erasures?dryRun=true", {"meterId": "M-1"})
    assert previewed.status == 200
    assert {one["relation"]: one["rows"] for one in previewed.json["erased"]}["telemetry.live_meter_state"] == 1
    assert client.get("/v1/live/meters/M-1").status == 200
    assert client.get("/v1/erasures").json["erasures"] == []
    made = client.request(
        "POST",
        "/v1/erasures",
        client_body({"meterId": "M-1"}),
        {"Content-Type": "application/json", "X-Operator": "ana"},
    )
    assert made.json == previewed.json
    assert client.get("/v1/live/meters/M-1").status == 404
    [listed] = client.get("/v1/erasures").json["erasures"]
    assert (listed["deviceType"], listed["operator"]) == ("meter", "ana")
    again = client.post("/v1/erasures", {"meterId": "M-1"})
    assert (again.status, again.json["code"]) == (404, "unknown_meter")
    assert client.post("/v1/erasures", {}).json["field"] == "meterId"


def test_the_command_previews_and_erases(connection: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    insert_vehicle_readings(connection, [("V-1", hours_ago(3), 50.0, 1.0, 20.0)])
    forget = ("forget", "--vehicle", "V-1")
    assert corrections.run_forget(url_of(connection), _options([*forget, "--dry-run"])) == 0
    assert capsys.readouterr().out.endswith(
        "telemetry.vehicle_telemetry_history: 1 rows\nnothing was changed: --dry-run\n"
    )
    assert named(connection, "V-1") != {}
    assert corrections.run_forget(url_of(connection), _options(forget)) == 0
    assert named(connection, "V-1") == {}


def test_the_runbook_names_each_table_that_an_erasure_reaches(connection: Connection) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.split("\n## Erasure\n")[1].split("\n## ")[0]
    reached = connection.execute(
        "SELECT split_part(relation, '.', 2) FROM internal.named_in WHERE relation LIKE 'telemetry.%'"
    ).fetchall()
    assert {name for (name,) in reached} <= set(re.findall(r"`(\w+)`", section))
