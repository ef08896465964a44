"""The objective of a fit, and what follows from its derivatives: sums over a picture's pixels of what a SIREN makes.

A sum walks its pixels in chunks that stay in the processor's cache, one thread per chunk, and adds the chunks up in a
fixed order. Where memory runs out the chunks are halved, which changes nothing but the order of sums, and at last a GPU
hands the sums over to the CPU.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue

import numpy as np
import torch
from torch import Tensor

from inrcodec import pixels
from inrcodec.compute.sine import Array, Tape
from inrcodec.compute.torch_backend import (
    GPU_FIT_CHUNK,
    Map,
    chunk_map,
    is_cpu,
    ran_out,
    release_memory,
)
from inrcodec.errors import ResourceError
from inrcodec.families.siren.tensors import FloatNetwork, join_matrices, split_matrices
from inrcodec.fitting.loop import FitConfig
from inrcodec.fitting.target import Target
from inrcodec.progress import SILENT

_LEAST_CHUNK = 64
"""Pixels; where there is no memory for so few, there is none to be had."""

OfChunk = Callable[[Tape, Sequence[Array], Tensor], list[Tensor]]
"""What is summed: of a chunk's pixels, on a tape, at the layers' matrices."""


class PixelSums:
    """Sums over pixels of what a network makes of a picture, and of its derivatives: chunk by chunk, in fixed order."""

    def __init__(
        self,
        network: FloatNetwork,
        target: Target,
        chunk: int = FitConfig().chunk,
        note: Callable[[str], None] = SILENT.note,
    ) -> None:
        """`chunk` pixels at once on a CPU, a GPU takes more; `note` is told where memory runs out."""
        self.network, self.target, self._note = network, target, note
        self._cpu_chunk = chunk
        self._chunk = chunk if is_cpu(network.device) else max(chunk, GPU_FIT_CHUNK)
        self._tapes: SimpleQueue[Tape] = SimpleQueue()
        self._run: Map = map

    @property
    def device(self) -> torch.device:
        """The device on which sums begin; they may end on the CPU."""
        return self.network.device

    def __len__(self) -> int:
        return len(self.target)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Inside, sums have all their threads."""
        with chunk_map(self.network.device) as run:
            self._run = run
            try:
                yield
            finally:
                self._run = map

    def values(self) -> list[Tensor]:
        """Copies of the network's tensors."""
        return self.network.snapshot()

    def load(self, values: Sequence[Tensor]) -> None:
        """Overwrite the network's tensors. The inverse of `values`."""
        self.network.load(values)

    def join(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Tensors -> what is stepped: a matrix [W | b] a layer."""
        return join_matrices(values)

    def split(self, matrices: Sequence[Tensor]) -> list[Tensor]:
        """Views of the tensors in such matrices. The inverse of `join`."""
        return split_matrices(matrices)

    def rates(self, config: FitConfig) -> list[float]:
        """Factors on the rate of each matrix: the first layer's weights are frequencies, and large."""
        return [config.first_layer] + [1.0] * self.network.arch.depth

    def mse(self, at: Sequence[Tensor], most: int) -> float:
        """Mean squared error of the values at the tensors `at`, over at most `most` evenly spread pixels."""
        target = self.target
        index = torch.from_numpy(pixels.spread(target.height, target.width, most)).to(self.network.device)
        return self.squared_error(at, index) / (len(index) * target.channels)

    def squared_error(self, at: Sequence[Tensor], index: Tensor) -> float:
        """Sum over the pixels `index` and channels of (output - value)^2 at the tensors `at`."""

        def of_chunk(tape: Tape, matrices: Sequence[Array], part: Tensor) -> list[Tensor]:
            error = self._error(tape, matrices, part)
            return [self.network.tensor(error).square().sum(dtype=torch.float64)]

        return float(self._total(of_chunk, at, index)[0])

    def gradient(self, at: Sequence[Tensor], index: Tensor) -> list[Tensor]:
        """Gradient of the mean squared error over the pixels `index` at the tensors `at`: d / d [W | b], by layers."""
        scale = 2 / (len(index) * self.target.channels)

        def of_chunk(tape: Tape, matrices: Sequence[Array], part: Tensor) -> list[Tensor]:
            error = self._error(tape, matrices, part)
            error *= scale
            pairs = tape.backward(matrices, error)
            return [self.network.tensor(delta @ inputs.T) for delta, inputs in pairs][::-1]

        return self._total(of_chunk, at, index)

    def gauss_newton_diagonal(self, at: Sequence[Tensor], index: Tensor, signs: Tensor) -> list[Tensor]:
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
        coords, target = self.target.samples(part)
        error = tape.forward(matrices, self.network.array(coords))
        error -= self.network.array(target).T
        return error

    def _signed(
        self, tape: Tape, matrices: Sequence[Array], part: Tensor, signs: Tensor
    ) -> Iterator[tuple[Array, Array]]:
        """The tape's pairs for the objective signs . output."""
        tape.forward(matrices, self.network.array(self.target.samples(part)[0]))
        return tape.backward(matrices, self.network.array(signs.T.contiguous()))

    def _total(self, of_chunk: OfChunk, at: Sequence[Tensor], index: Tensor) -> list[Tensor]:
        """The sums over the chunks of `index` at the tensors `at`, however small the chunks have to be."""
        while True:
            try:
                return self._attempt(of_chunk, at, index)
            except (MemoryError, RuntimeError) as error:
                if not ran_out(error):
                    raise
            self._save_memory()  # not above: the exception holds on to the memory

    def _attempt(self, of_chunk: OfChunk, at: Sequence[Tensor], index: Tensor) -> list[Tensor]:
        matrices = self.network.matrices(at)

        def with_tape(part: Tensor) -> list[Tensor]:
            tape = self._spare_tape()
            try:
                with np.errstate(over="ignore", invalid="ignore"):  # a search that diverges sees it itself
                    return of_chunk(tape, matrices, part)
            finally:
                self._tapes.put(tape)

        parts = list(self._run(with_tape, torch.split(index, self._chunk)))
        return [torch.stack(sums).sum(0).to(index.device) for sums in zip(*parts, strict=True)]

    def _save_memory(self) -> None:
        """Halve the chunks, which only splits the sums; where they cannot be smaller, leave the GPU for the CPU."""
        self._tapes = SimpleQueue()
        release_memory()
        if self._chunk > _LEAST_CHUNK:
            self._chunk //= 2
            self._note(f"out of memory: going on with {self._chunk} pixels at once")
        elif not is_cpu(self.network.device):
            cpu = torch.device("cpu")
            self.network, self.target, self._run = self.network.on(cpu), self.target.on(cpu), map
            self._chunk = self._cpu_chunk
            self._note("out of memory on the GPU: going on on the CPU")
        else:
            raise ResourceError("out of memory, even for a few pixels at once: close other programs")

    def _spare_tape(self) -> Tape:
        try:
            return self._tapes.get_nowait()
        except Empty:
            return self.network.tape(self._chunk)
