"""How near do POSTs of one reading come to what the same server answers when it has nothing to do?"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from bench.generate import get, json_object, line_protocol, post, sweeps, whole_second, write_requests
from bench.load import Figure, alternate, median, send
from bench.peers import WRITE_PATH, Peer
from bench.report import Reached, Table, ratio, ratio_line
from bench.targets import Storage, plural

CONNECTIONS = (64, 256)
# 40,000 a second for so long are enough; where more are taken, the round ends early.
PER_S = 40_000


def measure(storages: Sequence[Storage], peers: Sequence[Peer], directory: Path, rounds: int, seconds: int) -> Table:
    """Single readings and /livez by turns, for each number of workers and connections; other profiles and peers beside
    the most of both."""
    count = PER_S * seconds // 20_000
    readings = list(chain.from_iterable(sweeps(count, whole_second(timedelta(minutes=10)))))
    posts = write_requests(
        directory / "single", (post("/v1/ingest", "application/json", json_object(r).encode()) for r in readings), 1
    )
    lines = write_requests(
        directory / "single_lines", (post(WRITE_PATH, "text/plain", line_protocol([r])) for r in readings), 1
    )
    livez = write_requests(directory / "livez", [get("/livez")])
    first = storages[0]
    figures: dict[str, Figure] = {}
    for storage in storages:
        for workers, target in storage.services.items():
            for connections in CONNECTIONS:
                if storage is not first and (workers, connections) != (max(storage.services), CONNECTIONS[-1]):
                    continue
                load = f"{storage.profile}, {plural(workers, 'worker')}, {connections} connections"
                run = partial(send, target, connections=connections, seconds=seconds)
                figures[f"POST, {load}"] = Figure(partial(run, posts), storage.empty, storage.keeps(1))
                figures[f"/livez, {load}"] = Figure(partial(run, livez, again=True), storage.settle)
    for peer in peers:
        for connections in CONNECTIONS:
            figures[f"{peer.kind.name}, {connections} connections"] = Figure(
                partial(peer.send, lines, connections, seconds),
                peer.start_anew,
            )
    samples = alternate(rounds, figures)
    for peer in peers:
        peer.stop()
    ours = [name for name in figures if name.startswith("POST")]
    table = Table("Single readings", samples)
    table.notes = [ratio_line(samples, name, name.replace("POST", "/livez")) for name in ours]
    for peer in peers:
        theirs = max((n for n in figures if n.startswith(peer.kind.name)), key=lambda n: median(samples[n]).per_s)
        best = max((n for n in ours if first.profile in n), key=lambda n: median(samples[n]).per_s)
        table.notes.append(ratio_line(samples, best, theirs))
        if peer.kind.name == "InfluxDB":
            table.reached.append(
                Reached("single readings over InfluxDB's single lines", f"{ratio(samples, best, theirs):.2f}", "≥ 1.0")
            )
    most = f"{first.profile}, {plural(max(first.services), 'worker')}, {CONNECTIONS[-1]} connections"
    over = ratio(samples, f"POST, {most}", f"/livez, {most}")
    table.reached.insert(0, Reached(f"single readings, {most}, over /livez", f"{over:.2f}", "≥ 0.6"))
    return table
