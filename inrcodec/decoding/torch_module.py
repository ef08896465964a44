"""A decoded picture inside torch: a module whose colours are differentiable by the coordinates, and by the weights."""

import torch
from torch import Tensor, nn

from inrcodec import families
from inrcodec.compute.backends import within_memory
from inrcodec.compute.torch_backend import loading
from inrcodec.errors import check_type
from inrcodec.families.training import encode_half
from inrcodec.format.limits import DEFAULT_LIMITS, DecodeLimits


class PictureModule(nn.Module):
    """A picture as a function of the plane, as `decoder.Picture.sample` has it, for torch."""

    def __init__(self, network: nn.Module, height: int, width: int, channels: int) -> None:
        super().__init__()
        self.network = network
        self.height, self.width = height, width
        """Native size in pixels."""
        self.channels = channels
        """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""

    def forward(self, coords: Tensor) -> Tensor:
        """(..., 2) points (y, x), the longer side [-1, 1] -> (..., channels) colours, 0 .. 1, not clipped.

        Points outside the frame are extrapolated, and mean nothing; what is not finite gives NaN, as torch's own
        functions do. Raises ValueError for another shape.
        """
        if coords.shape[-1:] != (2,):
            raise ValueError(f"coords: shape {tuple(coords.shape)}, (..., 2) expected")
        colours: Tensor = (self.network(coords) + 1) / 2
        return colours


@within_memory()
def as_module(data: bytes, device: str = "cpu", limits: DecodeLimits = DEFAULT_LIMITS) -> PictureModule:
    """The picture in the bytes of an .inr file as a torch module, in float32 (`.double()` makes it float64).

    Its weights are parameters that ask for no gradient; `requires_grad_()` lets an optimizer have them too. Errors as
    of `inrcodec.open`.
    """
    check_type("device", device, str)
    stored = families.read(data, limits)
    half = encode_half(families.FAMILIES[stored.network.section])
    with loading(device, "use a smaller file"):
        network = half.as_torch(stored.network, torch.device(device))
    return PictureModule(network, stored.height, stored.width, stored.network.channels).requires_grad_(False)
