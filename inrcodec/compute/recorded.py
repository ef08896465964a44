"""Sums that are the same ones each time, told a GPU once: there most take longer to be asked for than to be done."""

from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any

import torch

from inrcodec.compute.arena import Array, Run, Work

Recording = tuple[Sequence[Array], Callable[[], None], Sequence[Array]]
"""Where arguments go, what does the work again on what is there, and where its results are."""


_RECORDING = Lock()


class CudaGraphs:
    """Makes recordings as CUDA graphs, which have what memory they need in passing in common."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, work: Work, arrays: Sequence[Array], run: Run) -> Recording:
        """work(arrays, run), to be done again."""
        inputs = [array.clone() for array in arrays]
        here, aside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(here)
        with torch.cuda.stream(aside):  # once before: libraries then have what they need, and arenas their arrays
            work(inputs, run)
        here.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # torch records on one stream, whoever asks; and what other threads do meanwhile is no fault of this one
        with _RECORDING, torch.cuda.graph(graph, self._pool, capture_error_mode="thread_local"):
            outputs = work(inputs, run)
        self._pool = graph.pool()
        return inputs, graph.replay, outputs


class Recorder:
    """Does work by name. On CUDA the first time records it, and what it returns the next work writes over."""

    def __init__(
        self, device: torch.device, record: Callable[[Work, Sequence[Array], Run], Recording] | None = None
    ) -> None:
        """`record` makes a recording; by default on CUDA a graph, and elsewhere there is none."""
        self._record = record or (CudaGraphs() if device.type == "cuda" else None)
        self._recordings: dict[Hashable, Recording] = {}

    def __call__(self, name: Hashable, work: Work, arrays: Sequence[Array], run: Run) -> Sequence[Array]:
        """work(arrays, run): work of one name is the same each time, and takes arrays of the same shapes."""
        if self._record is None:
            return work(arrays, run)
        if name not in self._recordings:
            self._recordings[name] = self._record(work, arrays, run)
        inputs, again, outputs = self._recordings[name]
        for own, given in zip(inputs, arrays, strict=True):
            own.copy_(given)
        again()
        return outputs
