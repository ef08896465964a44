"""Devices of torch: what runs on one, how much at once, and what is said where it is missing or its memory ends.

No test needs a GPU: "cpu:0" goes the way that "cuda" goes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inrcodec
from inrcodec import cli, families
from inrcodec.compute import backends, torch_backend
from inrcodec.compute.backends import Evaluator, Manner
from inrcodec.compute.sine import Jet
from inrcodec.compute.torch_backend import TorchBackend
from inrcodec.decoding import decoder
from inrcodec.errors import InrError, RequestError, ResourceError, StoppedError
from inrcodec.families import StoredPicture
from inrcodec.families.siren.network import SirenArch
from inrcodec.families.siren.stored import SirenNetwork
from tests.decoding.test_conformance import model_of

MODEL = model_of()
DATA = families.write(MODEL)
WIDE = SirenArch((1024,) * 4)
LARGE = StoredPicture(
    SirenNetwork(WIDE, tuple(np.zeros(shape, np.int32) for shape in WIDE.param_shapes()), (0,) * 10), 9, 9
)
"""3,154,947 weights."""
ELSEWHERE = "cpu:0"


@pytest.mark.parametrize("kind", ["gradient", "laplacian"])
@pytest.mark.parametrize("size", [None, (12, 18), (50, 70)])
def test_derivatives_are_drawn_there_as_by_numpy(kind: str, size: tuple[int, int] | None) -> None:
    here, there = (decoder.open_bytes(DATA, device).render_derivative(kind, size) for device in ("cpu", ELSEWHERE))
    np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-5 * np.abs(here).max())


def test_derivatives_there_are_exact_too() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    jets = (decoder.open_bytes(DATA, device).jet(points) for device in ("cpu", ELSEWHERE))
    for here, there in zip(*jets, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-10, atol=1e-10 * np.abs(here).max())


@pytest.mark.parametrize("model", [MODEL, LARGE], ids=["small", "large"])
def test_a_gpu_gets_as_many_points_at_once_however_large_the_network(
    model: StoredPicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def forward(tensors: Any, points: torch.Tensor, xp: Any) -> torch.Tensor:
        asked.append(len(points))
        return torch.zeros(len(points), 3)

    def jet(tensors: Any, inputs: Jet, xp: Any) -> Jet:
        asked.append(len(inputs.value))
        return Jet(*(torch.zeros(len(inputs.value), *shape) for shape in backends.jet_shapes(3)))

    monkeypatch.setattr(torch_backend, "forward", forward)
    monkeypatch.setattr(torch_backend, "jet", jet)
    points, backend = np.zeros((300_000, 2), np.float32), TorchBackend(ELSEWHERE)
    model.network.evaluator(backend, np.float32)(points)
    assert asked == [262_144, 37_856]
    asked.clear()
    model.network.jet_evaluator(backend)(points)
    assert asked == [65_536] * 4 + [37_856]


def test_a_cpu_gets_no_more_than_it_does_in_a_moment() -> None:
    params, count = LARGE.network.dequantize(), WIDE.param_count()
    assert backends.chunk_size(params) * count <= backends.CHUNK_MACS
    assert backends.jet_chunk_size(params) * count * backends.JET_WORK <= backends.CHUNK_MACS


def test_it_is_asked_there_too_whether_to_stop() -> None:
    for draw in (lambda picture: picture.render(), lambda picture: picture.render_derivative("gradient")):
        with pytest.raises(StoppedError):
            draw(decoder.open_bytes(DATA, ELSEWHERE, stopped=lambda: True))


FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
MISSING = [
    RuntimeError("No CUDA GPUs are available"),
    AssertionError("Torch not compiled with CUDA enabled"),
    TypeError("Cannot convert a MPS Tensor to float64"),
]


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise error

    return fail


def refusal(error: type[InrError], work: Callable[[], object]) -> str:
    with pytest.raises(error) as raised:
        work()
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    "work", [lambda: decoder.decode(DATA, device="cuda"), lambda: inrcodec.as_module(DATA, "cuda")]
)
def test_memory_that_ends_while_weights_are_loaded_is_a_resource_error(
    work: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.Tensor, "to", failing(FULL))
    monkeypatch.setattr(torch, "tensor", failing(FULL))
    assert "use the cpu" in refusal(ResourceError, work)


@pytest.mark.parametrize("name", ["forward", "jet"])
def test_memory_that_ends_while_it_is_drawn_is_a_resource_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = decoder.open_bytes(DATA, ELSEWHERE)
    monkeypatch.setattr(torch_backend, name, failing(FULL))
    drawing = picture.render if name == "forward" else lambda: picture.render_derivative("gradient")
    text = refusal(ResourceError, drawing)
    assert "use the cpu" in text
    assert "smaller" in text


@pytest.mark.parametrize("name", ["forward", "jet"])
def test_a_bug_while_it_is_drawn_is_not_called_a_shortage(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = decoder.open_bytes(DATA, ELSEWHERE)
    monkeypatch.setattr(torch_backend, name, failing(RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes"):
        _ = picture.render() if name == "forward" else picture.render_derivative("gradient")


@pytest.mark.parametrize("error", MISSING, ids=repr)
def test_a_device_that_cannot_take_the_weights_is_a_request_error(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.Tensor, "to", failing(error))
    monkeypatch.setattr(torch, "tensor", failing(error))
    for work in (lambda: decoder.decode(DATA, device="cuda"), lambda: inrcodec.as_module(DATA, "cuda")):
        assert "use the cpu" in refusal(RequestError, work)


@pytest.mark.parametrize("device", ["no-such-device", "cuda:999", ""])
def test_a_name_of_no_device_is_a_request_error(device: str) -> None:
    for work in (lambda: decoder.decode(DATA, device=device), lambda: inrcodec.as_module(DATA, device)):
        refusal(RequestError, work)


@pytest.mark.parametrize("channels", ["colour", "gradient"])
@pytest.mark.parametrize(("error", "code"), [(FULL, 6), (MISSING[0], 2)], ids=["full", "missing"])
def test_the_command_line_says_which_in_one_line(
    error: Exception,
    code: int,
    channels: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.inr").write_bytes(DATA)
    monkeypatch.setattr(torch.Tensor, "to", failing(error))
    assert cli.main(["decode", str(tmp_path / "a.inr"), "--device", "cuda", "--channels", channels]) == code
    said = capfd.readouterr().err
    assert "cpu" in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.inr"]


@pytest.fixture
def tf32() -> Any:
    """The host program has switched it on."""
    matmul = torch.backends.cuda.matmul
    before, matmul.allow_tf32 = matmul.allow_tf32, True
    yield matmul
    matmul.allow_tf32 = before


def test_the_host_programs_tf32_is_off_while_anyone_draws_and_back_afterwards(tf32: Any) -> None:
    seen, point = [], np.zeros((1, 2), np.float32)

    def within(inner: Callable[[], object]) -> Evaluator:
        def stopped() -> bool:
            inner()
            seen.append(tf32.allow_tf32)
            return False

        return MODEL.network.evaluator(TorchBackend(ELSEWHERE, Manner(stopped=stopped)), np.float32)

    within(lambda: within(lambda: None)(point))(point)
    assert seen == [False, False]
    assert tf32.allow_tf32
