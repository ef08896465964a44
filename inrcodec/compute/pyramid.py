"""Grids of half the size, and half of that, enlarged to one another: the quadratic B-spline's subdivision.

The coefficients c of a quadratic B-spline on a grid of cells are those of the same function on a grid of half cells as

    out[2 i] = (c[i - 1] + 3 c[i]) / 4,  out[2 i + 1] = (3 c[i] + c[i + 1]) / 4

along each axis (Chaikin 1974), the first and the last one repeated beyond the edges. Cells nest: cell i covers the
finer cells 2 i and 2 i + 1, so a side of n cells belongs to one of 2 n or 2 n - 1.

All functions take NumPy arrays or torch tensors (.., rows, columns), in any precision, and `empty`, which makes arrays
like them.
"""

from typing import Any, Protocol

from inrcodec.compute.arena import Array, Empty


class Pyramid(Protocol):
    """What enlarges: this module, or another one with functions that agree to the last bits."""

    def enlarge(self, coefficients: Array, height: int, width: int, empty: Empty) -> Array:
        """See `enlarge` below."""
        ...

    def enlarge_back(self, gradient: Array, empty: Empty) -> Array:
        """See `enlarge_back` below."""
        ...


def enlarge(coefficients: Array, height: int, width: int, empty: Empty) -> Array:
    """(.., h, w) -> (.., height, width), those of the same function on the finer grid: h = ceil(height / 2), .. ."""
    return _stretch(_stretch(coefficients, width, -1, empty), height, -2, empty)


def enlarge_back(gradient: Array, empty: Empty) -> Array:
    """The adjoint of `enlarge`: (.., height, width) gradients by its results -> (.., h, w) by its arguments."""
    return _gather(_gather(gradient, -2, empty), -1, empty)


def _along(axis: int, start: int | None, stop: int | None, step: int | None = None) -> tuple[Any, ...]:
    """The index of a slice along the last axis, or the one before."""
    part = slice(start, stop, step)
    return (..., part) if axis == -1 else (..., part, slice(None))


def _scaled(factor: float, values: Array, empty: Empty) -> Array:
    out = empty(*values.shape)
    out[...] = values
    out *= factor
    return out


def _stretch(c: Array, length: int, axis: int, empty: Empty) -> Array:
    """n -> length along an axis, 2 n or 2 n - 1."""
    n = c.shape[axis]
    far, even = _scaled(0.25, c, empty), _scaled(0.75, c, empty)
    odd = empty(*even[_along(axis, None, length - n)].shape)
    odd[...] = even[_along(axis, None, length - n)]
    even[_along(axis, 1, None)] += far[_along(axis, None, n - 1)]
    even[_along(axis, None, 1)] += far[_along(axis, None, 1)]
    odd[_along(axis, None, n - 1)] += far[_along(axis, 1, None)]
    odd[_along(axis, n - 1, None)] += far[_along(axis, n - 1, length - n)]
    shape = list(c.shape)
    shape[axis] = length
    out = empty(*shape)
    out[_along(axis, 0, None, 2)], out[_along(axis, 1, None, 2)] = even, odd
    return out


def _gather(g: Array, axis: int, empty: Empty) -> Array:
    """The adjoint of `_stretch`: length -> n along an axis."""
    near, odd = (_scaled(0.75, g[_along(axis, start, None, 2)], empty) for start in (0, 1))
    n, count = near.shape[axis], odd.shape[axis]
    far = _scaled(1 / 3, near, empty)
    near[_along(axis, None, count)] += odd
    near[_along(axis, None, n - 1)] += far[_along(axis, 1, None)]
    near[_along(axis, None, 1)] += far[_along(axis, None, 1)]
    odd *= 1 / 3
    near[_along(axis, 1, None)] += odd[_along(axis, None, n - 1)]
    last = odd[_along(axis, n - 1, None)]
    near[_along(axis, n - last.shape[axis], None)] += last
    return near
