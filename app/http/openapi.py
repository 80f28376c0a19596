"""The API's description: OpenAPI 3.1, from the wire's structs.

Each operation is described here once; a test compares the list with the routes.
"""

import re
from functools import cache
from inspect import cleandoc
from types import UnionType
from typing import Annotated, Any, NamedTuple, get_args

import msgspec

from app import __version__
from app.config import Settings
from app.http import tables
from app.wire.assignments import (
    Assignment,
    AssignmentChange,
    AssignmentHistory,
    Assignments,
    ItemResult,
    ItemResults,
    NewAssignment,
    PlugEvent,
    RecordedChanges,
    WaitingPlugOuts,
)
from app.wire.corrections import Correction, CorrectionDetail, Corrections, NewCorrection
from app.wire.curve import CurveBucket, MeterCurve, VehicleCurve
from app.wire.database import DatabaseFigures, DatabaseFindings
from app.wire.devices import (
    ChangedFleetDefaults,
    ChangedMeter,
    ChangedVehicle,
    FleetDefaults,
    FleetDefaultsChange,
    MeterChange,
    MeterDetails,
    Meters,
    VehicleChange,
    VehicleDetails,
    Vehicles,
)
from app.wire.energy import Bucket, Format
from app.wire.erasures import Erased, Erasures, NewErasure
from app.wire.explanation import Explanation
from app.wire.fleet import Fleet, FleetSeries
from app.wire.glossary import structs, term
from app.wire.health import BatteryHealth, ChargerHealth
from app.wire.keys import AccessKey, AccessKeys, KeyId, MadeKey, NewKey
from app.wire.live import LiveFleet, LiveMeter, LiveMeters, LiveVehicleDetail, LiveVehicles
from app.wire.losses import Losses
from app.wire.meter import MeterEnergy, MeterSeries
from app.wire.performance import Performance, VehicleSeries
from app.wire.quality import Quality, QualityKind, ReadingConflictList
from app.wire.ranking import Groups, MeterSort, Order, RankedMeters, RankedVehicles, Sites, VehicleSort
from app.wire.readings import IngestResult, MeterReading, VehicleReading
from app.wire.register_events import (
    DecisionChanges,
    DecisionOutcome,
    Decisions,
    EventKind,
    NewDecision,
    RegisterEvents,
)
from app.wire.service import Problem, Status
from app.wire.sessions import SessionDetail, Sessions, SessionState
from app.wire.values import DeviceId, Instant, Label


class Parameter(NamedTuple):
    """A parameter of the query (or of a header, by `place`): its JSON schema and what it does."""

    name: str
    schema: dict[str, Any]
    description: str
    place: str = "query"


class Operation(NamedTuple):
    """One method on one path; `problems` are the error statuses besides those of every request and of every write;
    `also` is a second status of success.

    `lines` is what each line of a body of lines holds.
    """

    method: str
    path: str
    summary: str
    response: Any = None
    body: Any = None
    status: int = 200
    problems: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    also: int | None = None
    lines: Any = None

    @property
    def id(self) -> str:
        """Its name in clients that are generated: method and path, such as `getAnalyticsMetersByIdCurve`."""
        words = re.findall(r"[A-Za-z]+", self.path.removeprefix("/v1").replace("{id}", "by/id"))
        return self.method.lower() + "".join(word.capitalize() for word in words)

    @property
    def tag(self) -> str:
        """What it is about: the first part of its path, or the service itself."""
        return self.path.split("/")[2] if self.path.startswith("/v1/") else "service"

    @property
    def is_table(self) -> bool:
        """Whether the answer may be CSV: a list or a series."""
        return self.method == "GET" and self.response in _TABLES

    @property
    def query(self) -> tuple[Parameter, ...]:
        """All its parameters."""
        return (*self.parameters, _FORMAT) if self.is_table else self.parameters


NDJSON = "application/x-ndjson"

# A host or a body that is none; a page of another origin; a content type.
_PROBLEMS_OF_ALL = (400, 401, 403)
_PROBLEMS_OF_WRITES = (415,)


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with the type of its strings. In JSON Schema `$` is the end of a text, with nothing after it to exclude,
    and RE2 has no way to."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_plain(option) for option in schema["anyOf"]]}
    if "items" in schema:
        return {**schema, "items": _plain(schema["items"])}
    if "enum" in schema:
        return {"type": "string", **schema}
    return {**schema, "pattern": schema["pattern"].removesuffix(r"(?!\n)")} if "pattern" in schema else schema


def _of(type_: Any) -> dict[str, Any]:
    """The schema of a parameter: what it is for stands beside it."""
    return {name: value for name, value in _plain(msgspec.json.schema(type_)).items() if name != "description"}


def _line(longest: int, *examples: str) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest, "examples": list(examples)}


_MOST_READINGS = Settings().max_readings_per_request
_MOST_ITEMS = msgspec.Meta(min_length=1, max_length=Settings().max_assignments_per_request)
_INSTANT = _of(Instant)
_ID = _of(DeviceId)
_LABEL = _of(Label)
_BOOLEAN = {"type": "boolean"}
_NUMBER = {"type": "integer", "format": "int64", "minimum": 0, "examples": [100]}
_DURATION = {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,3})?[smhd]?$", "examples": ["15m"]}
_SESSION_PLACE = _line(128, "2026-11-20T08:00:00Z,V-202")
_PLACE = _line(128, "2026-11-20T08:00:00Z,meter,M-101")

# What `{id}` of a path is, by tag.
_DEVICE_ID = (_ID, "the id of the meter or vehicle")
_IDS = {
    "assignments": ({**_NUMBER, "minimum": 1, "examples": [42]}, "the number of the assignment"),
    "corrections": ({**_NUMBER, "minimum": 1, "examples": [42]}, "the number of the correction"),
    "keys": (_of(KeyId), "the id of the key"),
    "sessions": (
        _line(128, "42", "V-202,2026-11-20T08:00:00Z"),
        "the session: the number of its assignment, or vehicle and start",
    ),
}

_WINDOW = (
    Parameter(
        "from",
        _INSTANT,
        "start of the window, excluded; default: 24 hours before `to`; at most 31 days and an hour before it "
        "(`ENERGY_MAX_WINDOW_DAYS`; the hour is for a change of clocks)",
    ),
    Parameter("to", _INSTANT, "end of the window, included; default: now"),
)
_HEALTH_WINDOW = (
    Parameter(
        "from",
        _INSTANT,
        "start of the window, excluded; default: 180 days before `to`; at most 366 days and an hour before it "
        "(`ENERGY_MAX_HEALTH_DAYS`)",
    ),
    Parameter("to", _INSTANT, "end of the window, included; default: now"),
)
_CUT = (
    Parameter(
        "bucket",
        {"type": "string", "enum": list(get_args(Bucket)), "default": "hour"},
        "length of a bucket; a week begins on Monday",
    ),
    Parameter(
        "timezone",
        {"type": "string", "pattern": "^[A-Za-z0-9_+/-]{1,64}$", "default": "UTC", "examples": ["Europe/Berlin"]},
        "IANA name of the time zone in which hours and days start, such as Europe/Berlin",
    ),
)
_CURVE = Parameter(
    "bucket",
    {"type": "string", "enum": list(get_args(CurveBucket)), "default": "5m"},
    "length of a bucket; at most 3,000 buckets",
)
_LIMIT = Parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100, "examples": [100]},
    "length of the list, at most 1,000 (`ENERGY_MAX_LIST_LIMIT`); of CSV 10,000, which is its default",
)
_FORMAT = Parameter(
    "format",
    {"type": "string", "enum": list(get_args(Format)), "default": "json"},
    "csv: the list as a table with units in its head, also by `Accept: text/csv`",
)
# Lists and series, which may be asked for as tables.
_TABLES = (
    Assignments,
    BatteryHealth,
    ChargerHealth,
    CorrectionDetail,
    Corrections,
    DatabaseFindings,
    DecisionChanges,
    Decisions,
    Erasures,
    FleetSeries,
    Groups,
    LiveMeters,
    LiveVehicles,
    Losses,
    MeterCurve,
    MeterSeries,
    Meters,
    Quality,
    RankedMeters,
    RankedVehicles,
    ReadingConflictList,
    RecordedChanges,
    RegisterEvents,
    Sessions,
    Sites,
    VehicleCurve,
    VehicleSeries,
    Vehicles,
    WaitingPlugOuts,
)
_PAGE = (Parameter("after", _ID, "list ids after this one: `next` of the previous page"), _LIMIT)
_SITE = Parameter("site", _LABEL, "only meters of this site")
_GROUP = Parameter("group", _LABEL, "only vehicles of this group")
_SEARCH = Parameter("search", _LABEL, "only those whose id or name contains this text, in capitals or not")
_LIVE = (
    *_PAGE,
    Parameter(
        "charging",
        _BOOLEAN,
        "only those that charge, or that do not: their newest reading has energy above 0, or a register rose since the "
        "previous one, and it is at most 30 minutes old",
    ),
    Parameter(
        "silentFor",
        _DURATION,
        "only those whose newest reading is older than this: seconds, or a number with s, m, h or d, such as 15m",
    ),
    Parameter("seenWithin", _DURATION, "only those whose newest reading is at most that old, such as 1h"),
    _SEARCH,
)
_AUTHOR = (
    Parameter(
        "X-Operator",
        {"type": "string", "maxLength": 128, "examples": ["ana"]},
        "who asks; stored with the change",
        "header",
    ),
    Parameter(
        "reason", {"type": "string", "maxLength": 500, "examples": ["wrong plug"]}, "why; stored with the change"
    ),
)
_DRY_RUN = Parameter(
    "dryRun", {"type": "boolean", "default": False, "examples": [True]}, "only say what it would do: nothing changes"
)
_DEVICE = (
    Parameter("meterId", _ID, "only those of this meter"),
    Parameter("vehicleId", _ID, "only those of this vehicle"),
)
_PLACES = (
    Parameter(
        "after",
        _PLACE,
        "list what comes after this: `next` of the previous page, such as 2026-11-20T08:00:00Z,meter,M-101",
    ),
    _LIMIT,
)


def _ranked(sort: Any) -> tuple[Parameter, ...]:
    """The parameters of a list that is sorted by a figure."""
    return (
        Parameter(
            "sort",
            {"type": "string", "enum": list(get_args(sort)), "default": "lostBeyondExpectedKwh"},
            "by which figure; devices without it come last, `id` sorts by id",
        ),
        Parameter(
            "order",
            {"type": "string", "enum": list(get_args(Order))},
            "largest first (default), or last; ids: A to Z by default",
        ),
        Parameter("after", _NUMBER, "list what comes after this: `next` of the previous page"),
        _LIMIT,
    )


_Reading = MeterReading | VehicleReading
_Readings = MeterReading | VehicleReading | list[MeterReading | VehicleReading]

OPERATIONS = (
    Operation(
        "POST",
        "/v1/ingest",
        "Store readings: one, an array, or lines (application/x-ndjson), gzip or plain; of either kind or both",
        IngestResult,
        _Readings,
        problems=(409, 413, 422, 503),
        parameters=(Parameter("strict", _BOOLEAN, "store all readings, or none"),),
        lines=_Reading,
    ),
    Operation(
        "GET",
        "/v1/analytics/performance/{id}",
        "A vehicle's AC and DC energy over a window, their ratio, its mean battery temperature",
        Performance,
        problems=(404, 422, 503),
        parameters=_WINDOW,
    ),
    Operation(
        "GET",
        "/v1/analytics/performance/{id}/explain",
        "What a vehicle's performance is made of: assignments, hours, readings, and the steps of registers",
        Explanation,
        problems=(404, 422, 503),
        parameters=_WINDOW,
    ),
    Operation(
        "GET",
        "/v1/analytics/performance/{id}/series",
        "A vehicle's performance by hour, day, week, month or year of a time zone, every bucket of the window",
        VehicleSeries,
        problems=(404, 422, 503),
        parameters=(*_WINDOW, *_CUT),
    ),
    Operation(
        "GET",
        "/v1/analytics/meters/{id}/series",
        "A meter's energy by hour, day, week, month or year of a time zone, every bucket of the window",
        MeterSeries,
        problems=(404, 422, 503),
        parameters=(*_WINDOW, *_CUT),
    ),
    Operation(
        "GET",
        "/v1/analytics/meters/{id}",
        "A meter's AC energy over a window, its voltages, the vehicles it fed and its unattributed energy",
        MeterEnergy,
        problems=(404, 422, 503),
        parameters=_WINDOW,
    ),
    Operation(
        "GET",
        "/v1/analytics/meters",
        "All meters over a window, sorted by any figure: energy, ratio, kWh lost, sessions, hours in use, coverage",
        RankedMeters,
        problems=(422, 503),
        parameters=(*_WINDOW, _SITE, _SEARCH, *_ranked(MeterSort)),
    ),
    Operation(
        "GET",
        "/v1/analytics/meters/{id}/curve",
        "The course of a meter: power and voltage by 1, 5 or 15 minutes, every bucket of the window",
        MeterCurve,
        problems=(404, 422, 503),
        parameters=(*_WINDOW, _CURVE),
    ),
    Operation(
        "GET",
        "/v1/analytics/vehicles/{id}/curve",
        "The course of a vehicle: power, state of charge and battery temperature by 1, 5 or 15 minutes",
        VehicleCurve,
        problems=(404, 422, 503),
        parameters=(*_WINDOW, _CURVE),
    ),
    Operation(
        "GET",
        "/v1/analytics/vehicles",
        "All vehicles over a window, sorted by any figure: energy, ratio, kWh lost, sessions, hours in use, coverage",
        RankedVehicles,
        problems=(422, 503),
        parameters=(*_WINDOW, _GROUP, _SEARCH, *_ranked(VehicleSort)),
    ),
    Operation(
        "GET",
        "/v1/analytics/sites",
        "What the meters of each site add up to over a window",
        Sites,
        problems=(422, 503),
        parameters=_WINDOW,
    ),
    Operation(
        "GET",
        "/v1/analytics/groups",
        "What the vehicles of each group add up to over a window",
        Groups,
        problems=(422, 503),
        parameters=_WINDOW,
    ),
    Operation(
        "GET",
        "/v1/analytics/fleet",
        "The fleet's AC and DC energy over a window, its ratio, unattributed energy, the devices seen",
        Fleet,
        problems=(422, 503),
        parameters=_WINDOW,
    ),
    Operation(
        "GET",
        "/v1/analytics/fleet/series",
        "The fleet's energy by hour, day, week, month or year of a time zone, every bucket of the window",
        FleetSeries,
        problems=(422, 503),
        parameters=(*_WINDOW, *_CUT),
    ),
    Operation(
        "GET",
        "/v1/analytics/losses",
        "Vehicles and meters that lose energy, most kWh first; apart: data faults, and meters that fed no vehicle",
        Losses,
        problems=(422, 503),
        parameters=(
            *_WINDOW,
            Parameter(
                "below",
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "examples": [0.85]},
                "list devices below this ratio; default: 0.85, or what is normal for their power if that is higher",
            ),
            _LIMIT,
        ),
    ),
    Operation(
        "GET",
        "/v1/analytics/health/{id}",
        "A battery's capacity with its standard error, its trend over months, the hours above 40 degrees C",
        BatteryHealth,
        problems=(404, 422, 503),
        parameters=_HEALTH_WINDOW,
    ),
    Operation(
        "GET",
        "/v1/analytics/health/meters/{id}",
        "A charger's ratio by day, the change since its baseline, the day on which it changed",
        ChargerHealth,
        problems=(404, 422, 503),
        parameters=_HEALTH_WINDOW,
    ),
    Operation(
        "GET",
        "/v1/live",
        "How many devices charge now and at which power, and how many are silent",
        LiveFleet,
        problems=(422, 503),
        parameters=(_SITE, _GROUP),
    ),
    Operation(
        "GET",
        "/v1/live/meters",
        "What meters do now: newest readings, power, the vehicles they feed and since when",
        LiveMeters,
        problems=(422, 503),
        parameters=(*_LIVE, _SITE),
    ),
    Operation("GET", "/v1/live/meters/{id}", "A meter's newest reading", LiveMeter, problems=(404, 422, 503)),
    Operation(
        "GET",
        "/v1/live/vehicles",
        "What vehicles do now: newest readings, power, the meters that feed them and since when, minutes to full",
        LiveVehicles,
        problems=(422, 503),
        parameters=(*_LIVE, _GROUP),
    ),
    Operation(
        "GET", "/v1/live/vehicles/{id}", "A vehicle's newest reading", LiveVehicleDetail, problems=(404, 422, 503)
    ),
    Operation(
        "POST",
        "/v1/assignments",
        "State which meter feeds which vehicle: one assignment, or several (an array or lines), stored all or none",
        Assignment | Assignments | ItemResults,
        NewAssignment | Annotated[list[NewAssignment], _MOST_ITEMS],
        201,
        (409, 413, 422, 503),
        (Parameter("partial", _BOOLEAN, "store those that fit, and answer with a result for each (200)"), *_AUTHOR),
        also=200,
        lines=NewAssignment,
    ),
    Operation(
        "GET",
        "/v1/assignments",
        "Assignments in order of id",
        Assignments,
        problems=(422, 503),
        parameters=(
            Parameter("meterId", _ID, "only those of this meter"),
            Parameter("vehicleId", _ID, "only those of this vehicle"),
            Parameter("at", _INSTANT, "only those in force at this instant"),
            Parameter("from", _INSTANT, "only those in force at some time from this instant on"),
            Parameter("to", _INSTANT, "only those in force at some time before this instant"),
            Parameter("after", _NUMBER, "list ids after this one: `next` of the previous page"),
            _LIMIT,
        ),
    ),
    Operation(
        "POST",
        "/v1/assignments/events",
        "Apply what happened at a meter: plugIn, plugOut or handOver (the old assignment ends, a new one starts): "
        "one event, or several (an array or lines), in order of time. Events are idempotent and come in any order",
        ItemResult | ItemResults,
        PlugEvent | Annotated[list[PlugEvent], _MOST_ITEMS],
        problems=(404, 409, 413, 422, 503),
        parameters=_AUTHOR,
        lines=PlugEvent,
    ),
    Operation(
        "GET",
        "/v1/assignments/changes",
        "Every change of an assignment, in order of id: before, after, when, by whom, why",
        RecordedChanges,
        problems=(422, 503),
        parameters=(
            Parameter("after", _NUMBER, "list changes after this one: `next` of the previous page"),
            _LIMIT,
        ),
    ),
    Operation(
        "GET",
        "/v1/assignments/waiting",
        "Plug-outs that ended nothing when they came, and wait for their plug-in",
        WaitingPlugOuts,
        problems=(422, 503),
        parameters=(
            Parameter("meterId", _ID, "only those at this meter"),
            Parameter("vehicleId", _ID, "only those of this vehicle"),
            Parameter("after", _NUMBER, "list ids after this one: `next` of the previous page"),
            _LIMIT,
        ),
    ),
    Operation(
        "GET",
        "/v1/assignments/{id}",
        "An assignment with its newest 100 changes; a voided one too",
        AssignmentHistory,
        problems=(404, 422, 503),
    ),
    Operation(
        "PATCH",
        "/v1/assignments/{id}",
        "Close an assignment with `to`, or correct its ends or its devices",
        Assignment,
        AssignmentChange,
        problems=(404, 409, 413, 422, 503),
        parameters=_AUTHOR,
    ),
    Operation(
        "DELETE",
        "/v1/assignments/{id}",
        "Void a wrong assignment, as if it had never been; its changes stay. Idempotent",
        AssignmentHistory,
        problems=(404, 422, 503),
        parameters=_AUTHOR,
    ),
    Operation(
        "GET",
        "/v1/meters",
        "Meters that are registered, have readings, or an assignment",
        Meters,
        None,
        200,
        (422, 503),
        (*_PAGE, _SITE, _SEARCH),
    ),
    Operation(
        "GET",
        "/v1/meters/{id}",
        "A meter, and what its kWh values meant at all times",
        MeterDetails,
        problems=(404, 422, 503),
    ),
    Operation(
        "PUT",
        "/v1/meters/{id}",
        "Register a meter or change it: its name and site, its power; interval, register or session from an instant on",
        ChangedMeter,
        MeterChange,
        problems=(413, 422, 503),
    ),
    Operation(
        "GET",
        "/v1/vehicles",
        "Vehicles that are registered, have readings, or an assignment",
        Vehicles,
        None,
        200,
        (422, 503),
        (*_PAGE, _GROUP, _SEARCH),
    ),
    Operation(
        "GET",
        "/v1/vehicles/{id}",
        "A vehicle, and what its kWh values meant at all times",
        VehicleDetails,
        problems=(404, 422, 503),
    ),
    Operation(
        "PUT",
        "/v1/vehicles/{id}",
        "Register a vehicle or change it: as of a meter, with a group, and the capacity of its battery",
        ChangedVehicle,
        VehicleChange,
        problems=(413, 422, 503),
    ),
    Operation(
        "GET",
        "/v1/fleet/defaults",
        "What kWh values mean and what devices can deliver by default, and whether the next plugIn closes what is open",
        FleetDefaults,
        problems=(422, 503),
    ),
    Operation(
        "PUT",
        "/v1/fleet/defaults",
        "Change what kWh values mean by default, from an instant on, what devices can deliver, or whether the next "
        "plugIn closes what is open",
        ChangedFleetDefaults,
        FleetDefaultsChange,
        problems=(413, 422, 503),
        parameters=_AUTHOR[:1],
    ),
    Operation(
        "GET",
        "/v1/register-events",
        "Steps of registers that are not plain energy, in order of time: by which rule, or as who decided",
        RegisterEvents,
        problems=(422, 503),
        parameters=(
            *_DEVICE,
            Parameter("from", _INSTANT, "only those after this instant"),
            Parameter("to", _INSTANT, "only those up to this instant, included"),
            Parameter("kind", {"type": "string", "enum": list(get_args(EventKind))}, "only those of this kind"),
            Parameter(
                "toDecide",
                _BOOLEAN,
                "only those that are for an operator to decide (resets of registers and breaks that the rules guessed "
                "and no return has undone), or the others",
            ),
            *_PLACES,
        ),
    ),
    Operation(
        "GET",
        "/v1/register-decisions",
        "Decisions about steps of registers that hold, announced exchanges too, by device and instant",
        Decisions,
        problems=(422, 503),
        parameters=(*_DEVICE, *_PLACES),
    ),
    Operation(
        "PUT",
        "/v1/register-decisions",
        "Decide what the step to a reading was (plain, reset, rollover, glitch), or announce the exchange of a meter: "
        "at its time, or up to 31 days ahead. Idempotent",
        DecisionOutcome,
        NewDecision,
        problems=(404, 413, 422, 503),
        parameters=_AUTHOR,
    ),
    Operation(
        "DELETE",
        "/v1/register-decisions",
        "Withdraw a decision: the rules judge the step again; its changes stay. Idempotent",
        DecisionOutcome,
        problems=(404, 422, 503),
        parameters=(
            Parameter("meterId", _ID, "the meter; or `vehicleId`"),
            Parameter("vehicleId", _ID, "the vehicle; or `meterId`"),
            Parameter("at", _INSTANT, "the instant that the decision is about"),
            *_AUTHOR,
        ),
    ),
    Operation(
        "GET",
        "/v1/register-decisions/changes",
        "Every decision that was made, changed or withdrawn, in order of id: before, after, when, by whom, why",
        DecisionChanges,
        problems=(422, 503),
        parameters=(
            Parameter("after", _NUMBER, "list changes after this one: `next` of the previous page"),
            _LIMIT,
        ),
    ),
    Operation(
        "GET",
        "/v1/corrections",
        "Corrections of readings, newest first: what was done, when, by whom, why, with figures before and after",
        Corrections,
        problems=(422, 503),
        parameters=(
            *_DEVICE,
            Parameter("after", _NUMBER, "list corrections before this one: `next` of the previous page"),
            _LIMIT,
        ),
    ),
    Operation(
        "POST",
        "/v1/corrections",
        "Correct the readings of a device in a window: void them, scale their energies, or replace them. What was "
        "there is kept, and live state, rollups and register events follow. `dryRun` previews it (200)",
        Correction,
        NewCorrection,
        status=201,
        also=200,
        problems=(404, 413, 422, 503),
        parameters=(_DRY_RUN, *_AUTHOR),
    ),
    Operation(
        "GET",
        "/v1/corrections/{id}",
        "A correction, and the readings that it changed, in order of time",
        CorrectionDetail,
        problems=(404, 422, 503),
        parameters=(
            Parameter("after", _INSTANT, "list readings after this instant: `next` of the previous page"),
            _LIMIT,
        ),
    ),
    Operation(
        "POST",
        "/v1/corrections/{id}/undo",
        "Take back what a correction did, itself a correction that can be undone. `dryRun` previews it (200)",
        Correction,
        status=201,
        also=200,
        problems=(404, 409, 422, 503),
        parameters=(_DRY_RUN, *_AUTHOR),
    ),
    Operation(
        "GET",
        "/v1/erasures",
        "That meters and vehicles were erased, newest first: when and by whom, not which",
        Erasures,
        problems=(422, 503),
        parameters=(
            Parameter("after", _NUMBER, "list erasures before this one: `next` of the previous page"),
            _LIMIT,
        ),
    ),
    Operation(
        "POST",
        "/v1/erasures",
        "Erase a meter or vehicle: whatever the database holds of it, in one transaction. `dryRun` previews it",
        Erased,
        NewErasure,
        problems=(404, 413, 422, 503),
        parameters=(_DRY_RUN, _AUTHOR[0]),
    ),
    Operation(
        "GET", "/v1/keys", "The keys that requests need, revoked ones too; for admins", AccessKeys, problems=(503,)
    ),
    Operation(
        "POST",
        "/v1/keys",
        "Make a key: the answer has it, this once; for admins",
        MadeKey,
        NewKey,
        status=201,
        problems=(413, 422, 503),
        parameters=(_AUTHOR[0],),
    ),
    Operation(
        "POST",
        "/v1/keys/{id}/rotate",
        "Make a key like another one, which stays valid for a day; for admins",
        MadeKey,
        status=201,
        problems=(404, 422, 503),
        parameters=(_AUTHOR[0],),
    ),
    Operation(
        "DELETE",
        "/v1/keys/{id}",
        "Make a key invalid for good; for admins",
        AccessKey,
        problems=(404, 422, 503),
        parameters=(_AUTHOR[0],),
    ),
    Operation(
        "GET",
        "/v1/sessions",
        "Charging sessions that overlap a window, newest first: stays of vehicles at meters, what they drew, delivered "
        "and lost within the window",
        Sessions,
        problems=(422, 503),
        parameters=(
            Parameter("vehicleId", _ID, "only those of this vehicle"),
            Parameter("meterId", _ID, "only those at this meter"),
            _GROUP,
            _SITE,
            *_WINDOW,
            Parameter(
                "state", {"type": "string", "enum": list(get_args(SessionState))}, "only those that go on, or ended"
            ),
            Parameter(
                "after",
                _SESSION_PLACE,
                "list what comes after this: `next` of the previous page, such as 2026-11-20T08:00:00Z,V-202",
            ),
            _LIMIT,
        ),
    ),
    Operation(
        "GET",
        "/v1/sessions/{id}",
        "A charging session as a whole, its last 31 days at most (`ENERGY_MAX_WINDOW_DAYS`)",
        SessionDetail,
        problems=(404, 422, 503),
    ),
    Operation(
        "GET",
        "/v1/quality",
        "What is wrong with the data, a row a device and code, warnings first: faults, conflicts, steps of registers "
        "to decide, devices that are silent, late or never seen, plug-outs that wait",
        Quality,
        problems=(422, 503),
        parameters=(
            *_WINDOW,
            Parameter("kind", {"type": "string", "enum": list(get_args(QualityKind))}, "only those of this kind"),
            _SITE,
            _GROUP,
            _SEARCH,
            Parameter(
                "silentFor",
                {**_DURATION, "default": "1h"},
                "from when on a device is silent: seconds, or a number with s, m, h or d, such as 15m",
            ),
            Parameter(
                "lateBy",
                {**_DURATION, "default": "1h"},
                "a device is late where its newest reading came so much after it was taken, such as 15m",
            ),
            Parameter("after", _NUMBER, "list what comes after this: `next` of the previous page"),
            _LIMIT,
        ),
    ),
    Operation(
        "GET",
        "/v1/quality/conflicts",
        "Readings that came with other values than are stored for their device and time, by day (UTC) and device",
        ReadingConflictList,
        problems=(422, 503),
        parameters=(
            *_DEVICE,
            Parameter("from", _INSTANT, "only days with such readings after this instant"),
            Parameter("to", _INSTANT, "only days with such readings up to this instant"),
            *_PLACES,
        ),
    ),
    Operation(
        "GET",
        "/v1/database",
        "Sizes, rows, policies and jobs of the database, days of history and of disk left, computed in the background",
        DatabaseFigures,
        problems=(503,),
    ),
    Operation(
        "GET",
        "/v1/database/findings",
        "What is not normal and what to do about it, as doctor prints it, computed in the background",
        DatabaseFindings,
        problems=(422, 503),
    ),
    Operation("GET", "/livez", "Whether the process answers", Status),
    Operation("GET", "/readyz", "Whether the database answers and readings are being written", Status, problems=(503,)),
    Operation("GET", "/metrics", "Counters for Prometheus"),
    Operation("GET", "/openapi.json", "This description"),
)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    schemas, components = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "EV fleet energy", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": components},
    }


def query_parameters(method: str, path: str) -> tuple[str, ...]:
    """Names of the parameters that an operation takes in its query. Raises :class:`KeyError` where there is no such
    operation."""
    listed = {(operation.method, operation.path): operation.query for operation in OPERATIONS}
    return tuple(parameter.name for parameter in listed[method, path] if parameter.place == "query")


def _schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of each body and answer, by type, and the components that they refer to.

    A type is taken apart where it is a union: msgspec has none of structs that differ by their keys alone.
    """
    wanted = {
        type_
        for operation in OPERATIONS
        for type_ in (operation.response, operation.body, operation.lines)
        if type_ is not None
    }
    parts = sorted({part for type_ in (*wanted, Problem) for part in _parts(type_)}, key=repr)
    found, components = msgspec.json.schema_components(parts, ref_template="#/components/schemas/{name}")
    by_part = dict(zip(parts, found, strict=True))
    schemas = {_key(type_): _any_of([by_part[part] for part in _parts(type_)]) for type_ in (*wanted, Problem)}
    one = _any_of([by_part[MeterReading], by_part[VehicleReading]])
    schemas[_key(_Readings)] = _any_of([one, {"type": "array", "items": one, "maxItems": _MOST_READINGS}])
    schemas[_key(_Reading)] = one
    return schemas, {name: _component(name, schema) for name, schema in components.items()}


def _component(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a struct, with what its properties mean, in patterns that every language takes."""
    struct = structs()[name]
    properties = {}
    for field, described in schema["properties"].items():
        meaning, example = term(struct, field)
        properties[field] = {**_plain(described), "description": meaning}
        # A name may be a number in one struct and counts of both sides in another.
        if example is not None and "$ref" not in described and described.get("type") != "array":
            properties[field]["examples"] = [example]
    return {**schema, "description": cleandoc(schema["description"]), "properties": properties}


def _parts(type_: Any) -> tuple[Any, ...]:
    if type_ in (_Reading, _Readings):
        return (MeterReading, VehicleReading)
    return get_args(type_) if isinstance(type_, UnionType) else (type_,)


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _key(type_: Any) -> str:
    return repr(type_)


def _describe(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": operation.summary}
    if operation.response is not None:
        answer["content"] = {"application/json": {"schema": schemas[_key(operation.response)]}}
    if operation.is_table:
        answer["content"][tables.MEDIA_TYPE] = {"schema": {"type": "string"}}
    problems = {*_PROBLEMS_OF_ALL, *operation.problems, *(() if operation.method == "GET" else _PROBLEMS_OF_WRITES)}
    problem = {"application/problem+json": {"schema": schemas[_key(Problem)]}}
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [
            {"name": name, "in": place, "schema": schema, "description": description}
            for name, schema, description, place in operation.query
        ],
        "responses": {
            str(operation.status): answer,
            **({str(operation.also): answer} if operation.also else {}),
            **{str(status): {"description": "problem", "content": problem} for status in sorted(problems)},
        },
    }
    if "{id}" in operation.path:
        schema, description = _IDS.get(operation.tag, _DEVICE_ID)
        described["parameters"].insert(
            0, {"name": "id", "in": "path", "required": True, "schema": schema, "description": description}
        )
    if operation.body is not None:
        content = {"application/json": {"schema": schemas[_key(operation.body)]}}
        if operation.lines is not None:
            content[NDJSON] = {"schema": schemas[_key(operation.lines)]}
        described["requestBody"] = {"required": True, "content": content}
    if "503" in described["responses"]:
        described["responses"]["503"]["headers"] = {
            "Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "when to try again, s"}
        }
    return described
