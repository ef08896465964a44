"""Feed the decoder hostile files, and count what becomes of them: accepted, refused by an InrError, or anything else.

    python tools/attack/fuzz.py --minutes 2                       # all kinds, one process, two minutes each
    python tools/attack/fuzz.py --minutes 60 --jobs 2 --state fuzz.json container

container   changed bytes, fields and sections of valid files, the length and CRC made right again (`fuzz_container.py`)
payload     changed weights, packed again and drawn at 8x8 (`fuzz_payload.py`)
grid        changed grids, coded again and drawn at 8x8 (`fuzz_grid.py`)

Valid files are those of --corpus, by default the golden ones and 200 of the tests' `generator.py`. Everything else
follows from --seed. With --state a run goes on where the last one ended, and counts add up. A foreign exception is
saved as a file with its seed and its traceback, and the exit code is 1. A worker may hold 256 MiB more than at its
start, and an input takes 10 s at most; beyond that is foreign too.
"""

import argparse
import functools
import itertools
import math
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from tools import ROOT

os.environ.setdefault("OMP_NUM_THREADS", "1")

from inrcodec.decoding import decoder
from inrcodec.errors import InrError, ResourceError
from tests.support import generator
from tools.attack import fuzz_container, fuzz_grid, fuzz_payload
from tools.attack.fuzz_tally import Tally, load, save

BATCH = 500
"""Inputs of one random generator."""
MEMORY = 256 << 20
LONGEST = 10.0
ROUND = 5.0
"""Minutes between counts that are kept."""
LARGEST_SEED = 4096
"""Bytes; a larger valid file makes the same faults more slowly."""


@dataclass(frozen=True)
class Kind:
    """A way to make inputs from seeds, and to try them."""

    seeds: Callable[[Sequence[bytes]], Sequence[Any]]
    mutate: Callable[[random.Random, Any], bytes]
    check: Callable[[bytes, random.Random], None]


KINDS = {
    "container": Kind(lambda files: list(map(fuzz_container.seed, files)), fuzz_container.mutate, fuzz_container.check),
    "payload": Kind(lambda files: list(fuzz_payload.seeds(files)), fuzz_payload.mutate, fuzz_payload.check),
    "grid": Kind(lambda files: list(fuzz_grid.seeds(files)), fuzz_grid.mutate, fuzz_grid.check),
}


@dataclass(frozen=True)
class Job:
    """What one worker does: every `stride`-th batch from `first` on, for so many seconds or batches."""

    kind: str
    files: tuple[bytes, ...]
    seed: int
    first: int
    stride: int
    findings: Path
    seconds: float = float("inf")
    batches: int | None = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--minutes", type=float, default=2.0, help="for each kind; default 2")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, help="folder of valid .inr files; default: golden and generated ones")
    parser.add_argument("--state", type=Path, help="JSON file that counts add up in")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder of foreign exceptions")
    options = parser.parse_args()
    tallies = load(options.state, options.seed)
    for kind in KINDS if options.kind == "all" else [options.kind]:
        tally = tallies.setdefault(kind, Tally())
        for minutes in rounds(options.minutes):
            for part in run(kind, options, tally.next_batch, minutes):
                tally.merge(part)
            if options.state:
                save(options.state, options.seed, tallies)
        print(tally.table(kind), flush=True)
    return int(any(tally.outcomes["foreign"] for tally in tallies.values()))


def rounds(minutes: float) -> list[float]:
    """Parts of at most `ROUND` minutes, so that a long run that is ended loses no more than the last."""
    count = max(1, math.ceil(minutes / ROUND))
    return [minutes / count] * count


def run(kind: str, options: argparse.Namespace, first: int, minutes: float) -> list[Tally]:
    """What each of several workers counts."""
    files = corpus(options.corpus)
    jobs = [
        Job(kind, files, options.seed, first + i, options.jobs, options.findings, 60 * minutes)
        for i in range(options.jobs)
    ]
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        return list(pool.map(limited, jobs))


@functools.cache
def corpus(folder: Path | None = None) -> tuple[bytes, ...]:
    """Valid files, small ones."""
    found = [path.read_bytes() for path in sorted((folder or ROOT / "tests" / "golden" / "valid").glob("*.inr"))]
    made = [] if folder else list(map(generator.valid_file, range(200)))
    return tuple(data for data in found + made if len(data) <= LARGEST_SEED)


def limited(job: Job) -> Tally:
    """Do a job within its memory, in a process of its own."""
    warnings.simplefilter("error")
    signal.signal(signal.SIGALRM, too_slow)
    decoder.decode(job.files[0], (8, 8))
    before = memory("VmRSS")
    most = int(memory("VmSize") * 2**20) + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    tally = work(job)
    tally.memory = memory("VmHWM") - before
    return tally


def too_slow(number: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError(f"an input takes over {LONGEST} s")


def memory(name: str) -> float:
    """A figure of /proc/self/status, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def work(job: Job) -> Tally:
    """Make and try inputs, a batch at a time."""
    kind, tally, start = KINDS[job.kind], Tally(next_batch=job.first), time.monotonic()
    seeds = kind.seeds(job.files)
    for batch in itertools.islice(itertools.count(job.first, job.stride), job.batches):
        if time.monotonic() - start > job.seconds:
            break
        rng = random.Random(f"{job.kind} {job.seed} {batch}")
        for i in range(BATCH):
            try_input(kind, seeds, rng, tally, job.findings / f"{job.kind}-{job.seed}-{batch}-{i}.inr")
        tally.next_batch = batch + job.stride
    signal.setitimer(signal.ITIMER_REAL, 0)
    tally.seconds = time.monotonic() - start
    return tally


def try_input(kind: Kind, seeds: Sequence[Any], rng: random.Random, tally: Tally, finding: Path) -> None:
    """Make one input, try it, count it, and save it if what it raises is foreign."""
    data = kind.mutate(rng, seeds)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    start = time.process_time()
    outcome = "accepted"
    try:
        kind.check(data, rng)
    except ResourceError:
        outcome = report(data, finding)
    except InrError as error:
        outcome = type(error).__name__
    except Exception:
        outcome = report(data, finding)
    tally.add(outcome, time.process_time() - start, finding.stem)


def report(data: bytes, finding: Path) -> str:
    """Save an input with the exception that it raises."""
    finding.parent.mkdir(parents=True, exist_ok=True)
    finding.write_bytes(data)
    finding.with_suffix(".txt").write_text(traceback.format_exc())
    return "foreign"


if __name__ == "__main__":
    sys.exit(main())
