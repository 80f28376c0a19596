"""The command line: python -m app serve | migrate | roles | demo | import FILE | policies plan|apply FILE |
doctor | copy URL | compare URL."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from app import __version__
from app.config import Settings
from app.db import migrate
from app.errors import OperatorError, RoleLacksRight
from app.local import demo
from app.server.database import any_database, database
from app.server.run import configure_logging, serving
from app.server.signals import stopped_by_signals
from app.server.workers import serve_with_workers
from app.tools import doctor, importer, policies, transfer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 it could not be done, 2 it was asked for wrongly."""
    options = _parser().parse_args(arguments)
    configure_logging()
    try:
        return int(options.run(options, Settings.from_environment()))
    except OperatorError as error:
        sys.stderr.write(f"energy: {error}\n")
        return error.exit_status
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description="Energy accounting for EV fleets.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="answer HTTP until SIGINT or SIGTERM")
    serve.add_argument("--workers", help="processes that answer; ENERGY_WORKERS unless told")
    serve.set_defaults(run=_serve)

    migrating = commands.add_parser("migrate", help="bring the database to this release's schema")
    migrating.set_defaults(run=_migrate)

    making_roles = commands.add_parser("roles", help="make the database roles: an owner, a writer, a reader")
    making_roles.set_defaults(run=_roles)

    demonstrating = commands.add_parser("demo", help="serve, and let a simulated fleet post to it")
    demonstrating.add_argument("--seconds", type=float, help="stop after so long; until Ctrl-C unless told")
    demonstrating.add_argument("--vehicles", type=int, default=demo.VEHICLES, help="vehicles of the fleet")
    demonstrating.add_argument("--seed", type=int, default=demo.SEED, help="seed of the simulation")
    demonstrating.set_defaults(run=_demo)

    load = commands.add_parser("import", help="load a file of readings, assignments or devices")
    importer.add_arguments(load)
    load.set_defaults(run=_import)

    changing = commands.add_parser("policies", help="show or apply a file of retention, columnstore and refresh")
    policies.add_arguments(changing)
    changing.set_defaults(run=_policies)
    _add_transfer(commands)

    examining = commands.add_parser("doctor", help="what is not normal in the database, and the figures behind it")
    doctor.add_arguments(examining)
    examining.set_defaults(run=_doctor)
    return parser


def _add_transfer(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    filling = commands.add_parser("copy", help="copy another database, of either profile, into this one, and compare")
    filling.add_argument("url", help="the database to copy; leave its password to PGPASSFILE")
    filling.set_defaults(run=_copy)

    comparing = commands.add_parser("compare", help="tell where another database and this one differ")
    comparing.add_argument("url", help="the other database; leave its password to PGPASSFILE")
    comparing.add_argument("--from", dest="from_", type=datetime.fromisoformat, help="readings from then on alone")
    comparing.add_argument("--to", type=datetime.fromisoformat, help="readings before then alone")
    comparing.set_defaults(run=_compare)


def _copy(options: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as url:
        return transfer.run_copy(options.url, url)


def _compare(options: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as url:
        return transfer.run_compare(url, options.url, options.from_, options.to)


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    if options.workers is not None:
        settings = Settings.from_environment({**os.environ, "ENERGY_WORKERS": options.workers})
    with stopped_by_signals() as stop, database(settings, stops_without=True) as url:
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
    _say(
        "roles energy_owner, energy_writer and energy_reader are there, without passwords of ours; next, as the owner:"
    )
    _say("python -m app migrate")
    return 0


def _demo(options: argparse.Namespace, settings: Settings) -> int:
    # What is imagined does not get among what the service was told.
    settings = replace(settings, data_dir=settings.data_dir / "demo")
    fleet = {"seconds": options.seconds, "vehicles": options.vehicles, "seed": options.seed}
    with (
        stopped_by_signals() as stop,
        database(settings, stops_without=True) as url,
        serving(settings, url, stop) as address,
    ):
        demo.run(address, stop=stop, alone=settings.database_url is not None, **fleet)
    return 0


def _import(options: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as url:
        return importer.run(url, settings, options)


def _policies(options: argparse.Namespace, settings: Settings) -> int:
    with database(settings) as url:
        return policies.run(url, options)


def _doctor(options: argparse.Namespace, settings: Settings) -> int:
    if settings.database_url is None:
        with database(settings) as url:
            return doctor.run(url, options)
    # A role that only reads may look too, and is not told of the schema's release.
    with suppress(RoleLacksRight):
        migrate.check(settings.database_url)
    return doctor.run(settings.database_url, options)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
