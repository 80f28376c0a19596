"""The whole fleet: parameters in, structs out."""

from typing import Any

from app.analytics.buckets import Cut, cut_size
from app.analytics.rounding import ENERGY_DIGITS, RATIO_DIGITS, rounded
from app.db.pool import Database
from app.errors import InvalidParameter
from app.wire.energy import Coverage, ReadingCounts, TotalEnergy, Window
from app.wire.fleet import Fleet, FleetReasons, FleetSeries, Matched, Seen

# A series of the fleet adds up every device's rows by bucket.
MAX_FLEET_BUCKETS = 7 * 24 + 1
"""Buckets in a series of the fleet: a week by hour, any window by day."""
MAX_FLEET_BUCKETS_CUTTING_HOURS = 7
"""Buckets in a series of the fleet that begin within an hour of UTC, as the days of a half-hour time zone do: each
reads that hour of every device from the history."""


async def fleet(database: Database, window: Window) -> Fleet:
    """The fleet's energy on both sides over a window, to the exact instant. Raises :class:`DatabaseLost`.

    Source: `api.fleet_energy`.
    """
    parameters = {"window_from": window.from_, "window_to": window.to, "bucket": "window", "timezone": "UTC"}
    [row] = await database.fetch_all("fleet_energy", parameters)
    return _fleet(row)


async def fleet_series(database: Database, window: Window, cut: Cut) -> FleetSeries:
    """The fleet's energy for every hour or day of a window, in order.

    Raises :class:`InvalidParameter` where the time zone is not known or the buckets are too many, and
    :class:`DatabaseLost`. Source: `api.fleet_energy`.
    """
    size = await cut_size(database, window, cut)
    if size.buckets > MAX_FLEET_BUCKETS:
        raise InvalidParameter(
            f"a series of the fleet must have at most {MAX_FLEET_BUCKETS} buckets, not {size.buckets}; ask for days",
            {"field": "from"},
        )
    if size.begin_within_an_hour > MAX_FLEET_BUCKETS_CUTTING_HOURS:
        raise InvalidParameter(
            f"a series of the fleet must have at most {MAX_FLEET_BUCKETS_CUTTING_HOURS} buckets that start within an "
            f"hour of UTC, not {size.begin_within_an_hour}; ask for fewer, or in a zone of whole hours, such as UTC",
            {"field": "timezone"},
        )
    rows = await database.fetch_all("fleet_energy", cut.parameters(window))
    return FleetSeries(window, cut.bucket, cut.timezone, [_fleet(row) for row in rows])


def _fleet(row: tuple[Any, ...]) -> Fleet:
    bucket_from, bucket_to, energy_ac, energy_dc, attributed, unattributed, ratio, *counted = row
    vehicles_matched, matched_ac, matched_dc, meters_seen, vehicles_seen, *read = counted
    meter_readings, vehicle_readings, meter_coverage, vehicle_coverage, estimated, *reasons = read
    return Fleet(
        window=Window(bucket_from, bucket_to),
        totalEnergy=TotalEnergy(rounded(energy_ac, ENERGY_DIGITS), rounded(energy_dc, ENERGY_DIGITS)),
        acAttributedKwh=rounded(attributed, ENERGY_DIGITS),
        acUnattributedKwh=rounded(unattributed, ENERGY_DIGITS),
        efficiencyRatio=rounded(ratio, RATIO_DIGITS),
        matched=Matched(vehicles_matched, rounded(matched_ac, ENERGY_DIGITS), rounded(matched_dc, ENERGY_DIGITS)),
        seen=Seen(meters_seen, vehicles_seen),
        readings=ReadingCounts(meter_readings, vehicle_readings),
        coverage=Coverage(rounded(meter_coverage, RATIO_DIGITS), rounded(vehicle_coverage, RATIO_DIGITS)),
        estimated=estimated,
        reasons=FleetReasons(*reasons),
    )
