"""A fleet of two workers, one of which is killed half way: is every picture encoded, and none twice?

    python tools/measure/fleet_trial.py [--pictures 40]

Encodes generated pictures in a temporary folder with `inrcodec fleet`, kills one worker with SIGKILL when half of them
are done, starts the same fleet once more when it has ended, and prints the log and what was found.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools import ROOT
from tools.support import generated

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
COMMAND = [sys.executable, "-m", "inrcodec.cli", "fleet", "in", "-o", "out", "--workers", "2", "-e", "1", "--json"]
SIDE = 24
"""Pixels of the pictures."""


@dataclass
class Found:
    """What became of a fleet."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    """Of its manifest, as they came."""
    manifest: list[dict[str, Any]] = field(default_factory=list)
    """As it is afterwards."""
    killed: int = 0
    """The process that was."""
    rewritten: int = 0
    """Files that were there before the kill and have changed since."""
    code: int = 0
    said: str = ""
    again: str = ""
    """What a second run of the same fleet has done."""


def trial(folder: Path, count: int) -> Found:
    """Run the fleet in an empty folder."""
    (folder / "in").mkdir()
    for number in range(count):
        (folder / "in" / f"{number:02}.png").write_bytes(generated.picture(number, SIDE))
    pipe = subprocess.PIPE
    process = subprocess.Popen(COMMAND, cwd=folder, stdout=pipe, stderr=pipe, env=ENVIRONMENT, text=True)
    found = Found()
    for line in process.stdout or ():
        found.lines.append(json.loads(line))
        if len(found.lines) == count // 2:
            found.killed = found.lines[-1]["worker"]
            os.kill(found.killed, signal.SIGKILL)
            before = {item["output"]: os.stat(folder / item["output"]).st_mtime_ns for item in found.lines}
    found.said = process.communicate()[1]
    found.code = process.returncode
    found.rewritten = sum(os.stat(folder / output).st_mtime_ns != stamp for output, stamp in before.items())
    found.manifest = [json.loads(line) for line in (folder / "out" / "manifest.jsonl").read_text().splitlines()]
    found.again = subprocess.run(COMMAND, cwd=folder, capture_output=True, env=ENVIRONMENT, text=True).stdout
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=40)
    count = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder:
        found = trial(Path(folder), count)
    for number, line in enumerate(found.lines, 1):
        taken = "was there already" if line["seconds"] is None else f"{line['seconds']:.2f} s"
        print(f"{number:>3} {line['output']} {line['bytes']} bytes, worker {line['worker']}, {taken}")
        if number == count // 2:
            print(f"    kill -9 {found.killed}")
    outputs = Counter(line["output"] for line in found.manifest)
    twice = sum(times > 1 for times in outputs.values()) + found.rewritten
    workers = ", ".join(f"{worker}: {done}" for worker, done in Counter(li["worker"] for li in found.lines).items())
    print(f"{len(outputs)} of {count} pictures, {twice} twice; by worker {workers}; exit code {found.code}")
    print(f"started again: {len(found.again.splitlines())} encoded")
    return int(len(outputs) != count or twice > 0 or found.code != 0 or bool(found.again))


if __name__ == "__main__":
    sys.exit(main())
