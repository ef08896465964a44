"""What a PSNR costs and whether it is met: graphics made here, and crops of the samples, each in a process of its own.

    python tools/measure/psnr_targets.py                  # effort 1, 25 to 45 dB: minutes
    python tools/measure/psnr_targets.py -e 2 --psnr 30 35 --only astronaut text

A line says what was asked for and reached, the bytes and the raw ones, seconds, and peak memory.
"""

import argparse
import json
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tools import ROOT

SAMPLES = ROOT / "sample_data"
TARGETS = (25.0, 30.0, 35.0, 40.0, 45.0)


def saturated() -> Image.Image:
    """A red disc, a blue diagonal line and a yellow outline on green."""
    image = Image.new("RGB", (64, 64), (0, 128, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((16, 16, 48, 48), fill=(255, 0, 0))
    draw.line((0, 0, 63, 63), fill=(0, 0, 255), width=3)
    draw.rectangle((4, 4, 59, 59), outline=(255, 255, 0))
    return image


def text() -> Image.Image:
    """Red letters on blue."""
    image = Image.new("RGB", (48, 32), (0, 0, 255))
    ImageDraw.Draw(image).text((4, 8), "inr 42", fill=(255, 0, 0))
    return image


def faded() -> Image.Image:
    """Grey with alpha: letters that fade out."""
    image = Image.new("L", (64, 48), 230)
    ImageDraw.Draw(image).text((6, 18), "faded", fill=20)
    image.putalpha(Image.linear_gradient("L").resize((64, 48)))
    return image


def noise() -> Image.Image:
    """What no network can hold."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))


def crop(name: str, left: int, top: int, side: int) -> Image.Image:
    """Part of a sample."""
    with Image.open(SAMPLES / f"{name}.png") as whole:
        return whole.crop((left, top, left + side, top + side))


PICTURES = {
    "saturated 64x64": saturated,
    "text 48x32": text,
    "grey with alpha 64x48": faded,
    "noise 32x32": noise,
    "astronaut 96x96": lambda: crop("astronaut", 100, 20, 96),
    "astronaut 128x128": lambda: crop("astronaut", 100, 20, 128),
    "camera 96x96": lambda: crop("camera", 150, 50, 96),
    "drawing 96x96": lambda: crop("drawing", 0, 0, 96),
}
"""Pictures by name."""


def measured(name: str, psnr: float, effort: int) -> dict[str, float]:
    """One encode, in this process; `fits` is how many there were, those of pilots too."""
    import resource
    import time

    from inrcodec.encoding.config import EncoderConfig
    from inrcodec.encoding.encoder import encode_with_report
    from inrcodec.progress import Estimate, Monitor

    codes: NDArray[np.uint8] = np.asarray(PICTURES[name]())
    told: list[Estimate] = []
    start = time.perf_counter()
    encoded = encode_with_report(
        codes, EncoderConfig(effort=effort, psnr=psnr, device="cpu"), Monitor(announce=told.append)
    )
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "reached": encoded.psnr, "met": encoded.met, "bytes": len(encoded.data), "raw": codes.size,
        "seconds": seconds, "peak": peak, "told": max(one.memory for one in told) / 2**20, "fits": len(told),
    }  # fmt: skip


def main() -> int:
    """0: all were measured; 1: a process failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-e", "--effort", type=int, default=1)
    parser.add_argument("--psnr", type=float, nargs="+", default=TARGETS)
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help="pictures whose names begin so")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one, options.psnr[0], options.effort)))
        return 0
    print(f"effort {options.effort}; `fits` counts pilots, `told` is the memory that was announced")
    print(f"{'picture':<22}{'asked':>6}{'reached':>9}{'met':>5}{'bytes':>8}{'raw':>8}", end="")
    print(f"{'seconds':>9}{'fits':>6}{'peak':>9}{'told':>9}")
    chosen = [name for name in PICTURES if name.startswith(tuple(options.only))]
    return int(not all([print_row(name, psnr, options.effort) for name in chosen for psnr in options.psnr]))


def print_row(name: str, psnr: float, effort: int) -> bool:
    """Measure in a process of its own; False where that fails."""
    command = [sys.executable, __file__, "--one", name, "--psnr", str(psnr), "-e", str(effort)]
    child = subprocess.run(command, capture_output=True, check=False)
    if child.returncode:
        lines = child.stderr.decode().splitlines() or [f"signal {-child.returncode}"]
        print(f"{name:<22}{psnr:>6g}  failed: {lines[-1]}", flush=True)
        return False
    row = json.loads(child.stdout)
    print(
        f"{name:<22}{psnr:>6g}{row['reached']:>9.2f}{'yes' if row['met'] else 'no':>5}{row['bytes']:>8,}"
        f"{row['raw']:>8,}{row['seconds']:>9.1f}{row['fits']:>6}{row['peak']:>6.0f} MB{row['told']:>6.0f} MB",
        flush=True,
    )
    return True


if __name__ == "__main__":
    sys.exit(main())
