"""The encode half of the grid family: from a picture to latents and networks. See `training.py`."""

import math
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inrcodec import pixels
from inrcodec.families.contract import Shape, StoredPicture
from inrcodec.families.grid import colour
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.float_grid import FloatGrid
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.module import as_torch as as_torch
from inrcodec.families.grid.plan import GridPlan, delta_of_noise, delta_of_psnr, plan, point_of_delta, point_of_quality
from inrcodec.families.grid.probe import delta_of_bytes
from inrcodec.families.grid.rounding import GridRounder
from inrcodec.families.grid.search import FITTED, GridSearch
from inrcodec.families.grid.start import SparseStart
from inrcodec.families.grid.sums import is_worth_compiling, sums, was_compiled
from inrcodec.families.siren.ladder import constant, smallest_bytes
from inrcodec.families.training import OperatingPoint, TrainerOptions
from inrcodec.fitting.loop import FitConfig
from inrcodec.fitting.target import Target
from inrcodec.progress import Monitor, Stage

DEFAULT_QUALITY = 50
_SOON = 4.0
"""Seconds that nobody minds: loading machine code takes one."""
_LONG = 100.0
"""Seconds of an encode that are worth half a minute of compiling: the rest does more than all would by NumPy."""
_UNCOMPILED = "no time, by the limit, to compile the search, as an encode without one does once: it runs at half speed"


class Trainer:
    """One picture, and grids of any step for it."""

    def __init__(self, codes: NDArray[np.uint8], options: TrainerOptions, device: torch.device) -> None:
        """`codes` is (H, W, C) uint8."""
        self._codes, self._options = codes, options
        self._target, self._arch = Target(codes, device), GridArch.of(Shape(*codes.shape))
        planned = plan(options, len(self._target))
        self._kit = Kit(device, options.seed, is_worth_compiling(sum(planned.steps) * planned.pixels))
        self._each = (self._arch.latent_count() + self._arch.param_count()) / len(self._target)

    def warm(self, note: Callable[[str], None], seconds: float) -> None:
        """Where machine code pays, have it ready: it is compiled once on a machine, for each version of the codec."""
        if self._kit.is_compiled and seconds < _LONG and not was_compiled():
            note(_UNCOMPILED)
            self._kit = Kit(self._kit.device, self._options.seed)
        if self._kit.is_compiled:
            slow = threading.Timer(_SOON, note, ["compiling the search, once on this machine: half a minute"])
            slow.start()
            try:
                self._step_of_nothing()
            finally:
                slow.cancel()

    def _step_of_nothing(self) -> None:
        """All kinds of sums, over 16 pixels."""
        kit, arch, target = self._kit, GridArch(4, 4, 3), np.zeros((3, 4, 4), np.float32)
        SparseStart(arch, target, 1.0, np, kit.empty, sums(True).pyramid).run()
        search = GridSearch(FloatGrid.begin(arch, 1.0, kit), target, FitConfig(steps=1), kit, (0.0, FITTED))
        search.evaluate()
        search.step(0)

    def sizes(self) -> tuple[int, int]:
        """Bytes of the smallest file, and about of the largest: the plain samples."""
        return smallest_bytes(*self._codes.shape), max(4096, self._codes.size)

    def at_quality(self, quality: int | None) -> OperatingPoint:
        """The operating point of a quality, by default the codec's."""
        return point_of_quality(DEFAULT_QUALITY if quality is None else quality, self._each)

    def at_bytes(self, size: float) -> OperatingPoint:
        """The operating point whose file has about `size` bytes."""
        return point_of_delta(delta_of_bytes(self._codes, size), self._each)

    def at_psnr(self, psnr: float) -> OperatingPoint:
        """About the operating point of a PSNR."""
        return point_of_delta(delta_of_psnr(psnr, self._codes.shape[2]), self._each)

    def weights_at(self, point: OperatingPoint) -> int:
        """Latents and weights of the picture, whatever the point."""
        return self._arch.latent_count() + self._arch.param_count()

    def quality_of(self, weights: float) -> int:
        """Any quality takes the same time."""
        return 100 if weights >= self._each * len(self._target) else -1

    def start(self, point: OperatingPoint) -> "Candidate":
        """What a fit begins with."""
        target = self._kit.lift(colour.components(self._codes))
        grid = FloatGrid.begin(self._arch, delta_of_noise(point.rounding_noise), self._kit)
        return Candidate(grid, target, self._target, point, self._options, self._kit)

    def constant(self, colour: NDArray[np.uint8]) -> StoredPicture:
        """One colour has nothing for a grid to hold: the smallest network that draws it is a SIREN."""
        return StoredPicture(constant(pixels.to_unit(colour)), *self._codes.shape[:2])


class Candidate:
    """Float latents and networks for the picture, on their way into a file."""

    def __init__(
        self,
        grid: FloatGrid,
        components: Any,
        target: Target,
        point: OperatingPoint,
        options: TrainerOptions,
        kit: Kit,
    ) -> None:
        """`components` are the picture's, (components, H, W)."""
        self._grid, self._components, self.target, self.point = grid, components, target, point
        self._options, self._kit, self.device = options, kit, kit.device
        self.weights = grid.arch.latent_count() + grid.arch.param_count()
        self.file_bytes = point.bpp * len(target) / 8
        self.kind: Hashable = grid.arch

    def copy(self) -> "Candidate":
        """Another one with the same latents and weights."""
        own = self._grid
        grid = FloatGrid(own.arch, own.delta, own.latents, own.flat)
        return Candidate(grid, self._components, self.target, self.point, self._options, self._kit)

    def wait(self) -> None:
        """Return once the device has done all that it was given."""
        float(self._grid.flat[0])

    def arrays(self) -> list[NDArray[np.float32]]:
        """Copies of its latents and of its tensors, flat."""
        return [self._kit.lower(self._grid.latents).copy(), self._kit.lower(self._grid.flat).copy()]

    def load(self, arrays: Sequence[NDArray[np.float32]]) -> None:
        """Overwrite these. The inverse of `arrays`."""
        self._grid.latents, self._grid.flat = map(self._kit.lift, arrays)

    def plan(self) -> GridPlan:
        """The searches that its options ask for."""
        return plan(self._options, len(self.target))

    def search(self, config: FitConfig, note: Callable[[str], None]) -> GridSearch:
        """The search of a fit; the first one begins with sparse latents."""
        if not bool(self._grid.latents.any()):
            arch, delta, by = self._grid.arch, self._grid.delta, sums(self._kit.is_compiled).pyramid
            start = SparseStart(arch, self._components, delta, self._kit.xp, self._kit.empty, by)
            self._grid.latents = self._kit.xp.concatenate([level.reshape(-1) for level in start.run()])
        return GridSearch(self._grid, self._components, config, self._kit, (0.0, FITTED))

    def stored(self) -> StoredPicture:
        """Any rounding of it, to time how long it takes to draw."""
        return self.rounder(self.plan(), math.inf).nearest(self.point.rounding_noise)

    def rounding_timing(self, now: Callable[[], float]) -> None:
        """What a rounding takes follows from steps and evaluations."""
        return None

    def prepare(self, plan: GridPlan, psnr: float, monitor: Monitor) -> tuple[float, list[Stage]]:
        """Nothing comes between fit and rounding; and a fit whose latents have not settled has no error of its own."""
        return math.inf, []

    def rounder(self, plan: GridPlan, psnr: float) -> GridRounder:
        """What rounds it."""
        return GridRounder(self._grid, self._components, plan, self.point.rounding_noise, self._kit)
