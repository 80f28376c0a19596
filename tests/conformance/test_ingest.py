"""Ingest: what is kept, what is answered, and that nothing is answered before it is kept."""

import gzip
import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import cycle, pairwise
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.support.readings import hours_ago, meter_reading, minutes_ago, now, vehicle_reading
from tests.support.servers import ONLY_TIMESCALE
from tests.support.service import Answer, Client, running_service

Connection = psycopg.Connection[TupleRow]

NDJSON = {"Content-Type": "application/x-ndjson"}
GZIP = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


def counts(document: Any) -> tuple[int, int, int, int]:
    """(accepted, duplicates, conflicts, rejected) of an ingest answer or of a problem that carries them."""
    return document["accepted"], document["duplicates"], document["conflicts"], document["rejected"]


def meter_history(connection: Connection) -> list[TupleRow]:
    return connection.execute(
        "SELECT meter_id, recorded_at, energy_ac_kwh, voltage_v FROM telemetry.meter_telemetry_history ORDER BY 1, 2"
    ).fetchall()


def vehicle_history(connection: Connection) -> list[TupleRow]:
    return connection.execute(
        "SELECT vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c "
        "FROM telemetry.vehicle_telemetry_history ORDER BY 1, 2"
    ).fetchall()


def readings_kept(connection: Connection) -> int:
    return len(meter_history(connection)) + len(vehicle_history(connection))


def post_strict(client: Client, readings: Sequence[Any]) -> Answer:
    return client.post("/v1/ingest?strict=true", list(readings))


def lines(readings: Sequence[Any]) -> bytes:
    return b"".join(msgspec.json.encode(reading) + b"\n" for reading in readings)


# Forms of a body


def test_one_object_is_one_reading(client: Client, connection: Connection) -> None:
    at = minutes_ago(3)
    answer = client.post("/v1/ingest", meter_reading("M-1", at, kwhConsumedAc=1.25, voltage=230.5))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"accepted": 1, "duplicates": 0, "conflicts": 0, "rejected": 0, "errors": []}
    assert meter_history(connection) == [("M-1", at, 1.25, 230.5)]
    assert vehicle_history(connection) == []


def test_an_array_may_mix_both_kinds(client: Client, connection: Connection) -> None:
    at, later = minutes_ago(3), minutes_ago(2)
    answer = client.ingest(
        vehicle_reading("V-2", later, soc=12.5, kwhDeliveredDc=0.5, batteryTemp=-7.25),
        meter_reading("M-2", at, kwhConsumedAc=0.75, voltage=229.5),
        vehicle_reading("V-1", at, soc=50.5, kwhDeliveredDc=0.25, batteryTemp=21.75),
        meter_reading("M-1", later, kwhConsumedAc=1.5, voltage=231.5),
    )
    assert counts(answer) == (4, 0, 0, 0)
    assert meter_history(connection) == [("M-1", later, 1.5, 231.5), ("M-2", at, 0.75, 229.5)]
    assert vehicle_history(connection) == [("V-1", at, 50.5, 0.25, 21.75), ("V-2", later, 12.5, 0.5, -7.25)]


def test_unknown_keys_are_ignored_and_instants_are_kept_in_utc_to_the_microsecond(
    client: Client, connection: Connection
) -> None:
    at = minutes_ago(3).replace(microsecond=123_456)
    offset = at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "-00:00"
    client.ingest({**meter_reading("M-1"), "timestamp": offset, "firmware": {"major": 7}, "voltage": 230})
    assert meter_history(connection) == [("M-1", at, 0.2, 230.0)]


def test_lines_of_json_are_read_and_a_line_that_is_none_is_one_bad_reading(
    client: Client, connection: Connection
) -> None:
    at = minutes_ago(3)
    body = lines([meter_reading("M-1", at)]) + b'{"meterId": \n' + lines([vehicle_reading("V-1", at)])
    answer = client.request("POST", "/v1/ingest", body, NDJSON)
    assert answer.status == 200
    assert counts(answer.json) == (2, 0, 0, 1)
    assert [(error["index"], error["code"], error["field"]) for error in answer.json["errors"]] == [
        (1, "malformed_item", None)
    ]
    assert len(meter_history(connection)) == len(vehicle_history(connection)) == 1


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"], ids=["no_newline", "newline", "crlf", "empty_line"])
def test_the_last_line_needs_no_newline_and_empty_lines_count_for_nothing(
    client: Client, connection: Connection, end: bytes
) -> None:
    body = b"\n".join(msgspec.json.encode(meter_reading(f"M-{i}")) for i in range(3)) + end
    assert counts(client.request("POST", "/v1/ingest", body, NDJSON).json) == (3, 0, 0, 0)
    assert len(meter_history(connection)) == 3


@pytest.mark.parametrize("members", [1, 2, 5])
def test_gzip_of_one_member_or_several_is_read(client: Client, connection: Connection, members: int) -> None:
    body = msgspec.json.encode([meter_reading(f"M-{i}") for i in range(500)])
    cuts = [len(body) * i // members for i in range(members + 1)]
    zipped = b"".join(gzip.compress(body[start:end]) for start, end in pairwise(cuts))
    answer = client.request("POST", "/v1/ingest", zipped, GZIP)
    assert answer.status == 200
    assert counts(answer.json) == (500, 0, 0, 0)
    assert len(meter_history(connection)) == 500


def test_gzipped_lines_are_read(client: Client, connection: Connection) -> None:
    zipped = gzip.compress(lines([meter_reading("M-1"), vehicle_reading("V-1")]))
    answer = client.request("POST", "/v1/ingest", zipped, {**NDJSON, "Content-Encoding": "gzip"})
    assert counts(answer.json) == (2, 0, 0, 0)
    assert readings_kept(connection) == 2


def test_gzip_that_ends_too_early_is_malformed_and_nothing_is_kept(client: Client, connection: Connection) -> None:
    zipped = gzip.compress(msgspec.json.encode([meter_reading(f"M-{i}") for i in range(50)]))
    answer = client.request("POST", "/v1/ingest", zipped[:-9], GZIP)
    assert (answer.status, answer.json["code"]) == (400, "malformed_body")
    assert meter_history(connection) == []


# Good and bad readings in one request


def bad_readings(at: datetime) -> list[tuple[Any, str, str | None]]:
    """Readings that are refused, each with the code and the field it is refused for."""
    meter, vehicle = meter_reading("M-bad", at), vehicle_reading("V-bad", at)
    return [
        ({key: value for key, value in meter.items() if key != "voltage"}, "missing_field", "voltage"),
        ({key: value for key, value in vehicle.items() if key != "timestamp"}, "missing_field", "timestamp"),
        ({**meter, "kwhConsumedAc": -0.001}, "negative_energy", "kwhConsumedAc"),
        ({**meter, "kwhConsumedAc": 1e9 + 1}, "out_of_range", "kwhConsumedAc"),
        ({**meter, "kwhConsumedAc": msgspec.Raw(b"1e400")}, "out_of_range", "kwhConsumedAc"),
        ({**meter, "voltage": 50_001}, "out_of_range", "voltage"),
        ({**vehicle, "soc": 100.1}, "out_of_range", "soc"),
        ({**vehicle, "kwhDeliveredDc": -1}, "negative_energy", "kwhDeliveredDc"),
        ({**vehicle, "batteryTemp": -61}, "out_of_range", "batteryTemp"),
        ({**meter, "voltage": "230"}, "wrong_type", "voltage"),
        ({**vehicle, "soc": None}, "wrong_type", "soc"),
        ({**meter, "meterId": 101}, "wrong_type", "meterId"),
        ({**meter, "meterId": ""}, "invalid_id", "meterId"),
        ({**meter, "meterId": "M 1"}, "invalid_id", "meterId"),
        ({**meter, "meterId": ".."}, "invalid_id", "meterId"),
        ({**vehicle, "vehicleId": "v" * 65}, "invalid_id", "vehicleId"),
        ({**meter, "timestamp": at.replace(tzinfo=None)}, "invalid_timestamp", "timestamp"),
        ({**meter, "timestamp": "yesterday"}, "invalid_timestamp", "timestamp"),
        ({**meter, "timestamp": at + timedelta(hours=1)}, "timestamp_in_future", "timestamp"),
        ({**vehicle, "timestamp": at - timedelta(days=500)}, "timestamp_too_old", "timestamp"),
        ({**meter, **vehicle}, "both_ids", None),
        ({"voltage": 230, "timestamp": at}, "no_id", None),
        (17, "not_an_object", None),
    ]


def test_good_readings_are_kept_though_others_are_bad_and_each_bad_one_is_named(
    client: Client, connection: Connection
) -> None:
    at = minutes_ago(3)
    bad = bad_readings(at)
    # Good ones at both ends and in between, so that an index tells the request's order and not that of a kind.
    request: list[Any] = [meter_reading("M-good", at)]
    for reading, _, _ in bad:
        request += [reading, vehicle_reading(f"V-good-{len(request)}", at)]
    answer = client.ingest(*request)
    assert counts(answer) == (len(bad) + 1, 0, 0, len(bad))
    assert [(error["index"], error["code"], error["field"]) for error in answer["errors"]] == [
        (1 + 2 * i, code, field) for i, (_, code, field) in enumerate(bad)
    ]
    assert all(error["detail"] for error in answer["errors"])
    assert len(vehicle_history(connection)) == len(bad)
    assert meter_history(connection) == [("M-good", at, 0.2, 230.0)]


def test_all_bad_is_422_and_the_problem_carries_the_counts(client: Client, connection: Connection) -> None:
    bad = bad_readings(minutes_ago(3))
    answer = client.post("/v1/ingest", [reading for reading, _, _ in bad])
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json
    assert (problem["status"], problem["code"]) == (422, "no_reading_accepted")
    assert counts(problem) == (0, 0, 0, len(bad))
    assert [(error["index"], error["code"]) for error in problem["errors"]] == [
        (i, code) for i, (_, code, _) in enumerate(bad)
    ]
    assert readings_kept(connection) == 0


def test_a_hundred_errors_are_listed_and_all_are_counted(client: Client) -> None:
    request = [meter_reading("M-1"), *({"meterId": "M-2"} for _ in range(150))]
    answer = client.ingest(*request)
    assert counts(answer) == (1, 0, 0, 150)
    assert [error["index"] for error in answer["errors"]] == list(range(1, 101))


def test_an_empty_array_is_422(client: Client) -> None:
    answer = client.post("/v1/ingest", [])
    assert (answer.status, answer.json["code"]) == (422, "no_reading_accepted")
    assert counts(answer.json) == (0, 0, 0, 0)


def test_a_reading_is_as_new_as_five_minutes_ahead_and_no_newer(client: Client) -> None:
    ahead = now() + timedelta(minutes=4, seconds=50)
    too_far = now() + timedelta(minutes=5, seconds=10)
    answer = client.ingest(meter_reading("M-1", ahead), meter_reading("M-2", too_far))
    assert counts(answer) == (1, 0, 0, 1)
    assert (answer["errors"][0]["index"], answer["errors"][0]["code"]) == (1, "timestamp_in_future")


# Strict requests


def test_a_strict_request_without_fault_is_kept_whole(client: Client, connection: Connection) -> None:
    answer = post_strict(client, [meter_reading("M-1"), vehicle_reading("V-1")])
    assert answer.status == 200
    assert counts(answer.json) == (2, 0, 0, 0)
    assert readings_kept(connection) == 2


def test_a_strict_request_with_a_rejected_reading_is_422_and_nothing_of_it_is_kept(
    client: Client, connection: Connection
) -> None:
    answer = post_strict(client, [meter_reading("M-1"), vehicle_reading("V-1", soc=101), vehicle_reading("V-2")])
    assert (answer.status, answer.json["code"]) == (422, "strict_rejected")
    assert counts(answer.json) == (0, 0, 0, 1)
    assert [(e["index"], e["code"], e["field"]) for e in answer.json["errors"]] == [(1, "out_of_range", "soc")]
    assert readings_kept(connection) == 0


def test_a_strict_request_that_conflicts_is_409_and_nothing_of_it_is_kept(
    client: Client, connection: Connection
) -> None:
    at = minutes_ago(3)
    client.ingest(vehicle_reading("V-1", at, soc=50))
    before = vehicle_history(connection)
    request = [meter_reading("M-1", at), vehicle_reading("V-0", at), vehicle_reading("V-1", at, soc=51)]
    answer = post_strict(client, request)
    assert (answer.status, answer.json["code"]) == (409, "conflict")
    assert [error["index"] for error in answer.json["errors"]] == [2]
    assert vehicle_history(connection) == before
    assert meter_history(connection) == []
    live = client.get("/v1/live/vehicles").json["vehicles"]
    assert [vehicle["vehicleId"] for vehicle in live] == ["V-1"]


def test_a_strict_request_that_contradicts_itself_is_409(client: Client, connection: Connection) -> None:
    at = minutes_ago(3)
    request = [meter_reading("M-1", at, voltage=230), meter_reading("M-2", at), meter_reading("M-1", at, voltage=231)]
    answer = post_strict(client, request)
    assert (answer.status, answer.json["conflicts"], answer.json["errors"][0]["index"]) == (409, 1, 2)
    assert meter_history(connection) == []


def test_a_strict_request_may_repeat_what_is_kept(client: Client, connection: Connection) -> None:
    request = [meter_reading("M-1"), vehicle_reading("V-1"), vehicle_reading("V-2")]
    client.ingest(*request[:2])
    answer = post_strict(client, request)
    assert answer.status == 200
    assert counts(answer.json) == (1, 2, 0, 0)
    assert readings_kept(connection) == 3


# Duplicates and conflicts


def test_duplicates_and_conflicts_within_a_request_are_separated_and_the_first_stands(
    client: Client, connection: Connection
) -> None:
    at, later = minutes_ago(3), minutes_ago(2)
    answer = client.ingest(
        meter_reading("M-1", at, kwhConsumedAc=1),
        meter_reading("M-1", at, kwhConsumedAc=2),
        meter_reading("M-1", at, kwhConsumedAc=1),
        meter_reading("M-1", later, kwhConsumedAc=2),
        vehicle_reading("V-1", at, batteryTemp=20),
        vehicle_reading("V-1", at, batteryTemp=20),
        vehicle_reading("V-1", at, batteryTemp=21),
    )
    assert counts(answer) == (3, 2, 2, 0)
    assert [(error["index"], error["code"]) for error in answer["errors"]] == [(1, "conflict"), (6, "conflict")]
    assert meter_history(connection) == [("M-1", at, 1.0, 230.0), ("M-1", later, 2.0, 230.0)]
    assert vehicle_history(connection) == [("V-1", at, 55.0, 0.18, 20.0)]


def test_duplicates_and_conflicts_between_requests_are_separated_and_the_first_stands(
    client: Client, connection: Connection
) -> None:
    at = minutes_ago(3)
    first = [meter_reading(f"M-{i}", at) for i in range(4)] + [vehicle_reading(f"V-{i}", at) for i in range(4)]
    assert counts(client.ingest(*first)) == (8, 0, 0, 0)
    kept = meter_history(connection), vehicle_history(connection)
    answer = client.ingest(
        meter_reading("M-0", at, voltage=1),
        *first,
        meter_reading("M-new", at),
        {"meterId": "M-bad"},
        vehicle_reading("V-3", at, soc=1),
        vehicle_reading("V-2", at, kwhDeliveredDc=1),
        vehicle_reading("V-1", at, batteryTemp=1),
    )
    assert counts(answer) == (1, 8, 4, 1)
    assert [(error["index"], error["code"]) for error in answer["errors"]] == [
        (0, "conflict"),
        (10, "missing_field"),
        (11, "conflict"),
        (12, "conflict"),
        (13, "conflict"),
    ]
    assert meter_history(connection) == [*kept[0], ("M-new", at, 0.2, 230.0)]
    assert vehicle_history(connection) == kept[1]


def test_a_repeat_is_a_duplicate_though_its_values_are_stored_in_four_bytes(client: Client) -> None:
    # None of these has a finite binary expansion: stored as float4 and compared as float8, all would be conflicts.
    values = (0.1, 34.2, 82.53, 99.99)
    request = [vehicle_reading(f"V-{x}", soc=x, kwhDeliveredDc=x, batteryTemp=x) for x in values]
    request += [meter_reading(f"M-{x}", kwhConsumedAc=x, voltage=x) for x in values]
    assert counts(client.ingest(*request)) == (8, 0, 0, 0)
    assert counts(client.ingest(*request)) == (0, 8, 0, 0)


def test_of_many_that_post_one_reading_at_once_exactly_one_is_accepted(client: Client, connection: Connection) -> None:
    at = minutes_ago(3)
    posters, rounds = 16, 5
    together = threading.Barrier(posters)

    def post(poster: int) -> Counter[str]:
        answered: Counter[str] = Counter()
        for i in range(rounds):
            together.wait()
            # Odd posters contradict even ones: whoever is first, the rest of its parity are duplicates.
            answer = client.ingest(
                meter_reading(f"M-{i}", at, voltage=230 + poster % 2),
                vehicle_reading(f"V-{i}", at, soc=50 + poster % 2),
            )
            answered.update({name: answer[name] for name in ("accepted", "duplicates", "conflicts", "rejected")})
        return answered

    with ThreadPoolExecutor(posters) as pool:
        answered = sum(pool.map(post, range(posters)), Counter())
    assert answered["accepted"] == 2 * rounds
    assert answered["duplicates"] == 2 * rounds * (posters // 2 - 1)
    assert answered["conflicts"] == 2 * rounds * (posters // 2)
    assert readings_kept(connection) == 2 * rounds


# Acknowledgement


@pytest.fixture
def commits_held(connection: Connection, migrated_database: str) -> Iterator[Connection]:
    """A connection that holds up, until it lets go, the commit of every transaction that changes a meter's state."""
    connection.execute("""
        CREATE FUNCTION public.wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END'
    """)
    connection.execute("""
        CREATE CONSTRAINT TRIGGER wait_at_commit AFTER INSERT OR UPDATE ON telemetry.live_meter_state
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.wait_at_commit()
    """)
    try:
        with psycopg.connect(migrated_database, autocommit=True) as holder:
            holder.execute("SELECT pg_advisory_lock(4711)")
            yield holder
    finally:
        connection.execute("DROP FUNCTION public.wait_at_commit() CASCADE")


def test_the_answer_waits_for_the_commit_and_everything_is_there_when_it_comes(
    client: Client, connection: Connection, commits_held: Connection
) -> None:
    # A deferred trigger stops the ingest transaction inside its COMMIT, behind a lock held here: all statements have
    # run, nothing is committed. An answer that came before the lock is released would be an answer before the commit.
    readings = [meter_reading(f"M-{i}") for i in range(20)] + [vehicle_reading(f"V-{i}") for i in range(20)]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.ingest, *readings)
        try:
            assert not wait([answer], timeout=0.5).done
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
            assert connection.execute(waiting).fetchone() == (1,)
            assert readings_kept(connection) == 0
        finally:
            commits_held.execute("SELECT pg_advisory_unlock(4711)")
        assert counts(answer.result(timeout=10)) == (40, 0, 0, 0)
        assert readings_kept(connection) == 40


def test_a_reading_acknowledged_is_in_history_rollup_and_live_state(client: Client, connection: Connection) -> None:
    at = minutes_ago(1)
    client.ingest(
        meter_reading("M-1", at, kwhConsumedAc=0.75),
        vehicle_reading("V-1", at, soc=61.5, kwhDeliveredDc=0.5, batteryTemp=25.5),
    )
    bucket_start = (at - timedelta(microseconds=1)).replace(minute=0, second=0, microsecond=1)
    assert meter_history(connection) == [("M-1", at, 0.75, 230.0)]
    assert vehicle_history(connection) == [("V-1", at, 61.5, 0.5, 25.5)]
    assert connection.execute(
        "SELECT meter_id, bucket_start, readings, energy_ac_sum_kwh, voltage_max_v FROM telemetry.meter_hourly"
    ).fetchall() == [("M-1", bucket_start, 1, 0.75, 230.0)]
    assert connection.execute(
        "SELECT vehicle_id, bucket_start, readings, energy_dc_sum_kwh, soc_last_pct FROM telemetry.vehicle_hourly"
    ).fetchall() == [("V-1", bucket_start, 1, 0.5, 61.5)]
    assert connection.execute(
        "SELECT meter_id, recorded_at, energy_ac_kwh, voltage_v FROM telemetry.live_meter_state"
    ).fetchall() == [("M-1", at, 0.75, 230.0)]
    assert connection.execute(
        "SELECT vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c FROM telemetry.live_vehicle_state"
    ).fetchall() == [("V-1", at, 61.5, 0.5, 25.5)]


def test_what_was_acknowledged_outlives_a_service_that_is_killed(
    connection: Connection, migrated_database: str
) -> None:
    acknowledged: list[list[tuple[str, datetime]]] = [[] for _ in range(4)]
    enough = threading.Semaphore(0)
    at = minutes_ago(60)
    with running_service(DATABASE_URL=migrated_database) as doomed:
        assert doomed.process is not None

        def post(poster: int) -> None:
            for i in range(10_000):
                reading = meter_reading(f"M-{poster}", at + timedelta(milliseconds=i))
                with suppress(OSError, AssertionError):
                    doomed.ingest(reading)
                    acknowledged[poster].append((reading["meterId"], reading["timestamp"]))
                    enough.release()
                    continue
                return

        with ThreadPoolExecutor(len(acknowledged)) as pool:
            posting = [pool.submit(post, poster) for poster in range(len(acknowledged))]
            for _ in range(100):
                assert enough.acquire(timeout=30)
            doomed.process.kill()
            doomed.process.wait()
            for poster in posting:
                poster.result()
    answered = {reading for by_poster in acknowledged for reading in by_poster}
    assert len(answered) >= 100
    assert answered <= {(row[0], row[1]) for row in meter_history(connection)}


def test_two_services_on_one_database_keep_exact_totals_and_never_deadlock(
    connection: Connection, migrated_database: str
) -> None:
    # Both services get every reading, in batches that name the same devices in another order each; half of the batches
    # reach across midnight, so that they touch two chunks. Each reading may be accepted once, whoever is first. Servers
    # count a deadlock when the session that was its victim ends, so the services are stopped before it is asked.
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = connection.execute(deadlocks).fetchone()
    devices, instants = 12, 24
    midnight = minutes_ago(24 * 60).replace(hour=0, minute=0, second=0)
    times = [midnight + timedelta(minutes=minute) for minute in range(-instants // 2, instants // 2)]
    batches = [
        [meter_reading(f"M-{d}", at) for d in range(devices) for at in pair]
        + [vehicle_reading(f"V-{d}", at) for d in range(devices) for at in pair]
        for pair in [*zip(times[::2], times[1::2], strict=True), *zip(times, reversed(times), strict=True)]
    ]

    def post(client: Client, seed: int) -> Counter[str]:
        answered: Counter[str] = Counter()
        order = random.Random(seed)
        for batch in order.sample(batches, len(batches)):
            answer = client.ingest(*order.sample(batch, len(batch)))
            answered.update({name: answer[name] for name in ("accepted", "duplicates", "conflicts", "rejected")})
        return answered

    with (
        running_service(DATABASE_URL=migrated_database) as one,
        running_service(DATABASE_URL=migrated_database) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        posting = [pool.submit(post, client, seed) for seed, client in zip(range(8), cycle((one, other)), strict=False)]
        answered = sum((poster.result() for poster in posting), Counter())
    distinct = 2 * devices * instants
    assert answered["accepted"] == distinct
    assert answered["duplicates"] == 8 * sum(map(len, batches)) - distinct
    assert answered["conflicts"] == answered["rejected"] == 0
    assert readings_kept(connection) == distinct
    assert connection.execute(
        "SELECT sum(readings) FROM (SELECT readings FROM telemetry.meter_hourly "
        "UNION ALL SELECT readings FROM telemetry.vehicle_hourly) AS hourly"
    ).fetchone() == (distinct,)
    assert connection.execute(
        "SELECT DISTINCT recorded_at FROM (SELECT recorded_at FROM telemetry.live_meter_state "
        "UNION ALL SELECT recorded_at FROM telemetry.live_vehicle_state) AS live"
    ).fetchall() == [(times[-1],)]
    assert connection.execute(deadlocks).fetchone() == before


# The columnstore


@ONLY_TIMESCALE
def test_a_chunk_in_the_columnstore_takes_a_late_reading_and_tells_duplicates_and_conflicts(
    client: Client, connection: Connection
) -> None:
    start = hours_ago(10 * 24)
    kept = [meter_reading("M-1", start + timedelta(minutes=i), kwhConsumedAc=i / 10) for i in range(50)]
    kept += [vehicle_reading("V-1", start + timedelta(minutes=i), batteryTemp=i / 10) for i in range(50)]
    client.ingest(*kept)
    for relation in ("meter_telemetry_history", "vehicle_telemetry_history"):
        connection.execute(f"SELECT public.compress_chunk(c) FROM public.show_chunks('telemetry.{relation}') AS c")
    assert connection.execute(
        "SELECT bool_and(is_compressed), count(*) >= 2 FROM timescaledb_information.chunks "
        "WHERE hypertable_schema = 'telemetry'"
    ).fetchone() == (True, True)

    late = start + timedelta(seconds=90)
    answer = client.ingest(meter_reading("M-1", late, kwhConsumedAc=7), vehicle_reading("V-1", late, batteryTemp=7))
    assert counts(answer) == (2, 0, 0, 0)
    assert counts(client.ingest(*kept)) == (0, 100, 0, 0)
    answer = client.ingest(
        meter_reading("M-1", start, kwhConsumedAc=99),
        vehicle_reading("V-1", start, batteryTemp=99),
        meter_reading("M-1", late, kwhConsumedAc=7),
        meter_reading("M-2", late),
    )
    assert counts(answer) == (1, 1, 2, 0)
    assert [error["index"] for error in answer["errors"]] == [0, 1]
    assert [row for row in meter_history(connection) if row[1] in (start, late)] == [
        ("M-1", start, 0.0, 230.0),
        ("M-1", late, 7.0, 230.0),
        ("M-2", late, 0.2, 230.0),
    ]
    assert len(meter_history(connection)) == 52
    assert len(vehicle_history(connection)) == 51
