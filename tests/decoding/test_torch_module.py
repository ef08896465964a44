"""A picture inside torch: the colours of the decoder, with gradients by coordinates and by weights."""

import re

import numpy as np
import pytest
import torch

import inrcodec
from inrcodec import families
from inrcodec.decoding import decoder
from inrcodec.errors import BitstreamError, LimitError
from inrcodec.families.siren.network import SirenArch
from inrcodec.format.limits import DecodeLimits
from tests.decoding.test_conformance import model_of
from tests.support.helpers import ROOT, python

POINTS = np.random.default_rng(0).uniform(-0.9, 0.9, (30, 2)).astype(np.float32)


def data(channels: int = 3) -> bytes:
    return families.write(model_of(1.0, SirenArch((12, 10, 8), channels)))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_its_colours_are_those_of_the_decoder(channels: int) -> None:
    module = inrcodec.as_module(data(channels))
    assert (module.height, module.width, module.channels) == (24, 36, channels)
    expected = decoder.open_bytes(data(channels)).sample(POINTS)
    np.testing.assert_allclose(module(torch.tensor(POINTS)).numpy(), expected, atol=1e-5)
    assert module(torch.zeros(4, 5, 2)).shape == (4, 5, channels)


def test_its_gradient_by_the_coordinates_is_that_of_the_decoder() -> None:
    module, points = inrcodec.as_module(data()).double(), torch.tensor(POINTS.astype(float), requires_grad=True)
    (slopes,) = torch.autograd.grad(module(points).sum(), points)
    expected = decoder.open_bytes(data()).gradient(POINTS).sum(1)
    np.testing.assert_allclose(slopes.numpy(), expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


def test_its_weights_are_fixed_until_they_are_asked_for() -> None:
    module = inrcodec.as_module(data())
    assert not any(parameter.requires_grad for parameter in module.parameters())
    module.requires_grad_()
    module(torch.tensor(POINTS)).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 2, 1)])
def test_coordinates_that_are_none_are_a_value_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="coords"):
        inrcodec.as_module(data())(torch.zeros(shape))


def test_what_is_not_finite_gives_nan_and_leaves_other_points_alone() -> None:
    module, points = inrcodec.as_module(data()), torch.tensor([[0.1, 0.2], [float("nan"), 0.0], [0.0, float("inf")]])
    colours = module(points)
    torch.testing.assert_close(colours[0], module(points[:1])[0])
    assert colours[1:].isnan().all()


def test_a_bad_file_is_refused_as_decode_does() -> None:
    with pytest.raises(BitstreamError):
        inrcodec.as_module(data()[:-1])
    with pytest.raises(LimitError, match="max_weights"):
        inrcodec.as_module(data(), limits=DecodeLimits(max_weights=9))


def test_the_script_finds_where_a_photo_was_taken_from() -> None:
    script = ROOT / "docs" / "alignment.py"
    assert len([line for line in script.read_text().splitlines() if line.strip()]) <= 30
    process = python(str(script))
    assert process.returncode == 0, process.stderr
    found = map(float, re.findall(r"-?\d\.\d+", process.stdout.decode()))
    zoom, true_zoom, down, right, true_down, true_right = found
    assert abs(zoom - true_zoom) < 0.005
    assert abs(down - true_down) < 0.005
    assert abs(right - true_right) < 0.005
