"""What one other busy process costs: idle and loaded time of all that draws, and of a curvature.

    python tools/measure/bench_load.py         # part of tools/measure/bench.py decode; about 2 minutes on two CPU cores

Loaded is next to a process that multiplies matrices without end on one core. Times are medians, after a first run that
is not timed. Where a library's threads wait for each other a loaded time is 5 to 25 times the idle one.
"""

import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image

import inrcodec
from inrcodec import families
from inrcodec.compute import threads
from inrcodec.compute.backends import Pointwise
from inrcodec.compute.sine import forward
from inrcodec.decoding import conformance, decoder, describe
from inrcodec.export import page
from inrcodec.families.siren import curvature, ladder
from inrcodec.families.siren.network import init
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.fitting.target import Target
from tools import ROOT
from tools.measure.decode_memory import BOUNDLESS

FILE = ROOT / "sample_data" / "astronaut.inr"
LARGE = (4096, 4096)
MOST = 2.5
"""Times the idle time that a loaded one may take."""
FASTER = 1.5
"""Times as fast as before that a large picture is to be drawn on an idle machine of two cores."""
REPEATS = 3
BUSY = """
import os
os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
import numpy
print("busy", flush=True)
square = numpy.ones((300, 300), numpy.float32)
while True:
    square @ square
"""


@contextmanager
def busy() -> Iterator[None]:
    """One core has other work meanwhile."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        try:
            yield
        finally:
            other.kill()


def seconds(work: Callable[[], object]) -> float:
    """Of one run, the median of several after one that is not timed."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def as_before(data: bytes) -> decoder.Picture:
    """A picture drawn as before there were threads of our own: points first, products cut up by the library."""
    stored = families.read(data)
    params = list(stored.network.tensors().values())

    def evaluate(coords: np.ndarray) -> np.ndarray:
        parts = (coords[start : start + 4096] for start in range(0, len(coords), 4096))
        return np.concatenate([forward(params, part, np) for part in parts])

    return decoder.Picture(stored, Pointwise(evaluate), BOUNDLESS)


def thumbnail(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.thumbnail((128, 128))


def curvature_of(weights: int) -> Callable[[], object]:
    """The curvature of an untrained network of about so many weights, and its factor."""
    cpu, (height, width) = torch.device("cpu"), (128, 128)
    arch = ladder.choose_arch(height, width, 3, weights / (height * width))
    network = FloatNetwork(arch, init(arch, 0, ladder.init_config(height, width)), cpu)
    picture = Target(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8), cpu)

    def work() -> None:
        blocks = curvature.blocks(arch.param_count())
        for matrix in curvature.gauss_newton(network, network.snapshot(), picture, 4096, blocks):
            curvature.inverse_factor(matrix, 1e-3)

    return work


def works(data: bytes, native: bytes) -> dict[str, Callable[[], object]]:
    """`data` is drawn large, `native` at its own size."""
    picture = decoder.open_bytes(data, limits=BOUNDLESS)
    return {
        "decode at its own size": lambda: decoder.decode(native),
        "decode 4096x4096": lambda: picture.render(LARGE),
        "gradient 512x512": lambda: picture.render_derivative("gradient", (512, 512)),
        "verify": lambda: conformance.verify(native),
        "thumbnail 128x128": lambda: thumbnail(data),
        "info": lambda: describe.facts(data),
        "view": lambda: page.page(data, "a"),
        "curvature, 4000 weights": curvature_of(4000),
    }


def report(native: bytes) -> None:
    """Print all of it; `native` is the file to be drawn at its own size."""
    inrcodec.register_pillow()
    data = FILE.read_bytes()
    todo = works(data, native)
    idle = {name: seconds(work) for name, work in todo.items()}
    before = seconds(lambda: as_before(data).render(LARGE))
    with busy():
        loaded = {name: seconds(work) for name, work in todo.items()}
    print(f"  {threads.count()} threads{'':<17}{'idle':>9}{'loaded':>11}   ratio (target: at most {MOST})")
    for name in todo:
        print(f"  {name:<26}{idle[name]:>7.3f} s{loaded[name]:>9.3f} s{loaded[name] / idle[name]:>8.2f}")
    ratio = before / idle["decode 4096x4096"]
    print(
        f"  4096x4096 as before, by the library's threads: {before:.2f} s, {ratio:.2f} times as long (target: {FASTER})"
    )


if __name__ == "__main__":
    report(FILE.read_bytes())
