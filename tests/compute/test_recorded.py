"""Laws of work that is recorded: it gives what the work gives, for whatever arguments, and is done once by hand."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from inrcodec.compute.arena import Array, Run, Work
from inrcodec.compute.recorded import Recorder, Recording
from tests.support.devices import needs_cuda

CPU = torch.device("cpu")


def played(work: Work, arrays: Sequence[Array], run: Run) -> Recording:
    """What a CUDA graph does, on the CPU: results always go to the same place."""
    inputs = [array.clone() for array in arrays]
    outputs = [result.clone() for result in work(inputs, run)]

    def again() -> None:
        for own, found in zip(outputs, work(inputs, run), strict=True):
            own.copy_(found)

    return inputs, again, outputs


CUDA = torch.device("cuda")
each = pytest.mark.parametrize(
    ("make", "device"),
    [
        pytest.param(lambda: Recorder(CPU), CPU, id="not recorded"),
        pytest.param(lambda: Recorder(CPU, played), CPU, id="played"),
        pytest.param(lambda: Recorder(CUDA), CUDA, id="a graph", marks=needs_cuda),
    ],
)


def doubled(arrays: Sequence[Array], run: Run) -> Sequence[Array]:
    one, other = arrays
    return [2 * one, (one * other).sum()]


def tripled(arrays: Sequence[Array], run: Run) -> Sequence[Array]:
    return [3 * array for array in run(lambda array: array, arrays)]


@each
def test_work_that_is_done_again_follows_its_arguments(make: Callable[[], Recorder], device: torch.device) -> None:
    recall = make()
    for seed in range(3):
        arrays = [torch.full((5,), float(seed + at), device=device) for at in range(2)]
        twice, total = recall("doubled", doubled, arrays, map)
        assert twice.tolist() == [2.0 * seed] * 5
        assert float(total) == 5 * seed * (seed + 1)


@each
def test_work_of_another_name_is_another(make: Callable[[], Recorder], device: torch.device) -> None:
    recall, arrays = make(), [torch.ones(4, device=device), torch.ones(3, device=device)]
    for _ in range(2):
        assert recall(2, tripled, arrays, map)[1].tolist() == [3.0] * 3
        assert recall("doubled", doubled, arrays[:1] * 2, map)[0].tolist() == [2.0] * 4


def test_work_is_recorded_once() -> None:
    asked = []

    def record(work: Work, arrays: Sequence[Array], run: Run) -> Recording:
        asked.append(work)
        return played(work, arrays, run)

    recall = Recorder(CPU, record)
    for _ in range(3):
        recall("doubled", doubled, [torch.ones(2)] * 2, map)
        recall("tripled", tripled, [torch.ones(2)], map)
    assert asked == [doubled, tripled]


def test_arguments_are_left_alone() -> None:
    recall, arrays = Recorder(CPU, played), [torch.ones(2), torch.ones(2)]
    for factor in (1.0, 5.0):
        arrays[0].fill_(factor)
        recall("doubled", doubled, arrays, map)
    assert [array.tolist() for array in arrays] == [[5.0, 5.0], [1.0, 1.0]]


@needs_cuda
def test_threads_may_record_at_once() -> None:
    def totals(start: int) -> list[float]:
        recall = Recorder(CUDA)
        arrays = [torch.full((1000,), float(start), device=CUDA)] * 2
        return [float(recall(number, doubled, arrays, map)[1]) for number in range(20)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(totals, range(4))) == [[1000.0 * start**2] * 20 for start in range(4)]
