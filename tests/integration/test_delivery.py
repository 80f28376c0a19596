"""How answers are delivered: compressed, not sent twice, and to pages of other origins where these are named."""

import csv
import gzip
from collections.abc import Iterator

import msgspec
import pytest

from app.db import migrate
from app.words import rfc3339
from tests.support.readings import hours_ago, meter_reading
from tests.support.servers import Server
from tests.support.service import Client, running_service

ORIGIN = "https://dashboard.example"
METERS = 40


@pytest.fixture(scope="module")
def service(postgres_server: Server) -> Iterator[Client]:
    with postgres_server.new_database() as url:
        migrate.migrate(url, "postgres")
        with running_service(DATABASE_URL=url, ENERGY_READ_ORIGINS=f"{ORIGIN},http://localhost:3000") as client:
            client.ingest(*(meter_reading(f"M-{number}") for number in range(METERS)))
            yield client


def _path(name: str) -> str:
    return f"/v1/analytics/meters{name}from={rfc3339(hours_ago(30))}&to={rfc3339(hours_ago(-1))}"


def test_a_long_answer_is_compressed_for_who_takes_it(service: Client) -> None:
    plain = service.request("GET", _path("?"))
    packed = service.request("GET", _path("?"), headers={"Accept-Encoding": "br, gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 4
    for answer in (plain, packed):
        assert {name.strip() for name in answer.headers["vary"].split(",")} >= {"Accept", "Accept-Encoding"}
    assert "content-encoding" not in service.request("GET", "/livez", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "gzip"}, {"Accept": "text/csv"}])
def test_an_answer_that_a_client_has_is_not_sent_again(service: Client, headers: dict[str, str]) -> None:
    first = service.request("GET", _path("?"), headers=headers)
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = service.request("GET", _path("?"), headers={**headers, "If-None-Match": known})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == tag
    for unknown in ('"other"', 'W/"' + "0" * 24 + '"', tag.strip('W/"')):
        assert service.request("GET", _path("?"), headers={**headers, "If-None-Match": unknown}).status == 200
    client_of_the_other_format = {} if "Accept" in headers else {"Accept": "text/csv"}
    assert service.request("GET", _path("?"), headers=client_of_the_other_format).headers["etag"] != tag


def test_a_new_reading_makes_an_answer_new(service: Client) -> None:
    tag = service.request("GET", _path("/M-0?")).headers["etag"]
    service.ingest(meter_reading("M-0", at=hours_ago(3)))
    again = service.request("GET", _path("/M-0?"), headers={"If-None-Match": tag})
    assert again.status == 200
    assert again.headers["etag"] != tag


def test_problems_and_writes_have_no_tag(service: Client) -> None:
    assert "etag" not in service.get("/v1/live/meters/M-unknown").headers
    assert "etag" not in service.put("/v1/meters/M-0", {"name": "One"}).headers


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
def test_a_page_of_a_named_origin_reads(service: Client, origin: str) -> None:
    for path, status in (("/v1/live/meters", 200), ("/v1/live/meters/M-unknown", 404)):
        answer = service.request("GET", path, headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, origin)
        assert "ETag" in answer.headers["access-control-expose-headers"]
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    assert service.request("OPTIONS", "/v1/live/meters", headers=asked).status == 200


def test_a_page_of_another_origin_does_not_read_and_no_page_of_another_origin_writes(service: Client) -> None:
    answer = service.request("GET", "/v1/live/meters", headers={"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in answer.headers
    for origin in (ORIGIN, "https://other.example"):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert service.request("OPTIONS", "/v1/ingest", headers=asked).status == 400
        headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}
        written = service.request("POST", "/v1/ingest", msgspec.json.encode(meter_reading("M-x")), headers)
        assert (written.status, written.json["code"]) == (403, "cross_origin_write")
    assert service.get("/v1/live/meters/M-x").status == 404


def test_a_table_names_all_its_rows_when_it_is_compressed(service: Client) -> None:
    answer = service.request("GET", _path("?"), headers={"Accept-Encoding": "gzip", "Accept": "text/csv"})
    rows = list(csv.DictReader(gzip.decompress(answer.body).decode("utf-8-sig").splitlines()))
    assert {row["id"] for row in rows} == {f"M-{number}" for number in range(METERS)}
