"""Kill what writes files, and what encodes, at random moments, and count what is broken afterwards.

    python tools/attack/kill_test.py --write 500 --encode 50

Writes: a process replaces one file over and over through `inrcodec.files`; after each kill -9 the file has to be one of
those that were written, whole, and the next write has to remove what was left beside it. Encodes: each is ended by
kill -9 or by SIGTERM, as often of the one as of the other, and resumed by `encode --resume` until it is finished.
"""

import argparse
import hashlib
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from inrcodec import files, metrics
from inrcodec.decoding import decoder
from inrcodec.errors import InrError
from inrcodec.pictures import save
from tools import ROOT

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

ATOMIC = "files.write_output('target', data, '-', force=True)"
PLAIN = "open('target', 'wb').write(data)"
"""What a careless program does: the count of torn files can be other than 0."""
_WRITER = """
import hashlib, itertools
from inrcodec import files
for number in itertools.count():
    body = number.to_bytes(4, 'big') * {size}
    data = hashlib.sha256(body).digest() + body
    {write}
    if number == 0:
        print('writing', flush=True)
"""
_WORDS = 1 << 18
"""Of 4 bytes, in a file to write: it takes milliseconds."""
_LONGEST_WRITE = 0.05
"""Seconds of writing before a kill."""


@dataclass
class Writes:
    """What was found after each kill."""

    runs: int = 0
    torn: int = 0
    left: int = 0
    """Runs after which a temporary file was there."""
    left_after_next: int = 0
    """Runs after which it was still there when the next process had written."""


def kill_writes(runs: int, directory: Path, write: str = ATOMIC, seed: int = 0) -> Writes:
    """Kill a process that writes, `runs` times."""
    found, moments = Writes(), random.Random(seed)
    target, code = directory / "target", _WRITER.format(size=_WORDS, write=write)
    for _ in range(runs):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=directory, env=ENVIRONMENT, stdout=subprocess.PIPE)
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moments.uniform(0, _LONGEST_WRITE))
            process.kill()
        data = target.read_bytes()
        found.runs += 1
        found.torn += hashlib.sha256(data[32:]).digest() != data[:32]
        found.left += len(os.listdir(directory)) > 1
        files.write_output(str(target), data, files.STANDARD, force=True)
        found.left_after_next += len(os.listdir(directory)) > 1
    return found


@dataclass
class Encodes:
    """What became of the encodes that were ended, and how the ending went."""

    runs: int = 0
    finished: int = 0
    identical: int = 0
    """Finished with the bytes of an encode that nothing interrupts."""
    torn: int = 0
    resumed: int = 0
    """Of all that were resumed, those that found a checkpoint."""
    left: int = 0
    """Runs after which a file other than picture and output was there."""
    most_apart: float = 0.0
    """Largest difference in PSNR to the encode that nothing interrupts, in dB."""
    codes: Counter[int] = field(default_factory=Counter)
    """Exit codes after SIGTERM; 0: it came when the file was written."""
    slowest: float = 0.0
    """Seconds from SIGTERM to the exit."""


class Encoder:
    """Starts `inrcodec encode` of one small picture in a directory, with checkpoints that are close together."""

    def __init__(self, directory: Path, effort: int) -> None:
        self.directory, self.output = directory, directory / "picture.inr"
        rows, columns = np.mgrid[0:48, 0:64] / 64
        planes = [128 + 100 * np.sin(a * rows + b * columns) for a, b in ((9, 5), (4, 11), (13, -8))]
        self.codes = np.stack(planes, -1).astype(np.uint8)
        (directory / "picture.png").write_bytes(save.to_file(self.codes, "PNG"))
        self._command = [sys.executable, "-m", "inrcodec.cli", "encode", "picture.png", "-q", "100", "--device", "cpu"]
        self._command += ["-e", str(effort), "--checkpoint-every", "0.05"]

    def begin(self, *options: str) -> subprocess.Popen[bytes]:
        """A running encode."""
        return subprocess.Popen([*self._command, *options], cwd=self.directory, env=ENVIRONMENT, stderr=subprocess.PIPE)

    def wait_for_work(self, process: subprocess.Popen[bytes]) -> None:
        """Until the first checkpoint: what comes before it is mostly the start of Python and of torch."""
        while process.poll() is None and not (self.directory / ".picture.inr.ckpt").exists():
            time.sleep(0.001)

    def measure(self) -> tuple[bytes, float]:
        """The file of an encode that nothing interrupts, and the seconds from its first checkpoint to its end."""
        with self.begin() as process:
            self.wait_for_work(process)
            start = time.monotonic()
            process.communicate()
        return self.output.read_bytes(), time.monotonic() - start

    def psnr(self, data: bytes) -> float:
        """Of the decoded file in dB; nan where it does not decode."""
        try:
            return metrics.psnr(self.codes, decoder.decode(data))
        except InrError:
            return math.nan


def kill_encodes(runs: int, directory: Path, effort: int = 2, seed: int = 0) -> Encodes:
    """End an encode at `runs` random moments, and resume it each time."""
    found, moments, encoder = Encodes(), random.Random(seed), Encoder(directory, effort)
    whole, length = encoder.measure()
    for run in range(runs):
        encoder.output.unlink(missing_ok=True)
        with encoder.begin() as process:
            encoder.wait_for_work(process)
            time.sleep(moments.uniform(0, length))
            _end(process, run % 2 == 1, found)
        if not encoder.output.exists():
            _, said = encoder.begin("--resume").communicate()
            found.resumed += b"going on from" in said
        _judge(encoder, whole, found)
    return found


def _end(process: subprocess.Popen[bytes], gently: bool, found: Encodes) -> None:
    """End a process by SIGTERM, or by kill -9."""
    start = time.monotonic()
    process.send_signal(signal.SIGTERM if gently else signal.SIGKILL)
    process.communicate()
    if gently:
        found.codes[process.returncode] += 1
        found.slowest = max(found.slowest, time.monotonic() - start)


def _judge(encoder: Encoder, whole: bytes, found: Encodes) -> None:
    """Look at what an encode that was ended, and resumed, has left."""
    found.runs += 1
    found.left += set(os.listdir(encoder.directory)) > {"picture.png", "picture.inr"}
    if not encoder.output.exists():
        return
    data = encoder.output.read_bytes()
    psnr = encoder.psnr(data)
    found.torn += math.isnan(psnr)
    found.finished += not math.isnan(psnr)
    found.identical += data == whole
    found.most_apart = max(found.most_apart, abs(psnr - encoder.psnr(whole)))


def report(writes: Writes, encodes: Encodes) -> str:
    """The figures, with their names."""
    codes = ", ".join(f"{code}: {times}" for code, times in sorted(encodes.codes.items())) or "none"
    return "\n".join(
        [
            f"writes killed                      {writes.runs}",
            f"  torn files                       {writes.torn}",
            f"  runs that left a temporary file  {writes.left}",
            f"  ... after the next write         {writes.left_after_next}",
            f"encodes ended                      {encodes.runs}",
            f"  finished                         {encodes.finished} ({encodes.resumed} from a checkpoint)",
            f"  the same bytes as uninterrupted  {encodes.identical}",
            f"  largest difference in PSNR       {encodes.most_apart:.3f} dB",
            f"  torn files                       {encodes.torn}",
            f"  runs that left another file      {encodes.left}",
            f"  exit codes after SIGTERM         {codes}",
            f"  slowest exit after SIGTERM       {encodes.slowest:.2f} s",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=int, default=40, metavar="N", help="processes that write to kill")
    parser.add_argument("--encode", type=int, default=4, metavar="N", help="encodes to end")
    parser.add_argument("--effort", type=int, default=2, help="of the encodes")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        writes = kill_writes(options.write, Path(one), seed=options.seed)
        encodes = kill_encodes(options.encode, Path(other), options.effort, options.seed)
    print(
        f"python tools/attack/kill_test.py --write {options.write} --encode {options.encode} --effort {options.effort}"
    )
    print(report(writes, encodes))
    broken = writes.torn + writes.left_after_next + encodes.torn + encodes.left + encodes.runs - encodes.finished
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
