"""Networks on latents that are whole for good: fitted on, given steps, and fitted on as numbers that a file can hold.

Each tensor has a step of its own, a power of two, chosen by J with the bits of its symbols. While networks are fitted
with steps, they are seen as they will be stored, and gradients pass straight through the rounding.
"""

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inrcodec.compute.arena import Array
from inrcodec.families.grid import anneal
from inrcodec.families.grid.float_grid import FloatGrid, prior_flat
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.least import LeastJ
from inrcodec.families.grid.objective import GridObjective
from inrcodec.families.grid.search import shrunk
from inrcodec.families.grid.tensors import UNIT, rates, steps_of, tensors_of, usual_shift, usual_steps
from inrcodec.fitting.loop import FitConfig
from inrcodec.format import ans
from inrcodec.format.entropy import MAX_SYMBOL

SHIFTS = 0, 11
"""The finest and the coarsest step of a tensor that are tried, as logarithms, in units of 2^-12."""


def best_scale(symbols: NDArray[np.int32]) -> tuple[float, int]:
    """(bits, n): the law of mean 0 under which a tensor's symbols take the fewest bits."""
    flat, means = symbols.reshape(-1), np.zeros(symbols.size, np.int32)
    laws = [(float(ans.bits(flat, np.full(flat.size, 4 * n, np.int32), means).sum()), n) for n in range(16)]
    return min(laws)


def _rounded(scaled: NDArray[np.float32]) -> NDArray[np.int32]:
    return np.rint(scaled).clip(-MAX_SYMBOL, MAX_SYMBOL).astype(np.int32)


class Steps:
    """The steps of a picture's tensors, and what they make of its flat array."""

    def __init__(self, grid: FloatGrid, finest: bool = False) -> None:
        """The usual steps to begin with, or the finest."""
        self._arch = grid.arch
        self._prior = prior_flat(grid.arch, grid.delta)
        self.shifts = {name: SHIFTS[0] if finest else usual_shift(name) for name in grid.arch.tensors}

    def symbols(self, flat: NDArray[np.float32]) -> list[NDArray[np.int32]]:
        """The symbols of each tensor."""
        apart = tensors_of(self._arch, flat - self._prior)
        return [_rounded(apart[name] * (UNIT / 2.0**shift)) for name, shift in self.shifts.items()]

    @property
    def sizes(self) -> NDArray[np.float32]:
        """The step of each number of the flat array."""
        return steps_of(self._arch, self.shifts)

    def choose(self, flat: NDArray[np.float32], value: Callable[[str, NDArray[np.float32]], float]) -> None:
        """Give each tensor in turn the step at which `value` and the bits of its symbols are the least.

        `value` is what the tensor of a name changes of J, in bits. Steps are tried from the usual one on, to either
        side as long as that helps.
        """
        seen = flat.copy()
        whole, own, prior = (tensors_of(self._arch, each) for each in (seen, flat, self._prior))

        def symbols_at(name: str, shift: int) -> NDArray[np.int32]:
            step = 2.0**shift / UNIT
            symbols = _rounded((own[name] - prior[name]) / step)
            whole[name][...] = prior[name] + symbols * np.float32(step)
            return symbols

        def cost(name: str, shift: int) -> float:
            bits, _ = best_scale(symbols_at(name, shift))
            return value(name, seen) + bits

        for name, start in self.shifts.items():
            self.shifts[name] = descended(functools.partial(cost, name), start, *SHIFTS)
            symbols_at(name, self.shifts[name])


def descended(cost: Callable[[int], float], start: int, least: int, most: int) -> int:
    """The argument at which a cost is the least, going from `start` in the direction in which it falls."""
    best, at = cost(start), start
    for direction in (-1, 1):
        while least <= at + direction <= most and (found := cost(at + direction)) < best:
            best, at = found, at + direction
        if at != start:
            break
    return at


class NetworkSearch(LeastJ):
    """A `fitting.loop.Search` for networks on rounded latents."""

    def __init__(
        self, grid: FloatGrid, objective: GridObjective, steps: "Steps", config: FitConfig, kit: Kit, rate: float
    ) -> None:
        """`rate` is how far a number moves at first."""
        super().__init__(grid, objective, config, kit)
        self._latents, self._rate = grid.split(grid.latents), rate
        self._flat, self._prior = grid.flat + 0, kit.lift(prior_flat(grid.arch, grid.delta))
        self._sizes, self._rates = kit.lift(steps.sizes), kit.lift(rates(grid.arch))
        self._usual = kit.lift(usual_steps(grid.arch))
        self._adam = anneal.Adam(self._flat, kit.xp)

    @property
    def _seen(self) -> Array:
        return self._prior + self._kit.xp.round((self._flat - self._prior) / self._sizes) * self._sizes

    def step(self, number: int) -> None:
        """One full gradient at the rounded numbers, one step of the numbers."""
        self.next = number + 1
        gradient = self._objective.gradient(self._latents, self._seen, self._run).by_tensors / self._pixels
        rate = self._rates * (self._rate * anneal.cosine(number / self.config.steps, anneal.LEAST_NETWORK_RATE))
        self._adam.step(self._flat, gradient, rate)
        by = rate / self._pixels / self._adam.size
        self._flat = shrunk(self._flat, self._prior, by, self._usual, self._kit.xp)

    def evaluate(self) -> None:
        """Measure the picture at the rounded numbers: keep them if J is the least."""
        seen = self._seen
        if self._is_least(self._grid.latents, seen):
            self._best = self._grid.latents, seen
