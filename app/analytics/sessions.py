"""Charging sessions, listed and one by one: parameters in, structs out."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from app.analytics.rounding import ENERGY_DIGITS, POWER_DIGITS, RATIO_DIGITS, TEMPERATURE_DIGITS, rounded
from app.analytics.sides import reading_counts
from app.db.pool import Database
from app.errors import UnknownSession
from app.wire.energy import Window
from app.wire.sessions import Session, SessionDetail, Sessions, SessionState
from app.words import rfc3339

LATE_READING = timedelta(minutes=15)
"""How long after its session a vehicle may report what arrived in it."""


class Place(NamedTuple):
    """Where a page ends, or the id of a session that energy shows: an hour or the start of an assignment, a vehicle."""

    at: datetime
    vehicle_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Which sessions to list; filters that are None let all through."""

    vehicle_id: str | None = None
    meter_id: str | None = None
    group: str | None = None
    site: str | None = None
    state: SessionState | None = None
    after: Place | None = None
    limit: int | None = 100

    def parameters(self, window: Window) -> dict[str, Any]:
        """The query's parameters; one row more than the limit, to know whether there is a next page."""
        return {
            "window_from": window.from_,
            "window_to": window.to,
            "vehicle_id": self.vehicle_id,
            "meter_id": self.meter_id,
            "group": self.group,
            "site": self.site,
            "state": self.state,
            "before_at": self.after and self.after.at,
            "before_vehicle": self.after and self.after.vehicle_id,
            "row_limit": None if self.limit is None else self.limit + 1,
        }


async def sessions(database: Database, window: Window, page: Page) -> Sessions:
    """A page of the sessions that overlap a window, newest first; empty where none fits.

    Raises :class:`DatabaseLost`. Source: `api.sessions`.
    """
    rows = await database.fetch_all("sessions", page.parameters(window))
    is_pending = rows[0].is_pending
    rows = [row for row in rows if row.session_id is not None]
    listed = rows[: page.limit]
    if not rows and page.after is not None:
        # After the last one: what the list counts is still asked for.
        rows = await database.fetch_all("sessions", replace(page, after=None, limit=0).parameters(window))
    return Sessions(
        window=window,
        total=(rows[0].listed_sessions or 0) if rows else 0,
        sessions=[_session(row, window) for row in listed],
        pending=is_pending,
        next=_written(listed[-1]) if 0 < len(listed) < len(rows) else None,
    )


async def session(database: Database, session_id: int | Place, max_days: int) -> SessionDetail:
    """A session by the number of its assignment, or by a vehicle and the hour in which its energy shows it.

    Of a longer one, the last `max_days`. Raises :class:`UnknownSession` and :class:`DatabaseLost`. Source:
    `api.sessions`.
    """
    if isinstance(session_id, Place):
        found = await database.fetch_all("session_shown_at", session_id._asdict())
    else:
        found = await database.fetch_all("session_of_assignment", {"id": session_id})
    if not found:
        raise UnknownSession("there is no such session: GET /v1/sessions lists their ids")
    [stay] = found
    # Up to now, or where it ends; one that is planned, as it will be.
    to = max(min(stay.ends or datetime.max.replace(tzinfo=UTC), datetime.now(UTC)), stay.begins)
    asked = Window(max(stay.begins, to - timedelta(days=max_days)), to + LATE_READING)
    page = Page(vehicle_id=stay.vehicle_id, meter_id=stay.meter_id, limit=None)
    for row in await database.fetch_all("sessions", page.parameters(asked)):
        # One that energy shows is followed for a week: of a longer one, the part around the hour that was asked for.
        if row.session_id is not None and (
            row.session_key == stay.begins
            or (
                isinstance(session_id, Place)
                and row.assignment_id is None
                and row.session_key <= session_id.at
                and (row.session_to is None or row.session_to > session_id.at)
            )
        ):
            window = Window(max(row.session_from, asked.from_), max(min(row.session_to or to, to), row.session_from))
            return SessionDetail(window, _session(row, asked), row.is_pending)
    raise UnknownSession("there is no such session any more: GET /v1/sessions lists their ids")


def _session(row: Any, window: Window) -> Session:
    return Session(
        id=row.session_id,
        vehicleId=row.vehicle_id,
        meterId=row.meter_id,
        assignmentId=row.assignment_id,
        from_=row.session_from,
        to=row.session_to,
        state=row.state,
        beganBefore=row.session_from < window.from_,
        acConsumedKwh=rounded(row.energy_ac_kwh, ENERGY_DIGITS),
        dcDeliveredKwh=rounded(row.energy_dc_kwh, ENERGY_DIGITS),
        efficiencyRatio=rounded(row.efficiency_ratio, RATIO_DIGITS),
        lostBeyondExpectedKwh=rounded(row.lost_beyond_expected_kwh, ENERGY_DIGITS),
        meanPowerKw=rounded(row.mean_power_kw, POWER_DIGITS),
        highestPowerKw=rounded(row.highest_power_kw, POWER_DIGITS),
        flowShare=rounded(row.flow_share, RATIO_DIGITS),
        socStart=row.soc_first_pct,
        socEnd=row.soc_last_pct,
        avgBatteryTemp=rounded(row.battery_temp_mean_c, TEMPERATURE_DIGITS),
        readings=reading_counts(row),
        estimated=row.is_estimated,
        faults=row.faults,
    )


def _written(row: Any) -> str:
    return f"{rfc3339(row.session_key)},{row.vehicle_id}"
