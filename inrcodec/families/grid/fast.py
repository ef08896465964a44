"""What `compiled.py` does in place of NumPy, under the same names and signatures."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from inrcodec.compute.arena import Array, Arrays
from inrcodec.compute.numba_code import is_kept, machine_code
from inrcodec.families.grid import anneal, compiled
from inrcodec.families.grid.arch import FINE, GridArch
from inrcodec.families.grid.distortion import Distortion, bands
from inrcodec.families.grid.rate import Coded
from inrcodec.families.grid.views import depth

_ROWS = 8
"""Rows of a band, at least: memory of its own that a band leaves grows with the rows around it."""
_MOST_VIEWS = max(len(each.views(True)) for each in GridArch(1, 1, 4).together())


def _weights(matrices: Sequence[Array], is_sine: bool) -> tuple[Array, ...]:
    """The matrices of a network, and those that its backward pass multiplies by: see `block.Block.backward`."""
    first, second, last = matrices
    width = len(first)
    inner = second[:, :-1] if is_sine else np.concatenate([last[:, :width], second[:, :-1]])
    lower = np.concatenate([first[:, :-1], last[:, width:-1]])
    every = first, second, last, last[:, :width].T, inner.T, lower.T
    return tuple(np.ascontiguousarray(each, np.float32) for each in every)


def _bands(height: int, width: int, points: int) -> list[slice]:
    """Rows in bands of at most so many points, or of `_ROWS`."""
    return bands(height, width, max(points, _ROWS * width))


def _as_many(planes: Sequence[Array]) -> tuple[Array, ...]:
    """The planes, and the first one again until there are as many as any network sees: one type, compiled once."""
    return (*planes, *[planes[0]] * (_MOST_VIEWS - len(planes)))


def _grads(weights: Sequence[Array]) -> tuple[Array, ...]:
    return tuple(np.zeros(each.shape) for each in weights[:3])


class CompiledCoded(Coded):
    """See `rate.Coded`."""

    def _ready(self, matrices: Sequence[Array]) -> Sequence[Array]:
        return _weights(matrices, False)

    def _bands(self, q: Array) -> list[slice]:
        _, height, width = q.shape
        return _bands(height, width, self._at_once)

    def _bits(self, q: Array, planes: Sequence[Array], matrices: Sequence[Array], band: slice) -> Array:
        bits = np.zeros((band.stop - band.start, q.shape[2]), np.float32)
        seen = self._seen(q, planes)
        slopes = q, seen[1], self._above, _grads(matrices)
        compiled.contexts(seen, matrices, band.start, band.stop, bits, slopes, False)
        return bits

    def _derivatives(
        self, q: Array, planes: Sequence[Array], matrices: Sequence[Array], by_q: Array, band: slice
    ) -> tuple[float, Sequence[Array], Sequence[Array]]:
        rows, grads = band.stop - band.start, _grads(matrices)
        bits = np.zeros((rows, q.shape[2]), np.float32)
        across = planes[0].shape[1]
        halos = [np.zeros((before + rows + after, across), np.float32) for before, after in self._reach]
        slopes = by_q, _as_many(halos), self._above, grads
        compiled.contexts(self._seen(q, planes), matrices, band.start, band.stop, bits, slopes, True)
        return float(bits.sum(dtype=np.float64)), grads, halos

    def _seen(self, q: Array, planes: Sequence[Array]) -> tuple[Any, ...]:
        return q, _as_many(planes), self._places, np.float32(depth(self._level))

    @cached_property
    def _places(self) -> Array:
        """(inputs - 1, 3) int64: the view, row and column of each place that is seen."""
        return np.array([(number, dy, dx) for number, view in enumerate(self._views) for dy, dx in view.places])

    @cached_property
    def _above(self) -> Array:
        """(views,) int64: how many rows each reaches above a band."""
        return np.array([before for before, _ in self._reach])


class CompiledDistortion(Distortion):
    """See `distortion.Distortion`."""

    def __init__(self, arch: GridArch, target: Array, arrays: Arrays) -> None:
        super().__init__(arch, target, arrays)
        self._bands = _bands(arch.height, arch.width, arrays.points)

    def _ready(self, matrices: Sequence[Array]) -> Sequence[Array]:
        return _weights(super()._ready(matrices), True)

    def _squares(self, padded: Array, matrices: Sequence[Array], band: slice) -> Array:
        squares = np.zeros((band.stop - band.start, padded.shape[2] - 2), np.float32)
        slopes = padded, padded, _grads(matrices)
        compiled.synthesis(self._seen(padded), matrices, band.start, band.stop, squares, slopes, False)
        return squares

    def _derivatives(
        self, padded: Array, matrices: Sequence[Array], into: Array, band: slice
    ) -> tuple[float, Sequence[Array], Array]:
        rows, grads = band.stop - band.start, _grads(matrices)
        squares = np.zeros((rows, padded.shape[2] - 2), np.float32)
        halo = np.zeros((FINE, rows + 2, padded.shape[2]), np.float32)
        slopes = into, halo, grads
        compiled.synthesis(self._seen(padded), matrices, band.start, band.stop, squares, slopes, True)
        return float(squares.sum(dtype=np.float64)), grads, halo

    def _seen(self, padded: Array) -> tuple[Array, ...]:
        return self._target, padded, np.array(self._scales, np.float32)


class CompiledAdam(anneal.Adam):
    """See `anneal.Adam`; there is one rate."""

    def _move(self, values: Array, gradient: Array, rate: Array | float, piece: slice) -> None:
        mean, square = self.mean[piece], self.square[piece]
        unbiased = [rate / (1 - self._betas[0] ** self.steps), 1 / (1 - self._betas[1] ** self.steps)]
        numbers = np.array([*self._betas, *unbiased, self.EPSILON], np.float32)
        _adam(values, gradient, mean, square, numbers)


def seen(q: Array, p: float, draw: Callable[[Array], Array], xp: Any) -> tuple[Array, Array]:
    """See `anneal.seen`."""
    out, slope = np.empty_like(q), np.empty_like(q)
    temperature, deviation = anneal.between(anneal.SHARPNESS, p), anneal.between(anneal.DEVIATION, p)
    compiled.seen(q, draw(q), np.float32(temperature), np.float32(deviation), out, slope)
    return out, slope


@machine_code
def _adam(values: Array, gradient: Array, mean: Array, square: Array, numbers: Array) -> None:
    """`anneal.Adam._move`: `numbers` are both betas, what the mean and the square are multiplied by, and epsilon."""
    of_mean, of_square, rate, whole, epsilon = numbers
    for at in range(len(values)):
        mean[at] = of_mean * mean[at] + (np.float32(1) - of_mean) * gradient[at]
        square[at] = of_square * square[at] + (np.float32(1) - of_square) * gradient[at] * gradient[at]
        values[at] -= rate * mean[at] / (np.sqrt(square[at] * whole) + epsilon)


def was_compiled() -> bool:
    """Whether an earlier search on this machine has left the code of all this."""
    return all(is_kept(each) for each in (compiled.contexts, compiled.synthesis, compiled.seen, _adam))
