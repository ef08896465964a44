"""Soft rounding, Adam, and the sparse start."""

import numpy as np
import pytest
import torch

from inrcodec.families.contract import Shape
from inrcodec.families.grid import anneal, colour
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.objective import LAMBDA
from inrcodec.families.grid.start import SparseStart
from tests.support.pictures import waves

KIT = Kit(torch.device("cpu"), 0)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 0.35])
def test_soft_rounding_has_the_derivative_that_it_says(temperature: float) -> None:
    x, step = np.linspace(-2.9, 2.9, 101), 1e-6
    ahead, behind = (anneal.soft_round(x + sign * step, temperature, np)[0] for sign in (1, -1))
    np.testing.assert_allclose(
        (ahead - behind) / (2 * step), anneal.soft_round(x, temperature, np)[1], rtol=1e-5, atol=1e-8
    )


def test_soft_rounding_keeps_whole_numbers_and_halves() -> None:
    x = np.arange(-6, 7) / 2
    np.testing.assert_allclose(anneal.soft_round(x, 0.2, np)[0], x, atol=1e-12)


def test_soft_rounding_ends_as_rounding() -> None:
    x = np.concatenate([np.linspace(whole - 0.45, whole + 0.45, 9) for whole in range(-3, 4)])
    np.testing.assert_allclose(anneal.soft_round(x, 0.01, np)[0], np.rint(x), atol=1e-3)


def test_adam_finds_the_least_of_a_quadratic() -> None:
    values, wanted = np.zeros(3), np.array([1.0, -2.0, 0.5])
    adam = anneal.Adam(values, np)
    for step in range(400):
        adam.step(values, 1e9 * (values - wanted), 0.05 * anneal.cosine(step / 400, 0.01))
    np.testing.assert_allclose(values, wanted, atol=5e-3)


def cost(arch: GridArch, target: np.ndarray, delta: float, latents: list[np.ndarray]) -> float:
    start = SparseStart(arch, target, delta, np, KIT.empty)
    error = float(((start._sum(latents) - target) ** 2).sum()) / (LAMBDA * delta**2)
    return error + 3 * sum(float(np.abs(q).sum()) for q in latents)


@pytest.mark.parametrize("shape", [(40, 56, 3), (33, 17, 4), (1, 9, 1), (24, 24, 2)])
def test_the_sparse_start_is_nearer_than_nothing_at_less_than_all(shape: tuple[int, int, int]) -> None:
    codes = waves(*shape[:2])[..., :1].repeat(shape[2], 2) if shape[2] < 3 else np.dstack([waves(*shape[:2])] * 2)
    arch, target = GridArch.of(Shape(*shape)), colour.components(codes[..., : shape[2]])
    found = SparseStart(arch, target, 0.1, np, KIT.empty).run()
    nothing = [np.zeros_like(q) for q in found]
    assert cost(arch, target, 0.1, found) < 0.5 * cost(arch, target, 0.1, nothing)
    assert [q.shape for q in found] == list(arch.shapes)


def test_a_flat_picture_starts_on_the_coarsest_level_alone() -> None:
    codes = np.full((32, 48, 3), (200, 30, 90), np.uint8)
    arch = GridArch.of(Shape(*codes.shape))
    *finer, coarsest = SparseStart(arch, colour.components(codes), 0.2, np, KIT.empty).run()
    assert max(float(np.abs(q).max()) for q in finer) < 0.5
    assert np.abs(coarsest).max() > 1


def test_components_are_orthonormal_and_grey_is_luma_alone() -> None:
    np.testing.assert_allclose(colour.matrix(4) @ colour.matrix(4).T, np.eye(4), atol=1e-15)
    grey = colour.components(np.full((1, 1, 3), 255, np.uint8))
    np.testing.assert_allclose(grey.reshape(-1), [3**0.5 / 2, 0, 0], atol=1e-6)


def test_short_searches_and_long_ones_have_a_pace_each_and_others_one_between() -> None:
    short, between, long = (anneal.Pace.of(steps) for steps in (0, 2500, 9000))
    assert short == anneal.Pace.of(1920) == anneal.Pace(0.15, 5e-3, (0.9, 0.95))
    assert long == anneal.Pace.of(90_000)
    assert long.latents < between.latents < short.latents
    assert short.networks < between.networks < long.networks
    assert short.betas[1] < between.betas[1] < long.betas[1] < 1


def test_adam_forgets_old_sizes_by_its_second_beta() -> None:
    """After many small gradients a large one moves least who remembers them least."""
    moved = []
    for beta in (0.5, 0.95, 0.999):
        values = np.zeros(1)
        adam = anneal.Adam(values, np, betas=(0.0, beta))
        for gradient in (*[1.0] * 2000, 100.0):
            before = values.copy()
            adam.step(values, np.array([gradient]), 1.0)
        moved.append(float(before[0] - values[0]))
    assert moved == sorted(moved)
    assert moved[-1] > 10 * moved[0]
