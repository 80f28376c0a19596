"""What a browser gets besides pages: the stylesheet, modules, and libraries, where those are installed.

All are under a path with a hash of their contents, so that a browser may keep them for good: a module imports its
neighbours by relative paths, and another release has another path.
"""

import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

BROWSER = Path(__file__).parent / "browser"
LIBRARIES = Path(__file__).parent / "libraries"
_IMPORT = re.compile(rb'^(?:import|export) [^"]*"\./([^"]+)";$', re.MULTILINE)
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class File(NamedTuple):
    """What is sent of a file."""

    media_type: str
    content: bytes


@cache
def _paths() -> dict[str, Path]:
    return {
        path.name: path
        for folder in (BROWSER, LIBRARIES)
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.suffix in _MEDIA_TYPES
    }


@cache
def root() -> str:
    """The path below which the files are served, without a slash at its end."""
    contents = sha256()
    for name, path in _paths().items():
        contents.update(name.encode() + b"\0" + path.read_bytes())
    return f"/files/{contents.hexdigest()[:16]}"


@cache
def file(name: str) -> File | None:
    """A file by its name; None where there is none."""
    path = _paths().get(name)
    if path is None:
        return None
    return File(_MEDIA_TYPES[path.suffix], path.read_bytes())


@cache
def imports(name: str) -> tuple[str, ...]:
    """The modules that a module imports, and that these do, so that a browser can fetch them all at once."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        for imported in _IMPORT.findall(_paths()[waiting.pop()].read_bytes()):
            if (other := imported.decode()) not in found:
                found[other] = None
                waiting.append(other)
    return tuple(found)


def is_installed(name: str) -> bool:
    """Whether a file of a library is there."""
    return name in _paths()
