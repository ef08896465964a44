"""What a time limit gives: the command line under limits, against the plain runs of each effort, held to three laws.

    python tools/measure/time_limit_table.py  # all of it, in half an hour on an idle machine
    python tools/measure/time_limit_table.py --pictures astronaut --limits 10 --efforts 1
    python tools/measure/time_limit_table.py -q 20 --pictures my.png

1. No run takes longer than its limit by more than 1 s or a tenth, whichever is more.
2. More time is no worse: the PSNR rises with the limit, to 0.2 dB.
3. A limit gives at least what the highest effort does whose plain run fits in it, to 0.2 dB.

Seconds are those of whole processes. A limit in which nothing can be done ends with exit 3 and says how long it takes.
Exit 1 where a law is broken.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tools import ROOT

SAMPLES = ROOT / "sample_data"
LIMITS = (5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 120.0)
TOLERANCE = 0.2
"""In dB."""


@dataclass(frozen=True)
class Cell:
    """One run."""

    limit: float | None
    effort: int
    seconds: float
    bytes: int
    psnr: float
    """In dB; 0 where there is no file."""
    said: str
    code: int

    @property
    def refused(self) -> bool:
        """Whether there was no time for anything, in words."""
        return self.code == 3 and not self.bytes and "too few for this picture" in self.said


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", nargs="+", default=[path.stem for path in sorted(SAMPLES.glob("*.png"))])
    parser.add_argument("--limits", nargs="*", type=float, default=LIMITS, metavar="S")
    parser.add_argument("--efforts", nargs="*", type=int, default=range(1, 6), help="plain runs to compare with")
    parser.add_argument("-q", "--quality", type=int, default=50)
    options = parser.parse_args()
    broken = []
    for name in options.pictures:
        path = Path(name) if Path(name).suffix else SAMPLES / f"{name}.png"
        print(f"\n{path.name}, quality {options.quality}\n{'run':>12}{'seconds':>9}{'over':>8}{'bytes':>9}{'PSNR':>11}")
        plain = [shown(run(path, options.quality, effort, None)) for effort in options.efforts]
        limited = [shown(run(path, options.quality, 5, limit)) for limit in sorted(options.limits)]
        broken += [f"{path.name}: {text}" for text in faults(plain, limited)]
    print(f"\n{len(broken)} broken" if broken else "\nall laws hold", *broken, sep="\n")
    return 1 if broken else 0


def run(path: Path, quality: int, effort: int, limit: float | None) -> Cell:
    """One whole process of the command line."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "inrcodec.cli", "encode", str(path), "-o", f"{folder}/a.inr", "--json"]
        command += ["-q", str(quality), "-e", str(effort), *(["--time-limit", f"{limit:g}"] if limit else [])]
        start = time.monotonic()
        process = subprocess.run(command, capture_output=True, text=True)
        seconds = time.monotonic() - start
    facts = json.loads(process.stdout) if process.stdout else {}
    said = " ".join(process.stderr.split())
    return Cell(limit, effort, seconds, facts.get("bytes", 0), facts.get("psnr", 0.0), said, process.returncode)


def shown(cell: Cell) -> Cell:
    """The same, printed."""
    label = f"-e {cell.effort}" if cell.limit is None else f"{cell.limit:g} s"
    over = "" if cell.limit is None else f"{cell.seconds - cell.limit:+.1f}"
    found = f"{cell.bytes:>9,}{cell.psnr:>8.2f} dB" if cell.bytes else f"  exit {cell.code}: {cell.said}"
    print(f"{label:>12}{cell.seconds:>9.1f}{over:>8}{found}", flush=True)
    if cell.bytes and "one colour" in cell.said:
        print(f"{'':>12}{cell.said}")
    return cell


def faults(plain: Sequence[Cell], limited: Sequence[Cell]) -> Iterator[str]:
    """Which laws one picture's runs break, in words; `limited` with rising limits."""
    for cell in (*plain, *limited):
        if not cell.bytes and not cell.refused:
            yield f"-e {cell.effort}, limit {cell.limit}: exit {cell.code}: {cell.said}"
    for cell in limited:
        assert cell.limit is not None
        most = cell.limit + max(1.0, 0.1 * cell.limit)
        if cell.seconds > most:
            yield f"{cell.limit:g} s: took {cell.seconds:.1f} s, {most:.1f} allowed"
        fitting = [other for other in plain if other.bytes and other.seconds <= cell.limit]
        best = max(fitting, key=lambda other: other.effort, default=None)
        if best and cell.psnr < best.psnr - TOLERANCE:
            plainly = f"effort {best.effort} has {best.psnr:.2f} in {best.seconds:.1f} s"
            yield f"{cell.limit:g} s: {cell.psnr:.2f} dB, {plainly}"
    for less, more in pairwise(limited):
        if more.psnr < less.psnr - TOLERANCE:
            yield f"{more.limit:g} s: {more.psnr:.2f} dB, {less.limit:g} s have {less.psnr:.2f}"


if __name__ == "__main__":
    sys.exit(main())
