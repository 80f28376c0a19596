"""The cluster in the data directory: checked against the binaries, created, configured."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from app.errors import EmbeddedServerError
from app.local.embedded.account import Account, account_name, can_enter, last_lines, run
from app.local.embedded.address import ROLE
from app.local.embedded.directory import open_owned, private_directory, sync_directory

BASE_SETTINGS: Mapping[str, str] = {
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
}
TIMESCALE_SETTINGS: Mapping[str, str] = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "24",
    "max_worker_processes": "40",
}
THROWAWAY_SETTINGS: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}
INITDB_TIMEOUT_S = 300.0
"""Time for `initdb` to create its cluster."""


def check_cluster(data_dir: Path, account: Account | None, bindir: Path, version: str) -> bool:
    """Whether there is a cluster; raises :class:`EmbeddedServerError` for one that these binaries cannot run."""
    if (data_dir / "PG_VERSION").exists():
        raise EmbeddedServerError(f"{data_dir} is a PostgreSQL cluster itself: set ENERGY_DATA_DIR elsewhere")
    cluster = data_dir / "cluster"
    if not cluster.exists():
        return False
    try:
        found = {path.name for path in cluster.iterdir()}
    except PermissionError:  # Another account's, which is reported below.
        found = {"PG_VERSION"}
    if not found:
        return False
    if "PG_VERSION" not in found:
        raise EmbeddedServerError(
            f"{cluster} is not a PostgreSQL cluster: move it away, or set ENERGY_DATA_DIR to another directory"
        )
    owner = cluster.stat().st_uid
    if owner != (account.uid if account else os.geteuid()):
        runs_as = account.name if account else account_name(os.geteuid())
        raise EmbeddedServerError(
            f"{cluster} belongs to the account {account_name(owner)}, and PostgreSQL would run as {runs_as}: run it "
            f"as its owner (ENERGY_POSTGRES_USER where the service runs as root), or chown -R {cluster}"
        )
    if account is not None and not can_enter(cluster, account):
        raise EmbeddedServerError(
            f"account {account.name} cannot enter its cluster {cluster}: open the directories above it to that account "
            "(chmod o+x), or move the data directory and set ENERGY_DATA_DIR"
        )
    made_by = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    major = re.match(r"\d+", version)
    if major is None or made_by != major[0]:
        raise EmbeddedServerError(
            f"{cluster} was made by PostgreSQL {made_by}, and {bindir} holds version {version}: set POSTGRES_BINDIR to "
            f"a PostgreSQL {made_by} installation, or move the data with pg_upgrade or pg_dump, "
            "or set ENERGY_DATA_DIR to another directory"
        )
    return True


def create_cluster(data_dir: Path, account: Account | None, bindir: Path, durable: bool, lock_fd: int) -> None:
    """Create the cluster under another name and rename it, so that an interrupted attempt leaves no cluster."""
    draft = data_dir / "cluster.new"
    if draft.exists():
        shutil.rmtree(draft)
    private_directory(draft, account)
    command: list[str | Path] = [bindir / "initdb", "-D", draft, "-E", "UTF8", "--locale=C", "-U", ROLE]
    command += ["--auth-local=trust", "--auth-host=reject", "--data-checksums", "--no-instructions"]
    if not durable:
        command.append("--no-sync")
    # An initdb that outlives a killed service keeps the lock, so that the next service does not write meanwhile.
    done = run(command, account, INITDB_TIMEOUT_S, [lock_fd])
    if done.returncode != 0:
        raise EmbeddedServerError(
            f"initdb could not make a cluster in {data_dir}:\n{last_lines(done.stdout + done.stderr)}"
        )
    with (draft / "postgresql.conf").open("a", encoding="utf-8") as configuration:
        # PostgreSQL reads the settings of ALTER SYSTEM after this file, so they override it.
        configuration.write("\ninclude_if_exists = 'energy.conf'  # rewritten whenever the service starts\n")
        configuration.flush()
        os.fsync(configuration.fileno())
    draft.rename(data_dir / "cluster")
    sync_directory(data_dir)


def write_settings(cluster: Path, account: Account | None, timescale: bool, durable: bool) -> None:
    """Write the settings of the cluster that ALTER SYSTEM may override, as `energy.conf`."""
    settings = dict(BASE_SETTINGS)
    if timescale:
        settings |= TIMESCALE_SETTINGS
    if not durable:
        settings |= THROWAWAY_SETTINGS
    lines = ["# Rewritten whenever the service starts. ALTER SYSTEM overrides these settings.\n"]
    lines += [f"{name} = '{value}'\n" for name, value in settings.items()]
    settings_fd = open_owned(cluster / "energy.conf", os.O_WRONLY | os.O_TRUNC, account)
    with os.fdopen(settings_fd, "w", encoding="utf-8") as configuration:
        configuration.writelines(lines)
