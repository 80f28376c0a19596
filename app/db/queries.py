"""Named SQL, loaded once from `sql/queries`.

A query begins at a line `-- name: <name>` and ends before the next one; names are unique over all files.
"""

import re
from functools import cache
from pathlib import Path

SQL_DIRECTORY = Path(__file__).resolve().parents[2] / "sql"

_NAME = re.compile(r"^-- name: ([a-z_]+)\n", re.MULTILINE)


@cache
def load(directory: Path = SQL_DIRECTORY / "queries") -> dict[str, bytes]:
    """All queries of a directory by name. Raises :class:`ValueError` where two have one name."""
    queries: dict[str, bytes] = {}
    for path in sorted(directory.glob("*.sql")):
        parts = _NAME.split(path.read_text(encoding="utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if name in queries:
                raise ValueError(f"{path.name}: a query named {name} is there already")
            queries[name] = text.strip().removesuffix(";").encode()
    return queries


def query(name: str) -> bytes:
    """The text of one query. Raises :class:`KeyError` where none has that name."""
    return load()[name]
