"""The command line: `ev-fleet-energy COMMAND`, or `python -m app COMMAND`."""

import argparse
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from functools import partial

from app import __version__
from app.config import Settings, flag_of, variables
from app.db import migrate
from app.errors import ConfigurationError, OperatorError, RoleLacksRight
from app.local.demo import run as demo
from app.server import listen
from app.server.database import any_database, database
from app.server.logs import configure_logging
from app.server.signals import stopped_by_signals
from app.tools import corrections, doctor, importer, keys, policies, transfer

logger = logging.getLogger("energy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 it could not be done, 2 it was asked for wrongly."""
    options = _options(arguments)
    log_format = "text"
    try:
        settings = Settings.from_environment(flags={name: getattr(options, name, None) for name in variables()})
        log_format = settings.log_format
        configure_logging(log_format)
        return int(options.run(options, settings))
    except OperatorError as error:
        if log_format == "json":
            logger.error("%s", error)
        else:
            sys.stderr.write(f"energy: {error}\n")
        return error.exit_status
    except KeyboardInterrupt:
        return 130


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of a command. What it does not know is reported with its usage, where argparse shows that of all."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if "run" not in options:
        names = ", ".join(command.name for group in _GROUPS.values() for command in group)
        parser.error(f"a command is missing: {names}")
    if unknown:
        flags = [flag for action in options.parser._actions for flag in action.option_strings]
        close = get_close_matches(unknown[0].split("=")[0], flags, n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
    return options


@dataclass(frozen=True, slots=True)
class _Command:
    """A command: its name, what it does, how it is typed, and the settings, by variable, that it has flags for."""

    name: str
    phrase: str
    examples: tuple[str, ...]
    run: Callable[[argparse.Namespace, Settings], int]
    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None
    flags: tuple[str, ...] = ("DATABASE_URL",)


_PROGRAM = "ev-fleet-energy"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        usage=f"{_PROGRAM} COMMAND [OPTION ...]",
        description=f"Energy accounting for EV fleets: AC energy from the grid, DC energy in the battery.\n{_listed()}",
        epilog=(
            f"'{_PROGRAM} COMMAND --help' shows the options of a command and an example. Settings come from\n"
            "environment variables; an option overrides its variable. Without a database URL, commands use the\n"
            "PostgreSQL server embedded in ENERGY_DATA_DIR: serve and demo start it, the others join it, or start it\n"
            "for as long as they run."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(prog=_PROGRAM, metavar="COMMAND", help=argparse.SUPPRESS)
    for command in (command for group in _GROUPS.values() for command in group):
        examples = "\n".join(f"  {_PROGRAM} {example}" for example in command.examples)
        own = commands.add_parser(
            command.name,
            description=f"{command.phrase[0].upper()}{command.phrase[1:]}.",
            epilog=f"example{'s' if len(command.examples) > 1 else ''}:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if command.add_arguments is not None:
            command.add_arguments(own)
        for variable in command.flags:
            _add_flag(own, variable)
        own.set_defaults(run=command.run, parser=own)
    return parser


def _listed() -> str:
    """The commands by group, a line each."""
    width = max(len(command.name) for group in _GROUPS.values() for command in group)
    return "\n".join(
        f"\n{title}:\n" + "\n".join(f"  {command.name:{width}}  {command.phrase}" for command in group)
        for title, group in _GROUPS.items()
    )


def _add_flag(parser: argparse.ArgumentParser, variable: str) -> None:
    """The flag of a setting, kept under the variable's name."""
    default, meaning = variables()[variable]
    flag = flag_of(variable)
    parser.add_argument(
        flag,
        dest=variable,
        metavar=flag.rsplit("-", 1)[-1].upper(),
        help=f"{meaning} (variable {variable}, default: {'none' if default is None else default})".replace("%", "%%"),
    )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, help="stop after so many seconds (default: run until Ctrl-C)")
    parser.add_argument(
        "--days", type=int, default=demo.DAYS, help="days of history to begin with (default: %(default)s)"
    )
    parser.add_argument(
        "--vehicles", type=int, default=demo.VEHICLES, help="vehicles of the fleet, 3 or more (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=demo.SEED, help="the same seed simulates the same fleet (default: %(default)s)"
    )


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="database to copy from; put its password into PGPASSFILE, not into the URL")


def _add_comparison(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="the other database; put its password into PGPASSFILE, not into the URL")
    for flag, dest, which in (("--from", "from_", "from this time on"), ("--to", "to", "before this time")):
        parser.add_argument(
            flag,
            dest=dest,
            type=_time,
            metavar="TIME",
            help=f"compare only readings {which}, such as 2026-01-31T00:00:00Z (default: all)",
        )


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a time, such as 2026-01-31T00:00:00Z") from None


def _copy(options: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as url:
        return transfer.run_copy(options.url, url)


def _compare(options: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as url:
        return transfer.run_compare(url, options.url, options.from_, options.to)


def _serve(options: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    # Here, since the other commands answer no HTTP: without it they start in half the time.
    from app.server.run import serving
    from app.server.workers import serve_with_workers

    listen.check(settings)
    with stopped_by_signals() as stop, database(settings, serves=True) as url:
        keys.require_some(url, settings)
        if settings.workers > 1:
            serve_with_workers(settings, url, stop, lambda address: _say(f"serving at {address}"))
            _say("stopping")
        else:
            with serving(settings, url, stop) as address:
                _say(f"serving at {address}")
                stop.wait()
                _say("stopping")
    return 0


def _migrate(options: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    with any_database(settings) as url:
        done = migrate.migrate(url, settings.storage_profile)
    _say(f"profile {done.profile}; " + (f"applied {', '.join(done.applied)}" if done.applied else "already up to date"))
    return 0


def _roles(options: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001
    with any_database(settings) as url:
        migrate.create_roles(url)
    _say("the roles energy_owner, energy_writer and energy_reader exist, and this command gave them no passwords")
    _say(f"next, as the owner: {_PROGRAM} migrate")
    return 0


def _demo(options: argparse.Namespace, settings: Settings) -> int:
    from app.server.run import serving

    # The simulated fleet has a database of its own, so that it does not mix with real devices.
    settings = replace(settings, data_dir=settings.data_dir / "demo")
    fleet = {"seconds": options.seconds, "days": options.days, "vehicles": options.vehicles, "seed": options.seed}
    if settings.needs_keys:
        raise ConfigurationError(
            "the demo's devices have no keys: let it listen on this machine alone, such as --host 127.0.0.1, or let "
            "everybody in with ENERGY_OPEN=yes"
        )
    listen.check(settings)
    with (
        stopped_by_signals() as stop,
        database(settings, serves=True) as url,
        serving(settings, url, stop) as address,
    ):
        load = partial(importer.load, url, settings)
        demo.run(address, stop=stop, load=load, alone=settings.database_url is not None, **fleet)
    return 0


def _import(options: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as url:
        return importer.run(url, settings, options)


def _keys(options: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as url:
        return keys.run(url, options)


def _correct(options: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as url:
        return corrections.run_correct(url, options)


def _forget(options: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as url:
        return corrections.run_forget(url, options)


def _policies(options: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as url:
        return policies.run(url, options)


def _doctor(options: argparse.Namespace, settings: Settings) -> int:
    if settings.database_url is None:
        with database(settings) as url:
            return doctor.run(url, options, settings.max_clock_skew_s)
    # A role that only reads may run it too, and cannot check the schema's release.
    with suppress(RoleLacksRight):
        migrate.check(settings.database_url)
    return doctor.run(settings.database_url, options, settings.max_clock_skew_s)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


_LISTENING = ("ENERGY_HOST", "ENERGY_PORT")
_GROUPS: Mapping[str, tuple[_Command, ...]] = {
    "Run the service": (
        _Command(
            "serve",
            "answer HTTP requests until Ctrl-C or SIGTERM",
            ("serve --port 8001", "serve --host 0.0.0.0 --workers 4 --database-url postgresql://energy@db/energy"),
            _serve,
            flags=(*_LISTENING, "ENERGY_WORKERS", "DATABASE_URL"),
        ),
        _Command(
            "demo",
            "serve, and let a simulated fleet send readings",
            ("demo --days 30", "demo --seconds 60"),
            _demo,
            _add_demo,
            (*_LISTENING, "DATABASE_URL"),
        ),
    ),
    "Set up a database": (
        _Command("migrate", "create or update the schema of this release", ("migrate",), _migrate),
        _Command(
            "roles",
            "create the database roles: an owner, a writer and a reader",
            ("roles --database-url postgresql://postgres@db/energy",),
            _roles,
        ),
    ),
    "Let devices and people in": (
        _Command(
            "keys",
            "make, list, rotate and revoke the keys that requests need",
            (
                "keys add --name ana --scope operator",
                "keys add --name 'gateway north' --scope gateway --prefix DEPOT-NORTH-",
                "keys rotate 1a2b3c4d",
                "keys list",
            ),
            _keys,
            keys.add_arguments,
        ),
    ),
    "Load and move data": (
        _Command(
            "import",
            "load a file of readings, assignments or devices",
            ("import readings.csv.gz", "import history.csv.gz --by-day", "import meter.csv --meter M-101 --end-at now"),
            _import,
            importer.add_arguments,
        ),
        _Command(
            "copy",
            "copy everything from another database into this one, and compare the two",
            ("copy postgresql://energy@old-server/energy",),
            _copy,
            _add_source,
        ),
        _Command(
            "compare",
            "show where another database and this one differ",
            ("compare postgresql://energy@old-server/energy --from 2026-01-01T00:00:00Z",),
            _compare,
            _add_comparison,
        ),
    ),
    "Correct and erase data": (
        _Command(
            "correct",
            "void, scale or replace the readings of a device in a window, or undo that",
            (
                "correct scale --meter M-101 --from 2026-01-31T00:00:00Z --to 2026-02-07T00:00:00Z --factor 0.001 "
                "--reason 'sent Wh as kWh' --dry-run",
                "correct undo 42 --reason 'it was right'",
                "correct list --meter M-101",
            ),
            _correct,
            corrections.add_correct_arguments,
        ),
        _Command(
            "forget",
            "erase a meter or vehicle: whatever the database holds of it",
            ("forget --vehicle V-202 --dry-run", "forget --vehicle V-202 --operator ana"),
            _forget,
            corrections.add_forget_arguments,
        ),
    ),
    "Look after a database": (
        _Command(
            "doctor",
            "report problems, what to do about them, and the figures behind them",
            ("doctor", "doctor --silent-for '90 minutes' --json"),
            _doctor,
            doctor.add_arguments,
        ),
        _Command(
            "policies",
            "show or change how long data is kept, when it is compressed and when rollups are refreshed",
            ("policies show", "policies plan policies.toml", "policies apply policies.toml"),
            _policies,
            policies.add_arguments,
        ),
    ),
}


if __name__ == "__main__":
    sys.exit(main())
