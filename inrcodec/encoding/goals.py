"""What a file has to meet, and with which network: a quality's, a size's, or one that fits of the picture lead to.

A PSNR is the only goal that takes fits to find out: pilots before the fit (`pilot.py`), and where the fit itself is too
weak, or far too strong, one of a larger or a smaller network, `REFITS` times at most. All of it is bounded by
`most_bytes`, and told before it begins.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inrcodec.encoding import estimate, pilot, targets
from inrcodec.encoding.config import EncoderConfig
from inrcodec.encoding.pilot import Reached
from inrcodec.encoding.resume import Course, take_point
from inrcodec.errors import CheckpointError, RequestError
from inrcodec.families.training import Candidate, Plan, Trainer
from inrcodec.fitting.loop import optimize
from inrcodec.fitting.state import State, take_finite, take_number
from inrcodec.progress import Estimate, Monitor

REFITS = 2
"""Fits of other networks, at most, after the first that is meant for a PSNR."""
MOST_OF_RAW, LEAST_MOST = 0.5, 512
"""Most bytes of a file for a PSNR: this part of the picture's samples, or so many where that is less: a
lossless codec stores photographs exactly in as many."""
_FAR = 4.0
"""Decibels above a PSNR: so far and farther, a smaller network with finer weights takes fewer bytes."""
_CHANGE, _WORTH = 1.5, 1.1
"""Least factors of another network: of its bytes, unless the most are in the way, and of its weights."""
_SIZE_AIM = 0.993
"""Part of a size in bytes that is aimed at: half the tolerance below, so that a somewhat larger rounding still fits."""


def most_bytes(samples: int, largest: float) -> float:
    """Most bytes of a file for a PSNR, without metadata, of a picture of so many samples."""
    return min(max(MOST_OF_RAW * samples, LEAST_MOST), largest)


def choose_goal(
    config: EncoderConfig, shape: tuple[int, int, int], sizes: tuple[int, int], beside: int = 0
) -> targets.Goal:
    """What the file of a picture (H, W, C) has to meet, without the `beside` bytes of metadata that come to it.

    `sizes` are the bytes of the smallest file, and of the largest.

    Raises RequestError where no file of it could.
    """
    (height, width, channels), (smallest, largest) = shape, sizes
    if config.psnr is not None:
        return targets.PsnrGoal(config.psnr, most_bytes(height * width * channels, largest))
    if config.size is not None:
        low, aim, high = (config.size * factor for factor in (1 - targets.TOLERANCE, _SIZE_AIM, 1.0))
    elif config.bpp is not None:
        size = config.bpp * height * width / 8
        low, aim, high = (size * factor for factor in (1 - targets.TOLERANCE, 1.0, 1 + targets.TOLERANCE))
    else:
        return None
    least, most = smallest + beside, largest + beside
    if not least <= high or not low <= most:
        name, value, unit = (
            ("bpp", config.bpp, 8 / (height * width)) if config.size is None else ("size", config.size, 1)
        )
        raise RequestError(
            f"{name}: {value:g}: files of a {width}x{height} picture have {unit * least:.4g} to {unit * most:.4g}"
        )
    return targets.BytesGoal(low - beside, aim - beside, high - beside)


@dataclass(frozen=True)
class Fit:
    """A fitted network."""

    candidate: Candidate
    """The network."""
    plan: Plan
    """What it was fitted by, and is to be rounded by."""
    psnr: float
    """PSNR of the float network in dB."""

    @property
    def reached(self) -> Reached:
        """The bytes that it takes, and its PSNR."""
        return Reached(self.candidate.file_bytes, min(self.psnr, pilot.BEST))

    def state(self) -> State:
        """All but the plan, which follows from it. The inverse of `Search.restored`."""
        values = {f"value{number}": value for number, value in enumerate(self.candidate.arrays())}
        point = np.array(astuple(self.candidate.point), np.float64)
        return {"point": point, "psnr": np.array(self.psnr, np.float64), **values}


class Search:
    """The way to a network for one picture and goal."""

    def __init__(
        self,
        codes: NDArray[np.uint8],
        config: EncoderConfig,
        goal: targets.Goal,
        trainer: Trainer,
        monitor: Monitor,
        piloting: Callable[[Monitor], Monitor] = lambda monitor: monitor,
    ) -> None:
        """`codes` is (H, W, C); `piloting` makes the monitor of each pilot, for a time limit."""
        self._piloting = piloting
        self._codes, self._config, self._goal, self._monitor = codes, config, goal, monitor
        self.trainer = trainer
        self.trial: Fit | None = None
        """The last pilot: all there is where a search is stopped in it."""

    def begin(self) -> Course:
        """The operating point to begin with; for a PSNR, short fits of the picture are made to find out."""
        if isinstance(self._goal, targets.BytesGoal):
            return Course(self.trainer.at_bytes(self._goal.aim))
        if isinstance(self._goal, targets.PsnrGoal):
            point = self.trainer.at_psnr(self._goal.psnr)
            return Course(point) if point else self._of_pilots(self._goal)
        return Course(self.trainer.at_quality(self._config.quality))

    def _of_pilots(self, goal: targets.PsnrGoal) -> Course:
        curve = pilot.curve(self._codes)
        usual = self.trainer.start(self.trainer.at_bytes(0)).plan().fit.steps
        fits = pilot.run(goal.psnr, usual, goal.most, curve, self._pilot)
        size = pilot.next_bytes(goal.psnr, fits, curve) if fits else pilot.LEAST_BYTES
        return Course(self.trainer.at_bytes(min(size, goal.most)), tuple(fits), REFITS)

    def _pilot(self, size: float, steps: int) -> Reached | None:
        """A short fit; it is announced, and may be stopped, but its steps are reported to nobody."""
        candidate = self.trainer.start(self.trainer.at_bytes(size))
        plan = candidate.plan()
        plan = plan.with_fit(replace(plan.fit, steps=steps))
        if self._monitor.announce:
            timing = estimate.measure_fit(candidate, plan.fit)
            height, width, _ = self._codes.shape
            self._monitor.announce(Estimate(height, width, candidate.weights, steps * timing.step, trial=True))
        listener = self._piloting(Monitor(stopped=self._monitor.stopped, note=self._monitor.note))
        psnr = optimize(candidate.search(plan.fit, listener.note), monitor=listener)
        self.trial = Fit(candidate, plan, psnr)
        return None if self._monitor.stopped() else self.trial.reached

    def further(self, course: Course, fit: Fit) -> Course | None:
        """Where to go on, after a fit that is too weak or far too strong; None where there is nothing to gain."""
        goal, found = self._goal, fit.reached
        if not isinstance(goal, targets.PsnrGoal) or (targets.in_reach(fit.psnr, goal) and fit.psnr < goal.psnr + _FAR):
            return None
        if not course.refits or self._config.time_limit is not None or self._monitor.stopped():
            return None
        fits, wanted = (*course.fits, found), pilot.next_bytes(goal.psnr, (*course.fits, found))
        if not targets.in_reach(fit.psnr, goal):
            size = min(max(wanted, _CHANGE * found.size), goal.most)
        elif (size := wanted) * _CHANGE > found.size:
            return None
        return self._changed(fit, goal, Course(self.trainer.at_bytes(size), fits, course.refits - 1))

    def _changed(self, fit: Fit, goal: targets.PsnrGoal, course: Course) -> Course | None:
        """The course, if its network is another one than was fitted."""
        before, after = fit.candidate.weights, self.trainer.weights_at(course.point)
        is_larger = not targets.in_reach(fit.psnr, goal)
        if is_larger and after < _WORTH * before:
            self._monitor.note(f"no larger network for {goal.psnr:g} dB: such files end at {goal.most:,.0f} bytes")
            return None
        if not is_larger and before < _WORTH * after:
            return None
        self._monitor.note(f"{fit.psnr:.2f} dB with {before:,} weights: going on with {after:,}, for {goal.psnr:g} dB")
        return course

    def best(self, found: Sequence[Fit]) -> Fit:
        """The smallest network that has what the goal asks for; where none has, the best of them."""
        goal = self._goal
        enough = [fit for fit in found if isinstance(goal, targets.PsnrGoal) and targets.in_reach(fit.psnr, goal)]
        if enough:
            return min(enough, key=lambda fit: fit.reached.size)
        return max(found, key=lambda fit: fit.psnr)

    def restored(self, state: State) -> Fit | None:
        """The fit of a state, checked; None where that is empty. The inverse of `Fit.state`."""
        if not state:
            return None
        candidate = self.trainer.start(take_point(state))
        names = [(f"value{number}", value.shape) for number, value in enumerate(candidate.arrays())]
        candidate.load([take_finite(state, name, shape) for name, shape in names])
        if unknown := state.keys() - {"point", "psnr", *(name for name, _ in names)}:
            raise CheckpointError(f"{min(unknown)[:40]} is unknown")
        return Fit(candidate, candidate.plan(), take_number(state, "psnr"))

    def longest(self, seconds: float, fit: Fit, course: Course) -> float:
        """Seconds, where an encode by `fit` takes `seconds`, with all that may follow for a PSNR; 0: nothing may."""
        if self._config.time_limit is not None or not isinstance(self._goal, targets.PsnrGoal):
            return 0.0
        height, width, _ = self._codes.shape
        most: float = self.trainer.at_bytes(self._goal.most).weights_per_pixel * (height * width)
        limit = max(1.0, most / fit.candidate.weights)
        fits = sum(min(limit, pilot.TRUST**number) for number in range(course.refits + 1))
        fit_steps, _, round_steps = fit.plan.steps
        roundings = targets.ATTEMPTS_AT_PSNR / fit.plan.roundings
        return seconds * fits * (fit_steps + roundings * round_steps) / (fit_steps + round_steps)
