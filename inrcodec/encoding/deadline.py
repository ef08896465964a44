"""A time limit: the best plan that fits, and searches that the clock drives.

The plan is left alone if it fits. Else it is the one that promises the best picture in that time: fewer steps, a
cheaper rounding (`MANNERS`), and last a smaller network, which pays only where the whole one would have less than about
a hundred steps. No plan has more steps than the effort asks for. Where not even the least fits, nothing is begun.

Estimates are off where other programs run. So the clock drives the searches too: steps of a schedule are left out where
it lags behind (`Monitor.due`), and what comes after the fit, which cannot be cut, is reserved in seconds that grow as
the machine is found to be slow; the manner of rounding is chosen again when its time has come.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from inrcodec.encoding import estimate
from inrcodec.encoding.plan import Plan, with_fit_steps, with_steps, work
from inrcodec.errors import TimeLimitError
from inrcodec.families.siren import ladder
from inrcodec.families.siren.network import SirenArch
from inrcodec.families.siren.quantize import QuantizeConfig
from inrcodec.families.siren.trainer import Network
from inrcodec.fitting.loop import Picture
from inrcodec.progress import Monitor


@dataclass(frozen=True)
class Manner:
    """A way to round a network."""

    pixels: int
    """Of the curvature; 0: round to nearest."""
    block: int
    stages: int
    tuned: float
    """Steps of its fine-tuning, over those of the codec's own."""
    loss: float
    """Measured: what it takes from the fit, in dB (docs/experiments.md)."""

    def of(self, searches: Plan) -> Plan:
        """The same searches with this rounding."""
        refit = searches.quantize.refit
        tuning = with_steps(refit, self.tuned * refit.steps) if self.tuned else replace(refit, steps=0)
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
"""From the codec's own to the cheapest."""
LEAST_STEPS = 50
"""Of a fit: with fewer there is nothing to be called a picture."""
_DB_OF_DOUBLING = 2.5
"""About what twice the weights gain in equally many steps, in dB, of a few hundred (docs/experiments.md)."""
_NARROWEST = 1 / 64
"""Of the network that was asked for: the smallest that a limit takes."""
_LEAST_WEIGHTS = 64
_MARGIN, _LAST = 0.03, 0.4
"""Of a time limit, and in seconds: to write the file and to end the process."""
_TIMED = 0.02
"""Of a time limit: to time steps."""
_PILOT = 0.1
"""Of the time that is left: for each pilot of a PSNR."""
_MORE = 1.25
"""Steps of a fit, over those that the estimate has room for: timed steps are off by so much either way, and where there
is no time for all the clock leaves out the rest."""
_SETTLED = 20
"""Steps after which their mean time says how fast the machine is."""


def deficit(steps: float) -> float:
    """About how far, in dB, a fit of so many steps stays below an endless one (docs/experiments.md)."""
    return 250 / math.pow(30 + steps, 0.7)


class Deadline:
    """When an encode has to be over; never, where there is no limit."""

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
        self._timings: dict[SirenArch, estimate.Timing] = {}

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
        """That of a pilot, whose schedule gets its part of the time that is left."""
        return replace(monitor, due=Pace(self, 0, (1 - _PILOT) * self.left())) if self.limited else monitor

    def measure(self, network: Network, picture: Picture, searches: Plan) -> estimate.Timing:
        """What parts of the encode take, in little of its time; measured once of networks that are alike."""
        if network.arch not in self._timings:
            enough = min(estimate.ENOUGH_SECONDS, _TIMED * self.limit)
            self._timings[network.arch] = estimate.measure(network, picture, searches.fit, enough=enough)
        return self._timings[network.arch]


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

    def __init__(self, deadline: Deadline, searches: Plan, network: Network, picture: Picture) -> None:
        """The network is what they fit to the picture; without a limit nothing is measured."""
        self._deadline, self._searches, self._weights = deadline, searches, network.arch.param_count()
        measured = deadline.measure(network, picture, searches) if deadline.limited else None
        self._timing = measured or estimate.Timing(0, 0, 0)

    def fitting(self, monitor: Monitor) -> Monitor:
        """The monitor of the fit."""
        _, prune_steps, _ = self._searches.steps
        return self._paced(monitor, self._after(self._searches) + prune_steps * self._step)

    def pruning(self, monitor: Monitor) -> Monitor:
        """The monitor of the pruning."""
        return self._paced(monitor, self._after(self._searches))

    def rounding(self, monitor: Monitor) -> tuple[QuantizeConfig, Monitor]:
        """The best manner of rounding that there is time for, from the planned one on, and its monitor."""
        slow = self._deadline.slowness
        chosen, last = self._searches, slow * self._timing.check
        if self._deadline.limited:
            planned = work(chosen, self._weights).curved, chosen.quantize.block, chosen.quantize.stages
            at = [(manner.pixels, manner.block, manner.stages) for manner in MANNERS].index(planned)
            manners = [chosen, *(manner.of(chosen) for manner in MANNERS[at + 1 :])]
            left = self._deadline.left()
            chosen = next((one for one in manners if slow * self._after(one, tuned=0.5) <= left), manners[-1])
        ending = self._deadline.ending(monitor, last)
        last += slow * self._weights * self._timing.weight
        return chosen.quantize, replace(ending, due=Pace(self._deadline, 0, last))

    def _paced(self, monitor: Monitor, reserve: float) -> Monitor:
        return replace(self._deadline.ending(monitor), due=Pace(self._deadline, self._step, reserve))

    @property
    def _step(self) -> float:
        return self._timing.step + self._timing.look / self._searches.fit.evaluate_every

    def _after(self, searches: Plan, tuned: float = 1.0) -> float:
        """Seconds of the roundings and the check, with so much of the fine-tuning."""
        todo = work(searches, self._weights)
        return estimate.seconds(self._timing, replace(todo, steps=round(tuned * searches.steps[2])), searches.fit)


@dataclass(frozen=True)
class Choice:
    """A plan that fits, and what it promises."""

    loss: float
    """In dB, below an endless fit of the whole network."""
    fraction: float
    """Of the weights."""
    searches: Plan


def choices(
    searches: Plan, timing: estimate.Timing, weights: int, left: float, fractions: Sequence[float]
) -> Iterator[Choice]:
    """The plans that end within `left` seconds; `timing` is that of the whole network."""
    for fraction in fractions:
        part, count = timing.of(fraction, weights), round(fraction * weights)
        smaller = -_DB_OF_DOUBLING * math.log2(fraction)
        for manner in MANNERS:
            steps = _steps_within(manner.of(searches), part, count, left)
            if steps >= min(LEAST_STEPS, searches.fit.steps):
                scaled = manner.of(with_fit_steps(searches, steps))
                yield Choice(deficit(steps) + manner.loss + smaller, fraction, scaled)


def _steps_within(searches: Plan, timing: estimate.Timing, weights: int, left: float) -> int:
    """Steps of the fit, at most those planned, with which all of the encode takes so many seconds."""
    todo = work(searches, weights)
    whole, rest = (estimate.seconds(timing, replace(todo, steps=steps), searches.fit) for steps in (todo.steps, 0))
    return math.floor(searches.fit.steps * min(1.0, max(0.0, (left - rest) / (whole - rest))))


def shortened(searches: Plan, timing: estimate.Timing, weights: int, deadline: Deadline) -> Plan:
    """The best plan for this network that there is time for; the cheapest, where there is none: the clock will cut it.

    The searches as they are where there is no limit.
    """
    if not deadline.limited:
        return searches
    found = list(choices(searches, timing, weights, deadline.left(), [1.0]))
    if found:
        best = min(found, key=lambda choice: choice.loss).searches
        return replace(best, fit=with_steps(best.fit, min(searches.fit.steps, _MORE * best.fit.steps)))
    return MANNERS[-1].of(with_fit_steps(searches, min(LEAST_STEPS, searches.fit.steps)))


def narrowed(
    point: ladder.Rung, searches: Plan, timing: estimate.Timing, weights: int, deadline: Deadline
) -> ladder.Rung:
    """The operating point with as many of its weights as there is time to fit well.

    Raises TimeLimitError where there is no time for any.
    """
    fractions = [1.0]
    while fractions[-1] > _NARROWEST and fractions[-1] * weights > _LEAST_WEIGHTS:
        fractions.append(fractions[-1] / math.sqrt(2))
    left = deadline.left()
    found = list(choices(searches, timing, weights, left, fractions))
    if not found:
        smallest = MANNERS[-1].of(with_fit_steps(searches, min(LEAST_STEPS, searches.fit.steps)))
        count = round(fractions[-1] * weights)
        missing = estimate.seconds(timing.of(fractions[-1], weights), work(smallest, count), searches.fit) - left
        least = math.ceil(1.1 * (deadline.limit + missing / (1 - _MARGIN)))
        raise TimeLimitError(
            f"time_limit: {deadline.limit:g} s: too few for this picture on this machine, it takes {least} s at least"
        )
    best = min(found, key=lambda choice: choice.loss)
    return replace(point, weights_per_pixel=best.fraction * point.weights_per_pixel)
