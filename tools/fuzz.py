"""Hostile files by the million: whatever is not refused with an error of ours is a bug.

    python tools/fuzz.py --minutes 10                     # both kinds, a process on each core
    python tools/fuzz.py container --minutes 60 --seed 7 --state out/fuzz.json

    container  mutations of the fields of valid files, length and checksum made right. All are parsed as far as the
               weights; of those accepted one in eight is read whole and one in sixty-four drawn at 8x8
    payload    mutations of the unpacked weights, packed again. All are read, and drawn at 8x8

An accepted file must be written again as it was. Each process may take 256 MiB more than it had at its start: more is
a MemoryError, and so a foreign exception. Foreign exceptions are kept as files in --out; then the exit code is 1. With
--state the counts go on from those of runs before. Seeds are the golden files and networks made here.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import fuzz_mutations as mutations

from inrcodec import bitstream, decoder
from inrcodec.errors import InrError

ROOT = Path(__file__).resolve().parent.parent
ROOM = 256 << 20
"""Bytes that a process may take beyond those at its start."""
_SHARE = 2000
"""Inputs between two looks at the clock."""


@dataclass
class Tally:
    """What has been seen of one kind."""

    inputs: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    foreign: int = 0
    slowest: float = 0.0
    """Seconds of the slowest input."""
    grown: int = 0
    """Most bytes that a process has taken beyond those at its start."""

    def add(self, other: "Tally") -> None:
        """Take over another's counts."""
        self.inputs += other.inputs
        self.accepted += other.accepted
        self.refused.update(other.refused)
        self.foreign += other.foreign
        self.slowest, self.grown = max(self.slowest, other.slowest), max(self.grown, other.grown)


def try_container(data: bytes, rng: random.Random) -> None:
    """Read what a container mutation has made, some of them whole, fewer also drawn."""
    bitstream.read_header(data)
    _check_form(data)
    if rng.random() < 1 / 8:
        bitstream.read(data)
    if rng.random() < 1 / 64:
        decoder.decode(data, (8, 8))


def try_payload(data: bytes, rng: random.Random) -> None:
    """Draw what a mutation of the weights has made."""
    decoder.decode(data, (8, 8))
    _check_form(data)


def _check_form(data: bytes) -> None:
    if bitstream.serialise(bitstream.parse(data)) != data:
        raise RuntimeError("an accepted file is not written again as it was")


Kind = tuple[Callable[[random.Random], bytes], Callable[[bytes, random.Random], None]]


def kinds() -> dict[str, Kind]:
    """How each kind makes an input, and what is done with it."""
    golden = [path.read_bytes() for path in sorted((ROOT / "tests" / "golden" / "valid").glob("*.inr"))]
    own = [mutations.network(dims, spread, 0) for dims in ((6, 5), (40, 30, 20)) for spread in (3, 300)]
    bodies = [mutations.body_of(data) for data in [*golden, *own[:2]] if len(data) < 1000]
    weights = [parts for parts in map(mutations.unpacked, [*own, *golden]) if parts is not None]
    return {
        "container": (lambda rng: mutations.container(bodies, rng), try_container),
        "payload": (lambda rng: mutations.payload(weights, rng), try_payload),
    }


def run(kind: str, seed: int, seconds: float, out: Path) -> Tally:
    """Try inputs of one kind for so long; deterministic but for how many they are."""
    make, attempt = kinds()[kind]
    rng, tally, end = random.Random(f"{kind} {seed}"), Tally(), time.monotonic() + seconds
    before = _resident()
    _cap_memory()
    while time.monotonic() < end:
        for _ in range(_SHARE):
            _try(make(rng), attempt, rng, tally, out)
    tally.grown = max(0, _resident() - before)
    return tally


def _try(
    data: bytes, attempt: Callable[[bytes, random.Random], None], rng: random.Random, tally: Tally, out: Path
) -> None:
    tally.inputs += 1
    start = time.perf_counter()
    try:
        attempt(data, rng)
        tally.accepted += 1
    except InrError as error:
        tally.refused[type(error).__name__] += 1
    except Exception as error:  # what this tool looks for
        tally.foreign += 1
        out.mkdir(parents=True, exist_ok=True)
        (out / f"foreign-{type(error).__name__}-{tally.inputs}-{os.getpid()}.inr").write_bytes(data)
    tally.slowest = max(tally.slowest, time.perf_counter() - start)


def _resident() -> int:
    """The most bytes that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _cap_memory() -> None:
    """At most `ROOM` more of address space than now, where the system tells how much that is."""
    status = Path("/proc/self/statm")
    if status.exists():
        used = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, resource.RLIM_INFINITY))


def table(tallies: dict[str, Tally]) -> str:
    """All counts, a line a kind, and the refusals by class."""
    lines = [f"{'kind':<11}{'inputs':>13}{'accepted':>12}{'foreign':>9}{'slowest':>10}{'memory':>9}"]
    for kind, tally in tallies.items():
        lines.append(
            f"{kind:<11}{tally.inputs:>13,}{tally.accepted:>12,}{tally.foreign:>9}"
            f"{tally.slowest:>8.2f} s{tally.grown / 2**20:>5.0f} MiB"
        )
        lines += [f"  {name:<22}{count:>13,}" for name, count in sorted(tally.refused.items())]
    return "\n".join(lines)


def load(path: Path | None) -> dict[str, Tally]:
    """The counts of runs before; none where there is no such file."""
    if path is None or not path.exists():
        return {}
    stored = json.loads(path.read_text())
    return {kind: Tally(**{**facts, "refused": Counter(facts["refused"])}) for kind, facts in stored.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="*", help="container, payload; default both")
    parser.add_argument("--minutes", type=float, default=1.0, help="of each kind")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state", type=Path, help="JSON file of counts to go on from")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), help="folder for what went wrong")
    options = parser.parse_args(arguments)
    if set(options.kind) - {"container", "payload"}:
        parser.error(f"{' '.join(options.kind)}: container or payload expected")
    tallies = load(options.state)
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for kind in options.kind or ("container", "payload"):
            jobs = [(kind, options.seed + job, 60 * options.minutes, options.out) for job in range(options.jobs)]
            for tally in pool.starmap(run, jobs):
                tallies.setdefault(kind, Tally()).add(tally)
    if options.state:
        options.state.parent.mkdir(parents=True, exist_ok=True)
        options.state.write_text(json.dumps({kind: vars(tally) for kind, tally in tallies.items()}, indent=1))
    print(table(tallies))
    return int(any(tally.foreign for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
