"""The project as a whole: how its modules import each other, what its files promise each other, that it lints clean."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from app import config, errors
from app.db import queries
from app.db.migrate import LOWEST_TIMESCALE_VERSION
from tests.support.reference import REFERENCE, documented, limits, setting

ROOT = Path(__file__).resolve().parent.parent.parent

LONGEST_FUNCTION = 69
TOP_LEVEL = {
    ".ci",
    ".dockerignore",
    ".editorconfig",
    ".env.example",
    ".github",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "app",
    "bench",
    "constraints.txt",
    "docker-compose.yml",
    "docs",
    "migrations",
    "mkdocs.yml",
    "monitoring",
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


def test_names_of_tests_depend_on_neither_clock_nor_chance(request: pytest.FixtureRequest) -> None:
    """Processes that share the suite collect it each for itself, and have to agree on its names.

    Another one collects it now, with another order of sets; it runs nothing.
    """
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=False,
    )
    theirs = [line for line in collected.stdout.splitlines() if "::" in line]
    assert len(theirs) > 1000
    ours = [item.nodeid for item in request.session.items]
    assert set(ours) <= set(theirs)
    # The order of a part is another one: fixtures sort it.
    assert ours == theirs or len(ours) < len(theirs)


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
    for path in (*_python_files("app"), *sorted((ROOT / "docs").glob("*.md"))):
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


# Settings and limits


def test_the_reference_lists_the_settings_and_limits_of_the_code() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == documented(), "run: python -m tests.support.reference"


def test_every_limit_says_what_it_bounds() -> None:
    found = list(limits())
    assert len(found) > 40
    assert [f"app.{limit.module}.{limit.name}" for limit in found if limit.meaning is None] == []


# Documents

_LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]*))?\)")
LONGEST_README = 130


def _documents() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "sql" / "README.md"]


def _anchors(document: Path) -> set[str]:
    """The names by which headings of a document are linked."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_links_of_the_documents_lead_somewhere() -> None:
    broken = []
    for document in _documents():
        for path, anchor in _LINK.findall(document.read_text(encoding="utf-8")):
            target = document.parent / path if path else document
            if not target.is_file() or (anchor and anchor not in _anchors(target)):
                broken.append(f"{document.relative_to(ROOT)}: {path}#{anchor}")
    assert broken == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def _problems() -> Iterator[type[errors.ProblemError]]:
    waiting = [errors.ProblemError]
    while waiting:
        problem = waiting.pop()
        yield problem
        waiting += problem.__subclasses__()


def test_the_api_page_lists_every_code_with_its_status() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    table = text.split("\n| status | codes |\n| --- | --- |\n")[1].split("\n\n")[0]
    listed = {
        (int(status), code)
        for status, codes in re.findall(r"^\| (\d+)[^|]*\| (.*) \|$", table, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", codes)
    }
    assert listed == {(problem.status, problem.code) for problem in _problems()}


def test_the_example_environment_names_settings_that_exist() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    known = config.variables()
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"(?:# )?([A-Z_]+)=(.*)", line):
            name, value = match.groups()
            assert name in known or f"${{{name}:" in compose, f"{name}: no such setting"
            if name in known:
                shown = f"`{value}`" if value else "none"
                assert shown == setting(known[name][0]), f"{name} shows another value than its default"


def test_the_example_environment_has_no_password() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert "POSTGRES_PASSWORD=" in lines


# Packaging


def _image(path: str) -> str:
    [image] = set(re.findall(r"image: (timescale/timescaledb\S*)", (ROOT / path).read_text(encoding="utf-8")))
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
    # Without its profile Grafana needs none; with it, grafana-reader refuses an empty one.
    assert set(values) == {"${POSTGRES_PASSWORD:?set it in .env}", "${GRAFANA_PASSWORD:-}"}
    assert "$${GRAFANA_PASSWORD:?set it in .env}" in compose
    assert compose.count("POSTGRES_PASSWORD") == len(re.findall(r"POSTGRES_PASSWORD(?::\?|: \$)", compose))


def test_compose_pins_grafana_and_starts_it_only_when_asked() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    compose = compose.split("\nvolumes:\n")[0]
    assert re.search(r"image: grafana/grafana:\d+\.\d+\.\d+\n", compose)
    services = re.findall(r"^  (grafana\S*):\n    profiles: \[grafana\]$", compose, re.MULTILINE)
    assert services == re.findall(r"^  (grafana\S*):\n", compose, re.MULTILINE)


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


def test_a_demo_and_a_service_need_no_test_tools() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    stamps = dict(re.findall(r"^([a-z]+): \$\(VENV\)/(\S+)$", makefile, re.MULTILINE))
    assert stamps == {
        **dict.fromkeys(("demo", "serve"), "installed-runtime"),
        **dict.fromkeys(("quick", "test", "bench", "lint", "docs", "libraries"), "installed"),
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [
        {re.split(r"[^\w-]", line)[0] for line in lines}
        for lines in (project["dependencies"], project["optional-dependencies"]["dev"])
    ]
    assert names[0] & names[1] == set()
    assert "pytest" in names[1]


def test_continuous_integration_can_be_run_by_hand() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_nothing_else_lies_at_the_top_level() -> None:
    assert {name.split("/")[0] for name in _tracked_files()} - TOP_LEVEL == set()


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    traces = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name in _tracked_files()
        if not name.endswith(".png")
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_TRACES.search(line)
    ]
    assert traces == []
