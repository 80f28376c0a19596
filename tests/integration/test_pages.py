"""The pages, as the service sends them and as a real browser shows them.

One browser serves all tests, and two services: one of a small fleet, one of an empty database. Every visit ends with a
look at what went wrong in it: errors, what the policy of the page forbade, and requests to anything but the service.
"""

import re
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect
from psycopg.conninfo import conninfo_to_dict

from app.db import migrate
from app.http.openapi import document
from app.web import files
from app.web.pages import DOCS, DOCS_LIST, PAGES
from tests.support.browser import Visit, browser, missing
from tests.support.readings import minutes_ago
from tests.support.servers import Server
from tests.support.service import Client, running_service
from tests.support.small_fleet import HOSTILE, fill

_ID_OF = {"/vehicles/{id}": "V-202", "/meters/{id}": "M-101", "/sessions/{id}": "10"}
needs_browser = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> Iterator[str]:
    """URL of the database of the small fleet."""
    with postgres_server.new_database() as url:
        migrate.migrate(url)
        yield url


@pytest.fixture(scope="module")
def service(database: str) -> Iterator[Client]:
    """The service of the small fleet; it waits a second for a database that is away."""
    with running_service(DATABASE_URL=database, ENERGY_CONNECT_TIMEOUT_S="1") as client:
        fill(database, client)
        yield client


@pytest.fixture(scope="module")
def empty_service(postgres_server: Server) -> Iterator[Client]:
    """The service of an empty database."""
    with postgres_server.new_database() as url:
        migrate.migrate(url)
        with running_service(DATABASE_URL=url) as client:
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
        answer = service.get(file)
        assert (answer.status, answer.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")


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
def test_the_plain_list_is_accessible(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        visit.open(DOCS_LIST).emulate_media(color_scheme="dark")
        assert visit.axe() == []
        assert visit.wrong == []


# Of each page, by an id of the small fleet where it is about one thing.
_SHOWN = [path.format(id=_ID_OF.get(path)) for path in PAGES if path not in (DOCS, DOCS_LIST)]
_PHONE = 390


@needs_browser
@pytest.mark.parametrize("path", _SHOWN)
def test_a_page_shows_the_fleet_on_a_desk_and_on_a_phone_in_the_dark(
    service: Client, started: Browser, path: str
) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open(path)
        assert page.locator(".notice.wrong").all_inner_texts() == []
        assert page.locator("main img, main b").count() == 0
        assert visit.axe() == []
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": _PHONE, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= _PHONE
        assert visit.axe() == []
        assert visit.wrong == []


@needs_browser
@pytest.mark.parametrize("path", [path for path in _SHOWN if path != "/database"])
def test_a_page_of_an_empty_database_offers_a_way_on(empty_service: Client, started: Browser, path: str) -> None:
    with Visit(started, empty_service.address) as visit:
        page = visit.open(path)
        expect(page.locator("main a:visible, main button:visible").first).to_be_visible()
        assert "undefined" not in page.inner_text("main")
        assert "NaN" not in page.inner_text("main")
        assert visit.wrong == []


def _tile(page: Page, label: str) -> str:
    return page.locator(".tile", has=page.get_by_text(label, exact=True)).locator(".figure").inner_text()


@needs_browser
def test_the_overview_shows_what_the_api_answers(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open("/?from=now-8d")
        window = {"from": minutes_ago(8 * 1440).isoformat()}
        fleet = service.get("/v1/analytics/fleet", **window).json
        assert _tile(page, "AC from the grid") == f"{fleet['totalEnergy']['acConsumedKwh']:,.1f} kWh"
        assert _tile(page, "Ratio") == f"{fleet['efficiencyRatio']:.3f}"
        assert _tile(page, "Charging now") == "1 charger"
        worst = page.get_by_role("region", name="Chargers that lose most").locator("tbody tr").first
        expect(worst).to_contain_text("M-101")
        expect(worst).to_contain_text("abnormal loss")
        expect(page.get_by_role("region", name="Sites").locator("tbody")).to_contain_text(HOSTILE)
        assert visit.wrong == []


@needs_browser
def test_the_address_holds_the_window(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open("/")
        page.locator("#window").click()
        page.get_by_role("button", name="24 hours").click()
        visit.settled()
        assert page.url.endswith("/?from=now-24h")
        page.locator("#earlier").click()
        assert "from=now" not in page.url
        page.go_back()
        expect(page.locator("#window")).to_contain_text("24 hours")
        visit.settled()
        bars = page.get_by_role("group", name="Energy. Arrow keys")
        bars.focus()
        page.keyboard.press("End")
        expect(page.locator(".readout").first).to_contain_text("DC that arrived")
        box = bars.locator(".u-over").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 100, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(box["x"] + 300, box["y"] + 50)
        page.mouse.up()
        assert "from=20" in page.url
        visit.settled()
        assert visit.wrong == []


@needs_browser
@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("/?from=yesterday", "from=yesterday"),
        ("/vehicles/V-202?from=now&to=now-1d", "from=now"),
        ("/sessions/10?tz=Mars/Olympus", "tz=Mars"),
    ],
)
def test_an_address_with_a_mistake_is_named_and_mended(
    service: Client, started: Browser, address: str, named: str
) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open(address)
        expect(page.locator(".notice.wrong")).to_contain_text(named)
        page.get_by_role("link", name="Show it without").click()
        visit.settled()
        expect(page.locator(".notice.wrong")).to_have_count(0)
        assert visit.wrong == []


@needs_browser
def test_figures_stay_while_the_database_is_away_and_come_back_alone(
    postgres_server: Server, database: str, service: Client, started: Browser
) -> None:
    name = str(conninfo_to_dict(database)["dbname"])
    with (
        Visit(started, service.address) as visit,
        psycopg.connect(postgres_server.url, autocommit=True) as connection,
    ):
        page = visit.open("/")
        shown = _tile(page, "AC from the grid")
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        try:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            page.locator("#wider").click()
            expect(page.locator(".notice.wrong").first).to_contain_text("The figures are those of", timeout=30_000)
            assert _tile(page, "AC from the grid") == shown
            expect(page.locator(".stale").first).to_be_visible()
            for tab in [visit.tab(path) for path in ("/sessions", "/meters/M-101", "/database")]:
                expect(tab.locator(".notice.wrong").first).to_contain_text("Not available now", timeout=30_000)
                tab.close()
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        expect(page.locator(".notice.wrong")).to_have_count(0, timeout=30_000)
        expect(page.locator(".stale")).to_have_count(0)
        assert visit.wrong == []


@needs_browser
def test_a_list_is_sorted_filtered_and_linked_as_csv_by_the_server(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open("/meters")
        rows = page.get_by_role("region", name="All meters").locator("tbody tr")
        page.get_by_role("button", name="AC, kWh").click()
        visit.settled()
        assert "sort=acConsumedKwh" in page.url
        ranked = service.get("/v1/analytics/meters", sort="acConsumedKwh", from_=minutes_ago(7 * 1440).isoformat()).json
        assert [row.split()[0] for row in rows.locator("th").all_inner_texts()] == [
            one["id"] for one in ranked["meters"]
        ]
        page.get_by_label("Site").fill(HOSTILE)
        page.get_by_role("button", name="Filter").click()
        visit.settled()
        expect(rows).to_have_count(2)
        link = page.get_by_role("link", name="All as CSV").get_attribute("href")
        assert link is not None
        assert len(service.request("GET", link).body.splitlines()) == 3
        page.get_by_label("Id or name contains").fill("no such meter")
        page.get_by_role("button", name="Filter").click()
        page.get_by_role("button", name="Show all").click()
        visit.settled()
        assert rows.count() > 2
        assert visit.wrong == []


@needs_browser
def test_parts_of_a_vehicles_energy_add_up_to_it(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open("/vehicles/V-202")
        performance = service.get("/v1/analytics/performance/V-202", from_=minutes_ago(7 * 1440).isoformat()).json
        assert _tile(page, "AC from the grid") == f"{performance['totalEnergy']['acConsumedKwh']:,.1f} kWh"
        expect(page.locator(".doing")).to_contain_text("Charging at M-101")
        assert page.locator(".sum .good").count() == 2
        assert page.locator(".stay").count() == len(
            service.get("/v1/assignments", vehicleId="V-202", from_=minutes_ago(7 * 1440).isoformat()).json[
                "assignments"
            ]
        )
        page.locator(".stay summary").first.click()
        expect(page.get_by_role("region", name="AC by hour").first).to_be_visible()
        assert visit.wrong == []


@needs_browser
def test_a_vehicles_year_is_shown_by_week_and_what_takes_a_month_offers_one(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open("/vehicles/V-202?from=now-365d")
        part = page.get_by_role("region", name="Energy and ratio over time")
        expect(part.locator(".readout").first).to_contain_text("By week.")
        page.get_by_role("link", name="Show the last 30 days of it").first.click()
        visit.settled()
        expect(page.locator(".notice.wrong")).to_have_count(0)
        expect(part.locator(".readout").first).to_contain_text("By day.")
        assert visit.wrong == []


@needs_browser
def test_a_meter_says_on_which_day_its_ratio_fell(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open("/meters/M-101")
        # The day on which it turned bad may begin among its charges.
        expect(page.get_by_text(re.compile(r"Ratio fell from 0\.9\d\d to 0\.7\d\d on"))).to_be_visible()
        expect(page.get_by_role("group", name="Energy over time.").locator("canvas")).to_be_visible()
        assert visit.wrong == []


@needs_browser
@pytest.mark.parametrize(
    ("path", "text"),
    [("/vehicles/V-20", "No vehicle is called V-20."), ("/meters/M-9", "No meter"), ("/sessions/99999", "no session")],
)
def test_what_is_unknown_is_said_and_something_like_it_offered(
    service: Client, started: Browser, path: str, text: str
) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open(path)
        expect(page.locator(".unknown")).to_contain_text(text)
        expect(page.locator(".part:visible")).to_have_count(1)
        if path == "/vehicles/V-20":
            expect(page.get_by_role("link", name="V-202")).to_be_visible()
        assert visit.wrong == []


@needs_browser
def test_an_assignment_is_added_closed_and_voided_by_hand(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open("/meters/M-103?tz=UTC")
        page.get_by_role("button", name="Add an assignment").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Vehicle").fill("V-202")
        dialog.get_by_label("From").fill(minutes_ago(60).strftime("%Y-%m-%dT%H:%M"))
        dialog.get_by_role("button", name="Add").click()
        expect(dialog.get_by_role("alert")).to_contain_text("V-202")
        dialog.get_by_label("Vehicle").fill("V-hand")
        dialog.get_by_label("Why").fill("plug event lost")
        dialog.get_by_label("Who").fill("Zoë")
        dialog.get_by_role("button", name="Add").click()
        expect(dialog).to_have_count(0)
        page.get_by_role("button", name="Close assignment").click()
        dialog.get_by_role("button", name="Close it").click()
        expect(dialog).to_have_count(0)
        page.get_by_role("button", name="Void assignment").first.click()
        dialog.get_by_role("button", name="Void it").click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_text("None in this window.").last).to_be_visible()
        changes = service.get("/v1/assignments/changes", after=30, limit=1000).json["changes"]
        made = [change for change in changes if change["operator"] == "Zoë"]
        assert [change["action"] for change in made] == ["created", "changed", "voided"]
        assert made[0]["reason"] == "plug event lost"
        assert visit.wrong == []


@needs_browser
def test_a_step_of_a_register_is_decided_by_hand(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open("/meters/M-105")
        step = page.get_by_role("region", name="Steps of the register").locator("tr", has_text="jump")
        step.get_by_role("button").click()
        page.get_by_label("It was").select_option("glitch")
        page.get_by_role("button", name="Decide", exact=True).last.click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("region", name="Steps of the register")).to_contain_text("glitch")
        assert [one["decision"] for one in service.get("/v1/register-decisions").json["decisions"]] == ["glitch"]
        assert visit.wrong == []


@needs_browser
def test_data_quality_lists_what_is_wrong_and_what_helps(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open("/quality?from=now-8d")
        listed = page.get_by_role("region", name="What is wrong, worst first")
        expect(listed.locator("tr", has_text="V-205").first).to_contain_text("ratio above 1")
        expect(listed.locator("tr", has_text="M-105").first).to_be_visible()
        page.get_by_label("Kind").select_option("fault")
        visit.settled()
        faults = service.get("/v1/quality", kind="fault", from_=minutes_ago(8 * 1440).isoformat()).json["total"]
        expect(listed.locator("tbody tr")).to_have_count(faults)
        assert visit.wrong == []


@needs_browser
def test_the_database_page_shows_sizes_policies_and_jobs(service: Client, started: Browser) -> None:
    with Visit(started, service.address) as visit:
        page = visit.open("/database")
        relations = {one["relation"] for one in service.get("/v1/database").json["relations"]}
        shown = page.get_by_role("region", name="Histories and rollups").locator("tbody th").all_inner_texts()
        assert set(shown) == relations
        assert visit.wrong == []


# Runs the service as if nothing had been installed for its pages.
_WITHOUT_LIBRARIES = """
import sys
from pathlib import Path
from app.web import files
files.LIBRARIES = Path("nowhere")
from app.__main__ import main
sys.exit(main(["serve"]))
"""


@needs_browser
def test_without_libraries_pages_show_tables_and_say_what_to_run(
    database: str,
    service: Client,  # noqa: ARG001
    started: Browser,
) -> None:
    with (
        running_service(None, "-c", _WITHOUT_LIBRARIES, DATABASE_URL=database) as bare,
        Visit(started, bare.address) as visit,
    ):
        page = visit.open("/")
        expect(page.get_by_text("make libraries").first).to_be_visible()
        expect(page.get_by_role("region", name="Energy", exact=True).locator("table")).to_contain_text(
            "DC that arrived"
        )
        page = visit.open(DOCS)
        expect(page.get_by_text("make libraries")).to_be_visible()
        assert visit.wrong == []
