"""How vendors write numbers and times: a decimal comma, thousands separators, Wh, local times.

What can be read in two ways is asked for by an option, never guessed.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from app.words import rfc3339

Decimal = Literal[".", ","]

_SIGN, _EXPONENT = r"[+-]?", r"(?:[eE][+-]?\d{1,3})?"
# Thousands are parted by the other mark, a space of any width, or an apostrophe, the same throughout.
_PARTED = r"[1-9]\d{{0,2}}(?P<mark>[{other} \u00a0\u202f'\u2019])\d{{3}}(?:(?P=mark)\d{{3}})*(?:{decimal}\d+)?"


def _form(decimal: Decimal, other: Decimal) -> re.Pattern[str]:
    mark = re.escape(decimal)
    parted = _PARTED.format(other=other, decimal=mark)
    return re.compile(rf"{_SIGN}(?:(?:\d+(?:{mark}\d*)?|{mark}\d+){_EXPONENT}|{parted})", re.ASCII)


_NUMBER: dict[Decimal, re.Pattern[str]] = {".": _form(".", ","), ",": _form(",", ".")}
_YEAR_FIRST = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?", re.ASCII)
# Nobody writes the month first with points.
_DAY_FIRST = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4}),?[ T](\d\d?):(\d\d)(?::(\d\d))?", re.ASCII)
_SLASHES = re.compile(r"\d{1,4}[/-]\d\d?[/-]\d{1,4}(?:\D.*)?", re.ASCII)


class Unclear(ValueError):
    """A cell can be read in two ways, or in none; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the options of `import` say about a CSV; None is found in the file, or not needed.

    `energy_unit` is of every energy of a reading.
    """

    decimal: Decimal | None = None
    time_zone: ZoneInfo | None = None
    date_format: str | None = None
    energy_unit: Literal["kWh", "Wh"] | None = None
    encoding: str | None = None

    def number(self, name: str, text: str) -> float | str:
        """A number, or the unchanged text where it is none, which the decoder rejects. Raises :class:`Unclear`."""
        value = _value(text, self.decimal) if self.decimal else _only_value(name, text)
        if value is None or not math.isfinite(value):
            return text
        return value / 1000 if self.energy_unit == "Wh" and name.startswith("kwh") else value

    def instant(self, name: str, text: str) -> datetime | str:
        """An instant with its zone, or the unchanged text where it has a zone or is none. Raises :class:`Unclear`."""
        if text.endswith("Z") and not self.date_format:
            return text  # Most times, at a tenth of the cost.
        if self.date_format:
            try:
                local = datetime.strptime(text, self.date_format)  # noqa: DTZ007
            except ValueError:
                raise Unclear(f"{name} {text} does not have the form of --date-format {self.date_format}") from None
        else:
            found = _local(name, text)
            if found is None:
                return text
            local = found
        if local.tzinfo:
            return local
        if not self.time_zone:
            raise Unclear(f"{name} {text} has no time zone; give --timezone, such as Europe/Berlin or UTC")
        return _in_utc(name, local, self.time_zone)


def decimal_of(texts: Iterable[str], delimiter: str) -> Decimal | None:
    """The decimal mark of the numbers of a file; None where they do not tell, or contradict each other."""
    found: set[Decimal] = set()
    for text in texts:
        if "." not in text and "," not in text:
            continue
        values = {decimal: _value(text, decimal) for decimal in _NUMBER}
        if None in values.values():
            found |= {decimal for decimal, value in values.items() if value is not None}
        elif values["."] != values[","] and delimiter == "," and "," not in text:
            # Where commas part the cells, a number with a decimal comma would be in quotes: the point is decimal.
            found.add(".")
    return found.pop() if len(found) == 1 else None


def _value(text: str, decimal: Decimal) -> float | None:
    if decimal == "." and "_" not in text:
        try:
            return float(text)  # Most numbers, at a third of the cost. Python would read 1_0 as 10.
        except ValueError:
            pass
    found = _NUMBER[decimal].fullmatch(text)
    if not found:
        return None
    digits = text.replace(found["mark"], "") if found["mark"] else text
    return float(digits.replace(decimal, "."))


def _only_value(name: str, text: str) -> float | None:
    values = {_value(text, decimal) for decimal in _NUMBER} - {None}
    if len(values) > 1:
        few, many = sorted(value for value in values if value is not None)
        raise Unclear(f"{name} {text} may be {few:g} or {many:g}; give --decimal comma or --decimal point")
    return values.pop() if values else None


def _local(name: str, text: str) -> datetime | None:
    """The local time of a text; None where it has another form."""
    try:
        if _YEAR_FIRST.fullmatch(text):
            return datetime.fromisoformat(text)
        if found := _DAY_FIRST.fullmatch(text):
            day, month, year, hour, minute, second = (int(part or 0) for part in found.groups())
            return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None
    if _SLASHES.fullmatch(text) and not re.match(r"\d{4}-\d\d-\d\d(\D|$)", text):
        raise Unclear(
            f"{name} {text} may begin with the day or the month; give --date-format, such as '%d/%m/%Y %H:%M'"
        )
    return None


def _in_utc(name: str, local: datetime, zone: ZoneInfo) -> datetime:
    try:
        first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first == second:
            return first
        if first.astimezone(zone).replace(tzinfo=None) != local:
            raise Unclear(f"{name} {local} does not exist in {zone}: clocks are put forward then")
    except OverflowError:
        raise Unclear(f"{name} {local} is out of range") from None
    raise Unclear(
        f"{name} {local} is twice in {zone}: {rfc3339(first)} or {rfc3339(second)}; write the one that is meant"
    )
