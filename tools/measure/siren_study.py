"""What SIREN's paper shows (Sitzmann et al. 2020, arXiv:2006.09661), as functions; drawn by `siren_figures.py`.

The picture to be fitted is itself a function with exact derivatives: the cosine series through its pixels, with high
frequencies damped (a Gaussian of 0.7 pixels), as a Laplacian weighs frequencies by their square and would be noise.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inrcodec import pixels
from inrcodec.compute import sine
from inrcodec.compute.sine import Jet, Tape
from inrcodec.decoding import decoder
from inrcodec.families.siren import network

ARCH = network.SirenArch((96, 96, 96, 96), 1)
"""Of all networks that are fitted here, whatever their nonlinearity."""
BATCH = 4096
BLUR = 0.7
"""Standard deviation in pixels."""
OCTAVES = 7
"""Of the positional encoding (Mildenhall et al. 2020, arXiv:2003.08934, section 5.1): waves of two pixels at most."""


def normal_cdf(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return torch.special.ndtr(torch.from_numpy(values)).numpy()


def arcsine_cdf(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 + np.arcsin(np.clip(values, -1, 1)) / math.pi


def ks_distance(samples: NDArray[np.float64], cdf: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> float:
    """Kolmogorov and Smirnov's: the largest gap between the samples' distribution function and a law's."""
    ordered = np.sort(samples.reshape(-1))
    steps, law = np.arange(len(ordered) + 1) / len(ordered), cdf(ordered)
    return float(max((steps[1:] - law).max(), (law - steps[:-1]).max()))


def activations(width: int, depth: int, points: int, seed: int) -> list[NDArray[np.float64]]:
    """What goes into the sines of each layer at the classic start, for random points of the square."""
    arch = network.SirenArch((width,) * depth)
    params = [p.astype(np.float64) for p in network.init_classic(arch, seed)]
    return pre_activations(params, np.random.default_rng(seed).uniform(-1, 1, (points, 2)))


def pre_activations(params: Sequence[NDArray[np.floating]], coords: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    """What goes into the sines of each layer of a network, (N, neurons)."""
    values, sums = coords, []
    for weight, bias in zip(params[:-2:2], params[1:-2:2], strict=True):
        sums.append(values @ weight.T + bias)
        values = np.sin(sums[-1])
    return sums


@dataclass(frozen=True)
class Truth:
    """A grey picture in [-1, 1] with exact derivatives by the coordinates, at its n x n pixels."""

    coords: Tensor
    """(n * n, 2)."""
    value: Tensor
    """(n * n, 1)."""
    gradient: Tensor
    """(n * n, 1, 2)."""
    laplacian: Tensor
    """(n * n, 1)."""


def truth_of(image: NDArray[np.uint8]) -> Truth:
    """A square picture as its damped cosine series."""
    n = len(image)
    k, i = np.arange(n) * math.pi / n, np.arange(n) + 0.5
    waves = np.cos(np.outer(i, k))  # of pixel i, wave k
    coefficients = np.linalg.inv(waves) @ (image / 127.5 - 1) @ np.linalg.inv(waves).T
    damping = np.exp(-((BLUR * k) ** 2) / 2)
    coefficients *= np.outer(damping, damping)
    unit = n / 2  # pixels in a unit of the coordinates
    slopes, bends = -unit * np.sin(np.outer(i, k)) * k, -(unit**2) * waves * k**2
    along = [slopes @ coefficients @ waves.T, waves @ coefficients @ slopes.T]
    laplacian = bends @ coefficients @ waves.T + waves @ coefficients @ bends.T

    def column(values: NDArray[np.float64]) -> Tensor:
        return torch.tensor(values.reshape(n * n, 1), dtype=torch.float32)

    coords = torch.tensor(pixels.pixel_centres(n, n))
    gradient = torch.stack([column(d) for d in along], -1)
    return Truth(coords, column(waves @ coefficients @ waves.T), gradient, column(laplacian))


def autograd_jet(function: Callable[[Tensor], Tensor], coords: Tensor) -> Jet:
    """(N, 2) -> (N, channels) differentiated by autograd, twice, channel by channel."""
    points = coords.clone().requires_grad_()
    value = function(points)
    slopes, bends = [], []
    for channel in value.unbind(1):
        (slope,) = torch.autograd.grad(channel.sum(), points, create_graph=True)
        second = [
            torch.autograd.grad(along.sum(), points, retain_graph=True, materialize_grads=True)[0][:, axis]
            for axis, along in enumerate(slope.unbind(1))
        ]
        slopes.append(slope)
        bends.append(second[0] + second[1])
    return Jet(value, torch.stack(slopes, 1), torch.stack(bends, 1))


class Sines(nn.Module):
    """A SIREN from its classic start, with jets."""

    rate = 1.2e-2
    """Adam's, the best of 3e-3, 6e-3, 1.2e-2; the paper's 1e-4 is 3e-3 here, as w0 = 30 is folded into the weights."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.weights = nn.ParameterList(map(torch.tensor, network.init_classic(ARCH, seed)))

    def forward(self, coords: Tensor) -> Tensor:
        return sine.forward(list(self.weights), coords, torch)

    def jet(self, coords: Tensor) -> Jet:
        return sine.jet(list(self.weights), sine.coordinate_jet(coords, torch), torch)


class Rectifiers(nn.Module):
    """A ReLU network of the same sizes, on the coordinates or on their positional encoding."""

    def __init__(self, seed: int, encoded: bool) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.encoded = encoded
        self.rate = 5e-3 if encoded else 1e-2  # Adam's, the best of 2e-3, 5e-3, 1e-2
        sizes = (2 + 4 * OCTAVES if encoded else 2, *ARCH.dim_hidden)
        layers = [nn.Sequential(nn.Linear(n_in, n_out), nn.ReLU()) for n_in, n_out in itertools.pairwise(sizes)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))

    def forward(self, coords: Tensor) -> Tensor:
        if self.encoded:
            phases = [2**octave * math.pi * coords for octave in range(OCTAVES)]
            coords = torch.cat([coords, *map(torch.sin, phases), *map(torch.cos, phases)], 1)
        return self.layers(coords)

    def jet(self, coords: Tensor) -> Jet:
        return autograd_jet(self, coords)


def fit(net: nn.Module, truth: Truth, by: str, steps: int, seed: int = 0) -> Jet:
    """Fit to "value", "gradient" or "laplacian" alone, by random batches; the jet at all pixels then."""
    target = getattr(truth, by)
    scale = (target**2).mean()
    optimizer = torch.optim.Adam(net.parameters(), lr=net.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(len(target), (BATCH,), generator=generator)
        points = truth.coords[batch]
        found = net(points) if by == "value" else getattr(net.jet(points), by)
        loss = ((found - target[batch]) ** 2).mean() / scale
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return Jet(*(part.detach() for part in net.jet(truth.coords)))


def snr(found: Tensor, true: Tensor) -> float:
    """Signal-to-noise ratio in dB: of what is true to what is wrong. 0 dB is no better than a constant 0."""
    return float(10 * torch.log10((true**2).sum() / ((found - true) ** 2).sum()))


def psnr_up_to_constant(found: Tensor, true: Tensor) -> float:
    """PSNR in dB, peak 2, after the means are made equal: derivatives say nothing of the mean."""
    wrong = (found - found.mean()) - (true - true.mean())
    return float(10 * torch.log10(4 / (wrong**2).mean()))


def harmonic_part_removed(found: Tensor, true: Tensor, coords: Tensor, degree: int = 8) -> Tensor:
    """`found` plus the harmonic polynomial that brings it nearest to `true`: a Laplacian says nothing of that."""
    z = torch.complex(coords[:, 1].double(), coords[:, 0].double())
    powers = [z**k for k in range(degree + 1)]
    basis = torch.stack([p.real for p in powers] + [p.imag for p in powers[1:]], 1)
    best = torch.linalg.lstsq(basis, (true - found).double()).solution
    return found + (basis @ best).float()


def descend(
    arch: network.SirenArch, coords: NDArray[np.float64], target: NDArray[np.float64], rate: float, steps: int,
    params: Sequence[NDArray[np.float64]],
) -> tuple[list[NDArray[np.float64]], list[float]]:  # fmt: skip
    """Plain gradient descent on the mean squared error in NumPy, by `sine.Tape`: the parameters and all losses."""
    matrices = [np.concatenate([w, b[:, None]], 1) for w, b in zip(params[::2], params[1::2], strict=True)]
    tape, losses = Tape(arch.sizes, len(coords), np, lambda *shape: np.empty(shape)), []
    for _ in range(steps):
        wrong = tape.forward(matrices, coords) - target.T
        losses.append(float((wrong**2).mean()))
        pairs = list(tape.backward(matrices, 2 * wrong / wrong.size))
        for matrix, (delta, inputs) in zip(matrices[::-1], pairs, strict=True):
            matrix -= rate * delta @ inputs.T
    return [part for matrix in matrices for part in (matrix[:, :-1], matrix[:, -1])], losses


def descend_by_autograd(
    arch: network.SirenArch, coords: NDArray[np.float64], target: NDArray[np.float64], rate: float, steps: int,
    params: Sequence[NDArray[np.float64]],
) -> tuple[list[NDArray[np.float64]], list[float]]:  # fmt: skip
    """The same by torch.autograd."""
    tensors, losses = [torch.tensor(p, requires_grad=True) for p in params], []
    for _ in range(steps):
        loss = ((sine.forward(tensors, torch.tensor(coords), torch) - torch.tensor(target)) ** 2).mean()
        losses.append(loss.item())
        for tensor, slope in zip(tensors, torch.autograd.grad(loss, tensors), strict=True):
            tensor.data -= rate * slope
    return [tensor.detach().numpy() for tensor in tensors], losses


def derivative_errors(data: bytes, count: int) -> dict[str, tuple[float, float]]:
    """How far a file's gradient and Laplacian are, at random points, from autograd's, and from differences of samples.

    The largest difference, relative to the largest derivative; all in float64.
    """
    picture = decoder.open_bytes(data, exact=True)
    params = [torch.tensor(p.astype(np.float64)) for p in picture.stored.network.tensors().values()]
    points = np.random.default_rng(0).uniform(-0.9, 0.9, (count, 2))
    points = np.round(points * 2**9) / 2**9  # float32 exactly, and so are points 2^-17 beside them
    exact = picture.jet(points)

    def colours(at: Tensor) -> Tensor:
        return (sine.forward(params, at, torch) + 1) / 2

    autograd = Jet(*(part.detach().numpy() for part in autograd_jet(colours, torch.tensor(points))))
    h, steps = 2.0**-17, np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
    down, up, right, left = (picture.sample(points + h * step) for step in steps)
    differences = {
        "gradient": np.stack([down - up, right - left], -1) / (2 * h),
        "laplacian": (down + up + right + left - 4 * picture.sample(points)) / h**2,
    }

    def worst(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
        return float(np.abs(one - other).max() / np.abs(other).max())

    return {
        kind: (worst(getattr(exact, kind), getattr(autograd, kind)), worst(differences[kind], getattr(exact, kind)))
        for kind in differences
    }
