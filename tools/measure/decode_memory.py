"""Time and peak memory of one large decode, in a process that imports nothing but the decoder (on Linux).

python tools/measure/decode_memory.py FILE.inr [SIDE [THREADS]]  # default 4096: 4096x4096 pixels; limits are lifted

Each thread takes up to a few megabytes for its chunk of points, and for OpenBLAS's.
"""

import sys
import time
from pathlib import Path

from inrcodec.compute import threads
from inrcodec.decoding import decoder
from inrcodec.format.limits import DecodeLimits

BOUNDLESS = DecodeLimits(max_output_pixels=2**60, max_macs=2**60, max_macs_per_byte=2**60)


def peak() -> float:
    """Largest resident set of this program so far, in MiB; getrusage's would count the parent's at the fork as well."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    data, numbers = Path(sys.argv[1]).read_bytes(), [int(text) for text in sys.argv[2:]]
    side, count = numbers[0] if numbers else 4096, threads.count(*numbers[1:])
    before, start = peak(), time.perf_counter()
    out = decoder.decode(data, (side, side), limits=BOUNDLESS, threads=count)
    seconds, output = time.perf_counter() - start, out.nbytes / 2**20
    print(f"  {side}x{side} on {count} threads in {seconds:.1f} s, peak {peak():.0f} MB: ", end="")
    print(f"{peak() - before - output:.0f} MB above the imports and the output of {output:.0f} MB")


if __name__ == "__main__":
    main()
