"""Networks' numbers moved by one step where that makes J and their own bits less: found out by trying, one at a time.

What a move promises is its part of J's gradient, and what its symbol's law says. That is right to first order alone,
so only trying tells; but it says what to try first. COOL-CHIC 5 does alike, in random order (`rdoq.py` of its sources,
version 5.0.1).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrcodec.families.grid.fixed import FixedLatents, network_of
from inrcodec.families.grid.float_grid import FloatGrid, prior_flat
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.least import LeastJ
from inrcodec.families.grid.objective import GridObjective
from inrcodec.families.grid.settle import Steps, best_scale
from inrcodec.families.grid.tensors import tensors_of
from inrcodec.fitting.loop import FitConfig
from inrcodec.format import ans
from inrcodec.format.entropy import MAX_SYMBOL

EACH = 6
"""Trials of a step: each takes one network forward, where a step takes all of them forward and back."""
_AT_ONCE = 100
"""Trials that follow one gradient."""
_LEAST = 1e-2
"""Bits that a move has to win, so that it is no error of float32."""
_MOVES = np.array([[-1], [1]], np.int32)


class NumberTrials(LeastJ):
    """A `fitting.loop.Search` whose step tries some numbers; the grid's latents are whole."""

    def __init__(self, grid: FloatGrid, objective: GridObjective, steps: Steps, config: FitConfig, kit: Kit) -> None:
        """`steps` are those of the tensors, which stay."""
        super().__init__(grid, objective, config, kit)
        self._latents, self._names = grid.split(grid.latents), list(grid.arch.tensors)
        self._fixed = FixedLatents(objective, self._latents, kit)
        self._prior, self._sizes = prior_flat(grid.arch, grid.delta), steps.sizes
        self._symbols = np.concatenate([each.reshape(-1) for each in steps.symbols(kit.lower(grid.flat))])
        ends = np.cumsum([each.size for each in tensors_of(grid.arch, self._prior).values()])
        self._owner = np.searchsorted(ends, np.arange(ends[-1]), "right")
        self._parts: dict[str, float] = {}
        self._own = [best_scale(self._symbols[self._owner == owner])[0] for owner in range(len(self._names))]
        self._queue: list[tuple[int, int]] = []
        self._spent = np.abs(self._symbols + _MOVES) > MAX_SYMBOL
        self._is_over = False

    @property
    def finished(self) -> bool:
        """Whether no move promises anything any more."""
        return self._is_over

    def step(self, number: int) -> None:
        """Try the numbers that promise most."""
        self.next = number + 1
        for _ in range(EACH):
            self._queue = self._queue or self._promising()
            self._is_over = not self._queue
            if self._queue:
                self._try(*self._queue.pop())

    @property
    def _flat(self) -> Any:
        return self._kit.lift(self._prior + self._symbols * self._sizes)

    def _promising(self) -> list[tuple[int, int]]:
        """Which way and which number, those that promise most last."""
        gradient = self._objective.gradient(self._latents, self._flat, self._run).by_tensors
        promises = _MOVES * self._kit.lower(gradient) * self._sizes + self._bits_by_move()
        promises[self._spent] = np.inf
        order = np.argsort(promises, axis=None)[:_AT_ONCE]
        ways, numbers = np.unravel_index(order[promises.reshape(-1)[order] < -_LEAST], promises.shape)
        return [*zip(ways[::-1].tolist(), numbers[::-1].tolist(), strict=True)]

    def _bits_by_move(self) -> NDArray[np.float64]:
        """(moves, numbers): bits that each symbol takes more where it is moved, under its tensor's law."""
        change = np.zeros(self._spent.shape)
        for owner in range(len(self._names)):
            own = self._owner == owner
            law = np.full(int(own.sum()), 4 * best_scale(self._symbols[own])[1], np.int32)
            before = ans.bits(self._symbols[own], law, 0 * law)
            for way, move in enumerate(_MOVES[:, 0]):
                moved = (self._symbols[own] + move).clip(-MAX_SYMBOL, MAX_SYMBOL)
                change[way, own] = ans.bits(moved, law, 0 * law) - before
        return change

    def _try(self, way: int, number: int) -> None:
        """Move a number, and back if that does not pay."""
        owner = self._owner[number]
        network, own = network_of(self._names[owner]), self._owner == owner
        if network not in self._parts:
            self._parts[network] = self._fixed.part(network, self._flat, self._run)
        self._symbols[number] += _MOVES[way, 0]
        part, bits = self._fixed.part(network, self._flat, self._run), best_scale(self._symbols[own])[0]
        if part + bits < self._parts[network] + self._own[owner] - _LEAST:
            self._parts[network], self._own[owner] = part, bits
            self._spent[1 - way, number] = True
        else:
            self._symbols[number] -= _MOVES[way, 0]
            self._spent[way, number] = True

    def evaluate(self) -> None:
        """Measure the picture. What was kept has paid, with its own bits, so the last is the best."""
        self._best_j = np.inf
        if self._is_least(self._grid.latents, self._flat):
            self._best = self._grid.latents, self._flat
