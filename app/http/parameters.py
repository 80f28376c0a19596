"""Reads a request's path, query and headers; what is not allowed raises the problem that answers it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from starlette.requests import Request

from app.analytics.buckets import Cut
from app.config import Settings
from app.errors import InvalidParameter, ProblemError, UnknownAssignment
from app.registry.assignments import Author
from app.registry.register_events import Device, DeviceType, Place
from app.wire.allowed import convert, must_be
from app.wire.energy import Bucket, Format, Window
from app.wire.values import DeviceId, Instant

DEFAULT_LIST_LIMIT = 100
"""Default length of a list."""
MAX_TABLE_ROWS = 10_000
"""Longest list as CSV, rows."""
DEFAULT_WINDOW = timedelta(hours=24)
"""Default length of a window."""
DEFAULT_HEALTH_WINDOW = timedelta(days=180)
"""Default length of a window about health: batteries and chargers age over months."""
CLOCK_CHANGE = timedelta(hours=1)
"""Time by which a window may exceed its days: a month in which clocks go back is an hour longer."""
LARGEST_BIGINT = 2**63 - 1
LONGEST_DURATION_S = 1e9
"""Longest `silentFor`."""
OPERATOR_HEADER = "X-Operator"
MAX_OPERATOR_LENGTH = 128
"""Longest `X-Operator`, characters."""
MAX_REASON_LENGTH = 500
"""Longest `reason`, characters."""
_WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")
_TIME_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
_RATIO = re.compile(r"[01]?\.?[0-9]{1,12}")
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd]?)")
_SECONDS_PER = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
# The number of a row, as paths have it.
NUMBER = re.compile("[0-9]{1,19}")
# An instant whose zone begins with a space: a plus sign that nobody escaped.
_PLUS_LOST = re.compile(r"(.*:[0-9.]+) ([0-9]{2}:[0-9]{2})")


def author(request: Request) -> Author:
    """Who asks for a change (header X-Operator, and the key) and why (parameter `reason`); None where not given."""
    operator = request.headers.get(OPERATOR_HEADER)
    if operator is not None:
        # HTTP hands bytes on as if they were Latin-1; what people send is UTF-8.
        operator = operator.encode("latin-1").decode("utf-8", errors="replace")
    reason = request.query_params.get("reason")
    named = _line(OPERATOR_HEADER, operator, MAX_OPERATOR_LENGTH)
    if (key := request.scope.get("key")) is not None:
        named = f"{named}, key {key.key_id}" if named else f"key {key.key_id}"
    return Author(named, _line("reason", reason, MAX_REASON_LENGTH))


def _line(name: str, text: str | None, longest: int) -> str | None:
    if text is None or not text.strip():
        return None
    if len(text) > longest or not text.isprintable():
        raise InvalidParameter(f"{name} must be a line of at most {longest} characters", {"field": name})
    return text.strip()


def check_parameters(request: Request, known: Sequence[str]) -> None:
    """Raises :class:`InvalidParameter` where the query has an unknown or repeated parameter: the answer would silently
    ignore what was meant."""
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            allowed = f"this request takes {', '.join(known) or 'none'}"
            raise InvalidParameter(f"{name} is unknown: {allowed}", {"field": name})
        if name in seen:
            raise InvalidParameter(f"{name} must be given once", {"field": name})
        seen.add(name)


def device_id(request: Request, unknown: type[ProblemError]) -> str:
    """The device that the path names; `unknown` is raised where no device can have such an id."""
    try:
        return cast(str, convert(request.path_params["id"], DeviceId, "id"))
    except InvalidParameter as error:
        raise unknown(error.detail, error.extra) from None


def assignment_id(request: Request) -> int:
    """The assignment that the path names. Raises :class:`UnknownAssignment` where none can have such an id."""
    text = request.path_params["id"]
    if not NUMBER.fullmatch(text) or int(text) > LARGEST_BIGINT:
        raise UnknownAssignment("id must be a whole number, such as 42", {"field": "id"})
    return int(text)


def value(request: Request, name: str, type_: Any) -> Any:
    """A query parameter of a wire type; None where it is not given."""
    text = request.query_params.get(name)
    return None if text is None else convert(text, type_, name)


def instant(request: Request, name: str) -> datetime | None:
    """A query parameter that is an instant, in UTC; None where it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    given: datetime = convert(_PLUS_LOST.sub(r"\1+\2", text), Instant, name)
    try:
        return given.astimezone(UTC)
    except OverflowError:
        raise InvalidParameter(must_be(name, Instant), {"field": name}) from None


def instants(request: Request) -> tuple[datetime | None, datetime | None]:
    """The query parameters `from` and `to` of a list, each None where it is not given.

    Raises :class:`InvalidParameter` where no time is between them.
    """
    begins, ends = instant(request, "from"), instant(request, "to")
    if begins and ends and begins >= ends:
        raise InvalidParameter("from must be earlier than to", {"field": "from"})
    return begins, ends


def device(request: Request) -> Device | None:
    """The query parameter `meterId` or `vehicleId`; None without either."""
    return one_device(value(request, "meterId", DeviceId), value(request, "vehicleId", DeviceId))


def one_device(meter_id: str | None, vehicle_id: str | None) -> Device | None:
    """The device that one of two ids names; None without either. Raises :class:`InvalidParameter` where both are."""
    if meter_id is not None and vehicle_id is not None:
        raise InvalidParameter(
            "meterId and vehicleId exclude each other: each is of one device, such as meterId M-101",
            {"field": "vehicleId"},
        )
    if meter_id is not None:
        return Device("meter", meter_id)
    return None if vehicle_id is None else Device("vehicle", vehicle_id)


def place(request: Request) -> Place | None:
    """The query parameter `after` of a list by time and device; None where it is not given.

    Raises :class:`InvalidParameter` where it is not what `next` was.
    """
    text = request.query_params.get("after")
    if text is None:
        return None
    try:
        at_text, device_type, id_text = text.split(",", 2)
        at: datetime = convert(at_text, Instant, "after")
        if device_type in ("meter", "vehicle"):
            return Place(at, cast(DeviceType, device_type), convert(id_text, DeviceId, "after"))
    except (ValueError, InvalidParameter):
        pass
    raise InvalidParameter(
        "after must be the next of the previous page, such as 2026-11-20T08:00:00Z,meter,M-101", {"field": "after"}
    )


def window(request: Request, max_days: int, default: timedelta = DEFAULT_WINDOW) -> Window:
    """The window from `from` to `to`; default: the last 24 hours, or those of another length.

    Raises :class:`InvalidParameter` where it is empty, or longer than the days and the hour of a change of clocks.
    """
    to = instant(request, "to") or datetime.now(UTC)
    try:
        begins = instant(request, "from") or to - min(default, timedelta(days=max_days))
    except OverflowError:
        raise InvalidParameter("to must be later, such as 2026-11-20T08:00:00Z", {"field": "to"}) from None
    if begins >= to:
        raise InvalidParameter("from must be earlier than to", {"field": "from"})
    if to - begins > timedelta(days=max_days) + CLOCK_CHANGE:
        raise InvalidParameter(
            f"a window must be at most {max_days} days long, and an hour for a change of clocks", {"field": "from"}
        )
    return Window(begins, to)


def series_window(request: Request, bucket: Bucket, settings: Settings) -> Window:
    """The window of a device's series: longer where its buckets are days or longer."""
    return window(request, settings.max_window_days if bucket == "hour" else settings.max_health_days)


def cut(request: Request) -> Cut:
    """How a series cuts its window; default: by hour, in UTC."""
    bucket: Bucket = value(request, "bucket", Bucket) or "hour"
    timezone = request.query_params.get("timezone", "UTC")
    if not _TIME_ZONE.fullmatch(timezone):
        raise InvalidParameter(
            "timezone must be the IANA name of a time zone, such as Europe/Berlin", {"field": "timezone"}
        )
    return Cut(bucket, timezone)


def ratio(request: Request, name: str) -> float | None:
    """A query parameter that is a ratio above 0, 1 at most; None where it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not _RATIO.fullmatch(text) or not 0 < float(text) <= 1:
        raise InvalidParameter(f"{name} must be a number above 0 and up to 1, such as 0.85", {"field": name})
    return float(text)


def flag(request: Request, name: str) -> bool | None:
    """A query parameter that is true or false; None where it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if text not in ("true", "false"):
        raise InvalidParameter(f"{name} must be true or false", {"field": name})
    return text == "true"


def integer(request: Request, name: str, default: int, lowest: int, highest: int) -> int:
    """A query parameter that is a whole number within bounds."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > len(str(highest)) or not lowest <= int(text) <= highest:
        raise InvalidParameter(
            f"{name} must be a whole number from {lowest} to {highest}, such as {default}", {"field": name}
        )
    return int(text)


def limit(request: Request, highest: int) -> int:
    """The length of a list; default: 100, and of one that is wanted as a table, its greatest length."""
    if wants_table(request):
        return integer(request, "limit", MAX_TABLE_ROWS, 1, MAX_TABLE_ROWS)
    return integer(request, "limit", min(DEFAULT_LIST_LIMIT, highest), 1, highest)


def wants_table(request: Request) -> bool:
    """Whether a list or series is asked for as CSV: by the parameter `format`, else by the header `Accept`."""
    wanted: Format | None = value(request, "format", Format)
    if wanted is not None:
        return wanted == "csv"
    accepted = {"text/csv": 0.0, "application/json": 0.0}
    for media_range in request.headers.get("Accept", "").lower().split(","):
        name, *options = (part.strip() for part in media_range.split(";"))
        weight = next((option[2:] for option in options if option.startswith("q=")), "1")
        accepted[name] = float(weight) if _WEIGHT.fullmatch(weight) else 0.0
    return accepted["text/csv"] > accepted["application/json"]


def seconds(request: Request, name: str) -> float | None:
    """A query parameter that is a duration: seconds, or a number with s, m, h or d; None where it is not given."""
    text = request.query_params.get(name)
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    duration_s = float(match[1]) * _SECONDS_PER[match[2]] if match else LONGEST_DURATION_S + 1
    if duration_s > LONGEST_DURATION_S:
        raise InvalidParameter(
            f"{name} must be a number of seconds, or one with s, m, h or d, such as 90 or 15m", {"field": name}
        )
    return duration_s
