"""Targets: make the file of a fitted network meet a number of bytes, or a PSNR, by the quantizer's scale alone.

The scale is the operating point's noise: the error that rounding is to add, as a multiple of the fit's own. Both
searches round the float weights again and again, never fit again, and keep the best result.

Bytes. Rounding to nearest takes milliseconds and its file is within about 0.3 % of that of the tuned rounding at equal
steps. So the noise is bisected on the real bytes of the nearest rounding, and the tuned one follows; where it misses,
the aim is corrected by the ratio and it is tried again. Bytes are a limit to keep: where the tuned rounding stays above
it, the nearest one is the file. Where a tiny file jumps over the tolerance, one tensor's step is changed.

PSNR. With m0 the mean squared error of the float network, rounding adds about kappa * noise * m0. kappa is 0.25 to
begin with (measured); from the second attempt on, the excess m - m0 follows a power of the noise through the last two.

Noise stays within bounds: at `FINEST` rounding costs a PSNR nothing, at `FINEST_OF_BYTES` even more digits would hold
nothing at all, so a target of more bytes than that counts as met by fewer; and no symbol may pass `MAX_SYMBOL`.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inrcodec import families
from inrcodec.errors import TargetError
from inrcodec.families import StoredPicture
from inrcodec.families.training import Rounder
from inrcodec.progress import Monitor, Progress, Stage, part_due

ATTEMPTS, ATTEMPTS_AT_PSNR = 4, 6
"""Most roundings of one encode for bytes, and for a PSNR, on which each weight of a small network shows."""
TOLERANCE = 0.02
"""Tolerance of a number of bytes, relative."""
PSNR_TOLERANCE = 0.1
"""Tolerance of a PSNR in dB."""
FINEST, FINEST_OF_BYTES, COARSEST = 0.02, 1e-4, 4096.0
_BISECTIONS = 14
"""Bisections of the noise's logarithm: to 0.1 %, far less than one step of one tensor's q_step code."""
_KAPPA = 0.25
_LEAP = 16
"""What the noise is multiplied by where it had no effect."""
_APART, _FARTHEST = 1.01, 1e6
"""Least factor between two attempts, and largest between the noise of one and of the next."""
_EITHER_WAY, _COARSER = (1, -1, 2, -2, 4, -4, 8, -8), (1, 2, 3, 4, 6, 8, 12, 16)
"""Changes of one tensor's q_step code."""
_LITTLE = 1 << 25
"""Multiplications of drawing a picture once, at most, for it to be drawn a hundred times."""
_ROOM = 0.98
"""Part of the most bytes that the nearest rounding may take: the tuned one is a little longer."""
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
    """The decoded picture's PSNR in dB, to `PSNR_TOLERANCE`, in a file of at most `most` bytes."""

    psnr: float
    most: float = math.inf


Goal = BytesGoal | PsnrGoal | None
"""None: the noise is given."""


@dataclass(frozen=True)
class Rounded:
    """One rounding of the network, as a file."""

    rounding_noise: float
    data: bytes
    stored: StoredPicture
    """What the file should hold."""
    stages: tuple[Stage, ...]


class Fitted:
    """A fitted network to be rounded, each time from its float weights."""

    def __init__(
        self,
        rounder: Rounder,
        psnr: float,
        monitor: Monitor,
        steps: int,
        psnr_of: Callable[[bytes], float],
    ) -> None:
        """`psnr` is the fitted network's in dB; the rounder's own noise is where no goal asks for another.

        `steps` is what all roundings together report to `monitor`, however many there will be; `psnr_of` a file is
        that of its decoded picture in dB.
        """
        self.psnr_of = psnr_of
        self.psnr, self.stopped, self.rounding_noise = psnr, monitor.stopped, rounder.rounding_noise
        self._rounder, self._monitor = rounder, monitor
        self._sizes: dict[Hashable, int] = {}
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
            self._rounder.hurry()
            monitor = replace(monitor, stopped=lambda: False)
        stored, stages = self._rounder.run(noise, monitor)
        return Rounded(noise, families.write(stored), stored, tuple(stages))

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
        return self._as_it_is(self._rounder.nearest(noise), noise, "nearest instead", ())

    def nudged(self, rounded: Rounded, meets: Callable[[bytes], bool], shifts: Sequence[int]) -> Rounded:
        """The same, or one tensor's step changed such that the file `meets` the target, where that can be.

        For files of few hundred bytes, whose entropy coder makes them shrink in leaps, and whose every weight shows.
        """
        for stored in self._rounder.changed(rounded.stored, shifts):
            if meets(families.write(stored)):
                return self._as_it_is(stored, rounded.rounding_noise, "change one step", rounded.stages)
        return rounded

    def _as_it_is(self, stored: StoredPicture, noise: float, stage: str, before: tuple[Stage, ...]) -> Rounded:
        data = families.write(stored)
        last = Stage(stage, self.psnr_of(data), len(data), "to meet the target; PSNR of the decoded picture")
        return Rounded(noise, data, stored, (*before, last))

    def nearest_bytes(self, noise: float) -> int:
        """Bytes of the file of `nearest`."""
        key = self._rounder.key(noise)
        if key not in self._sizes:
            self._sizes[key] = len(families.write(self._rounder.nearest(noise)))
        return self._sizes[key]

    def finest(self, noise: float) -> float:
        """The least noise, from `noise` on, at which no symbol has to be clipped."""
        while noise < COARSEST and self._rounder.clips(noise):
            noise *= 2
        return noise


def meet(goal: Goal, fitted: Fitted) -> tuple[Rounded, bool]:
    """The rounding for a goal, and whether the goal is met."""
    if isinstance(goal, BytesGoal):
        return round_to_bytes(fitted, goal)
    if isinstance(goal, PsnrGoal):
        return round_to_psnr(fitted, goal)
    return fitted.round(fitted.rounding_noise, share=1), True


def round_to_bytes(fitted: Fitted, goal: BytesGoal) -> tuple[Rounded, bool]:
    """The rounding whose file is `goal`, and whether it is: at most `goal.high` bytes, few less unless at `FINEST`."""
    aim, finest = goal.aim, fitted.finest(FINEST_OF_BYTES)
    found: list[Rounded] = []
    tried: list[tuple[float, int]] = []

    def meets(rounded: Rounded) -> bool:
        size = len(rounded.data)
        return size <= goal.high and (size >= goal.low or rounded.rounding_noise <= finest)

    for _ in range(ATTEMPTS):
        noise = noise_for(fitted.nearest_bytes, aim, finest)
        if noise in [one.rounding_noise for one in found]:
            break
        found.append(fitted.round(noise))
        if fitted.stopped() or meets(found[-1]):
            break
        tried.append((aim, len(found[-1].data)))
        aim = next_aim(goal.aim, tried)
    within = [one for one in found if len(one.data) <= goal.high]
    if not within:
        within = [fitted.nearest(noise_for(fitted.nearest_bytes, goal.aim, finest))]
    best = max(within, key=lambda one: len(one.data))
    if not meets(best):
        best = _nudged_to_bytes(fitted, goal, best, found)
    if len(best.data) > goal.high:
        raise TargetError(f"the smallest file found for this picture has {len(best.data)} bytes: ask for more")
    return best, meets(best)


def _nudged_to_bytes(fitted: Fitted, goal: BytesGoal, best: Rounded, found: Sequence[Rounded]) -> Rounded:
    """The best rounding within the goal's bytes, or the smallest one above, changed a little so that it is the goal."""

    def is_goal(data: bytes) -> bool:
        return goal.low <= len(data) <= goal.high

    above = [one for one in found if len(one.data) > goal.high]
    nearest = [best, min(above, key=lambda one: len(one.data))] if above else [best]
    changed = (fitted.nudged(one, is_goal, _EITHER_WAY) for one in nearest)
    return next((one for one in changed if is_goal(one.data)), best)


def next_aim(wanted: float, tried: Sequence[tuple[float, int]]) -> float:
    """What to aim at for `wanted` bytes, given (aim, bytes) of past attempts.

    By the last one's ratio, or, once there were smaller and larger files, on the line between the nearest two of them.
    """
    aim, size = tried[-1]
    smaller = [pair for pair in tried if pair[1] < wanted]
    larger = [pair for pair in tried if pair[1] > wanted]
    if smaller and larger:
        low, high = max(smaller, key=lambda pair: pair[1]), min(larger, key=lambda pair: pair[1])
        if low[0] < high[0]:
            return low[0] + (high[0] - low[0]) * (wanted - low[1]) / (high[1] - low[1])
    return aim * wanted / size


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

    Where the network itself is too weak this is the rounding at `FINEST`, or at the finest that `goal.most` bytes have
    room for. Where even that at `COARSEST` is better, as of a picture of one colour, it counts as meeting the goal:
    there is no smaller file to offer.
    """
    least, drawn, finest = _least(fitted.psnr), drawn_mse(fitted.psnr), fitted.finest(FINEST)
    if math.isfinite(goal.most):
        finest = noise_for(fitted.nearest_bytes, _ROOM * goal.most, finest)
    excess = 10 ** (-goal.psnr / 10) - drawn
    tried: list[tuple[float, float]] = []
    found: list[tuple[float, Rounded]] = []
    for _ in range(ATTEMPTS_AT_PSNR):
        guess = next_noise(excess, least, tried) if tried or math.isfinite(fitted.psnr) else fitted.rounding_noise
        noise = max(finest, guess)
        rounded = fitted.round(noise)
        psnr = fitted.psnr_of(rounded.data)
        found.append((psnr, rounded))
        tried.append((noise, 10 ** (-psnr / 10) - drawn))
        cannot_be_better, cannot_be_worse = noise <= finest and psnr < goal.psnr, noise >= COARSEST and psnr > goal.psnr
        if fitted.stopped() or _meets(psnr, goal) or cannot_be_better or cannot_be_worse:
            break
    if cannot_be_worse:
        return rounded, True
    psnr, best = _best(fitted, [pair for pair in found if len(pair[1].data) <= goal.most], goal, finest)
    return best, _meets(psnr, goal)


def _meets(psnr: float, goal: PsnrGoal) -> bool:
    return abs(psnr - goal.psnr) <= PSNR_TOLERANCE


def _best(
    fitted: Fitted, within: Sequence[tuple[float, Rounded]], goal: PsnrGoal, finest: float
) -> tuple[float, Rounded]:
    """(PSNR, rounding) nearest to the goal of those `within` its bytes; where none meets it, one changed a little."""
    if not within:
        rounded = fitted.nearest(finest)
        return fitted.psnr_of(rounded.data), rounded
    best = min(within, key=lambda pair: abs(pair[0] - goal.psnr))
    above = [pair for pair in within if pair[0] > goal.psnr]
    if _meets(best[0], goal) or not above or fitted.stopped() or _work(best[1].stored) > _LITTLE:
        return best

    def meets(data: bytes) -> bool:
        return len(data) <= goal.most and _meets(fitted.psnr_of(data), goal)

    for _, one in sorted(above, key=lambda pair: pair[0]):
        rounded = fitted.nudged(one, meets, _COARSER)
        if rounded is not one:
            return fitted.psnr_of(rounded.data), rounded
    return best


def _work(stored: StoredPicture) -> int:
    """Multiplications of drawing the picture once."""
    return stored.height * stored.width * stored.network.macs


def in_reach(psnr: float, goal: PsnrGoal) -> bool:
    """Whether a float network of `psnr` dB, finely rounded, has what `goal` asks for."""
    finest = drawn_mse(psnr) + _KAPPA * FINEST * _least(psnr)
    return finest <= 10 ** (-(goal.psnr - PSNR_TOLERANCE) / 10)


def _least(psnr: float) -> float:
    """Mean squared error, peak 1, that noise is a multiple of, about."""
    return 10 ** (-psnr / 10) + _CODE_MSE


def drawn_mse(psnr: float) -> float:
    """Mean squared error, peak 1, of a float picture of `psnr` dB once it is rounded to codes, its error normal.

    That of the codes comes to it, but vanishes with the error: nearer than half a code is exact.
    """
    sigma = 255 * 10 ** (-psnr / 20)
    if sigma > 2:
        return _least(psnr)
    beyond = (math.erfc((k + 0.5) / (math.sqrt(2) * max(sigma, 1e-9))) for k in range(16))
    return sum((2 * k + 1) * part for k, part in enumerate(beyond)) / 255**2


def next_noise(excess: float, least: float, tried: Sequence[tuple[float, float]]) -> float:
    """The noise that should add `excess` to a mean squared error of `least`, given (noise, excess) of past attempts.

    Never one that was tried: where there were attempts on both sides it lies between them, in the middle if need be.
    """
    good = [noise for noise, added in tried if added < excess]
    bad = [noise for noise, added in tried if added >= excess]
    noise = _by_power(excess, least, tried)
    if good and bad and not min(max(good), *bad) * _APART < noise < max(min(bad), *good) / _APART:
        noise = math.sqrt(max(good) * min(bad))
    return float(np.clip(noise, FINEST, COARSEST))


def _by_power(excess: float, least: float, tried: Sequence[tuple[float, float]]) -> float:
    """The noise by a power law through the attempts nearest to `excess`; a leap where none tells anything."""
    if not tried:
        return excess / (_KAPPA * least)
    usable = [(noise, added) for noise, added in tried if added > 0 and excess > 0]
    if not usable:
        noise, added = tried[-1]
        return noise * _LEAP if added < excess else noise / _LEAP
    usable.sort(key=lambda pair: abs(math.log(pair[1] / excess)))
    power, (noise, added) = 1.0, usable[0]
    if len(usable) > 1 and (usable[1][0] - noise) * (usable[1][1] - added) > 0:
        power = math.log(usable[1][1] / added) / math.log(usable[1][0] / noise)
    ratio = min(max(excess / added, _FARTHEST**-2), _FARTHEST**2)
    return noise * math.pow(ratio, 1 / min(max(power, 0.5), 2.0))
