"""Takes the figures side by side in one run, and writes them to bench/RESULTS.md: python -m bench.

`--only` takes some of the questions, `--quick` takes each figure once and briefly, to see that everything runs; neither
touches RESULTS.md unless `--output` says so.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from app import __version__
from bench import batches, disorder, look_ups, machine, nominal, peers, single
from bench.generate import SEED
from bench.load import CannotMeasure, say, wrk
from bench.report import Table, summary
from bench.targets import can_have_workers, storage
from tests.support.servers import PROFILES, open_directory

QUESTIONS = ("single", "batches", "disorder", "nominal", "look_ups")
RESULTS = Path(__file__).with_name("RESULTS.md")
PACKAGES = ("psycopg", "msgspec", "starlette", "uvicorn", "httptools", "uvloop")


def main() -> int:
    """Returns the exit status: 0 measured, 1 something needed is not here."""
    options = _parser().parse_args()
    began = time.monotonic()
    try:
        wrk()
        facts, tables = _measure(options)
    except CannotMeasure as reason:
        sys.stderr.write(f"bench: {reason}\n")
        return 1
    facts.append(f"The whole run took {(time.monotonic() - began) / 60:.0f} minutes.")
    text = _document(facts, tables)
    say(text)
    is_whole = tuple(options.only) == QUESTIONS and not options.quick
    output = options.output or (RESULTS if is_whole else None)
    if output is not None:
        output.write_text(text, encoding="utf-8")
        say(f"written to {output}")
    return 0


def _measure(options: argparse.Namespace) -> tuple[list[str], list[Table]]:
    """What was measured on, a sentence each, and the figures."""
    rounds, seconds = (1, 2) if options.quick else (options.rounds, options.seconds)
    tables: list[Table] = []
    with ExitStack() as stack:
        facts = [
            f"{machine.description()}.",
            f"8 KiB made durable in {machine.sync_ms():.2f} ms (median of fdatasync), where the databases are.",
        ]
        directory = stack.enter_context(open_directory())
        if set(options.only) - {"look_ups"}:
            storages = [stack.enter_context(storage(profile)) for profile in options.profiles]
            facts += [f"{made.profile} profile: {made.version}, durable, synchronous_commit on." for made in storages]
            asks_peers = {"single", "batches"} & set(options.only)
            others = stack.enter_context(peers.installed()) if asks_peers else []
            facts += [f"{peer.kind.name} {peer.version}: {peer.kind.promise}." for peer in others]
            facts += peers.absent() if asks_peers else []
            if "single" in options.only:
                tables.append(single.measure(storages, others, directory, rounds, seconds))
            if "batches" in options.only:
                tables += batches.measure(storages, others, directory, rounds, seconds)
            if "disorder" in options.only:
                tables.append(disorder.measure(storages, directory, rounds, seconds))
            if "nominal" in options.only:
                tables.append(nominal.measure(storages, directory, options.quick))
    # On servers of their own: there are databases of several lengths, and cold means restarted.
    if "look_ups" in options.only:
        tables += look_ups.measure(options.profiles, rounds, seconds, options.quick)
    if not can_have_workers():
        facts.append("This release of the service runs one worker.")
    return facts, tables


def _document(facts: Sequence[str], tables: Sequence[Table]) -> str:
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return "\n".join(
        [
            "# Results",
            "",
            f"Taken {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with `python -m bench`, release {__version__}, seed {SEED}.",
            "Client, service and database share the cores. Figures are medians of rounds in which all figures of a",
            "table took turns. Every round begins with one reading of each of 20,000 devices, and ends with a count:",
            "what was acknowledged has to be in the history. Latencies are wrk's, each connection sending as soon as",
            "it has its answer, or at a steady rate for the nominal load. CPU is in cores: 100 % is one.",
            "",
            *(f"- {fact}" for fact in facts),
            f"- {packages}.",
            "",
            summary(tables),
            *(table.markdown() for table in tables),
        ]
    )


def _parser() -> argparse.ArgumentParser:
    def some_of(known: Sequence[str], text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := set(chosen) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}")
        return [name for name in known if name in chosen]

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", type=lambda text: some_of(QUESTIONS, text), default=QUESTIONS, metavar=",".join(QUESTIONS)
    )
    profiles = tuple(reversed(PROFILES))
    parser.add_argument(
        "--profiles", type=lambda text: some_of(profiles, text), default=profiles, metavar=",".join(profiles)
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of every figure; the median is reported")
    parser.add_argument("--seconds", type=int, default=4, help="whole seconds that a round lasts")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything runs")
    parser.add_argument("--output", type=Path, help="file to write; RESULTS.md unless --only or --quick is given")
    return parser


if __name__ == "__main__":
    sys.exit(main())
