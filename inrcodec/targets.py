"""Targets: make the file of a fitted network meet a number of bytes, or a PSNR, by the quantizer's scale alone.

The scale is `QuantizeConfig.noise`: the error that rounding is to add, as a multiple of the fit's own. Both searches
round the float weights again and again, never fit again, and keep the best result.

Bytes. Rounding to nearest takes milliseconds and its file is within about 0.3 % of that of the tuned rounding at equal
steps. So the noise is bisected on the real bytes of the nearest rounding, and the tuned one follows; where it misses,
the aim is corrected by the ratio and it is tried again. Bytes are a limit to keep: where the tuned rounding stays above
it, the nearest one is the file.

PSNR. With m0 the mean squared error of the float network, rounding adds about kappa * noise * m0. kappa is 0.25 to
begin with (measured); from the second attempt on, the excess m - m0 follows a power of the noise through the last two.

Noise stays within `FINEST` .. `COARSEST`. At `FINEST` rounding costs less than 0.1 dB, and a larger file would hold
digits of noise: a target of more bytes than that counts as met.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from inrcodec import bitstream
from inrcodec.compress import Quantizer, Stage
from inrcodec.errors import TargetError
from inrcodec.progress import Monitor, Progress

ATTEMPTS = 4
"""Most roundings of one encode."""
TOLERANCE = 0.02
"""Of a number of bytes, relative."""
PSNR_TOLERANCE = 0.1
"""In dB."""
FINEST, COARSEST = 0.02, 4096.0
_BISECTIONS = 14
"""Of the noise's logarithm: to 0.1 %, far less than one step of one tensor's q_step code."""
_KAPPA = 0.25
_CODE_MSE = 1 / 12 / 255**2
"""Mean squared error of rounding values to codes, peak 1."""


@dataclass(frozen=True)
class BytesGoal:
    """A file of `low` .. `high` bytes; the search aims at `aim`."""

    low: float
    aim: float
    high: float


@dataclass(frozen=True)
class PsnrGoal:
    """The decoded picture's PSNR in dB, to `PSNR_TOLERANCE`."""

    psnr: float


Goal = BytesGoal | PsnrGoal | None
"""None: the noise is given."""


@dataclass(frozen=True)
class Rounded:
    """One rounding of the network, as a file."""

    noise: float
    data: bytes
    values: list[Tensor]
    """The network's tensors, as the file should hold them."""
    stages: tuple[Stage, ...]


class Fitted:
    """A fitted network to be rounded, each time from its float weights."""

    def __init__(self, quantizer: Quantizer, psnr: float, monitor: Monitor, steps: int) -> None:
        """`psnr` is the fitted network's in dB; the quantizer's own noise is where no goal asks for another.

        `steps` is what all roundings together report to `monitor`, however many there will be.
        """
        self.psnr, self.stopped, self.noise = psnr, monitor.stopped, quantizer.config.noise
        self._quantizer, self._monitor = quantizer, monitor
        self._sizes: dict[tuple[int, ...], int] = {}
        self._attempts = 0
        self._steps, self._done = steps, 0.0

    def round(self, noise: float, share: float = 0.5) -> Rounded:
        """The codec's own rounding; cut short, not left out, once the search has been stopped.

        Its progress fills `share` of what the roundings before it have left.
        """
        self._attempts += 1
        start, span = self._done, share * (self._steps - self._done)
        self._done += span
        monitor = self._listener(start, span)
        if self.stopped():
            self._quantizer.hurry()
            monitor = replace(monitor, stopped=lambda: False)
        model, stages = self._quantizer.run(noise, monitor)
        return Rounded(noise, bitstream.write(model), self._quantizer.network.snapshot(), tuple(stages))

    def _listener(self, start: float, span: float) -> Monitor:
        number = self._attempts

        def report(progress: Progress) -> None:
            stage = progress.stage if number == 1 else f"{progress.stage} {number}"
            step = round(start + span * progress.step / progress.steps)
            self._monitor.report(replace(progress, stage=stage, step=step, steps=self._steps))

        return replace(self._monitor, report=report)

    def nearest(self, noise: float) -> Rounded:
        """All weights rounded to nearest, at no cost."""
        model = self._quantizer.nearest(noise)
        values = [torch.tensor(value, device=self._quantizer.network.device) for value in model.dequantize()]
        data = bitstream.write(model)
        return Rounded(noise, data, values, (Stage("round to nearest", math.nan, len(data), "to keep to the bytes"),))

    def nearest_bytes(self, noise: float) -> int:
        """Bytes of the file of `nearest`."""
        codes = self._quantizer.rounding(noise).codes
        if codes not in self._sizes:
            self._sizes[codes] = len(bitstream.write(self._quantizer.nearest(noise)))
        return self._sizes[codes]


def meet(goal: Goal, fitted: Fitted, psnr_of: Callable[[bytes], float]) -> tuple[Rounded, bool]:
    """The rounding for a goal, and whether the goal is met."""
    if isinstance(goal, BytesGoal):
        return round_to_bytes(fitted, goal)
    if isinstance(goal, PsnrGoal):
        return round_to_psnr(fitted, goal, psnr_of)
    return fitted.round(fitted.noise, share=1), True


def round_to_bytes(fitted: Fitted, goal: BytesGoal) -> tuple[Rounded, bool]:
    """The rounding whose file is `goal`, and whether it is: at most `goal.high` bytes, few less unless at `FINEST`."""
    aim, found = goal.aim, []
    for _ in range(ATTEMPTS):
        found.append(fitted.round(noise_for(fitted.nearest_bytes, aim)))
        if fitted.stopped() or _meets(found[-1], goal):
            break
        aim *= goal.aim / len(found[-1].data)
    within = [one for one in found if len(one.data) <= goal.high]
    best = max(within or [fitted.nearest(noise_for(fitted.nearest_bytes, goal.aim))], key=lambda one: len(one.data))
    if len(best.data) > goal.high:
        raise TargetError(f"the smallest file found for this picture has {len(best.data)} bytes: ask for more")
    return best, _meets(best, goal)


def _meets(rounded: Rounded, goal: BytesGoal) -> bool:
    size = len(rounded.data)
    return size <= goal.high and (size >= goal.low or rounded.noise <= FINEST)


def noise_for(size_of: Callable[[float], int], aim: float) -> float:
    """The least noise in `FINEST` .. `COARSEST` whose file has at most `aim` bytes; `COARSEST` where none has."""
    fine, coarse = math.log(FINEST), math.log(COARSEST)
    if size_of(FINEST) <= aim:
        return FINEST
    for _ in range(_BISECTIONS):
        middle = (fine + coarse) / 2
        fine, coarse = (fine, middle) if size_of(math.exp(middle)) <= aim else (middle, coarse)
    return math.exp(coarse)


def round_to_psnr(fitted: Fitted, goal: PsnrGoal, psnr_of: Callable[[bytes], float]) -> tuple[Rounded, bool]:
    """The rounding whose decoded picture, as `psnr_of` a file measures it, has `goal.psnr`; and whether it has.

    Where the network itself is too weak this is the rounding at `FINEST`.
    """
    least = 10 ** (-fitted.psnr / 10) + _CODE_MSE
    excess = 10 ** (-goal.psnr / 10) - least
    tried: list[tuple[float, float]] = []
    found: list[tuple[float, Rounded]] = []
    for _ in range(ATTEMPTS):
        noise = next_noise(excess, least, tried)
        rounded = fitted.round(noise)
        psnr = psnr_of(rounded.data)
        found.append((abs(psnr - goal.psnr), rounded))
        tried.append((noise, 10 ** (-psnr / 10) - least))
        too_weak = noise <= FINEST and psnr < goal.psnr
        if fitted.stopped() or too_weak or found[-1][0] <= PSNR_TOLERANCE:
            break
    missed, best = min(found, key=lambda pair: pair[0])
    return best, missed <= PSNR_TOLERANCE


def next_noise(excess: float, least: float, tried: Sequence[tuple[float, float]]) -> float:
    """The noise that should add `excess` to a mean squared error of `least`, given (noise, excess) of past attempts."""
    usable = sorted((noise, added) for noise, added in tried if added > 0)
    if excess <= 0:
        return FINEST
    if not usable:
        noise = excess / (_KAPPA * least)
        return float(np.clip(noise, FINEST, COARSEST)) if not tried else max(FINEST, 2 * tried[-1][0])
    power, (near, added) = 1.0, min(usable, key=lambda pair: abs(math.log(pair[1] / excess)))
    if len(usable) > 1 and usable[0][1] < usable[-1][1] and usable[0][0] < usable[-1][0]:
        power = math.log(usable[-1][1] / usable[0][1]) / math.log(usable[-1][0] / usable[0][0])
    return float(np.clip(near * (excess / added) ** (1 / np.clip(power, 0.5, 2.0)), FINEST, COARSEST))
