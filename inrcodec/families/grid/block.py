"""The small networks of a grid picture, over one chunk of points, with a backward pass by hand.

    h1  = act(W1 [x; 1])
    h2  = act(W2 [h1; 1])              of a context network: h1 + act(..)
    out = W3 [h2; x; 1]

act is the sine for the synthesis, and for contexts x where that is positive, else x / 8, which integers can do too.

Features come first, (rows, points), and a layer's bias is the last column of its matrix: see `compute/sine.py`.
"""

from collections.abc import Sequence
from typing import Any

from inrcodec.compute.arena import Array, Empty

LEAK = 0.125
"""Slope of a context network's activation below 0."""


class Block:
    """Room for a chunk of a network's points: inputs are written to `inputs`, then `forward`, then `backward`."""

    def __init__(self, inputs: int, width: int, points: int, is_sine: bool, xp: Any, empty: Empty) -> None:
        """`xp` is NumPy or torch, `empty` makes its arrays."""
        self._xp, self._is_sine = xp, is_sine
        self._width = width
        self._last = empty(width + inputs + 1, points)
        self._second = empty(width + 1, points)
        self._slopes = [empty(width, points) for _ in range(2)]
        self._deltas = [empty(width, points) for _ in range(2)]
        self._last[-1] = 1
        self._second[-1] = 1

    def inputs(self, count: int) -> Array:
        """Where x of the first `count` points goes, (inputs, count)."""
        return self._last[self._width : -1, :count]

    def forward(self, matrices: Sequence[Array], count: int) -> Array:
        """(outputs, count): a new array."""
        first, second, last = matrices
        hidden, below = self._second[:-1, :count], self._last[: self._width, :count]
        self._activate(first, self._last[self._width :, :count], self._slopes[0][:, :count], hidden)
        self._activate(second, self._second[:, :count], self._slopes[1][:, :count], below)
        if not self._is_sine:
            below += hidden
        return last @ self._last[:, :count]

    def _activate(self, matrix: Array, inputs: Array, slopes: Array, out: Array) -> None:
        """act(matrix inputs) into `out`, and its derivative into `slopes`."""
        xp = self._xp
        if self._is_sine:
            xp.matmul(matrix, inputs, out=slopes)
            xp.sin(slopes, out=out)
            xp.cos(slopes, out=slopes)
            return
        xp.matmul(matrix, inputs, out=out)
        xp.sign(out, out=slopes)
        slopes *= (1 - LEAK) / 2
        slopes += (1 + LEAK) / 2
        out *= slopes

    def backward(self, matrices: Sequence[Array], delta: Array) -> tuple[list[Array], Array]:
        """From d / d outputs (outputs, count): d / d matrices, and d / d inputs (inputs, count), a new array."""
        (first, second, last), width, count = matrices, self._width, delta.shape[1]
        above, below = (each[:, :count] for each in self._deltas)
        of_last, inputs = delta @ self._last[:, :count].T, last[:, width:-1].T @ delta
        self._xp.matmul(last[:, :width].T, delta, out=above)
        if self._is_sine:
            above *= self._slopes[1][:, :count]
            self._xp.matmul(second[:, :-1].T, above, out=below)
        else:
            below[...] = above
            above *= self._slopes[1][:, :count]
            below += second[:, :-1].T @ above
        of_second = above @ self._second[:, :count].T
        below *= self._slopes[0][:, :count]
        inputs += first[:, :-1].T @ below
        return [below @ self._last[width:, :count].T, of_second, of_last], inputs
