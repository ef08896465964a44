"""What the searches of a grid picture have in common: they measure it by J, and keep what has the least."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from inrcodec.compute.arena import Array, Run
from inrcodec.families.grid.float_grid import FloatGrid
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.objective import GridObjective
from inrcodec.fitting.loop import FitConfig
from inrcodec.fitting.state import State


class LeastJ:
    """The part of a `fitting.loop.Search` that steps do not change; what follows a fit keeps no state."""

    def __init__(self, grid: FloatGrid, objective: GridObjective, config: FitConfig, kit: Kit) -> None:
        """Begins with the grid's latents and tensors."""
        self.config, self._grid, self._objective, self._kit = config, grid, objective, kit
        self._pixels = grid.arch.height * grid.arch.width
        self.next = 0
        self.best = self._best_j = math.inf
        self._best = grid.latents, grid.flat
        self._run: Run = map

    @property
    def finished(self) -> bool:
        """Never before its last step."""
        return False

    @contextmanager
    def working(self) -> Iterator[None]:
        """Inside, sums have all their threads."""
        with self._kit.working() as run:
            self._run = run
            try:
                yield
            finally:
                self._run = map

    def _is_least(self, latents: Array, flat: Array) -> bool:
        """Measure the picture of latents and tensors: whether its J is the least so far, which is noted."""
        error, bits = self._objective.value(self._grid.split(latents), flat, self._run)
        j = self._objective.total(error, bits)
        is_least = j < self._best_j or math.isinf(self._best_j)
        if is_least:
            self._best_j, self.best = j, 4 * error / (self._pixels * self._grid.arch.channels)
        return is_least

    def deliver(self) -> None:
        """Leave the best latents and tensors in the grid."""
        self._grid.latents, self._grid.flat = self._best

    def state(self) -> State:
        """Nothing: what follows a fit begins again."""
        return {}

    def restore(self, state: State) -> None:
        """There is nothing to go on from."""
