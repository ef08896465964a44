"""Laws of the bits that Laplace's law gives latents."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inrcodec.families.grid import laplace
from inrcodec.families.grid.laplace import LOG_SCALES, MOST_BITS

Floats = NDArray[np.float64]

COUNT = 400


def cases(seed: int = 0) -> list[Floats]:
    """q, means and s within bounds, none near a kink."""
    rng = np.random.default_rng(seed)
    s = rng.uniform(-3.5, 5, COUNT)
    mean = rng.normal(0, 3, COUNT)
    apart = rng.laplace(0, np.exp(s))
    apart[np.abs(np.abs(apart) - 0.5) < 1e-3] += 0.01
    apart[np.abs(apart) < 1e-3] += 0.01
    return [mean + apart, mean, s]


def tail(x: Floats, scale: Floats) -> Floats:
    """What of Laplace's law lies beyond x."""
    return np.where(x > 0, 0.5 * np.exp(-np.abs(x) / scale), 1 - 0.5 * np.exp(-np.abs(x) / scale))


def test_bits_are_those_of_laplaces_masses() -> None:
    q, mean, s = cases()
    d = np.abs(q - mean)
    with np.errstate(divide="ignore"):
        exact = -np.log2(tail(d - 0.5, np.exp(s)) - tail(d + 0.5, np.exp(s)))
    kept = exact < 19
    np.testing.assert_allclose(laplace.bits(q, mean, s, np)[0][kept], exact[kept], rtol=0, atol=1e-6)
    assert kept.mean() > 0.9


@pytest.mark.parametrize("s", np.linspace(-3.9, 5.3, 9))
@pytest.mark.parametrize("mean", [0.0, 0.2, 0.5, -7.4])
def test_masses_add_up_to_1(s: float, mean: float) -> None:
    q = np.arange(-5000.0, 5001)
    bits = laplace.bits(q, np.full_like(q, mean), np.full_like(q, s), np)[0]
    own = bits[bits < MOST_BITS]  # rarer ones are given more than they have
    assert 1 - 1e-3 < (0.5**own).sum() < 1 + 1e-9


def test_derivatives_are_those_of_the_bits() -> None:
    at, step = cases(), 1e-6
    found = laplace.bits(*at, np)
    for axis in range(3):
        ahead, behind = ([part + sign * step * (i == axis) for i, part in enumerate(at)] for sign in (1, -1))
        slope = (laplace.bits(*ahead, np)[0] - laplace.bits(*behind, np)[0]) / (2 * step)
        np.testing.assert_allclose(found[1 + axis], slope, rtol=1e-5, atol=1e-6)


def test_no_latent_costs_more_than_about_an_escape() -> None:
    q = np.array([3.0, 100.0, 32767.0])
    bits, by_q, by_mean, by_s = laplace.bits(q, np.zeros(3), np.full(3, -4.0), np)
    np.testing.assert_allclose(bits, MOST_BITS + q / 2)
    assert (by_q == 0.5).all()
    assert (by_mean == -0.5).all()
    assert (by_s == 0).all()


@pytest.mark.parametrize(("bound", "beyond"), [(LOG_SCALES[0], -1.0), (LOG_SCALES[1], 1.0)])
def test_scales_beyond_their_bounds_count_as_these_and_are_led_back(bound: float, beyond: float) -> None:
    q, mean = np.linspace(-300, 300, 101), np.zeros(101)
    inside, outside = (laplace.bits(q, mean, np.full(101, s), np) for s in (bound, bound + beyond))
    for one, other in zip(inside[:3], outside[:3], strict=True):
        assert np.array_equal(one, other)
    assert (outside[3] * beyond >= 0).all()
    assert np.array_equal(outside[3], np.where(inside[3] * beyond > 0, inside[3], 0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_gives_what_numpy_gives_in_either_precision(dtype: Any) -> None:
    at = [part.astype(dtype) for part in cases()]
    for one, other in zip(laplace.bits(*at, np), laplace.bits(*map(torch.from_numpy, at), torch), strict=True):
        assert one.dtype == other.numpy().dtype == dtype
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-3 if dtype == np.float32 else 1e-12, atol=1e-4)


def test_float32_is_finite_at_all_extremes() -> None:
    q, mean, s = (part.ravel().astype(np.float32) for part in np.meshgrid(
        [-32767, -1, -0.5, 0, 0.5, 32767], [-32767, 0, 0.5, 4e4], [-1e30, -50, -4, 0, 5.4, 50, 1e30]
    ))  # fmt: skip
    for part in laplace.bits(q, mean, s, np):
        assert np.isfinite(part).all()
