"""Planes of native pixels as smooth functions of a continuous position: the interpolating cubic B-spline.

Pixel i has its centre at position i, so a side of n pixels spans -1/2 .. n - 1/2; beyond the edges the first and the
last one are repeated for ever. Along each axis, with t = i + u, i whole and 0 <= u < 1,

    s(t) = c[i - 1] w_0(u) + c[i] w_1(u) + c[i + 1] w_2(u) + c[i + 2] w_3(u)
    c[i] = sqrt(3) sum_k z^|k| f[i - k],  z = sqrt(3) - 2

which is twice continuously differentiable and passes through all pixels (Unser, Aldroubi and Eden 1993). Each half of
the sum is a product of five factors, (1 + z S) (1 + z^2 S^2) .. (1 + z^16 S^16) with S the shift by one pixel; left
out is z^32, below 1e-18. Where both positions are whole s is the pixel itself, and is taken from there: a mid-grey
that follows from zeros lies halfway between two codes, and would fall to either side with the last bit of a sum.

The whole is written once for NumPy and torch. Everything is done element by element, so numbers do not depend on how
the points are cut into bands; torch differentiates by the positions, and by the planes.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from inrcodec.compute.sine import Jet

Array = Any
"""A NumPy array or a torch tensor."""

BEYOND = 1.5
"""How far outside the frame positions mean something; those further out are moved here."""
_MARGIN = 5
"""Coefficients beyond each edge: 2 for the furthest position, 1 for its neighbour, 2 for the taps."""
_POLE = 3**0.5 - 2


class Spline:
    """The spline through planes (P, H, W); `xp` is their module, numpy or torch.

    Positions are float64 arrays of that module, or of NumPy; results have the dtype of the planes. Where the position
    of row and column are both whole, values are the plane's own, bit for bit. `reach` is 0 or 1: results have
    2 reach + 1 entries for the rows of a point's neighbours, -reach .. reach whole pixels away, and as many for the
    columns.
    """

    def __init__(self, planes: Array, xp: Any) -> None:
        self._planes, self._xp = planes, xp

    @cached_property
    def coefficients(self) -> Array:
        """(P, H + 10, W + 10): c, from index -5 on along both axes. The grid of native pixels does without."""
        return self._xp.stack([_filtered(_filtered(plane, 0, self._xp), 1, self._xp) for plane in self._planes])

    def points(self, rows: Array, columns: Array, reach: int = 0) -> Array:
        """Values at the positions (N,), (N,) and at their neighbours: (P, 2 reach + 1, 2 reach + 1, N)."""
        y, x = self._spot(rows, 1), self._spot(columns, 2)
        whole = (y.fraction == 0) & (x.fraction == 0)
        if whole.all() and not (_tracked(rows) or _tracked(columns)):
            return self._pixels(y.index, x.index, reach)
        taps = self._taps(y.index, x.index, reach)
        values = _blend(_blend(taps, self._weigh(_weights, x), 2), self._weigh(_weights, y), 1)
        return self._exact(values, whole, y, x, reach)

    def jets(self, rows: Array, columns: Array, reach: int = 0) -> Jet:
        """`points` with gradient (.., 2), by the position of row and column, and laplacian, in native pixels."""
        y, x = self._spot(rows, 1), self._spot(columns, 2)
        taps = self._taps(y.index, x.index, reach)
        flat, slope, bend = [_blend(taps, self._weigh(kind, x), 2) for kind in (_weights, _slopes, _bends)]
        across, along, bent = [self._weigh(kind, y) for kind in (_weights, _slopes, _bends)]
        values = self._exact(_blend(flat, across, 1), (y.fraction == 0) & (x.fraction == 0), y, x, reach)
        gradient = self._xp.stack([_blend(flat, along, 1), _blend(slope, across, 1)], -1)
        return Jet(values, gradient, _blend(flat, bent, 1) + _blend(bend, across, 1))

    def grid(self, rows: Array, columns: Array, reach: int = 0) -> Array:
        """`points` at all pairs of positions (R,) and (C,): (P, 2 reach + 1, 2 reach + 1, R, C), not to be written to.

        Where positions come again one pixel on, as those of a picture enlarged 2, 4 or 8 times do, neighbours are
        points of the same grid, and the result is a view that shows each of them up to 9 times.
        """
        (tall, down), (wide, right) = self._widened(rows, 1, reach), self._widened(columns, 2, reach)
        y, x = _split(tall, self._xp), _split(wide, self._xp)
        if _is_run(y, self._xp) and _is_run(x, self._xp) and not (_tracked(tall) or _tracked(wide)):
            native = _cut(self._planes, int(y.index[0]), int(y.index[-1]) + 1, 1, self._xp)
            values = _cut(native, int(x.index[0]), int(x.index[-1]) + 1, 2, self._xp)
        else:
            values = self._product(y, x)
        return _windows(_windows(values, len(rows), down, 1), len(columns), right, 2)

    def _spot(self, positions: Array, axis: int) -> "_Spots":
        return _split(self._clamped(positions, axis), self._xp)

    def _clamped(self, positions: Array, axis: int) -> Array:
        """The positions as an array of the planes' module, none far outside the frame."""
        if isinstance(positions, np.ndarray):
            positions = self._xp.asarray(positions, device=self._planes.device)
        return self._xp.clip(positions, -0.5 - BEYOND, self._planes.shape[axis] - 0.5 + BEYOND)

    def _widened(self, positions: Array, axis: int, reach: int) -> tuple[Array, int]:
        """Positions with those of their neighbours at both ends, and how many entries on the neighbour lies."""
        positions = self._clamped(positions, axis)
        step = _period(positions)
        if not reach:
            return positions, step
        return self._xp.concatenate([positions[:step] - 1, positions, positions[-step:] + 1]), step

    def _weigh(self, kind: Callable[[Array], Sequence[Array]], spots: "_Spots") -> list[Array]:
        """The four weights of a kind, computed in float64, in the planes' dtype."""
        return [_cast(weight, self._planes.dtype) for weight in kind(spots.fraction)]

    def _taps(self, rows: Array, columns: Array, reach: int) -> Array:
        """(P, 4 + 2 reach, 4 + 2 reach, N): the coefficients around points."""
        count, width = len(self._planes), self.coefficients.shape[2]
        y, x = [_around(index + _MARGIN, 1 + reach, 2 + reach, self._xp) for index in (rows, columns)]
        index = y[:, None] * width + x[None]
        flat = self.coefficients.reshape(count, -1)
        return _pick(flat, index.reshape(-1), 1).reshape(count, *index.shape)

    def _pixels(self, rows: Array, columns: Array, reach: int) -> Array:
        """(P, 2 reach + 1, 2 reach + 1, N): the planes themselves around pixels, which may lie outside."""
        count, height, width = self._planes.shape
        y = self._xp.clip(_around(rows, reach, reach, self._xp), 0, height - 1)
        x = self._xp.clip(_around(columns, reach, reach, self._xp), 0, width - 1)
        index = y[:, None] * width + x[None]
        return _pick(self._planes.reshape(count, -1), index.reshape(-1), 1).reshape(count, *index.shape)

    def _exact(self, values: Array, whole: Array, y: "_Spots", x: "_Spots", reach: int) -> Array:
        """Values with those at whole positions replaced by the planes' own."""
        (hits,) = self._xp.where(whole)
        if len(hits):
            pixels = self._pixels(y.index[hits], x.index[hits], reach)
            values[..., hits] = _replaced(values[..., hits], pixels)
        return values

    def _product(self, y: "_Spots", x: "_Spots") -> Array:
        """(P, R, C): values at all pairs. Along columns first: native rows are fewer than those of an enlargement."""
        top, left = int(y.index.min()) - 1, int(x.index.min()) - 1
        bottom, right = int(y.index.max()) + 3, int(x.index.max()) + 3
        part = self.coefficients[:, top + _MARGIN : bottom + _MARGIN, left + _MARGIN : right + _MARGIN]
        across, down = self._weigh(_weights, x), [weight[:, None] for weight in self._weigh(_weights, y)]
        # plane by plane, so that what is summed stays in the cache
        wide = (_sample(plane, x.index - left - 1, across, 1) for plane in part)
        values = self._xp.stack([_sample(plane, y.index - top - 1, down, 0) for plane in wide])
        return self._exact_pairs(values, y, x)

    def _exact_pairs(self, values: Array, y: "_Spots", x: "_Spots") -> Array:
        """`_exact` for (P, R, C)."""
        (rows,), (columns,) = self._xp.where(y.fraction == 0), self._xp.where(x.fraction == 0)
        if len(rows) and len(columns):
            own = self._xp.clip(y.index[rows], 0, self._planes.shape[1] - 1)[:, None]
            pixels = self._planes[:, own, self._xp.clip(x.index[columns], 0, self._planes.shape[2] - 1)]
            hits = (slice(None), rows[:, None], columns)
            values[hits] = _replaced(values[hits], pixels)
        return values


class _Spots(NamedTuple):
    """Positions along an axis."""

    index: Array
    """(N,) int64: the pixel at the position or before it."""
    fraction: Array
    """(N,) float64: how far on, 0 .. 1."""


def _split(positions: Array, xp: Any) -> _Spots:
    floor = xp.floor(positions)
    return _Spots(_cast(floor, xp.int64), positions - floor)


def _weights(u: Array) -> list[Array]:
    """The cubic B-spline at 1 + u, u, u - 1 and u - 2."""
    v = 1 - u
    return [v * v * v / 6, 2 / 3 - u * u * (1 - u / 2), 2 / 3 - v * v * (1 - v / 2), u * u * u / 6]


def _slopes(u: Array) -> list[Array]:
    """The first derivatives of `_weights`."""
    v = 1 - u
    return [-v * v / 2, u * (1.5 * u - 2), v * (2 - 1.5 * v), u * u / 2]


def _bends(u: Array) -> list[Array]:
    """The second derivatives of `_weights`."""
    v = 1 - u
    return [v, 3 * u - 2, 3 * v - 2, u]


def _period(positions: Array) -> int:
    """How many entries on the same positions come again, one pixel further: exactly, or all of them.

    One entry's gradient must not reach another, so positions that autograd follows have no period.
    """
    count = len(positions)
    step = int((positions < positions[:1] + 1).sum())
    again = 0 < step < count and not _tracked(positions) and bool((positions[step:] == positions[:-step] + 1).all())
    return step if again else count


def _is_run(spots: _Spots, xp: Any) -> bool:
    """Whether these are pixels, one after another."""
    return bool((spots.fraction == 0).all()) and bool((xp.diff(spots.index) == 1).all())


def _around(index: Array, before: int, after: int, xp: Any) -> Array:
    """(N,) -> (before + 1 + after, N): the indices -before .. after from each."""
    return xp.stack([index + offset for offset in range(-before, after + 1)])


def _along(axis: int, start: int | None, stop: int | None) -> tuple[slice, ...]:
    """The index of a slice along an axis."""
    return (*[slice(None)] * axis, slice(start, stop))


def _cut(planes: Array, start: int, stop: int, axis: int, xp: Any) -> Array:
    """Entries start .. stop - 1 along an axis, the first and the last repeated outside; inside it is a view."""
    count = planes.shape[axis]
    inside = planes[_along(axis, min(max(start, 0), count), min(max(stop, 0), count))]
    before, after = max(min(stop, 0) - start, 0), max(stop - max(start, count), 0)
    if not before and not after:
        return inside
    first, last = planes[_along(axis, None, 1)], planes[_along(axis, count - 1, None)]
    return xp.concatenate([*[first] * before, inside, *[last] * after], axis)


def _filtered(plane: Array, axis: int, xp: Any) -> Array:
    """Samples -> coefficients along an axis, with the margins: n -> n + 10."""
    samples = _cut(plane, -_MARGIN, plane.shape[axis] + _MARGIN, axis, xp)
    total = _tail(samples, axis, True) + _tail(samples, axis, False)
    total -= samples
    total *= 3**0.5
    return total


def _tail(samples: Array, axis: int, before: bool) -> Array:
    """sum_k z^k f[i - k] over 0 <= k < 32, or f[i + k], where what lies beyond the ends is what lies there."""
    total = samples + 0
    for shift in (1, 2, 4, 8, 16):
        far = total * _POLE**shift
        if before:
            total[_along(axis, None, shift)] += far[_along(axis, None, 1)]
            total[_along(axis, shift, None)] += far[_along(axis, None, -shift)]
        else:
            total[_along(axis, -shift, None)] += far[_along(axis, -1, None)]
            total[_along(axis, None, -shift)] += far[_along(axis, shift, None)]
    return total


def _blend(taps: Array, weights: Sequence[Array], axis: int) -> Array:
    """4 + 2 reach taps -> 2 reach + 1 sums along an axis: all neighbours have the weights of their point."""
    count = taps.shape[axis] - 3
    total = taps[_along(axis, 0, count)] * weights[0]
    for tap in range(1, 4):
        total += taps[_along(axis, tap, tap + count)] * weights[tap]
    return total


def _sample(plane: Array, first: Array, weights: Sequence[Array], axis: int) -> Array:
    """The sums of four taps along an axis, from each of the entries `first` on."""
    total = _pick(plane, first, axis) * weights[0]
    for tap in range(1, 4):
        total += _pick(plane, first + tap, axis) * weights[tap]
    return total


# Where NumPy and torch differ.


def _cast(array: Array, dtype: Any) -> Array:
    return array.astype(dtype, copy=False) if isinstance(array, np.ndarray) else array.to(dtype)


def _pick(array: Array, index: Array, axis: int) -> Array:
    """Entries along an axis."""
    return array.take(index, axis) if isinstance(array, np.ndarray) else array.index_select(axis, index)


def _tracked(array: Array) -> bool:
    """Whether autograd follows it."""
    return bool(getattr(array, "requires_grad", False))


def _replaced(values: Array, exact: Array) -> Array:
    """The exact values, with the derivatives of the others."""
    return exact.detach() - (values.detach() - values) if _tracked(values) else exact


def _windows(array: Array, size: int, step: int, axis: int) -> Array:
    """Windows of a size along an axis, every `step` entries, as a view: the axis counts them, the last one is in them.

    (.., n, ..) -> (.., 1 + (n - size) / step, .., size).
    """
    if isinstance(array, np.ndarray):
        return sliding_window_view(array, size, axis)[(*[slice(None)] * axis, slice(None, None, step))]
    return array.unfold(axis, size, step)
