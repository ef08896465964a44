"""Layers of sines: what they make of points, with derivatives, and backward; all take tensors and sizes.

    a_0 = inputs                             (N, n_0)
    a_l = sin(a_{l-1} W_l^T + b_l)           l = 1 .. depth, W_l is (n_l, n_{l-1})
    out = a_depth W^T + b                    no sine

`forward` and `jet` are pure, and written once: `xp` is the array module, `numpy` or one with torch's names. `Forward`
and `Tape` are the same over one chunk of points, in buffers that are allocated once, with a backward pass by hand.

There features come first, (neurons, pixels): matrix products are faster so, and a layer's bias is one more column of
its matrix, against a row of ones. For layer l with matrix M_l = [W_l | b_l] and A_l = [a_l; 1],

    z_{l+1} = M_l A_l,  a_{l+1} = sin z_{l+1}              the last layer without a sine
    d_l     = d objective / d z_l, from the output down:   d_l = (W_l^T d_{l+1}) cos z_l

Everything that is wanted of a picture follows from the pairs (d_{l+1}, A_l): the gradient is d A^T, the rows of the
Jacobian are their products pixel by pixel, and the sums of squares of these are (d^2) (A^2)^T.

Compared with autograd on the same two cores this takes half of the time (docs/experiments.md). numpy and torch both
write into given buffers through `out=`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

Array = Any
"""A NumPy array or a torch tensor."""


def forward(params: Sequence[Array], inputs: Array, xp: Any) -> Array:
    """(N, n_0) inputs -> (N, outputs) at the tensors W_1, b_1, .., W, b, in the dtype of its arguments.

    `xp` supplies `sin`.
    """
    values = inputs
    for weight, bias in zip(params[:-2:2], params[1:-2:2], strict=True):
        values = xp.sin(values @ weight.T + bias)
    return values @ params[-2].T + params[-1]


class Jet(NamedTuple):
    """Values at N points with their derivatives by the coordinates."""

    value: Array
    """(N, channels)."""
    gradient: Array
    """(N, channels, 2): d / dy, d / dx."""
    laplacian: Array
    """(N, channels): d2 / dy2 + d2 / dx2."""


def coordinate_jet(coords: Array, xp: Any) -> Jet:
    """The coordinates (N, 2) themselves: their gradient is the identity. `xp` supplies `stack` and `zeros_like`."""
    zero, one = xp.zeros_like(coords[:, 0]), xp.ones_like(coords[:, 0])
    gradient = xp.stack([xp.stack([one, zero], -1), xp.stack([zero, one], -1)], -1)
    return Jet(coords, gradient, xp.zeros_like(coords))


def jet(params: Sequence[Array], inputs: Jet, xp: Any) -> Jet:
    """Inputs with derivatives -> outputs with theirs, exact, in one pass (Taylor mode; arXiv:2307.08214, section 3).

    With z the sum before a sine: grad sin z = cos z grad z, and lap sin z = cos z lap z - sin z |grad z|^2; sums map
    all three as they map the values. `xp` supplies `sin`, `cos` and `stack`.
    """
    values, gradients, laplacians = inputs.value, [inputs.gradient[..., axis] for axis in (0, 1)], inputs.laplacian
    for weight, bias in zip(params[:-2:2], params[1:-2:2], strict=True):
        z = values @ weight.T + bias
        along, bend = [gradient @ weight.T for gradient in gradients], laplacians @ weight.T
        values, cosine = xp.sin(z), xp.cos(z)
        laplacians = cosine * bend - values * (along[0] ** 2 + along[1] ** 2)
        gradients = [cosine * gradient for gradient in along]
    weight = params[-2].T
    gradient = xp.stack([gradient @ weight for gradient in gradients], -1)
    return Jet(values @ weight + params[-1], gradient, laplacians @ weight)


class Forward:
    """The forward pass over a chunk, as a decoder takes it: all layers share two buffers. Use one per thread."""

    def __init__(self, sizes: Sequence[int], pixels: int, xp: Any, empty: Callable[[int, int], Array]) -> None:
        """Room for `pixels` points: `sizes` are n_0, .., outputs, and `empty` makes an array of a shape."""
        self._xp = xp
        self.pixels = pixels
        self._inputs, self._sums = self._buffers([size + 1 for size in sizes[:-1]], sizes[1:], empty)

    def _buffers(
        self, ins: Sequence[int], outs: Sequence[int], empty: Callable[[int, int], Array]
    ) -> tuple[list[Array], list[Array]]:
        """A_l and room for z_{l+1} of every layer."""
        inputs, sums = empty(max(ins), self.pixels), empty(max(outs), self.pixels)
        return [inputs[:size] for size in ins], [sums[:size] for size in outs]

    def forward(self, matrices: Sequence[Array], inputs: Array) -> Array:
        """(N, n_0) inputs, N at most `pixels` -> (outputs, N), to be read before the next call.

        `matrices` are [W | b] of all layers, (n_out, n_in + 1).
        """
        count = len(inputs)
        self._inputs[0][:-1, :count] = inputs.T
        for layer, matrix in enumerate(matrices):
            below, sums = self._inputs[layer][:, :count], self._sums[layer][:, :count]
            below[-1] = 1
            self._xp.matmul(matrix, below, out=sums)
            if layer + 1 < len(matrices):
                self._xp.sin(sums, out=self._inputs[layer + 1][:-1, :count])
                self._keep(sums)
        return sums

    def _keep(self, sums: Array) -> None:
        """What is to be left of z; nothing reads it again."""


class Tape(Forward):
    """A forward pass that leaves what the backward pass needs: each layer's inputs, and cosines for its sums."""

    def _buffers(
        self, ins: Sequence[int], outs: Sequence[int], empty: Callable[[int, int], Array]
    ) -> tuple[list[Array], list[Array]]:
        self._deltas = [empty(size, self.pixels) for size in outs[:-1]]
        return [empty(size, self.pixels) for size in ins], [empty(size, self.pixels) for size in outs]

    def _keep(self, sums: Array) -> None:
        self._xp.cos(sums, out=sums)

    def backward(self, matrices: Sequence[Array], delta: Array) -> Iterator[tuple[Array, Array]]:
        """(d_{l+1}, A_l) of every layer, the last one first, from `delta`, (outputs, N), d objective / d output."""
        count = delta.shape[1]
        for layer in range(len(matrices) - 1, -1, -1):
            yield delta, self._inputs[layer][:, :count]
            if layer:
                below = self._deltas[layer - 1][:, :count]
                self._xp.matmul(matrices[layer][:, :-1].T, delta, out=below)
                below *= self._sums[layer - 1][:, :count]
                delta = below
