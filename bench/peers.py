"""What a user might take instead: the time series databases that Debian packages, started here on loopback.

Each starts anew in a directory of its own before every round, and takes line protocol at `/write`.
"""

import http.client
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.generate import KNOWN_AGE, Requests, line_protocol, sweeps, whole_second
from bench.load import CannotMeasure, Sample, Target, send
from tests.support.servers import open_directory

WRITE_PATH = "/write?db=energy"
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0

_INFLUXDB_CONFIGURATION = """
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = "{directory}/meta"
[data]
  dir = "{directory}/data"
  wal-dir = "{directory}/wal"
  wal-fsync-delay = "0s"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
"""


@dataclass(frozen=True)
class Kind:
    """A peer: the Debian package, its program, and what it promises about a write it has acknowledged."""

    name: str
    package: str
    program: str
    promise: str


KINDS = (
    Kind(
        "InfluxDB",
        "influxdb",
        "influxd",
        'durable: run with its default `wal-fsync-delay = "0s"`, of which its configuration file says "A value of 0s '
        'fsyncs every write to the WAL". Of two values for one series and time the last one stands. Its log of '
        "requests is off",
    ),
    Kind(
        "VictoriaMetrics",
        "victoria-metrics",
        "victoria-metrics",
        "not durable at once: its documentation says that incoming data is buffered in memory for up to a few seconds "
        "before it is flushed to disk, and that an unclean shutdown may lose what came in last. Run with its defaults; "
        "there is no setting that makes a write wait for the disk",
    ),
)


class Peer:
    """A running peer."""

    def __init__(self, kind: Kind, directory: Path) -> None:
        self.kind = kind
        self.version = _version(kind.package)
        self._directory = directory / kind.package
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> Target:
        """Where it listens; its whole time counts as the service's."""
        assert self._process is not None
        return Target(f"http://127.0.0.1:{self._port}", (self._process.pid,), ())

    def send(self, requests: Requests, connections: int, seconds: int) -> Sample:
        """Send requests with wrk."""
        return send(self.target, requests, connections=connections, seconds=seconds)

    def start_anew(self) -> None:
        """Start it anew with one reading of each device. Raises :class:`CannotMeasure` where it does not come up."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir()
        self._process = subprocess.Popen(
            self._command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._directory
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise CannotMeasure(f"{self.kind.name} does not start")
            time.sleep(0.1)
        # Every series is there then, as it is on every day but the first.
        for batch in sweeps(1, whole_second(KNOWN_AGE)):
            assert self._post(WRITE_PATH, line_protocol(batch)) in (200, 204)

    def stop(self) -> None:
        """Stop it where it runs."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _command(self) -> list[str]:
        if self.kind.package == "influxdb":
            configuration = self._directory / "influxdb.conf"
            configuration.write_text(
                _INFLUXDB_CONFIGURATION.format(directory=self._directory, port=self._port), encoding="utf-8"
            )
            return [self.kind.program, "-config", str(configuration)]
        return [
            self.kind.program,
            f"-storageDataPath={self._directory / 'storage'}",
            f"-httpListenAddr=127.0.0.1:{self._port}",
        ]

    def _answers(self) -> bool:
        path = "/query?q=CREATE%20DATABASE%20energy" if self.kind.package == "influxdb" else "/health"
        with suppress(OSError, http.client.HTTPException):
            return self._post(path, b"") == 200
        return False

    def _post(self, path: str, body: bytes) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", path, body)
            return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def installed() -> Iterator[list[Peer]]:
    """The peers that are installed, stopped when the block ends."""
    with open_directory() as directory:
        peers = [Peer(kind, directory) for kind in KINDS if shutil.which(kind.program)]
        try:
            yield peers
        finally:
            for peer in peers:
                peer.stop()


def absent() -> list[str]:
    """A sentence for each peer that is not installed."""
    return [
        f"{kind.name} was left out: it is not installed (Debian package {kind.package})."
        for kind in KINDS
        if not shutil.which(kind.program)
    ]


def _version(package: str) -> str:
    query = shutil.which("dpkg-query")
    if query is None:
        return "of unknown version"
    shown = subprocess.run([query, "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or "of unknown version"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
