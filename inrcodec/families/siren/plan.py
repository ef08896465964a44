"""The searches of one encode: steps and rates of fit, pruning and rounding, manners to round in, and what they take."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inrcodec.families.siren.curvature import (
    add_square,
    blocks,
    compensate,
    gauss_newton,
    inverse_factor,
    pixels_at_once,
)
from inrcodec.families.siren.network import SirenArch
from inrcodec.families.siren.quantize import PruneConfig, QuantizeConfig
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.families.training import OperatingPoint, Timing, TrainerOptions
from inrcodec.fitting.loop import FitConfig
from inrcodec.fitting.target import Target
from inrcodec.fitting.timing import Clock, least_spent, spent


@dataclass(frozen=True)
class SirenPlan:
    """The searches of one encode. See `families.training.Plan`."""

    fit: FitConfig
    """The fit."""
    prune: PruneConfig
    """The pruning, if any."""
    quantize: QuantizeConfig
    """The rounding."""
    roundings: int = 1
    """Roundings expected: a target may take more than one."""

    @property
    def steps(self) -> tuple[int, int, int]:
        """Steps of the three stages."""
        prune_steps = self.prune.refit.steps if self.prune.fraction else 0
        return self.fit.steps, prune_steps, self.roundings * self.quantize.refit.steps

    def with_fit(self, fit: FitConfig) -> "SirenPlan":
        """The same with another fit."""
        return replace(self, fit=fit)

    def with_fit_steps(self, steps: int) -> "SirenPlan":
        """All searches in proportion, with another number of steps of the fit."""
        part = steps / self.fit.steps

        def scaled(fit: FitConfig) -> FitConfig:
            return fit.in_steps(part * fit.steps)

        return replace(
            self,
            fit=self.fit.in_steps(steps),
            prune=replace(self.prune, refit=scaled(self.prune.refit)),
            quantize=replace(self.quantize, refit=scaled(self.quantize.refit)),
        )

    def manners(self) -> "Sequence[tuple[SirenPlan, float]]":
        """The same fit with each manner of rounding, the codec's own first, and what that takes from the fit in dB."""
        return [(manner.of(self), manner.loss) for manner in MANNERS]

    def cheaper(self) -> "Sequence[SirenPlan]":
        """The manners that follow this one."""
        own = self._curved, self.quantize.block, self.quantize.stages
        at = [(manner.pixels, manner.block, manner.stages) for manner in MANNERS].index(own)
        return [manner.of(self) for manner in MANNERS[at + 1 :]]

    @property
    def _curved(self) -> int:
        """Pixels that the curvature is taken from; 0: weights are rounded to nearest."""
        return self.quantize.pixels if self.quantize.compensated else 0

    def rounding_seconds(self, timing: Timing, weights: int) -> float:
        """Seconds of all roundings, without the steps in between."""
        whole = _SENSITIVITY / FitConfig().batch * timing.step
        evaluations = self.roundings * (2 + 2 * self.quantize.stages) * timing.evaluation
        once = _IMPORT if self.quantize.affine and "torchao" not in sys.modules else 0.0
        if not self._curved:
            return once + whole + evaluations
        parts: RoundingTiming = timing.rounding or RoundingTiming()
        sizes: list[int] = [part.stop - part.start for part in blocks(weights, self.quantize.block)]
        rows = self._curved * (parts.row + parts.square * sum(size**2 for size in sizes))
        factors = parts.factor * sum(size**3 for size in sizes)
        return once + whole + evaluations + rows + factors + self.roundings * weights * parts.weight

    def last_seconds(self, timing: Timing, weights: int) -> float:
        """Seconds of a rounding that come after its last step: each weight's, as if none had been rounded."""
        return weights * (timing.rounding or RoundingTiming()).weight

    def memory(self, weights: int) -> int:
        """Bytes, about, that the encode takes at once: the curvature's blocks, and work on one of them."""
        block: int = max(part.stop - part.start for part in blocks(weights))
        return _PROCESS + 4 * block * (weights + _COPIES * block)


_WIDTH_OF_RATE = 28
"""`FitConfig.rate` is for networks of this mean width; the rate goes as 1 / width (docs/experiments.md)."""
_FASTEST = 1.5
"""Largest factor by which a narrow network's rate is raised."""


def plan(options: TrainerOptions, point: OperatingPoint, arch: SirenArch) -> SirenPlan:
    """The searches of an encode: steps from the effort, noise from the quality, rates from the network's width."""
    width = math.sqrt(arch.param_count() / arch.depth)
    longer, faster = 2.0 ** (options.effort - 5), min(_FASTEST, _WIDTH_OF_RATE / width)

    def scaled(fit: FitConfig) -> FitConfig:
        return replace(fit, rate=faster * fit.rate, seed=options.seed).in_steps(longer * fit.steps)

    pruning, quantizing = PruneConfig(options.prune), QuantizeConfig(point.rounding_noise)
    return SirenPlan(
        scaled(FitConfig()),
        replace(pruning, refit=scaled(pruning.refit)),
        replace(quantizing, refit=scaled(quantizing.refit)),
        options.roundings,
    )


@dataclass(frozen=True)
class Manner:
    """A way to round a network."""

    pixels: int
    """Pixels that the curvature is taken from; 0: round to nearest."""
    block: int
    """Weights in a block of it, at most."""
    stages: int
    """Parts of the weights rounded one after the other."""
    tuned: float
    """Steps of its fine-tuning, over those of the codec's own."""
    loss: float
    """Measured: what it takes from the fit, in dB (docs/experiments.md)."""

    def of(self, searches: SirenPlan) -> SirenPlan:
        """The same searches with this rounding."""
        refit = searches.quantize.refit
        tuning = refit.in_steps(self.tuned * refit.steps) if self.tuned else replace(refit, steps=0)
        cheaper = replace(searches.quantize, pixels=self.pixels, block=self.block, stages=self.stages, affine=False)
        return replace(searches, quantize=replace(cheaper, compensated=self.pixels > 0, refit=tuning))


_DEFAULT = QuantizeConfig()
MANNERS = (
    Manner(_DEFAULT.pixels, _DEFAULT.block, _DEFAULT.stages, 1.0, 0.40),
    Manner(4096, 1024, 6, 1.0, 0.52),
    Manner(4096, 1024, 3, 1 / 3, 0.64),
    Manner(4096, 1024, 1, 0.0, 0.95),
    Manner(0, 1024, 1, 0.0, 1.5),
)
"""The manners, from the codec's own to the cheapest."""

_IMPORT = 4.0
"""Seconds to import torchao, in the process's first rounding."""
_SENSITIVITY = 65_536
"""Pixels that the choice of steps looks at, each at the cost of one in a step."""
_COPIES = 10
"""Times that a block's matrix in float32 is held, while it is inverted in float64."""
_PROCESS = 350 << 20
"""Bytes of a process with torch that fits a small network."""
_SIDE, _COLUMNS = 512, 32
"""What is timed of the curvature: weights of a block, and weights rounded."""


@dataclass(frozen=True)
class RoundingTiming:
    """What was measured of a compensated rounding, in seconds."""

    row: float = 0.0
    """A pixel's derivatives, by all weights."""
    square: float = 0.0
    """A pixel's products, by pair of weights."""
    factor: float = 0.0
    """The curvature's factors, by cube of a block's weights."""
    weight: float = 0.0
    """One weight, rounded with compensation."""

    def of(self, part: float) -> "RoundingTiming":
        """About that of a network of a part of the work for each pixel."""
        return replace(self, row=part * self.row)


def time_rounding(network: FloatNetwork, target: Target, now: Clock) -> RoundingTiming:
    """A little of each part of a compensated rounding."""
    values, weights = network.snapshot(), network.arch.param_count()
    side, rows = min(_SIDE, weights), min(pixels_at_once(weights), len(target))

    def curvature(size: int) -> list[Tensor]:
        return gauss_newton(network, values, target, rows, [slice(0, size)])

    derivatives = least_spent(lambda: curvature(1), now)
    (matrix,) = curvature(side)
    slopes = torch.ones(side, rows, device=network.device)
    products = least_spent(lambda: add_square(torch.zeros_like(matrix), slopes), now)
    factor = spent(lambda: inverse_factor(matrix, 1.0), now)
    upper, flat = inverse_factor(matrix, 1.0), matrix[0].double()
    count = min(_COLUMNS, side)
    rounded = spent(lambda: compensate(flat, upper, flat.abs() + 1, count), now)
    return RoundingTiming(derivatives / rows, products / rows / side**2, factor / side**3, rounded / count)
