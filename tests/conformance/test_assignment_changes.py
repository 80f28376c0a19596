"""What becomes of assignments is remembered: what they were, what they became, when, by whom and why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from tests.conformance.test_assignments import created, hour, listed, overlapped, text, wanted
from tests.support.servers import signed_in
from tests.support.service import Answer, Client

Connection = psycopg.Connection[TupleRow]


def signed(client: Client, method: str, path: str, document: Any = None, operator: str = "Ada") -> Answer:
    """A request with a body of JSON, in an operator's name."""
    # The client would send Latin-1; a browser or curl sends UTF-8.
    headers = {"Content-Type": "application/json", "X-Operator": operator.encode().decode("latin-1")}
    return client.request(method, path, None if document is None else msgspec.json.encode(document), headers)


def history(client: Client, assignment_id: int) -> Any:
    answer = client.get(f"/v1/assignments/{assignment_id}")
    assert answer.status == 200, answer.body
    return answer.json


def values_of(meter_id: str, vehicle_id: str, begins: float, ends: float | None = None) -> dict[str, Any]:
    """What a change says an assignment was or became."""
    end = None if ends is None else text(hour(ends))
    return {"meterId": meter_id, "vehicleId": vehicle_id, "from": text(hour(begins)), "to": end}


def test_an_assignment_is_shown_with_its_changes(client: Client) -> None:
    answer = signed(client, "POST", "/v1/assignments?reason=new%20car", wanted("M-1", "V-1", 0))
    kept = answer.json["id"]
    assert signed(client, "PATCH", f"/v1/assignments/{kept}", {"to": hour(5)}, "Björk").status == 200
    assert client.patch(f"/v1/assignments/{kept}?reason=typo", {"meterId": "M-2"}).status == 200
    answered = history(client, kept)
    changes = answered.pop("changes")
    assert answered == {"id": kept, **values_of("M-2", "V-1", 0, 5), "voided": False}
    assert [(c["action"], c["operator"], c["reason"]) for c in changes] == [
        ("created", "Ada", "new car"),
        ("changed", "Björk", None),
        ("changed", None, "typo"),
    ]
    assert [c["before"] for c in changes] == [None, values_of("M-1", "V-1", 0), values_of("M-1", "V-1", 0, 5)]
    assert [c["after"] for c in changes] == [
        values_of("M-1", "V-1", 0),
        values_of("M-1", "V-1", 0, 5),
        values_of("M-2", "V-1", 0, 5),
    ]
    instants = [datetime.fromisoformat(c["at"]) for c in changes]
    assert instants == sorted(instants)
    assert datetime.now(UTC) - timedelta(minutes=1) < instants[0] < datetime.now(UTC) + timedelta(minutes=1)


def test_the_role_that_was_logged_in_is_remembered(
    client: Client, connection: Connection, migrated_database: str
) -> None:
    kept = created(client, "M-1", "V-1", 0)
    connection.execute("UPDATE telemetry.assignment SET vehicle_id = 'V-2'")
    writer = conninfo_to_dict(signed_in(migrated_database, "energy_writer"))["user"]
    assert [c["databaseRole"] for c in history(client, kept)["changes"]] == [writer, connection.info.user]


def test_a_change_that_changes_nothing_leaves_no_trace(client: Client) -> None:
    kept = created(client, "M-1", "V-1", 0, 5)
    for _ in range(2):
        assert client.patch(f"/v1/assignments/{kept}", {"to": hour(5), "vehicleId": "V-1"}).status == 200
    assert len(history(client, kept)["changes"]) == 1


def test_a_refused_change_leaves_no_trace(client: Client) -> None:
    kept = created(client, "M-1", "V-1", 0, 5)
    other = created(client, "M-1", "V-2", 6)
    assert overlapped(client.patch(f"/v1/assignments/{kept}", {"to": hour(7)})) == {0: [other]}
    assert overlapped(client.post("/v1/assignments", wanted("M-1", "V-3", 8))) == {0: [other]}
    assert [len(history(client, one)["changes"]) for one in (kept, other)] == [1, 1]


def test_a_wrong_meter_or_vehicle_is_corrected_where_that_one_is_free(client: Client) -> None:
    kept, taken = created(client, "M-1", "V-1", 0, 5), created(client, "M-2", "V-2", 4)
    assert overlapped(client.patch(f"/v1/assignments/{kept}", {"meterId": "M-2"})) == {0: [taken]}
    assert overlapped(client.patch(f"/v1/assignments/{kept}", {"vehicleId": "V-2"})) == {0: [taken]}
    answer = client.patch(f"/v1/assignments/{kept}", {"meterId": "M-2", "vehicleId": "V-3", "to": hour(4)})
    assert (answer.status, answer.json) == (200, {"id": kept, **values_of("M-2", "V-3", 0, 4)})


def test_a_voided_assignment_is_gone_but_for_its_trace(client: Client) -> None:
    kept = created(client, "M-1", "V-1", 0)
    answer = signed(client, "DELETE", f"/v1/assignments/{kept}?reason=wrong%20fleet")
    assert answer.status == 200
    answered = history(client, kept)
    assert answer.json == answered
    assert {name: answered[name] for name in ("meterId", "vehicleId", "from", "to", "voided")} == {
        **values_of("M-1", "V-1", 0),
        "voided": True,
    }
    last = answered["changes"][-1]
    assert (last["action"], last["operator"], last["reason"]) == ("voided", "Ada", "wrong fleet")
    assert (last["before"], last["after"]) == (values_of("M-1", "V-1", 0), None)
    assert listed(client) == []
    assert client.patch(f"/v1/assignments/{kept}", {"to": hour(1)}).json["code"] == "unknown_assignment"
    created(client, "M-1", "V-2", 0)


def test_voiding_again_answers_the_same_and_leaves_no_second_trace(client: Client) -> None:
    kept = created(client, "M-1", "V-1", 0)
    first, second = client.delete(f"/v1/assignments/{kept}"), client.delete(f"/v1/assignments/{kept}")
    assert (first.status, first.json) == (200, second.json)
    assert [c["action"] for c in second.json["changes"]] == ["created", "voided"]


def test_an_assignment_that_never_was_is_404(client: Client) -> None:
    for answer in (client.get("/v1/assignments/999999"), client.delete("/v1/assignments/999999")):
        assert (answer.status, answer.json["code"]) == (404, "unknown_assignment")


def test_what_is_changed_by_sql_is_remembered_too(client: Client, connection: Connection) -> None:
    kept = created(client, "M-1", "V-1", 0)
    with connection.transaction():
        connection.execute("SET LOCAL energy.operator = 'dba'")
        connection.execute("SET LOCAL energy.reason = 'ticket 7'")
        connection.execute("UPDATE telemetry.assignment SET vehicle_id = 'V-2' WHERE id = %s", [kept])
    connection.execute("DELETE FROM telemetry.assignment")
    changes = history(client, kept)["changes"]
    assert [(c["action"], c["operator"], c["reason"]) for c in changes[1:]] == [
        ("changed", "dba", "ticket 7"),
        ("voided", None, None),
    ]
    assert (changes[1]["before"], changes[1]["after"]) == (values_of("M-1", "V-1", 0), values_of("M-1", "V-2", 0))


def test_a_truncate_voids_every_assignment(client: Client, connection: Connection) -> None:
    kept = [created(client, f"M-{i}", f"V-{i}", 0) for i in range(3)]
    connection.execute("TRUNCATE telemetry.assignment")
    assert [history(client, one)["voided"] for one in kept] == [True, True, True]


def test_who_may_change_assignments_needs_no_right_on_their_history(connection: Connection) -> None:
    role = "energy_test_clerk"
    connection.execute(f"CREATE ROLE {role}")
    try:
        connection.execute(f"GRANT USAGE ON SCHEMA telemetry TO {role}")
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON telemetry.assignment TO {role}")
        with connection.transaction():
            connection.execute(f"SET LOCAL ROLE {role}")
            connection.execute(
                "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) "
                "VALUES ('M-1', 'V-1', tstzrange(now(), NULL))"
            )
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute("DELETE FROM telemetry.assignment_change")
        assert connection.execute("SELECT action FROM telemetry.assignment_change").fetchall() == [("created",)]
    finally:
        connection.execute(f"DROP OWNED BY {role}")
        connection.execute(f"DROP ROLE {role}")


def test_of_many_changes_the_newest_hundred_are_shown(client: Client, connection: Connection) -> None:
    kept = created(client, "M-1", "V-1", 0)
    for minute in range(1, 104):
        connection.execute(
            "UPDATE telemetry.assignment SET during = tstzrange(lower(during), lower(during) + %s) WHERE id = %s",
            [timedelta(minutes=minute), kept],
        )
    changes = history(client, kept)["changes"]
    assert len(changes) == 100
    assert changes[-1]["after"] == values_of("M-1", "V-1", 0, 103 / 60)
    assert [c["id"] for c in changes] == sorted(c["id"] for c in changes)


def test_changes_are_listed_in_the_order_they_were_made(client: Client) -> None:
    ids = [created(client, f"M-{i}", f"V-{i}", 0) for i in range(3)]
    client.delete(f"/v1/assignments/{ids[0]}")
    visited: list[Any] = []
    after = 0
    for _ in range(5):
        page = client.get("/v1/assignments/changes", limit=2, after=after).json
        visited += page["changes"]
        if page["next"] is None:
            break
        after = page["next"]
    assert [(c["assignmentId"], c["action"]) for c in visited] == [
        *((one, "created") for one in ids),
        (ids[0], "voided"),
    ]
    assert client.get("/v1/assignments/changes", after=visited[-1]["id"]).json == {"changes": [], "next": None}


@pytest.mark.parametrize(
    ("operator", "reason", "field"),
    [("x" * 129, "", "X-Operator"), ("Ada", "x" * 501, "reason"), ("Ada", "two%0Alines", "reason")],
)
def test_a_name_or_a_reason_that_is_no_line_is_refused(client: Client, operator: str, reason: str, field: str) -> None:
    kept = created(client, "M-1", "V-1", 0)
    for method, path, document in (
        ("POST", "/v1/assignments", wanted("M-2", "V-2", 0)),
        ("PATCH", f"/v1/assignments/{kept}", {"to": hour(5)}),
        ("DELETE", f"/v1/assignments/{kept}", None),
        ("POST", "/v1/assignments/events", {"event": "plugOut", "meterId": "M-1", "at": hour(5)}),
    ):
        answer = signed(client, method, f"{path}?reason={reason}", document, operator)
        assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "invalid_parameter", field)
    assert len(listed(client)) == 1
    assert len(history(client, kept)["changes"]) == 1


def test_a_blank_name_is_none(client: Client) -> None:
    answer = signed(client, "POST", "/v1/assignments?reason=%20", wanted("M-1", "V-1", 0), " ")
    [change] = history(client, answer.json["id"])["changes"]
    assert (change["operator"], change["reason"]) == (None, None)
