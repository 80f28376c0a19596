"""The buckets into which a series cuts its window."""

from typing import NamedTuple

from app.db.pool import Database
from app.errors import InvalidParameter
from app.wire.energy import Bucket, Window


class Cut(NamedTuple):
    """How a series cuts its window: into hours or days of a time zone (an IANA name)."""

    bucket: Bucket
    timezone: str

    def parameters(self, window: Window) -> dict[str, object]:
        """The parameters of a query that answers bucket by bucket."""
        return {"window_from": window.from_, "window_to": window.to, "bucket": self.bucket, "timezone": self.timezone}


class CutSize(NamedTuple):
    """How many buckets there are, and how many of them begin within an hour (UTC) of the rollups."""

    buckets: int
    begin_within_an_hour: int


async def cut_size(database: Database, window: Window, cut: Cut) -> CutSize:
    """How a window is cut. Raises :class:`InvalidParameter` where the time zone is not known, :class:`DatabaseLost`.

    The database is asked, since its list of time zones applies.
    """
    if not await database.fetch_all("time_zone", {"timezone": cut.timezone}):
        raise InvalidParameter(
            f"timezone must be the IANA name of a time zone, such as Europe/Berlin; {cut.timezone} is unknown",
            {"field": "timezone"},
        )
    [row] = await database.fetch_all("cut_size", cut.parameters(window))
    return CutSize(row.buckets, row.begin_within_an_hour)
