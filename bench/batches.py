"""How near do batches come to the raw limit: psql's \\copy of the same rows into the same tables, triggers included?"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from bench.generate import (
    SWEEP,
    CopyFiles,
    Requests,
    json_array,
    json_lines,
    post,
    sweeps,
    whole_second,
    write_copy,
    write_requests,
)
from bench.load import Sample, alternate, copy, median, send
from bench.report import Table, ratio_line
from bench.targets import Storage

SIZES = (1000, 10_000)
# As many gateways send at once. More do not raise the rate; fewer leave a worker idle while it waits.
CONNECTIONS = 8
FORMS = (("JSON", "application/json", json_array), ("NDJSON", "application/x-ndjson", json_lines))


def measure(storage: Storage, directory: Path, rounds: int, seconds: int) -> list[Table]:
    """Batches by size, form and number of workers, and \\copy on one and on two connections, by turns."""
    return [_measure(storage, directory, size, rounds, seconds) for size in SIZES]


def prepare(directory: Path, size: int, readings: int) -> tuple[dict[str, Requests], CopyFiles]:
    """Files of so many readings, the same ones in each form."""
    batches = list(sweeps(readings // SWEEP, whole_second(timedelta(minutes=10)), size))
    requests = {
        name: write_requests(
            directory / f"{name}_{size}", (post("/v1/ingest", media_type, form(batch)) for batch in batches), size
        )
        for name, media_type, form in FORMS
    }
    return requests, write_copy(directory / f"copy_{size}", batches, size)


def _measure(storage: Storage, directory: Path, size: int, rounds: int, seconds: int) -> Table:
    # As many as 200,000 a second use up; where more are taken, the round ends early.
    requests, files = prepare(directory, size, int(200_000 * seconds) // SWEEP * SWEEP)
    figures: dict[str, Callable[[], Sample]] = {}
    for workers, target in storage.services.items():
        for form, bodies in requests.items():
            name = f"{form}, {workers} worker{'s' if workers > 1 else ''}"
            figures[name] = partial(send, target, bodies, connections=CONNECTIONS, seconds=seconds)
    raw: list[str] = []
    for connections in (1, 2):
        for together, unit in ((True, "a transaction a batch"), (False, "a transaction a table")):
            name = f"\\copy, {unit}, {connections} connection{'s' if connections > 1 else ''}"
            raw.append(name)
            figures[name] = partial(
                copy,
                storage.psql,
                storage.url,
                files,
                storage.database,
                batches=len(files.meters) // 2,
                connections=connections,
                in_one_transaction=together,
            )
    samples = alternate(rounds, figures, lambda _: storage.empty())
    limit = max(raw, key=lambda name: median(samples[name]).per_s)
    ratios = [ratio_line(samples, name, limit) for name in figures if name not in raw]
    return Table(f"Batches of {size:,}, {storage.profile} profile", samples, ratios)
