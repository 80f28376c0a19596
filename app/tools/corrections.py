"""Corrections and erasure from the command line; what they do is in SQL, and the same over HTTP."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

from app.db.queries import query
from app.errors import CorrectionRefused, DatabaseUnavailable

Connection = psycopg.Connection[Any]

_ACTIONS = ("void", "scale", "replace", "undo", "list")
_LISTED = 20


def add_correct_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command `correct`."""
    parser.add_argument(
        "action",
        choices=_ACTIONS,
        metavar=f"{{{','.join(_ACTIONS)}}}",
        help="void: take the readings of a window away; scale: multiply their energies; replace: put others in their "
        f"place; undo: take a correction back; list: print the last {_LISTED}",
    )
    parser.add_argument("number", type=int, nargs="?", help="of undo: the number of the correction")
    _add_device(parser)
    for flag, which in (("--from", "start, excluded"), ("--to", "end, included")):
        parser.add_argument(
            flag,
            dest=f"window_{flag[2:]}",
            type=_time,
            metavar="TIME",
            help=f"{which} of the window, such as 2026-01-31T08:00:00Z",
        )
    parser.add_argument("--factor", type=float, help="of scale: what energies are multiplied by, such as 0.001")
    parser.add_argument(
        "--readings",
        type=Path,
        metavar="FILE",
        help="of replace: JSON, an array of objects with recorded_at and the columns of the history",
    )
    parser.add_argument("--reason", help="why; stored with the correction")
    _add_common(parser)


def add_forget_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command `forget`."""
    _add_device(parser)
    _add_common(parser)


def run_correct(url: str, options: argparse.Namespace) -> int:
    """Correct readings, undo or list corrections; returns 0.

    Raises :class:`CorrectionRefused` where it is not allowed, with what is, and :class:`DatabaseUnavailable`.
    """
    with _connected(url) as connection:
        if options.action == "list":
            device = _device(options) if options.meter or options.vehicle else (None, None)
            asked = {"device_type": device[0], "device_id": device[1], "before": None, "row_limit": _LISTED}
            for row in connection.execute(query("corrections"), asked).fetchall():
                _say(_line(row))
            return 0
        with connection.transaction(force_rollback=options.dry_run):
            [made] = connection.execute(*_change(options)).fetchall()
            [row] = connection.execute(query("correction"), {"id": made.id}).fetchall()
            _say(_line(row))
        if options.dry_run:
            _say("nothing was changed: --dry-run")
        elif row.is_pending:
            _say("answers about that time are pending until the next refresh")
    return 0


def run_forget(url: str, options: argparse.Namespace) -> int:
    """Erase a device; returns 0.

    Raises :class:`CorrectionRefused` where nothing is known of it, and :class:`DatabaseUnavailable`.
    """
    device_type, device_id = _device(options)
    asked = {"device_type": device_type, "device_id": device_id, "operator": options.operator}
    with _connected(url) as connection:
        with connection.transaction(force_rollback=options.dry_run):
            for row in connection.execute(query("forget_device"), asked).fetchall():
                _say(f"{row.relation}: {row.row_count:,} rows")
        if options.dry_run:
            _say("nothing was changed: --dry-run")
        else:
            _say(f"the {device_type} is erased; docs/operations.md says what backups and logs still hold")
    return 0


def _add_device(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--meter", metavar="ID", help="the meter")
    which.add_argument("--vehicle", metavar="ID", help="the vehicle")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--operator", help="who asks for it; stored with it")
    parser.add_argument("--dry-run", action="store_true", help="only print what it would do")


def _time(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        given = None
    if given is None or given.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} is not a time with its zone, such as 2026-01-31T08:00:00Z")
    return given


def _device(options: argparse.Namespace) -> tuple[str, str]:
    if options.meter is None and options.vehicle is None:
        raise CorrectionRefused("--meter or --vehicle is missing: such as --meter M-101")
    return ("meter", options.meter) if options.meter is not None else ("vehicle", options.vehicle)


def _change(options: argparse.Namespace) -> tuple[bytes, dict[str, Any]]:
    """The query that makes the correction, and its parameters."""
    said = {"reason": options.reason, "operator": options.operator}
    if options.action == "undo":
        if options.number is None:
            raise CorrectionRefused("the number of the correction is missing: such as correct undo 42")
        return query("undo_correction"), {"id": options.number, **said}
    device_type, device_id = _device(options)
    asked = {
        "device_type": device_type,
        "device_id": device_id,
        "from": options.window_from,
        "to": options.window_to,
        "action": options.action,
        "factor": options.factor,
        "readings": None if options.readings is None else Jsonb(_readings(options.readings)),
    }
    return query("correct_readings"), {**asked, **said}


def _readings(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise CorrectionRefused(f"{path} cannot be read as JSON: {error}") from None


def _line(row: Any) -> str:
    """A correction as a person reads it."""
    energies = " and ".join(
        "unknown" if kwh is None else f"{kwh:,.3f}" for kwh in (row.energy_before_kwh, row.energy_after_kwh)
    )
    what = f"undo of {row.undoes}" if row.undoes else row.action + (f" by {row.factor:g}" if row.factor else "")
    window = f"from {row.corrected_from:%F %T%z} to {row.corrected_to:%F %T%z}"
    counts = f"readings before and after: {row.readings_before:,} and {row.readings_after:,}"
    undone = f" (undone by {row.undone_by})" if row.undone_by else ""
    return (
        f"{row.id}: {what}, {row.device_type} {row.device_id} {window}; {counts}; kWh: {energies}; {row.reason}{undone}"
    )


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    """A connection in autocommit; what the database says against a change is the person's to mend."""
    try:
        with psycopg.connect(url, autocommit=True, row_factory=namedtuple_row, options="-c timezone=UTC") as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the database is not available: {error}") from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise CorrectionRefused(f"this role may not do it: {error.diag.message_primary}") from None
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.NoDataFound) as error:
        hint = f"; {error.diag.message_hint}" if error.diag.message_hint else ""
        raise CorrectionRefused(f"{error.diag.message_primary}{hint}") from None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
