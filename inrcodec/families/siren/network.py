"""SIREN: a small fully connected network of sine layers (Sitzmann et al. 2020, arXiv:2006.09661).

    a_0 = coords                             (N, 2) rows (y, x)
    a_l = sin(a_{l-1} W_l^T + b_l)           l = 1 .. depth, W_l is (dim_hidden[l], dim_hidden[l - 1])
    out = a_depth W^T + b                    (N, channels), no sine: the picture in [-1, 1]

w0 is folded into the weights. The paper writes sin(w0 (W x + b)) with W ~ U(-1/n, 1/n) in the first layer and
U(-sqrt(6/n)/w0, sqrt(6/n)/w0) in the others; folding, w0 W is the same function, in the same law, with one
multiplication less, and weights whose scale is that of their effect.

The functions are pure, and the network is written once: `xp` is the array module, `numpy` or one with torch's names.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = Any
"""A NumPy array or a torch tensor."""

Params = list[NDArray[np.float32]]
"""W_1, b_1, .. , W, b in the order of `SirenArch.param_shapes`."""


@dataclass(frozen=True)
class SirenArch:
    """The architecture, and the only configuration that a file stores."""

    dim_hidden: tuple[int, ...]
    """Neurons of each sine layer."""
    channels: int = 3
    """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""

    @property
    def depth(self) -> int:
        """Number of sine layers."""
        return len(self.dim_hidden)

    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of all tensors in canonical order: weight, bias, layer by layer."""
        sizes = (2, *self.dim_hidden, self.channels)
        return tuple(shape for n_in, n_out in itertools.pairwise(sizes) for shape in ((n_out, n_in), (n_out,)))

    def param_count(self) -> int:
        """Number of weights and biases."""
        return sum(math.prod(shape) for shape in self.param_shapes())


@dataclass(frozen=True)
class InitConfig:
    """The codec's start, the one that measures best (docs/experiments.md)."""

    w_min: float = 1.5
    """Lowest frequency of the first layer, in radians per unit of coords."""
    w_max: float = 90.0
    """Highest frequency of the first layer."""
    hidden_scale: float = 0.5
    """Hidden weights are drawn from this fraction of SIREN's bound sqrt(6 / n)."""


def init(arch: SirenArch, seed: int, config: InitConfig) -> Params:
    """Random directions with log-uniform frequencies first, SIREN's law scaled down after. From NumPy's generator."""
    rng = np.random.default_rng(seed)
    neurons = arch.dim_hidden[0]
    frequency = config.w_min * (config.w_max / config.w_min) ** rng.random(neurons)
    angle = math.pi * rng.random(neurons)
    first = frequency[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    params = [first, rng.uniform(-math.pi, math.pi, neurons)]
    for n_out, n_in in arch.param_shapes()[2::2]:
        params.append(config.hidden_scale * math.sqrt(6 / n_in) * rng.uniform(-1, 1, (n_out, n_in)))
        params.append(rng.uniform(-0.5, 0.5, n_out))
    params[-1] *= 0
    return [p.astype(np.float32) for p in params]


def one_colour(arch: SirenArch, colour: NDArray[np.float32]) -> Params:
    """The network that draws `colour`, (channels,), everywhere: all zero but for the output's bias."""
    return [*(np.zeros(shape, np.float32) for shape in arch.param_shapes()[:-1]), colour.astype(np.float32)]


def init_classic(arch: SirenArch, seed: int, w0: float = 30.0) -> Params:
    """SIREN's own start (paper, section 3.2 and supplement 1), w0 folded in; biases as torch.nn.Linear draws them.

    Pre-activations of the hidden layers are near N(0, 1) and activations near the arcsine law, at every depth.
    """
    rng = np.random.default_rng(seed)
    params: list[NDArray[np.float64]] = []
    for layer, (n_out, n_in) in enumerate(arch.param_shapes()[0::2]):
        bound, scale = (w0 / n_in, w0) if layer == 0 else (math.sqrt(6 / n_in), 1.0)
        params.append(rng.uniform(-bound, bound, (n_out, n_in)))
        params.append(scale * rng.uniform(-1, 1, n_out) / math.sqrt(n_in))
    return [p.astype(np.float32) for p in params]


def forward(arch: SirenArch, params: Sequence[Array], coords: Array, xp: Any) -> Array:
    """(N, 2) coords -> (N, channels) values near [-1, 1], in the dtype of its arguments. `xp` supplies `sin`."""
    values = coords
    for layer in range(arch.depth):
        values = xp.sin(values @ params[2 * layer].T + params[2 * layer + 1])
    return values @ params[-2].T + params[-1]


class Jet(NamedTuple):
    """A picture's values at N points with their derivatives by the coordinates."""

    value: Array
    """(N, channels)."""
    gradient: Array
    """(N, channels, 2): d / dy, d / dx."""
    laplacian: Array
    """(N, channels): d2 / dy2 + d2 / dx2."""


def jet(arch: SirenArch, params: Sequence[Array], coords: Array, xp: Any) -> Jet:
    """(N, 2) coords -> values and derivatives, exact, in one forward pass (Taylor mode; arXiv:2307.08214, section 3).

    With z the sum before a sine: grad sin z = cos z grad z, and lap sin z = cos z lap z - sin z |grad z|^2; sums map
    all three as they map the values. `xp` supplies `sin`, `cos`, `stack` and `zeros_like`.
    """
    values, slopes, bends = coords, None, None
    for weight, bias in zip(params[:-2:2], params[1:-2:2], strict=True):
        z = values @ weight.T + bias
        along = (
            [weight[:, axis] + xp.zeros_like(z) for axis in (0, 1)]
            if slopes is None
            else [d @ weight.T for d in slopes]
        )
        bend = xp.zeros_like(z) if bends is None else bends @ weight.T
        values, cosine = xp.sin(z), xp.cos(z)
        bends = cosine * bend - values * (along[0] ** 2 + along[1] ** 2)
        slopes = [cosine * d for d in along]
    weight = params[-2].T
    gradient = xp.stack([d @ weight for d in slopes or ()], -1)
    return Jet(values @ weight + params[-1], gradient, bends @ weight)


def is_hidden_bias(tensor: int, count: int) -> bool:
    """Whether tensor number `tensor` of `count` in canonical order is the bias of a sine layer, see `canonical`."""
    return tensor % 2 == 1 and tensor < count - 1


def canonical(params: Sequence[NDArray[Any]], half_turns: bool = True) -> list[NDArray[Any]]:
    """The same function, written in the one way that costs the fewest bits; tensors W_1, b_1, .. of numbers or symbols.

    Within a layer the order of neurons is free, and so are signs, for sin(-z) = -sin(z): biases come out ascending and
    not negative, so that a file may store their differences and log2(n!) + n bits a layer less. With `half_turns`, not
    for symbols, they also come out below pi / 2, for sin(z + pi) = -sin(z).
    """
    out = [param.copy() for param in params]
    for layer in range(0, len(out) - 2, 2):
        weight, bias, following = out[layer : layer + 3]
        if half_turns:
            turns = np.rint(bias / np.pi)  # to even at a half: pi / 2 stays, so that what is canonical does
            bias -= (np.pi * turns).astype(bias.dtype)
            following[:, turns % 2 != 0] *= -1
        negative = bias < 0
        weight[negative], bias[negative] = -weight[negative], -bias[negative]
        following[:, negative] *= -1
        order = np.argsort(bias, kind="stable")
        out[layer], out[layer + 1], out[layer + 2] = weight[order], bias[order], following[:, order]
    return out
