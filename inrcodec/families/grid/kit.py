"""The arrays that a search works with: NumPy's on the CPU, where they are faster, elsewhere torch's on its device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inrcodec.compute.arena import Array, Run
from inrcodec.compute.recorded import Recorder
from inrcodec.compute.torch_backend import chunk_map, is_cpu
from inrcodec.families.grid.distortion import POINTS

_POINTS_OF_DEVICE = 1 << 20
"""Points of a band where each call is waited for, and memory is plenty: half a gigabyte."""
_PIECE = 1 << 15
"""Numbers of which a dozen arrays fit a core's cache."""


class Kit:
    """Makes arrays in float32, and numbers that are drawn."""

    def __init__(self, device: torch.device, seed: int, is_compiled: bool = False) -> None:
        """`is_compiled` is of use to the CPU alone, and needs Numba."""
        self.device, self._seed = device, seed
        self._on_cpu = is_cpu(device)
        self.xp: Any = np if self._on_cpu else torch
        """numpy or torch."""
        self.is_compiled = is_compiled and self._on_cpu
        """Whether sums are done by machine code of our own: `sums.py`."""
        self.points = POINTS if self._on_cpu else _POINTS_OF_DEVICE
        """Points of a band, at most, if it has more than a row."""

    def empty(self, *shape: int) -> Array:
        """An array of a shape, which holds anything."""
        return np.empty(shape, np.float32) if self._on_cpu else torch.empty(shape, device=self.device)

    def lift(self, values: NDArray[Any]) -> Array:
        """A copy of an array, here."""
        own = np.array(values, np.float32)
        return own if self._on_cpu else torch.from_numpy(own).to(self.device)

    def lower(self, values: Array) -> NDArray[np.float32]:
        """The inverse of `lift`."""
        return np.array(values, np.float32) if self._on_cpu else values.cpu().numpy()

    def recorder(self) -> Recorder:
        """See `Recorder`."""
        return Recorder(self.device)

    def normal(self, number: int, piece: int = 0) -> Callable[[Array], Array]:
        """What draws normal numbers, as many as an array has: those of step `number` for a piece, the same each time.

        Each odd step has those of the step before with the other sign: antithetic variates (Hammersley and Morton
        1956), so that what noise does to a gradient to first order is gone from the mean of two steps.
        """
        sign, pair = 1.0 - 2.0 * (number % 2), number // 2
        if self._on_cpu:
            draws = np.random.default_rng([self._seed, pair, piece])
            return lambda like: np.float32(sign) * draws.standard_normal(like.shape, dtype=np.float32)
        generator = torch.Generator(self.device).manual_seed((self._seed << 24) + pair)
        return lambda like: sign * torch.randn(like.shape, generator=generator, device=self.device)

    def pieces(self, count: int) -> list[slice]:
        """So many numbers in pieces that are best worked through one after another."""
        size = _PIECE if self._on_cpu else max(1, count)
        return [slice(start, start + size) for start in range(0, count, size)]

    @contextmanager
    def working(self) -> Iterator[Run]:
        """A `map` by all the threads there are."""
        with chunk_map(self.device) as run, np.errstate(over="ignore", invalid="ignore"):
            yield run
