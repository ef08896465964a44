"""SIREN: a small fully connected network of sine layers (Sitzmann et al. 2020, arXiv:2006.09661).

    a_0 = coords                             (N, 2) rows (y, x)
    a_l = sin(a_{l-1} W_l^T + b_l)           l = 1 .. depth, W_l is (dim_hidden[l], dim_hidden[l - 1])
    out = a_depth W^T + b                    (N, channels), no sine: the picture in [-1, 1]

w0 is folded into the weights. The paper writes sin(w0 (W x + b)) with W ~ U(-1/n, 1/n) in the first layer and
U(-sqrt(6/n)/w0, sqrt(6/n)/w0) in the others; folding, w0 W is the same function, in the same law, with one
multiplication less, and weights whose scale is that of their effect.

`compute/sine.py` evaluates it. Here: its sizes, its steps of quantization, its start, and the one way to write it.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Params = list[NDArray[np.float32]]
"""W_1, b_1, .. , W, b in the order of `SirenArch.param_shapes`."""


Q_STEP_CODES = 256


def q_step(code: int) -> float:
    """Quantization step of a code 0 .. 255: (16 + code % 16) * 2^(code // 16 - 20), from 2^-16 to 31/32.

    Sixteen steps per octave at most 6.25 % apart, and five significant bits: symbol * step is exact in float32.
    """
    return (16 + code % 16) * 2.0 ** (code // 16 - 20)


def q_step_code(step: float) -> int:
    """The code whose step is nearest in ratio to `step` > 0. The inverse of `q_step`."""
    steps = np.array([q_step(code) for code in range(Q_STEP_CODES)])
    return int(np.argmin(np.abs(np.log(steps / step))))


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

    @property
    def sizes(self) -> tuple[int, ...]:
        """Values that enter and leave the layers: 2, neurons.., channels."""
        return 2, *self.dim_hidden, self.channels

    def param_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of all tensors in canonical order: weight, bias, layer by layer."""
        return tuple(shape for n_in, n_out in itertools.pairwise(self.sizes) for shape in ((n_out, n_in), (n_out,)))

    def param_count(self) -> int:
        """Number of weights and biases."""
        return sum(math.prod(shape) for shape in self.param_shapes())

    def latent_count(self) -> int:
        """0: there is nothing beside the weights."""
        return 0


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


def constant(arch: SirenArch, colour: NDArray[np.float32]) -> Params:
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


def hidden_biases(count: int) -> range:
    """The places of the biases of sine layers among `count` tensors: they ascend in what `canonical` returns."""
    return range(1, count - 1, 2)


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
