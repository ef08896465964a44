"""The encode half of the contract: all that the encoder knows of a family's networks while they are fitted and rounded.

Trainer --start--> Candidate --search--> fitted --prepare, rounder--> Rounder --run--> StoredPicture
"""

import importlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inrcodec.families.contract import Family, StoredPicture
from inrcodec.progress import Monitor, Stage

if TYPE_CHECKING:
    import torch

    from inrcodec.fitting.loop import FitConfig, Search
    from inrcodec.fitting.target import Target


@dataclass(frozen=True)
class OperatingPoint:
    """Which network, and which noise of rounding: a few floats, so that an encode can be resumed."""

    quality: int
    """0 .. 100."""
    weights_per_pixel: float
    """Size of the network."""
    rounding_noise: float
    """Error that rounding is to add, as a multiple of the fit's own."""
    bits_per_weight: float = 5.4
    """Bits of the file beyond its header, over weights, at this noise; measured."""

    @property
    def bpp(self) -> float:
        """About the rate of the file, its header left out, in bits per pixel."""
        return self.weights_per_pixel * self.bits_per_weight


class RoundingTiming(Protocol):
    """What a family has measured of its roundings."""

    def of(self, part: float) -> "RoundingTiming":
        """About that of a network of a part of the work for each pixel."""
        ...


_OVERHEAD = 1240
"""Weights whose products take as long as all else in a step, that smaller networks have too (docs/experiments.md)."""


@dataclass(frozen=True)
class Timing:
    """What was measured of an encode's parts, in seconds."""

    step: float
    """A step of the fit."""
    evaluation: float
    """One of all pixels of the picture, or of as many as one takes."""
    steps: int
    """Number of steps timed."""
    rounding: Any = None
    """A `RoundingTiming`, which the family's own plans know."""
    check: float = 0.0
    """All draws of the file: for its hash and its flag, and to decode it by NumPy and by torch."""

    def of(self, fraction: float, weights: int) -> "Timing":
        """About that of a network of a part of so many weights."""
        part = (fraction * weights + _OVERHEAD) / (weights + _OVERHEAD)
        step, evaluation, check = (part * whole for whole in (self.step, self.evaluation, self.check))
        rounding = self.rounding and self.rounding.of(part)
        return replace(self, step=step, evaluation=evaluation, rounding=rounding, check=check)


class Plan(Protocol):
    """The searches of one encode: how many steps at which rates, and in which manner to round."""

    @property
    def fit(self) -> "FitConfig":
        """The fit."""
        ...

    @property
    def steps(self) -> tuple[int, int, int]:
        """Steps of the fit, between fit and rounding, and of all roundings."""
        ...

    @property
    def roundings(self) -> int:
        """Roundings expected: a target may take more than one."""
        ...

    def with_fit(self, fit: "FitConfig") -> "Plan":
        """The same with another fit."""
        ...

    def with_fit_steps(self, steps: int) -> "Plan":
        """All searches in proportion, with another number of steps of the fit."""
        ...

    def manners(self) -> "Sequence[tuple[Plan, float]]":
        """The same fit with each manner of rounding, the codec's own first, and what that takes from the fit in dB."""
        ...

    def cheaper(self) -> "Sequence[Plan]":
        """The manners that follow this one."""
        ...

    def rounding_seconds(self, timing: Timing, weights: int) -> float:
        """Seconds of all roundings, without their steps."""
        ...

    def last_seconds(self, timing: Timing, weights: int) -> float:
        """Seconds of a rounding that come after its last step."""
        ...

    def memory(self, weights: int) -> int:
        """Bytes, about, that the encode takes at once."""
        ...


class Rounder(Protocol):
    """Rounds one fitted network, at any noise, each time from its float weights."""

    rounding_noise: float
    """The noise where no goal asks for another."""

    def run(self, noise: float, monitor: Monitor) -> tuple[StoredPicture, Sequence[Stage]]:
        """Round in earnest."""
        ...

    def hurry(self) -> None:
        """Take a tenth of the steps from now on: whoever waits has asked for an end."""
        ...

    def nearest(self, noise: float) -> StoredPicture:
        """All weights rounded to nearest: fast, and of about the size that `run` ends with at the same noise."""
        ...

    def key(self, noise: float) -> Hashable:
        """Equal for two noises at which `nearest` is the same."""
        ...

    def clips(self, noise: float) -> bool:
        """Whether a weight is beyond the largest symbol at a noise."""
        ...

    def changed(self, stored: StoredPicture, shifts: Sequence[int]) -> Iterator[StoredPicture]:
        """The weights of a rounding with one step a little coarser, or finer, by each shift in turn."""
        ...


class Candidate(Protocol):
    """A float network for the picture, on its way into a file."""

    point: OperatingPoint
    weights: int
    """Number of weights and biases."""
    file_bytes: float
    """Bytes that its file takes at its operating point, about."""
    kind: Hashable
    """Equal for two that take the same time."""
    target: "Target"
    device: "torch.device"

    def copy(self) -> "Candidate":
        """Another one with the same weights."""
        ...

    def wait(self) -> None:
        """Return once the device has done all that it was given."""
        ...

    def arrays(self) -> list[NDArray[np.float32]]:
        """Copies of its tensors."""
        ...

    def load(self, arrays: Sequence[NDArray[np.float32]]) -> None:
        """Overwrite its tensors. The inverse of `arrays`."""
        ...

    def plan(self) -> Plan:
        """The searches that its options ask for."""
        ...

    def search(self, config: "FitConfig", note: Callable[[str], None]) -> "Search":
        """The search of a fit, which ends in its tensors; `note` is told where memory runs out."""
        ...

    def stored(self) -> StoredPicture:
        """Any rounding of it, to time how long it takes to draw."""
        ...

    def rounding_timing(self, now: Callable[[], float]) -> RoundingTiming | None:
        """A little of each part of a rounding, timed by a clock that waits for the device."""
        ...

    def prepare(self, plan: Any, psnr: float, monitor: Monitor) -> tuple[float, Sequence[Stage]]:
        """What comes between fit and rounding, by a plan of the family: the PSNR after it in dB, and its stages.

        The PSNR is that of what is rounded; infinite where all of the file's error comes by the rounding.
        """
        ...

    def rounder(self, plan: Any, psnr: float) -> Rounder:
        """What rounds it, by a plan of the family; `psnr` in dB is that of its float weights."""
        ...


class Trainer(Protocol):
    """A family's encode half for one picture."""

    def warm(self, note: Callable[[str], None], seconds: float) -> None:
        """Load, and compile, what would keep a first step waiting; `note` is told in a sentence if that takes long.

        Do without what would not leave most of `seconds`, which are there for all of the encode.
        """
        ...

    def sizes(self) -> tuple[int, int]:
        """Bytes of the smallest file, and about of the largest that a decoder accepts."""
        ...

    def at_quality(self, quality: int | None) -> OperatingPoint:
        """The operating point of a quality, by default the codec's."""
        ...

    def at_bytes(self, size: float) -> OperatingPoint:
        """The operating point whose file has about `size` bytes; never one larger than the plain samples."""
        ...

    def at_psnr(self, psnr: float) -> OperatingPoint | None:
        """About the operating point of a PSNR in dB; None where short fits of the picture have to find it out."""
        ...

    def weights_at(self, point: OperatingPoint) -> int:
        """Weights of the network of a point."""
        ...

    def quality_of(self, weights: float) -> int:
        """The highest quality whose networks have at most so many weights; negative if none."""
        ...

    def start(self, point: OperatingPoint) -> Candidate:
        """What a fit begins with; the answer already, if the picture has one colour."""
        ...

    def constant(self, colour: NDArray[np.uint8]) -> StoredPicture:
        """The smallest network that draws one colour (channels,) exactly."""
        ...


@dataclass(frozen=True)
class TrainerOptions:
    """What a user chooses of the searches."""

    effort: float = 5
    """Each level doubles their steps."""
    seed: int = 0
    """Seed of the start and of the batches."""
    prune: float = 0.0
    """Fraction of the weights to prune."""
    roundings: int = 1
    """Roundings expected."""


class EncodeHalf(Protocol):
    """The module of a family's encode half."""

    def Trainer(self, codes: NDArray[np.uint8], options: TrainerOptions, device: "torch.device") -> Trainer:
        """The trainer for a picture (H, W, C)."""
        ...

    def as_torch(self, network: Any, device: "torch.device") -> "torch.nn.Module":
        """A network of the family as a module: (.., 2) coordinates -> (.., channels) values near [-1, 1]."""
        ...


def encode_half(family: Family) -> EncodeHalf:
    """The encode half of a family, imported now."""
    module: EncodeHalf = importlib.import_module(family.trainer)
    return module
