"""The service as a process of its own, and a client that talks to it over a real socket."""

import http.client
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

ROOT = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class Client:
    """Asks the service at an address, one connection a request."""

    def __init__(self, address: str, process: "subprocess.Popen[str] | None" = None) -> None:
        self.address = address
        self.process = process
        parts = urlsplit(address)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request and its answer."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        except http.client.IncompleteRead as error:
            raise ConnectionResetError("the service went away within its answer") from error
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Answer:
        """GET; a trailing underscore of a parameter's name is dropped, so that `from_` can be given."""
        text = urlencode({name.rstrip("_"): value for name, value in query.items()})
        return self.request("GET", f"{path}?{text}" if text else path)

    def post(self, path: str, document: Any) -> Answer:
        """POST a document as JSON."""
        return self.request("POST", path, msgspec.json.encode(document), {"Content-Type": "application/json"})

    def patch(self, path: str, document: Any) -> Answer:
        """PATCH with a document as JSON."""
        return self.request("PATCH", path, msgspec.json.encode(document), {"Content-Type": "application/json"})

    def put(self, path: str, document: Any) -> Answer:
        """PUT a document as JSON."""
        return self.request("PUT", path, msgspec.json.encode(document), {"Content-Type": "application/json"})

    def delete(self, path: str, **query: Any) -> Answer:
        """DELETE, with parameters as :meth:`get` takes them."""
        text = urlencode({name.rstrip("_"): value for name, value in query.items()})
        return self.request("DELETE", f"{path}?{text}" if text else path)

    def ingest(self, *readings: Any) -> Any:
        """POST readings that are expected to be answered with 200; returns the answer's document."""
        answer = self.post("/v1/ingest", list(readings))
        assert answer.status == 200, answer.body
        return answer.json


def command(*arguments: str, timeout_s: float = 120, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `python -m app ...` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@contextmanager
def running_service(log: Path | None = None, /, *program: str, **environment: str) -> Iterator[Client]:
    """`python -m app serve` on a free port while the block lasts; it has to end with status 0.

    `log` is a file for its log, which otherwise goes to standard error; `program` are other arguments of Python that
    come to the same.
    """
    with log.open("w") if log else nullcontext() as written:
        process = subprocess.Popen(
            [sys.executable, *(program or ("-m", "app", "serve"))],
            cwd=ROOT,
            env={**os.environ, "ENERGY_PORT": "0", **environment},
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
            start_new_session=True,
        )
    lines: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    reader = threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        yield Client(_address(process, lines), process)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_TIMEOUT_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reader.join()
        process.stdout.close()


def _pump(stream: Any, lines: "queue.Queue[str]") -> None:
    for line in stream:
        lines.put(line)


def _address(process: "subprocess.Popen[str]", lines: "queue.Queue[str]") -> str:
    for _ in range(START_TIMEOUT_S * 10):
        try:
            line = lines.get(timeout=0.1)
        except queue.Empty:
            assert process.poll() is None, f"the service ended with status {process.returncode}"
            continue
        if line.startswith("serving at "):
            return line.removeprefix("serving at ").strip()
    raise AssertionError("the service did not start in time")
