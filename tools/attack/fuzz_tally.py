"""What a fuzz run counts, over inputs, processes and runs."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Tally:
    """Outcomes of one kind of inputs."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """"accepted", the class of a refusal, or "foreign"."""
    slowest: float = 0.0
    """CPU seconds of one input."""
    slowest_input: str = ""
    memory: float = 0.0
    """MiB by which the resident set of a worker grew at most over what it was before its first input."""
    seconds: float = 0.0
    """Time on the clock, summed over workers."""
    next_batch: int = 0
    """All batches of inputs before this one are done, or were passed over."""

    @property
    def inputs(self) -> int:
        return self.outcomes.total()

    def add(self, outcome: str, seconds: float, name: str) -> None:
        """Count one input."""
        self.outcomes[outcome] += 1
        if seconds > self.slowest:
            self.slowest, self.slowest_input = seconds, name

    def merge(self, other: "Tally") -> None:
        """Count what another process or run counted."""
        self.outcomes.update(other.outcomes)
        if other.slowest > self.slowest:
            self.slowest, self.slowest_input = other.slowest, other.slowest_input
        self.memory = max(self.memory, other.memory)
        self.seconds += other.seconds
        self.next_batch = max(self.next_batch, other.next_batch)

    def table(self, kind: str) -> str:
        """The counts, for people."""
        rate = self.inputs / self.seconds if self.seconds else 0
        rows = [("inputs", f"{self.inputs:,}"), ("a second and process", f"{rate:,.0f}")]
        names = sorted(self.outcomes, key=lambda name: (name != "accepted", name))
        rows += [(name, f"{self.outcomes[name]:,}") for name in names if name != "foreign"]
        rows += [
            ("foreign exceptions", f"{self.outcomes['foreign']:,}"),
            ("slowest input", f"{self.slowest:.3f} s of CPU, {self.slowest_input}"),
            ("memory growth", f"{self.memory:.0f} MiB"),
        ]
        return "\n".join([kind, *(f"  {name:<22}{value:>16}" for name, value in rows)])


def load(path: Path | None, seed: int) -> dict[str, Tally]:
    """The tallies of a state file; none yet where there is no such file."""
    if path is None or not path.exists():
        return {}
    state: dict[str, Any] = json.loads(path.read_text())
    if state.pop("seed") != seed:
        raise SystemExit(f"{path}: of another seed")
    return {kind: Tally(**{**fields, "outcomes": Counter(fields["outcomes"])}) for kind, fields in state.items()}


def save(path: Path, seed: int, tallies: dict[str, Tally]) -> None:
    """Write the state file."""
    state = {kind: vars(tally) for kind, tally in tallies.items()}
    path.write_text(json.dumps({"seed": seed, **state}, indent=1))
