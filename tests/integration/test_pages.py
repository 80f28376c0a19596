"""The pages, as the service sends them and as a real browser shows them.

One service and one browser serve all tests. Every visit ends with a look at what went wrong in it: errors, what the
policy of the page forbade, and requests to anything but the service.
"""

import gzip
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from app.db import migrate
from app.http.openapi import document
from app.web import files
from app.web.pages import DOCS, DOCS_LIST, PAGES
from tests.support.browser import Theme, Visit, browser, missing
from tests.support.readings import meter_reading, minutes_ago, vehicle_reading
from tests.support.servers import Server
from tests.support.service import Client, running_service

needs_browser = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(scope="module")
def service(postgres_server: Server) -> Iterator[Client]:
    """The service on a database of its own."""
    with postgres_server.new_database() as url:
        migrate.migrate(url)
        with running_service(DATABASE_URL=url) as client:
            client.ingest(meter_reading("M-1", minutes_ago(9)), vehicle_reading("V-1", minutes_ago(9)))
            yield client


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    """The browser."""
    with browser() as one:
        yield one


# As the service sends them


@pytest.mark.parametrize("path", PAGES)
def test_a_page_may_load_from_its_service_alone_and_has_no_script_within(service: Client, path: str) -> None:
    answer = service.get(path)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert ("require-trusted-types-for" in policy, "unsafe-inline" in policy) == ((path != DOCS), (path == DOCS))
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", answer.body.decode())


@pytest.mark.parametrize("path", PAGES)
def test_every_file_that_a_page_names_is_served_and_kept_for_good(service: Client, path: str) -> None:
    named = re.findall(r'(?:src|href)="(/files/[^"]+)"', service.get(path).body.decode())
    assert named
    for file in named:
        plain = service.get(file)
        assert (plain.status, plain.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
        short = service.request("GET", file, headers={"Accept-Encoding": "gzip"})
        assert short.headers["content-encoding"] == "gzip"
        assert gzip.decompress(short.body) == plain.body


def test_a_file_of_another_release_or_of_none_is_not_found(service: Client) -> None:
    served = f"{files.root()}/style.css"
    assert service.get(served).status == 200
    for path in (served.replace("/files/", "/files/0"), f"{files.root()}/..%2Fpages.py", f"{files.root()}/none.js"):
        answer = service.get(path)
        assert (answer.status, answer.json["code"]) == (404, "unknown_route")


def test_the_plain_list_has_every_path(service: Client) -> None:
    text = service.get(DOCS_LIST).body.decode()
    assert [path for path in document()["paths"] if f"<code>{path}</code>" not in text] == []


# In a browser


@needs_browser
def test_the_page_of_the_api_shows_every_path_and_tries_a_request(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open(DOCS)
        expect(page.locator(".opblock-summary-path").first).to_be_visible()
        shown = {text.replace("\u200b", "") for text in page.locator(".opblock-summary-path").all_inner_texts()}
        assert shown == set(document()["paths"])
        page.locator("#operations-live-getLive .opblock-summary-control").click()
        page.locator("#operations-live-getLive button.execute").click()
        expect(
            page.locator("#operations-live-getLive .live-responses-table .response-col_status").last
        ).to_contain_text("200")
        assert visit.wrong == []


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_plain_list_is_accessible(service: Client, started: Browser, theme: Theme) -> None:
    with Visit(started, service.address, theme) as visit:
        visit.open(DOCS_LIST)
        assert visit.axe() == []
        assert visit.wrong == []
