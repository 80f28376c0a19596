"""Figures as tables of Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.load import Sample, median


@dataclass(frozen=True)
class Reached:
    """A figure that stands in the summary, with what it should be."""

    what: str
    figure: str
    aim: str


@dataclass
class Table:
    """The figures of one question, with what follows from them, a sentence each."""

    title: str
    samples: Mapping[str, Sequence[Sample]]
    notes: list[str] = field(default_factory=list)
    reached: list[Reached] = field(default_factory=list)
    unit: str = "readings/s"

    def markdown(self) -> str:
        """The table, medians of the rounds."""
        lines = [
            f"## {self.title}",
            "",
            f"| | {self.unit} | p50, ms | p99, ms | CPU: client | service | database |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for name, rounds in self.samples.items():
            m = median(rounds)
            latency = f"{m.p50_ms:.2f} | {m.p99_ms:.2f}" if m.p99_ms else "|"
            taken = (m.client_cpu, m.service_cpu, m.database_cpu)
            shares = " | ".join(f"{share:.0%}" for share in taken) if any(taken) else "| |"
            lines.append(f"| {name} | {m.per_s:,.0f} | {latency} | {shares} |")
        lines += ["", *(f"- {note}" for note in self.notes), ""]
        return "\n".join(lines)


def ratio(samples: Mapping[str, Sequence[Sample]], ours: str, theirs: str) -> float:
    """How the rate of one figure stands to that of another."""
    return median(samples[ours]).per_s / median(samples[theirs]).per_s


def ratio_line(samples: Mapping[str, Sequence[Sample]], ours: str, theirs: str) -> str:
    """The same as a sentence."""
    return f"{ours}, over {theirs}: **{ratio(samples, ours, theirs):.2f}**"


def summary(tables: Sequence[Table]) -> str:
    """What was reached, of all tables."""
    rows = [f"| {row.what} | {row.figure} | {row.aim} |" for table in tables for row in table.reached]
    return "\n".join(["| | figure | aim |", "| --- | ---: | ---: |", *rows, ""])
