"""Policies as a file: plan and apply their changes. The guardrails are in SQL, shared by all callers.

A file is TOML, a table a relation:

    [meter_telemetry_history]
    drop_after = "90 days"
    columnstore_after = "never"

Omitted settings stay as they are.
"""

import argparse
import json
import logging
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow, class_row

from app.db.queries import query
from app.errors import DatabaseUnavailable, PoliciesRefused, PolicyFileError
from app.words import counted

logger = logging.getLogger("energy.policies")

Connection = psycopg.Connection[TupleRow]

_ACTIONS = ("show", "plan", "apply", "adopt")
_AS_SET = "as set"
_LINE_OF_ERROR = re.compile(r"\(at line (\d+), column \d+\)")
# A setting whose value has no quotes, one quote, or those of a text processor.
_ASSIGNMENT = re.compile(r"""\s*([a-z_]+)\s*=\s*["'“„]?([\w][\w .:-]*?)["'”“]?\s*(?:#.*)?""")
_EFFECTS = {"drop": "drops", "columnstore": "goes to the columnstore"}


@dataclass(frozen=True, slots=True)
class _Shown:
    """A setting: its value in telemetry.policy, the one in force, and who changed it last."""

    relation: str
    setting: str
    wanted: str
    in_force: str
    changed_at: datetime | None
    changed_by: str | None
    changed_through: str | None

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """A line of the table."""
        changed = "never changed"
        if self.changed_at is not None:
            changed = f"{self.changed_at:%F %H:%M} UTC by {self.changed_by}"
            if self.changed_through:
                changed += f", {self.changed_through}"
        in_force = _AS_SET if self.in_force == self.wanted else self.in_force
        return f"{self.relation}.{self.setting}", self.wanted, in_force, changed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command `policies`."""
    parser.add_argument(
        "action",
        choices=_ACTIONS,
        metavar=f"{{{','.join(_ACTIONS)}}}",
        help="show: print policies, what the database does, and the last change; plan: print what would change; "
        "apply: change the database; adopt: write into telemetry.policy what the database does now",
    )
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        help='TOML with a table for each relation, such as [meter_hourly] drop_after = "1100 days"; '
        "without a file: telemetry.policy as it is",
    )


def run(url: str, options: argparse.Namespace) -> int:
    """Print the changes and the data they affect, and make them with `apply` or `adopt`; returns 0.

    Without a file, telemetry.policy is compared with the chunk intervals and jobs of the database.

    Raises :class:`PolicyFileError` where the file is invalid, :class:`PoliciesRefused` where a guardrail rejects the
    change (nothing is changed then), and :class:`DatabaseUnavailable`.
    """
    if options.action in ("show", "adopt") and options.file is not None:
        raise PolicyFileError(f"policies {options.action} takes no file; policies plan and policies apply do")
    if options.action == "show":
        return _show(url)
    if options.action == "adopt":
        return _adopt(url)
    wanted = {"wanted": json.dumps(_read(options.file) if options.file else {})}
    with _connected(url) as connection:
        plan = connection.execute(query("policy_plan"), wanted).fetchall()
        _print_plan(plan, connection.execute(query("policy_effects"), wanted).fetchall())
        if options.action == "apply" and plan:
            # One transaction by itself: the connection is in autocommit.
            connection.execute(query("set_policies"), wanted)
            _say("applied")
        else:
            _refuse(connection.execute(query("policy_violations"), wanted).fetchall())
            _print_what_has_no_effect(connection, [setting for _, setting, _, _ in plan])
        _print_unknown_jobs(connection)
    return 0


def _print_what_has_no_effect(connection: Connection, settings: Sequence[str]) -> None:
    """What applying would say itself."""
    [(has_chunks,)] = connection.execute(query("has_chunks")).fetchall()
    if not has_chunks and any(setting != "drop_after" for setting in settings):
        _say("postgres profile: only drop_after has an effect; the other settings are stored, and need TimescaleDB")


def _show(url: str) -> int:
    """A line for each setting: its value in telemetry.policy, the one in force, and the last change."""
    with _connected(url) as connection:
        cursor = connection.cursor(row_factory=class_row(_Shown))
        shown = [policy.cells for policy in cursor.execute(query("policies_shown"))]
        lines = [("setting", "telemetry.policy", "in the database", "last change"), *shown]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            _say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if any(in_force != _AS_SET for _, _, in_force, _ in shown):
            _say("where the database does otherwise: policies apply changes the database, policies adopt the policy")
        _print_unknown_jobs(connection)
    return 0


def _adopt(url: str) -> int:
    with _connected(url) as connection:
        found = connection.execute(query("policy_plan"), {"wanted": "{}"}).fetchall()
        connection.execute(query("adopt_policies"))
        _print_plan([(relation, setting, wanted, now) for relation, setting, now, wanted in found], [])
        if found:
            _say("adopted: telemetry.policy says so from now on")
        _print_unknown_jobs(connection)
    return 0


def _print_unknown_jobs(connection: Connection) -> None:
    for (job,) in connection.execute(query("unknown_jobs")):
        _say(f"{job}: not this service's, and left alone; `doctor` says what harm it may do")


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        text = path.read_bytes().decode()
        tables = tomllib.loads(text)
    except OSError as error:
        raise PolicyFileError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PolicyFileError(f"{path} is not TOML: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise PolicyFileError(f"{path} is not TOML: {error}; {_correction(text, str(error))}") from None
    for relation, settings in tables.items():
        if not isinstance(settings, dict):
            raise PolicyFileError(f"{path}: {relation} is not a table; write [{relation}] above its settings")
        for setting, value in settings.items():
            if not isinstance(value, str):
                days = f"{value} days" if type(value) is int else "90 days"
                raise PolicyFileError(
                    f'{path}: {relation}.{setting} is not a text in quotes; write {setting} = "{days}", or "never"'
                )
    return tables


def _correction(text: str, error: str) -> str:
    """The line of a file that is not TOML as it should be, where its value only lacks quotes; else an example."""
    found = _LINE_OF_ERROR.search(error)
    lines = text.splitlines()
    assigned = _ASSIGNMENT.fullmatch(lines[int(found[1]) - 1]) if found and int(found[1]) <= len(lines) else None
    return f'write {assigned[1]} = "{assigned[2]}"' if assigned else 'write drop_after = "200 days"'


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    """A connection in autocommit; errors of the database become messages for the command line."""
    try:
        with psycopg.connect(url, autocommit=True, application_name="energy-policies") as connection:
            connection.execute("SET timezone = 'UTC'")
            connection.add_notice_handler(lambda notice: _say(str(notice.message_primary)))
            yield connection
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"the database does not answer: {str(error).strip().splitlines()[0]}") from None
    except psycopg.errors.IntegrityError as error:
        raise PoliciesRefused(_sentence(error.diag.message_primary, error.diag.message_hint)) from None
    except psycopg.errors.DataError as error:
        raise PolicyFileError(_sentence(error.diag.message_primary, error.diag.message_hint)) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise PoliciesRefused(f"this role may not change policies: {error.diag.message_primary}") from None
    except psycopg.Error as error:
        detail = _sentence(error.diag.message_primary or error, error.diag.message_hint)
        raise PoliciesRefused(f"the database refuses: {detail}") from None


def _refuse(violations: list[TupleRow]) -> None:
    if violations:
        raise PoliciesRefused("\n".join(_sentence(*violation) for violation in violations))


def _sentence(message: Any, hint: Any) -> str:
    return f"{message}. {hint}" if hint else str(message)


def _print_plan(plan: list[TupleRow], effects: list[TupleRow]) -> None:
    if not plan:
        _say("nothing to change")
    for relation, setting, now, wanted in plan:
        _say(f"{relation}.{setting}: {now} -> {wanted}")
    for relation, effect, chunks, rows, stored_bytes, range_from, range_to, is_at_least in effects:
        parts = [f"{'at least ' if is_at_least else ''}{counted(rows, 'row')}"]
        if chunks is not None:
            parts = [counted(chunks, "chunk"), *parts, f"{stored_bytes / 1e6:,.1f} MB"]
        _say(f"{relation} {_EFFECTS[effect]} {', '.join(parts)} from {range_from:%F %H:%M} to {range_to:%F %H:%M} UTC")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
