"""A run guided by coverage: libFuzzer keeps the inputs that reach new branches of the package. Needs `atheris`.

    python tools/attack/fuzz_coverage.py CORPUS -max_total_time=600      # options as of libFuzzer; CORPUS grows

An input is flags and the bytes between total_length and CRC; it is sealed, read, and drawn at 8x8 where that is quick.
It ends at the first exception that is no InrError, and saves the input.
"""

import contextlib
import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["inrcodec"]):
    from tools.attack import fuzz_container
from inrcodec.errors import InrError
from tests.support.helpers import seal
from tools.attack.fuzz import corpus


def fill(folder: Path) -> None:
    """Put the valid files that all fuzzers start from into an empty corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, data in enumerate(corpus() if not any(folder.iterdir()) else ()):
        one = fuzz_container.seed(data)
        Path(folder, str(i)).write_bytes(bytes([one.flags]) + one.body)


def try_input(raw: bytes) -> None:
    """Seal and read one input."""
    with contextlib.suppress(InrError):
        fuzz_container.check(seal(raw[1:], flags=raw[0] if raw else 0), random.Random(raw))


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
    atheris.Setup(sys.argv, try_input)
    atheris.Fuzz()
