"""What is wrong with the data: parameters in, structs out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from app.analytics.rounding import ENERGY_DIGITS, rounded
from app.db.pool import Database
from app.wire.energy import Window
from app.wire.quality import Quality, QualityCounts, QualityIssue, QualityKind
from app.words import rfc3339

# What kinds are called in SQL, where that differs.
_KINDS: dict[QualityKind, str] = {"plugOut": "plug_out"}


@dataclass(frozen=True, slots=True)
class Page:
    """Which issues to list; filters that are None let all through. A device is silent after `silent_for_s`, and late
    where its newest reading came more than `late_by_s` after it was taken, in seconds."""

    kind: QualityKind | None = None
    site: str | None = None
    group: str | None = None
    search: str | None = None
    silent_for_s: float = 3600.0
    late_by_s: float = 3600.0
    after: int = 0
    limit: int = 100

    def parameters(self, window: Window) -> dict[str, Any]:
        """The query's parameters."""
        return {
            "window_from": window.from_,
            "window_to": window.to,
            "kind": self.kind and _KINDS.get(self.kind, self.kind),
            "site": self.site,
            "group": self.group,
            "search": self.search,
            "silent_for_s": self.silent_for_s,
            "late_by_s": self.late_by_s,
            "after": self.after,
            "row_limit": self.limit,
        }


async def issues(database: Database, window: Window, page: Page) -> Quality:
    """A page of issues, the gravest first; empty where all is well. Raises :class:`DatabaseLost`. Source:
    `api.data_quality`."""
    rows = await database.fetch_all("data_quality", page.parameters(window))
    counted = rows[0]
    if counted.place is None and page.after > 0:
        # After the last one: what the list counts is still asked for.
        [counted] = await database.fetch_all("data_quality", page.parameters(window) | {"after": 0, "row_limit": 1})
    counts = _counts(counted, page.kind)
    total = sum(getattr(counts, name) or 0 for name in counts.__struct_fields__)
    last = rows[-1].place
    return Quality(
        window=window,
        total=total,
        counts=counts,
        issues=[_issue(row, window) for row in rows if row.place is not None],
        pending=rows[0].is_pending,
        next=last if last is not None and last < total else None,
    )


def _counts(row: Any, kind: QualityKind | None) -> QualityCounts:
    found = {
        "fault": row.listed_faults,
        "conflict": row.listed_conflicts,
        "register": row.listed_registers,
        "arrival": row.listed_arrivals,
        "plugOut": row.listed_plug_outs,
    }
    return QualityCounts(**{name: count or 0 if kind in (None, name) else None for name, count in found.items()})


def _issue(row: Any, window: Window) -> QualityIssue:
    is_meter = row.device_type == "meter"
    return QualityIssue(
        kind="plugOut" if row.kind == "plug_out" else row.kind,
        severity=row.severity,
        code=row.code,
        cause=row.cause,
        meterId=row.device_id if is_meter else None,
        vehicleId=None if is_meter else row.device_id,
        name=row.name,
        site=row.place_name if is_meter else None,
        group=None if is_meter else row.place_name,
        firstAt=row.first_at,
        lastAt=row.last_at,
        count=row.occurrences,
        doubtfulKwh=rounded(row.doubtful_kwh, ENERGY_DIGITS),
        see=_see(row, window),
    )


def _see(row: Any, window: Window) -> str:
    """The path of the request that shows more of an issue."""
    kind, device_id = row.device_type, row.device_id
    times: dict[str, datetime] = {"from": window.from_, "to": window.to}
    device = {f"{kind}Id": device_id}
    match row.kind:
        case "fault":
            path = f"/v1/analytics/{'meters' if kind == 'meter' else 'performance'}/{device_id}"
            return _path(path, times)
        case "conflict":
            return _path("/v1/quality/conflicts", device | times)
        case "register":
            return _path("/v1/register-events", device | times | {"toDecide": "true"})
        case "plug_out":
            return _path("/v1/assignments/waiting", device)
    return f"/v1/{kind}s/{device_id}" if row.code == "never_seen" else f"/v1/live/{kind}s/{device_id}"


def _path(path: str, query: dict[str, Any]) -> str:
    texts = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in query.items()}
    return f"{path}?{urlencode(texts, safe=':')}"
