"""The rules of registers on the examples that made them: what a person would count."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.registers import Decision, Event, Rules, energy, events

START = datetime(2026, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
RATED = Rules(rated_power_kw=22)
UNKNOWN = Rules()
SESSIONS = Rules("session", rated_power_kw=22)

Series = list[tuple[datetime, float]]


def every(step: timedelta, *values: float) -> Series:
    """Readings at even distances."""
    return [(START + step * number, float(kwh)) for number, kwh in enumerate(values)]


def counted(readings: Series, rules: Rules, decisions: dict[datetime, Decision] | None = None) -> float | None:
    """All that a series counts."""
    found = events(readings, rules, decisions)
    return energy(readings, found, START - QUARTER, readings[-1][0])


def kinds(found: list[Event]) -> list[str]:
    """The kinds of events, the first reading's left out."""
    assert found[0].kind == "baseline"
    return [event.kind for event in found[1:]]


@pytest.mark.parametrize(
    ("rules", "values", "kwh", "steps"),
    [
        (RATED, (842, 845.5, 0, 846, 850), 8, ["reset", "return"]),
        (RATED, (910, 915, 431.2, 436.2), 10, ["break"]),
        (RATED, (12, 13, 9000, 13.5, 15), 3, ["break", "return"]),
        (RATED, (150, 153, 141, 144), 6, ["break"]),
        (RATED, (842, 3, 3.5, 846), 4, ["reset", "return"]),
        (RATED, (100, 105, 100.5, 106), 6, ["return"]),
        (RATED, (12, 13, 9000, 9000, 9001, 13.5, 15), 3, ["break", "return"]),
        (RATED, (842, 845.5, 0, 0, 0, 0, 846, 850), 8, ["reset", "return"]),
        (UNKNOWN, (842, 845.5, 0, 846, 850), 8, ["reset", "return"]),
        (UNKNOWN, (842, 845.5, 431, 846, 850), 8, ["break", "return"]),
        (UNKNOWN, (10, 12, 14, 0, 3, 6), 10, ["reset"]),
        (Rules(modulus_kwh=10_000, rated_power_kw=22), (9990, 9995, 3, 9), 5 + 8 + 6, ["rollover"]),
        (Rules(modulus_kwh=10_000, rated_power_kw=22), (9990, 9994, 2, 9995, 9999), 9, ["rollover", "return"]),
        (SESSIONS, (0, 3, 7, 0, 2, 5, 1, 4), 7 + 5 + 4, ["reset", "reset"]),
        (SESSIONS, (3, 3, 2.95, 3.2), 0.2, []),
    ],
)
def test_a_series_counts_what_a_person_would(
    rules: Rules, values: tuple[float, ...], kwh: float, steps: list[str]
) -> None:
    readings = every(QUARTER, *values)
    found = events(readings, rules)
    assert kinds(found) == steps
    assert counted(readings, rules) == pytest.approx(kwh)


def test_a_coarse_counter_that_stands_for_hours_has_had_time_to_count() -> None:
    readings = every(timedelta(hours=1), 99, 100, 100, 100, 100, 100, 144)
    assert kinds(events(readings, Rules(rated_power_kw=11))) == []
    # After an event too: otherwise each step of it would be a break, and the next one as well.
    assert kinds(events(readings[1:], Rules(rated_power_kw=11))) == []
    assert kinds(events(every(timedelta(hours=1), 50, 100, 100, 100, 160), Rules(rated_power_kw=11))) == [
        "break",
        "break",
    ]


def test_a_long_gap_of_a_register_is_energy_and_no_fault() -> None:
    readings = [(START, 1.0), (START + QUARTER, 2.0), (START + timedelta(days=30), 5002.0)]
    assert counted(readings, RATED) == pytest.approx(5001)
    assert counted(readings, UNKNOWN) == pytest.approx(5001)


def test_decisions_stand_whatever_comes_later() -> None:
    readings = every(QUARTER, 10, 12, 4000, 4002, 12.5, 13)
    at = {number: readings[number][0] for number in range(len(readings))}
    assert counted(readings, RATED) == pytest.approx(3)
    assert counted(readings[:4], RATED, {at[2]: Decision("plain")}) == pytest.approx(3992)
    assert counted(readings[:4], RATED, {at[2]: Decision("exchange", 3999)}) == pytest.approx(2 + 1 + 2)
    assert counted(readings, RATED, {at[2]: Decision("glitch"), at[3]: Decision("glitch")}) == pytest.approx(3)
    assert kinds(events(readings, RATED, {at[2]: Decision("glitch"), at[3]: Decision("glitch")})) == [
        "glitch", "glitch", "return",
    ]  # fmt: skip


def test_an_announced_exchange_is_of_the_first_reading_at_or_after_it() -> None:
    readings = every(QUARTER, 4000, 4005, 4010, 702, 705)
    told = {START + 2 * QUARTER + timedelta(minutes=5): Decision("exchange", 700)}
    assert counted(readings, RATED, told) == pytest.approx(10 + 2 + 3)
    assert kinds(events(readings, RATED, told)) == ["exchange"]
    assert counted(readings, RATED) == pytest.approx(13)
