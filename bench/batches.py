"""How near do batches come to the raw limit: psql's \\copy of the same rows into the same tables, triggers included?"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from bench.generate import (
    SWEEP,
    CopyFiles,
    Requests,
    json_array,
    json_lines,
    line_protocol,
    post,
    sweeps,
    whole_second,
    write_copy,
    write_requests,
)
from bench.load import Figure, alternate, copy, median, send
from bench.machine import largest_mb
from bench.peers import WRITE_PATH, Peer
from bench.report import Reached, Table, ratio, ratio_line
from bench.targets import Storage, plural

SIZES = (1000, 10_000)
# As many gateways send at once. More do not raise the rate; fewer leave a worker idle while it waits.
CONNECTIONS = 8
# So many readings a second for so long are enough; where more are taken, the round ends early.
PER_S = 250_000
# What \copy loads in a round, readings a second of the round's length; half of it on profiles beside the first.
COPIED_PER_S = 200_000
FORMS = (
    ("JSON", "/v1/ingest", "application/json", json_array),
    ("NDJSON", "/v1/ingest", "application/x-ndjson", json_lines),
    ("lines", WRITE_PATH, "text/plain", line_protocol),
)


def measure(
    storages: Sequence[Storage], peers: Sequence[Peer], directory: Path, rounds: int, seconds: int
) -> list[Table]:
    """Batches by size, form and number of workers, and \\copy on one and on two connections, by turns; other profiles
    and peers beside them."""
    tables = [_measure(storages, peers, directory, size, rounds, seconds) for size in SIZES]
    peaks = {workers: max(largest_mb(target.service[0])) for workers, target in storages[0].services.items()}
    tables[-1].notes += [
        f"Most memory ever resident in a process of the service with {plural(workers, 'worker')}: {peak:,.0f} MB"
        for workers, peak in peaks.items()
    ]
    largest = max(peaks.values())
    tables[-1].reached.append(Reached("resident memory of a worker under batches", f"{largest:,.0f} MB", "< 200 MB"))
    return tables


def prepare(directory: Path, size: int, readings: int) -> tuple[dict[str, Requests], CopyFiles]:
    """Files of so many readings, the same ones in each form."""
    batches = list(sweeps(max(1, readings // SWEEP), whole_second(timedelta(minutes=10)), size))
    requests = {
        name: write_requests(
            directory / f"{name}_{size}", (post(path, media_type, form(batch)) for batch in batches), size
        )
        for name, path, media_type, form in FORMS
    }
    return requests, write_copy(directory / f"copy_{size}", batches, size)


def _measure(
    storages: Sequence[Storage], peers: Sequence[Peer], directory: Path, size: int, rounds: int, seconds: int
) -> Table:
    requests, files = prepare(directory, size, PER_S * seconds)
    figures: dict[str, Figure] = {}
    for storage in storages:
        figures |= _posts(storage, requests, size, seconds, few=storage is not storages[0])
    for storage in storages:
        figures |= _copies(storage, files, COPIED_PER_S * seconds // size, few=storage is not storages[0])
    for peer in peers:
        figures[peer.kind.name] = Figure(
            partial(peer.send, requests["lines"], CONNECTIONS, seconds),
            peer.start_anew,
        )
    samples = alternate(rounds, figures)
    for peer in peers:
        peer.stop()
    table = Table(f"Batches of {size:,}", samples)
    for storage in storages:
        of_profile = [name for name in figures if storage.profile in name]
        limit = max((n for n in of_profile if n.startswith("\\copy")), key=lambda n: median(samples[n]).per_s)
        ours = [name for name in of_profile if not name.startswith("\\copy")]
        table.notes += [ratio_line(samples, name, limit) for name in ours]
        best = max(ours, key=lambda name: median(samples[name]).per_s)
        if storage is storages[0]:
            over = ratio(samples, best, limit)
            table.reached.append(Reached(f"batches of {size:,} ({best}) over the raw limit", f"{over:.2f}", "≥ 1.0"))
            table.notes += [ratio_line(samples, best, peer.kind.name) for peer in peers]
            if any(peer.kind.name == "InfluxDB" for peer in peers):
                over = ratio(samples, best, "InfluxDB")
                table.reached.append(Reached(f"batches of {size:,} over InfluxDB's", f"{over:.2f}", "≥ 0.75"))
    return table


def _posts(storage: Storage, requests: dict[str, Requests], size: int, seconds: int, few: bool) -> dict[str, Figure]:
    """POSTs in both forms with each number of workers; of a few, JSON with most of them."""
    figures = {}
    for workers, target in storage.services.items():
        for form in ("JSON", "NDJSON"):
            if not few or (form == "JSON" and workers == max(storage.services)):
                figures[f"{form}, {storage.profile}, {plural(workers, 'worker')}"] = Figure(
                    partial(send, target, requests[form], connections=CONNECTIONS, seconds=seconds),
                    storage.empty,
                    storage.keeps(size),
                )
    return figures


def _copies(storage: Storage, files: CopyFiles, batches: int, few: bool) -> dict[str, Figure]:
    """\\copy on one and on two connections, a transaction a batch as a gateway would have it, or one for each table."""
    figures = {}
    for connections in (1, 2):
        for together, unit in ((True, "batch"), (False, "table of a batch")):
            if together or not few:
                name = f"\\copy, {storage.profile}, a transaction a {unit}, {plural(connections, 'connection')}"
                figures[name] = Figure(
                    partial(
                        copy,
                        storage.psql,
                        storage.url,
                        files,
                        storage.database,
                        batches=batches // 2 if few else batches,
                        connections=connections,
                        in_one_transaction=together,
                    ),
                    storage.empty,
                )
    return figures
