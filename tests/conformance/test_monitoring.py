"""Grafana's dashboards and Prometheus's rules: what they ask is there, and they show what the service answers.

Each query of a panel runs as Grafana sends it, its macros and variables expanded, by the reader. One of figures shows
what the service answers for the same window; one of the database, what doctor says.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.rows import TupleRow, dict_row

from tests.support import small_fleet
from tests.support.grafana import DASHBOARDS, QUERIES, ZONE, Query, Window, expanded
from tests.support.readings import hours_ago, meter_reading, minutes_ago
from tests.support.servers import Server, signed_in, stop_jobs
from tests.support.service import ROOT, Client, command, running_service

MONITORING = ROOT / "monitoring"
OF_SQL_PAGE = re.findall(
    r"^```grafana\n(.*?)^```$", (ROOT / "docs" / "sql.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)
NUMBERS = {"int2", "int4", "int8", "float4", "float8"}
SHOWN = {*NUMBERS, "bool", "text", "timestamptz"}
NAMES = {"Device", "Vehicle", "Charger", "At charger", "Site", "Group"}
HOSTILE = "'; DROP TABLE x; --' $1 \\"
PANELS = [query for query in QUERIES if query.kind not in ("variable", "annotation")]
named = pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.dashboard}-{query.title}")


class Fleet(NamedTuple):
    """A database with the small fleet, as the reader, and the service on it."""

    reader: psycopg.Connection[TupleRow]
    owner: psycopg.Connection[TupleRow]
    url: str
    client: Client

    def shown(self, query: Query, window: Window, **variables: str) -> list[dict[str, Any]]:
        """The rows that a query shows."""
        with self.reader.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(expanded(query.sql, window, **variables).encode()).fetchall()
        if not query.summed:
            return rows
        names = [name for name in rows[0] if re.fullmatch(query.summed, name)]
        return [{name: sum(row[name] for row in rows) for name in names}]

    def answer(self, path: str, window: Window | None = None, **parameters: Any) -> Any:
        """What the service answers."""
        asked = {} if window is None else {"from_": window.from_.isoformat(), "to": window.to.isoformat()}
        answered = self.client.get(path, **asked, **parameters)
        assert answered.status == 200, answered.body
        return answered.json


@pytest.fixture(scope="module")
def fleet(server: Server, template: str) -> Iterator[Fleet]:
    """The small fleet."""
    with server.new_database(template=template) as url:
        stop_jobs(url, server.profile)
        reader = signed_in(url, "energy_reader")
        with (
            running_service(DATABASE_URL=signed_in(url, "energy_writer"), DATABASE_READ_URL=reader) as client,
            psycopg.connect(reader, autocommit=True) as connection,
            psycopg.connect(url, autocommit=True) as owner,
        ):
            small_fleet.fill(url, client)
            owner.execute("CALL api.refresh_rollups(now() - interval '20 days', now())")
            owner.execute("CALL api.set_policy('meter_hourly', drop_after => '800 days')")
            yield Fleet(connection, owner, reader, client)


WINDOWS = {
    "ten_days": lambda: Window(hours_ago(24 * 10), hours_ago(0)),
    "cut_hours": lambda: Window(hours_ago(40) + timedelta(minutes=25, milliseconds=7), minutes_ago(40)),
}
windows = pytest.mark.parametrize("window", WINDOWS)


# What the service answers, as the panels show it: by dashboard and title.


def _energies(of: Any) -> dict[str, Any]:
    return {
        "AC from the grid": of["totalEnergy"]["acConsumedKwh"],
        "DC in batteries": of["totalEnergy"]["dcDeliveredKwh"],
        "Ratio": of["efficiencyRatio"],
    }


def _fleet_energy(fleet: Fleet, window: Window) -> list[dict[str, Any]]:
    of = fleet.answer("/v1/analytics/fleet", window)
    faults = of["atFault"]["meters"] + of["atFault"]["vehicles"]
    return [{**_energies(of), "For nobody": of["acUnattributedKwh"], "Devices at fault": faults}]


def _lost(fleet: Fleet, window: Window) -> list[dict[str, Any]]:
    """By the lists of losses, as the page at / has it; the panel adds up sites."""
    totals = fleet.answer("/v1/analytics/losses", window)["totals"]
    wasteful = [of for of in totals if (of["list"], of["verdict"]) == ("meters", "abnormal_loss")]
    return [
        {
            "Lost beyond expected": sum(of["lostBeyondExpectedKwh"] for of in wasteful),
            "Wasteful chargers": sum(of["devices"] for of in wasteful),
        }
    ]


def _now(fleet: Fleet, window: Window) -> list[dict[str, Any]]:  # noqa: ARG001
    live = fleet.answer("/v1/live")
    return [
        {
            "Chargers in use": live["meters"]["charging"],
            "Power from the grid": live["meters"]["powerKw"],
            "Vehicles charging": live["vehicles"]["charging"],
            "Silent chargers": live["meters"]["silent"],
            "Silent vehicles": live["vehicles"]["silent"],
        }
    ]


def _series(fleet: Fleet, window: Window, path: str, hours: int = 169) -> list[dict[str, Any]]:
    bucket = "hour" if window.to - window.from_ <= timedelta(hours=hours) else "day"
    buckets = fleet.answer(path, window, bucket=bucket, timezone=ZONE)["buckets"]
    return [{"time": of["window"]["from"], **_energies(of)} for of in buckets]


def _losses(fleet: Fleet, window: Window) -> list[dict[str, Any]]:
    answered = fleet.answer("/v1/analytics/losses", window, limit=10)
    return [
        {
            "Type": of["type"],
            "Device": of["id"],
            "Verdict": of["verdict"],
            "Likely cause": of["cause"],
            "Ratio": of["efficiencyRatio"],
            "Mean power": of["meanChargingPowerKw"],
            "Lost": of["lostKwh"],
            "Lost beyond expected": of["lostBeyondExpectedKwh"],
            "Since": of["since"],
        }
        for name in ("vehicles", "meters", "dataFaults")
        for of in answered[name]["listed"]
    ]


def _places(fleet: Fleet, window: Window, *, path: str, place: str, devices: str) -> list[dict[str, Any]]:
    return [
        {
            place: of[place.lower()],
            devices: of["devices"],
            "AC from the grid": of["acConsumedKwh"],
            "DC in batteries": of["dcDeliveredKwh"],
            "Ratio": of["efficiencyRatio"],
            "Lost beyond expected": of["lostBeyondExpectedKwh"],
            f"Wasteful {devices.lower()}": of["devicesWithLosses"],
            "Sessions": of["sessions"],
        }
        for of in fleet.answer(f"/v1/analytics/{path}", window)[path]
    ]


def _vehicle(fleet: Fleet, window: Window, vehicle: str) -> list[dict[str, Any]]:
    of = fleet.answer(f"/v1/analytics/performance/{vehicle}", window)
    return [
        {
            **_energies(of),
            "Of it elsewhere": of["totalEnergy"]["dcElsewhereKwh"],
            "Mean battery temperature": of["avgBatteryTemp"],
            "Remark": of["reasons"]["efficiencyRatio"],
        }
    ]


def _vehicle_now(fleet: Fleet, window: Window, vehicle: str) -> list[dict[str, Any]]:  # noqa: ARG001
    of = fleet.answer(f"/v1/live/vehicles/{vehicle}")
    return [
        {
            "State of charge": of["soc"],
            "Power": of["powerKw"],
            "At charger": of["meterId"],
            "Plugged in": of["since"],
            "Charged since": of["kwhSincePlugIn"],
            "Until full": of["minutesToFull"],
            "Newest reading": of["timestamp"],
        }
    ]


def _curve(fleet: Fleet, window: Window, path: str, figures: dict[str, str]) -> list[dict[str, Any]]:
    bucket = "15m" if window.to - window.from_ > timedelta(days=2) else "5m"
    points = fleet.answer(path, window, bucket=bucket)["points"]
    return [{"time": of["window"]["from"], **{shown: of[name] for shown, name in figures.items()}} for of in points]


def _capacity(fleet: Fleet, window: Window, vehicle: str) -> list[dict[str, Any]]:
    return [
        {
            "time": f"{of['month']}-01T00:00:00Z",
            "Capacity": of["capacity"]["kwh"],
            "At least": of["capacity"]["lowKwh"],
            "At most": of["capacity"]["highKwh"],
        }
        for of in fleet.answer(f"/v1/analytics/health/{vehicle}", window)["months"]
    ]


def _sessions(fleet: Fleet, window: Window, **device: str) -> list[dict[str, Any]]:
    [kind] = device
    label, other = ("Charger", "meterId") if kind == "vehicle" else ("Vehicle", "vehicleId")
    return [
        {
            "From": of["from"],
            "To": of["to"],
            label: of[other],
            "State": of["state"],
            "AC from the grid": of["acConsumedKwh"],
            "DC in batteries": of["dcDeliveredKwh"],
            "Ratio": of["efficiencyRatio"],
            "Lost beyond expected": of["lostBeyondExpectedKwh"],
            "Mean power": of["meanPowerKw"],
            "Highest power": of["highestPowerKw"],
            "Charge at first": of["socStart"],
            "Charge at last": of["socEnd"],
        }
        for of in fleet.answer("/v1/sessions", window, **{f"{kind}Id": device[kind]})["sessions"]
    ]


def _meter(fleet: Fleet, window: Window, meter: str) -> list[dict[str, Any]]:
    of = fleet.answer(f"/v1/analytics/meters/{meter}", window)
    return [
        {
            "AC from the grid": of["acConsumedKwh"],
            "Mean voltage": of["voltage"]["mean"],
            "Lowest voltage": of["voltage"]["min"],
            "Highest voltage": of["voltage"]["max"],
            "Coverage": of["coverage"],
            "Remark": of["reason"],
        }
    ]


def _meter_now(fleet: Fleet, window: Window, meter: str) -> list[dict[str, Any]]:  # noqa: ARG001
    of = fleet.answer(f"/v1/live/meters/{meter}")
    return [
        {
            "Power": of["powerKw"],
            "Vehicle": of["vehicleId"],
            "Plugged in": of["since"],
            "Drawn since": of["kwhSincePlugIn"],
            "Newest reading": of["timestamp"],
        }
    ]


def _change(fleet: Fleet, window: Window, meter: str) -> list[dict[str, Any]]:
    of = fleet.answer(f"/v1/analytics/health/meters/{meter}", window)
    change = of["change"] or {}
    return [
        {
            "Changed on": change.get("since"),
            "Before": change.get("before"),
            "After": change.get("after"),
            "First days": of["baselineRatio"],
            "Last days": of["recentRatio"],
        }
    ]


def _ratio_by_day(fleet: Fleet, window: Window, meter: str) -> list[dict[str, Any]]:
    of = fleet.answer(f"/v1/analytics/health/meters/{meter}", window)
    change = of["change"]
    return [
        {
            "time": day["window"]["from"],
            "Ratio": day["efficiencyRatio"],
            "Before the change": change["before"] if change and day["window"]["from"] < change["since"] else None,
            "After the change": change["after"] if change and day["window"]["from"] >= change["since"] else None,
        }
        for day in of["days"]
    ]


def _drawn(fleet: Fleet, window: Window, meter: str) -> list[dict[str, Any]]:
    """Every bucket as its own window."""
    rows = []
    bucket = "hour" if window.to - window.from_ <= timedelta(hours=169) else "day"
    for of in fleet.answer("/v1/analytics/fleet/series", window, bucket=bucket, timezone=ZONE)["buckets"]:
        part = Window(*(datetime.fromisoformat(of["window"][edge]) for edge in ("from", "to")))
        drawn = fleet.answer(f"/v1/analytics/meters/{meter}", part)
        rows.append(
            {
                "time": of["window"]["from"],
                "For vehicles": drawn["acAttributedKwh"],
                "For nobody": drawn["acUnattributedKwh"],
            }
        )
    return rows


def _voltage(fleet: Fleet, window: Window, meter: str) -> list[dict[str, Any]]:
    """Whole hours that begin within the window and have readings, by their quarters."""
    hour = timedelta(hours=1)
    over = Window(window.from_.replace(minute=0, second=0, microsecond=0), window.to + hour)
    quarters = fleet.answer(f"/v1/analytics/meters/{meter}/curve", over, bucket="15m")["points"]
    began = (datetime.fromisoformat(of["window"]["from"]) for of in quarters if of["readings"])
    shown = []
    for begins in sorted({at.replace(minute=0, second=0, microsecond=0) for at in began}):
        if window.from_ <= begins <= window.to:
            of = fleet.answer(f"/v1/analytics/meters/{meter}", Window(begins, begins + hour))["voltage"]
            shown.append({"time": begins.isoformat(), "Mean": of["mean"], "Lowest": of["min"], "Highest": of["max"]})
    return shown


def _fed(fleet: Fleet, window: Window, meter: str) -> list[dict[str, Any]]:
    return [
        {
            "Vehicle": of["vehicleId"],
            "Time": pytest.approx(of["minutes"] * 60, abs=1),
            "AC from the grid": of["acConsumedKwh"],
            "DC in batteries": of["dcDeliveredKwh"],
            "Ratio": of["efficiencyRatio"],
        }
        for of in fleet.answer(f"/v1/analytics/meters/{meter}", window)["vehicles"]
    ]


def _events(fleet: Fleet, window: Window, meter: str) -> list[dict[str, Any]]:
    events = fleet.answer("/v1/register-events", window, meterId=meter)["events"]
    return [
        {
            "At": of["at"],
            "Kind": of["kind"],
            "Before": of["beforeKwh"],
            "After": of["kwh"],
            "Counted": of["countedKwh"],
            "Decided by": of["decidedBy"],
        }
        for of in reversed(events)
    ]


ANSWERS: dict[tuple[str, str], Callable[..., list[dict[str, Any]]]] = {
    ("energy-overview", "Energy"): _fleet_energy,
    ("energy-overview", "Lost"): _lost,
    ("energy-overview", "Now"): _now,
    ("energy-overview", "Energy and ratio"): partial(_series, path="/v1/analytics/fleet/series", hours=49),
    ("energy-overview", "Worst losses"): _losses,
    ("energy-overview", "Sites"): partial(_places, path="sites", place="Site", devices="Chargers"),
    ("energy-overview", "Groups"): partial(_places, path="groups", place="Group", devices="Vehicles"),
    ("energy-vehicle", "Energy"): _vehicle,
    ("energy-vehicle", "Now"): _vehicle_now,
    ("energy-vehicle", "Energy and ratio"): lambda fleet, window, vehicle: _series(
        fleet, window, f"/v1/analytics/performance/{vehicle}/series"
    ),
    ("energy-vehicle", "Course of charges"): lambda fleet, window, vehicle: _curve(
        fleet,
        window,
        f"/v1/analytics/vehicles/{vehicle}/curve",
        {"Power": "powerKw", "State of charge": "soc", "Battery temperature": "batteryTemp"},
    ),
    ("energy-vehicle", "Battery capacity"): _capacity,
    ("energy-vehicle", "Sessions"): _sessions,
    ("energy-meter", "Energy"): _meter,
    ("energy-meter", "Now"): _meter_now,
    ("energy-meter", "Change of its ratio"): _change,
    ("energy-meter", "Ratio by day"): _ratio_by_day,
    ("energy-meter", "Energy by hour or day"): _drawn,
    ("energy-meter", "Power"): lambda fleet, window, meter: _curve(
        fleet, window, f"/v1/analytics/meters/{meter}/curve", {"Power": "powerKw"}
    ),
    ("energy-meter", "Voltage"): _voltage,
    ("energy-meter", "Vehicles that it fed"): _fed,
    ("energy-meter", "Register events"): _events,
    ("energy-meter", "Sessions"): _sessions,
}
OF_FLEET = [query for query in PANELS if query.dashboard != "energy-database"]
DEVICES: dict[str, list[dict[str, str]]] = {
    "energy-overview": [{}],
    "energy-vehicle": [{"vehicle": "V-202"}, {"vehicle": "V-205"}],
    "energy-meter": [{"meter": "M-101"}, {"meter": "M-103"}, {"meter": "M-105"}],
}


def _same(shown: dict[str, Any], answered: dict[str, Any]) -> None:
    assert shown.keys() == answered.keys()
    for name, value in answered.items():
        given = shown[name]
        if isinstance(given, datetime):
            assert given == datetime.fromisoformat(value), (name, shown, answered)
        elif isinstance(value, float):
            # Answers have 2 decimals of volts, degrees, kilowatts and minutes, and 4 of ratios.
            two = re.search(r"voltage|temperature|power|until|mean|apacity|least|most", name, re.IGNORECASE)
            assert given == pytest.approx(value, abs=0.00501 if two else 0.0000501), (name, shown, answered)
        else:
            assert given == value, (name, shown, answered)


@windows
@pytest.mark.parametrize("query", OF_FLEET, ids=lambda query: f"{query.dashboard}-{query.title}")
def test_a_panel_shows_what_the_service_answers(fleet: Fleet, query: Query, window: str) -> None:
    rows = 0
    for variables in DEVICES[query.dashboard]:
        chosen = WINDOWS[window]()
        answered = ANSWERS[query.dashboard, query.title](fleet, chosen, **variables)
        shown = fleet.shown(query, chosen, **variables)
        rows += len(shown)
        if query.title == "Worst losses":
            by = lambda row: (row["Type"], row["Device"])  # noqa: E731
            shown, answered = sorted(shown, key=by), sorted(answered, key=by)
        assert len(shown) == len(answered)
        for one, other in zip(shown, answered, strict=True):
            _same(one, other)
    # Charges of the last days are too few for a month; the register stepped before.
    assert rows or (window == "cut_hours" and query.title == "Battery capacity")


def test_every_panel_of_figures_is_compared_with_an_answer() -> None:
    assert {(query.dashboard, query.title) for query in OF_FLEET} == ANSWERS.keys()
    assert {query.dashboard for query in QUERIES} == {*DEVICES, "energy-database"}


# What doctor says of the database, or the relation itself: title, section or query, and names of columns there.
DOCTOR: dict[str, tuple[str, dict[str, str]]] = {
    "Disk": ("disk", {"Database": "database_bytes", "Growth a day": "growing_bytes_per_day"}),
    "Findings": ("findings", {"Severity": "severity", "Subject": "subject", "Message": "message"}),
    "Sizes": (
        "relations",
        {
            "Relation": "relation",
            "Size": "total_bytes",
            "Of it indexes": "index_bytes",
            "Chunks": "chunks",
            "In the columnstore": "chunks_compressed",
        },
    ),
    "Chunks": ("newest chunks", {"Relation": "relation", "Chunk": "chunk", "Size": "total_bytes"}),
    "Jobs": ("jobs", {"Job": "job", "Relation": "relation", "Newest run": "last_status", "Runs": "runs"}),
    "Rollups": ("rollups", {"Relation": "relation", "Backlog": "backlog_h"}),
    "Readings a day": ("readings a day", {"metric": "relation", "value": "readings"}),
    "Silent devices": ("silent devices", {"Type": "device_type", "Device": "device_id"}),
}
TABLES = {
    "Waiting": 'SELECT count(*) AS "Registers that wait" FROM telemetry.register_backlog',
    "Policies": 'SELECT relation AS "Relation", drop_after::text AS "Dropped after" FROM telemetry.policy',
    "Changes of policies": 'SELECT relation AS "Relation", value_after::text AS "After" FROM telemetry.policy_change',
}


def test_panels_of_the_database_show_what_doctor_says(fleet: Fleet) -> None:
    document = json.loads(command("doctor", "--json", DATABASE_URL=fleet.url).stdout)
    window = Window(hours_ago(24 * 14), minutes_ago(0))
    for title, (section, names) in DOCTOR.items():
        [query] = [query for query in PANELS if (query.dashboard, query.title) == ("energy-database", title)]
        shown, said = fleet.shown(query, window), document[section]
        assert shown
        assert _rows(shown, names) == _rows(said, names.values()), title


def _rows(rows: Sequence[dict[str, Any]], names: Iterable[str]) -> list[tuple[str, ...]]:
    """Columns as text; doctor may see the disk, and the clock."""
    texts = (tuple(str(row[name]) for name in names) for row in rows)
    return sorted(row for row in texts if not {"disk", "clock"} & set(row))


def test_panels_of_the_database_show_its_tables(fleet: Fleet) -> None:
    for title, statement in TABLES.items():
        [query] = [query for query in PANELS if (query.dashboard, query.title) == ("energy-database", title)]
        kept = fleet.owner.cursor(row_factory=dict_row).execute(statement.encode()).fetchall()
        shown = fleet.shown(query, WINDOWS["ten_days"]())
        assert kept
        assert _rows(shown, kept[0]) == _rows(kept, kept[0]), title


def test_every_panel_of_the_database_is_compared() -> None:
    titles = {query.title for query in PANELS if query.dashboard == "energy-database"}
    assert titles == DOCTOR.keys() | TABLES.keys()


# What a panel needs.


@named
def test_columns_are_what_the_panel_needs(fleet: Fleet, query: Query) -> None:
    cursor = fleet.reader.execute(expanded(query.sql, WINDOWS["ten_days"](), **_all(query, "M-101", "V-202")).encode())
    columns = {column.name: fleet.reader.adapters.types[column.type_code].name for column in cursor.description or []}
    assert len(columns) == len(cursor.description or [])
    rows = cursor.fetchall()
    for override in query.overrides:
        assert override["matcher"] == {"id": "byName", "options": override["matcher"]["options"]}
        assert override["matcher"]["options"] in columns
    # Or an id of digits is shown as a number of kWh.
    texts = {
        one["matcher"]["options"] for one in query.overrides if {"id": "unit", "value": "string"} in one["properties"]
    }
    assert query.summed or texts >= columns.keys() & NAMES
    for name, type_ in columns.items():
        assert type_ in SHOWN, f"Grafana does not show {name}, a {type_}, as it is"
    if query.kind == "variable":
        assert columns == {"__value": "text", "__text": "text"}
    elif query.kind == "annotation":
        assert columns == {"time": "timestamptz", "text": "text"}
    elif query.kind == "stat":
        assert len(rows) == 1 or query.summed
    elif query.kind == "timeseries":
        assert query.format == "time_series"
        assert next(iter(columns.items())) == ("time", "timestamptz")
        series = {name: type_ for name, type_ in columns.items() if name not in ("time", "metric")}
        assert series
        assert set(series.values()) <= NUMBERS
        assert "metric" not in columns or series.keys() == {"value"}
        times = [row[0] for row in rows]
        assert None not in times
        assert times == sorted(times)
    else:
        assert (query.kind, query.format) == ("table", "table")


def _all(query: Query, meter: str, vehicle: str) -> dict[str, str]:
    """A value of each variable of the query's dashboard."""
    values = {"meter": meter, "vehicle": vehicle}
    return {variable["name"]: values[variable["name"]] for variable in _variables(query.dashboard)}


def _variables(dashboard: str) -> list[Any]:
    listed: list[Any] = DASHBOARDS[dashboard]["templating"]["list"]
    return listed


@named
@pytest.mark.parametrize("device", ["unknown", HOSTILE])
def test_an_empty_window_and_an_unknown_device_show_nothing_and_are_no_error(
    fleet: Fleet, query: Query, device: str
) -> None:
    begins = datetime(2020, 3, 28, 12, tzinfo=UTC)
    rows = fleet.shown(query, Window(begins, begins + timedelta(days=2)), **_all(query, device, device))
    if query.dashboard != "energy-database" and query.title != "Now" and query.kind != "variable":
        figures = [value for row in rows for value in row.values() if isinstance(value, float)]
        assert set(figures) <= {0.0}


@named
def test_queries_use_schema_api_alone(query: Query) -> None:
    relations = re.findall(r"\b(?:FROM|JOIN|CALL)\s+(?!silent_for|every|lag|normal_lag)([\w.]+)", query.sql)
    assert relations
    assert all(re.fullmatch(r"api\.\w+", relation) for relation in relations), relations


def test_a_device_is_found_by_a_part_of_its_id_or_name(fleet: Fleet) -> None:
    for name, ids in (("vehicle", {"V-202", "V-205"}), ("meter", {"M-101", "M-103"})):
        [query] = [query for query in QUERIES if query.kind == "variable" and query.dashboard == f"energy-{name}"]
        window = WINDOWS["ten_days"]()
        listed = fleet.shown(query, window)
        assert {row["__value"] for row in listed} > ids
        for search, found in (("onerror", ids), (min(ids)[2:], {min(ids)}), ("'", set()), ("nobody", set())):
            some = fleet.shown(query, window, __searchFilter=f"{search}%")
            assert {row["__value"] for row in some} == found, search


# The files.


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_a_dashboard_is_laid_out_and_linked(uid: str) -> None:
    document = DASHBOARDS[uid]
    assert document["title"].startswith("Energy: ")
    assert document["description"]
    assert document["schemaVersion"] >= 41
    taken: set[tuple[int, int]] = set()
    for number, panel in enumerate(document["panels"], 1):
        place = panel["gridPos"]
        assert panel["id"] == number
        assert panel["description"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        [target] = panel["targets"]
        assert panel["datasource"] == target["datasource"]
        assert target["datasource"]["uid"] == ("-- Dashboard --" if "panelId" in target else "energy")
    for url, columns in _links(document):
        parts = re.fullmatch(
            r"/d/energy-([^?]+)\?var-([^=]+)=\$\{__(?:value\.text|data\.fields\.Device):percentencode\}&"
            r"\$\{__url_time_range\}",
            url,
        )
        assert parts, url
        types = {"${__data.fields.Type}": ("meter", "vehicle")}.get(parts[1], (parts[1],))
        assert parts[1] == parts[2]
        assert len(types) == 1 or {"Type", "Device"} <= columns
        for type_ in types:
            assert [variable["name"] for variable in _variables(f"energy-{type_}")] == [type_]


def _links(document: Any) -> Iterator[tuple[str, set[str]]]:
    for panel in document["panels"]:
        columns = set(re.findall(r'AS "?([^",\n]+)', panel["targets"][0].get("rawSql", "")))
        for override in panel["fieldConfig"]["overrides"]:
            for known in override["properties"]:
                if known["id"] == "links":
                    yield from ((link["url"], columns) for link in known["value"])


def test_what_grafana_mounts_is_there() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8").split("\n  grafana-reader:\n")[1]
    mounted = dict(re.findall(r"^ +- \./(\S+?):(/\S+?):ro$", compose, re.MULTILINE))
    assert len(mounted) == 5
    for path, place in mounted.items():
        assert (ROOT / path).exists()
        # Files that commands and settings name in there.
        for file in re.findall(rf"(?<![\w.]){re.escape(place)}/(\S+\.(?:sql|json))", compose):
            assert (ROOT / path / file).is_file(), file
    [source] = re.findall(r"uid: (\S+)", (MONITORING / "grafana" / "datasource.yml").read_text(encoding="utf-8"))
    assert source == "energy"
    [folder] = re.findall(r"path: (\S+)", (MONITORING / "grafana" / "dashboards.yml").read_text(encoding="utf-8"))
    assert mounted["monitoring/grafana/dashboards"] == folder


# The page about SQL.


def test_what_the_page_shows_for_grafana_runs(fleet: Fleet) -> None:
    assert len(OF_SQL_PAGE) == 3
    for example in OF_SQL_PAGE:
        sql = expanded(example, WINDOWS["ten_days"](), vehicle="V-202", site=["North's", small_fleet.HOSTILE])
        assert fleet.reader.execute(sql.encode()).rowcount > 0, example


# Prometheus.


def test_rules_name_metrics_and_labels_that_the_service_has(fleet: Fleet) -> None:
    reading = meter_reading("M-900", minutes_ago(3))
    fleet.client.ingest(reading, reading, {**reading, "kwhConsumedAc": 0.9}, {**reading, "voltage": -1})
    exposed = fleet.client.get("/metrics").body.decode()
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", exposed, re.MULTILINE))
    suffixes = {"histogram": ("_bucket", "_count", "_sum")}
    names = {name + suffix for name, type_ in types.items() for suffix in suffixes.get(type_, ("",))} | {"up"}
    rules = (MONITORING / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    expressions = re.findall(r"^ +expr: (.+)$", rules, re.MULTILINE)
    assert len(expressions) == rules.count("- alert:") > 5
    for expression in expressions:
        named = re.findall(r"\b(energy_\w+|up)\b(?:\{(.*?)\})?", re.sub(r'job="energy"', "", expression))
        assert named
        for name, matchers in named:
            assert name in names, f"{name} is none of {sorted(names)}"
            for label, sign, value in re.findall(r'(\w+)(=~?)"(.*?)"', matchers):
                given = set(re.findall(rf'^{name}\{{.*?{label}="(.*?)"', exposed, re.MULTILINE))
                found = {one for one in given if re.fullmatch(value, one)} if sign == "=" else given
                assert found, f"{label} of {name} is one of {given}"
    # What descriptions name beside expressions.
    assert set(re.findall(r"\benergy_\w+", rules)) <= names


def test_the_example_scrapes_the_service_under_a_host_that_it_answers_to(fleet: Fleet) -> None:
    example = (MONITORING / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    [(host, port)] = re.findall(r'targets: \["(\w+):(\d+)"\]', example)
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert f"\n  {host}:\n" in compose
    assert f"ENERGY_ALLOWED_HOSTS: {host}," in compose
    assert f":{port}\n" in compose
    assert (MONITORING / "prometheus" / re.findall(r"- (\w+\.yml)", example)[0]).is_file()
    assert 'up{job="energy"}' in (MONITORING / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    assert "job_name: energy" in example
    assert fleet.client.get("/metrics").headers["content-type"].startswith("text/plain")
