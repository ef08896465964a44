"""What a search makes small: the bits of a picture's latents, and its squared error in bits, with their derivatives.

    J = D / (LAMBDA delta^2) + R

D is the squared error of all pixels, summed over the components, of values 0 .. 1; R the bits of all latents; delta the
step of level 0. At the best latents the error of a pixel is a multiple of delta^2, so LAMBDA makes delta the step that
suits the error.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inrcodec.compute import pyramid
from inrcodec.compute.arena import Arena, Array, Arrays, Empty, Run
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.distortion import fold_edges, replicate_edges
from inrcodec.families.grid.rate import Rate
from inrcodec.families.grid.sums import sums
from inrcodec.families.grid.tensors import network, tensors_of

LAMBDA = 0.035


def level_steps(arch: GridArch, delta: float, gains: Array) -> list[Array]:
    """Steps (components, 1, 1) of the latents of each level: delta 2^-level (1 + gain)."""
    steps, at = [], 0
    for level, (count, _, _) in enumerate(arch.shapes):
        steps.append((delta * 2.0**-level * (1 + gains[at : at + count])).reshape(count, 1, 1))
        at += count
    return steps


def lay_planes(
    arch: GridArch, scaled: Sequence[Array], out: Array, arena: Arena, by: pyramid.Pyramid = pyramid
) -> None:
    """Latents times their steps, level by level, as planes into (planes, H, W)."""
    for plane, parts in zip(out, arch.parts, strict=True):
        with arena.passing():
            plane[...] = _laid(arch, {level: scaled[level][number] for level, number in parts}, arena.empty, by)


def _laid(arch: GridArch, parts: Mapping[int, Array], empty: Empty, by: pyramid.Pyramid) -> Array | int:
    """One plane: the parts by level, the coarser ones enlarged, added up."""
    if not parts:
        return 0
    coarsest = max(parts)
    total = parts[coarsest]
    for level in range(coarsest - 1, -1, -1):
        total = by.enlarge(total, *arch.sizes[level], empty)
        if level in parts:
            total += parts[level]
    return total


def lay_planes_back(arch: GridArch, gradient: Array, arena: Arena, by: pyramid.Pyramid = pyramid) -> list[Array]:
    """The adjoint of `lay_planes`: d / d scaled latents of each level."""
    found = [arena.empty(*shape) for shape in arch.shapes]
    for plane, parts in zip(gradient, arch.parts, strict=True):
        with arena.passing():
            by_plane, at = plane, 0
            for level, number in parts:
                for _ in range(at, level):
                    by_plane = by.enlarge_back(by_plane, arena.empty)
                found[level][number], at = by_plane, level
    return found


@dataclass(frozen=True)
class Found:
    """J of a picture, and its derivatives, in bits."""

    error: float
    """D."""
    bits: float
    """R."""
    by_latents: list[Array]
    """Of each level: room that the next call writes over."""
    by_tensors: Array
    """Flat, in the order of the tensors."""


class GridObjective:
    """J of one picture."""

    def __init__(self, arch: GridArch, target: Array, delta: float, kit: Arrays) -> None:
        """`target` is (components, H, W), values of an orthonormal space of samples 0 .. 1."""
        self.arch, self.delta = arch, delta
        self._xp, self._arena = kit.xp, Arena(kit.empty)
        self._sums = sums(kit.is_compiled)
        self.distortion = self._sums.distortion(arch, target, kit)
        self.rate = Rate(arch, kit, self._arena, self._sums.coded, self._sums.pyramid)
        shape = len(arch.planes), arch.height + 2, arch.width + 2
        self._padded, self._by_padded = kit.empty(*shape), kit.empty(*shape)
        self._recall = kit.recorder()

    def steps(self, flat: Array) -> list[Array]:
        """Steps of the latents of each level."""
        return level_steps(self.arch, self.delta, tensors_of(self.arch, flat)["gains"])

    def planes(self, latents: Sequence[Array], steps: Sequence[Array]) -> Array:
        """The padded planes of latents."""
        scaled = [q * step for q, step in zip(latents, steps, strict=True)]
        lay_planes(self.arch, scaled, self._padded[:, 1:-1, 1:-1], self._arena, self._sums.pyramid)
        replicate_edges(self._padded)
        return self._padded

    def total(self, error: float, bits: float) -> float:
        """J of D and R."""
        return error / (LAMBDA * self.delta**2) + bits

    def value(self, latents: Sequence[Array], flat: Array, run: Run = map) -> tuple[float, float]:
        """D and R."""
        error, bits = self._recall("value", self._of_value, [flat, *latents], run)
        return float(error), float(bits)

    def _of_value(self, arrays: Sequence[Array], run: Run) -> Sequence[Array]:
        (error,) = self._of_error(arrays, run)
        flat, *latents = arrays
        self._arena.reset()
        return error, self.rate.value(latents, self._contexts(tensors_of(self.arch, flat)), run)

    def error(self, latents: Sequence[Array], flat: Array, run: Run = map) -> float:
        """D, which no context network changes."""
        return float(*self._recall("error", self._of_error, [flat, *latents], run))

    def _of_error(self, arrays: Sequence[Array], run: Run) -> Sequence[Array]:
        flat, *latents = arrays
        self._arena.reset()
        synthesis = network(tensors_of(self.arch, flat), "synthesis")
        return [self.distortion.value(self.planes(latents, self.steps(flat)), synthesis, run)]

    def by_cell(self, latents: Sequence[Array], flat: Array, coarsest: int, run: Run = map) -> Sequence[Array]:
        """J where it arises: on the cells of each level up to `coarsest` the bits of its latents, (h, w), and on those
        of level 0, which are the pixels, their error too."""
        return self._recall(coarsest, functools.partial(self._of_cells, coarsest), [flat, *latents], run)

    def _of_cells(self, coarsest: int, arrays: Sequence[Array], run: Run) -> Sequence[Array]:
        flat, *latents = arrays
        self._arena.reset()
        tensors = tensors_of(self.arch, flat)
        padded = self.planes(latents, self.steps(flat))
        error = self.distortion.by_pixel(padded, network(tensors, "synthesis"), run)
        found = self.rate.by_cell(latents, self._contexts(tensors), coarsest, run)
        error *= 1 / (LAMBDA * self.delta**2)
        found[0] += error
        return found

    def _contexts(self, tensors: dict[str, Array]) -> dict[str, list[Array]]:
        return {name: network(tensors, name) for name in self.arch.networks if name != "synthesis"}

    def gradient(self, latents: Sequence[Array], flat: Array, run: Run = map) -> Found:
        """J, and its derivatives by the latents and by the tensors, flat."""
        error, bits, by_tensors, *by_latents = self._recall("gradient", self._of_gradient, [flat, *latents], run)
        return Found(float(error), float(bits), by_latents, by_tensors)

    def _of_gradient(self, arrays: Sequence[Array], run: Run) -> Sequence[Array]:
        flat, *latents = arrays
        self._arena.reset()
        tensors = tensors_of(self.arch, flat)
        steps = self.steps(flat)
        padded, weight = self.planes(latents, steps), 1 / (LAMBDA * self.delta**2)
        error, grads = self.distortion.gradient(padded, network(tensors, "synthesis"), self._by_padded, run)
        by_planes = fold_edges(self._by_padded)
        by_planes *= weight
        by_scaled = lay_planes_back(self.arch, by_planes, self._arena, self._sums.pyramid)
        bits, sums, by_latents = self.rate.gradient(latents, self._contexts(tensors), run)
        gains = []
        for level, (of_rate, scaled, step, q) in enumerate(zip(by_latents, by_scaled, steps, latents, strict=True)):
            of_rate += scaled * step
            gains.append((scaled * q).sum((1, 2)) * (self.delta * 2.0**-level))
        parts = [*gains, *(weight * grad for grad in grads)]
        parts += [grad for name in self.arch.networks if name != "synthesis" for grad in sums[name]]
        return error, bits, self._xp.concatenate([part.reshape(-1) for part in parts]), *by_latents
