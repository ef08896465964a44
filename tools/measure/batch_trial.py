"""A folder of pictures of which some are broken, encoded by one process and by two.

    python tools/measure/batch_trial.py [--pictures 40] [--broken 3] [--side 96] [-e 2]

Prints how many files came of it, the exit code, the summary, and how much faster `-j 2` is than `-j 1`: once beside one
process with all cores, as the command line has it, and once beside one process with one thread.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from inrcodec.compute.threads import THREAD_VARIABLES, cores
from tools import ROOT
from tools.support import generated


@dataclass(frozen=True)
class Ran:
    """One run of the command."""

    files: int
    code: int
    summary: str
    seconds: float


def make_folder(folder: Path, pictures: int, broken: int, side: int) -> None:
    """Generated pictures, the last of them cut short."""
    folder.mkdir()
    for number in range(pictures):
        data = generated.picture(number, side)
        whole = number < pictures - broken
        (folder / f"{number:02}.png").write_bytes(data if whole else data[: len(data) // 2])


def run(folder: Path, out: str, jobs: int, effort: int, threads: int | None = None) -> Ran:
    """Encode the folder's `in`."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for name in THREAD_VARIABLES:
        environment.pop(name, None)
        if threads is not None:
            environment[name] = str(threads)
    command = [sys.executable, "-m", "inrcodec.cli", "encode", "in", "-o", out, "-j", str(jobs), "-e", str(effort)]
    start = time.perf_counter()
    process = subprocess.run(command, cwd=folder, capture_output=True, env=environment, text=True, check=False)
    seconds = time.perf_counter() - start
    return Ran(len(list((folder / out).glob("*.inr"))), process.returncode, process.stderr.splitlines()[-1], seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--broken", type=int, default=3)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("-e", "--effort", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_folder(folder / "in", options.pictures, options.broken, options.side)
        two = run(folder, "two", 2, options.effort)
        one = run(folder, "one", 1, options.effort)
        single = run(folder, "single", 1, options.effort, threads=1)
    print(f"{two.files} files of {options.pictures} pictures, exit code {two.code}: {two.summary}")
    print(
        f"-j 2 {two.seconds:.0f} s; -j 1 with {cores()} threads {one.seconds:.0f} s, with one {single.seconds:.0f} s: ",
        end="",
    )
    print(f"{one.seconds / two.seconds:.2f} and {single.seconds / two.seconds:.2f} times as fast")
    return 0


if __name__ == "__main__":
    sys.exit(main())
