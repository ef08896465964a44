"""What evaluates layers of sines at points: NumPy, the reference, or torch; in chunks, on threads.

A backend is the one object that knows where sums are done. float64 is class X of `container.py`, float32 is class M.
"""

import functools
import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inrcodec import pixels
from inrcodec.compute import threads
from inrcodec.compute.sine import Forward, Jet, coordinate_jet, jet
from inrcodec.errors import ResourceError, StoppedError
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
JET_WORK = 4
"""Times the multiplications of a value that a value with its derivatives takes: two slopes and a bend go with it."""

Params = Sequence[NDArray[np.float32]]
"""Tensors of layers: W_1, b_1, .., W, b; W is (n_out, n_in), b (n_out,)."""
Samples = NDArray[np.floating]
"""float32, or float64 where the picture is drawn in that."""
Precision = type[np.float32] | type[np.float64]
Stopped = Callable[[], bool]
"""Asked between chunks of points whether the work is to end."""
Evaluate = Callable[[NDArray[np.float32]], Samples]
"""(N, 2) float32 coordinates -> (N, values), float32 or float64."""
Positions = NDArray[np.float32]
"""(N,) coordinates along one side of a grid."""
EvaluateJet = Callable[[NDArray[np.float32]], Jet]
"""(N, 2) float32 coordinates -> values near [-1, 1] and their derivatives by the coordinates, in float64."""


@dataclass(frozen=True)
class Manner:
    """How networks are evaluated."""

    threads: int = 1
    """Threads on a CPU. The samples do not depend on it."""
    stopped: Stopped = never
    """Asked between chunks, in the caller's thread alone; when it says so the evaluation ends with StoppedError."""

    def ask(self) -> None:
        """Raise StoppedError once it is to stop."""
        if self.stopped():
            raise StoppedError("stopped while the picture was being drawn")


DEFAULT_MANNER = Manner()


class Evaluator(Protocol):
    """What evaluates a network, at points and over grids, which some networks draw faster."""

    def __call__(self, coords: NDArray[np.float32]) -> Samples:
        """(N, 2) float32 coordinates -> (N, values), float32 or float64."""
        ...

    def grid(self, rows: Positions, columns: Positions) -> Samples:
        """The same at every point of a grid, row by row: (rows * columns, values)."""
        ...


@dataclass(frozen=True)
class Pointwise:
    """An `Evaluator` to which the points of a grid are points like others."""

    evaluate: Evaluate
    """What evaluates points."""

    def __call__(self, coords: NDArray[np.float32]) -> Samples:
        """(N, 2) float32 coordinates -> (N, values), float32 or float64."""
        return self.evaluate(coords)

    def grid(self, rows: Positions, columns: Positions) -> Samples:
        """The same at every point of a grid, row by row: (rows * columns, values)."""
        return self.evaluate(pixels.grid(rows, columns))


Lifted = Any
"""An array on a backend's device: NumPy's, or torch's."""


class Backend(Protocol):
    """What does sums, on a device. Errors where a device or its memory fails: RequestError, ResourceError."""

    @property
    def xp(self) -> Any:
        """The module of its arrays: numpy or torch."""
        ...

    def lift(self, values: NDArray[np.floating]) -> Lifted:
        """An array of its own with these values, in their precision."""
        ...

    def chunked(
        self,
        function: Callable[[NDArray[np.float32]], Sequence[Lifted]],
        shapes: Sequence[tuple[int, ...]],
        dtype: Precision,
        size: int,
    ) -> "Chunks":
        """What calls a function, of at most `size` rows of an array, for all rows of one.

        Its results are the backend's arrays (rows, ..), of those shapes at one row.
        """
        ...

    def sine(self, params: Params, dtype: Precision) -> Evaluator:
        """What evaluates layers of sines over the coordinates, in a precision."""
        ...

    def sine_jet(self, params: Params) -> EvaluateJet:
        """The same with derivatives, in float64."""
        ...


EvaluateChunk = Callable[[NDArray[np.float32]], Sequence[Samples]]
"""A chunk of points, in one thread -> (N, ..) of each kind that is wanted."""


@dataclass(frozen=True)
class Chunks:
    """An evaluation chunk by chunk."""

    worker: Callable[[], EvaluateChunk]
    """Called in each thread, for what it needs for itself."""
    shapes: Sequence[tuple[int, ...]]
    """The shape of each kind of result, at one point."""
    dtype: Precision
    size: int
    """Points in a chunk: never by the number of threads, on which no sample may depend."""
    manner: Manner
    around: Callable[[], AbstractContextManager[None]]
    """What is done before and after."""

    def __call__(self, coords: NDArray[np.float32]) -> list[Samples]:
        """(N, 2) points -> (N, ..) of each kind."""
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


def layer_sizes(params: Params) -> tuple[int, ...]:
    """n_0, .., outputs of the layers."""
    return params[0].shape[1], *(len(bias) for bias in params[1::2])


def param_count(params: Params) -> int:
    """Numbers in the tensors: about the multiplications of a point."""
    return sum(param.size for param in params)


def chunk_size(params: Params) -> int:
    """Points evaluated at once on a CPU."""
    in_cache = max(_LEAST_CHUNK, _ACTIVATIONS // max(layer_sizes(params)[1:-1]))
    return max(1, min(CHUNK, in_cache, CHUNK_MACS // param_count(params)))


def jet_chunk_size(params: Params) -> int:
    """The same for derivatives."""
    return max(1, min(_JET_CHUNK, CHUNK, CHUNK_MACS // (JET_WORK * param_count(params))))


def jet_shapes(channels: int) -> list[tuple[int, ...]]:
    """The shapes of a jet's parts at one point."""
    return [(channels,), (channels, 2), (channels,)]


class NumpyBackend:
    """The reference: the CPU, without torch."""

    def __init__(self, manner: Manner = DEFAULT_MANNER) -> None:
        self._manner = manner

    @property
    def xp(self) -> Any:
        """NumPy."""
        return np

    def lift(self, values: NDArray[np.floating]) -> Lifted:
        """The array itself."""
        return values

    def chunked(
        self,
        function: Callable[[NDArray[np.float32]], Sequence[Lifted]],
        shapes: Sequence[tuple[int, ...]],
        dtype: Precision,
        size: int,
    ) -> "Chunks":
        """What calls a function for chunks of rows. See `Backend`."""
        return Chunks(lambda: function, shapes, dtype, size, self._manner, plain_numpy)

    def sine(self, params: Params, dtype: Precision) -> Evaluator:
        """What evaluates layers of sines over the coordinates, in a precision."""
        sizes, size = layer_sizes(params), chunk_size(params)
        tensors = [value.astype(dtype) for value in params]
        matrices = [np.column_stack(layer) for layer in zip(tensors[::2], tensors[1::2], strict=True)]

        def worker() -> EvaluateChunk:
            buffers = Forward(sizes, size, np, lambda *shape: np.empty(shape, dtype))
            return lambda coords: [buffers.forward(matrices, coords).T]

        chunks = Chunks(worker, [(sizes[-1],)], dtype, size, self._manner, plain_numpy)
        return Pointwise(lambda coords: chunks(coords)[0])

    def sine_jet(self, params: Params) -> EvaluateJet:
        """The same with derivatives, in float64."""
        tensors, shapes = [value.astype(np.float64) for value in params], jet_shapes(len(params[-1]))

        def evaluate(coords: NDArray[np.float32]) -> Sequence[Samples]:
            return jet(tensors, coordinate_jet(coords.astype(np.float64), np), np)

        chunks = self.chunked(evaluate, shapes, np.float64, jet_chunk_size(params))
        return lambda coords: Jet(*chunks(coords))


@contextmanager
def within_memory() -> Iterator[None]:
    """Raise ResourceError where memory ends inside. Serves as a decorator."""
    try:
        yield
    except MemoryError as error:
        raise ResourceError("out of memory: draw it smaller, or in regions, or close other programs") from error


@contextmanager
def plain_numpy() -> Iterator[None]:
    """Let NumPy have a buffer for products, and take them by one thread."""
    with threads.single_blas():
        prepare_products()
        yield


_PRODUCTS_BUFFER = 64 << 20
"""Bytes of address space: twice what OpenBLAS takes for its first product on x86."""


@functools.cache  # a failure is not kept
def prepare_products() -> None:
    """Let NumPy take its buffer for products of matrices, or raise MemoryError where there is no room for it.

    OpenBLAS ends the whole process where its first product gets no buffer, which nothing in Python can catch.
    """
    try:
        mmap.mmap(-1, _PRODUCTS_BUFFER).close()
    except OSError as error:
        raise MemoryError("no room for the products of matrices") from error
    square = np.ones((128, 128), np.float32)  # smaller products need no buffer
    np.matmul(square, square)
