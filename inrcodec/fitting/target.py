"""What a network is fitted to: a picture's pixels, looked up by their numbers on the device."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec import pixels


class Target:
    """The target of a fit: uint8 codes on the device, and coordinates by look-up along each axis."""

    def __init__(self, image: NDArray[np.uint8], device: torch.device) -> None:
        """`image` is (H, W, C) uint8."""
        self.height, self.width, self.channels = map(int, image.shape)
        self._codes = torch.tensor(image.reshape(-1, self.channels), device=device)
        axes = pixels.axes(self.height, self.width)
        self._rows, self._columns = (torch.tensor(positions, device=device) for positions in axes)

    def __len__(self) -> int:
        return len(self._codes)

    def on(self, device: torch.device) -> "Target":
        """A copy on a device."""
        there = copy.copy(self)
        parts = (self._codes, self._rows, self._columns)
        there._codes, there._rows, there._columns = (part.to(device) for part in parts)
        return there

    def samples(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel numbers (N,) -> their coords (N, 2) and values (N, C) in [-1, 1], where the picture is."""
        index = index.to(self._codes.device)
        rows = self._rows[torch.div(index, self.width, rounding_mode="floor")]
        coords = torch.stack([rows, self._columns[index % self.width]], 1)
        return coords, self._codes[index].to(torch.float32).div_(127.5).sub_(1)
