"""Numbers and times as vendors write them: what reads in one way is read, what reads in two is asked for."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.tools.dialect import Decimal, Dialect, Unclear, decimal_of

BERLIN = Dialect(time_zone=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("decimal", "text", "value"),
    [
        (",", "1.234", 1234),
        (",", "-0,5", -0.5),
        (",", "1.234.567,8", 1234567.8),
        (",", "12.5", "12.5"),
        (",", "1.234 567", "1.234 567"),
        (".", "1.234", 1.234),
        (".", "1,234.5", 1234.5),
        (".", "1,23", "1,23"),
        (".", "1e-3", 0.001),
        (".", "1_0", "1_0"),
        (".", "nan", "nan"),
        (None, "12,5", 12.5),
        (None, "0.180", 0.18),
        (None, "1.234", Unclear),
        (None, "1,234", Unclear),
        (None, "1 234", 1234),
    ],
)
def test_a_number_is_read_only_in_one_way(decimal: Decimal | None, text: str, value: object) -> None:
    if value is Unclear:
        with pytest.raises(Unclear, match=r"may be 1\.234 or 1234; give --decimal comma"):
            Dialect(decimal).number("soc", text)
    else:
        assert Dialect(decimal).number("soc", text) == value


@pytest.mark.parametrize(
    ("texts", "delimiter", "decimal"),
    [
        (["1.234", "12,5"], ";", ","),
        (["1.234", "0.5"], ";", "."),
        (["1.234", "42"], ";", None),
        (["1.234", "NaN"], ";", None),
        (["1.234", "42"], ",", "."),
        (["1,234"], ",", None),
        (["1,5", "1.5"], ";", None),
    ],
)
def test_the_decimal_mark_is_taken_from_numbers_that_have_one(texts: list[str], delimiter: str, decimal: str) -> None:
    assert decimal_of(texts, delimiter) == decimal


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("25.10.2026 01:30", datetime(2026, 10, 24, 23, 30, tzinfo=UTC)),
        ("2026-10-25 03:30:00", datetime(2026, 10, 25, 2, 30, tzinfo=UTC)),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T02:30:00+01:00"),
        ("25.10.2026 02:30", "is twice in Europe/Berlin: 2026-10-25T00:30:00Z or 2026-10-25T01:30:00Z"),
        ("29.03.2026 02:30", "does not exist in Europe/Berlin"),
        ("03/04/2026 10:00", "may begin with the day or the month"),
        ("0001-01-01 00:00", "is out of range"),
        ("31.02.2026 10:00", "31.02.2026 10:00"),
    ],
)
def test_a_local_time_is_read_only_in_one_way(text: str, at: object) -> None:
    try:
        assert BERLIN.instant("timestamp", text) == at
    except Unclear as unclear:
        assert str(at) in str(unclear)  # noqa: PT017


def test_a_time_without_a_zone_or_of_another_form_is_refused() -> None:
    with pytest.raises(Unclear, match="has no time zone; give --timezone"):
        Dialect().instant("timestamp", "2026-10-25 10:00")
    with pytest.raises(Unclear, match="does not have the form of --date-format %d/%m/%Y"):
        Dialect(date_format="%d/%m/%Y").instant("timestamp", "2026-10-25")
