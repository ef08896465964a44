"""The one training loop: fit a network to a picture, in the mean squared error of its pixels.

Each step takes a random batch of pixels, walks it in chunks that stay in the processor's cache, one thread per chunk,
sums the chunks' gradients in a fixed order, and steps SOAP on the layers' matrices [W | b]. The gradient is taken at
`project(weights)` and applied to the weights themselves (the straight-through estimator), so that one loop serves
fitting (the identity), fine-tuning under a pruning mask, and fine-tuning under quantization.

Memory: the picture as uint8, and a batch; nothing else grows with the picture. Where it runs out, the chunks are
halved, which changes nothing but the order of sums, and at last a GPU hands the sums over to the CPU.

A search can leave its whole state with a `Keeper` between any two steps, and another process goes on from there: on one
thread of the same CPU to the same weights, bit by bit.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec import pixels
from inrcodec.compute import memory, threads
from inrcodec.compute.sine import Tape
from inrcodec.errors import CheckpointError, ResourceError
from inrcodec.families.siren.network import Array
from inrcodec.families.siren.trainer import Network, join_matrices, split_matrices
from inrcodec.fitting.soap import Soap
from inrcodec.fitting.state import FORGETFUL, Keeper, State, below, prefixed, take, take_count, take_finite, take_number
from inrcodec.metrics import psnr_of_mse
from inrcodec.progress import SILENT, Monitor, Progress

Project = Callable[[Sequence[Tensor], float], list[Tensor]]
"""Maps the trained tensors, at a fraction 0 .. 1 of the way, to those that the network is evaluated with. At 1 they are
what the stage is to deliver."""

Map = Callable[[Callable[[Tensor], list[Tensor]], Sequence[Tensor]], Iterator[list[Tensor]]]


@dataclass(frozen=True)
class FitConfig:
    """Options of `optimize`; the defaults are the codec's at effort 5 (docs/experiments.md)."""

    steps: int = 10000
    rate: float = 5.5e-2
    """Peak of the learning rate: linear warm-up, then half a cosine to the power of `decay`, down to `final_rate`."""
    decay: float = 2.0
    """The higher, the sooner the rate falls."""
    first_layer: float = 4.0
    """Factor on the rate of the first layer, whose weights are frequencies and a hundred times as large as others."""
    final_rate: float = 0.005
    """Of the peak."""
    warmup: int = 100
    """Steps of warm-up, at most a tenth of all steps."""
    batch: int = 8192
    """Pixels in a step, drawn with replacement."""
    chunk: int = 4096
    """Pixels in a chunk on the CPU; a GPU takes larger ones."""
    evaluate_every: int = 200
    """Steps between looks at the picture's PSNR, for the best weights and for divergence."""
    evaluate_pixels: int = 32_768
    """At most so many pixels, evenly spread, in such a look."""
    enough: float = 1e-6
    """A mean squared error, of values in [-1, 1], at which the search ends: 66 dB."""
    leap: float = 1.15
    """A mean squared error so many times the best one, 0.6 dB, counts as divergence, as a non-finite one does: looks at
    a healthy search differ by 0.1 dB, and one whose rate is too high for a busy picture decays slowly, for good."""
    restarts: int = 9
    """Divergences after which the search ends with the best so far; each goes back to it and halves the rate."""
    seed: int = 0


_GPU_CHUNK = 131_072
"""Pixels in a chunk on a GPU."""
_MOST_STEPS = 1 << 31
"""Of a search that can have been kept."""
_LEAST_CHUNK = 64
"""Pixels; where there is no memory for so few, there is none to be had."""


def no_projection(values: Sequence[Tensor], progress: float) -> list[Tensor]:
    """The identity."""
    return list(values)


class Picture:
    """The target of a fit: uint8 codes on the device, and coordinates by look-up along each axis."""

    def __init__(self, image: NDArray[np.uint8], device: torch.device) -> None:
        """`image` is (H, W, C) uint8."""
        self.height, self.width, self.channels = map(int, image.shape)
        self._codes = torch.tensor(image.reshape(-1, self.channels), device=device)
        axes = pixels.axes(self.height, self.width)
        self._rows, self._columns = (torch.tensor(positions, device=device) for positions in axes)

    def __len__(self) -> int:
        return len(self._codes)

    def on(self, device: torch.device) -> "Picture":
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


@contextmanager
def chunk_map(device: torch.device) -> Iterator[Map]:
    """A `map` over chunks, elsewhere than on the CPU the plain one.

    On the CPU it has as many workers as the caller is using threads, else as torch is, each with one thread.
    """
    if device.type != "cpu":
        yield map
        return
    workers = threads.chosen() or threads.torch_count()
    with threads.single_torch(), threads.single_blas(), ThreadPoolExecutor(workers) as pool:
        yield pool.map


OfChunk = Callable[[Tape, Sequence[Array], Tensor], list[Tensor]]
"""What is summed: of a chunk's pixels, on a tape, at the layers' matrices."""


class PixelSums:
    """Sums over pixels of what a network makes of a picture, and of its derivatives: chunk by chunk, in fixed order."""

    def __init__(
        self, network: Network, picture: Picture, chunk: int, run: Map, note: Callable[[str], None] = SILENT.note
    ) -> None:
        """`note` is told where memory runs out."""
        self.network, self.picture, self._run, self._note = network, picture, run, note
        self._cpu_chunk = chunk
        self._chunk = chunk if network.device.type == "cpu" else max(chunk, _GPU_CHUNK)
        self._tapes: SimpleQueue[Tape] = SimpleQueue()

    def squared_error(self, at: Sequence[Tensor], index: Tensor) -> float:
        """Sum over the pixels `index` and channels of (output - value)^2 at the tensors `at`."""

        def of_chunk(tape: Tape, matrices: Sequence[Array], part: Tensor) -> list[Tensor]:
            error = self._error(tape, matrices, part)
            return [self.network.tensor(error).square().sum(dtype=torch.float64)]

        return float(self._total(of_chunk, at, index)[0])

    def gradient(self, at: Sequence[Tensor], index: Tensor) -> list[Tensor]:
        """Gradient of the mean squared error over the pixels `index` at the tensors `at`: d / d [W | b], by layers."""
        scale = 2 / (len(index) * self.picture.channels)

        def of_chunk(tape: Tape, matrices: Sequence[Array], part: Tensor) -> list[Tensor]:
            error = self._error(tape, matrices, part)
            error *= scale
            pairs = tape.backward(matrices, error)
            return [self.network.tensor(delta @ inputs.T) for delta, inputs in pairs][::-1]

        return self._total(of_chunk, at, index)

    def squares(self, at: Sequence[Tensor], index: Tensor, signs: Tensor) -> list[Tensor]:
        """Sum over the pixels `index` of (d (signs . output) / d weight)^2, by layers as [W | b]; signs (N, C)."""

        def of_chunk(tape: Tape, matrices: Sequence[Array], rows: Tensor) -> list[Tensor]:
            pairs = self._signed(tape, matrices, index[rows], signs[rows])
            return [self.network.tensor((delta * delta) @ (inputs * inputs).T) for delta, inputs in pairs][::-1]

        return self._total(of_chunk, at, torch.arange(len(index), device=index.device))

    def jacobian(self, at: Sequence[Tensor], index: Tensor, signs: Tensor) -> Tensor:
        """(n, N): d (signs . output) / d weight at the pixels `index`, for all n weights in canonical order."""
        tape = self.network.tape(len(index))
        pairs = list(self._signed(tape, self.network.matrices(at), index, signs))[::-1]
        products = [self.network.tensor(delta[:, None] * inputs[None]) for delta, inputs in pairs]
        return torch.cat([part.flatten(0, -2) for whole in products for part in (whole[:, :-1], whole[:, -1])])

    def _error(self, tape: Tape, matrices: Sequence[Array], part: Tensor) -> Array:
        """(C, N): output - value; the tape's own memory."""
        coords, target = self.picture.samples(part)
        error = tape.forward(matrices, self.network.array(coords))
        error -= self.network.array(target).T
        return error

    def _signed(
        self, tape: Tape, matrices: Sequence[Array], part: Tensor, signs: Tensor
    ) -> Iterator[tuple[Array, Array]]:
        """The tape's pairs for the objective signs . output."""
        tape.forward(matrices, self.network.array(self.picture.samples(part)[0]))
        return tape.backward(matrices, self.network.array(signs.T.contiguous()))

    def _total(self, of_chunk: OfChunk, at: Sequence[Tensor], index: Tensor) -> list[Tensor]:
        """The sums over the chunks of `index` at the tensors `at`, however small the chunks have to be."""
        while True:
            try:
                return self._attempt(of_chunk, at, index)
            except (MemoryError, RuntimeError) as error:
                if not memory.ran_out(error):
                    raise
            self._save_memory()  # not above: the exception holds on to the memory

    def _attempt(self, of_chunk: OfChunk, at: Sequence[Tensor], index: Tensor) -> list[Tensor]:
        matrices = self.network.matrices(at)

        def with_tape(part: Tensor) -> list[Tensor]:
            tape = self._spare_tape()
            try:
                with np.errstate(over="ignore", invalid="ignore"):  # of a search that diverges: `Search.look` sees it
                    return of_chunk(tape, matrices, part)
            finally:
                self._tapes.put(tape)

        parts = list(self._run(with_tape, torch.split(index, self._chunk)))
        return [torch.stack(sums).sum(0).to(index.device) for sums in zip(*parts, strict=True)]

    def _save_memory(self) -> None:
        """Halve the chunks, which only splits the sums; where they cannot be smaller, leave the GPU for the CPU."""
        self._tapes = SimpleQueue()
        torch.cuda.empty_cache()
        if self._chunk > _LEAST_CHUNK:
            self._chunk //= 2
            self._note(f"out of memory: going on with {self._chunk} pixels at once")
        elif self.network.device.type != "cpu":
            cpu = torch.device("cpu")
            self.network, self.picture, self._run = self.network.on(cpu), self.picture.on(cpu), map
            self._chunk = self._cpu_chunk
            self._note("out of memory on the GPU: going on on the CPU")
        else:
            raise ResourceError("out of memory, even for a few pixels at once: close other programs")

    def _spare_tape(self) -> Tape:
        try:
            return self._tapes.get_nowait()
        except Empty:
            return self.network.tape(self._chunk)


def mse(sums: PixelSums, at: Sequence[Tensor], most: int) -> float:
    """Mean squared error of the values at the tensors `at`, over at most `most` evenly spread pixels."""
    picture = sums.picture
    index = torch.from_numpy(pixels.spread(picture.height, picture.width, most)).to(sums.network.device)
    return sums.squared_error(at, index) / (len(index) * picture.channels)


def schedule(step: int, start: int, config: FitConfig) -> float:
    """Learning rate of a step: linear warm-up from step `start` on, times a power of half a cosine over all steps.

    The square leaves a rate that is too high for the picture sooner, and costs nothing where it is not.
    """
    warm = min(1.0, (step - start + 1) / min(config.warmup, max(1, config.steps // 10)))
    cosine = 0.5 * (1 + math.cos(math.pi * step / config.steps))
    fallen: float = cosine**config.decay
    return config.rate * warm * (config.final_rate + (1 - config.final_rate) * fallen)


def optimize(
    network: Network,
    picture: Picture,
    config: FitConfig,
    project: Project = no_projection,
    stage: str = "fit",
    monitor: Monitor = SILENT,
    keeper: Keeper = FORGETFUL,
) -> float:
    """Fit `network` to `picture`, and leave in it the best projected tensors that were seen.

    Returns their PSNR in dB, before rounding to codes. Asks `monitor.stopped` before each step and reports to it at
    every look at the picture; between looks nothing waits for the device. Where `monitor.due` is ahead, steps of the
    schedule are left out: the rate falls in time, whatever the machine does. Goes on from what `keeper` has kept;
    raises CheckpointError where that is no state of this search.
    """
    with chunk_map(network.device) as run:
        search = Search(PixelSums(network, picture, config.chunk, run, monitor.note), config, project)
        kept = keeper.load()
        if kept is not None:
            search.restore(kept)
        begun = looked = search.next
        while search.next < config.steps:
            keeper.keep(search.state)
            if search.best <= config.enough or search.restarts > config.restarts:
                break
            due = begun + math.floor(monitor.due() * (config.steps - begun))
            if due >= config.steps or monitor.stopped():
                search.look()
                break
            search.step(max(due, search.next))
            every = config.evaluate_every
            if search.next // every > looked // every or search.next == config.steps:
                search.look()
                looked = search.next
                psnr = psnr_of_mse(search.best, peak=2)
                monitor.report(Progress(stage, search.next, config.steps, psnr, begun))
        last = search.state()
        keeper.settle(lambda: last)
        network.load(search.best_values)
    return psnr_of_mse(search.best, peak=2)


class Search:
    """The state of `optimize`: the optimizer, the best tensors so far, and the retreats after divergence."""

    def __init__(self, sums: PixelSums, config: FitConfig, project: Project) -> None:
        self._sums, self._config, self._project = sums, config, project
        self._device = sums.network.device
        self._generator = torch.Generator(self._device).manual_seed(config.seed)
        self._rate = 1.0
        self.next = self._start = 0
        self.restarts = 0
        self.best = math.inf
        self._begin(sums.network.snapshot())
        self.look()

    def _begin(self, values: Sequence[Tensor]) -> None:
        self._matrices = join_matrices(values)
        self._values = split_matrices(self._matrices)
        self._soap = Soap(self._matrices, [self._config.first_layer] + [1.0] * (len(self._matrices) - 1))

    def step(self, step: int) -> None:
        """One batch, one step of SOAP."""
        self.next = step + 1
        config, count = self._config, len(self._sums.picture)
        index = torch.randint(count, (min(config.batch, count),), generator=self._generator, device=self._device)
        at = self._project(self._values, step / config.steps)
        self._soap.step(self._sums.gradient(at, index), self._rate * schedule(step, self._start, config))

    def look(self) -> None:
        """Measure the picture: keep the tensors if they are the best, go back to the best if they diverged."""
        at = self._project(self._values, 1.0)
        error = mse(self._sums, at, self._config.evaluate_pixels)
        if error < self.best or math.isinf(self.best):
            self.best, self.best_values = error, [value.clone() for value in at]
        elif not error < self._config.leap * self.best:
            self._begin(self.best_values)
            self._rate, self._start = self._rate / 2, self.next
            self.restarts += 1

    def state(self) -> State:
        """All that the next steps depend on, as copies. The inverse of `restore`."""
        return {
            "next": np.array(self.next, np.int64),
            "steps": np.array(self._config.steps, np.int64),
            "start": np.array(self._start, np.int64),
            "restarts": np.array(self.restarts, np.int64),
            "rate": np.array(self._rate, np.float64),
            "error": np.array(self.best, np.float64),
            "generator": self._generator.get_state().cpu().numpy().copy(),
            **{f"value{number}": value.cpu().numpy().copy() for number, value in enumerate(self._values)},
            **{f"best{number}": value.cpu().numpy().copy() for number, value in enumerate(self.best_values)},
            **prefixed("soap.", self._soap.state()),
        }

    def restore(self, state: State) -> None:
        """Go on from the state of another search for the same picture; raises CheckpointError where it is of none.

        Values and moments need not be finite: they are not, at times, of a search that the next look calls back. Under
        a time limit the other may have been planned in another number of steps: what counts is how much of it is over.
        """
        most = take_count(state, "steps", _MOST_STEPS)
        factor = self._config.steps / max(1, most)
        self.next, self._start = (round(factor * take_count(state, name, most)) for name in ("next", "start"))
        self.restarts = take_count(state, "restarts", most)
        self._rate, self.best = take_number(state, "rate"), take_number(state, "error")
        shapes = [(number, tuple(value.shape)) for number, value in enumerate(self._values)]
        self.best_values = [self._tensor(take_finite(state, f"best{number}", shape)) for number, shape in shapes]
        self._begin([self._tensor(take(state, f"value{number}", shape, np.float32)) for number, shape in shapes])
        self._soap.restore(below("soap.", state))
        self._draw_on(state)
        if unknown := state.keys() - self.state().keys():
            raise CheckpointError(f"{min(unknown)[:40]} is unknown")

    def _tensor(self, array: NDArray[np.float32]) -> Tensor:
        return torch.tensor(array, device=self._device)

    def _draw_on(self, state: State) -> None:
        """Draw the batches that the kept generator would have drawn."""
        generator = take(state, "generator", tuple(self._generator.get_state().shape), np.uint8)
        try:
            self._generator.set_state(torch.tensor(generator))
        except RuntimeError as error:
            raise CheckpointError("generator is no state of a random generator") from error
