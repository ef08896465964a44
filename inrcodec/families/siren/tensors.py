"""A network on a device while it is fitted: its tensors, its forward pass as a torch module, and its tapes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inrcodec.compute.sine import Tape, forward
from inrcodec.compute.torch_backend import is_cpu
from inrcodec.families.siren import network


def join_matrices(values: Sequence[Tensor]) -> list[Tensor]:
    """The tensors W_1, b_1, .. as one matrix [W | b] a layer, (n_out, n_in + 1)."""
    return [torch.cat([weight, bias[:, None]], 1) for weight, bias in zip(values[::2], values[1::2], strict=True)]


def split_matrices(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Views W_1, b_1, .. of such matrices. The inverse of `join_matrices`."""
    return [part for matrix in matrices for part in (matrix[:, :-1], matrix[:, -1])]


class FloatNetwork(nn.Module):
    """A SIREN in float32; `values` are its tensors in the order of `arch.param_shapes()`."""

    def __init__(self, arch: network.SirenArch, values: network.Params, device: torch.device) -> None:
        super().__init__()
        self.arch = arch
        self.device = device
        self.values = nn.ParameterList(torch.tensor(value, device=device) for value in values)

    def forward(self, coords: Tensor) -> Tensor:
        """(N, 2) coords -> (N, channels) values near [-1, 1]."""
        return forward(list(self.values), coords, torch)  # type: ignore[no-any-return]

    def snapshot(self) -> list[Tensor]:
        """Copies of all tensors."""
        return [value.detach().clone() for value in self.values]

    @torch.no_grad()
    def load(self, values: Sequence[Tensor]) -> None:
        """Overwrite all tensors. The inverse of `snapshot`."""
        for own, value in zip(self.values, values, strict=True):
            own.copy_(value)

    def arrays(self) -> network.Params:
        """Copies of all tensors, as NumPy's."""
        return [value.cpu().numpy() for value in self.snapshot()]

    def on(self, device: torch.device) -> "FloatNetwork":
        """A copy on a device."""
        return FloatNetwork(self.arch, self.arrays(), device)

    def canonicalize(self) -> None:
        """Put the neurons in the order, and the signs, that cost the fewest bits: `network.canonical`."""
        self.load([torch.from_numpy(value) for value in network.canonical(self.arrays())])

    def tape(self, pixels: int) -> Tape:
        """Buffers of the hand-written passes: NumPy's on the CPU, else torch's."""
        sizes = self.arch.sizes
        if is_cpu(self.device):
            return Tape(sizes, pixels, np, lambda *shape: np.empty(shape, np.float32))
        return Tape(sizes, pixels, torch, lambda *shape: torch.empty(shape, device=self.device))

    def matrices(self, values: Sequence[Tensor]) -> list[Any]:
        """The tensors `values` as the hand-written passes take them: [W | b] of all layers."""
        return [self.array(matrix) for matrix in join_matrices(values)]

    def array(self, tensor: Tensor) -> Any:
        """A tensor without gradient as the hand-written passes take it: NumPy's where the network is on the CPU.

        It shares its memory there. NumPy's sine, and its products of small matrices, are twice as fast as torch's.
        """
        return tensor.cpu().numpy() if is_cpu(self.device) else tensor

    def tensor(self, array: Any) -> Tensor:
        """The inverse of `array`."""
        return torch.from_numpy(array) if is_cpu(self.device) else array
