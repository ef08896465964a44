"""The searches of one encode: how many steps, and which step of the latents for a quality or a rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from inrcodec.families.grid.delta import delta_code, delta_of
from inrcodec.families.training import OperatingPoint, Timing, TrainerOptions
from inrcodec.fitting.loop import FitConfig

STEPS, ROUND, TRY, SETTLE = 2400, 0.5, 0.1, 0.1
"""Steps of all searches at effort 5; the part of them after the fit, in which latents become whole for one step of
theirs; and the last parts of that, in which they are: first some are tried a unit away, then only networks move."""
USUAL, FINEST, COARSEST = 0.4, 0.004, 8.0
"""Steps of level 0: that of quality 50, and the finest and the coarsest that are searched with."""
_ERROR = 0.0105
"""Squared error of a pixel, summed over its channels, over the square of the step: about 0.3 of `LAMBDA`."""
_OF_QUALITY = 0.15
"""By what the step changes in 50 of quality."""
_BYTES_PER_PIXEL, _PROCESS = 300, 350 << 20
"""Memory of an encode: its arrays, about, which `tools/measure/large_pictures.py --whole` measures, and the rest."""
_EVALUATIONS, _DRAWS = 50, 8
"""About: evaluations that a rounding takes beside its steps, and the time of a file's laws in evaluations."""


def noise_of(delta: float) -> float:
    """The square of a step, in units of the usual one's: what a rounder's noise is."""
    return (delta / USUAL) ** 2


def delta_of_noise(noise: float) -> float:
    """The step of a noise, one that a file can have. The inverse of `noise_of`."""
    delta = min(max(USUAL * math.sqrt(noise), FINEST), COARSEST)
    return delta_of(delta_code(delta))


def delta_of_psnr(psnr: float, channels: int) -> float:
    """The step at which a photograph has about a PSNR in dB."""
    return math.sqrt(channels * 10 ** (-psnr / 10) / _ERROR)


def point_of_quality(quality: int, latents_per_pixel: float) -> OperatingPoint:
    """The operating point of a quality."""
    delta = USUAL * _OF_QUALITY ** ((quality - 50) / 50)
    return point_of_delta(delta, latents_per_pixel, quality)


def point_of_delta(delta: float, latents_per_pixel: float, quality: int | None = None) -> OperatingPoint:
    """The operating point of a step; its bits a weight are those of a usual photograph."""
    if quality is None:
        exact = 50 + 50 * math.log(delta / USUAL) / math.log(_OF_QUALITY)
        quality = min(max(round(exact), 0), 100)
    bpp = 0.3 * (USUAL / delta) ** 1.3
    return OperatingPoint(quality, latents_per_pixel, noise_of(delta), bpp / latents_per_pixel)


@dataclass(frozen=True)
class GridPlan:
    """The searches of one encode. See `families.training.Plan`."""

    fit: FitConfig
    """The fit."""
    round_steps: int
    """Steps of a rounding."""
    pixels: int
    """Pixels of the picture."""
    roundings: int = 1
    """Roundings expected: a target may take more than one."""

    @property
    def steps(self) -> tuple[int, int, int]:
        """Steps of the stages."""
        return self.fit.steps, 0, self.roundings * self.round_steps

    def with_fit(self, fit: FitConfig) -> "GridPlan":
        """The same with another fit."""
        return replace(self, fit=fit)

    def with_fit_steps(self, steps: int) -> "GridPlan":
        """All searches in proportion, with another number of steps of the fit."""
        round_steps = max(1, round(self.round_steps * steps / self.fit.steps))
        return replace(self, fit=replace(self.fit, steps=steps), round_steps=round_steps)

    def manners(self) -> "Sequence[tuple[GridPlan, float]]":
        """There is one."""
        return [(self, 0.0)]

    def cheaper(self) -> "Sequence[GridPlan]":
        """There is none."""
        return []

    def rounding_seconds(self, timing: Timing, weights: int) -> float:
        """Seconds of all roundings, without their steps."""
        return self.roundings * (_EVALUATIONS + _DRAWS) * timing.evaluation

    def last_seconds(self, timing: Timing, weights: int) -> float:
        """Seconds of a rounding that come after its last step: the file."""
        return _DRAWS * timing.evaluation

    def memory(self, weights: int) -> int:
        """Bytes, about, that the encode takes at once."""
        return _PROCESS + _BYTES_PER_PIXEL * self.pixels


def plan(options: TrainerOptions, pixels: int) -> GridPlan:
    """The searches of an encode: twice the steps for each effort."""
    steps = STEPS * 2.0 ** (options.effort - 5)
    fit = FitConfig(steps=max(1, round((1 - ROUND) * steps)), seed=options.seed)
    return GridPlan(fit, max(1, round(ROUND * steps)), pixels, options.roundings)
