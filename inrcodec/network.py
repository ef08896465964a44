"""A family's forward pass as a trainable torch module, with a fast sine on the CPU."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inrcodec import siren


class _NumpySine(torch.autograd.Function):
    """sin on CPU tensors through NumPy, whose vectorized float32 sine is 2 to 3 times faster than torch's.

    Sine and cosine are 40 % of a training step, so this alone is worth a quarter of it (docs/experiments.md).
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return torch.from_numpy(np.sin(z.numpy()))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        cosine = np.cos(z.numpy())
        return torch.from_numpy(np.multiply(cosine, grad.numpy(), out=cosine))


class CpuMath:
    """The array module of a forward pass on CPU tensors."""

    @staticmethod
    def sin(z: Tensor) -> Tensor:
        """Element-wise sine of a float32 CPU tensor, differentiable once."""
        return _NumpySine.apply(z)  # type: ignore[no-any-return, no-untyped-call]


class Network(nn.Module):
    """A SIREN in float32; `values` are its tensors in the order of `arch.param_shapes()`."""

    def __init__(self, arch: siren.SirenArch, values: siren.Params, device: torch.device) -> None:
        super().__init__()
        self.arch = arch
        self.device = device
        self.values = nn.ParameterList(torch.tensor(value, device=device) for value in values)

    def forward(self, coords: Tensor) -> Tensor:
        """(N, 2) coords -> (N, channels) values near [-1, 1]."""
        return self.evaluate(list(self.values), coords)

    def evaluate(self, values: Sequence[Tensor], coords: Tensor) -> Tensor:
        """As `forward`, with `values` in place of the network's own tensors."""
        xp = CpuMath if self.device.type == "cpu" else torch
        return siren.forward(self.arch, values, coords, xp)  # type: ignore[no-any-return]

    def snapshot(self) -> list[Tensor]:
        """Copies of all tensors."""
        return [value.detach().clone() for value in self.values]

    @torch.no_grad()
    def load(self, values: Sequence[Tensor]) -> None:
        """Overwrite all tensors. The inverse of `snapshot`."""
        for own, value in zip(self.values, values, strict=True):
            own.copy_(value)
