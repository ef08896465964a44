"""Grid pictures for the tests: random latents under the prior's networks, a little changed; and exact arrays."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inrcodec.compute.arena import Recall
from inrcodec.compute.recorded import Recorder
from inrcodec.families import StoredPicture
from inrcodec.families.contract import Shape
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.delta import delta_code
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.prior import LATEST
from inrcodec.families.grid.stored import GridNetwork

SIZES = [(1, 1), (1, 9), (9, 1), (13, 7), (64, 48)]


def grid_network(
    height: int,
    width: int,
    channels: int,
    seed: int = 0,
    delta: float = 0.05,
    spread: float = 1.0,
    change: float = 20.0,
) -> GridNetwork:
    """Latents that follow Laplace's law of a scale, and tensors whose symbols do of another."""
    arch, rng = GridArch.of(Shape(height, width, channels)), np.random.default_rng(seed)
    symbols = tuple(np.rint(rng.laplace(0, change, shape)).astype(np.int32) for shape in arch.tensors.values())
    latents = tuple(np.rint(rng.laplace(0, spread, shape)).astype(np.int32) for shape in arch.shapes)
    count = len(arch.tensors)
    return GridNetwork(arch, LATEST, delta_code(delta), (0,) * count, (12,) * count, symbols, latents)


def grid_picture(
    height: int,
    width: int,
    channels: int,
    seed: int = 0,
    delta: float = 0.05,
    spread: float = 1.0,
    change: float = 20.0,
) -> StoredPicture:
    """A picture of such a network."""
    return StoredPicture(grid_network(height, width, channels, seed, delta, spread, change), height, width)


class Doubles:
    """Arrays in float64, so that finite differences are exact enough."""

    def __init__(self, xp: Any = np, points: int = 4096) -> None:
        self.xp, self.points, self.is_compiled = xp, points, False

    def empty(self, *shape: int) -> Any:
        return np.full(shape, np.nan) if self.xp is np else torch.full(shape, math.nan, dtype=torch.float64)

    def lift(self, values: NDArray[Any]) -> Any:
        return self.xp.asarray(np.array(values, np.float64))

    def recorder(self) -> Recall:
        return Recorder(torch.device("cpu"))


class OfTorch(Kit):
    """What a GPU works with, on the CPU."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"), 0)
        self._on_cpu, self.xp = False, torch
