"""A time limit: the best plan that fits, and searches that the clock drives.

The plan is left alone if it fits. Else it is the one that promises the best picture in that time: fewer steps, a
cheaper rounding (`Plan.manners`), and last a smaller network, which pays only where the whole one would have less than
about a hundred steps. No plan has more steps than the effort asks for. Where not even the least fits, nothing is begun.

Estimates are off where other programs run. So the clock drives the searches too: steps of a schedule are left out where
it lags behind (`Monitor.due`), and what comes after the fit, which cannot be cut, is reserved in seconds that grow as
the machine is found to be slow; the manner of rounding is chosen again when its time has come.
"""

import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from inrcodec.encoding import estimate
from inrcodec.errors import TimeLimitError
from inrcodec.families.training import Candidate, OperatingPoint, Plan, Timing
from inrcodec.progress import Monitor

LEAST_STEPS = 50
"""Steps of a fit: with fewer there is nothing to be called a picture."""
_DB_OF_DOUBLING = 2.5
"""About what twice the weights gain in equally many steps, in dB, of a few hundred (docs/experiments.md)."""
_NARROWEST = 1 / 64
"""The smallest network that a limit takes, as a fraction of the one that was asked for."""
_LEAST_WEIGHTS = 64
_MARGIN, _LAST = 0.03, 0.4
"""Fraction of a time limit, and seconds, to write the file and to end the process."""
_TIMED = 0.02
"""Fraction of a time limit to time steps in."""
_PILOT = 0.1
"""Fraction of the time that is left for each pilot of a PSNR."""
_MORE = 1.25
"""Steps of a fit, over those that the estimate has room for: timed steps are off by so much either way, and where there
is no time for all the clock leaves out the rest."""
_SETTLED = 20
"""Steps after which their mean time says how fast the machine is."""


def deficit(steps: float) -> float:
    """About how far, in dB, a fit of so many steps stays below an endless one (docs/experiments.md)."""
    return 250 / math.pow(30 + steps, 0.7)


class Deadline:
    """The time at which an encode has to be over; never, where there is no limit."""

    def __init__(
        self, limit: float | None, begun: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`limit` in seconds from `begun` on the clock, by default from now."""
        self.now = clock
        self.limit = math.inf if limit is None else limit
        self.begun = clock() if begun is None else begun
        self._end = self.begun + (1 - _MARGIN) * self.limit - _LAST
        self.slowness = 1.0
        """Times that steps take longer than was measured, at least 1."""
        self._timings: dict[Hashable, Timing] = {}

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return not math.isinf(self.limit)

    def left(self) -> float:
        """Seconds for the encode, without those to write the file in."""
        return self._end - self.now()

    def ending(self, monitor: Monitor, before: float = 0.0) -> Monitor:
        """The monitor, which also says to stop so many seconds before the end."""
        return replace(monitor, stopped=lambda: monitor.stopped() or self.left() <= before)

    def piloting(self, monitor: Monitor) -> Monitor:
        """The monitor of a pilot, whose schedule gets its part of the time that is left."""
        return replace(monitor, due=Pace(self, 0, (1 - _PILOT) * self.left())) if self.limited else monitor

    def measure(self, candidate: Candidate, plan: Plan) -> Timing:
        """What parts of the encode take, in little of its time; measured once of candidates that are alike."""
        if candidate.kind not in self._timings:
            enough = min(estimate.ENOUGH_SECONDS, _TIMED * self.limit)
            self._timings[candidate.kind] = estimate.measure(candidate, plan.fit, enough=enough)
        return self._timings[candidate.kind]


class Pace:
    """How much of a search is to be over: its share of the time from the first question on, a reserve set aside."""

    def __init__(self, deadline: Deadline, step: float, reserve: float) -> None:
        """`step` are the seconds that a step should take; the reserve grows as they are found to be more."""
        self._deadline, self._step, self._reserve = deadline, step, reserve
        self._start = self._left = math.nan
        self._steps = 0

    def __call__(self) -> float:
        """0 .. 1; to be asked before each step."""
        if not self._steps:
            self._start, self._left = self._deadline.now(), self._deadline.left()
        elapsed = self._deadline.now() - self._start
        if self._steps > _SETTLED and self._step > 0:
            self._deadline.slowness = max(1.0, elapsed / self._steps / self._step)
        self._steps += 1
        span = self._left - self._deadline.slowness * self._reserve
        return 1.0 if span <= elapsed else elapsed / span


class Timetable:
    """The searches of one encode, held to its deadline."""

    def __init__(self, deadline: Deadline, plan: Plan, candidate: Candidate) -> None:
        """The candidate is what they fit; without a limit nothing is measured."""
        self._deadline, self._plan, self._weights = deadline, plan, candidate.weights
        self._timing = deadline.measure(candidate, plan) if deadline.limited else Timing(0, 0, 0)

    def fitting(self, monitor: Monitor) -> Monitor:
        """The monitor of the fit."""
        _, between, _ = self._plan.steps
        return self._paced(monitor, self._after(self._plan) + between * self._step)

    def preparing(self, monitor: Monitor) -> Monitor:
        """The monitor of what comes between fit and rounding."""
        return self._paced(monitor, self._after(self._plan))

    def rounding(self, monitor: Monitor) -> tuple[Plan, Monitor]:
        """The plan with the best manner of rounding that there is time for, from its own on, and its monitor."""
        slow = self._deadline.slowness
        chosen, last = self._plan, slow * self._timing.check
        if self._deadline.limited:
            manners = [chosen, *chosen.cheaper()]
            left = self._deadline.left()
            chosen = next((one for one in manners if slow * self._after(one, tuned=0.5) <= left), manners[-1])
        ending = self._deadline.ending(monitor, last)
        last += slow * self._plan.last_seconds(self._timing, self._weights)
        return chosen, replace(ending, due=Pace(self._deadline, 0, last))

    def _paced(self, monitor: Monitor, reserve: float) -> Monitor:
        return replace(self._deadline.ending(monitor), due=Pace(self._deadline, self._step, reserve))

    @property
    def _step(self) -> float:
        return self._timing.step + self._timing.evaluation / self._plan.fit.evaluate_every

    def _after(self, plan: Plan, tuned: float = 1.0) -> float:
        """Seconds of the roundings and the check, with so much of the fine-tuning."""
        return estimate.seconds(self._timing, plan, self._weights, round(tuned * plan.steps[2]))


@dataclass(frozen=True)
class Choice:
    """A plan that fits, and what it promises."""

    loss: float
    """How far below an endless fit of the whole network, in dB."""
    fraction: float
    """Fraction of the weights."""
    plan: Plan


def choices(plan: Plan, timing: Timing, weights: int, left: float, fractions: Sequence[float]) -> Iterator[Choice]:
    """The plans that end within `left` seconds; `timing` is that of the whole network."""
    for fraction in fractions:
        part, count = timing.of(fraction, weights), round(fraction * weights)
        smaller = -_DB_OF_DOUBLING * math.log2(fraction)
        for number, (manner, loss) in enumerate(plan.manners()):
            steps = _steps_within(manner, part, count, left)
            if steps >= min(LEAST_STEPS, plan.fit.steps):
                scaled, _ = plan.with_fit_steps(steps).manners()[number]
                yield Choice(deficit(steps) + loss + smaller, fraction, scaled)


def _steps_within(plan: Plan, timing: Timing, weights: int, left: float) -> int:
    """Steps of the fit, at most those planned, with which all of the encode takes so many seconds."""
    whole, rest = (estimate.seconds(timing, plan, weights, steps) for steps in (sum(plan.steps), 0))
    return math.floor(plan.fit.steps * min(1.0, max(0.0, (left - rest) / (whole - rest))))


def _least(plan: Plan) -> Plan:
    """The plan that takes the least time."""
    cheapest, _ = plan.with_fit_steps(min(LEAST_STEPS, plan.fit.steps)).manners()[-1]
    return cheapest


def shortened(plan: Plan, timing: Timing, weights: int, deadline: Deadline) -> Plan:
    """The best plan for this network that there is time for; the cheapest, where there is none: the clock will cut it.

    The searches as they are where there is no limit.
    """
    if not deadline.limited:
        return plan
    found = list(choices(plan, timing, weights, deadline.left(), [1.0]))
    if found:
        best = min(found, key=lambda choice: choice.loss).plan
        return best.with_fit(best.fit.in_steps(min(plan.fit.steps, _MORE * best.fit.steps)))
    return _least(plan)


def narrowed(point: OperatingPoint, plan: Plan, timing: Timing, weights: int, deadline: Deadline) -> OperatingPoint:
    """The operating point with as many of its weights as there is time to fit well.

    Raises TimeLimitError where there is no time for any.
    """
    fractions = [1.0]
    while fractions[-1] > _NARROWEST and fractions[-1] * weights > _LEAST_WEIGHTS:
        fractions.append(fractions[-1] / math.sqrt(2))
    left = deadline.left()
    found = list(choices(plan, timing, weights, left, fractions))
    if not found:
        count = round(fractions[-1] * weights)
        missing = estimate.seconds(timing.of(fractions[-1], weights), _least(plan), count) - left
        least = math.ceil(1.1 * (deadline.limit + missing / (1 - _MARGIN)))
        raise TimeLimitError(
            f"time_limit: {deadline.limit:g} s: too few for this picture on this machine, it takes {least} s at least"
        )
    best = min(found, key=lambda choice: choice.loss)
    return replace(point, weights_per_pixel=best.fraction * point.weights_per_pixel)
