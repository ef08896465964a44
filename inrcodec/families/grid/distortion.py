"""The squared error of a grid picture, and its derivatives by planes and networks: band by band, by hand.

Planes are padded by a row and a column on each side, copies of the ones beside them. A band of rows fits a core's
cache; bands may go to threads, and are added up in their order, so that sums do not depend on how many there are.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty as NothingThere
from queue import SimpleQueue
from typing import Any

import numpy as np

from inrcodec.compute.arena import Array, Arrays, Run
from inrcodec.families.grid.arch import ALPHA, AROUND, FINE, LUMA, WIDTH, GridArch
from inrcodec.families.grid.block import Block

POINTS = 6144
"""Points of a band, at most, if it has more than a row: what fits a core's cache."""
SCALES = {LUMA: (6.0, 6.0, 6.0, 2.0), ALPHA: (4.0, 2.0)}
"""What planes are multiplied by for the synthesis, by group; those of chroma by `CHROMA_SCALE`."""
CHROMA_SCALE = 4.0


def scales(arch: GridArch) -> list[float]:
    """What each plane is multiplied by."""
    return [SCALES[one][group] if one in SCALES else CHROMA_SCALE for one, group in arch.planes]


def base(arch: GridArch) -> Any:
    """(components, columns of the last layer) float64: the plain sum of a component's planes, which is always added."""
    matrix = np.zeros(arch.tensors["synthesis.last"])
    for plane, ((one, _), scale) in enumerate(zip(arch.planes, scales(arch), strict=True)):
        matrix[arch.components.index(one), WIDTH + plane] = 1 / scale
    return matrix


class Spare:
    """Things to work with, one for each thread that happens to need one."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._spare = make, SimpleQueue[Any]()

    @contextmanager
    def one(self) -> Iterator[Any]:
        """One of them, for a while."""
        try:
            thing = self._spare.get_nowait()
        except NothingThere:
            thing = self._make()
        try:
            yield thing
        finally:
            self._spare.put(thing)


def bands(height: int, width: int, points: int) -> list[slice]:
    """Rows in bands of at most so many points, or of one row."""
    rows = max(1, points // width)
    return [slice(start, min(start + rows, height)) for start in range(0, height, rows)]


def fill_features(into: Array, padded: Array, rows: slice, factors: Sequence[float], xp: Any) -> None:
    """The synthesis's inputs of a band into (features, rows, columns), from the padded planes."""
    width, count = padded.shape[-1] - 2, len(padded)
    for plane, factor in enumerate(factors):
        xp.multiply(padded[plane, rows.start + 1 : rows.stop + 1, 1 : width + 1], factor, out=into[plane])
    for plane in range(FINE):
        for number, (dy, dx) in enumerate(AROUND):
            part = padded[plane, rows.start + 1 + dy : rows.stop + 1 + dy, 1 + dx : width + 1 + dx]
            xp.multiply(part, factors[plane], out=into[count + plane * len(AROUND) + number])


def replicate_edges(padded: Array) -> None:
    """Copy the outermost rows and columns of planes into their padding of one."""
    padded[..., 0, :], padded[..., -1, :] = padded[..., 1, :], padded[..., -2, :]
    padded[..., :, 0], padded[..., :, -1] = padded[..., :, 1], padded[..., :, -2]


def fold_edges(padded: Array) -> Array:
    """The adjoint of `replicate_edges`: the gradient without its padding, a view."""
    padded[..., :, 1] += padded[..., :, 0]
    padded[..., :, -2] += padded[..., :, -1]
    padded[..., 1, :] += padded[..., 0, :]
    padded[..., -2, :] += padded[..., -1, :]
    return padded[..., 1:-1, 1:-1]


class Distortion:
    """Sum over pixels and components of (synthesis - target)^2."""

    def __init__(self, arch: GridArch, target: Array, arrays: Arrays) -> None:
        """`target` is (components, H, W)."""
        self._target, self._xp, self._base = target, arrays.xp, arrays.lift(base(arch))
        self._arch, self._scales = arch, scales(arch)
        self._bands = bands(arch.height, arch.width, arrays.points)
        points = max((band.stop - band.start) * arch.width for band in self._bands)
        self._blocks = Spare(lambda: Block(arch.sizes_of("synthesis"), points, True, arrays.xp, arrays.empty))

    def synthesis(self, padded: Array, matrices: Sequence[Array], run: Run = map) -> Array:
        """(components, H, W) of padded planes."""
        effective = Distortion._ready(self, matrices)
        out = self._xp.empty_like(self._target)

        def draw(band: slice) -> None:
            shape = band.stop - band.start, self._arch.width
            count = shape[0] * shape[1]
            with self._blocks.one() as block:
                fill_features(block.inputs(count).reshape(-1, *shape), padded, band, self._scales, self._xp)
                out[:, band] = block.forward(effective, count).reshape(-1, *shape)

        list(run(draw, self._bands))
        return out

    def _ready(self, matrices: Sequence[Array]) -> Sequence[Array]:
        """What bands work with, from the matrices."""
        return [*matrices[:2], matrices[2] + self._base]

    def value(self, padded: Array, matrices: Sequence[Array], run: Run = map) -> Array:
        """The sum, () float64."""
        return self.by_pixel(padded, matrices, run).sum(dtype=self._xp.float64)

    def by_pixel(self, padded: Array, matrices: Sequence[Array], run: Run = map) -> Array:
        """(H, W): its part at each pixel."""
        ready = self._ready(matrices)
        out = self._xp.empty_like(self._target[0])

        def measure(band: slice) -> None:
            out[band] = self._squares(padded, ready, band)

        list(run(measure, self._bands))
        return out

    def _squares(self, padded: Array, matrices: Sequence[Array], band: slice) -> Array:
        """(rows, W): the part of each pixel of a band."""
        with self._blocks.one() as block:
            error = self._error(block, band, padded, matrices)
            error *= error
            return error.sum(0).reshape(-1, self._arch.width)

    def _error(self, block: Block, band: slice, padded: Array, matrices: Sequence[Array]) -> Array:
        """(components, points) of a band: synthesis - target."""
        rows, width = band.stop - band.start, self._arch.width
        fill_features(block.inputs(rows * width).reshape(-1, rows, width), padded, band, self._scales, self._xp)
        error = block.forward(matrices, rows * width)
        error -= self._target[:, band].reshape(len(error), -1)
        return error

    def gradient(
        self, padded: Array, matrices: Sequence[Array], into: Array, run: Run = map
    ) -> tuple[Array, list[Array]]:
        """The sum, () float64, and its derivatives by matrices; those by planes go `into` an array as padded."""
        ready = self._ready(matrices)
        into[...] = 0
        of_band = functools.partial(self._derivatives, padded, ready, into)
        total: Array = 0.0
        sums = None
        for band, (error, grads, halo) in zip(self._bands, run(of_band, self._bands), strict=True):
            total += error
            sums = grads if sums is None else [one + other for one, other in zip(sums, grads, strict=True)]
            into[:FINE, band.start : band.stop + 2] += halo
        return total, sums or []

    def _derivatives(
        self, padded: Array, matrices: Sequence[Array], into: Array, band: slice
    ) -> tuple[Array, Sequence[Array], Array]:
        """Error and gradients of a band; those by the fine planes with a row before and after, for others to add to."""
        with self._blocks.one() as block:
            error = self._error(block, band, padded, matrices)
            total = self._xp.asarray(self._xp.vdot(error.reshape(-1), error.reshape(-1)), dtype=self._xp.float64)
            error *= 2
            grads, by_inputs = block.backward(matrices, error)
            return total, grads, self._spread(by_inputs, into, band)

    def _spread(self, by_inputs: Array, into: Array, band: slice) -> Array:
        """By a band's inputs -> by each plane; those of fine ones are given back."""
        rows, width, planes = band.stop - band.start, self._arch.width, len(self._scales)
        by_inputs = by_inputs.reshape(-1, rows, width)
        for plane in range(FINE, planes):
            self._xp.multiply(
                by_inputs[plane], self._scales[plane], out=into[plane, band.start + 1 : band.stop + 1, 1:-1]
            )
        halo = self._xp.zeros_like(into[:FINE, : rows + 2])
        for plane in range(FINE):
            around = planes + plane * len(AROUND)
            halo[plane, 1:-1, 1:-1] += by_inputs[plane]
            for number, (dy, dx) in enumerate(AROUND):
                halo[plane, 1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + width] += by_inputs[around + number]
            halo[plane] *= self._scales[plane]
        return halo
