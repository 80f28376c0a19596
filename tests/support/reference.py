"""Settings and limits of the code, as docs/reference.md lists them: python -m tests.support.reference.

A setting is a field of :class:`app.config.Settings`. A limit is a public constant of a module that bounds something;
the string that follows its assignment is its meaning.
"""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from app import config
from tests.support.service import ROOT

REFERENCE = ROOT / "docs" / "reference.md"

# What a constant that bounds something is called: how much, how many, how long, how often.
_BOUNDS = re.compile(
    r"(MAX|LONGEST|DEFAULT|PAUSE)_\w+|BACKLOG"
    r"|[A-Z]\w*_(BYTES|HELD|SHOWN|LISTED|PER_\w+|(TIMEOUT|PERIOD|RETRY|INTERVAL|SILENCE)_M?S)"
)
_HEAD = """# Settings and limits

Written from the code by `python -m tests.support.reference`; a test fails where it is not current.

## Settings

Environment variables. An empty one counts as not set; an unknown one that begins with `ENERGY_` is an error.
[Policies](operations.md#policies) set how long data is kept, compressed and refreshed.

| variable | default | meaning |
| --- | --- | --- |
"""
_LIMITS = """
## Limits

Constants of the code, by module of `app/`. With the settings they bound the memory of a worker: about 55 MB, plus
readings that wait (100,000 of about 250 bytes), bodies being received (32 MB), cached ids (40 MB) and one body being
decoded. Under batches of 10,000 readings the largest resident size measured was 102 MB.

| limit | value | meaning |
| --- | --- | --- |
"""


class Limit(NamedTuple):
    """A constant that bounds something; `meaning` is None where the code does not say it."""

    module: str
    name: str
    value: Any
    meaning: str | None


def limits() -> Iterator[Limit]:
    """Every constant of the app that is called like a bound or has a meaning, in order of modules."""
    for path in sorted((ROOT / "app").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT / "app").with_suffix("").parts)
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for node, after in zip(body, [*body[1:], None], strict=True):
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                continue
            name, meaning = node.targets[0].id, _text(after)
            if name.isupper() and not name.startswith("_") and (meaning or _BOUNDS.fullmatch(name)):
                yield Limit(module, name, getattr(importlib.import_module(f"app.{module}"), name), meaning)


def _text(node: ast.stmt | None) -> str | None:
    """What a string that stands alone says, on one line."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return None


def setting(value: Any) -> str:
    """A setting's default as it is typed."""
    if value is None or value == ():
        return "none"
    return f"`{value:.10g}`" if isinstance(value, float) else f"`{value}`"


def _limit(name: str, value: Any) -> str:
    """A limit's value with the unit that its name ends with."""
    if isinstance(value, timedelta):
        days = value / timedelta(days=1)
        return f"{days:g} days" if days > 1 else f"{value / timedelta(hours=1):g} h"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    for suffix, unit in (("_MS", " ms"), ("_S", " s"), ("_KWH", " kWh")):
        if name.endswith(suffix):
            return f"{value:g}{unit}"
    if "_BYTES" in name and value % 1024 == 0:
        return f"{value // 2**20} MiB" if value % 2**20 == 0 else f"{value // 1024} KiB"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def documented() -> str:
    """docs/reference.md."""
    rows = [f"| `{name}` | {setting(value)} | {meaning} |" for name, (value, meaning) in config.variables().items()]
    limit_rows = [f"| `{limit.module}.{limit.name}` | {_limit(*limit[1:3])} | {limit.meaning} |" for limit in limits()]
    return _HEAD + "\n".join(rows) + "\n" + _LIMITS + "\n".join(limit_rows) + "\n"


def main() -> None:
    """Write docs/reference.md."""
    REFERENCE.write_text(documented(), encoding="utf-8")
    sys.stdout.write(f"{REFERENCE.relative_to(ROOT)} written\n")


if __name__ == "__main__":
    main()
