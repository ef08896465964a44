"""Time and peak memory of one large decode, in a process that imports nothing but the decoder (on Linux).

python tools/decode_memory.py FILE.inr [SIDE]       # default 4096: 4096x4096 pixels; limits are lifted
"""

import sys
import time
from pathlib import Path

from inrcodec import decoder
from inrcodec.limits import DecodeLimits

BOUNDLESS = DecodeLimits(max_output_pixels=2**60, max_macs=2**60, max_macs_per_byte=2**60)


def peak() -> float:
    """Largest resident set of this program so far, in MiB; getrusage's would count the parent's at the fork as well."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    data, side = Path(sys.argv[1]).read_bytes(), int(sys.argv[2]) if len(sys.argv) > 2 else 4096
    before, start = peak(), time.perf_counter()
    out = decoder.decode(data, (side, side), limits=BOUNDLESS)
    seconds, output = time.perf_counter() - start, out.nbytes / 2**20
    print(f"  {side}x{side} in {seconds:.1f} s, peak {peak():.0f} MB: ", end="")
    print(f"{peak() - before - output:.0f} MB above the imports and the output of {output:.0f} MB")


if __name__ == "__main__":
    main()
