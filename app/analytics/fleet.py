"""The whole fleet: parameters in, structs out."""

from typing import Any

from app.analytics.buckets import Cut, cut_size
from app.analytics.rounding import ENERGY_DIGITS, RATIO_DIGITS, rounded
from app.analytics.sides import coverage, reading_counts, total_energy
from app.db.pool import Database
from app.errors import InvalidParameter
from app.wire.energy import Window
from app.wire.fleet import AtFault, Fleet, FleetReasons, FleetSeries, Matched, Seen

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
    """The fleet's energy for every bucket of a window, in order.

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


def _fleet(row: Any) -> Fleet:
    return Fleet(
        window=Window(row.bucket_from, row.bucket_to),
        totalEnergy=total_energy(row),
        acAttributedKwh=rounded(row.energy_ac_attributed_kwh, ENERGY_DIGITS),
        acUnattributedKwh=rounded(row.energy_ac_unattributed_kwh, ENERGY_DIGITS),
        efficiencyRatio=rounded(row.efficiency_ratio, RATIO_DIGITS),
        matched=Matched(
            row.vehicles_matched,
            rounded(row.matched_energy_ac_kwh, ENERGY_DIGITS),
            rounded(row.matched_energy_dc_kwh, ENERGY_DIGITS),
        ),
        seen=Seen(row.meters_seen, row.vehicles_seen),
        atFault=AtFault(row.meters_at_fault, row.vehicles_at_fault),
        readings=reading_counts(row),
        coverage=coverage(row),
        estimated=row.is_estimated,
        pending=row.is_pending,
        reasons=FleetReasons(row.energy_ac_reason, row.energy_dc_reason, row.efficiency_reason),
    )
