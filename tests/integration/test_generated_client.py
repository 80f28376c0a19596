"""A client that a public generator makes from the service's description does what docs/api.md shows.

The generator and what its client runs on are installed once, in a directory of the cache, so that they are no
dependencies of the project; where they cannot be installed, the test skips and says so.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.db import migrate
from app.http.openapi import OPERATIONS
from tests.support.readings import minutes_ago
from tests.support.servers import Server
from tests.support.service import ROOT, Client, running_service

REQUIREMENTS = ROOT / "tests" / "support" / "client_generator.txt"
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
# Each of its modules is one operation; a module that does not compile fails. And a problem is one to a program.
CHECKS = """
import importlib, pkgutil, fleet_client
for module in pkgutil.walk_packages(fleet_client.__path__, "fleet_client."):
    importlib.import_module(module.name)
problem = get_sessions.sync(client=client, limit=0)
print(type(problem).__name__, problem.status, problem.code, problem.field)
"""


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> Path:
    """The directory with the generator and all that it needs."""
    text = REQUIREMENTS.read_text(encoding="utf-8")
    [version] = re.findall(r"^openapi-python-client==(.*)$", text, re.MULTILINE)
    directory = Path(request.config.cache.mkdir(f"openapi-python-client-{version}"))
    installed = directory / REQUIREMENTS.name
    if not installed.exists() or installed.read_text(encoding="utf-8") != text:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps", "--only-binary", ":all:"]
        done = _run([*pip, "--target", str(directory), "--requirement", str(REQUIREMENTS)])
        if done.returncode:
            pytest.skip(f"the client generator cannot be installed: {done.stderr[-300:]}")
        installed.write_text(text, encoding="utf-8")
    return directory


@pytest.fixture
def service(postgres_server: Server) -> Iterator[Client]:
    with postgres_server.new_database() as url:
        migrate.migrate(url)
        with running_service(DATABASE_URL=url) as client:
            plugged_in = {"meterId": "M-101", "vehicleId": "V-202", "from": minutes_ago(120)}
            assert client.post("/v1/assignments", plugged_in).status == 201
            yield client


def _run(command: list[str], *paths: Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "NO_COLOR": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_a_generated_client_ingests_and_reads_as_the_documentation_shows(
    packages: Path, service: Client, tmp_path: Path
) -> None:
    generator = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    made = ["--url", f"{service.address}/openapi.json", "--output-path", "fleet_client"]
    generated = _run([*generator, *made], packages, cwd=tmp_path)
    assert generated.returncode == 0, generated.stderr
    # It knows no bodies of lines, and takes those of JSON instead.
    warnings = re.findall(r"^WARNING .*\n\n(.*)$", generated.stdout + generated.stderr, re.MULTILINE)
    assert set(warnings) == {"Unsupported content type application/x-ndjson"}
    modules = [path for path in (tmp_path / "fleet_client" / "api").glob("*/*.py") if path.name != "__init__.py"]
    assert len(modules) == len(OPERATIONS)

    [program] = re.findall(r"^```python\n(from datetime .*?)^```$", API, re.DOTALL | re.MULTILINE)
    program = program.replace("http://127.0.0.1:8000", service.address) + CHECKS
    ran = _run([sys.executable, "-W", "error", "-c", program], packages, tmp_path)
    assert ran.returncode == 0, ran.stderr
    stored, session, *buckets, problem = ran.stdout.splitlines()
    assert (stored, problem) == ("2 readings stored", "Problem 422 invalid_parameter limit")
    assert session == "V-202 at M-101: 12.4 kWh"
    window = service.get("/v1/analytics/performance/V-202").json["window"]
    assert len(buckets) == len(
        service.get("/v1/analytics/performance/V-202/series", from_=window["from"], to=window["to"]).json["buckets"]
    )
    assert buckets[-1].endswith(" 12.4 kWh")
    assert datetime.fromisoformat(buckets[-1].removesuffix(" 12.4 kWh")) <= datetime.now(UTC)
