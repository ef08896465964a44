"""What large pictures cost: seconds of an encode against megapixels and bits per pixel.

    python tools/measure/large_pictures.py  # estimated from a few timed steps of each network, in 2 minutes
    python tools/measure/large_pictures.py --full  # and whole encodes of the smallest pictures against the estimate
    python tools/measure/large_pictures.py -e 3 --device cuda
    python tools/measure/large_pictures.py --family grid -e 2 --whole 384x256 1536x1024 4096x3072

The pictures are one photograph at several sizes: time depends on their pixels and weights, not on what they show. With
--whole each of the sizes is encoded at quality 50 in a process of its own: seconds a megapixel, and the peak of memory.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from inrcodec.cli import terminal
from inrcodec.encoding import encoder, estimate, goals
from inrcodec.encoding.config import EncoderConfig
from inrcodec.pictures.load import to_array
from inrcodec.progress import Estimate, Monitor
from tools import ROOT

SAMPLE = ROOT / "sample_data" / "astronaut.png"
SIZES = ((384, 256), (768, 512), (1536, 1024), (3072, 2048))
RATES = (0.15, 0.3, 0.6)
FULL_UP_TO = 15 * 60
"""Seconds: `--full` leaves out what is estimated to take longer."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, default=SAMPLE)
    parser.add_argument("-e", "--effort", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--family", default="siren")
    parser.add_argument("--full", action="store_true", help="encode the smallest pictures too")
    parser.add_argument("--whole", nargs="+", type=size_of, metavar="WxH", help="encode these sizes, and nothing else")
    parser.add_argument("--one", type=size_of, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return encode_one(options)
    if options.whole:
        return print_whole(options.whole)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads of {os.cpu_count()} cores, {options.device}")
    print(f"effort {options.effort}; estimated from 2 to {estimate.MOST_STEPS} timed steps each")
    print(f"{'size':>10}{'Mpixel':>8}{'bpp':>6}{'weights':>10}{'step':>11}{'estimate':>16}")
    for size in SIZES:
        image = photograph(options.picture, size)
        for bpp in RATES:
            config = EncoderConfig(effort=options.effort, device=options.device, bpp=bpp, family=options.family)
            print_row(image, config, encode=options.full and size == SIZES[0])


def size_of(text: str) -> tuple[int, int]:
    """(width, height) of WxH."""
    width, height = map(int, text.split("x"))
    return width, height


def encode_one(options: argparse.Namespace) -> None:
    """In a process of its own: what an encode took and gave, as JSON."""
    image = photograph(options.picture, options.one)
    config = EncoderConfig(effort=options.effort, device=options.device, family=options.family)
    start = time.perf_counter()
    found = encoder.encode_with_report(image, config)
    print(json.dumps({"seconds": time.perf_counter() - start, "bpp": found.bpp, "psnr": found.psnr}))


def print_whole(sizes: list[tuple[int, int]]) -> None:
    """A line for each size, from a fresh process with the same arguments."""
    at = sys.argv.index("--whole")
    others = sys.argv[1:at] + sys.argv[at + 1 + len(sizes) :]
    print(f"{'size':>10}{'Mpixel':>8}{'seconds':>9}{'a Mpixel':>10}{'peak':>11}{'bpp':>7}{'PSNR':>10}")
    for width, height in sizes:
        command = [sys.executable, __file__, *others, "--one", f"{width}x{height}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout
        found = json.loads(process.stdout.read())
        _, _, usage = os.wait4(process.pid, 0)
        pixels, peak = width * height / 1e6, usage.ru_maxrss / 2**20
        print(
            f"{width:>5}x{height:<4}{pixels:>8.1f}{found['seconds']:>9.0f}{found['seconds'] / pixels:>10.0f}"
            f"{peak:>7.2f} GiB{found['bpp']:>7.3f}{found['psnr']:>7.2f} dB",
            flush=True,
        )


def photograph(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A picture file in colour, at a size (width, height)."""
    picture = Image.fromarray(to_array(str(path)).squeeze()).convert("RGB")
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def print_row(image: np.ndarray, config: EncoderConfig, encode: bool) -> None:
    height, width, channels = image.shape
    trainer = encoder.trainer_for(image, config)
    trainer.warm(lambda text: print(text, file=sys.stderr), math.inf)
    goal = goals.choose_goal(config, (height, width, channels), trainer.sizes())
    candidate = trainer.start(goals.Search(image, config, goal, trainer, Monitor()).begin().point)
    plan = candidate.plan()
    seconds = estimate.seconds(timing := estimate.measure(candidate, plan.fit), plan, candidate.weights)
    print(
        f"{width:>5}x{height:<4}{width * height / 1e6:>8.1f}{config.bpp:>6}{candidate.weights:>10,}"
        f"{1e3 * timing.step:>8.1f} ms{terminal.spoken(seconds):>16}",
        flush=True,
    )
    if encode and seconds < FULL_UP_TO:
        print_encode(image, config)


def print_encode(image: np.ndarray, config: EncoderConfig) -> None:
    """A whole encode, and what was announced before it."""
    told: list[Estimate] = []
    start = time.perf_counter()
    encoded = encoder.encode_with_report(image, config, Monitor(announce=told.append))
    seconds = time.perf_counter() - start
    print(
        f"      encoded in {seconds:.1f} s, announced {told[0].seconds:.1f} s; {encoded.bpp:.4f} bpp, "
        f"{encoded.psnr:.2f} dB, target {'met' if encoded.met else 'not met'}",
        flush=True,
    )


if __name__ == "__main__":
    main()
