"""How near do POSTs of one reading come to what the same server answers when it has nothing to do?"""

from datetime import timedelta
from functools import partial
from pathlib import Path

from bench.generate import get, json_object, post, sweeps, whole_second, write_requests
from bench.load import alternate, send
from bench.report import Table, ratio_line
from bench.targets import Storage

CONNECTIONS = (64, 256)
SWEEPS = 12


def measure(storage: Storage, directory: Path, rounds: int, seconds: int) -> Table:
    """Single readings and /livez by turns, for each number of workers and connections."""
    stream = (reading for batch in sweeps(SWEEPS, whole_second(timedelta(minutes=10))) for reading in batch)
    requests = (post("/v1/ingest", "application/json", json_object(reading).encode()) for reading in stream)
    posts = write_requests(directory / "single", requests, 1)
    livez = write_requests(directory / "livez", [get("/livez")])
    figures = {}
    for workers, target in storage.services.items():
        for connections in CONNECTIONS:
            load = f"{workers} worker{'s' if workers > 1 else ''}, {connections} connections"
            run = partial(send, target, connections=connections, seconds=seconds)
            figures[f"POST, {load}"] = partial(run, posts)
            figures[f"/livez, {load}"] = partial(run, livez, again=True)
    samples = alternate(rounds, figures, lambda name: storage.empty() if name.startswith("POST") else None)
    return Table(
        f"Single readings, {storage.profile} profile",
        samples,
        [ratio_line(samples, name, name.replace("POST", "/livez")) for name in figures if name.startswith("POST")],
    )
