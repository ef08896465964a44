"""What context networks see of latents: planes on the grid that is coded, each at some places around a cell.

A plane is a component's latents, as numbers that stand for them, or those of a coarser level, enlarged (`pyramid.py`)
level by level; or of luma their sizes, and sums of these (`arch.View`). Planes lie among `MARGIN` zeros, so that all
places that are seen exist.
"""

from collections.abc import Iterator
from typing import Any

from inrcodec.compute import pyramid
from inrcodec.compute.arena import Arena, Array
from inrcodec.families.grid.arch import LUMA, NOTHING, SIZE, SIZES, GridArch, Together

MARGIN = 6
"""Zeros around a plane, at least as many as a place is away."""
_INNER = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
Key = tuple[int, int, int]
"""(source, level, up) of a plane: what a source of the level `up` above is on a level."""


def depth(level: int) -> float:
    """What a network is told of the level."""
    return (min(level, 7) - 3) / 4


def around(values: Array) -> Array:
    """Sums over 3x3 cells of (h, w), zeros beyond the edges. It is its own adjoint."""
    rows = values + 0
    rows[1:] += values[:-1]
    rows[:-1] += values[1:]
    total = rows + 0
    total[:, 1:] += rows[:, :-1]
    total[:, :-1] += rows[:, 1:]
    return total


class Views:
    """The planes of a picture's latents, made as they are asked for; and their gradient, gathered and led back."""

    def __init__(self, arch: GridArch, xp: Any, arena: Arena, by: pyramid.Pyramid = pyramid) -> None:
        """`xp` is NumPy or torch, `arena` makes its arrays, which are enlarged `by` something."""
        self._arch, self._xp, self._arena, self._by = arch, xp, arena, by
        self._planes: dict[Key, Array] = {}
        self._slopes: dict[Key, Array] = {}

    def put(self, component: int, level: int, values: Array) -> None:
        """The numbers (h, w) that stand for a component's latents on a level, before any plane of them is asked for."""
        self._planes[component, level, 0] = self._padded(level, values)

    def planes(self, together: Together) -> list[Array]:
        """(h + 2 MARGIN, w + 2 MARGIN) each, in the order of the views of what is coded together."""
        return [self._plane(key) for key in self._keys(together)]

    def gradients(self, together: Together) -> list[Array]:
        """What gradients by `planes` are added to."""
        return [self._gradient(key) for key in self._keys(together)]

    def back(self) -> list[list[Array]]:
        """Gradients by all that was put, (h, w) each, by level and component: all that were added, led back."""
        for up in (2, 1):
            for source, level, _ in [key for key in self._slopes if key[2] == up]:
                coarser = self._gradient((source, level + 1, up - 1))[_INNER]
                with self._arena.passing():
                    coarser += self._by.enlarge_back(self._slopes[source, level, up][_INNER], self._arena.empty)
        for level in [level for source, level, _ in self._slopes if source == SIZES]:
            by_size = self._slopes[SIZE, level, 0]
            by_size[_INNER] += around(self._slopes[SIZES, level, 0][_INNER]) / 8
            self._slopes[LUMA, level, 0] += by_size * self._xp.sign(self._planes[LUMA, level, 0])
        levels = range(self._arch.levels)
        return [[self._slopes[one, level, 0][_INNER] for one in self._arch.on_level(level)] for level in levels]

    def _keys(self, together: Together) -> Iterator[Key]:
        for view in together.views(self._arch.has_chroma):
            is_there = view.source != NOTHING and together.level + view.up < self._arch.levels
            yield (view.source, together.level, view.up) if is_there else (NOTHING, together.level, 0)

    def _plane(self, key: Key) -> Array:
        if key not in self._planes:
            self._planes[key] = self._made(*key)
        return self._planes[key]

    def _made(self, source: int, level: int, up: int) -> Array:
        if up:
            coarser, plane = self._plane((source, level + 1, up - 1)), self._zeros(level)
            with self._arena.passing():
                plane[_INNER] = self._by.enlarge(coarser[_INNER], *self._arch.sizes[level], self._arena.empty)
            return plane
        if source == SIZE:
            return self._xp.abs(self._plane((LUMA, level, 0)))
        if source == SIZES:
            return self._padded(level, around(self._plane((SIZE, level, 0))[_INNER]) / 8)
        return self._zeros(level)

    def _gradient(self, key: Key) -> Array:
        if key not in self._slopes:
            self._slopes[key] = self._zeros(key[1])
        return self._slopes[key]

    def _zeros(self, level: int) -> Array:
        height, width = self._arch.sizes[level]
        plane = self._arena.empty(height + 2 * MARGIN, width + 2 * MARGIN)
        plane[...] = 0
        return plane

    def _padded(self, level: int, values: Array) -> Array:
        plane = self._zeros(level)
        plane[_INNER] = values
        return plane
