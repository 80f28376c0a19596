"""What does the load of 10,000 devices of each kind cost that report once a minute, each with a request of its own?"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, islice
from pathlib import Path

from bench.generate import SWEEP, Reading, json_object, post, sweeps, write_requests
from bench.load import Figure, Sample, alternate, median, send
from bench.report import Reached, Table
from bench.targets import Storage

PER_S = SWEEP / 60
CONNECTIONS = 64
LASTS_S = 60


def measure(storages: Sequence[Storage], directory: Path, quick: bool) -> Table:
    """A minute of it on each profile, with one worker; evenly spread, each reading stamped when it is due."""
    seconds = 5 if quick else LASTS_S
    readings = list(chain.from_iterable(sweeps(1, datetime.now(UTC))))
    figures = {}
    for storage in storages:
        figures[f"{storage.profile}, 1 worker"] = Figure(
            partial(_send, storage, readings, directory / "nominal", seconds), storage.empty, storage.keeps(1)
        )
    samples = alternate(1, figures)
    table = Table("Nominal load", samples)
    taken = median(next(iter(samples.values())))
    share = taken.service_cpu + taken.database_cpu
    table.reached += [
        Reached("nominal load, p99", f"{taken.p99_ms:.1f} ms", "< 20 ms"),
        Reached("nominal load, service and database together", f"{share:.2f} of a core", "< 0.25"),
    ]
    return table


def _send(storage: Storage, readings: Sequence[Reading], path: Path, seconds: int) -> Sample:
    requests = write_requests(path, _due(readings, seconds), 1)
    return send(storage.services[1], requests, connections=CONNECTIONS, seconds=seconds, per_s=PER_S)


def _due(readings: Sequence[Reading], seconds: int) -> Iterator[bytes]:
    """Requests of so many seconds, each stamped when it is due. A second more than are sent: none comes again."""
    began = datetime.now(UTC)
    for number, reading in enumerate(islice(readings, round(PER_S * (seconds + 1)))):
        due = reading._replace(at=began + timedelta(seconds=number / PER_S))
        yield post("/v1/ingest", "application/json", json_object(due).encode())
