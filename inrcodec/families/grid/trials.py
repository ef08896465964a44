"""Whole latents moved by one where that makes J less: found out by trying, hundreds at once.

A latent changes few pixels, and the bits of few others. So of a component, on a level, one in each square block of
cells is moved, away from the block's edges; the picture and its bits are measured; and what J has changed by inside a
block is what its latent has won or lost. Those that lost are moved back. The gradient says which latent of a block is
tried, and in which direction: it promises too much nearly always (docs/experiments.md), so only trying tells.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrcodec.compute.arena import Array
from inrcodec.families.grid.float_grid import FloatGrid
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.least import LeastJ
from inrcodec.families.grid.objective import GridObjective
from inrcodec.fitting.loop import FitConfig

SIDE, EDGE = 12, 2
"""Cells along a block, and how far inside it latents are tried."""
LEVELS = 4
"""Levels on which latents are tried, from the finest on: of coarser ones there are few."""
_LEAST = 1e-3
"""Bits that a move has to win, so that it is no error of float32."""
Map = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Blocks:
    """Square blocks over a grid of cells, the first ones cut off by an offset, the last ones by the grid's end."""

    def __init__(self, top: int, left: int) -> None:
        """Begins so many cells, 0 .. SIDE - 1, before the grid."""
        self._offset = top, left

    def _starts(self, shape: tuple[int, ...], up: int) -> list[NDArray[np.intp]]:
        """The first rows and columns of the blocks, on a grid that is `up` levels finer."""
        side = SIDE << up
        return [
            np.maximum(np.arange(-(before << up), length, side), 0)
            for before, length in zip(self._offset, shape, strict=True)
        ]

    def reduce(self, how: np.ufunc, values: Map, up: int = 0) -> NDArray[np.float64]:
        """Reduce the values of each block, on a grid `up` levels finer, to one: (rows, columns) of blocks."""
        rows, columns = self._starts(values.shape, up)
        found: NDArray[np.float64] = how.reduceat(how.reduceat(values, rows, 0, np.float64), columns, 1)
        return found

    def spread(self, values: NDArray[Any], shape: tuple[int, ...], up: int = 0) -> NDArray[Any]:
        """Give each cell of a grid `up` levels finer the value of its block."""
        for axis, starts in enumerate(self._starts(shape, up)):
            values = np.repeat(values, np.diff(starts, append=shape[axis]), axis)
        return values

    def inside(self, shape: tuple[int, ...]) -> Mask:
        """The cells that are away from their block's edges."""
        rows, columns = (
            (np.arange(before, before + length) % SIDE - EDGE) % SIDE < SIDE - 2 * EDGE
            for before, length in zip(self._offset, shape, strict=True)
        )
        return rows[:, None] & columns


class TrialSearch(LeastJ):
    """A `fitting.loop.Search` whose step tries latents of one component on one level."""

    def __init__(self, grid: FloatGrid, objective: GridObjective, config: FitConfig, kit: Kit) -> None:
        """The grid's latents are whole."""
        super().__init__(grid, objective, config, kit)
        self._latents = kit.lower(grid.latents).copy()
        self._turns = [
            (level, number) for level, shape in enumerate(grid.arch.shapes[:LEVELS]) for number in range(shape[0])
        ]
        self._spent = np.zeros(len(self._latents), bool)
        self._by_cell: list[Map] = []
        self._gradient: Map = np.zeros(0, np.float32)
        self._round = -1

    def step(self, number: int) -> None:
        """Try latents of the component whose turn it is; each round of turns begins with a gradient."""
        self.next = number + 1
        turn, place = divmod(number, len(self._turns))
        if turn != self._round:
            self._round = turn
            self._look()
        rng = np.random.default_rng([self.config.seed, number])
        self._try(*self._turns[place], Blocks(*map(int, rng.integers(SIDE, size=2))))

    def _look(self) -> None:
        """Where J arises, and where its gradient leads."""
        self._by_cell = self._measured(LEVELS - 1)
        found = self._objective.gradient(self._grid.split(self._lifted), self._grid.flat, self._run).by_latents
        self._gradient = np.concatenate([self._kit.lower(each).reshape(-1) for each in found])

    @property
    def _lifted(self) -> Array:
        return self._kit.lift(self._latents)

    def _measured(self, coarsest: int) -> list[Map]:
        latents = self._grid.split(self._lifted)
        found = self._objective.by_cell(latents, self._grid.flat, coarsest, self._run)
        return [self._kit.lower(each) for each in found]

    def _try(self, level: int, number: int, blocks: Blocks) -> None:
        """Move one latent in each block, and those back that do not pay."""
        latents, gradient, spent = (
            self._grid.split(each)[level][number] for each in (self._latents, self._gradient, self._spent)
        )
        promise = np.where(blocks.inside(latents.shape) & ~spent, np.abs(gradient), 0)
        most = blocks.spread(blocks.reduce(np.maximum, promise), promise.shape)
        tried = (promise == most) & (promise > 0)
        moves = np.sign(gradient) * tried
        latents -= moves
        both = list(enumerate(zip(self._measured(level), self._by_cell, strict=False)))
        won: Any = sum(blocks.reduce(np.add, before - now, level - at) for at, (now, before) in both)
        for at, (now, before) in both:
            np.copyto(before, now, where=blocks.spread(won > _LEAST, before.shape, level - at))
        is_lost = ~blocks.spread(won > _LEAST, latents.shape)
        latents += moves * is_lost
        spent |= tried & is_lost

    def evaluate(self) -> None:
        """Measure the picture: keep the latents if J is the least."""
        latents = self._lifted
        if self._is_least(latents, self._grid.flat):
            self._best = latents, self._grid.flat
