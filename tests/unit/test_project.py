"""The project as a whole: how its modules import each other, what its files promise each other, that it lints clean."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app import config
from app.db import queries
from app.db.migrate import LOWEST_TIMESCALE_VERSION

ROOT = Path(__file__).resolve().parent.parent.parent

LONGEST_FUNCTION = 69
TOP_LEVEL = {
    ".ci",
    ".dockerignore",
    ".env.example",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "app",
    "bench",
    "constraints.txt",
    "docker-compose.yml",
    "docs",
    "migrations",
    "pyproject.toml",
    "sql",
    "tests",
}
# Written so that no pattern matches itself.
MACHINE_TRACES = re.compile(
    r"[/]work/|[/](?:home|Users)/\w|[/]root/|[-]-(?:extra-)?index-url|[-]-find-links"
    r"|pythonhosted[.]|[/]simple/|[/](?:artifactory|devpi|nexus)\b"
)


def _python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def _tracked_files() -> tuple[str, ...]:
    """Paths of the repository's files, and of new ones that are not ignored."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    listed = subprocess.run(
        [git, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip(f"git does not list the files: {listed.stderr.strip()}")
    return tuple(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


# Modules


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines"
        for path in _python_files("app", "bench", "tests")
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert long == []


# Linters


def _run_clean(*arguments: str) -> None:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout}{done.stderr}"


def test_imports_run_one_way() -> None:
    _run_clean(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")


def test_ruff_finds_nothing() -> None:
    _run_clean("-m", "ruff", "check", ".")


def test_every_file_is_formatted() -> None:
    _run_clean("-m", "ruff", "format", "--check", ".")


def test_types_are_strict() -> None:
    _run_clean("-m", "mypy", *(folder for folder in ("app", "bench", "tests") if _python_files(folder)))


# Tests


def test_names_of_tests_depend_on_neither_clock_nor_chance() -> None:
    """Processes that share the suite collect it each for itself, and have to agree on its names.

    Two of them start a second apart, each with another order of sets; they collect and run nothing.
    """
    collectors = []
    for seed in ("1", "2"):
        collectors.append(
            subprocess.Popen(
                [sys.executable, "-m", "pytest", "--collect-only", "-q"],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": seed},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        time.sleep(1)
    first, second = (
        [line for line in collector.communicate(timeout=300)[0].splitlines() if "::" in line]
        for collector in collectors
    )
    assert len(first) > 1000
    assert first == second


# SQL


def _query_names(node: ast.expr) -> set[str]:
    """Names that the argument of a look-up stands for; `{kind.name}` is either kind of reading."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return _query_names(node.body) | _query_names(node.orelse)
    assert isinstance(node, ast.JoinedStr), f"line {node.lineno}: a query's name is written where it is looked up"
    names = {""}
    for part in node.values:
        ends = [str(part.value)] if isinstance(part, ast.Constant) else ["meter", "vehicle"]
        names = {name + end for name in names for end in ends}
    return names


def _names_looked_up() -> set[str]:
    looked_up: set[str] = set()
    for path in _python_files("app"):
        for node in ast.walk(_parsed(path)):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            # The pool passes on the names it was asked for.
            if path.stem != "pool" and called in ("query", "fetch_all"):
                looked_up |= _query_names(node.args[0])
            elif path.stem != "pool" and isinstance(node.func, ast.Name) and called == "call":
                looked_up |= _query_names(node.args[2])
    return looked_up


def test_every_named_query_is_run_and_every_query_run_exists() -> None:
    assert _names_looked_up() == set(queries.load())


_CREATED = re.compile(r"CREATE (?:FUNCTION|PROCEDURE) (?:api|internal)\.(\w+)")
_NAMED = re.compile(r"\b(?:api|internal)\.(\w+)")


def _without_comments(path: Path) -> str:
    sql = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
    return re.sub(r"COMMENT ON [^;']+ IS\s+(?:'(?:[^']|'')*'\s*)+;", "", sql)


def _created_and_named(path: Path) -> tuple[set[str], set[str]]:
    """What a file creates in schemas api and internal, and what it names there.

    A function that names itself alone does not count.
    """
    created: set[str] = set()
    named: set[str] = set()
    current: set[str] = set()
    # Bodies stand between dollars, each after the head that it belongs to.
    for number, part in enumerate(_without_comments(path).split("$$")):
        if number % 2:
            named |= set(_NAMED.findall(part)) - current
        else:
            current = set(_CREATED.findall(part))
            named |= set(_NAMED.findall(_CREATED.sub("", part)))
            created |= current
    return created, named


def test_every_function_of_schema_api_is_asked_for() -> None:
    created: set[str] = set()
    named: set[str] = set()
    for path in sorted((ROOT / "sql").rglob("*.sql")):
        # What is granted or commented on is not asked for by that.
        if path.parent.name != "last":
            here, there = _created_and_named(path)
            created |= here
            named |= there
    for path in (*_python_files("app"), ROOT / "README.md", ROOT / "sql" / "README.md"):
        named |= set(_NAMED.findall(path.read_text(encoding="utf-8")))
    assert created
    assert created - named == set()


@pytest.mark.parametrize("schema", ["api", "internal"])
def test_the_files_of_a_schema_create_nothing_in_another(schema: str) -> None:
    created = {
        (path.name, where)
        for path in sorted((ROOT / "sql" / schema).glob("*.sql"))
        for where in re.findall(r"CREATE (?:FUNCTION|PROCEDURE|VIEW) (\w+)\.", _without_comments(path))
    }
    assert {where for _, where in created} == {schema}, created


@pytest.mark.parametrize("folder", ["sql/timescale", "sql/postgres", "migrations/timescale", "migrations/postgres"])
def test_a_file_of_one_profile_says_why_it_differs(folder: str) -> None:
    files = sorted((ROOT / folder).glob("*.sql"))
    assert files
    silent = [
        path.name
        for path in files
        if not path.read_text(encoding="utf-8").startswith("-- Differs by necessity because")
    ]
    assert silent == []


# Settings


def _default(value: Any) -> str:
    if value is None or value == ():
        return "none"
    return f"`{value:.10g}`" if isinstance(value, float) else f"`{value}`"


def _expected_rows() -> list[str]:
    return [
        f"| `{variable}` | {_default(default)} | {meaning} |"
        for variable, (default, meaning) in config.variables().items()
    ]


def test_the_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    head = "| variable | default | meaning |"
    expected = "\n".join([head, "| --- | --- | --- |", *_expected_rows()])
    rows: list[str] = []
    if head in lines:
        for line in lines[lines.index(head) + 2 :]:
            if not line.startswith("|"):
                break
            rows.append(line)
    assert rows == _expected_rows(), f"the README's configuration table should be:\n\n{expected}\n"


# What a constant of a module is called that bounds something: how much, how many, how long, how often.
_BOUNDS = re.compile(
    r"(MAX|LONGEST|DEFAULT|PAUSE)_\w+|BACKLOG"
    r"|[A-Z]\w*_(BYTES|HELD|SHOWN|LISTED|PER_\w+|(TIMEOUT|PERIOD|RETRY|INTERVAL|SILENCE)_M?S)"
)


def _bounds_of_the_code() -> Iterator[tuple[str, str]]:
    """Module and name of each public constant that bounds something."""
    for path in _python_files("app"):
        for node in _parsed(path).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                if isinstance(target, ast.Name) and _BOUNDS.fullmatch(target.id):
                    yield ".".join(path.relative_to(ROOT / "app").with_suffix("").parts), target.id


def _bounds_of_the_readme() -> Iterator[tuple[str, str, float]]:
    """Module, name and value of each constant in the README's limits; a row may have several names of one module."""
    table = (
        (ROOT / "README.md")
        .read_text(encoding="utf-8")
        .split("\n| limit | value | meaning |\n| --- | --- | --- |\n")[1]
    )
    for row in table.split("\n\n")[0].splitlines():
        names, values, _ = row.strip("|").split(" | ", 2)
        if match := re.fullmatch(r"`([a-z_.]+)\.([A-Z_]+)`((?:, `[A-Z_]+`)*)", names.strip()):
            module, first, rest = match.groups()
            for name, value in zip([first, *re.findall(r"[A-Z_]+", rest)], values.split(", "), strict=True):
                yield module, name, float(value)


def _tellings(value: Any) -> tuple[float, ...]:
    """The numbers by which a value may be told: a time in days or in hours, an instant by its year."""
    if isinstance(value, timedelta):
        return value / timedelta(days=1), value / timedelta(hours=1)
    return (value.year,) if isinstance(value, datetime) else (float(value),)


def test_the_readme_lists_every_limit_of_the_code_with_its_value() -> None:
    listed = list(_bounds_of_the_readme())
    assert set(_bounds_of_the_code()) - {(module, name) for module, name, _ in listed} == set()
    for module, name, value in listed:
        assert value in _tellings(getattr(importlib.import_module(f"app.{module}"), name)), f"{module}.{name}"


def test_the_example_environment_names_settings_that_exist() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    known = config.variables()
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"(?:# )?([A-Z_]+)=(.*)", line):
            name, value = match.groups()
            assert name in known or f"${{{name}:" in compose, f"{name}: no such setting"
            if name in known:
                shown = f"`{value}`" if value else "none"
                assert shown == _default(known[name][0]), f"{name} shows another value than its default"


def test_the_example_environment_has_no_password() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert "POSTGRES_PASSWORD=" in lines


# Packaging


def _image(path: str) -> str:
    [image] = re.findall(r"image: (timescale/timescaledb\S*)", (ROOT / path).read_text(encoding="utf-8"))
    return str(image)


def test_compose_and_workflow_run_one_pinned_timescale() -> None:
    image = _image("docker-compose.yml")
    assert image == _image(".github/workflows/ci.yml")
    pinned = re.fullmatch(r"timescale/timescaledb:(\d+)\.(\d+)\.(\d+)-pg(\d+)", image)
    assert pinned, image
    assert tuple(map(int, pinned.groups()[:3])) >= LOWEST_TIMESCALE_VERSION


def test_compose_has_no_default_password() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    values = re.findall(r"^ *\w*PASSWORD\w*: *(.*)$", compose, re.MULTILINE)
    assert values
    assert set(values) == {"${POSTGRES_PASSWORD:?set it in .env}"}
    assert compose.count("POSTGRES_PASSWORD") == len(re.findall(r"POSTGRES_PASSWORD(?::\?|: \$)", compose))


def test_compose_publishes_ports_to_this_machine_alone() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    published = re.findall(r"^ *ports:\n *- (\S+)$", compose, re.MULTILINE)
    assert len(published) == compose.count("ports:")
    assert all(re.match(r"127\.0\.0\.1:|\$\{ENERGY_HOST:-127\.0\.0\.1\}:", port) for port in published), published


def test_compose_lets_the_service_finish_before_it_kills_it() -> None:
    app = (ROOT / "docker-compose.yml").read_text(encoding="utf-8").split("\n  app:\n")[1]
    grace = re.search(r"stop_grace_period: (\d+)s", app)
    assert grace
    defaults = config.Settings()
    assert int(grace[1]) > defaults.drain_timeout_s + defaults.write_timeout_s


def test_the_image_runs_the_service_without_privileges_or_a_shell() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^FROM python:3\.\d+\.\d+-slim-\w+$", dockerfile, re.MULTILINE)
    [user] = re.findall(r"^USER (.+)$", dockerfile, re.MULTILINE)
    assert int(user) > 0
    # In the exec form SIGTERM reaches the service, which then finishes what it took.
    assert dockerfile.rstrip().endswith('\nCMD ["python", "-m", "app", "serve"]')
    assert re.search(r"^HEALTHCHECK .*\\\n +CMD \[.*/readyz", dockerfile, re.MULTILINE)


def test_make_has_its_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert targets >= {"demo", "serve", "test", "bench", "lint"}


def test_continuous_integration_can_be_run_by_hand() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_nothing_else_lies_at_the_top_level() -> None:
    assert {name.split("/")[0] for name in _tracked_files()} - TOP_LEVEL == set()


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    traces = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name in _tracked_files()
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_TRACES.search(line)
    ]
    assert traces == []
