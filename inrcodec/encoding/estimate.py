"""How long an encode will take, before it begins: a little of each of its parts is timed, and multiplied.

A step costs as much as the network has weights times the pixels of a batch, whatever the size of the picture. The looks
at the picture and the draws of the file, for its hash, its flag and its check, walk over all of it, in float64 as in
float32; the curvature grows with its pixels and with the weights of a block. An estimate is for a search that is not
ended early.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from inrcodec.compute import threads
from inrcodec.compute.backends import Backend, Manner, numpy_backend, torch_backend
from inrcodec.decoding.conformance import MOST_POINTS
from inrcodec.encoding.config import LEAST_PSNR, EncoderConfig
from inrcodec.families.siren.curvature import (
    BLOCK,
    add_square,
    blocks,
    compensate,
    gauss_newton,
    inverse_factor,
    pixels_at_once,
)
from inrcodec.families.siren.model import QuantizedModel, q_step_code
from inrcodec.families.siren.trainer import Network
from inrcodec.fitting.loop import FitConfig, Picture, PixelSums, Search, chunk_map, no_projection

LEAST_STEPS, MOST_STEPS, ENOUGH_SECONDS = 2, 20, 0.5
"""Steps to time: as many as fit in so many seconds, but never fewer or more than these. SOAP refreshes its bases every
ten steps, which 20 hold twice."""
LONG = 20.0 * 60
"""Seconds; an encode that takes longer is announced with what to lower."""
_DB_OF_DOUBLING = 1.5
"""About what twice the weights gain on a photograph, in dB."""
_IMPORT = 4.0
"""Seconds to import torchao, in the process's first rounding."""
_SIDE, _COLUMNS, _POINTS = 512, 32, 8192
"""What is timed of the curvature: weights of a block, and weights rounded; and points of a draw."""
_OVERHEAD = 1240
"""Weights whose products take as long as all else in a step, that smaller networks have too (docs/experiments.md)."""
_SENSITIVITY = 65_536
"""Pixels that the choice of steps looks at, each at the cost of one in a step."""
_SCALE = 1 / 512
"""Any step: to draw what is not fitted yet."""


@dataclass(frozen=True)
class Work:
    """What an encode is going to do."""

    steps: int
    """Of all its searches."""
    roundings: int
    weights: int
    curved: int = 16_384
    """Pixels that the curvature is taken from; 0: weights are rounded to nearest."""
    block: int = BLOCK
    """Weights in a block of it, at most."""
    stages: int = 6
    affine: bool = True
    """Whether torchao rounds."""


@dataclass(frozen=True)
class Timing:
    """What was measured, in seconds."""

    step: float
    look: float
    """At all pixels of the picture, or at as many as a look takes."""
    steps: int
    """That were timed."""
    row: float = 0.0
    """Of the curvature: a pixel's derivatives, by all weights."""
    square: float = 0.0
    """Of the curvature: a pixel's products, by pair of weights."""
    factor: float = 0.0
    """Of the curvature: its factors, by cube of a block's weights."""
    weight: float = 0.0
    """To round one with compensation."""
    check: float = 0.0
    """All draws of the file: for its hash and its flag, and to decode it by NumPy and by torch."""

    def of(self, fraction: float, weights: int) -> "Timing":
        """About that of a network of a part of so many weights."""
        part = (fraction * weights + _OVERHEAD) / (weights + _OVERHEAD)
        step, look, row, check = (part * whole for whole in (self.step, self.look, self.row, self.check))
        return replace(self, step=step, look=look, row=row, check=check)


Clock = Callable[[], float]


def measure_fit(
    network: Network,
    picture: Picture,
    config: FitConfig,
    clock: Clock = time.perf_counter,
    enough: float = ENOUGH_SECONDS,
) -> Timing:
    """Time steps of the fit that `config` describes, and a look, on a copy of `network`."""
    copy = network.on(network.device)
    now = _waiting_for(copy, clock)
    with chunk_map(network.device) as run:
        sums = PixelSums(copy, picture, config.chunk, run)
        search = Search(sums, replace(config, steps=MOST_STEPS + 2), no_projection)
        for step in range(2):  # the first sets up SOAP, the second is the first of its kind
            search.step(step)
        start, count = now(), 0
        while count < LEAST_STEPS or (count < MOST_STEPS and now() - start < enough):
            search.step(2 + count)
            count += 1
        middle = now()
        search.look()
        return Timing((middle - start) / count, now() - middle, count)


def measure(
    network: Network,
    picture: Picture,
    config: FitConfig,
    clock: Clock = time.perf_counter,
    enough: float = ENOUGH_SECONDS,
) -> Timing:
    """As `measure_fit`, and some of all else."""
    timing, copy = measure_fit(network, picture, config, clock, enough), network.on(network.device)
    now = _waiting_for(copy, clock)
    return replace(_with_rounding(timing, copy, picture, now), check=_of_check(copy, picture, now))


def _waiting_for(network: Network, clock: Clock) -> Clock:
    """The clock, read once the network's device has done all that it was given."""

    def now() -> float:
        float(network.values[0].detach().sum())  # a GPU has finished when this number is here
        return clock()

    return now


def _spent(work: Callable[[], object], now: Clock) -> float:
    start = now()
    work()
    return now() - start


_COPIES = 10
"""Of a block's matrix in float32, while it is inverted in float64."""
_PROCESS = 350 << 20
"""Bytes of a process with torch that fits a small network."""


def memory(weights: int) -> int:
    """Bytes, about, that the encode of a network takes at once: the curvature's blocks, and work on one of them."""
    block: int = max(part.stop - part.start for part in blocks(weights))
    return _PROCESS + 4 * block * (weights + _COPIES * block)


def _least_spent(work: Callable[[], object], now: Clock) -> float:
    """Of two runs: what comes once, such as page faults, would count a thousandfold."""
    return min(_spent(work, now) for _ in range(2))


def _with_rounding(timing: Timing, network: Network, picture: Picture, now: Clock) -> Timing:
    """The same with the parts of a compensated rounding."""
    values, weights = network.snapshot(), network.arch.param_count()
    side, rows = min(_SIDE, weights), min(pixels_at_once(weights), len(picture))

    def curvature(size: int) -> list[Tensor]:
        return gauss_newton(network, values, picture, rows, [slice(0, size)])

    derivatives = _least_spent(lambda: curvature(1), now)
    (matrix,) = curvature(side)
    slopes = torch.ones(side, rows, device=network.device)
    products = _least_spent(lambda: add_square(torch.zeros_like(matrix), slopes), now)
    factor = _spent(lambda: inverse_factor(matrix, 1.0), now)
    upper, flat = inverse_factor(matrix, 1.0), matrix[0].double()
    count = min(_COLUMNS, side)
    rounded = _spent(lambda: compensate(flat, upper, flat.abs() + 1, count), now)
    row, square = derivatives / rows, products / rows / side**2
    return replace(timing, row=row, square=square, factor=factor / side**3, weight=rounded / count)


def _of_check(network: Network, picture: Picture, now: Clock) -> float:
    """Seconds of all draws of the file: see `conformance.certify` and `encoder.verify`, there in the slower class."""
    symbols = tuple(np.rint(value / _SCALE).astype(np.int32) for value in network.arrays())
    code = q_step_code(_SCALE)
    model = QuantizedModel(network.arch, picture.height, picture.width, symbols, (code,) * len(symbols))
    coords = np.random.default_rng(0).uniform(-1, 1, (_POINTS, 2)).astype(np.float32)

    manner = Manner(threads.count())

    def drawn(backend: Backend) -> float:
        return _least_spent(lambda: backend(coords), now)

    single, double = (drawn(numpy_backend(model, dtype, manner)) for dtype in (np.float32, np.float64))
    torch = drawn(torch_backend(model, str(network.device), np.float64, manner))
    native, twice = len(picture), min(MOST_POINTS, 4 * len(picture))
    compared = min(MOST_POINTS, native) + twice
    return (compared * (single + double) + native * (2 * double + torch)) / _POINTS


def rounding(timing: Timing, work: Work) -> float:
    """Of all roundings, without the steps in between."""
    whole = _SENSITIVITY / FitConfig().batch * timing.step
    looks = work.roundings * (2 + 2 * work.stages) * timing.look
    once = _IMPORT if work.affine and "torchao" not in sys.modules else 0.0
    if not work.curved:
        return once + whole + looks
    sizes: list[int] = [part.stop - part.start for part in blocks(work.weights, work.block)]
    rows = work.curved * (timing.row + timing.square * sum(size**2 for size in sizes))
    factors = timing.factor * sum(size**3 for size in sizes)
    return once + whole + looks + rows + factors + work.roundings * work.weights * timing.weight


def seconds(timing: Timing, work: Work, config: FitConfig) -> float:
    """Of the whole encode: steps, looks, roundings, and the draws of the file."""
    looks = work.steps / config.evaluate_every
    return timing.step * work.steps + timing.look * looks + rounding(timing, work) + timing.check


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
