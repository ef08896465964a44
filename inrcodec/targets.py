"""Targets: make the file of a fitted network meet a number of bytes, or a PSNR, by the quantizer's scale alone.

The scale is `QuantizeConfig.noise`: the error that rounding is to add, as a multiple of the fit's own. Both searches
round the float weights again and again, never fit again, and keep the best result.

Bytes. Rounding to nearest takes milliseconds and its file is within about 0.3 % of that of the tuned rounding at equal
steps. So the noise is bisected on the real bytes of the nearest rounding, and the tuned one follows; where it misses,
the aim is corrected by the ratio and it is tried again. Bytes are a limit to keep: where the tuned rounding stays above
it, the nearest one is the file. Where a tiny file jumps over the tolerance, one tensor's step is changed.

PSNR. With m0 the mean squared error of the float network, rounding adds about kappa * noise * m0. kappa is 0.25 to
begin with (measured); from the second attempt on, the excess m - m0 follows a power of the noise through the last two.

Noise stays within bounds: at `FINEST` rounding costs a PSNR nothing, at `FINEST_OF_BYTES` even more digits would hold
nothing at all, so a target of more bytes than that counts as met by fewer; and no symbol may pass `MAX_SYMBOL`.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from inrcodec import bitstream
from inrcodec.compress import Quantizer, Stage, flatten, part_due
from inrcodec.errors import TargetError
from inrcodec.model import Q_STEP_CODES, QuantizedModel
from inrcodec.progress import Monitor, Progress

ATTEMPTS = 4
"""Most roundings of one encode."""
TOLERANCE = 0.02
"""Of a number of bytes, relative."""
PSNR_TOLERANCE = 0.1
"""In dB."""
FINEST, FINEST_OF_BYTES, COARSEST = 0.02, 1e-4, 4096.0
_BISECTIONS = 14
"""Of the noise's logarithm: to 0.1 %, far less than one step of one tensor's q_step code."""
_KAPPA = 0.25
_LEAP = 16
"""What the noise is multiplied by where it had no effect."""
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
    model: QuantizedModel
    values: list[Tensor]
    """The network's tensors, as the file should hold them."""
    stages: tuple[Stage, ...]


class Fitted:
    """A fitted network to be rounded, each time from its float weights."""

    def __init__(
        self, quantizer: Quantizer, psnr: float, monitor: Monitor, steps: int, psnr_of: Callable[[bytes], float]
    ) -> None:
        """`psnr` is the fitted network's in dB; the quantizer's own noise is where no goal asks for another.

        `steps` is what all roundings together report to `monitor`, however many there will be; `psnr_of` a file is
        that of its decoded picture in dB.
        """
        self.psnr_of = psnr_of
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
        return Rounded(noise, bitstream.write(model), model, self._quantizer.network.snapshot(), tuple(stages))

    def _listener(self, start: float, span: float) -> Monitor:
        number = self._attempts

        def report(progress: Progress) -> None:
            stage = progress.stage if number == 1 else f"{progress.stage} {number}"
            step = round(start + span * progress.step / progress.steps)
            self._monitor.report(replace(progress, stage=stage, step=step, steps=self._steps))

        whole = max(1, self._steps)
        return replace(self._monitor, report=report, due=part_due(self._monitor.due, start / whole, span / whole))

    def nearest(self, noise: float) -> Rounded:
        """All weights rounded to nearest, at no cost."""
        return self._as_it_is(self._quantizer.nearest(noise), noise, "nearest instead", ())

    def nudged(self, rounded: Rounded, low: float, high: float) -> Rounded:
        """The same, or one tensor's step changed such that the file has `low` .. `high` bytes, where that can be.

        For files of few hundred bytes, whose entropy coder makes them shrink in leaps.
        """
        last = len(rounded.values) - 1
        for shift, tensor in itertools.product((1, -1, 2, -2, 4, -4, 8, -8), range(last)):
            codes = list(rounded.model.q_step_codes)
            codes[tensor] = min(max(codes[tensor] + shift, 0), Q_STEP_CODES - 1)
            model = self._quantizer.model(self._quantizer.rounding_to(codes), flatten(rounded.values))
            if low <= len(bitstream.write(model)) <= high:
                return self._as_it_is(model, rounded.noise, "change one step", rounded.stages)
        return rounded

    def _as_it_is(self, model: QuantizedModel, noise: float, stage: str, before: tuple[Stage, ...]) -> Rounded:
        data = bitstream.write(model)
        values = [torch.tensor(value, device=self._quantizer.network.device) for value in model.dequantize()]
        last = Stage(stage, self.psnr_of(data), len(data), "to keep to the bytes; PSNR of the decoded picture")
        return Rounded(noise, data, model, values, (*before, last))

    def nearest_bytes(self, noise: float) -> int:
        """Bytes of the file of `nearest`."""
        codes = self._quantizer.rounding(noise).codes
        if codes not in self._sizes:
            self._sizes[codes] = len(bitstream.write(self._quantizer.nearest(noise)))
        return self._sizes[codes]

    def finest(self, noise: float) -> float:
        """The least noise, from `noise` on, at which no symbol has to be clipped."""
        while noise < COARSEST and self._quantizer.clips(noise):
            noise *= 2
        return noise


def meet(goal: Goal, fitted: Fitted) -> tuple[Rounded, bool]:
    """The rounding for a goal, and whether the goal is met."""
    if isinstance(goal, BytesGoal):
        return round_to_bytes(fitted, goal)
    if isinstance(goal, PsnrGoal):
        return round_to_psnr(fitted, goal)
    return fitted.round(fitted.noise, share=1), True


def round_to_bytes(fitted: Fitted, goal: BytesGoal) -> tuple[Rounded, bool]:
    """The rounding whose file is `goal`, and whether it is: at most `goal.high` bytes, few less unless at `FINEST`."""
    aim, finest = goal.aim, fitted.finest(FINEST_OF_BYTES)
    found: list[Rounded] = []

    def meets(rounded: Rounded) -> bool:
        size = len(rounded.data)
        return size <= goal.high and (size >= goal.low or rounded.noise <= finest)

    for _ in range(ATTEMPTS):
        noise = noise_for(fitted.nearest_bytes, aim, finest)
        if noise in [one.noise for one in found]:
            break
        found.append(fitted.round(noise))
        if fitted.stopped() or meets(found[-1]):
            break
        aim *= goal.aim / len(found[-1].data)
    within = [one for one in found if len(one.data) <= goal.high]
    if not within:
        within = [fitted.nearest(noise_for(fitted.nearest_bytes, goal.aim, finest))]
    best = max(within, key=lambda one: len(one.data))
    if not meets(best):
        best = fitted.nudged(best, goal.low, goal.high)
    if len(best.data) > goal.high:
        raise TargetError(f"the smallest file found for this picture has {len(best.data)} bytes: ask for more")
    return best, meets(best)


def noise_for(size_of: Callable[[float], int], aim: float, finest: float) -> float:
    """The least noise in `finest` .. `COARSEST` whose file has at most `aim` bytes; `COARSEST` where none has."""
    if size_of(finest) <= aim:
        return finest
    if size_of(COARSEST) > aim:
        return COARSEST
    fine, coarse = math.log(finest), math.log(COARSEST)
    for _ in range(_BISECTIONS):
        middle = (fine + coarse) / 2
        fine, coarse = (fine, middle) if size_of(math.exp(middle)) <= aim else (middle, coarse)
    return math.exp(coarse)


def round_to_psnr(fitted: Fitted, goal: PsnrGoal) -> tuple[Rounded, bool]:
    """The rounding whose decoded picture, in uint8, has `goal.psnr`; and whether it has.

    Where the network itself is too weak this is the rounding at `FINEST`. Where even that at `COARSEST` is better, as
    of a picture of one colour, it counts as meeting the goal: there is no smaller file to offer.
    """
    least, finest = 10 ** (-fitted.psnr / 10) + _CODE_MSE, fitted.finest(FINEST)
    excess = 10 ** (-goal.psnr / 10) - least
    tried: list[tuple[float, float]] = []
    found: list[tuple[float, Rounded]] = []
    for _ in range(ATTEMPTS):
        noise = max(finest, next_noise(excess, least, tried))
        rounded = fitted.round(noise)
        psnr = fitted.psnr_of(rounded.data)
        found.append((abs(psnr - goal.psnr), rounded))
        tried.append((noise, 10 ** (-psnr / 10) - least))
        cannot_be_better, cannot_be_worse = noise <= finest and psnr < goal.psnr, noise >= COARSEST and psnr > goal.psnr
        if fitted.stopped() or found[-1][0] <= PSNR_TOLERANCE or cannot_be_better or cannot_be_worse:
            break
    if cannot_be_worse:
        return rounded, True
    missed, best = min(found, key=lambda pair: pair[0])
    return best, missed <= PSNR_TOLERANCE


def next_noise(excess: float, least: float, tried: Sequence[tuple[float, float]]) -> float:
    """The noise that should add `excess` to a mean squared error of `least`, given (noise, excess) of past attempts."""
    if excess <= 0:
        return FINEST
    usable = sorted(((n, added) for n, added in tried if added > 0), key=lambda pair: abs(math.log(pair[1] / excess)))
    if not usable:
        noise = _LEAP * tried[-1][0] if tried else excess / (_KAPPA * least)
        return float(np.clip(noise, FINEST, COARSEST))
    power, (noise, added) = 1.0, usable[0]
    if len(usable) > 1 and (usable[1][0] - noise) * (usable[1][1] - added) > 0:
        power = math.log(usable[1][1] / added) / math.log(usable[1][0] / noise)
    return float(np.clip(noise * (excess / added) ** (1 / np.clip(power, 0.5, 2.0)), FINEST, COARSEST))
