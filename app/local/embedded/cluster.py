"""The cluster in the data directory: whether these binaries can run it, and its settings."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from app.errors import EmbeddedServerError
from app.local.embedded.account import Account, account_name, can_enter
from app.local.embedded.directory import open_owned

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
FIXED_SETTINGS = frozenset(
    {"data_directory", "listen_addresses", "port", "unix_socket_directories", "unix_socket_permissions"}
)


def check_cluster(data_dir: Path, account: Account | None, bindir: Path, version: str) -> bool:
    """Whether there is a cluster; raises :class:`EmbeddedServerError` for one that these binaries cannot run."""
    if (data_dir / "PG_VERSION").exists():
        raise EmbeddedServerError(f"{data_dir} is a PostgreSQL cluster itself: set ENERGY_DATA_DIR elsewhere")
    cluster = data_dir / "cluster"
    if not cluster.exists():
        return False
    if os.access(cluster, os.R_OK | os.X_OK) or not cluster.is_dir():
        if cluster.is_dir() and not any(cluster.iterdir()):
            return False
        if not (cluster / "PG_VERSION").is_file():
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


def write_settings(path: Path, settings: Mapping[str, str], account: Account | None) -> None:
    lines = ["# Rewritten whenever the service starts. ALTER SYSTEM overrides these settings.\n"]
    for name, value in settings.items():
        escaped = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{escaped}'\n")
    settings_fd = open_owned(path, os.O_WRONLY | os.O_TRUNC, account)
    with os.fdopen(settings_fd, "w", encoding="utf-8") as configuration:
        configuration.writelines(lines)
