"""An answer as a table: CSV (RFC 4180) of its list, a row an item, for spreadsheets.

Columns are the fields of an item; a field of a struct within it is named by its path, such as
`totalEnergy.acConsumedKwh`. A unit that the name does not tell stands behind it. Numbers are those of the JSON answer
with a decimal point, times are UTC as spreadsheets read them, what is not known is empty, and several values in a cell
are separated by spaces.
"""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

MEDIA_TYPE = "text/csv"
# By the last part of a column's name, unless it ends in Kwh or Kw.
_UNITS = {
    "voltage": "V",
    "avgVoltage": "V",
    "soc": "%",
    "socStart": "%",
    "socEnd": "%",
    "batteryTemp": "°C",
    "avgBatteryTemp": "°C",
    "maxBatteryTemp": "°C",
    "minutesToFull": "min",
}
# A spreadsheet takes a text that begins so for a formula, and people name devices as they like.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Column(NamedTuple):
    """A column: its head, and how its value is taken out of an item."""

    head: str
    value: Callable[[Any], Any]


def table(content: msgspec.Struct) -> bytes:
    """The list of an answer as CSV, in UTF-8 with a byte order mark, by which spreadsheets know it."""
    field, item = _list_of(type(content))
    columns = _columns(item)
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow([column.head for column in columns])
    for row in getattr(content, field):
        writer.writerow([_cell(column.value(row)) for column in columns])
    return written.getvalue().encode("utf-8-sig")


@cache
def _list_of(answer: type[msgspec.Struct]) -> tuple[str, type[msgspec.Struct]]:
    """The field of an answer that is a list of structs, and what it lists."""
    for field in _struct(answer).fields:
        if isinstance(field.type, inspect.ListType) and isinstance(field.type.item_type, inspect.StructType):
            return field.name, field.type.item_type.cls
    raise TypeError(f"{answer.__name__} has no list of structs")


@cache
def _columns(item: type[msgspec.Struct]) -> tuple[Column, ...]:
    return tuple(_of_fields(_struct(item), "", lambda value: value))


def _struct(of: type[msgspec.Struct]) -> inspect.StructType:
    described = inspect.type_info(of)
    assert isinstance(described, inspect.StructType)
    return described


def _of_fields(described: inspect.StructType, path: str, outer: Callable[[Any], Any]) -> Iterator[Column]:
    for field in described.fields:

        def value(item: Any, name: str = field.name) -> Any:
            within = outer(item)
            return None if within is None else getattr(within, name)

        name = path + field.encode_name
        if nested := _nested(field.type):
            yield from _of_fields(nested, f"{name}.", value)
        else:
            yield Column(name + _unit(field.encode_name, name, field.type), value)


def _nested(type_: inspect.Type) -> inspect.StructType | None:
    """The struct that a field holds, always or sometimes."""
    return next((option for option in _options(type_) if isinstance(option, inspect.StructType)), None)


def _options(type_: inspect.Type) -> Iterator[inspect.Type]:
    """What a value of a type may be, whatever is described about it."""
    for option in type_.types if isinstance(type_, inspect.UnionType) else (type_,):
        yield option.type if isinstance(option, inspect.Metadata) else option


def _unit(name: str, path: str, type_: inspect.Type) -> str:
    options = tuple(_options(type_))
    if any(isinstance(option, inspect.DateTimeType) for option in options):
        return " (UTC)"
    unit = "V" if path.startswith("voltage.") else _UNITS.get(name)
    return f" ({unit})" if unit and any(isinstance(option, inspect.FloatType) for option in options) else ""


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    if isinstance(value, list):
        return " ".join(str(_cell(getattr(part, "code", part))) for part in value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
