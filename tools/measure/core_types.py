"""The tests as other processors would run them: the kernels of OpenBLAS, MKL, NumPy and torch are chosen by name.

    python tools/measure/core_types.py  # the whole suite under each, 15 minutes on two cores
    python tools/measure/core_types.py --only zen -- -k robustness
    python tools/measure/core_types.py --nudge 1 2 3  # this processor's kernels, from three starts a millionth away
    python tools/measure/core_types.py --busy 1  # beside a process that keeps a core busy

Which kernels a library takes decides the order of its sums, and so the last bits of every result. A law that holds
under one set only is the luck of that processor. Needs a processor with AVX-512 for `skylakex`. Exits with 1 if a test
fails.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from inrcodec.compute.threads import THREAD_VARIABLES
from tools import ROOT

AVX512 = "X86_V4 AVX512_ICL AVX512_SPR"
CORE_TYPES = {
    "haswell": {
        "OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": AVX512,
        "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ATEN_CPU_CAPABILITY": "avx2",
    },
    "skylakex": {
        "OPENBLAS_CORETYPE": "SkylakeX", "MKL_ENABLE_INSTRUCTIONS": "AVX512", "ATEN_CPU_CAPABILITY": "avx512",
    },
    "zen": {
        "OPENBLAS_CORETYPE": "Zen", "NPY_DISABLE_CPU_FEATURES": f"X86_V3 {AVX512}",
        "MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default",
    },
}  # fmt: skip
"""Environments: AVX2, AVX-512, and the plainest kernels that there are."""


ON_ALL_CORES = ("-n", "auto", "--dist", "worksteal")
"""As `test.sh` runs the tests: a process for each core, with one thread."""


@dataclass(frozen=True)
class Outcome:
    """What a run of the tests came to."""

    seconds: float
    closing: str
    """pytest's last line."""
    failed: tuple[str, ...]


def nudged(number: int) -> dict[str, str]:
    """The environment of a run with `nudge.py`."""
    return {
        "INRCODEC_NUDGE": str(number),
        "PYTEST_PLUGINS": "tools.measure.nudge",
        "PYTHONPATH": str(ROOT),
    }


def run(environment: dict[str, str], arguments: list[str]) -> Outcome:
    """The tests in an environment."""
    start = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", *ON_ALL_CORES, *arguments]
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1") | environment
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    lines = process.stdout.splitlines() or process.stderr.splitlines() or [""]
    failed = tuple(found[1] for line in lines if (found := re.match(r"(?:FAILED|ERROR) (\S+)", line)))
    if process.returncode and not failed:
        failed = (f"pytest exited with {process.returncode}",)
    return Outcome(time.monotonic() - start, lines[-1], failed)


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that each keep a core busy meanwhile."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CORE_TYPES, help="default: all three")
    parser.add_argument(
        "--nudge", nargs="+", type=int, default=[], metavar="N", help="instead, starts as `nudge.py` has them"
    )
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="processes that run beside, default 0")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    options = parser.parse_args()
    core_types = options.only or ([] if options.nudge else list(CORE_TYPES))
    runs = {name: CORE_TYPES[name] for name in core_types} | {f"nudge {n}": nudged(n) for n in options.nudge}
    failures = 0
    with busy(options.busy):
        for name, environment in runs.items():
            outcome = run(environment, options.pytest)
            print(f"{name:<10}{outcome.seconds:>6.0f} s  {outcome.closing}", flush=True)
            for test in outcome.failed:
                print(f"{'':<10}{test}", flush=True)
            failures += len(outcome.failed)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
