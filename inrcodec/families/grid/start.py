"""Where a search begins: sparse latents whose plain sum is near the picture, without any network.

Minimized is D / (LAMBDA delta^2) + sum of w |q|, D the squared error of the sum of all levels, by FISTA (Beck and
Teboulle 2009): the sum is linear, and with latents in units of their steps as well conditioned as it can be, its
curvature between 0 and 2 / LAMBDA times the number of levels. Then the weights w are lowered where a latent is large
(Candes, Wakin and Boyd 2008, section 2.2), as bits grow with its logarithm, and again.

It takes as long as a few dozen steps of the search, and saves it several hundred (docs/experiments.md).
"""

import math
from collections.abc import Sequence
from typing import Any

from inrcodec.compute import pyramid
from inrcodec.compute.arena import Array, Empty
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.objective import LAMBDA

ITERATIONS, EVERY = 60, 20
"""Iterations, and after how many weights are changed."""
WEIGHT, SOFTENING = 3.0, 0.35
"""Bits by which a unit of a latent counts at first; and the size, in units, from which on it counts less."""


class SparseStart:
    """The search for sparse latents of one picture."""

    def __init__(
        self, arch: GridArch, target: Array, delta: float, xp: Any, empty: Empty, by: pyramid.Pyramid = pyramid
    ) -> None:
        """`target` is (components, H, W) as of `GridObjective`; grids are enlarged `by` something."""
        self._arch, self._target, self._xp, self._empty, self._by = arch, target, xp, empty, by
        self._steps = [delta * 2.0**-level for level in range(arch.levels)]
        self._weight = 2 / (LAMBDA * delta**2)
        self._rate = LAMBDA / (2 * arch.levels)
        self._places = [[arch.components.index(one) for one in arch.on_level(level)] for level in range(arch.levels)]

    def run(self) -> list[Array]:
        """Latents (components, h, w) of each level."""
        xp = self._xp
        found = [xp.zeros_like(self._empty(*shape)) for shape in self._arch.shapes[:-1]]
        found.append(self._low_pass() / self._steps[-1])  # what all levels have in common would be slow to find a place
        weights = [WEIGHT + 0 * q for q in found]
        ahead, momentum = [q + 0 for q in found], 1.0
        for iteration in range(1, ITERATIONS + 1):
            stepped = [
                self._shrunk(q - self._rate * slope, self._rate * weight)
                for q, slope, weight in zip(ahead, self._slopes(ahead), weights, strict=True)
            ]
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            push = (momentum - 1) / following
            ahead = [new + push * (new - old) for new, old in zip(stepped, found, strict=True)]
            found, momentum = stepped, following
            if iteration % EVERY == 0:
                weights = [0.5 * WEIGHT / (xp.abs(q) + SOFTENING) for q in found]
                momentum = 1.0
        return found

    def _low_pass(self) -> Array:
        low = self._target
        for _ in range(1, self._arch.levels):
            low = self._by.enlarge_back(low, self._empty) / 4
        return low

    def _shrunk(self, q: Array, by: Array) -> Array:
        return self._xp.sign(q) * self._xp.clip(self._xp.abs(q) - by, 0, None)

    def _slopes(self, latents: Sequence[Array]) -> list[Array]:
        """d (D / (LAMBDA delta^2)) / d latents."""
        error = (self._sum(latents) - self._target) * self._weight
        slopes = []
        for level, (places, step) in enumerate(zip(self._places, self._steps, strict=True)):
            if level:
                error = self._by.enlarge_back(error, self._empty)
            slopes.append(step * error[places])
        return slopes

    def _sum(self, latents: Sequence[Array]) -> Array:
        """(components, H, W): the plain sum of all levels."""
        total = self._xp.zeros_like(self._empty(len(self._arch.components), *self._arch.sizes[-1]))
        for level in range(self._arch.levels - 1, -1, -1):
            if level < self._arch.levels - 1:
                total = self._by.enlarge(total, *self._arch.sizes[level], self._empty)
            for place, q in zip(self._places[level], latents[level], strict=True):
                total[place] += self._steps[level] * q
        return total
