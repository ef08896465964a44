"""Evaluation of a network at points: in NumPy, the reference, or in torch; in float32 or float64; in chunks on threads.

float32 where the file says that this is safe, else, or when asked for, float64: classes M and X of `container.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inrcodec import extras
from inrcodec.compute import threads
from inrcodec.compute.sine import Forward
from inrcodec.errors import StoppedError
from inrcodec.families.siren.model import QuantizedModel
from inrcodec.families.siren.network import Jet, SirenArch, forward, jet
from inrcodec.format.limits import prepare_products
from inrcodec.progress import never

CHUNK = 4096
"""Points evaluated at once on a CPU, at most."""
_LEAST_CHUNK, _ACTIVATIONS = 256, 2**15
"""Points at least, and activations of the widest layer about: 128 KiB in float32 stay in a core's cache, and a thread's
buffers are a few MiB for any network that there may be."""
CHUNK_MACS = 2**30
"""Multiplications between two questions whether to stop, at most: a fraction of a second on a CPU core."""
_JET_CHUNK = 256
"""Points whose derivatives are taken at once, at most."""
_GPU_CHUNK = 262_144
"""Points evaluated at once on a GPU."""
JET_WORK = 4
"""Times the multiplications of a value that a value with its derivatives takes: two slopes and a bend go with it."""

Samples = NDArray[np.floating]
"""float32, or float64 where the picture is drawn in that."""
Precision = type[np.float32] | type[np.float64]
Stopped = Callable[[], bool]
"""Asked between chunks of points whether the work is to end."""


class Backend(Protocol):
    """Evaluates a network at coordinates."""

    def __call__(self, coords: NDArray[np.float32]) -> Samples:
        """(N, 2) float32 -> (N, values), float32 or float64."""
        ...


class JetBackend(Protocol):
    """Evaluates a network with its derivatives, in float64."""

    def __call__(self, coords: NDArray[np.float32]) -> Jet:
        """(N, 2) float32 -> the network's values near [-1, 1] and their derivatives by the coordinates."""
        ...


@dataclass(frozen=True)
class Manner:
    """How a network is evaluated."""

    threads: int = 1
    """On a CPU. The samples do not depend on it."""
    stopped: Stopped = never
    """Asked between chunks, in the caller's thread alone; when it says so the evaluation ends with StoppedError."""

    def ask(self) -> None:
        """Raise StoppedError once it is to stop."""
        if self.stopped():
            raise StoppedError("stopped while the picture was being drawn")


DEFAULT_MANNER = Manner()


def precision(model: QuantizedModel, exact: bool = False) -> Precision:
    """float64 if `exact` or if the file asks for it, else float32."""
    return np.float64 if exact or not model.f32_safe else np.float32


Evaluate = Callable[[NDArray[np.float32]], Sequence[Samples]]
"""At a chunk of points, in one thread: (N, ..) of each kind that is wanted."""


@dataclass(frozen=True)
class _Chunks:
    """An evaluation chunk by chunk."""

    worker: Callable[[], Evaluate]
    """Called in each thread, for what it needs for itself."""
    shapes: Sequence[tuple[int, ...]]
    """Of each kind of result, at one point."""
    dtype: Precision
    size: int
    """Points in a chunk: never by the number of threads, on which no sample may depend."""
    manner: Manner
    around: Callable[[], AbstractContextManager[None]]
    """What is done before and after."""

    def __call__(self, coords: NDArray[np.float32]) -> list[Samples]:
        results = [np.empty((len(coords), *shape), self.dtype) for shape in self.shapes]

        def of_thread() -> threads.Piece:
            evaluate = self.worker()

            def piece(number: int) -> None:
                part = slice(number * self.size, (number + 1) * self.size)
                for result, values in zip(results, evaluate(coords[part]), strict=True):
                    result[part] = values

            return piece

        with self.around():
            threads.spread(-(-len(coords) // self.size), of_thread, self.manner.threads, self.manner.ask)
        return results


def _chunk(arch: SirenArch) -> int:
    """Points evaluated at once on a CPU."""
    in_cache = max(_LEAST_CHUNK, _ACTIVATIONS // max(arch.dim_hidden))
    return max(1, min(CHUNK, in_cache, CHUNK_MACS // arch.param_count()))


def _jet_chunk(arch: SirenArch) -> int:
    """The same for derivatives."""
    return max(1, min(_JET_CHUNK, CHUNK, CHUNK_MACS // (JET_WORK * arch.param_count())))


def _jet_shapes(arch: SirenArch) -> list[tuple[int, ...]]:
    return [(arch.channels,), (arch.channels, 2), (arch.channels,)]


def numpy_backend(model: QuantizedModel, dtype: Precision, manner: Manner = DEFAULT_MANNER) -> Backend:
    """The reference evaluation in a precision, on the CPU without torch."""
    arch, size = model.arch, _chunk(model.arch)
    tensors = [value.astype(dtype) for value in model.dequantize()]
    matrices = [np.column_stack(layer) for layer in zip(tensors[::2], tensors[1::2], strict=True)]

    def worker() -> Evaluate:
        buffers = Forward(arch, size, np, lambda *shape: np.empty(shape, dtype))
        return lambda coords: [buffers.forward(matrices, coords).T]

    chunks = _Chunks(worker, [(arch.channels,)], dtype, size, manner, _plain_numpy)
    return lambda coords: chunks(coords)[0]


def numpy_jet(model: QuantizedModel, manner: Manner = DEFAULT_MANNER) -> JetBackend:
    """Values with derivatives, on the CPU without torch."""
    arch = model.arch
    params = [value.astype(np.float64) for value in model.dequantize()]

    def evaluate(coords: NDArray[np.float32]) -> Sequence[Samples]:
        return jet(arch, params, coords.astype(np.float64), np)

    chunks = _Chunks(lambda: evaluate, _jet_shapes(arch), np.float64, _jet_chunk(arch), manner, _plain_numpy)
    return lambda coords: Jet(*chunks(coords))


@contextmanager
def _plain_numpy() -> Iterator[None]:
    """With a buffer for products, taken by one thread."""
    with threads.single_blas():
        prepare_products()
        yield


def torch_backend(model: QuantizedModel, device: str, dtype: Precision, manner: Manner = DEFAULT_MANNER) -> Backend:
    """The same in torch on `device`, without TF32 or autocast whatever the host program has switched on.

    Raises RequestError where there is no such device; ResourceError, here and later, where its memory ends.
    """

    def values(*at: Any) -> Sequence[Any]:
        return [forward(*at)]

    size = _chunk(model.arch) if device == "cpu" else _GPU_CHUNK
    worker, shapes = _torch_worker(values, model, device, dtype), [(model.arch.channels,)]
    chunks = _Chunks(worker, shapes, dtype, size, _manner_on(device, manner), _plain_torch)
    return lambda coords: chunks(coords)[0]


def torch_jet(model: QuantizedModel, device: str, manner: Manner = DEFAULT_MANNER) -> JetBackend:
    """Values with derivatives, in torch on `device`. Errors as of `torch_backend`."""
    size = _jet_chunk(model.arch) if device == "cpu" else _GPU_CHUNK // JET_WORK
    worker, shapes = _torch_worker(jet, model, device, np.float64), _jet_shapes(model.arch)
    chunks = _Chunks(worker, shapes, np.float64, size, _manner_on(device, manner), _plain_torch)
    return lambda coords: Jet(*chunks(coords))


def _torch_worker(
    function: Callable[..., Sequence[Any]], model: QuantizedModel, device: str, dtype: Precision
) -> Callable[[], Evaluate]:
    """What evaluates `function`, of `network`, in torch."""
    extras.require(f"device {device}", "torch")
    import torch

    from inrcodec.compute import memory

    with memory.loading(device, _CURE):
        params = [torch.from_numpy(value.astype(dtype)).to(device) for value in model.dequantize()]

    def evaluate(coords: NDArray[np.float32]) -> Sequence[Samples]:
        with torch.inference_mode(), torch.autocast(torch.device(device).type, enabled=False):
            points = torch.from_numpy(coords.astype(dtype)).to(device)
            return [part.cpu().numpy() for part in function(model.arch, params, points, torch)]

    return lambda: evaluate


def _manner_on(device: str, manner: Manner) -> Manner:
    """A GPU has threads enough: its chunks follow each other."""
    return manner if device == "cpu" else replace(manner, threads=1)


_CURE = "draw it smaller, or in regions"


@contextmanager
def _plain_torch() -> Iterator[None]:
    """Nothing of what the host program has switched on; and errors of ours where memory ends."""
    from inrcodec.compute import memory

    with memory.shortage_is_an_error(_CURE), _without_tf32(), threads.single_torch():
        yield


def _forbid_tf32() -> Callable[[], object]:
    import torch

    matmul = torch.backends.cuda.matmul
    allowed, matmul.allow_tf32 = matmul.allow_tf32, False
    return lambda: setattr(matmul, "allow_tf32", allowed)


_without_tf32 = threads.WhileInside(_forbid_tf32)
