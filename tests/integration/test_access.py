"""Keys: who may send, read and change; what is refused, and when."""

import base64
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from app.__main__ import _options
from app.db import migrate
from app.errors import KeyRefused
from app.http.openapi import OPERATIONS
from app.tools import keys
from tests.support.readings import meter_reading, vehicle_reading
from tests.support.servers import Server
from tests.support.service import Answer, Client, command, running_service

SCOPES = ("device", "gateway", "reader", "operator", "admin")
JSON = "application/json"
_PATIENCE_S = 30


def add_key(url: str, scope: str, **more: Any) -> str:
    """A new key."""
    asked = {"name": scope, "scope": scope, **({"device_ids": ["M-1"]} if scope == "device" else {}), **more}
    names = ", ".join(f"{name} => %({name})s" for name in asked)
    with psycopg.connect(url, autocommit=True) as connection:
        [(key,)] = connection.execute(f"SELECT api.add_key({names})".encode(), asked).fetchall()
    return str(key)


def send(client: Client, method: str, path: str, key: str | None, body: Any = None) -> Answer:
    """A request with a key."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    content = b"" if body is None else msgspec.json.encode(body)
    return client.request(method, path, content, {"Content-Type": JSON, **headers})


@pytest.fixture(scope="module")
def database_url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        yield url


@pytest.fixture(scope="module")
def given(database_url: str) -> dict[str, str]:
    """A key of each scope."""
    return {scope: add_key(database_url, scope) for scope in SCOPES}


@pytest.fixture(scope="module")
def service(database_url: str, given: dict[str, str]) -> Iterator[Client]:
    assert given
    with running_service(DATABASE_URL=database_url, ENERGY_OPEN="no") as client:
        yield client


def expected(method: str, path: str) -> set[str]:
    """The scopes that may, written out again: by what docs/operations.md says."""
    if path in ("/livez", "/readyz"):
        return {*SCOPES, "nobody"}
    if path.startswith("/v1/keys"):
        return {"admin"}
    if (method, path) == ("POST", "/v1/ingest"):
        return {"device", "gateway", "admin"}
    if (method, path) == ("POST", "/v1/assignments/events"):
        return {"device", "gateway", "operator", "admin"}
    if method == "GET":
        return {"reader", "operator", "admin"}
    if path.split("/")[2] in ("assignments", "corrections", "meters", "vehicles", "register-decisions"):
        return {"operator", "admin"}
    return {"admin"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_each_scope_reaches_what_it_may_and_nothing_else(
    service: Client, given: dict[str, str], operation: Any
) -> None:
    for scope in ("nobody", *SCOPES):
        key = given.get(scope)
        answer = send(service, operation.method, operation.path.replace("{id}", "x-1"), key)
        refused = answer.status in (401, 403)
        assert refused == (scope not in expected(operation.method, operation.path)), (scope, answer.body)
        if refused:
            assert answer.json["code"] == ("key_missing" if key is None else "not_allowed")


@pytest.mark.parametrize("path", ["/", "/docs", "/vehicles", "/v1/none"])
def test_pages_are_for_readers_and_a_browser_is_asked_for_the_key(
    service: Client, given: dict[str, str], path: str
) -> None:
    asked = send(service, "GET", path, None)
    assert (asked.status, asked.headers["www-authenticate"]) == (401, 'Basic realm="ev-fleet-energy", charset="UTF-8"')
    password = base64.b64encode(f"anybody:{given['reader']}".encode()).decode()
    assert service.request("GET", path, headers={"Authorization": f"Basic {password}"}).status not in (401, 403)
    assert send(service, "GET", path, given["device"]).status == 403


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ev_",
        "Bearer ev_00000000_00",
        "Basic ????",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Digest username=x",
        "ev_00000000_00",
    ],
)
def test_what_is_no_valid_key_is_401_with_what_to_send(service: Client, authorization: str) -> None:
    answer = service.request("GET", "/v1/live", headers={"Authorization": authorization})
    assert (answer.status, answer.json["code"]) == (401, "key_missing")


def test_another_secret_of_a_known_key_is_none(service: Client, given: dict[str, str]) -> None:
    key = given["admin"]
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert send(service, "GET", "/v1/live", key).status == 200
    assert send(service, "GET", "/v1/live", wrong).status == 401


def test_a_reading_of_a_foreign_device_is_refused_alone(service: Client, database_url: str) -> None:
    gateway = add_key(database_url, "gateway", id_prefixes=["north-", "depot-"])
    wait_until(lambda: send(service, "POST", "/v1/ingest", gateway, []).status == 422)
    sent = [meter_reading("north-1"), meter_reading("south-1"), vehicle_reading("depot-7"), vehicle_reading("V-1")]
    answer = send(service, "POST", "/v1/ingest", gateway, sent)
    assert (answer.status, answer.json["accepted"], answer.json["rejected"]) == (200, 2, 2)
    assert [(error["index"], error["code"]) for error in answer.json["errors"]] == [
        (1, "not_allowed"),
        (3, "not_allowed"),
    ]
    alone = send(service, "POST", "/v1/ingest", gateway, sent[1])
    assert (alone.status, alone.json["errors"][0]["code"]) == (422, "not_allowed")


def test_a_device_plugs_in_at_its_own_meter(service: Client, given: dict[str, str]) -> None:
    event = {"event": "plugIn", "vehicleId": "V-1", "at": datetime.now(UTC)}
    own = send(service, "POST", "/v1/assignments/events", given["device"], {**event, "meterId": "M-1"})
    assert own.status in (200, 201), own.body
    for body in ({**event, "meterId": "M-2"}, [{**event, "meterId": "M-2"}]):
        foreign = send(service, "POST", "/v1/assignments/events", given["device"], body)
        assert (foreign.status, foreign.json["code"]) == (403, "not_allowed")


def wait_until(condition: Any) -> None:
    """Wait for something to come true, for longer than it takes."""
    ends_at = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.05)


def test_keys_are_made_rotated_and_revoked_by_admins(service: Client, given: dict[str, str], database_url: str) -> None:
    admin = given["admin"]
    made = send(service, "POST", "/v1/keys", admin, {"name": "north", "scope": "gateway", "idPrefixes": ["n-"]})
    assert made.status == 201
    key, key_id = made.json["key"], made.json["made"]["id"]
    assert re.fullmatch(f"ev_{key_id}_[0-9a-f]{{64}}", key)
    wait_until(lambda: send(service, "POST", "/v1/ingest", key, meter_reading("n-1")).status == 200)
    rotated = send(service, "POST", f"/v1/keys/{key_id}/rotate", admin)
    assert rotated.status == 201
    follower = rotated.json["key"]
    wait_until(lambda: send(service, "POST", "/v1/ingest", follower, meter_reading("n-2")).status == 200)
    # Both are valid for a while.
    assert send(service, "POST", "/v1/ingest", key, meter_reading("n-3")).status == 200
    assert send(service, "DELETE", f"/v1/keys/{key_id}", admin).json["revokedBy"].startswith("key ")
    wait_until(lambda: send(service, "POST", "/v1/ingest", key, meter_reading("n-4")).status == 401)
    assert send(service, "POST", "/v1/ingest", follower, meter_reading("n-5")).status == 200
    again = send(service, "DELETE", f"/v1/keys/{key_id}", admin)
    assert (again.status, again.json["code"]) == (404, "unknown_key")
    listed = send(service, "GET", "/v1/keys", admin)
    assert key.encode() not in listed.body
    by_id = {one["id"]: one for one in listed.json["keys"]}
    assert by_id[key_id]["revokedAt"] is not None
    assert by_id[rotated.json["made"]["id"]]["idPrefixes"] == ["n-"]
    wait_until(lambda: last_used(database_url, key_id) is not None)


def last_used(url: str, key_id: str) -> Any:
    """When a key was last used."""
    with psycopg.connect(url, autocommit=True) as connection:
        [(at,)] = connection.execute("SELECT last_used_at FROM api.access_key WHERE key_id = %s", [key_id]).fetchall()
    return at


def test_a_key_ends_by_itself_at_its_time(service: Client, database_url: str) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=4)
    key = add_key(database_url, "reader", expires_at=ends)
    wait_until(lambda: send(service, "GET", "/v1/live", key).status == 200 or datetime.now(UTC) > ends)
    wait_until(lambda: send(service, "GET", "/v1/live", key).status == 401)
    assert datetime.now(UTC) >= ends


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"name": "x", "scope": "device"}, "deviceIds"),
        ({"name": "x", "scope": "reader", "deviceIds": ["M-1"]}, "deviceIds"),
        ({"name": "x", "scope": "reader", "idPrefixes": ["M-"]}, "idPrefixes"),
        ({"name": "x", "scope": "root"}, "scope"),
        ({"name": "", "scope": "reader"}, "name"),
        ({"name": "x", "scope": "reader", "expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
    ],
)
def test_a_key_that_cannot_be_is_named(
    service: Client, given: dict[str, str], wanted: dict[str, Any], field: str
) -> None:
    answer = send(service, "POST", "/v1/keys", given["admin"], wanted)
    assert (answer.status, answer.json["field"]) == (422, field)


def test_who_changed_what_has_the_id_of_the_key(service: Client, given: dict[str, str]) -> None:
    wanted = {"meterId": "M-8", "vehicleId": "V-8", "from": "2026-01-01T00:00:00Z"}
    assert send(service, "POST", "/v1/assignments", given["operator"], wanted).status == 201
    changes = send(service, "GET", "/v1/assignments/changes", given["reader"]).json["changes"]
    assert changes[-1]["operator"] == f"key {given['operator'].split('_')[1]}"


# The service, and the command


def test_a_service_without_keys_refuses_to_start_where_it_needs_them(
    postgres_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        for name, value in (("ENERGY_HOST", "0.0.0.0"), ("ENERGY_OPEN", "no")):
            environment = {"DATABASE_URL": url, "ENERGY_PORT": "0", name: value}
            refused = command("serve", timeout_s=60, **environment)
            assert refused.returncode == 2
            assert "make the first one, ev-fleet-energy keys add --name admin --scope admin" in refused.stderr
        with running_service(DATABASE_URL=url, ENERGY_HOST="0.0.0.0", ENERGY_OPEN="yes") as client:
            assert client.get("/v1/live").status == 200
        file = tmp_path / "keys" / "admin"
        assert keys.run(url, _options(["keys", "first", "--file", str(file)])) == 0
        assert file.stat().st_mode & 0o777 == 0o600
        key = file.read_text().strip()
        assert keys.run(url, _options(["keys", "first", "--file", str(file)])) == 0
        assert file.read_text().strip() == key
        with running_service(log, DATABASE_URL=url, ENERGY_OPEN="no") as client:
            assert send(client, "GET", "/v1/live", key).status == 200
            assert send(client, "GET", "/v1/live", key[:-1]).status == 401
            # Those that are known serve while none can be read.
            with psycopg.connect(url, autocommit=True) as owner:
                owner.execute("ALTER TABLE telemetry.access_change RENAME TO access_change_away")
                wait_until(lambda: "keys could not be read" in log.read_text())
            assert send(client, "GET", "/v1/live", key).status == 200
        assert key not in log.read_text()
        assert key.split("_")[2] not in log.read_text()
        capsys.readouterr()


def test_the_command_makes_lists_rotates_and_revokes(
    postgres_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")

        def run(*arguments: str) -> str:
            assert keys.run(url, _options(["keys", *arguments])) == 0
            return capsys.readouterr().out

        key = run("add", "--name", "north", "--scope", "gateway", "--prefix", "N-").strip()
        other = run("rotate", key).strip()
        assert run("revoke", other.split("_")[1]).startswith("revoked")
        first, second = run("list").splitlines()
        assert re.search(r"gateway +north for N-; made .*; never used; valid until ", first)
        assert "; revoked " in second
        for arguments, fault in (
            (("revoke", other), "there is no valid key"),
            (("rotate",), "the key is missing: such as keys rotate 1a2b3c4d"),
            (("add", "--name", "x"), "--name and --scope are needed"),
            (("add", "--name", "x", "--scope", "device"), "device_ids must come with scope device"),
        ):
            with pytest.raises(KeyRefused, match=fault):
                keys.run(url, _options(["keys", *arguments]))
