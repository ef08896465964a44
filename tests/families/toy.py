"""A second family, through the contract alone: one grey level for the whole picture, a network of one parameter."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inrcodec import families, pixels
from inrcodec.compute.backends import Backend, EvaluateJet, Evaluator, Pointwise, Precision
from inrcodec.compute.sine import Jet
from inrcodec.errors import CorruptError
from inrcodec.families.contract import Family, NetworkFacts, Shape, StoredPicture
from inrcodec.families.training import OperatingPoint, Timing, TrainerOptions
from inrcodec.fitting.loop import BatchSearch, FitConfig
from inrcodec.fitting.target import Target
from inrcodec.progress import Monitor, Stage

SECTION = 0x41
POINT = OperatingPoint(50, 1e-6, 0.4)


@dataclass(frozen=True)
class Level:
    """The decode half: a level as a code 0 .. 255."""

    code: int
    channels: int
    section = SECTION
    macs = 1

    @property
    def value(self) -> np.float32:
        return pixels.to_unit(np.array([self.code], np.uint8))[0]

    def payload(self) -> bytes:
        return bytes([self.code])

    def evaluator(self, backend: Backend, dtype: Precision) -> Evaluator:
        return Pointwise(lambda coords: np.full((len(coords), self.channels), self.value, dtype))

    def jet_evaluator(self, backend: Backend) -> EvaluateJet:
        def evaluate(coords: NDArray[np.float32]) -> Jet:
            shape = len(coords), self.channels
            return Jet(np.full(shape, self.value, np.float64), np.zeros((*shape, 2)), np.zeros(shape))

        return evaluate

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        return {"level": np.array([self.value])}

    def sine_layers(self) -> None:
        return None

    def page_parts(self) -> None:
        return None

    def facts(self) -> NetworkFacts:
        return NetworkFacts("toy", "one level", 1, int(self.code == 0), [], {"order_0": 1.0, "laplace": 1.0})


@dataclass(frozen=True)
class Arch:
    channels: int

    def param_count(self) -> int:
        return 1

    def latent_count(self) -> int:
        return 0


def read(payload: bytes, shape: Shape) -> Level:
    if len(payload) != 1:
        raise CorruptError(f"level: {len(payload)} bytes, not 1")
    return Level(payload[0], shape.channels)


TOY = Family(SECTION, "toy", lambda _, shape: Arch(shape.channels), read, lambda *_: {"weights": 1}, __name__)


# The encode half


class Objective:
    """The mean squared error of one level."""

    def __init__(self, candidate: "Candidate") -> None:
        self._candidate, self._target, self.device = candidate, candidate.target, candidate.device

    def __len__(self) -> int:
        return len(self._target)

    def working(self) -> AbstractContextManager[None]:
        return nullcontext()

    def values(self) -> list[Tensor]:
        return [self._candidate.level.clone()]

    def load(self, values: Sequence[Tensor]) -> None:
        self._candidate.level = values[0].clone()

    def join(self, values: Sequence[Tensor]) -> list[Tensor]:
        return [value.reshape(1, 1).clone() for value in values]

    def split(self, matrices: Sequence[Tensor]) -> list[Tensor]:
        return [matrix.reshape(1) for matrix in matrices]

    def rates(self, config: FitConfig) -> list[float]:
        return [1.0]

    def gradient(self, at: Sequence[Tensor], index: Tensor) -> list[Tensor]:
        return [(2 * (at[0] - self._target.samples(index)[1]).mean()).reshape(1, 1)]

    def mse(self, at: Sequence[Tensor], most: int) -> float:
        index = torch.from_numpy(pixels.spread(self._target.height, self._target.width, most))
        return float((at[0] - self._target.samples(index)[1]).square().mean())


@dataclass(frozen=True)
class Plan:
    fit: FitConfig
    roundings: int = 1

    @property
    def steps(self) -> tuple[int, int, int]:
        return self.fit.steps, 0, 0

    def with_fit(self, fit: FitConfig) -> "Plan":
        return replace(self, fit=fit)

    def with_fit_steps(self, steps: int) -> "Plan":
        return replace(self, fit=self.fit.in_steps(steps))

    def manners(self) -> "list[tuple[Plan, float]]":
        return [(self, 0.0)]

    def cheaper(self) -> "list[Plan]":
        return []

    def rounding_seconds(self, timing: Timing, weights: int) -> float:
        return 0.0

    def last_seconds(self, timing: Timing, weights: int) -> float:
        return 0.0

    def memory(self, weights: int) -> int:
        return 1


class Candidate:
    point, weights, file_bytes, kind = POINT, 1, 20.0, "toy"

    def __init__(self, target: Target, options: TrainerOptions, device: torch.device) -> None:
        self.target, self._options, self.device = target, options, device
        self.level = torch.zeros(1)

    def copy(self) -> "Candidate":
        return Candidate(self.target, self._options, self.device)

    def wait(self) -> None: ...

    def arrays(self) -> list[NDArray[np.float32]]:
        return [self.level.numpy().copy()]

    def load(self, arrays: Sequence[NDArray[np.float32]]) -> None:
        self.level = torch.tensor(arrays[0])

    def plan(self) -> Plan:
        return Plan(FitConfig(seed=self._options.seed).in_steps(300 * 2.0 ** (self._options.effort - 5)))

    def search(self, config: FitConfig, note: Callable[[str], None]) -> BatchSearch:
        return BatchSearch(Objective(self), config)

    def stored(self) -> StoredPicture:
        code = int(pixels.to_codes(self.level.numpy())[0])
        return StoredPicture(Level(code, self.target.channels), self.target.height, self.target.width, content_hash=0)

    def rounding_timing(self, now: Callable[[], float]) -> None:
        return None

    def prepare(self, plan: Plan, psnr: float, monitor: Monitor) -> tuple[float, list[Stage]]:
        return psnr, []

    def rounder(self, plan: Plan, psnr: float) -> "Rounder":
        return Rounder(self)


class Rounder:
    rounding_noise = POINT.rounding_noise

    def __init__(self, candidate: Candidate) -> None:
        self._candidate = candidate

    def run(self, noise: float, monitor: Monitor) -> tuple[StoredPicture, list[Stage]]:
        stored = self.nearest(noise)
        return stored, [Stage("round", 0.0, len(families.write(stored)))]

    def hurry(self) -> None: ...

    def nearest(self, noise: float) -> StoredPicture:
        return self._candidate.stored()

    def key(self, noise: float) -> int:
        return 0

    def clips(self, noise: float) -> bool:
        return False

    def changed(self, stored: StoredPicture, shifts: Sequence[int]) -> Iterator[StoredPicture]:
        return iter(())


class Trainer:
    def __init__(self, codes: NDArray[np.uint8], options: TrainerOptions, device: torch.device) -> None:
        self._target, self._options, self._device = Target(codes, device), options, device

    def warm(self, note: Callable[[str], None], seconds: float) -> None:
        pass

    def sizes(self) -> tuple[int, int]:
        return 10, 100

    def at_quality(self, quality: int | None) -> OperatingPoint:
        return POINT

    def at_bytes(self, size: float) -> OperatingPoint:
        return POINT

    def at_psnr(self, psnr: float) -> None:
        return None

    def weights_at(self, point: OperatingPoint) -> int:
        return 1

    def quality_of(self, weights: float) -> int:
        return 100

    def start(self, point: OperatingPoint) -> Candidate:
        return Candidate(self._target, self._options, self._device)

    def constant(self, colour: NDArray[np.uint8]) -> StoredPicture:
        code = round(float(colour.mean()))
        return StoredPicture(Level(code, self._target.channels), self._target.height, self._target.width)


class Module(nn.Module):
    def __init__(self, level: Level) -> None:
        super().__init__()
        self.level, self.channels = nn.Parameter(torch.tensor(float(level.value))), level.channels

    def forward(self, coords: Tensor) -> Tensor:
        return self.level.expand(*coords.shape[:-1], self.channels)


def as_torch(network: Any, device: torch.device) -> Module:
    return Module(network).to(device)
