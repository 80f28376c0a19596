"""What the figures were taken on, and what the processor's time went to."""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_FSYNCS = 200
# The kernel's clock ticks, for each of a handful of processes.
_SLACK_S = 0.1


def description() -> str:
    """Cores, memory and model of the processor, kernel and Python, as a line."""
    model = _first_line("/proc/cpuinfo", "model name") or platform.machine()
    return (
        f"{os.cpu_count()} cores ({model}), {_memory_gib():.0f} GiB of memory, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _first_line(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def sync_ms() -> float:
    """Median milliseconds that it takes to make 8 KiB durable in the directory of temporary files."""
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(_FSYNCS):
            os.pwrite(file.fileno(), os.urandom(8192), 0)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


@dataclass(frozen=True)
class Process:
    """A line of /proc/<pid>/stat."""

    pid: int
    parent: int
    # Its own time, and that of its children that have ended.
    cpu_s: float


def _processes() -> dict[int, Process]:
    found = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                text = (directory / "stat").read_text(encoding="utf-8")
            except OSError:
                continue
            # The name, in brackets, may hold spaces.
            fields = text.rpartition(")")[2].split()
            ticks = sum(int(field) for field in fields[11:15])
            found[int(directory.name)] = Process(int(directory.name), int(fields[1]), ticks / _TICKS_PER_S)
    return found


def tree(pid: int) -> list[Process]:
    """A process and all below it, without those that have ended."""
    processes = _processes()
    found = [processes[pid]] if pid in processes else []
    for process in found:
        found += [other for other in processes.values() if other.parent == process.pid]
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of processor time that processes and all below them have used, ended children included."""
    # A child that ends while it is looked for is counted twice or not at all, so two looks have to agree.
    pids = tuple(pids)
    began, used_s = time.monotonic(), _cpu_s(pids)
    while True:
        again_at, again_s = time.monotonic(), _cpu_s(pids)
        most_s = (os.cpu_count() or 1) * (again_at - began) + _SLACK_S
        if 0 <= again_s - used_s <= most_s:
            return again_s
        began, used_s = again_at, again_s


def _cpu_s(pids: Iterable[int]) -> float:
    return sum(process.cpu_s for pid in pids for process in tree(pid))


def largest_mb(pid: int) -> list[float]:
    """The most memory, in MB, that each process of a tree has ever had resident."""
    peaks = []
    for process in tree(pid):
        peak = _first_line(f"/proc/{process.pid}/status", "VmHWM")
        if peak:
            peaks.append(int(peak.split()[0]) * 1024 / 1e6)
    return peaks
