"""What Grafana's dashboards ask, as Grafana asks it: the queries of their files, with macros and variables expanded."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.support.service import ROOT

DASHBOARDS = {
    document["uid"]: document
    for document in (
        json.loads(path.read_text(encoding="utf-8"))
        for path in (ROOT / "monitoring" / "grafana" / "dashboards").glob("*.json")
    )
}
ZONE = "Europe/Berlin"


class Query(NamedTuple):
    """What a panel, an annotation or a variable asks."""

    dashboard: str
    title: str
    kind: str
    sql: str
    overrides: Sequence[Any] = ()
    format: str = "table"
    summed: str = ""
    """The columns that a panel sums, of the rows of another panel."""


class Window(NamedTuple):
    """What Grafana's time picker holds: milliseconds."""

    from_: datetime
    to: datetime


def _queries() -> Iterator[Query]:
    for uid, document in DASHBOARDS.items():
        panels = {panel["id"]: panel for panel in document["panels"]}
        for panel in panels.values():
            overrides = panel["fieldConfig"]["overrides"]
            for target in panel["targets"]:
                summed = panel["options"]["reduceOptions"]["fields"].strip("/") if "panelId" in target else ""
                source = panels[target["panelId"]]["targets"][0] if summed else target
                yield Query(uid, panel["title"], panel["type"], source["rawSql"], overrides, source["format"], summed)
        for variable in document["templating"]["list"]:
            yield Query(uid, variable["label"], "variable", variable["query"])
        for annotation in document["annotations"]["list"]:
            yield Query(uid, annotation["name"], "annotation", annotation["target"]["rawSql"])


QUERIES = list(_queries())


def expanded(sql: str, window: Window, **variables: str | Sequence[str]) -> str:
    """As the browser puts variables into a query, and then the data source its macros."""
    variables = {"__timezone": ZONE, "__searchFilter": "%", **variables}

    def variable(found: re.Match[str]) -> str:
        value = variables.get(found[1] or found[2])
        if value is None:
            return found[0]
        if isinstance(value, str):
            return value.replace("'", "''")
        # Several values, in quotes: for IN ($site).
        return ",".join("'{}'".format(one.replace("'", "''")) for one in value)

    def macro(found: re.Match[str]) -> str:
        begins, ends = (f"'{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'" for at in window)
        known = {
            "__timeFrom": begins,
            "__timeTo": ends,
            "__timeFilter": f"{found[2]} BETWEEN {begins} AND {ends}",
        }
        return known[found[1]]

    return re.sub(r"\$(\w+)\(([^)]*)\)", macro, re.sub(r"\$(?:\{(\w+)\}|(\w+)\b(?!\())", variable, sql))
