"""Puts load on something and says what came of it: wrk over HTTP, psql for COPY, and rounds that take turns."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.generate import CopyFiles, Requests
from bench.machine import cpu_s

_SCRIPT = Path(__file__).with_name("send.lua")
_TIMEOUT_S = 30


class CannotMeasure(Exception):
    """Something that a figure needs is not here; the message says what, and what to do."""


@dataclass(frozen=True)
class Sample:
    """One round of one figure. `per_s` are readings a second, or requests where nothing is written."""

    per_s: float
    p50_ms: float
    p99_ms: float
    # Share of one core that went to the client, the service and the database while the round lasted.
    client_cpu: float
    service_cpu: float
    database_cpu: float
    # Requests answered with success.
    requests: int = 0


@dataclass(frozen=True)
class Figure:
    """How one round of a figure is taken, what has to be done before, and what has to hold after."""

    take: Callable[[], Sample]
    before: Callable[[], None] = lambda: None
    after: Callable[[Sample], None] = lambda _: None


@dataclass(frozen=True)
class Target:
    """What is put under load: an address, and the processes whose time counts as the service's and the database's."""

    address: str
    service: tuple[int, ...]
    database: tuple[int, ...]


def wrk() -> str:
    """Path of wrk. Raises :class:`CannotMeasure` where it is not installed."""
    path = shutil.which("wrk")
    if path is None:
        raise CannotMeasure("wrk is not installed: the Debian package is called wrk (apt-get install wrk)")
    return path


def send(
    target: Target,
    requests: Requests,
    *,
    connections: int,
    seconds: int,
    again: bool = False,
    per_s: float | None = None,
) -> Sample:
    """Send requests with wrk for so long, or until none is left; every answer has to be a success.

    `again`: go through them again and again. `per_s`: at a steady rate instead of as fast as answers come. Of batches,
    those under way at the end are waited for, and counted with their time.
    """
    is_of_batches = requests.readings_per_request > 1
    longest_s = seconds + _TIMEOUT_S if is_of_batches else seconds
    command = [wrk(), "-t1", f"-c{connections}", f"-d{longest_s}s", f"--timeout={_TIMEOUT_S}s", f"-s{_SCRIPT}"]
    command += [target.address, "--", str(requests.path)]
    if is_of_batches:
        command += ["to the last answer", str(seconds)]
    else:
        command.append("again and again" if again else "once")
        command += [f"{per_s:g}"] if per_s is not None else []
    service, database = cpu_s(target.service), cpu_s(target.database)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    service, database = cpu_s(target.service) - service, cpu_s(target.database) - database
    last_line = output.strip().rpartition("\n")[2]
    if process.returncode or not last_line.startswith("{"):
        raise CannotMeasure(f"wrk failed with status {process.returncode}:\n{output}")
    result = json.loads(last_line)
    if result["refused"] or result["broken"] or not result["requests"]:
        raise CannotMeasure(f"not every request was answered with success: {last_line}")
    lasted_s = result["duration_s"]
    return Sample(
        result["requests"] * max(1, requests.readings_per_request) / lasted_s,
        result["p50_ms"],
        result["p99_ms"],
        (usage.ru_utime + usage.ru_stime) / lasted_s,
        service / lasted_s,
        database / lasted_s,
        result["requests"],
    )


def copy(
    psql: Path,
    url: str,
    files: CopyFiles,
    database: tuple[int, ...],
    *,
    batches: int,
    connections: int,
    in_one_transaction: bool,
) -> Sample:
    r"""COPY the first batches with psql's \copy, dealt out to the connections; meters and vehicles of a batch in one
    transaction, or each in its own."""
    scripts = []
    for connection in range(connections):
        lines = ["\\set ON_ERROR_STOP on"]
        for number in range(connection, batches, connections):
            rows = (
                f"\\copy telemetry.meter_telemetry_history (meter_id, recorded_at, energy_ac_kwh, voltage_v) "
                f"from '{files.meters[number]}' with (format binary)",
                f"\\copy telemetry.vehicle_telemetry_history "
                f"(vehicle_id, recorded_at, soc_pct, energy_dc_kwh, battery_temp_c) "
                f"from '{files.vehicles[number]}' with (format binary)",
            )
            lines += ["BEGIN;", *rows, "COMMIT;"] if in_one_transaction else rows
        scripts.append(files.meters[0].with_name(f"connection_{connection}.sql"))
        scripts[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
    before, client_before = cpu_s(database), sum(os.times()[2:4])
    began = time.perf_counter()
    started = [
        subprocess.Popen([psql, "--no-psqlrc", "--quiet", f"--dbname={url}", f"--file={script}"]) for script in scripts
    ]
    statuses = [process.wait() for process in started]
    lasted_s = time.perf_counter() - began
    if any(statuses):
        raise CannotMeasure(f"psql failed: {statuses}")
    used, client = cpu_s(database) - before, sum(os.times()[2:4]) - client_before
    rate = batches * files.readings_per_batch / lasted_s
    return Sample(rate, 0.0, 0.0, client / lasted_s, 0.0, used / lasted_s)


def alternate(rounds: int, figures: Mapping[str, Figure]) -> dict[str, list[Sample]]:
    """Take every figure once a round, in turn, so that all see the machine in the same state."""
    samples: dict[str, list[Sample]] = {name: [] for name in figures}
    for number in range(rounds):
        for name, figure in figures.items():
            figure.before()
            sample = figure.take()
            figure.after(sample)
            samples[name].append(sample)
            say(f"  {number + 1}/{rounds} {name:60} {sample.per_s:11,.0f}/s  p99 {sample.p99_ms:8.2f} ms")
    return samples


def median(samples: Iterable[Sample]) -> Sample:
    """Median of each value over the rounds."""
    rows = ((s.per_s, s.p50_ms, s.p99_ms, s.client_cpu, s.service_cpu, s.database_cpu) for s in samples)
    return Sample(*(statistics.median(column) for column in zip(*rows, strict=True)))


def percentile(values: Sequence[float], percent: int) -> float:
    """A percentile of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def say(text: str) -> None:
    """A line for who waits."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
