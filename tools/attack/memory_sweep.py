"""Decode with too little memory: 64 processes, each allowed a little more than the one before (on Linux).

python tools/attack/memory_sweep.py [FILE.inr]       # default: as many weights as a file may hold

Each opens the file and draws its first 16x16 pixels, and must end with them or with an InrError. What is allowed is
address space beyond that of the imports.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tools import ROOT
from tools.attack.worst_file import worst_file

STEPS, STEP = 64, 4
"""How many, and by how many MiB they differ."""

CHILD = """
import resource, sys
from pathlib import Path
from inrcodec.decoding import decoder
from inrcodec.errors import InrError
data, room = sys.stdin.buffer.read(), int(sys.argv[1]) << 20
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
try:
    print("drawn", decoder.decode(data, region=decoder.Region(0, 0, 16, 16)).nbytes)
except InrError as error:
    print(type(error).__name__, str(error))
"""


def outcome(data: bytes, room: int) -> str:
    """What becomes of a decode that may take so many MiB."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, str(room)]
    child = subprocess.run(command, input=data, capture_output=True, env=environment, check=False)
    if child.returncode == 0:
        return child.stdout.decode().split()[0]
    lines = child.stderr.decode().splitlines() or [f"signal {-child.returncode}"]
    return f"foreign, exit {child.returncode}: {lines[-1]}"


def main() -> int:
    data = Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else worst_file()
    outcomes = [outcome(data, STEP * step) for step in range(STEPS)]
    for name, count in Counter(outcomes).items():
        rooms = [STEP * step for step, other in enumerate(outcomes) if other == name]
        print(f"{count:>3} of {STEPS}: {name} ({rooms[0]} .. {rooms[-1]} MiB)")
    return int(any(name.startswith("foreign") for name in outcomes))


if __name__ == "__main__":
    sys.exit(main())
