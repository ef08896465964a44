"""torch on any device: which there is, sums in chunks without TF32 or autocast, and memory that ends.

Where memory ends torch says so by exceptions that also mean other things, as that a device is not there: here they are
told apart, and become errors of ours that say what helps.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrcodec.compute import threads
from inrcodec.compute.backends import (
    DEFAULT_MANNER,
    JET_WORK,
    Chunks,
    EvaluateJet,
    Evaluator,
    Manner,
    Params,
    Pointwise,
    Precision,
    Samples,
    chunk_size,
    jet_chunk_size,
    jet_shapes,
)
from inrcodec.compute.sine import Jet, coordinate_jet, forward, jet
from inrcodec.errors import RequestError, ResourceError

_GPU_CHUNK = 262_144
"""Points evaluated at once on a GPU."""
GPU_FIT_CHUNK = 131_072
"""Pixels whose gradients are taken at once on a GPU, at least."""
_CURE = "draw it smaller, or in regions"


def choose_device(name: str) -> torch.device:
    """The torch device of an `EncoderConfig.device`: "auto", "cpu" or "cuda". Raises RequestError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise RequestError("device: no CUDA device is available: use the cpu")
    if name not in ("cpu", "cuda"):
        raise RequestError(f"device: {name!r} is none of auto, cpu, cuda")
    return torch.device(name)


def gpus_for(name: str) -> list[str]:
    """CUDA's names of the GPUs that this process may use for an `EncoderConfig.device`."""
    if name == "cpu":
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]


def is_cpu(device: torch.device) -> bool:
    """Whether sums are done by the processor, where NumPy shares torch's memory."""
    return device.type == "cpu"


class TorchBackend:
    """Sums in torch on `device`, without TF32 or autocast whatever the host program has switched on.

    Raises RequestError where there is no such device; ResourceError, when made and later, where its memory ends.
    """

    def __init__(self, device: str, manner: Manner = DEFAULT_MANNER) -> None:
        self._device = device
        self._on_cpu = device == "cpu"
        # a GPU has threads enough: its chunks follow each other
        self._manner = manner if self._on_cpu else replace(manner, threads=1)

    def sine(self, params: Params, dtype: Precision) -> Evaluator:
        """What evaluates layers of sines over the coordinates, in a precision."""

        def values(tensors: Sequence[Tensor], points: Tensor) -> Sequence[Tensor]:
            return [forward(tensors, points, torch)]

        size = chunk_size(params) if self._on_cpu else _GPU_CHUNK
        chunks = self._chunks(values, params, [(len(params[-1]),)], dtype, size)
        return Pointwise(lambda coords: chunks(coords)[0])

    def sine_jet(self, params: Params) -> EvaluateJet:
        """The same with derivatives, in float64."""

        def derivatives(tensors: Sequence[Tensor], points: Tensor) -> Sequence[Tensor]:
            return jet(tensors, coordinate_jet(points, torch), torch)

        size = jet_chunk_size(params) if self._on_cpu else _GPU_CHUNK // JET_WORK
        chunks = self._chunks(derivatives, params, jet_shapes(len(params[-1])), np.float64, size)
        return lambda coords: Jet(*chunks(coords))

    def _chunks(
        self,
        function: Callable[[Sequence[Tensor], Tensor], Sequence[Tensor]],
        params: Params,
        shapes: Sequence[tuple[int, ...]],
        dtype: Precision,
        size: int,
    ) -> Chunks:
        tensors = [self.lift(value.astype(dtype)) for value in params]

        def evaluate(coords: NDArray[np.float32]) -> Sequence[Tensor]:
            return function(tensors, torch.from_numpy(coords.astype(dtype)).to(self._device))

        return self.chunked(evaluate, shapes, dtype, size)

    @property
    def xp(self) -> Any:
        """torch."""
        return torch

    def lift(self, values: NDArray[np.floating]) -> Tensor:
        """A tensor on the device."""
        with loading(self._device, _CURE):
            return torch.from_numpy(values).to(self._device)

    def chunked(
        self,
        function: Callable[[NDArray[np.float32]], Sequence[Tensor]],
        shapes: Sequence[tuple[int, ...]],
        dtype: Precision,
        size: int,
    ) -> Chunks:
        """What calls a function for chunks of rows. See `backends.Backend`."""

        def evaluate(rows: NDArray[np.float32]) -> Sequence[Samples]:
            with torch.inference_mode(), torch.autocast(torch.device(self._device).type, enabled=False):
                return [part.cpu().numpy() for part in function(rows)]

        return Chunks(lambda: evaluate, shapes, dtype, size, self._manner, _plain_torch)


@contextmanager
def _plain_torch() -> Iterator[None]:
    """Nothing of what the host program has switched on; and errors of ours where memory ends."""
    with shortage_is_an_error(_CURE), _without_tf32(), threads.single_torch():
        yield


def _forbid_tf32() -> Callable[[], object]:
    matmul = torch.backends.cuda.matmul
    allowed, matmul.allow_tf32 = matmul.allow_tf32, False
    return lambda: setattr(matmul, "allow_tf32", allowed)


_without_tf32 = threads.WhileInside(_forbid_tf32)


Map = Callable[[Callable[[Tensor], list[Tensor]], Sequence[Tensor]], Iterator[list[Tensor]]]


@contextmanager
def chunk_map(device: torch.device) -> Iterator[Map]:
    """A `map` over chunks, elsewhere than on the CPU the plain one.

    On the CPU it has as many workers as the caller is using threads, else as torch is, each with one thread.
    """
    if not is_cpu(device):
        yield map
        return
    workers = threads.chosen() or threads.torch_count()
    with threads.single_torch(), threads.single_blas(), ThreadPoolExecutor(workers) as pool:
        yield pool.map


def release_memory() -> None:
    """Give what torch keeps for itself back to a GPU."""
    torch.cuda.empty_cache()


_CPU_ALLOCATOR = "DefaultCPUAllocator"
"""Words in the text of the plain RuntimeError that torch raises where the CPU's memory ends."""


def ran_out(error: BaseException) -> bool:
    """Whether an exception says that memory could not be had."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and _CPU_ALLOCATOR in str(error)
    )


@contextmanager
def shortage_is_an_error(cure: str = "ask for a smaller file") -> Iterator[None]:
    """Raise ResourceError where memory ends inside; `cure` says in words what would need less."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        elsewhere = ", or use the cpu" if isinstance(error, torch.OutOfMemoryError) else ""
        raise ResourceError(f"out of memory: {cure}{elsewhere}, or close other programs") from error


@contextmanager
def loading(device: str, cure: str) -> Iterator[None]:
    """While tensors go to a torch device: RequestError where it cannot take them, ResourceError where memory ends."""
    with shortage_is_an_error(cure):
        try:
            yield
        except (RuntimeError, AssertionError, TypeError) as error:
            if ran_out(error):
                raise
            raise RequestError(f"device: {device} is not available: use the cpu") from error
