"""Takes the figures side by side, and writes them down: python -m bench [--only single,batches] [--quick]."""

import argparse
import sys
from pathlib import Path

from app.migrate import Profile
from bench import batches, machine, single
from bench.load import CannotMeasure, say, wrk
from bench.report import Table
from bench.targets import can_have_workers, storage
from tests.servers import PROFILES, open_directory

QUESTIONS = ("single", "batches")
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    """Returns the exit status: 0 measured, 1 something needed is not here."""
    options = _parser().parse_args()
    try:
        wrk()
        tables = [table for profile in options.profiles for table in _measure(profile, options)]
    except CannotMeasure as reason:
        sys.stderr.write(f"bench: {reason}\n")
        return 1
    text = "\n".join([machine.description(), "", *(table.markdown() for table in tables)])
    say(text)
    return 0


def _measure(profile: Profile, options: argparse.Namespace) -> list[Table]:
    rounds, seconds = (1, 2) if options.quick else (options.rounds, options.seconds)
    tables: list[Table] = []
    with storage(profile) as made, open_directory() as directory:
        say(f"{made.version}" + ("" if can_have_workers() else "; this service has no workers"))
        if "single" in options.only:
            tables.append(single.measure(made, directory, rounds, seconds))
        if "batches" in options.only:
            tables += batches.measure(made, directory, rounds, seconds)
    return tables


def _parser() -> argparse.ArgumentParser:
    def some_of(known: tuple[str, ...], text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := set(chosen) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}")
        return chosen

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", type=lambda text: some_of(QUESTIONS, text), default=QUESTIONS, metavar="QUESTION,...")
    parser.add_argument(
        "--profiles",
        type=lambda text: some_of(PROFILES, text),
        default=("timescale", "postgres"),
        metavar="PROFILE,...",
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of every figure; the median is told")
    parser.add_argument("--seconds", type=int, default=4, help="whole seconds that a round lasts")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
