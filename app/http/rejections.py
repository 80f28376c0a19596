"""Rejected requests and readings: all are counted by code, and a sample of them is logged with the device.

Codes are few and fixed, so that a client that sends nothing but bad requests fills neither the log nor the memory.
"""

import logging
import time
from collections.abc import Mapping

from prometheus_client import Counter
from starlette.types import Scope

from app import metrics
from app.errors import ProblemError

logger = logging.getLogger("energy.rejected")

LOG_PERIOD_S = 10.0
"""Time between two log lines about rejected requests, or readings, of one code; the next line counts those left out."""


class _Sampler:
    """Counts what is rejected of one sort, and logs the first of each code in a period."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._logged_at_s: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def note(self, code: str, count: int, what: str, device_id: str | None, detail: str) -> None:
        """Count rejections of a code; log one of them unless another was logged a moment ago."""
        self._counter.labels(code=code).inc(count)
        left_out = self._left_out.get(code, 0)
        now_s = time.monotonic()
        if now_s - self._logged_at_s.get(code, -LOG_PERIOD_S) < LOG_PERIOD_S:
            self._left_out[code] = left_out + count
            return
        self._logged_at_s[code] = now_s
        self._left_out[code] = 0
        left_out += count - 1
        # What a client has sent is quoted, so that it begins no line of its own.
        logger.info(
            "rejected %s, device %r: %s, %r%s",
            *(what, device_id, code, detail),
            f"; {left_out} more with this code since the last such line" if left_out else "",
            extra={"fields": {"code": code, "deviceId": device_id, "leftOut": left_out}},
        )


_requests = _Sampler(metrics.REJECTED_REQUESTS)
_readings = _Sampler(metrics.REJECTED_READINGS)


def note_request(scope: Scope, error: ProblemError) -> None:
    """A request that is answered with a problem document."""
    path = scope["path"]
    device_id = error.device_id
    if device_id is None and not path.startswith("/v1/assignments"):
        device_id = scope.get("path_params", {}).get("id")
    _requests.note(error.code, 1, f"{scope['method']} {path!r}", device_id, error.detail)


def note_readings(counts: Mapping[str, int], examples: Mapping[str, tuple[str | None, str]]) -> None:
    """Readings refused by code; an example of each code is a device and why."""
    for code, count in counts.items():
        device_id, detail = examples[code]
        _readings.note(code, count, "reading", device_id, detail)
