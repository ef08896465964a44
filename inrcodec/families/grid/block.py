"""The small networks of a grid picture, over one chunk of points, with a backward pass by hand.

    h1  = act(W1 [x; 1])
    h2  = act(W2 [h1; 1])              of a context network: h1 + act(..)
    out = W3 [h2; x; 1]

act is the sine for the synthesis, and for contexts x where that is positive, else x / 8, which integers can do too.

Features come first, (rows, points), and a layer's bias is the last column of its matrix: see `compute/sine.py`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from inrcodec.compute.arena import Array, Empty

LEAK = 0.125
"""Slope of a context network's activation below 0."""
PRODUCT = 1_000_000
"""Multiplications of a product of NumPy's, at most: OpenBLAS has kernels for those that copy nothing, twice as fast."""


class Block:
    """Room for a chunk of a network's points: inputs are written to `inputs`, then `forward`, then `backward`."""

    def __init__(
        self, sizes: tuple[int, int, int], points: int, is_sine: bool, xp: Any, empty: Empty, whole: bool = False
    ) -> None:
        """`sizes` are those of inputs, layers, outputs; `xp` is NumPy or torch, `empty` makes its arrays.

        With `whole`, products are of all points at once: pieces round otherwise at their ends.
        """
        inputs, width, outputs = sizes
        self._xp, self._is_sine, self._width = xp, is_sine, width
        largest = max((width + outputs) * (inputs + 1), width * (width + 1))
        self._piece = points if whole or xp is not np else PRODUCT // largest
        self._last = empty(width + inputs + 1, points)
        self._second = empty(width + 1, points)
        self._slopes = [empty(width, points) for _ in range(2)]
        self._deltas = empty(width + outputs + width, points)
        self._out, self._by_inputs = empty(outputs, points), empty(inputs, points)
        self._last[-1] = 1
        self._second[-1] = 1

    def inputs(self, count: int) -> Array:
        """Where x of the first `count` points goes, (inputs, count)."""
        return self._last[self._width : -1, :count]

    def forward(self, matrices: Sequence[Array], count: int) -> Array:
        """(outputs, count), which the next call writes over."""
        first, second, last = matrices
        hidden, below = self._second[:-1, :count], self._last[: self._width, :count]
        self._activate(first, self._last[self._width :, :count], self._slopes[0][:, :count], hidden)
        self._activate(second, self._second[:, :count], self._slopes[1][:, :count], below)
        if not self._is_sine:
            below += hidden
        return self._times(last, self._last[:, :count], self._out[:, :count])

    def _activate(self, matrix: Array, inputs: Array, slopes: Array, out: Array) -> None:
        """act(matrix inputs) into `out`, and its derivative into `slopes`."""
        xp = self._xp
        if self._is_sine:
            self._times(matrix, inputs, slopes)
            xp.sin(slopes, out=out)
            xp.cos(slopes, out=slopes)
            return
        self._times(matrix, inputs, out)
        slopes[...] = out > 0
        slopes *= 1 - LEAK
        slopes += LEAK
        out *= slopes

    def backward(self, matrices: Sequence[Array], delta: Array) -> tuple[list[Array], Array]:
        """From d / d outputs (outputs, count): d / d matrices, and d / d inputs (inputs, count), which the next call
        writes over."""
        (first, second, last), width, count = matrices, self._width, delta.shape[1]
        of_hidden, of_inputs = last[:, :width], last[:, width:-1]
        below, both, above = self._deltas[:width, :count], self._deltas[width:, :count], self._deltas[-width:, :count]
        both[:-width] = delta
        self._times(of_hidden.T, delta, above)
        above *= self._slopes[1][:, :count]
        if self._is_sine:
            self._times(second[:, :-1].T, above, below)
        else:
            self._times(self._xp.concatenate([of_hidden, second[:, :-1]]).T, both, below)
        below *= self._slopes[0][:, :count]
        ends = self._deltas[:-width, :count]
        by_inputs = self._times(self._xp.concatenate([first[:, :-1], of_inputs]).T, ends, self._by_inputs[:, :count])
        by_ends = self._over_points(ends, self._last[width:, :count])
        by_second = self._over_points(above, self._second[:, :count])
        by_hidden = self._over_points(delta, self._last[:width, :count])
        by_last = self._xp.concatenate([by_hidden, by_ends[width:]], axis=1)
        return [by_ends[:width], by_second, by_last], by_inputs

    def _times(self, matrix: Array, points: Array, out: Array) -> Array:
        """matrix points, into `out`."""
        for piece in self._pieces(points):
            self._xp.matmul(matrix, points[:, piece], out=out[:, piece])
        return out

    def _over_points(self, delta: Array, points: Array) -> Array:
        """The derivative of `_times` by its matrix: the sum over the points of delta's column times theirs."""
        return sum(delta[:, piece] @ points[:, piece].T for piece in self._pieces(points))

    def _pieces(self, points: Array) -> list[slice]:
        return [slice(start, start + self._piece) for start in range(0, points.shape[1], self._piece)]
