"""A SIREN forward and backward over one chunk of points, written out by hand, in buffers that are allocated once.

Features come first, (neurons, pixels): matrix products are faster so, and a layer's bias is one more column of its
matrix, against a row of ones. For layer l with matrix M_l = [W_l | b_l] and A_l = [a_l; 1],

    z_{l+1} = M_l A_l,  a_{l+1} = sin z_{l+1}              the last layer without a sine
    d_l     = d objective / d z_l, from the output down:   d_l = (W_l^T d_{l+1}) cos z_l

Everything that is wanted of a picture follows from the pairs (d_{l+1}, A_l): the gradient is d A^T, the rows of the
Jacobian are their products pixel by pixel, and the sums of squares of these are (d^2) (A^2)^T.

Beside autograd on the same two cores this takes half of the time (docs/experiments.md). `xp` is the array module, numpy
or torch; both write into given buffers through `out=`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from inrcodec.families.siren.network import Array, SirenArch


class Forward:
    """The forward pass over a chunk, as a decoder takes it: all layers share two buffers. Use one per thread."""

    def __init__(self, arch: SirenArch, pixels: int, xp: Any, empty: Callable[[int, int], Array]) -> None:
        """Room for `pixels` points; `empty` makes an array of a shape, where the network is and of its type."""
        self._xp = xp
        self.pixels = pixels
        sizes = (2, *arch.dim_hidden, arch.channels)
        self._inputs, self._sums = self._buffers([size + 1 for size in sizes[:-1]], sizes[1:], empty)

    def _buffers(
        self, ins: Sequence[int], outs: Sequence[int], empty: Callable[[int, int], Array]
    ) -> tuple[list[Array], list[Array]]:
        """Of every layer: A_l, and room for z_{l+1}."""
        inputs, sums = empty(max(ins), self.pixels), empty(max(outs), self.pixels)
        return [inputs[:size] for size in ins], [sums[:size] for size in outs]

    def forward(self, matrices: Sequence[Array], coords: Array) -> Array:
        """(N, 2) coords, N at most `pixels` -> (channels, N) outputs, to be read before the next call.

        `matrices` are [W | b] of all layers, (n_out, n_in + 1).
        """
        count = len(coords)
        self._inputs[0][:2, :count] = coords.T
        for layer, matrix in enumerate(matrices):
            inputs, sums = self._inputs[layer][:, :count], self._sums[layer][:, :count]
            inputs[-1] = 1
            self._xp.matmul(matrix, inputs, out=sums)
            if layer + 1 < len(matrices):
                self._xp.sin(sums, out=self._inputs[layer + 1][:-1, :count])
                self._keep(sums)
        return sums

    def _keep(self, sums: Array) -> None:
        """What is to be left of z; nothing reads it again."""


class Tape(Forward):
    """A forward pass that leaves what the backward pass needs: each layer's inputs, and slopes in place of its sums."""

    def _buffers(
        self, ins: Sequence[int], outs: Sequence[int], empty: Callable[[int, int], Array]
    ) -> tuple[list[Array], list[Array]]:
        self._deltas = [empty(size, self.pixels) for size in outs[:-1]]
        return [empty(size, self.pixels) for size in ins], [empty(size, self.pixels) for size in outs]

    def _keep(self, sums: Array) -> None:
        self._xp.cos(sums, out=sums)

    def backward(self, matrices: Sequence[Array], delta: Array) -> Iterator[tuple[Array, Array]]:
        """From `delta`, (channels, N), d objective / d output: (d_{l+1}, A_l) of every layer, the last one first."""
        count = delta.shape[1]
        for layer in range(len(matrices) - 1, -1, -1):
            yield delta, self._inputs[layer][:, :count]
            if layer:
                below = self._deltas[layer - 1][:, :count]
                self._xp.matmul(matrices[layer][:, :-1].T, delta, out=below)
                below *= self._sums[layer - 1][:, :count]
                delta = below
