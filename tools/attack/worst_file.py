"""The file of most work of 1 KiB that the default limits let through, and how soon its drawing can be stopped.

    python tools/attack/worst_file.py            # a few minutes: --draw draws all of it too

1 KiB may ask for 2^40 multiplications (`DecodeLimits.max_macs_per_byte`). Zeros compress 32,000 to 1, so that buys the
largest network there may be, drawn at 512x512; in float64, as the file does not claim to be safe in float32.
"""

import argparse
import os
import signal
import threading
import time

from inrcodec.decoding import decoder
from inrcodec.errors import StoppedError
from inrcodec.format import entropy
from inrcodec.format.entropy import varint
from tests.support.generator import tensor_sizes
from tests.support.helpers import header, seal, section

DIMS = (1024, 1024, 1024, 1024, 1000)
"""4,179,875 weights, of 4,194,304 allowed."""
SIDE, FILE_BYTES = 512, 1024
CHUNKS = 3
"""Chunks before the stop."""


def worst_file() -> bytes:
    """A file of exactly 1 KiB: zeros, and padding, which buys multiplications too."""
    sizes = tensor_sizes(DIMS, 3)
    weights = b"\x01" + bytes(-(-len(sizes) // 2)) + entropy.compress(bytes(sum(sizes)))
    siren = bytes([len(DIMS)]) + b"".join(map(varint, DIMS)) + bytes(len(sizes)) + weights
    body = header(SIDE, SIDE) + section(1, siren)
    padding = FILE_BYTES - len(seal(body)) - 3
    return seal(body + section(0xFF, bytes(padding)))


def seconds_to_stop() -> float:
    """From the moment that `stopped` begins to say so, in the middle of a chunk, to StoppedError."""
    asked: list[float] = []

    def stopped() -> bool:
        asked.append(time.perf_counter())
        return len(asked) > CHUNKS

    picture = decoder.open_bytes(worst_file(), stopped=stopped)
    try:
        picture.render()
    except StoppedError:
        return time.perf_counter() - asked[-2]  # as if it had been asked for just after the question before
    raise SystemExit("it was not stopped")


def seconds_to_interrupt() -> float:
    """From Ctrl-C in the middle of a drawing to KeyboardInterrupt."""
    picture, sent = decoder.open_bytes(worst_file()), []

    def interrupt() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(0.3, interrupt).start()
    try:
        picture.render()
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0]
    raise SystemExit("it was not interrupted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true", help="draw all of it as well")
    options, data = parser.parse_args(), worst_file()
    start = time.perf_counter()
    picture = decoder.open_bytes(data)
    work = SIDE * SIDE * picture.stored.network.arch.param_count()
    print(
        f"{len(data)} bytes, {work / 2**40:.4f} of 2^40 multiplications, opened in {time.perf_counter() - start:.2f} s"
    )
    stopped, interrupted = (max(end() for _ in range(10)) for end in (seconds_to_stop, seconds_to_interrupt))
    print(f"  stopped within {stopped:.2f} s, by Ctrl-C within {interrupted:.2f} s, the worst of 10")
    if options.draw:
        start = time.perf_counter()
        picture.render()
        print(f"  drawn in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
