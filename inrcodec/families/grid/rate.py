"""Bits of the latents by the context networks, and their derivatives, level by level, by hand.

What a network sees of a latent (`context.py` specifies it): planes of latents that are known before it (`views.py`),
and the level itself. What stands for a latent is its asinh.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from inrcodec.compute import pyramid
from inrcodec.compute.arena import Arena, Array, Arrays, Run
from inrcodec.families.grid import laplace
from inrcodec.families.grid.arch import GridArch, Together, View
from inrcodec.families.grid.block import Block
from inrcodec.families.grid.distortion import Spare, bands
from inrcodec.families.grid.views import MARGIN, Views, depth

Matrices = Mapping[str, Sequence[Array]]
"""Layers of the context networks by name."""


class Coded:
    """A context network over the grids of a level that are coded together."""

    def __init__(self, together: Together, views: Sequence[View], blocks: Spare, xp: Any, at_once: int) -> None:
        """`views` are what it sees, `at_once` the points of a band."""
        self._count, self._level, self._at_once = len(together.components), together.level, at_once
        self._views, self._blocks, self._xp = views, blocks, xp
        rows = [[dy for dy, _ in view.places] for view in views]
        self._reach = [(-min(each), max(each)) for each in rows]
        """How many rows above and below a cell each view reaches."""

    def by_cell(self, q: Array, planes: Sequence[Array], matrices: Sequence[Array], run: Run) -> Array:
        """(h, w): bits of the latents q (components, h, w) in each cell; `planes` are those of the views."""
        out, ready = self._xp.empty_like(q[0]), self._ready(matrices)

        def measure(band: slice) -> None:
            out[band] = self._bits(q, planes, ready, band)

        list(run(measure, self._bands(q)))
        return out

    def _ready(self, matrices: Sequence[Array]) -> Sequence[Array]:
        """What bands work with, from the matrices."""
        return matrices

    def _bits(self, q: Array, planes: Sequence[Array], matrices: Sequence[Array], band: slice) -> Array:
        """(rows, w): those of a band."""
        with self._blocks.one() as block:
            mean, log_scale = self._laws(block, planes, matrices, band)
            return laplace.bits(q[:, band], mean, log_scale, self._xp)[0].sum(0)

    def gradient(
        self, q: Array, planes: Sequence[Array], matrices: Sequence[Array], by_planes: Sequence[Array], run: Run
    ) -> tuple[Array, list[Array], Array]:
        """Bits, () float64, and their derivatives by the matrices and directly by q; those by the planes add to
        `by_planes`."""
        by_q = self._xp.empty_like(q)
        of_band = functools.partial(self._derivatives, q, planes, self._ready(matrices), by_q)
        total: Array = 0.0
        sums = None
        parts = self._bands(q)
        for band, (found, grads, halos) in zip(parts, run(of_band, parts), strict=True):
            total += found
            sums = grads if sums is None else [one + other for one, other in zip(sums, grads, strict=True)]
            for (above, below), plane, halo in zip(self._reach, by_planes, halos, strict=True):
                plane[MARGIN + band.start - above : MARGIN + band.stop + below] += halo
        return total, sums or [], by_q

    def _derivatives(
        self, q: Array, planes: Sequence[Array], matrices: Sequence[Array], by_q: Array, band: slice
    ) -> tuple[Array, Sequence[Array], Sequence[Array]]:
        """Bits of a band, their derivatives by the matrices, and those by the planes in the rows that it sees; those by
        q go into an array as q."""
        with self._blocks.one() as block:
            bits, by_q[:, band], by_mean, by_scale = laplace.bits(
                q[:, band], *self._laws(block, planes, matrices, band), self._xp
            )
            delta = self._xp.stack([by_mean, by_scale]).reshape(2 * self._count, -1)
            grads, by_inputs = block.backward(matrices, delta)
            halos = self._spread(by_inputs.reshape(-1, *bits.shape[1:]), planes)
            return bits.sum(dtype=self._xp.float64), grads, halos

    def _bands(self, q: Array) -> list[slice]:
        _, height, width = q.shape
        return bands(height, width, self._at_once)

    def _laws(
        self, block: Block, planes: Sequence[Array], matrices: Sequence[Array], band: slice
    ) -> tuple[Array, Array]:
        """Means and logarithms of scales of a band of rows, (components, rows, columns) each."""
        rows, width = band.stop - band.start, planes[0].shape[-1] - 2 * MARGIN
        top, left = MARGIN + band.start, MARGIN
        into, number = block.inputs(rows * width).reshape(-1, rows, width), 0
        for view, plane in zip(self._views, planes, strict=True):
            for dy, dx in view.places:
                into[number] = plane[top + dy : top + dy + rows, left + dx : left + dx + width]
                number += 1
        into[number] = depth(self._level)
        out = block.forward(matrices, rows * width).reshape(2, self._count, rows, width)
        return out[0], out[1]

    def _spread(self, by_inputs: Array, like: Sequence[Array]) -> list[Array]:
        """By a band's inputs -> by each plane, from the first row that its view reaches to the last."""
        rows, width = by_inputs.shape[-2:]
        halos, number = [], 0
        for view, (above, below), plane in zip(self._views, self._reach, like, strict=True):
            halo = self._xp.zeros_like(plane[: above + rows + below])
            for dy, dx in view.places:
                halo[above + dy : above + dy + rows, MARGIN + dx : MARGIN + dx + width] += by_inputs[number]
                number += 1
            halos.append(halo)
        return halos


class Rate:
    """Bits of all latents."""

    def __init__(
        self,
        arch: GridArch,
        arrays: Arrays,
        arena: Arena,
        coded: type[Coded] = Coded,
        by: pyramid.Pyramid = pyramid,
    ) -> None:
        """`arrays` makes what is kept, perhaps in several threads; `arena` what one call needs, in the caller's."""
        self._arch, self._xp, self._arena, self._by = arch, arrays.xp, arena, by
        points = max(arch.width, min(arrays.points, arch.height * arch.width))
        blocks = {
            name: Spare(functools.partial(Block, arch.sizes_of(name), points, False, arrays.xp, arrays.empty))
            for name in arch.networks[1:]
        }
        self._coded = [
            (each, coded(each, each.views(arch.has_chroma), blocks[each.network], arrays.xp, arrays.points))
            for each in arch.together()
        ]

    def value(self, latents: Sequence[Array], matrices: Matrices, run: Run = map) -> Array:
        """Bits of the latents (components, h, w) of each level, () float64."""
        by_cell = self.by_cell(latents, matrices, self._arch.levels - 1, run)
        return sum(level.sum(dtype=self._xp.float64) for level in by_cell)

    def seen(self, latents: Sequence[Array], arena: Arena) -> list[list[Array]]:
        """The planes that context networks see of latents, for `value_by`; `arena` makes them."""
        views = self._views(latents, arena)
        return [views.planes(each) for each, _ in self._coded]

    def value_by(
        self, name: str, latents: Sequence[Array], seen: list[list[Array]], matrices: Sequence[Array], run: Run = map
    ) -> Array:
        """Bits of those latents that one network codes, () float64, from what is `seen` of them."""
        found = [
            coded.by_cell(latents[each.level][each.part], planes, matrices, run).sum(dtype=self._xp.float64)
            for (each, coded), planes in zip(self._coded, seen, strict=True)
            if each.network == name
        ]
        return sum(found)

    def by_cell(self, latents: Sequence[Array], matrices: Matrices, coarsest: int, run: Run = map) -> list[Array]:
        """Bits in each cell, (h, w), of each level up to `coarsest`."""
        views = self._views(latents, self._arena)
        found: list[Array] = [0] * min(coarsest + 1, self._arch.levels)
        for each, coded in self._coded:
            if each.level < len(found):
                level, planes = latents[each.level][each.part], views.planes(each)
                found[each.level] += coded.by_cell(level, planes, matrices[each.network], run)
        return found

    def gradient(
        self, latents: Sequence[Array], matrices: Matrices, run: Run = map
    ) -> tuple[Array, dict[str, list[Array]], list[Array]]:
        """Bits, () float64, and their derivatives by the matrices, by network, and by the latents: of the arena."""
        views = self._views(latents, self._arena)
        total: Array = 0.0
        sums: dict[str, list[Array]] = {}
        by_q = [self._arena.empty(*each.shape) for each in latents]
        for each, coded in self._coded:
            level, part, name = each.level, each.part, each.network
            found, grads, by_q[level][part] = coded.gradient(
                latents[level][part], views.planes(each), matrices[name], views.gradients(each), run
            )
            total += found
            sums[name] = [a + b for a, b in zip(sums[name], grads, strict=True)] if name in sums else grads
        for q, direct, of_z in zip(latents, by_q, views.back(), strict=True):
            self._lead_back(q, of_z, direct)
        return total, sums, by_q

    def _lead_back(self, q: Array, by_asinh: Sequence[Array], into: Array) -> None:
        """Adds the derivatives by latents of a level to `into`, from those by their asinh."""
        with self._arena.passing():
            root = self._arena.empty(*q.shape)
            self._xp.multiply(q, q, out=root)
            root += 1
            self._xp.sqrt(root, out=root)
            for slope, of_z, by_q in zip(root, by_asinh, into, strict=True):
                self._xp.divide(of_z, slope, out=slope)
                by_q += slope

    def _views(self, latents: Sequence[Array], arena: Arena) -> Views:
        views = Views(self._arch, self._xp, arena, self._by)
        for level, q in enumerate(latents):
            for component, own in zip(self._arch.on_level(level), self._xp.arcsinh(q), strict=True):
                views.put(component, level, own)
        return views
