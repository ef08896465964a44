"""Laws of the spline through planes of pixels."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inrcodec.compute.spline import Spline

Floats = NDArray[Any]

SIZES = [(1, 1), (1, 7), (5, 1), (2, 3), (9, 12), (40, 33)]
COUNT = 200
sizes = pytest.mark.parametrize(("height", "width"), SIZES)
reaches = pytest.mark.parametrize("reach", [0, 1])
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def planes_of(height: int, width: int, dtype: Any = np.float64) -> Floats:
    return np.random.default_rng(height * 100 + width).normal(size=(3, height, width)).astype(dtype)


def positions_of(side: int, count: int = COUNT) -> Floats:
    """Positions in the frame, the first ones whole, none of the others."""
    rng = np.random.default_rng(side + count)
    inside = rng.uniform(-0.5, side - 0.5, count)
    inside[: count // 4] = rng.integers(0, side, count // 4)
    return inside


def points_of(height: int, width: int) -> tuple[Floats, Floats]:
    return positions_of(height), positions_of(width, COUNT + 1)[1:]


def enlarged(side: int, scale: int) -> Floats:
    return (np.arange(scale * side) + 0.5) / scale - 0.5


def bump(x: Floats) -> Floats:
    """The cubic B-spline."""
    x = np.abs(x)
    return np.where(x < 1, 2 / 3 - x**2 + x**3 / 2, np.where(x < 2, (2 - np.minimum(x, 2)) ** 3 / 6, 0))


def basis(positions: Floats, side: int, beyond: int = 40) -> Floats:
    """(N, side): what each pixel gives to each position, by a dense solve over pixels repeated beyond the edges."""
    knots = np.arange(-beyond, side + beyond)
    system = (4 * np.eye(len(knots)) + np.eye(len(knots), k=1) + np.eye(len(knots), k=-1)) / 6
    system[0, 0] += 1 / 6
    system[-1, -1] += 1 / 6
    repeated = np.eye(side)[np.clip(knots, 0, side - 1)]
    solved: Floats = bump(positions[:, None] - knots) @ np.linalg.solve(system, repeated)
    return solved


def reference(planes: Floats, rows: Floats, columns: Floats) -> Floats:
    """(P, R, C)."""
    grid: Floats = basis(rows, planes.shape[1]) @ planes @ basis(columns, planes.shape[2]).T
    return grid


@sizes
@dtypes
@reaches
def test_whole_positions_give_the_pixels_bit_for_bit(height: int, width: int, dtype: Any, reach: int) -> None:
    planes = planes_of(height, width, dtype)
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), "edge")
    rows, columns = points_of(height, width)
    spline = Spline(planes, np)
    points, value = spline.points(rows, columns, reach), spline.jets(rows, columns, reach).value
    grid = spline.grid(rows, columns, reach)
    whole_rows, whole_columns = (np.flatnonzero(positions % 1 == 0) for positions in (rows, columns))
    both = np.intersect1d(whole_rows, whole_columns)
    assert len(both) > 20
    for v, u in np.ndindex(2 * reach + 1, 2 * reach + 1):
        y, x = rows[whole_rows].astype(int) + v + 1 - reach, columns[whole_columns].astype(int) + u + 1 - reach
        assert np.array_equal(grid[:, v, u][:, whole_rows[:, None], whole_columns], padded[:, y[:, None], x])
        y, x = rows[both].astype(int) + v + 1 - reach, columns[both].astype(int) + u + 1 - reach
        assert np.array_equal(points[:, v, u, both], padded[:, y, x])
        assert np.array_equal(value[:, v, u, both], padded[:, y, x])


@sizes
@dtypes
@reaches
@pytest.mark.parametrize("xp", [np, torch])
def test_the_native_grid_is_the_planes_and_needs_no_coefficients(
    height: int, width: int, dtype: Any, reach: int, xp: Any
) -> None:
    planes = planes_of(height, width, dtype)
    spline = Spline(xp.asarray(planes), xp)
    grid = np.asarray(spline.grid(np.arange(float(height)), np.arange(float(width)), reach))
    padded = np.pad(planes, ((0, 0), (reach, reach), (reach, reach)), "edge")
    assert grid.dtype == dtype
    for v, u in np.ndindex(2 * reach + 1, 2 * reach + 1):
        assert grid[:, v, u].tobytes() == padded[:, v : v + height, u : u + width].tobytes()
    assert "coefficients" not in vars(spline)


def test_whole_points_need_no_coefficients() -> None:
    planes = planes_of(9, 12)
    spline = Spline(planes, np)
    assert np.array_equal(
        spline.points(np.array([3.0, -1, 9]), np.array([0.0, 5, 12])), planes[:, None, None, [3, 0, 8], [0, 5, 11]]
    )
    assert "coefficients" not in vars(spline)


def test_the_native_grid_is_a_view_inside_the_frame() -> None:
    planes = planes_of(9, 12)
    assert np.shares_memory(Spline(planes, np).grid(np.arange(2.0, 7), np.arange(1.0, 11), 1), planes)


@sizes
@dtypes
def test_values_are_those_of_a_dense_solve(height: int, width: int, dtype: Any) -> None:
    planes = planes_of(height, width, dtype)
    rows, columns = np.linspace(-2, height + 1, 57), np.linspace(-2, width + 1, 61)
    grid = Spline(planes, np).grid(rows, columns)
    assert grid.dtype == dtype
    tolerance = 5e-6 if dtype == np.float32 else 1e-13
    assert np.abs(grid[:, 0, 0] - reference(planes.astype(np.float64), rows, columns)).max() < tolerance


@sizes
def test_constant_planes_stay_constant(height: int, width: int) -> None:
    spline = Spline(np.full((1, height, width), 0.7), np)
    jets = spline.jets(*points_of(height, width), 1)
    assert np.abs(jets.value - 0.7).max() < 1e-15
    assert np.abs(jets.gradient).max() < 1e-14
    assert np.abs(jets.laplacian).max() < 1e-14


def test_ramps_are_ramps_far_from_the_edges() -> None:
    y, x = np.mgrid[:90, :80]
    spline = Spline(np.stack([2.0 * y - x, 0.5 * x + 3]), np)
    rng = np.random.default_rng(0)
    rows, columns = rng.uniform(35, 55, COUNT), rng.uniform(35, 45, COUNT)
    jets = spline.jets(rows, columns)
    assert np.allclose(jets.value[:, 0, 0], [2 * rows - columns, 0.5 * columns + 3], rtol=0, atol=1e-12)
    assert np.allclose(jets.gradient[:, 0, 0], np.array([[2, -1], [0, 0.5]])[:, None], rtol=0, atol=1e-12)
    assert np.abs(jets.laplacian).max() < 1e-12


@sizes
@reaches
def test_jets_are_the_derivatives_of_values(height: int, width: int, reach: int) -> None:
    spline, step = Spline(planes_of(height, width), np), 1e-4
    rows, columns = points_of(height, width)

    def moved(v: int, u: int) -> Floats:
        values: Floats = spline.points(rows + v * step, columns + u * step, reach)
        return values

    jets, here = spline.jets(rows, columns, reach), moved(0, 0)
    up, down, left, right = moved(-1, 0), moved(1, 0), moved(0, -1), moved(0, 1)
    gradient = np.stack([down - up, right - left], -1) / (2 * step)
    assert np.allclose(jets.value, here, rtol=0, atol=1e-14)
    assert np.allclose(jets.gradient, gradient, rtol=0, atol=1e-6)
    # across a pixel's centre the third derivative jumps, which a difference of second order sees
    laplacian = (up + down + left + right - 4 * here) / step**2
    assert np.allclose(jets.laplacian, laplacian, rtol=0, atol=100 * step)


def test_second_derivatives_are_continuous_across_pixel_centres() -> None:
    spline, hair = Spline(planes_of(9, 12), np), 1e-9
    rows, columns = (grid.ravel() for grid in np.mgrid[0:9, 0:12].astype(float))
    before, after = spline.jets(rows - hair, columns - hair), spline.jets(rows + hair, columns + hair)
    for one, other in zip(before, after, strict=True):
        assert np.allclose(one, other, rtol=0, atol=1e-6)


@sizes
@reaches
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_grid_is_all_its_points(height: int, width: int, reach: int, scale: int) -> None:
    spline = Spline(planes_of(height, width), np)
    rows, columns = enlarged(height, scale), enlarged(width, scale)
    points = spline.points(np.repeat(rows, len(columns)), np.tile(columns, len(rows)), reach)
    grid = spline.grid(rows, columns, reach)
    assert grid.shape == (*points.shape[:3], len(rows), len(columns))
    assert np.allclose(grid.reshape(points.shape), points, rtol=0, atol=1e-13)


@reaches
@dtypes
def test_bands_are_parts_of_the_whole_grid(reach: int, dtype: Any) -> None:
    spline = Spline(planes_of(40, 33, dtype), np)
    rows, columns = enlarged(40, 4), enlarged(33, 4)
    bands = [spline.grid(rows[start : start + 7], columns, reach) for start in range(0, len(rows), 7)]
    assert np.array_equal(np.concatenate(bands, 3), spline.grid(rows, columns, reach))


@sizes
def test_neighbours_are_the_points_moved_by_one(height: int, width: int) -> None:
    spline = Spline(planes_of(height, width), np)
    rows, columns = points_of(height, width)
    near = spline.points(rows, columns, 1), *spline.jets(rows, columns, 1)
    for v, u in np.ndindex(3, 3):
        there = rows + v - 1, columns + u - 1
        moved = spline.points(*there), *spline.jets(*there)
        for one, other in zip(near, moved, strict=True):
            assert np.allclose(one[:, v, u], other[:, 0, 0], rtol=0, atol=1e-12)


@sizes
@reaches
@dtypes
def test_torch_gives_what_numpy_gives(height: int, width: int, reach: int, dtype: Any) -> None:
    planes = planes_of(height, width, dtype)
    here, there = Spline(planes, np), Spline(torch.from_numpy(planes), torch)
    rows, columns = points_of(height, width)
    tensors = torch.from_numpy(rows), torch.from_numpy(columns)
    pairs = [
        (here.points(rows, columns, reach), there.points(*tensors, reach)),
        (here.points(rows, columns, reach), there.points(rows, columns, reach)),
        (here.grid(rows, columns, reach), there.grid(*tensors, reach)),
        *zip(here.jets(rows, columns, reach), there.jets(*tensors, reach), strict=True),
    ]
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    for one, other in pairs:
        assert one.dtype == other.numpy().dtype == dtype
        assert np.allclose(one, other, rtol=0, atol=tolerance)


@sizes
@reaches
def test_autograd_agrees_with_jets(height: int, width: int, reach: int) -> None:
    spline = Spline(torch.from_numpy(planes_of(height, width)), torch)
    rows, columns = (torch.from_numpy(positions).requires_grad_() for positions in points_of(height, width))
    values, jets = spline.points(rows, columns, reach), spline.jets(rows.detach(), columns.detach(), reach)
    assert torch.equal(values.detach(), jets.value)
    mix = torch.from_numpy(np.random.default_rng(1).normal(size=values.shape))
    slopes = torch.autograd.grad((values * mix).sum(), (rows, columns))
    for axis in (0, 1):
        assert torch.allclose(slopes[axis], (jets.gradient[..., axis] * mix).sum((0, 1, 2)), rtol=0, atol=1e-11)


@reaches
@pytest.mark.parametrize("scale", [1, 4])
def test_autograd_through_a_grid_agrees_with_jets(reach: int, scale: int) -> None:
    spline = Spline(torch.from_numpy(planes_of(5, 7)), torch)
    rows, columns = (torch.from_numpy(enlarged(side, scale)).requires_grad_() for side in (5, 7))
    values = spline.grid(rows, columns, reach)
    mix = torch.from_numpy(np.random.default_rng(1).normal(size=values.shape))
    y, x = (part.detach().ravel() for part in torch.meshgrid(rows, columns, indexing="ij"))
    jets = spline.jets(y, x, reach).gradient.reshape(*values.shape, 2)
    slopes = torch.autograd.grad((values * mix).sum(), (rows, columns))
    assert torch.allclose(slopes[0], (jets[..., 0] * mix).sum((0, 1, 2, 4)), rtol=0, atol=1e-11)
    assert torch.allclose(slopes[1], (jets[..., 1] * mix).sum((0, 1, 2, 3)), rtol=0, atol=1e-11)


def test_autograd_by_the_planes_is_that_of_a_linear_map() -> None:
    planes = torch.from_numpy(planes_of(9, 12)).requires_grad_()
    values = Spline(planes, torch).points(*points_of(9, 12), 1)
    mix = torch.from_numpy(np.random.default_rng(1).normal(size=values.shape))
    (slope,) = torch.autograd.grad((values * mix).sum(), planes)
    assert torch.allclose((slope * planes).sum(), (values * mix).sum(), rtol=1e-12)


@sizes
@reaches
def test_positions_far_outside_are_moved_to_the_end_of_the_range(height: int, width: int, reach: int) -> None:
    spline = Spline(planes_of(height, width), np)
    far, ends = np.array([-np.inf, -50, height + 50, 1e300]), np.array([-2.0, -2, height + 1, height + 1])
    columns = np.linspace(-2, width + 1, 4)
    assert np.array_equal(spline.points(far, columns, reach), spline.points(ends, columns, reach))
    assert np.array_equal(spline.grid(far, columns, reach), spline.grid(ends, columns, reach))
