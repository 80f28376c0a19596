"""How well the rules of registers do on hardware as it is: python -m bench.hardware.

A charger of 22 kW charges once or twice a day for five days; what its register sends is spoilt as hardware does it, and
the rules, as one pass in plain Python (which the database equals by a property test), count it. The table has the share
of histories whose energy is off by more than 1 kWh.
"""

import argparse
import random
import sys
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from tests.support.registers import Decision, Rules, energy, events

RATED_KW = 22.0
DAYS = 5
SEED = 20261126
MOST_OFF_KWH = 1.0
INTERVALS = (1, 15, 60)
START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MODULUS_KWH = 1000.0

Readings = list[tuple[datetime, float]]


class Charger(NamedTuple):
    """The truth: charges in order (begin, end, kW), and what the register showed when it began."""

    charges: Sequence[tuple[datetime, datetime, float]]
    first_kwh: float

    def energy_kwh(self, at: datetime) -> float:
        """What flowed since the start, up to an instant."""
        return sum(
            kw * max(timedelta(0), min(at, ends) - begins) / HOUR for begins, ends, kw in self.charges if begins < at
        )

    def sample(self, every: timedelta) -> Readings:
        """The register, every so often."""
        steps = round(timedelta(days=DAYS) / every)
        instants = [START + i * every for i in range(steps + 1)]
        return [(at, round(self.first_kwh + self.energy_kwh(at), 3)) for at in instants]


class Sent(NamedTuple):
    """What the hardware sends, what it is declared to be, and what operators say of it."""

    readings: Readings
    meaning: Literal["register", "session"] = "register"
    modulus_kwh: float | None = None
    decisions: dict[datetime, Decision] | None = None


Hardware = Callable[[random.Random, Charger, Readings], Sent]


def charger(chance: random.Random) -> Charger:
    """A charger with one or two charges a day, of 3.7 to 22 kW and one to six hours."""
    charges: list[tuple[datetime, datetime, float]] = []
    at = START + chance.uniform(1, 8) * HOUR
    while at < START + timedelta(days=DAYS) - 8 * HOUR:
        ends = at + chance.uniform(1, 6) * HOUR
        charges.append((at, ends, chance.choice([3.7, 7.4, 11.0, 22.0]) * chance.uniform(0.9, 1.0)))
        at = ends + chance.uniform(4, 14) * HOUR
    return Charger(charges, chance.choice([0.0, 3.0, 80.0, 842.0, 12_000.0, 440_000.0]))


def as_it_is(_: random.Random, __: Charger, sent: Readings) -> Sent:
    return Sent(sent)


def in_whole_kwh(_: random.Random, __: Charger, sent: Readings) -> Sent:
    return Sent([(at, float(int(kwh))) for at, kwh in sent])


def cached_for_15_minutes(_: random.Random, truth: Charger, sent: Readings) -> Sent:
    def cached(at: datetime) -> datetime:
        return at - (at - START) % (15 * MINUTE)

    return Sent([(at, round(truth.first_kwh + truth.energy_kwh(cached(at)), 3)) for at, _ in sent])


def frozen_for_3_hours(chance: random.Random, truth: Charger, sent: Readings) -> Sent:
    begins = chance.choice(truth.charges)[0] + chance.uniform(0, 1) * HOUR
    held = sent[max(0, bisect_right(sent, (begins, 1e12)) - 1)][1]
    return Sent([(at, held if begins < at <= begins + 3 * HOUR else kwh) for at, kwh in sent])


def stale_repeats(chance: random.Random, _: Charger, sent: Readings) -> Sent:
    return Sent(
        [
            (at, sent[max(0, i - chance.randint(1, 3))][1] if chance.random() < 0.05 else kwh)
            for i, (at, kwh) in enumerate(sent)
        ]
    )


def _spoilt(chance: random.Random, sent: Readings, how: Callable[[float], float]) -> Sent:
    spoilt = set(chance.sample(range(1, len(sent) - 1), 3))
    return Sent([(at, how(kwh) if i in spoilt else kwh) for i, (at, kwh) in enumerate(sent)])


def zeros(chance: random.Random, _: Charger, sent: Readings) -> Sent:
    return _spoilt(chance, sent, lambda _: 0.0)


def spikes(chance: random.Random, _: Charger, sent: Readings) -> Sent:
    return _spoilt(chance, sent, lambda kwh: kwh * chance.uniform(2, 100) + 1000)


def dips(chance: random.Random, _: Charger, sent: Readings) -> Sent:
    return _spoilt(chance, sent, lambda kwh: max(0.0, kwh - chance.uniform(1, 50)))


def _anew(sent: Readings, at_index: int, first_kwh: float) -> Readings:
    """The register counts on from another value, from a reading on."""
    before = sent[at_index - 1][1]
    return sent[:at_index] + [(at, round(first_kwh + kwh - before, 3)) for at, kwh in sent[at_index:]]


def restored_to_an_older_value(chance: random.Random, _: Charger, sent: Readings) -> Sent:
    index = chance.randrange(len(sent) // 2, len(sent) - 2)
    older = chance.uniform(6, 24) * HOUR
    return Sent(_anew(sent, index, sent[max(0, bisect_right(sent, (sent[index][0] - older, 1e12)) - 1)][1]))


def reset_to_zero(chance: random.Random, _: Charger, sent: Readings) -> Sent:
    return Sent(_anew(sent, chance.randrange(2, len(sent) - 2), 0.0))


def exchanged(chance: random.Random, _: Charger, sent: Readings) -> Sent:
    return Sent(_anew(sent, chance.randrange(2, len(sent) - 2), chance.uniform(0, 50_000)))


def exchanged_and_announced(chance: random.Random, _: Charger, sent: Readings) -> Sent:
    index, first_kwh = chance.randrange(2, len(sent) - 2), round(chance.uniform(0, 50_000), 3)
    return Sent(_anew(sent, index, first_kwh), decisions={sent[index][0]: Decision("exchange", first_kwh)})


def clock_steps(chance: random.Random, _: Charger, sent: Readings) -> Sent:
    begins, length = START + chance.uniform(10, 100) * HOUR, chance.uniform(2, 12) * HOUR
    off = chance.choice([-1, 1]) * chance.uniform(5, 60) * MINUTE
    stamped: dict[datetime, float] = {}
    for at, kwh in sent:
        # Of two readings at one instant, the first stands.
        stamped.setdefault(at + off if begins < at <= begins + length else at, kwh)
    return Sent(sorted(stamped.items()))


def gaps_of_6_hours(chance: random.Random, _: Charger, sent: Readings) -> Sent:
    gaps = [START + chance.uniform(5, 110) * HOUR for _ in range(2)]
    kept = [row for row in sent[1:-1] if not any(begins < row[0] <= begins + 6 * HOUR for begins in gaps)]
    return Sent([sent[0], *kept, sent[-1]])


def rolls_over(_: random.Random, truth: Charger, sent: Readings) -> Sent:
    half = truth.energy_kwh(sent[-1][0]) / 2
    shift = MODULUS_KWH - half - truth.first_kwh
    return Sent([(at, round((kwh + shift) % MODULUS_KWH, 3)) for at, kwh in sent], modulus_kwh=MODULUS_KWH)


def session_counter(_: random.Random, truth: Charger, sent: Readings) -> Sent:
    """It begins anew with each charge, and sends its value at plug-in and at plug-out."""
    instants = {at for at, _ in sent} | {edge for begins, ends, _ in truth.charges for edge in (begins, ends)}

    def counted(at: datetime) -> float:
        begun = [begins for begins, _, _ in truth.charges if begins <= at]
        return truth.energy_kwh(at) - (truth.energy_kwh(begun[-1]) if begun else 0.0)

    return Sent([(at, round(counted(at), 3)) for at in sorted(instants)], meaning="session")


HARDWARE: tuple[Hardware, ...] = (
    as_it_is, in_whole_kwh, cached_for_15_minutes, frozen_for_3_hours, stale_repeats, zeros, spikes, dips,
    restored_to_an_older_value, reset_to_zero, exchanged, exchanged_and_announced, clock_steps, gaps_of_6_hours,
    rolls_over, session_counter,
)  # fmt: skip


def off_kwh(sent: Sent, truth: Charger, rated_kw: float | None) -> float:
    """By how much the energy that the rules count is off."""
    rules = Rules(sent.meaning, sent.modulus_kwh, rated_kw)
    begins, ends = sent.readings[0][0], sent.readings[-1][0]
    counted = energy(sent.readings, events(sent.readings, rules, sent.decisions), begins, ends) or 0.0
    return abs(counted - (truth.energy_kwh(ends) - truth.energy_kwh(begins)))


def share_off(hardware: Hardware, minutes: int, rated_kw: float | None, histories: int) -> float:
    """The share of histories whose energy is off by more than 1 kWh."""
    off = 0
    for number in range(histories):
        chance = random.Random(f"{SEED} {hardware.__name__} {number}")
        truth = charger(chance)
        sent = hardware(chance, truth, truth.sample(minutes * MINUTE))
        off += off_kwh(sent, truth, rated_kw) > MOST_OFF_KWH
    return off / histories


def table(histories: int) -> str:
    """The table, as Markdown."""
    columns = [(minutes, rated) for rated in (RATED_KW, None) for minutes in INTERVALS]
    heads = [f"{minutes} min, {'22 kW' if rated else 'unknown'}" for minutes, rated in columns]
    lines = [f"| hardware | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    for hardware in HARDWARE:
        shares = [share_off(hardware, minutes, rated, histories) for minutes, rated in columns]
        lines.append(f"| {hardware.__name__.replace('_', ' ')} | {' | '.join(f'{share:.1%}' for share in shares)} |")
    return "\n".join(lines)


def main() -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.hardware", description=__doc__)
    parser.add_argument("--histories", type=int, default=200, help="histories of each kind (default: 200)")
    options = parser.parse_args()
    sys.stdout.write(f"{table(options.histories)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
