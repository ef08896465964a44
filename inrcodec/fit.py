"""The one training loop: fit a network to a picture, in the mean squared error of its pixels.

Each step takes a random batch of pixels, walks it in chunks that stay in the processor's cache, one thread per chunk,
sums the chunks' gradients in a fixed order, and steps SOAP. The gradient is taken at `project(weights)` and applied to
the weights themselves (the straight-through estimator), so that one loop serves fitting (the identity), fine-tuning
under a pruning mask, and fine-tuning under quantization.

Memory: the picture as uint8, and a batch; nothing else grows with the picture.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec import pixels
from inrcodec.metrics import psnr_of_mse
from inrcodec.network import Network
from inrcodec.optim import Soap
from inrcodec.progress import SILENT, Monitor, Progress

Project = Callable[[Sequence[Tensor], float], list[Tensor]]
"""Maps the trained tensors, at a fraction 0 .. 1 of the way, to those that the network is evaluated with. At 1 they are
what the stage is to deliver."""

Map = Callable[[Callable[[Tensor], list[Tensor]], Sequence[Tensor]], Iterator[list[Tensor]]]


@dataclass(frozen=True)
class FitConfig:
    """Options of `optimize`; the defaults are the codec's at effort 5 (docs/experiments.md)."""

    steps: int = 6000
    rate: float = 5e-2
    """Peak of the learning rate: linear warm-up, then half a cosine, squared, down to `final_rate` times the peak."""
    final_rate: float = 0.005
    warmup: int = 100
    """Steps of warm-up, at most a tenth of all steps."""
    batch: int = 8192
    """Pixels in a step, drawn with replacement."""
    chunk: int = 4096
    """Pixels in a chunk on the CPU; a GPU takes the batch as one."""
    evaluate_every: int = 50
    """Steps between looks at the picture's PSNR, for the best weights and for divergence."""
    evaluate_pixels: int = 131_072
    """At most so many pixels, evenly spread, in such a look."""
    enough: float = 1e-6
    """A mean squared error, of values in [-1, 1], at which the search ends: 66 dB."""
    leap: float = 4.0
    """A mean squared error so many times the best one counts as divergence, as a non-finite one does."""
    restarts: int = 3
    """Divergences after which the search ends with the best so far; each goes back to it and halves the rate."""
    seed: int = 0

    def chunk_on(self, device: torch.device) -> int:
        """Pixels in a chunk on a device."""
        return self.chunk if device.type == "cpu" else self.batch


def no_projection(values: Sequence[Tensor], progress: float) -> list[Tensor]:
    """The identity."""
    return list(values)


class Picture:
    """The target of a fit: uint8 codes on the device, and coordinates by look-up along each axis."""

    def __init__(self, image: NDArray[np.uint8], device: torch.device) -> None:
        """`image` is (H, W, C) uint8."""
        self.height, self.width, self.channels = map(int, image.shape)
        longer = max(self.height, self.width)
        self._codes = torch.tensor(image.reshape(-1, self.channels), device=device)
        self._rows = torch.tensor(
            pixels.axis_positions(self.height, longer, 0, self.height, self.height), device=device
        )
        self._columns = torch.tensor(
            pixels.axis_positions(self.width, longer, 0, self.width, self.width), device=device
        )

    def __len__(self) -> int:
        return len(self._codes)

    def samples(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel numbers (N,) -> their coords (N, 2) and values (N, C) in [-1, 1]."""
        rows = self._rows[torch.div(index, self.width, rounding_mode="floor")]
        coords = torch.stack([rows, self._columns[index % self.width]], 1)
        return coords, self._codes[index].to(torch.float32).div_(127.5).sub_(1)


@contextmanager
def chunk_map(device: torch.device) -> Iterator[Map]:
    """A `map` over chunks: on the CPU one worker per torch thread, each with one thread; elsewhere the plain one."""
    if device.type != "cpu":
        yield map
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            yield pool.map
    finally:
        torch.set_num_threads(threads)


def _gradient(
    network: Network, at: Sequence[Tensor], picture: Picture, index: Tensor, chunk: int, run: Map
) -> list[Tensor]:
    """Gradient of the mean squared error over the pixels `index`, taken at the tensors `at`."""

    def of_chunk(part: Tensor) -> list[Tensor]:
        leaves = [value.detach().requires_grad_() for value in at]
        coords, target = picture.samples(part)
        error = (network.evaluate(leaves, coords) - target).square().sum()
        return list(torch.autograd.grad(error / (len(index) * picture.channels), leaves))

    parts = list(run(of_chunk, torch.split(index, chunk)))
    return [torch.stack(grads).sum(0) for grads in zip(*parts, strict=True)]


@torch.no_grad()
def mse(network: Network, at: Sequence[Tensor], picture: Picture, config: FitConfig, run: Map) -> float:
    """Mean squared error of the values at the tensors `at`, over evenly spread pixels."""
    stride = -(-len(picture) // config.evaluate_pixels)
    index = torch.arange(0, len(picture), stride, device=network.device)

    def of_chunk(part: Tensor) -> list[Tensor]:
        with torch.no_grad():
            coords, target = picture.samples(part)
            return [(network.evaluate(at, coords) - target).square().sum(dtype=torch.float64)]

    total = torch.stack(
        [error for (error,) in run(of_chunk, torch.split(index, config.chunk_on(network.device)))]
    ).sum()
    return float(total) / (len(index) * picture.channels)


def schedule(step: int, start: int, config: FitConfig) -> float:
    """Learning rate of a step: linear warm-up from step `start` on, times the square of half a cosine over all steps.

    The square leaves a rate that is too high for the picture sooner, and costs nothing where it is not.
    """
    warm = min(1.0, (step - start + 1) / min(config.warmup, max(1, config.steps // 10)))
    cosine = 0.5 * (1 + math.cos(math.pi * step / config.steps))
    return config.rate * warm * (config.final_rate + (1 - config.final_rate) * cosine**2)


def optimize(
    network: Network,
    picture: Picture,
    config: FitConfig,
    project: Project = no_projection,
    stage: str = "fit",
    monitor: Monitor = SILENT,
) -> float:
    """Fit `network` to `picture`, and leave in it the best projected tensors that were seen.

    Returns their PSNR in dB, before rounding to codes. Asks `monitor.stopped` before each step and reports to it at
    every look at the picture; between looks nothing waits for the device.
    """
    with chunk_map(network.device) as run:
        search = Search(network, picture, config, project, run)
        for step in range(config.steps):
            if search.best <= config.enough or search.restarts > config.restarts:
                break
            if monitor.stopped():
                search.look()
                break
            search.step(step)
            if (step + 1) % config.evaluate_every == 0 or step + 1 == config.steps:
                search.look()
                monitor.report(Progress(stage, step + 1, config.steps, psnr_of_mse(search.best, peak=2)))
        network.load(search.best_values)
    return psnr_of_mse(search.best, peak=2)


class Search:
    """The state of `optimize`: the optimizer, the best tensors so far, and the retreats after divergence."""

    def __init__(self, network: Network, picture: Picture, config: FitConfig, project: Project, run: Map) -> None:
        self._network, self._picture, self._config, self._project, self._run = network, picture, config, project, run
        self._generator = torch.Generator(network.device).manual_seed(config.seed)
        self._params = [value.detach() for value in network.values]
        self._soap = Soap(self._params)
        self._rate = 1.0
        self._step = self._start = 0
        self.restarts = 0
        self.best = math.inf
        self.look()

    def step(self, step: int) -> None:
        """One batch, one step of SOAP."""
        self._step = step
        config, count = self._config, len(self._picture)
        index = torch.randint(
            count, (min(config.batch, count),), generator=self._generator, device=self._network.device
        )
        at = self._project(self._params, step / config.steps)
        gradient = _gradient(self._network, at, self._picture, index, config.chunk_on(self._network.device), self._run)
        self._soap.step(gradient, self._rate * schedule(step, self._start, config))

    def look(self) -> None:
        """Measure the picture: keep the tensors if they are the best, go back to the best if they diverged."""
        at = self._project(self._params, 1.0)
        error = mse(self._network, at, self._picture, self._config, self._run)
        if error < self.best or math.isinf(self.best):
            self.best, self.best_values = error, [value.clone() for value in at]
        elif not error < self._config.leap * self.best:
            self._network.load(self.best_values)
            self._soap, self._rate, self._start = Soap(self._params), self._rate / 2, self._step + 1
            self.restarts += 1
