"""Seeded readings to load and to send."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

SEED = 20


def minutes(devices: int, count: int, end: datetime, first: int = 0) -> Iterator[list[dict[str, Any]]]:
    """A minute of readings of `devices` meters and as many vehicles at a time, oldest first, the last one at `end`.

    Devices are numbered from `first` on.
    """
    rng = random.Random(SEED)
    for back in range(count - 1, -1, -1):
        at = (end - timedelta(minutes=back)).isoformat()
        minute: list[dict[str, Any]] = []
        for device in range(first, first + devices):
            energy_ac = round(rng.uniform(0, 0.37), 6)
            minute.append(
                {
                    "meterId": f"M-{device:05}",
                    "kwhConsumedAc": energy_ac,
                    "voltage": round(rng.gauss(230, 2), 1),
                    "timestamp": at,
                }
            )
            minute.append(
                {
                    "vehicleId": f"V-{device:05}",
                    "soc": round(rng.uniform(10, 95), 1),
                    "kwhDeliveredDc": round(energy_ac * 0.9, 6),
                    "batteryTemp": round(rng.gauss(28, 4), 1),
                    "timestamp": at,
                }
            )
        yield minute


def whole_minute() -> datetime:
    """The present, to the minute."""
    return datetime.now(UTC).replace(second=0, microsecond=0)
