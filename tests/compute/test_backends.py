"""Class X is one picture, whoever draws it: NumPy or torch, whatever the chunks and the threads; class M is near it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from inrcodec import families, pixels
from inrcodec.compute import backends
from inrcodec.compute.backends import Backend, NumpyBackend, Precision
from inrcodec.compute.torch_backend import TorchBackend
from inrcodec.decoding import conformance, decoder
from inrcodec.decoding.decoder import Picture
from tests.decoding.test_conformance import model_of
from tests.support.helpers import python

MODEL = conformance.certify(model_of())
SIZE = (96, 144)
EXACT = decoder.decode(families.write(MODEL), SIZE, exact=True)
DRAW_EXACTLY = f"""
import os
os.environ |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "THREADS")
import sys
from inrcodec.decoding import decoder
sys.stdout.buffer.write(decoder.decode({families.write(MODEL)!r}, {SIZE}, exact=True).tobytes())
"""


def torch_cpu() -> Backend:
    return TorchBackend("cpu")


@pytest.mark.parametrize("chunk", [1, 7, 1000, 4096, 10**6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", [NumpyBackend, torch_cpu])
def test_chunks_and_backends_change_no_sample_of_class_x_and_few_of_class_m(
    backend: Callable[[], Backend],
    dtype: Precision,
    chunk: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backends, "CHUNK", chunk)
    monkeypatch.setattr(decoder, "_BAND", max(chunk, 2000))
    drawn = Picture(MODEL, MODEL.network.evaluator(backend(), dtype)).render((24, 36) if chunk == 1 else SIZE)
    exact = decoder.decode(families.write(MODEL), drawn.shape[:2], exact=True)
    if dtype is np.float64:
        assert np.array_equal(drawn, exact)
    else:
        assert conformance.compare(drawn, exact).within_class_m


@pytest.mark.parametrize("backend", [NumpyBackend, torch_cpu])
def test_a_grid_is_its_points_row_by_row(backend: Callable[[], Backend]) -> None:
    evaluator, (rows, columns) = MODEL.network.evaluator(backend(), np.float64), pixels.axes(24, 36)
    assert np.array_equal(evaluator.grid(rows, columns), evaluator(pixels.pixel_centres(24, 36)))


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_threads_of_numpy_change_no_sample_of_class_x(threads: int) -> None:
    process = python("-c", DRAW_EXACTLY.replace("THREADS", str(threads)))
    assert process.returncode == 0, process.stderr
    assert process.stdout == EXACT.tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_threads_of_torch_change_no_sample_of_class_x(threads: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        drawn = Picture(MODEL, MODEL.network.evaluator(torch_cpu(), np.float64)).render(SIZE)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(drawn, EXACT)
