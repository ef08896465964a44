"""Laws of grids that are enlarged to grids of half the cells' size."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inrcodec.compute.pyramid import enlarge, enlarge_back

Floats = NDArray[np.float64]

SIDES = [(1, 1), (1, 2), (2, 1), (2, 3), (3, 2), (7, 12), (8, 9), (13, 13)]
sides = pytest.mark.parametrize(("height", "width"), SIDES)


def empty(*shape: int) -> Floats:
    return np.full(shape, np.nan)


def half(side: int) -> int:
    return -(-side // 2)


def grid(height: int, width: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(2, height, width))


def basis(x: Floats) -> Floats:
    """The quadratic B-spline around 0."""
    x = np.abs(x)
    return np.where(x < 0.5, 0.75 - x**2, np.where(x < 1.5, (1.5 - np.minimum(x, 1.5)) ** 2 / 2, 0))


def spline(coefficients: Floats, positions: Floats) -> Floats:
    """The function of coefficients (n,), cell i on i .. i + 1, the first and the last one repeated."""
    cells = np.arange(-3, len(coefficients) + 3)
    values: Floats = basis(positions[:, None] - cells - 0.5) @ coefficients[cells.clip(0, len(coefficients) - 1)]
    return values


@sides
def test_enlarging_back_is_the_adjoint(height: int, width: int) -> None:
    coarse, fine = grid(half(height), half(width)), grid(height, width, 1)
    there, back = enlarge(coarse, height, width, empty), enlarge_back(fine, empty)
    assert (there.shape, back.shape) == (fine.shape, coarse.shape)
    assert np.vdot(there, fine) == pytest.approx(np.vdot(coarse, back), rel=1e-12)


@sides
def test_a_constant_stays_one(height: int, width: int) -> None:
    assert (enlarge(np.full((1, half(height), half(width)), 0.75), height, width, empty) == 0.75).all()


@sides
def test_arguments_are_left_alone(height: int, width: int) -> None:
    coarse, fine = grid(half(height), half(width)), grid(height, width)
    enlarge(coarse, height, width, empty), enlarge_back(fine, empty)
    assert np.array_equal(coarse, grid(half(height), half(width)))
    assert np.array_equal(fine, grid(height, width))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 9, 16, 17])
def test_the_finer_grid_is_the_same_function_of_the_place(width: int) -> None:
    """Inside the frame; of an odd side what the last half cell would add lies beyond it."""
    coarse = grid(1, half(width))[0, 0]
    fine = enlarge(coarse[None, None], 1, width, empty)[0, 0]
    inside = np.linspace(1, max(1, width - 2), 57)
    np.testing.assert_allclose(spline(fine, inside), spline(coarse, inside / 2), rtol=0, atol=1e-14)


def test_an_odd_side_is_an_even_one_without_its_last_cells() -> None:
    coarse = grid(5, 7)
    assert np.array_equal(enlarge(coarse, 9, 13, empty), enlarge(coarse, 10, 14, empty)[:, :9, :13])


@pytest.mark.parametrize("size", [(31, 17), (64, 48), (1, 100)])
def test_levels_nest(size: tuple[int, int]) -> None:
    """Cell i of level l covers the native pixels 2^l i .. 2^l (i + 1) - 1: what is far from it does not change."""
    sizes = [(-(-size[0] >> level), -(-size[1] >> level)) for level in range(4)]
    planes = np.zeros((1, *sizes[3]))
    row, column = (side // 2 for side in sizes[3])
    planes[0, row, column] = 1
    for level in (2, 1, 0):
        planes = enlarge(planes, *sizes[level], empty)
    for axis, cell in ((0, row), (1, column)):
        seen = np.flatnonzero(planes[0].any(1 - axis))
        assert 8 * cell - 8 <= seen[0] <= 8 * cell
        assert min(size[axis], 8 * cell + 8) <= seen[-1] + 1 <= 8 * cell + 16


@sides
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_gives_what_numpy_gives(height: int, width: int, dtype: Any) -> None:
    coarse, fine = (part.astype(dtype) for part in (grid(half(height), half(width)), grid(height, width)))
    kinds = {np.float32: torch.float32, np.float64: torch.float64}

    def tensor(*shape: int) -> torch.Tensor:
        return torch.full(shape, float("nan"), dtype=kinds[dtype])

    pairs = [
        (enlarge(coarse, height, width, empty), enlarge(torch.from_numpy(coarse), height, width, tensor)),
        (enlarge_back(fine, empty), enlarge_back(torch.from_numpy(fine), tensor)),
    ]
    for one, other in pairs:
        np.testing.assert_allclose(one, other.numpy(), rtol=0, atol=1e-6 if dtype == np.float32 else 1e-14)
