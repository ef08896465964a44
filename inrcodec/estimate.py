"""How long an encode will take, before it begins: a few of its own steps are timed, and multiplied.

A step costs as much as the network has weights times the pixels of a batch, whatever the size of the picture; only the
looks at the picture and the check of the file walk over all of it. An estimate is for a search that is not ended early.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from inrcodec.config import LEAST_PSNR, EncoderConfig
from inrcodec.curvature import BLOCK, blocks
from inrcodec.fit import FitConfig, Picture, PixelSums, Search, chunk_map, no_projection
from inrcodec.network import Network

LEAST_STEPS, MOST_STEPS, ENOUGH_SECONDS = 2, 20, 0.5
"""Steps to time: as many as fit in so many seconds, but never fewer or more than these. SOAP refreshes its bases every
ten steps, which 20 hold twice."""
LONG = 20.0 * 60
"""Seconds; an encode that takes longer is announced with what to lower."""
_DB_OF_DOUBLING = 1.5
"""About what twice the weights gain on a photograph, in dB."""
_IMPORT = 4.0
"""Seconds to import torchao, in the process's first rounding."""


@dataclass(frozen=True)
class Work:
    """What an encode is going to do."""

    steps: int
    """Of all its searches."""
    roundings: int
    weights: int


@dataclass(frozen=True)
class Timing:
    """What was measured, in seconds."""

    step: float
    look: float
    """At all pixels of the picture, or at as many as a look takes."""
    steps: int
    """That were timed."""


Clock = Callable[[], float]


def measure(network: Network, picture: Picture, config: FitConfig, clock: Clock = time.perf_counter) -> Timing:
    """Time steps of the fit that `config` describes, on a copy of `network`."""
    copy = network.on(network.device)

    def now() -> float:
        float(copy.values[0].detach().sum())  # a GPU has finished when this number is here
        return clock()

    with chunk_map(network.device) as run:
        sums = PixelSums(copy, picture, config.chunk, run)
        search = Search(sums, replace(config, steps=MOST_STEPS + 2), no_projection)
        for step in range(2):  # the first sets up SOAP, the second is the first of its kind
            search.step(step)
        start, count = now(), 0
        while count < LEAST_STEPS or (count < MOST_STEPS and now() - start < ENOUGH_SECONDS):
            search.step(2 + count)
            count += 1
        middle = now()
        search.look()
        return Timing((middle - start) / count, now() - middle, count)


def seconds(timing: Timing, work: Work, pixel_count: int, config: FitConfig) -> float:
    """Of the whole encode of a picture: steps, looks, roundings, and the check, which decodes the file twice.

    The curvature of a rounding takes about as many steps as a block of it has weights (measured from 4,000 to 15,000).
    """
    looks = work.steps / config.evaluate_every + 2 * work.roundings
    whole = max(1.0, pixel_count / config.evaluate_pixels)
    curvature = min(work.weights, BLOCK) * work.roundings
    once = 0.0 if "torchao" in sys.modules else _IMPORT
    return once + timing.step * (work.steps + curvature) + timing.look * (looks + whole * (1 + work.roundings))


_COPIES = 10
"""Of a block's matrix in float32, while it is inverted in float64."""
_PROCESS = 350 << 20
"""Bytes of a process with torch that fits a small network."""


def memory(weights: int) -> int:
    """Bytes, about, that the encode of a network takes at once: the curvature's blocks, and work on one of them."""
    block: int = max(part.stop - part.start for part in blocks(weights))
    return _PROCESS + 4 * block * (weights + _COPIES * block)


def fraction_within(timing: Timing, work: Work, pixel_count: int, config: FitConfig, limit: float) -> float:
    """What part of the steps of `work` leaves its encode within `limit` seconds, at most 1."""
    whole, rest = (seconds(timing, replace(work, steps=steps), pixel_count, config) for steps in (work.steps, 0))
    return min(1.0, max(0.0, (limit - rest) / (whole - rest)))


def what_to_lower(config: EncoderConfig, seconds: float, quality: int) -> tuple[tuple[str, float, float], ...]:
    """(option, value, seconds) that would each bring an encode of so many seconds down to about `LONG`.

    Time goes as two to the effort, and as the weights; `quality` is the one with few enough, negative if none has.
    """
    if seconds <= LONG:
        return ()
    factor = seconds / LONG
    halvings = math.ceil(math.log2(factor))
    ways = [("effort", config.effort - halvings, seconds / 2**halvings)] if halvings < config.effort else []
    if config.bpp is not None:
        return (*ways, ("bpp", float(f"{config.bpp / factor:.2g}"), LONG))
    if config.size is not None:
        return (*ways, ("size", int(config.size / factor), LONG))
    if config.psnr is not None:
        psnr = math.floor(config.psnr - _DB_OF_DOUBLING * math.log2(factor))
        return (*ways, ("psnr", psnr, LONG)) if psnr >= LEAST_PSNR else tuple(ways)
    return (*ways, ("quality", quality, LONG)) if quality >= 0 else tuple(ways)
