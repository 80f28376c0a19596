"""What every answer says of hours whose history is gone: the rollup's hour, shared out by duration, and estimated.

At steady power shares by duration are exact. So each answer has to say after the history is gone what it said before,
and that it is estimated; and the answers about parts still add up.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.rows import TupleRow, namedtuple_row

from app.db.queries import query
from tests.support.readings import hours_ago, insert_meter_readings, insert_vehicle_readings

Connection = psycopg.Connection[TupleRow]

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STEP = 10 * MINUTE

# Three sessions at one meter that cut hours, the second of another vehicle; and one at a meter that draws less.
SESSIONS = [
    ("M-1", "V-1", "17:10", "18:40"),
    ("M-1", "V-2", "18:40", "20:20"),
    ("M-1", "V-1", "21:30", "22:10"),
    ("M-2", "V-3", "16:50", "19:10"),
]
POWER_KW = {"M-1": 6.0, "M-2": 3.0, "V-1": 5.4, "V-2": 5.1, "V-3": 2.4}
WINDOWS = [("00:00", "24:00"), ("17:20", "22:00"), ("18:10", "18:30"), ("18:30", "19:30")]


class Figures(NamedTuple):
    """What all answers say of a window, to a millionth: by answer, energies and ratios."""

    told: dict[str, Any]
    estimated: dict[str, bool]


def begin() -> datetime:
    """Midnight UTC of a day that is over."""
    return (hours_ago(0) - 5 * DAY).replace(hour=0)


def at(clock: str) -> datetime:
    """An instant of the day."""
    hours, minutes = (int(part) for part in clock.split(":"))
    return begin() + hours * HOUR + minutes * MINUTE


def keep(connection: Connection, kind: str) -> None:
    """Readings of all devices every ten minutes of a day, and of the hour before it, at steady power."""
    for device, power_kw in POWER_KW.items():
        insert = insert_meter_readings if device.startswith("M") else insert_vehicle_readings
        if kind == "register":
            side = "meter" if device.startswith("M") else "vehicle"
            connection.execute(f"SELECT api.set_{side}_kind(%s, 'register', NULL, NULL)", [device])
        step_kwh = power_kw / 6
        rows: list[Any] = []
        # The evening before gives a register the value that the day begins with.
        for number in range(-6, 24 * 6 + 1):
            kwh = 1000 + number * step_kwh if kind == "register" else step_kwh
            values = (kwh, 230.0) if device.startswith("M") else (50.0, kwh, 25.0)
            rows.append((device, begin() + number * STEP, *values))
        insert(connection, rows)
    for meter, vehicle, since, until in SESSIONS:
        connection.execute(
            "INSERT INTO telemetry.assignment (meter_id, vehicle_id, during) VALUES (%s, %s, tstzrange(%s, %s))",
            [meter, vehicle, at(since), at(until)],
        )
    connection.execute("CALL api.refresh_rollups(%s, %s)", [begin() - DAY, begin() + 3 * DAY])


def drop(connection: Connection, before: datetime) -> None:
    """Take the history before an instant away, as retention does, and say so in the policy."""
    for kind in ("meter", "vehicle"):
        relation = f"{kind}_telemetry_history"
        connection.execute("UPDATE telemetry.policy SET dropped_before = %s WHERE relation = %s", [before, relation])
        connection.execute(f"DELETE FROM telemetry.{relation} WHERE recorded_at <= %s", [before])


def asked(connection: Connection, name: str, window: tuple[datetime, datetime], **parameters: Any) -> list[Any]:
    """The rows of a named query."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(query(name), {"window_from": window[0], "window_to": window[1], **parameters}).fetchall()


def rounded(*figures: float | None) -> tuple[float | None, ...]:
    return tuple(None if figure is None else round(figure, 6) + 0.0 for figure in figures)


def figures_of(connection: Connection, window: tuple[datetime, datetime]) -> Figures:
    """All answers about a window, held against each other."""
    told: dict[str, Any] = {}
    estimated: dict[str, bool] = {}
    performances = {}
    for vehicle in ("V-1", "V-2", "V-3"):
        [row] = asked(connection, "vehicle_performance", window, vehicle_id=vehicle)
        performances[vehicle] = row
        told[vehicle] = rounded(row.energy_ac_kwh, row.energy_dc_kwh, row.energy_dc_elsewhere_kwh, row.efficiency_ratio)
        told[f"{vehicle} temperature"] = row.battery_temp_mean_c
        estimated[vehicle] = row.is_estimated
        for bucket, timezone in (("hour", "UTC"), ("hour", "Asia/Kolkata"), ("day", "Asia/Kolkata")):
            buckets = asked(connection, "vehicle_series", window, vehicle_id=vehicle, bucket=bucket, timezone=timezone)
            for name in ("energy_ac_kwh", "energy_dc_kwh", "energy_dc_elsewhere_kwh"):
                parts = sum(getattr(one, name) or 0 for one in buckets)
                assert parts == pytest.approx(getattr(row, name) or 0, abs=1e-6), (vehicle, bucket, timezone, name)
        parts = [one for one in asked(connection, "vehicle_explanation", window, vehicle_id=vehicle) if one.readings]
        for side, kwh in (("meter", row.energy_ac_kwh), ("vehicle", row.energy_dc_kwh)):
            assert sum(one.energy_kwh or 0 for one in parts if one.device_type == side) == pytest.approx(kwh or 0)
    drawn = []
    for meter in ("M-1", "M-2"):
        rows = asked(connection, "meter_energy", window, meter_id=meter)
        drawn.append(rows[0])
        told[meter] = [rounded(rows[0].energy_ac_kwh, rows[0].energy_ac_attributed_kwh)]
        told[meter] += [(one.vehicle_id, *rounded(one.fed_energy_ac_kwh, one.fed_energy_dc_kwh)) for one in rows]
        told[f"{meter} voltage"] = round(rows[0].voltage_mean_v, 6)
        estimated[meter] = rows[0].is_estimated
        days = asked(connection, "charger_health", window, meter_id=meter)
        told[f"{meter} days"] = [rounded(one.energy_ac_kwh, one.energy_dc_kwh, one.efficiency_ratio) for one in days]
    [fleet] = asked(connection, "fleet_energy", window, bucket="window", timezone="UTC")
    told["fleet"] = rounded(
        fleet.energy_ac_kwh, fleet.energy_dc_kwh, fleet.energy_dc_elsewhere_kwh, fleet.efficiency_ratio
    )
    estimated["fleet"] = fleet.is_estimated
    assert fleet.energy_ac_kwh == pytest.approx(sum(one.energy_ac_kwh for one in drawn))
    assert fleet.energy_ac_attributed_kwh == pytest.approx(sum(one.energy_ac_attributed_kwh for one in drawn))
    assert fleet.energy_ac_attributed_kwh == pytest.approx(sum(one.energy_ac_kwh or 0 for one in performances.values()))
    assert fleet.energy_dc_kwh == pytest.approx(sum(one.energy_dc_kwh for one in performances.values()))
    hours = asked(connection, "fleet_energy", window, bucket="hour", timezone="Asia/Kolkata")
    assert sum(one.energy_ac_kwh or 0 for one in hours) == pytest.approx(fleet.energy_ac_kwh)
    losses = asked(connection, "losses", window, below=0.86, row_limit=100)
    told["losses"] = sorted(
        (one.list, one.device_id, *rounded(one.efficiency_ratio, one.energy_ac_kwh))
        for one in losses
        if one.is_total is False
    )
    return Figures(told, estimated)


def flat(told: Any, name: str = "") -> dict[str, Any]:
    """Figures by their place in what was told."""
    if isinstance(told, dict):
        return {place: one for key, part in told.items() for place, one in flat(part, f"{name} {key}").items()}
    if isinstance(told, list | tuple):
        return {place: one for number, part in enumerate(told) for place, one in flat(part, f"{name} {number}").items()}
    return {f"{name} {told}": 0} if isinstance(told, str) else {name: told}


@pytest.fixture(params=["interval", "register"])
def kept(own: Connection, request: pytest.FixtureRequest) -> Connection:
    """A day of steady charging, of meters and vehicles of either kind."""
    keep(own, request.param)
    return own


def test_a_session_keeps_its_partial_hours(kept: Connection) -> None:
    window = (at("00:00"), at("24:00"))
    drop(kept, begin() + 2 * DAY)
    [row] = asked(kept, "vehicle_performance", (at("17:10"), at("18:40")), vehicle_id="V-1")
    assert rounded(row.energy_ac_kwh, row.energy_dc_kwh, row.efficiency_ratio) == (9.0, 8.1, 0.9)
    assert (row.is_estimated, row.efficiency_reason, row.energy_dc_elsewhere_kwh) == (True, None, pytest.approx(0))
    [row] = asked(kept, "vehicle_performance", window, vehicle_id="V-1")
    assert rounded(row.energy_ac_kwh, row.energy_dc_kwh) == (9.0 + 4.0, 129.6)
    assert row.efficiency_ratio == pytest.approx(0.9)


def test_every_answer_says_what_it_said_and_that_it_is_estimated(kept: Connection) -> None:
    before = [figures_of(kept, (at(since), at(until))) for since, until in WINDOWS]
    assert not any(any(one.estimated.values()) for one in before)
    # History goes as retention takes it: from the beginning on, each time a little further.
    for gone_to in ("18:00", "24:00"):
        drop(kept, at(gone_to))
        for (since, until), figures in zip(WINDOWS, before, strict=True):
            window = (at(since), at(until))
            after = figures_of(kept, window)
            assert flat(after.told) == pytest.approx(flat(figures.told)), (gone_to, since, until)
            # A window of whole hours cuts no hour of a meter; sessions cut those of the vehicles.
            cuts = {edge for session in SESSIONS for edge in map(at, session[2:]) if window[0] < edge < window[1]}
            cuts |= {edge for edge in window if edge.minute}
            if any(edge < at(gone_to) and edge.minute for edge in cuts):
                assert after.estimated["fleet"], (gone_to, since, until)
            if not any(edge <= at(gone_to) for edge in cuts):
                assert not after.estimated["fleet"], (gone_to, since, until)
