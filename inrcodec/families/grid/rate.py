"""Bits of the latents by the context networks, and their derivatives, level by level, by hand.

What a network sees of a latent (`context.py` specifies it): latents before it on its own grid, at the places
`LUMA_CAUSAL` or `CHROMA_CAUSAL`, and `sides`, which are known before the grid is begun: latents of the coarser level,
for chroma those of luma on the same level, and the level itself. All as asinh of the latent.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from inrcodec.compute.arena import Array, Empty
from inrcodec.families.grid import laplace
from inrcodec.families.grid.arch import BLUE, LUMA, RED, GridArch, Together
from inrcodec.families.grid.block import Block
from inrcodec.families.grid.distortion import POINTS, Run, Spare, bands

Matrices = Mapping[str, Sequence[Array]]
"""Layers of the context networks by name."""
PAD = 2
"""Rows above, and columns on either side, that the places before a latent reach out to: zeros beyond the edges."""


def depth(level: int) -> float:
    """What a network is told of the level."""
    return (min(level, 7) - 3) / 4


def repeated(coarse: Array, into: Array) -> None:
    """(.., h, w) into (.., H, W): each cell's value to the up to four finer cells in it."""
    height, width = into.shape[-2:]
    for dy in (0, 1):
        for dx in (0, 1):
            rows, columns = (height - dy + 1) // 2, (width - dx + 1) // 2
            into[..., dy::2, dx::2] = coarse[..., :rows, :columns]


def repeated_back(gradient: Array, into: Array) -> None:
    """The adjoint of `repeated`, added `into` (.., h, w)."""
    height, width = gradient.shape[-2:]
    for dy in (0, 1):
        for dx in (0, 1):
            rows, columns = (height - dy + 1) // 2, (width - dx + 1) // 2
            into[..., :rows, :columns] += gradient[..., dy::2, dx::2]


def around(values: Array, into: Array) -> None:
    """Sums over 3x3 cells, zeros beyond the edges: (h, w) into another array. It is its own adjoint."""
    rows = values + 0
    rows[1:] += values[:-1]
    rows[:-1] += values[1:]
    into[...] = rows
    into[:, 1:] += rows[:, :-1]
    into[:, :-1] += rows[:, 1:]


def luma_sides(component: int, coarser: dict[int, Array], level: int, into: Array) -> None:
    """The sides of luma, or alpha, into (sides, H, W): the component on the coarser level, chroma there, the level."""
    into[...] = 0
    for number, one in enumerate([component, RED, BLUE] if len(into) > 2 else [component]):
        if one in coarser and (one == component or component == LUMA):
            repeated(coarser[one], into[number])
    into[-1] = depth(level)


def luma_sides_back(component: int, gradient: Array, by_coarser: dict[int, Array]) -> None:
    """The adjoint of `luma_sides`."""
    for number, one in enumerate([component, RED, BLUE] if len(gradient) > 2 else [component]):
        if one in by_coarser and (one == component or component == LUMA):
            repeated_back(gradient[number], by_coarser[one])


def chroma_sides(luma: Array, coarser: dict[int, Array], level: int, into: Array, xp: Any) -> None:
    """The sides of chroma into (7, H, W): luma here, both chroma and luma on the coarser level, the level, |luma|, and
    an eighth of the sum of that over 3x3 cells."""
    into[...] = 0
    into[0] = luma
    for number, one in enumerate((RED, BLUE, LUMA)):
        if one in coarser:
            repeated(coarser[one], into[1 + number])
    into[4] = depth(level)
    xp.abs(luma, out=into[5])
    around(into[5] / 8, into[6])


def chroma_sides_back(luma: Array, gradient: Array, by_luma: Array, by_coarser: dict[int, Array], xp: Any) -> None:
    """The adjoint of `chroma_sides`, added to `by_luma` and `by_coarser`."""
    of_around = gradient[6] + 0
    around(gradient[6] / 8, of_around)
    of_around += gradient[5]
    of_around *= xp.sign(luma)
    by_luma += of_around
    by_luma += gradient[0]
    for number, one in enumerate((RED, BLUE, LUMA)):
        if one in by_coarser:
            repeated_back(gradient[1 + number], by_coarser[one])


class Coded:
    """A context network over the grids of a level that are coded together, with their sides."""

    def __init__(self, together: Together, blocks: Spare, xp: Any) -> None:
        self._causal, self._count, self._blocks, self._xp = together.causal, len(together.components), blocks, xp

    def value(self, q: Array, z: Array, sides: Array, matrices: Sequence[Array], run: Run) -> float:
        """Bits of the latents q (components, h, w); z are the same under asinh, padded by zeros."""

        def of_band(block: Block, band: slice) -> float:
            mean, log_scale = self._laws(block, z, sides, matrices, band)
            return float(laplace.bits(q[:, band], mean, log_scale, self._xp)[0].sum(dtype=self._xp.float64))

        return sum(run(self._blocks.use(of_band), bands(*q.shape[-2:])))

    def gradient(
        self, q: Array, z: Array, sides: Array, matrices: Sequence[Array], by_z: Array, run: Run
    ) -> tuple[float, list[Array], Array, Array]:
        """Bits, and their derivatives by the matrices, directly by q, and by the sides; those by z add to `by_z`."""
        xp, seen = self._xp, len(self._causal) * self._count
        by_q, by_sides = xp.empty_like(q), xp.empty_like(sides)

        def of_band(block: Block, band: slice) -> tuple[float, list[Array], Array]:
            laws = self._laws(block, z, sides, matrices, band)
            each, direct, by_mean, by_scale = laplace.bits(q[:, band], *laws, xp)
            by_q[:, band] = direct
            delta = xp.stack([by_mean, by_scale]).reshape(2 * self._count, -1)
            grads, by_inputs = block.backward(matrices, delta)
            by_inputs = by_inputs.reshape(-1, *direct.shape[1:])
            by_sides[:, band] = by_inputs[seen:]
            return float(each.sum(dtype=xp.float64)), grads, self._spread(by_inputs[:seen], z)

        total, sums = 0.0, None
        parts = bands(*q.shape[-2:])
        for band, (found, grads, halo) in zip(parts, run(self._blocks.use(of_band), parts), strict=True):
            total += found
            sums = grads if sums is None else [one + other for one, other in zip(sums, grads, strict=True)]
            by_z[:, band.start : band.stop + PAD] += halo
        return total, sums or [], by_q, by_sides

    def _laws(
        self, block: Block, z: Array, sides: Array, matrices: Sequence[Array], band: slice
    ) -> tuple[Array, Array]:
        """Means and logarithms of scales of a band of rows, (components, rows, columns) each."""
        rows, width = band.stop - band.start, sides.shape[-1]
        into, number = block.inputs(rows * width).reshape(-1, rows, width), 0
        for part in z:
            for dy, dx in self._causal:
                into[number] = part[PAD + band.start + dy : PAD + band.stop + dy, PAD + dx : PAD + dx + width]
                number += 1
        into[number:] = sides[:, band]
        out = block.forward(matrices, rows * width).reshape(2, self._count, rows, width)
        return out[0], out[1]

    def _spread(self, by_inputs: Array, z: Array) -> Array:
        """By a band's inputs from z -> by z there and `PAD` rows above, (components, rows + PAD, columns + 2 PAD)."""
        rows, width = by_inputs.shape[-2:]
        halo, number = self._xp.zeros_like(z[:, : rows + PAD]), 0
        for part in halo:
            for dy, dx in self._causal:
                part[PAD + dy : PAD + dy + rows, PAD + dx : PAD + dx + width] += by_inputs[number]
                number += 1
        return halo


class Rate:
    """Bits of all latents."""

    def __init__(self, arch: GridArch, xp: Any, empty: Empty, passing: Empty) -> None:
        """`empty` makes what is kept, perhaps in several threads; `passing` what one call needs, in the caller's."""
        self._arch, self._xp, self._empty = arch, xp, passing
        most, sizes = max(POINTS, arch.width), {name: arch.sizes_of(name) for name in arch.networks[1:]}
        blocks = {name: Spare(functools.partial(Block, own, most, False, xp, empty)) for name, own in sizes.items()}
        self._coded = [(each, Coded(each, blocks[each.network], xp)) for each in arch.together()]
        self._inputs = {name: own[0] for name, own in sizes.items()}

    def value(self, latents: Sequence[Array], matrices: Matrices, run: Run = map) -> float:
        """Bits of the latents (components, h, w) of each level."""
        padded = [self._padded(level) for level in latents]
        return sum(
            coded.value(
                latents[each.level][each.part],
                padded[each.level][each.part],
                self._sides(each, padded),
                matrices[each.network],
                run,
            )
            for each, coded in self._coded
        )

    def gradient(
        self, latents: Sequence[Array], matrices: Matrices, run: Run = map
    ) -> tuple[float, dict[str, list[Array]], list[Array]]:
        """Bits, and their derivatives by the matrices, by network, and by the latents."""
        xp, total = self._xp, 0.0
        sums: dict[str, list[Array]] = {}
        padded = [self._padded(level) for level in latents]
        by_z, by_q = [xp.zeros_like(each) for each in padded], [xp.empty_like(each) for each in latents]
        for each, coded in self._coded:
            level, part, name = each.level, each.part, each.network
            found, grads, by_q[level][part], by_sides = coded.gradient(
                latents[level][part],
                padded[level][part],
                self._sides(each, padded),
                matrices[name],
                by_z[level][part],
                run,
            )
            self._sides_back(each, padded, by_sides, by_z)
            total += found
            sums[name] = [a + b for a, b in zip(sums[name], grads, strict=True)] if name in sums else grads
        for q, direct, of_z in zip(latents, by_q, by_z, strict=True):
            direct += of_z[:, PAD:, PAD:-PAD] / xp.sqrt(1 + q * q)
        return total, sums, by_q

    def _sides(self, each: Together, padded: Sequence[Array]) -> Array:
        """(sides, h, w)."""
        own, coarser = self._named(padded, each.level), self._named(padded, each.level + 1)
        seen = len(each.causal) * len(each.components)
        sides = self._empty(self._inputs[each.network] - seen, *self._arch.sizes[each.level])
        if each.is_chroma:
            chroma_sides(own[LUMA], coarser, each.level, sides, self._xp)
        else:
            luma_sides(each.components[0], coarser, each.level, sides)
        return sides

    def _sides_back(self, each: Together, padded: Sequence[Array], by_sides: Array, by_z: Sequence[Array]) -> None:
        """The adjoint of `_sides`, added to `by_z`."""
        by_own, by_coarser = self._named(by_z, each.level), self._named(by_z, each.level + 1)
        if each.is_chroma:
            chroma_sides_back(self._named(padded, each.level)[LUMA], by_sides, by_own[LUMA], by_coarser, self._xp)
        else:
            luma_sides_back(each.components[0], by_sides, by_coarser)

    def _padded(self, q: Array) -> Array:
        count, height, width = q.shape
        z = self._xp.zeros_like(self._empty(count, height + PAD, width + 2 * PAD))
        z[:, PAD:, PAD:-PAD] = self._xp.arcsinh(q)
        return z

    def _named(self, padded: Sequence[Array], level: int) -> dict[int, Array]:
        """The grids of a level by component, without their padding; none beyond the coarsest."""
        if level >= self._arch.levels:
            return {}
        return dict(zip(self._arch.on_level(level), padded[level][:, PAD:, PAD:-PAD], strict=True))
