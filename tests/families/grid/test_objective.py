"""Laws of what a search makes small: its gradient is that of its value, whatever threads and modules do the sums."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inrcodec.compute.arena import Arena
from inrcodec.families.contract import Shape
from inrcodec.families.grid import colour
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.delta import USUAL_CODE
from inrcodec.families.grid.objective import LAMBDA, Found, GridObjective, lay_planes, lay_planes_back
from inrcodec.families.grid.prior import LATEST, prior
from tests.support.grids import Doubles
from tests.support.pictures import waves

Floats = NDArray[np.float64]

DELTA = 0.07
SIZES = [(1, 1), (1, 6), (13, 7), (26, 31)]
sizes = pytest.mark.parametrize(("height", "width"), SIZES)
every_channels = pytest.mark.parametrize("channels", [1, 2, 3, 4])


class Case:
    """A picture, and a point of a search for it."""

    def __init__(self, height: int, width: int, channels: int, seed: int = 0) -> None:
        self.arch, rng = GridArch.of(Shape(height, width, channels)), np.random.default_rng(seed)
        self.target = colour.components(waves(height, width, channels, seed)).astype(np.float64)
        tensors = {name: tensor / 4096 for name, tensor in prior(self.arch, LATEST, USUAL_CODE).items()}
        for name in {"luma.last", "chroma.last"} & set(tensors):
            tensors[name] *= 0.1  # so that no scale is out of bounds, where it has another slope on purpose
        flat = np.concatenate([tensor.reshape(-1) for tensor in tensors.values()])
        self.flat = flat + rng.normal(0, 0.03, flat.shape)
        self.latents = rng.laplace(0, 1.5, self.arch.latent_count())

    def split(self, latents: Floats) -> list[Floats]:
        cuts = np.cumsum([math.prod(shape) for shape in self.arch.shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(latents, cuts), self.arch.shapes, strict=True)]

    def objective(self, kit: Doubles) -> GridObjective:
        return GridObjective(self.arch, kit.lift(self.target), DELTA, kit)

    def found(self, kit: Doubles, run: Any = map) -> Found:
        return self.objective(kit).gradient(list(map(kit.lift, self.split(self.latents))), kit.lift(self.flat), run)

    def value(self) -> Callable[[Floats, Floats], float]:
        """J of latents and tensors."""
        objective = self.objective(Doubles())

        def j(latents: Floats, flat: Floats) -> float:
            error, bits = objective.value(self.split(latents), flat)
            return error / (LAMBDA * DELTA**2) + bits

        return j


def flattened(parts: Sequence[Any]) -> Floats:
    return np.concatenate([np.asarray(part).reshape(-1) for part in parts])


@sizes
@every_channels
def test_the_gradient_is_that_of_the_value(height: int, width: int, channels: int) -> None:
    """Along random directions: all coordinates at once, and each tensor and each level alone."""
    case, rng = Case(height, width, channels), np.random.default_rng(1)
    found, value = case.found(Doubles()), case.value()
    by_latents, by_tensors = flattened(found.by_latents), found.by_tensors
    for mask in masks(case):
        along = rng.normal(size=mask.shape) * mask
        latents, flat = np.split(along, [case.latents.size])
        slope = np.vdot(by_latents, latents) + np.vdot(by_tensors, flat)

        def difference(step: float, latents: Floats = latents, flat: Floats = flat) -> float:
            ahead = value(case.latents + step * latents, case.flat + step * flat)
            return (ahead - value(case.latents - step * latents, case.flat - step * flat)) / (2 * step)

        # a kink of an activation may lie within the longer steps
        assert any(slope == pytest.approx(difference(step), rel=2e-5, abs=1e-3) for step in (1e-6, 1e-7, 3e-8))


def masks(case: Case) -> list[Floats]:
    """All numbers, then those of each level and of each tensor."""
    parts = [math.prod(shape) for shape in (*case.arch.shapes, *case.arch.tensors.values())]
    owner = np.repeat(np.arange(len(parts)), parts)
    return [np.ones(owner.shape), *((owner == part).astype(float) for part in range(len(parts)))]


@every_channels
def test_each_number_has_its_own_slope(channels: int) -> None:
    case, rng, step = Case(13, 7, channels, 2), np.random.default_rng(3), 1e-6
    found, value = case.found(Doubles()), case.value()
    at = np.concatenate([case.latents, case.flat])
    slopes = np.concatenate([flattened(found.by_latents), found.by_tensors])

    def moved(number: int, by: float) -> float:
        there = at.copy()
        there[number] += by
        latents, flat = np.split(there, [case.latents.size])
        return value(latents, flat)

    for number in rng.choice(at.size, 60, replace=False):
        slope = (moved(number, step) - moved(number, -step)) / (2 * step)
        assert slopes[number] == pytest.approx(slope, rel=1e-4, abs=1e-4)


@sizes
@every_channels
def test_the_value_is_the_one_that_its_gradient_comes_with(height: int, width: int, channels: int) -> None:
    case = Case(height, width, channels)
    found = case.found(Doubles())
    error, bits = case.objective(Doubles()).value(case.split(case.latents), case.flat)
    assert (error, bits) == pytest.approx((found.error, found.bits), rel=1e-12)


@every_channels
def test_the_error_is_that_of_the_picture(channels: int) -> None:
    """D is what the samples' own squared error is, as components are orthonormal."""
    case = Case(13, 7, channels)
    objective, kit = case.objective(Doubles()), Doubles()
    planes = objective.planes(case.split(case.latents), objective.steps(case.flat))
    tensors = case.arch.tensors
    cuts = np.cumsum([math.prod(shape) for shape in tensors.values()])[:-1]
    parts = zip(np.split(case.flat, cuts), tensors.items(), strict=True)
    named = {name: part.reshape(shape) for part, (name, shape) in parts}
    layers = [kit.lift(named[f"synthesis.{layer}"]) for layer in ("first", "second", "last")]
    apart = objective.distortion.synthesis(planes, layers) - case.target
    samples = np.einsum("ij,ihw->jhw", colour.matrix(channels), apart)
    assert case.found(Doubles()).error == pytest.approx((samples**2).sum(), rel=1e-10)


@sizes
@every_channels
def test_torch_finds_what_numpy_finds(height: int, width: int, channels: int) -> None:
    case = Case(height, width, channels)
    one, other = case.found(Doubles()), case.found(Doubles(torch))
    assert (one.error, one.bits) == pytest.approx((other.error, other.bits), rel=1e-12)
    np.testing.assert_allclose(flattened(one.by_latents), flattened(other.by_latents), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.by_tensors, np.asarray(other.by_tensors), rtol=1e-9, atol=1e-9)


def test_threads_change_no_bit() -> None:
    case = Case(26, 31, 4)
    alone = case.found(Doubles(points=100))
    with ThreadPoolExecutor(4) as pool:
        together = case.found(Doubles(points=100), pool.map)
    assert (alone.error, alone.bits) == (together.error, together.bits)
    assert np.array_equal(flattened(alone.by_latents), flattened(together.by_latents))
    assert np.array_equal(alone.by_tensors, together.by_tensors)


def test_bands_change_nothing_but_the_order_of_sums() -> None:
    case = Case(26, 31, 3)
    whole, cut = (case.found(Doubles(points=points)) for points in (4096, 31))
    assert (whole.error, whole.bits) == pytest.approx((cut.error, cut.bits), rel=1e-12)
    np.testing.assert_allclose(flattened(whole.by_latents), flattened(cut.by_latents), rtol=1e-9, atol=1e-9)


def test_a_second_gradient_is_not_changed_by_the_first() -> None:
    """All arrays are used again."""
    case, other = Case(13, 7, 3), Case(13, 7, 3, seed=5)
    objective, expected = case.objective(Doubles()), case.found(Doubles())
    objective.gradient(case.split(other.latents), other.flat)
    found = objective.gradient(case.split(case.latents), case.flat)
    assert np.array_equal(flattened(found.by_latents), flattened(expected.by_latents))
    assert np.array_equal(found.by_tensors, expected.by_tensors)


@sizes
@every_channels
def test_laying_planes_back_is_the_adjoint(height: int, width: int, channels: int) -> None:
    arch, rng, arena = GridArch.of(Shape(height, width, channels)), np.random.default_rng(0), Arena(Doubles().empty)
    scaled = [rng.normal(size=shape) for shape in arch.shapes]
    gradient = rng.normal(size=(len(arch.planes), height, width))
    planes = np.empty_like(gradient)
    lay_planes(arch, scaled, planes, arena)
    back = lay_planes_back(arch, gradient, arena)
    assert np.vdot(planes, gradient) == pytest.approx(sum(map(np.vdot, scaled, back)), rel=1e-12)
