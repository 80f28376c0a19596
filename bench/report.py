"""Figures as tables of Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.load import Sample, median


@dataclass
class Table:
    """The figures of one question, with what follows from them, a sentence each."""

    title: str
    samples: Mapping[str, Sequence[Sample]]
    notes: list[str] = field(default_factory=list)
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
            lines.append(
                f"| {name} | {m.per_s:,.0f} | {latency} "
                f"| {m.client_cpu:.0%} | {m.service_cpu:.0%} | {m.database_cpu:.0%} |"
            )
        lines += ["", *(f"- {note}" for note in self.notes), ""]
        return "\n".join(lines)


def ratio_line(samples: Mapping[str, Sequence[Sample]], ours: str, theirs: str) -> str:
    """How the rate of one figure stands to that of another."""
    return f"{ours} over {theirs}: **{median(samples[ours]).per_s / median(samples[theirs]).per_s:.2f}**"
