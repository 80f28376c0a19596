"""What the service counts of itself, for Prometheus at `/metrics`."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REGISTRY = CollectorRegistry()

READINGS = Counter(
    "energy_readings",
    "Readings that came in, by outcome: accepted, duplicate, conflict, rejected",
    ["outcome"],
    registry=REGISTRY,
)
INGEST_TRANSACTIONS = Counter(
    "energy_ingest_transactions",
    "Transactions that kept readings, by path: direct (COPY), or staged (late readings, or some were there already)",
    ["path"],
    registry=REGISTRY,
)
READINGS_WAITING = Gauge(
    "energy_readings_waiting", "Readings that wait to be written", registry=REGISTRY, multiprocess_mode="livesum"
)
REGISTERS_WAITING = Gauge(
    "energy_registers_waiting",
    "Registers that wait to be judged anew; their answers are pending",
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
REQUEST_SECONDS = Histogram(
    "energy_http_request_seconds",
    "Time to answer, by endpoint and status",
    ["endpoint", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
REJECTED_REQUESTS = Counter(
    "energy_rejected_requests", "Requests answered with a problem document, by its code", ["code"], registry=REGISTRY
)
REJECTED_READINGS = Counter(
    "energy_rejected_readings", "Readings that were refused, by the code of their error", ["code"], registry=REGISTRY
)

_OUTCOMES = {outcome: READINGS.labels(outcome=outcome) for outcome in ("accepted", "duplicate", "conflict", "rejected")}


def count_readings(**counts: int) -> None:
    """Add to the readings of each outcome."""
    for outcome, count in counts.items():
        if count:
            _OUTCOMES[outcome].inc(count)


CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition() -> bytes:
    """Every figure in Prometheus's text format; of several workers, all of theirs together."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
