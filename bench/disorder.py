"""What do retries and late readings cost? Batches of 1,000 once each, twice each, and with 5 % of them late."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from bench.batches import CONNECTIONS
from bench.generate import SWEEP, json_array, late, post, repeated, sweeps, whole_second, write_requests
from bench.load import Figure, alternate, send
from bench.report import Reached, Table, ratio, ratio_line
from bench.targets import Storage, plural

SIZE = 1000
LATE_SHARE = 0.05
# A batch comes again after so many others: later than the connections there are, so that it is there already.
RETRIED_AFTER = 16
PER_S = 200_000


def measure(storages: Sequence[Storage], directory: Path, rounds: int, seconds: int) -> Table:
    """The three by turns on each profile, with most workers."""
    batches = list(sweeps(max(1, PER_S * seconds // SWEEP), whole_second(timedelta(minutes=10)), SIZE))
    clean = [post("/v1/ingest", "application/json", json_array(batch)) for batch in batches]
    disordered = [post("/v1/ingest", "application/json", json_array(batch)) for batch in late(batches, LATE_SHARE)]
    forms = {
        "once": write_requests(directory / "once", clean, SIZE),
        "twice": write_requests(directory / "twice", repeated(clean, RETRIED_AFTER), SIZE),
        f"{LATE_SHARE:.0%} late": write_requests(directory / "late", disordered, SIZE),
    }
    figures = {}
    for storage in storages:
        workers = max(storage.services)
        for form, requests in forms.items():
            figures[f"{form}, {storage.profile}, {plural(workers, 'worker')}"] = Figure(
                partial(send, storage.services[workers], requests, connections=CONNECTIONS, seconds=seconds),
                storage.empty,
                # Of two sendings one is kept.
                storage.keeps(SIZE / 2 if form == "twice" else SIZE),
            )
    samples = alternate(rounds, figures)
    table = Table("Retries and late readings, batches of 1,000", samples)
    for storage in storages:
        once, twice, lateness = (name for name in figures if storage.profile in name)
        over = ratio(samples, twice, once)
        table.notes += [
            f"{twice}: **{over:.2f}** of the clean run in readings answered, {over / 2:.2f} in readings newly kept",
            ratio_line(samples, lateness, once),
        ]
        if storage is storages[0]:
            table.reached.append(Reached("every batch of 1,000 sent twice, over once", f"{over:.2f}", "≥ 0.3"))
    return table
