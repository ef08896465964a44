"""The one training loop: fit a network to a picture, in the mean squared error of its pixels.

The loop, `optimize`, drives any `Search`. `BatchSearch` is the one over random batches of pixels: each step takes one,
has the objective sum its gradient over it, and steps SOAP on the matrices that the objective makes of its tensors. The
gradient is taken at `project(weights)` and applied to the weights themselves (the straight-through estimator), so that
one search serves fitting (the identity), fine-tuning under a pruning mask, and fine-tuning under quantization. Its
memory: the picture as uint8, and a batch; nothing else grows with the picture.

A search can leave its whole state with a `Keeper` between any two steps, and another process goes on from there: on one
thread of the same CPU to the same weights, bit by bit.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.errors import CheckpointError
from inrcodec.fitting.soap import Soap
from inrcodec.fitting.state import FORGETFUL, Keeper, State, below, prefixed, take, take_count, take_finite, take_number
from inrcodec.metrics import psnr_of_mse
from inrcodec.progress import SILENT, Monitor, Progress

Project = Callable[[Sequence[Tensor]], list[Tensor]]
"""Maps the trained tensors to those that the network is evaluated with, which the stage is to deliver."""


@dataclass(frozen=True)
class FitConfig:
    """Options of a search; the defaults are the codec's at effort 5 (docs/experiments.md)."""

    steps: int = 10000
    rate: float = 5.5e-2
    """Peak of the learning rate: linear warm-up, then half a cosine to the power of `decay`, down to `final_rate`."""
    decay: float = 2.0
    """The higher, the sooner the rate falls."""
    first_layer: float = 4.0
    """Factor on the rate of the first layer, whose weights are frequencies and a hundred times as large as others."""
    final_rate: float = 0.005
    """Rate at the end, as a fraction of the peak."""
    warmup: int = 100
    """Steps of warm-up, at most a tenth of all steps."""
    batch: int = 8192
    """Pixels in a step, drawn with replacement."""
    chunk: int = 4096
    """Pixels in a chunk on the CPU; a GPU takes larger ones."""
    evaluate_every: int = 200
    """Steps between evaluations of the picture, for the best weights and for divergence."""
    evaluate_pixels: int = 32_768
    """Most pixels of an evaluation, evenly spread."""
    enough: float = 1e-6
    """A mean squared error, of values in [-1, 1], at which the search ends: 66 dB."""
    leap: float = 1.15
    """A mean squared error so many times the best one, 0.6 dB, counts as divergence, as a non-finite one does: those of
    a healthy search differ by 0.1 dB, and one whose rate is too high for a busy picture decays slowly, for good."""
    restarts: int = 9
    """Divergences after which the search ends with the best so far; each goes back to it and halves the rate."""
    seed: int = 0

    def in_steps(self, steps: float) -> "FitConfig":
        """The same fit in another number of steps; one of more than the default's leaves the high rates sooner.

        In directions that are half noise steps of a fixed length carry the weights away as the root of their number,
        and a fit that stays long at a high rate decays (docs/experiments.md).
        """
        usual = FitConfig()
        return replace(self, steps=max(1, round(steps)), decay=usual.decay * max(1.0, steps / usual.steps))


_MOST_STEPS = 1 << 31
"""Most steps of a search that can have been kept."""


def no_projection(values: Sequence[Tensor]) -> list[Tensor]:
    """The identity."""
    return list(values)


class Objective(Protocol):
    """What a `BatchSearch` makes small: the mean squared error of a picture's pixels, by a network's tensors."""

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        ...

    def __len__(self) -> int:
        """Pixels of the picture."""
        ...

    def working(self) -> AbstractContextManager[None]:
        """Inside, sums have all their threads."""
        ...

    def values(self) -> list[Tensor]:
        """Copies of the tensors, to begin with."""
        ...

    def load(self, values: Sequence[Tensor]) -> None:
        """Overwrite the network's tensors. The inverse of `values`."""
        ...

    def join(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Tensors -> the matrices that are stepped."""
        ...

    def split(self, matrices: Sequence[Tensor]) -> list[Tensor]:
        """Views of the tensors in such matrices. The inverse of `join`."""
        ...

    def rates(self, config: FitConfig) -> list[float]:
        """Factors on the rate of each matrix."""
        ...

    def gradient(self, at: Sequence[Tensor], index: Tensor) -> list[Tensor]:
        """The gradient over the pixels `index` (N,) at the tensors `at`, by matrices."""
        ...

    def mse(self, at: Sequence[Tensor], most: int) -> float:
        """The error at the tensors `at`, over at most `most` evenly spread pixels."""
        ...


def schedule(step: int, start: int, config: FitConfig) -> float:
    """Learning rate of a step: linear warm-up from step `start` on, times a power of half a cosine over all steps.

    The square leaves a rate that is too high for the picture sooner, and costs nothing where it is not.
    """
    warm = min(1.0, (step - start + 1) / min(config.warmup, max(1, config.steps // 10)))
    cosine = 0.5 * (1 + math.cos(math.pi * step / config.steps))
    fallen: float = cosine**config.decay
    return config.rate * warm * (config.final_rate + (1 - config.final_rate) * fallen)


class Search(Protocol):
    """What `optimize` drives: a search for weights that holds the best that were measured.

    It is used inside `working`, and its first step follows its first `evaluate`, or a `restore`.
    """

    @property
    def config(self) -> FitConfig:
        """How many steps, and how often they are evaluated, among its other options."""
        ...

    @property
    def next(self) -> int:
        """The number of the step that comes next."""
        ...

    @property
    def best(self) -> float:
        """The least mean squared error that was measured, of values in [-1, 1]; infinite before any was."""
        ...

    @property
    def finished(self) -> bool:
        """Whether further steps are not worth their time, however many are left."""
        ...

    def working(self) -> AbstractContextManager[None]:
        """Inside, sums have all their threads."""
        ...

    def step(self, number: int) -> None:
        """Take a step of the schedule; those between the last one and it are left out."""
        ...

    def evaluate(self) -> None:
        """Measure the picture: keep the weights if they are the best."""
        ...

    def state(self) -> State:
        """All that the next steps depend on, as copies. The inverse of `restore`."""
        ...

    def restore(self, state: State) -> None:
        """Go on from the state of another search for the same picture; raises CheckpointError where it is of none."""
        ...

    def deliver(self) -> None:
        """Leave the best weights in the network."""
        ...


def optimize(search: Search, stage: str = "fit", monitor: Monitor = SILENT, keeper: Keeper = FORGETFUL) -> float:
    """Take the steps of a search, and leave in its network the best weights that were seen.

    Returns their PSNR in dB, before rounding to codes. Asks `monitor.stopped` before each step and reports to it at
    every evaluation; between them nothing waits for the device. Where `monitor.due` is ahead, steps of the
    schedule are left out: the rate falls in time, whatever the machine does. Goes on from what `keeper` has kept;
    raises CheckpointError where that is no state of this search.
    """
    steps, every = search.config.steps, search.config.evaluate_every
    with search.working():
        _begin(search, keeper.load())
        begun = evaluated = search.next
        while search.next < steps:
            keeper.keep(search.state)
            if search.finished:
                break
            due = begun + math.floor(monitor.due() * (steps - begun))
            if due >= steps or monitor.stopped():
                search.evaluate()
                break
            search.step(max(due, search.next))
            if search.next // every > evaluated // every or search.next == steps:
                search.evaluate()
                evaluated = search.next
                psnr = psnr_of_mse(search.best, peak=2)
                monitor.report(Progress(stage, search.next, steps, psnr, begun))
        keeper.settle(search.state)
        search.deliver()
    return psnr_of_mse(search.best, peak=2)


def _begin(search: Search, kept: State | None) -> None:
    """Measure what it begins with, or go on from what was kept."""
    if kept is None:
        search.evaluate()
    else:
        search.restore(kept)


class BatchSearch:
    """A `Search` over random batches, by SOAP: after divergence it retreats to the best, at half the rate."""

    def __init__(self, objective: Objective, config: FitConfig, project: Project = no_projection) -> None:
        """Begins with the objective's own tensors; what is evaluated, and delivered, is their projection."""
        self.config, self._objective, self._project = config, objective, project
        self._device = objective.device
        self._generator = torch.Generator(self._device).manual_seed(config.seed)
        self._rate = 1.0
        self.next = self._start = 0
        self.restarts = 0
        self.best = math.inf
        self.best_values = objective.values()
        self._begin(self.best_values)

    def _begin(self, values: Sequence[Tensor]) -> None:
        self._matrices = self._objective.join(values)
        self._values = self._objective.split(self._matrices)
        self._soap = Soap(self._matrices, self._objective.rates(self.config))

    @property
    def finished(self) -> bool:
        """Whether the error is small enough, or the search has diverged too often."""
        return self.best <= self.config.enough or self.restarts > self.config.restarts

    def working(self) -> AbstractContextManager[None]:
        """Inside, sums have all their threads."""
        return self._objective.working()

    def step(self, number: int) -> None:
        """One batch, one step of SOAP."""
        self.next = number + 1
        config, count = self.config, len(self._objective)
        index = torch.randint(count, (min(config.batch, count),), generator=self._generator, device=self._device)
        at = self._project(self._values)
        self._soap.step(self._objective.gradient(at, index), self._rate * schedule(number, self._start, config))

    def evaluate(self) -> None:
        """Measure the picture: keep the tensors if they are the best, go back to the best if they diverged."""
        at = self._project(self._values)
        error = self._objective.mse(at, self.config.evaluate_pixels)
        if error < self.best or math.isinf(self.best):
            self.best, self.best_values = error, [value.clone() for value in at]
        elif not error < self.config.leap * self.best:
            self._begin(self.best_values)
            self._rate, self._start = self._rate / 2, self.next
            self.restarts += 1

    def state(self) -> State:
        """All that the next steps depend on, as copies. The inverse of `restore`."""
        return {
            "next": np.array(self.next, np.int64),
            "steps": np.array(self.config.steps, np.int64),
            "start": np.array(self._start, np.int64),
            "restarts": np.array(self.restarts, np.int64),
            "rate": np.array(self._rate, np.float64),
            "error": np.array(self.best, np.float64),
            "generator": self._generator.get_state().cpu().numpy().copy(),
            **{f"value{number}": value.cpu().numpy().copy() for number, value in enumerate(self._values)},
            **{f"best{number}": value.cpu().numpy().copy() for number, value in enumerate(self.best_values)},
            **prefixed("soap.", self._soap.state()),
        }

    def restore(self, state: State) -> None:
        """Go on from the state of another search for the same picture; raises CheckpointError where it is of none.

        Values and moments need not be finite: they are not, at times, of a search that the next evaluation calls back.
        Under a time limit the other may have been planned in another number of steps: what counts is how much of it is
        over.
        """
        most = take_count(state, "steps", _MOST_STEPS)
        factor = self.config.steps / max(1, most)
        self.next, self._start = (round(factor * take_count(state, name, most)) for name in ("next", "start"))
        self.restarts = take_count(state, "restarts", most)
        self._rate, self.best = take_number(state, "rate"), take_number(state, "error")
        shapes = [(number, tuple(value.shape)) for number, value in enumerate(self._values)]
        self.best_values = [self._tensor(take_finite(state, f"best{number}", shape)) for number, shape in shapes]
        self._begin([self._tensor(take(state, f"value{number}", shape, np.float32)) for number, shape in shapes])
        self._soap.restore(below("soap.", state))
        self._draw_on(state)
        if unknown := state.keys() - self.state().keys():
            raise CheckpointError(f"{min(unknown)[:40]} is unknown")

    def deliver(self) -> None:
        """Leave the best projected tensors in the objective's network."""
        self._objective.load(self.best_values)

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.tensor(array, device=self._device)

    def _draw_on(self, state: State) -> None:
        """Draw the batches that the kept generator would have drawn."""
        generator = take(state, "generator", tuple(self._generator.get_state().shape), np.uint8)
        try:
            self._generator.set_state(torch.tensor(generator))
        except RuntimeError as error:
            raise CheckpointError("generator is no state of a random generator") from error
