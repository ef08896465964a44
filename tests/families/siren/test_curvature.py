"""Laws of the curvature and of compensated rounding."""

import pytest
import torch
from torch import Tensor

from inrcodec.families.siren.curvature import blocks, compensate, gauss_newton, inverse_factor, probes
from inrcodec.families.siren.gradients import PixelSums
from inrcodec.families.siren.network import InitConfig, SirenArch, init
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.fitting.target import Target
from inrcodec.format.entropy import MAX_SYMBOL
from tests.support.pictures import waves

CPU = torch.device("cpu")


def network(channels: int) -> FloatNetwork:
    arch = SirenArch((8, 6, 5), channels)
    return FloatNetwork(arch, init(arch, 0, InitConfig(w_max=8)), CPU)


def everything(net: FloatNetwork) -> list[slice]:
    return [slice(0, net.arch.param_count())]


def exact(net: FloatNetwork, coords: Tensor) -> Tensor:
    """Mean over pixels and channels of g g^T, by autograd."""
    outputs = net(coords).flatten()
    parts = torch.autograd.grad(outputs, list(net.values), torch.eye(len(outputs)), is_grads_batched=True)
    jacobian = torch.cat([part.flatten(1) for part in parts], 1).double()
    return jacobian.T @ jacobian / len(outputs)


def distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


def correlated(size: int, seed: int = 0) -> Tensor:
    """A positive definite matrix whose eigenvalues span two orders of magnitude."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))[0]
    return basis @ torch.diag(torch.logspace(0, -2, size, dtype=torch.float64)) @ basis.T


def some(size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Weights, and steps of a part of their size that differ."""
    generator = torch.Generator().manual_seed(100 + seed)
    weights = torch.randn(size, generator=generator, dtype=torch.float64)
    return weights, 0.1 + 0.3 * torch.rand(size, generator=generator, dtype=torch.float64)


def loss(matrix: Tensor, moved: Tensor, weights: Tensor) -> float:
    return float((moved - weights) @ matrix @ (moved - weights))


def test_probes_are_pixels_of_the_picture_none_twice_with_signs() -> None:
    index, signs = probes(Target(waves(6, 9), CPU), 40, CPU)
    assert len(set(index.tolist())) == 40
    assert set(index.tolist()) <= set(range(54))
    assert signs.shape == (40, 3)
    assert set(signs.flatten().tolist()) == {-1.0, 1.0}


def test_more_probes_than_pixels_are_all_pixels() -> None:
    index, signs = probes(Target(waves(6, 9), CPU), 1000, CPU)
    assert sorted(index.tolist()) == list(range(54))
    assert len(signs) == 54


def test_the_curvature_of_a_grey_picture_from_all_pixels_is_exact() -> None:
    net, picture = network(1), Target(waves(24, 32, 1), CPU)
    (found,) = gauss_newton(net, net.snapshot(), picture, 10**6, everything(net))
    assert distance(found, exact(net, picture.samples(torch.arange(768))[0])) < 1e-5


def test_the_curvature_of_a_picture_in_colour_is_that_of_all_channels_on_average() -> None:
    net, picture = network(3), Target(waves(24, 32), CPU)
    (found,) = gauss_newton(net, net.snapshot(), picture, 10**6, everything(net))
    assert distance(found, exact(net, picture.samples(torch.arange(768))[0])) < 0.1


def test_the_curvature_is_taken_at_the_values_asked_for() -> None:
    net, picture = network(1), Target(waves(6, 9, 1), CPU)
    values = [value + 0.1 for value in net.snapshot()]
    (found,) = gauss_newton(net, values, picture, 10**6, everything(net))
    net.load(values)
    assert distance(found, exact(net, picture.samples(torch.arange(54))[0])) < 1e-5


def test_the_curvature_in_blocks_is_cut_out_of_the_whole() -> None:
    net, picture = network(3), Target(waves(24, 32), CPU)
    (whole,) = gauss_newton(net, net.snapshot(), picture, 300, everything(net))
    parts = blocks(len(whole), 50)
    for part, found in zip(parts, gauss_newton(net, net.snapshot(), picture, 300, parts), strict=True):
        assert distance(found, whole[part, part]) < 1e-5


def test_the_curvature_does_not_depend_on_how_many_pixels_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net, picture = network(3), Target(waves(24, 32), CPU)
    (whole,) = gauss_newton(net, net.snapshot(), picture, 300, everything(net))
    for entries in (1, 7 * net.arch.param_count()):
        monkeypatch.setattr("inrcodec.families.siren.curvature._JACOBIAN_ENTRIES", entries)
        assert distance(gauss_newton(net, net.snapshot(), picture, 300, everything(net))[0], whole) < 1e-5


class Drawn(Target):
    """The picture that a network draws, in floats: a fit without error, where the curvature is all there is."""

    def __init__(self, net: FloatNetwork) -> None:
        super().__init__(waves(24, 32, net.arch.channels), CPU)
        self._net = FloatNetwork(net.arch, [value.numpy() for value in net.snapshot()], CPU)

    @torch.no_grad()
    def samples(self, index: Tensor) -> tuple[Tensor, Tensor]:
        coords, _ = super().samples(index)
        return coords, self._net(coords)


@pytest.mark.parametrize(("channels", "tolerance"), [(1, 0.01), (3, 0.15)])
def test_moving_the_weights_of_a_fit_by_e_adds_e_h_e_to_the_error(channels: int, tolerance: float) -> None:
    net = network(channels)
    picture, values = Drawn(net), net.snapshot()
    sums = PixelSums(net, picture, 100)
    (matrix,) = gauss_newton(net, values, picture, 10**6, everything(net))
    assert sums.mse(values, 10**6) < 1e-10
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        move = [1e-3 * torch.randn(value.shape, generator=generator) for value in values]
        # The mean of both directions is free of the third order.
        errors = [sums.mse([a + way * b for a, b in zip(values, move, strict=True)], 10**6) for way in (1, -1)]
        e = torch.cat([part.flatten() for part in move])
        assert sum(errors) / 2 == pytest.approx(float(e @ matrix @ e), rel=tolerance)


@pytest.mark.parametrize("most", [1, 2, 5, 64, 1000])
def test_blocks_cover_everything_in_order_in_nearly_equal_parts(most: int) -> None:
    for count in (1, 2, 3, 63, 64, 65, 127, 999, 1000, 1001):
        parts = blocks(count, most)
        assert [i for part in parts for i in range(part.start, part.stop)] == list(range(count))
        sizes = [part.stop - part.start for part in parts]
        assert max(sizes) <= most
        assert max(sizes) - min(sizes) <= 1
        assert len(parts) == -(-count // most)


def test_the_factor_is_upper_triangular_and_its_square_the_inverse_of_the_damped_matrix() -> None:
    matrix, damping = correlated(40), 0.01
    factor = inverse_factor(matrix.float(), damping)
    damped = matrix + damping * matrix.diagonal().mean() * torch.eye(40)
    assert factor.dtype == torch.float64
    assert torch.equal(factor, factor.triu())
    assert distance(factor.T @ factor @ damped, torch.eye(40)) < 1e-5


@pytest.mark.parametrize("fixed", [1, 17, 39])
def test_once_weights_are_fixed_the_rest_of_the_factor_is_the_factor_of_the_rest(fixed: int) -> None:
    matrix = correlated(40)
    rest = inverse_factor(matrix[fixed:, fixed:], 0.0)
    assert distance(inverse_factor(matrix, 0.0)[fixed:, fixed:], rest) < 1e-8


def test_rounding_in_stages_is_rounding_at_once() -> None:
    (weights, steps), factor = some(60), inverse_factor(correlated(60), 1e-3)
    half = compensate(weights, factor, steps, 25)
    half[25:] = compensate(half[25:], factor[25:, 25:], steps[25:], 35)
    assert torch.allclose(half, compensate(weights, factor, steps, 60))


def test_taking_the_factor_leaves_the_matrix_as_it_is() -> None:
    for matrix in (correlated(10), correlated(10).float()):
        before = matrix.clone()
        inverse_factor(matrix, 1e-3)
        assert torch.equal(matrix, before)


BROKEN = {
    "zero": torch.zeros(6, 6),
    "one row": torch.outer(torch.arange(6.0), torch.arange(6.0)),
    "negative": -torch.eye(6),
    "indefinite": torch.ones(6, 6) - torch.eye(6),
    "not a number": torch.full((6, 6), torch.nan),
    "a part not a number": torch.eye(6).index_put((torch.tensor(2), torch.tensor(3)), torch.tensor(torch.nan)),
    "infinite": torch.full((6, 6), torch.inf),
    "tiny": 1e-38 * torch.eye(6),
    "huge": 1e38 * torch.ones(6, 6),
}


@pytest.mark.parametrize("name", BROKEN)
def test_any_matrix_has_a_finite_factor(name: str) -> None:
    factor = inverse_factor(BROKEN[name], 1e-3)
    assert torch.isfinite(factor).all()
    assert (factor.diagonal() > 0).all()
    assert torch.equal(factor, factor.triu())


def one_by_one(weights: Tensor, factor: Tensor, steps: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Compensated rounding weight by weight, and by how much each was moved when it was rounded."""
    weights, moves = weights.clone(), torch.zeros(count, dtype=torch.float64)
    for i in range(count):
        rounded = (weights[i] / steps[i]).round() * steps[i]
        moves[i] = rounded - weights[i]
        weights[i:] += moves[i] * factor[i, i:] / factor[i, i]
        weights[i] = rounded
    return weights, moves


@pytest.mark.parametrize(("size", "count"), [(1, 1), (20, 20), (127, 127), (128, 100), (300, 128), (300, 129)])
def test_rounding_in_panels_is_rounding_one_by_one(size: int, count: int) -> None:
    (weights, steps), factor = some(size), inverse_factor(correlated(size), 1e-3)
    expected, _ = one_by_one(weights, factor, steps, count)
    assert torch.allclose(compensate(weights, factor, steps, count), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("count", [0, 1, 130, 200])
def test_the_first_count_weights_are_multiples_of_their_steps_and_the_others_make_up_for_it(count: int) -> None:
    matrix, (weights, steps) = correlated(200), some(200)
    moved = compensate(weights, inverse_factor(matrix, 1e-12), steps, count)
    symbols = moved[:count] / steps[:count]
    assert torch.equal(symbols.round() * steps[:count], moved[:count])
    # No move of the free weights makes the loss less: its gradient is zero there.
    assert float((matrix @ (moved - weights))[count:].abs().sum()) < 1e-8


def test_rounding_nothing_changes_nothing() -> None:
    weights, steps = some(20)
    assert torch.equal(compensate(weights, inverse_factor(correlated(20), 1e-3), steps, 0), weights)


def test_rounding_leaves_its_arguments_as_they_are() -> None:
    (weights, steps), factor = some(20), inverse_factor(correlated(20), 1e-3)
    before = [value.clone() for value in (weights, factor, steps)]
    compensate(weights, factor, steps, 20)
    assert all(torch.equal(a, b) for a, b in zip(before, (weights, factor, steps), strict=True))


def test_without_correlation_compensated_rounding_is_rounding_to_nearest() -> None:
    weights, steps = some(200)
    factor = inverse_factor(torch.diag(torch.rand(200, generator=torch.Generator().manual_seed(0))), 1e-3)
    assert torch.equal(compensate(weights, factor, steps, 200), (weights / steps).round() * steps)


def test_the_loss_is_the_sum_of_the_squares_of_moves_over_the_factors_diagonal() -> None:
    for seed in range(5):
        matrix, (weights, steps) = correlated(150, seed), some(150, seed)
        factor = inverse_factor(matrix, 1e-12)
        moved = compensate(weights, factor, steps, 150)
        _, moves = one_by_one(weights, factor, steps, 150)
        assert (moves.abs() <= steps / 2 + 1e-12).all()
        assert loss(matrix, moved, weights) == pytest.approx(float((moves / factor.diagonal()).square().sum()))


def test_compensated_rounding_loses_less_than_rounding_to_nearest() -> None:
    compensated = nearest = 0.0
    for seed in range(10):
        matrix, (weights, steps) = correlated(60, seed), some(60, seed)
        compensated += loss(matrix, compensate(weights, inverse_factor(matrix, 1e-9), steps, 60), weights)
        nearest += loss(matrix, (weights / steps).round() * steps, weights)
    assert compensated < 0.7 * nearest


def test_symbols_stay_within_the_formats_largest() -> None:
    weights = torch.tensor([1e9, -1e9, 2.6], dtype=torch.float64)
    moved = compensate(weights, torch.eye(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64), 3)
    assert moved.tolist() == [MAX_SYMBOL, -MAX_SYMBOL, 3]
