"""Laws of the network: its start, and the agreement of its two array modules."""

import math

import numpy as np
import pytest
import torch

from inrcodec.compute import sine
from inrcodec.compute.sine import Jet, coordinate_jet, forward
from inrcodec.families.siren import network as siren
from inrcodec.families.siren.tensors import FloatNetwork, join_matrices, split_matrices
from tools.measure import siren_study as study


@pytest.mark.parametrize("depth", range(3, 9))
def test_at_the_classic_start_every_hidden_layer_is_normal_before_and_arcsine_after_its_sine(depth: int) -> None:
    arch = siren.SirenArch((256,) * depth)
    coords = np.random.default_rng(1).uniform(-1, 1, (2000, 2)).astype(np.float32)
    for z in study.pre_activations(siren.init_classic(arch, seed=depth), coords)[1:]:
        samples = np.sort(z.reshape(-1)[::37])
        # Near, not at: the variance settles where v = 1 - exp(-2 v), so the deviation at 0.89; the sine of N(0, 0.89^2)
        # is 0.068 away from the arcsine law, a uniform law would be 0.105 away.
        assert abs(samples.std() - 1) < 0.13
        assert study.ks_distance(samples.astype(float), study.normal_cdf) < 0.04
        assert study.ks_distance(np.sin(samples.astype(float)), study.arcsine_cdf) < 0.08


def test_w0_in_every_layer_and_w0_folded_in_are_the_same_function() -> None:
    arch, w0 = siren.SirenArch((16, 16, 16)), 30.0
    folded = siren.init_classic(arch, seed=3, w0=w0)
    values = coords = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    for layer in range(arch.depth):
        weight, bias = folded[2 * layer] / w0, folded[2 * layer + 1] / w0
        bound = 1 / 2 if layer == 0 else math.sqrt(6 / 16) / w0
        assert np.abs(weight).max() <= bound
        values = np.sin(w0 * (values @ weight.T + bias))
    paper = values @ folded[-2].T + folded[-1]
    assert np.allclose(paper, forward(folded, coords, np), atol=1e-4)


def test_the_output_layer_has_no_sine() -> None:
    arch = siren.SirenArch((4,), channels=1)
    params = siren.init_classic(arch, seed=0)
    params[-1] = np.array([100.0], np.float32)
    assert forward(params, np.zeros((1, 2), np.float32), np)[0, 0] > 90


def test_first_layer_frequencies_of_the_codecs_start_lie_in_their_range() -> None:
    config = siren.InitConfig(w_min=2.0, w_max=50.0)
    first = siren.init(siren.SirenArch((400, 8)), 0, config)[0]
    frequencies = np.hypot(first[:, 0], first[:, 1])
    assert frequencies.min() >= 2.0
    assert frequencies.max() <= 50.0
    assert np.median(frequencies) == pytest.approx(math.sqrt(2.0 * 50.0), rel=0.25)


def test_the_start_depends_on_the_seed_alone() -> None:
    arch, config = siren.SirenArch((8, 8)), siren.InitConfig()
    one, same, other = (siren.init(arch, seed, config) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_numpy_and_torch_evaluate_alike(channels: int) -> None:
    arch = siren.SirenArch((24, 20, 16), channels)
    params = siren.init(arch, 0, siren.InitConfig())
    coords = np.random.default_rng(0).uniform(-1, 1, (500, 2)).astype(np.float32)
    tensors = [torch.from_numpy(p) for p in params]
    expected = forward(params, coords, np)
    assert expected.shape == (500, channels)
    assert np.allclose(forward(tensors, torch.from_numpy(coords), torch), expected, atol=1e-4)


@pytest.mark.parametrize("half_turns", [True, False])
def test_the_canonical_network_is_the_same_function_with_biases_that_ascend_from_zero(half_turns: bool) -> None:
    arch = siren.SirenArch((24, 20, 16), 3)
    params = siren.init(arch, 0, siren.InitConfig(w_max=10))
    params[1] *= 3
    before = [param.copy() for param in params]
    found = siren.canonical(params, half_turns)
    coords = np.random.default_rng(0).uniform(-1, 1, (100, 2)).astype(np.float32)
    drawn = forward(params, coords, np)
    assert np.allclose(forward(found, coords, np), drawn, atol=1e-5)
    assert all(np.array_equal(a, b) and a.dtype == c.dtype for a, b, c in zip(before, params, found, strict=True))
    for bias in found[1:-1:2]:
        assert (np.diff(bias, prepend=0) >= 0).all()
        assert not half_turns or bias.max() < 1.58
    again = siren.canonical(found, half_turns)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))


def test_canonical_symbols_are_the_same_symbols_but_for_order_and_sign() -> None:
    rng = np.random.default_rng(0)
    shapes = siren.SirenArch((24, 20, 16), 3).param_shapes()
    symbols = [rng.integers(-9, 10, shape, np.int32) for shape in shapes]
    found = siren.canonical(symbols, half_turns=False)
    for before, after in zip(symbols, found, strict=True):
        assert after.dtype == np.int32
        assert np.array_equal(np.sort(np.abs(before), axis=None), np.sort(np.abs(after), axis=None))
    assert np.array_equal(symbols[-1], found[-1])


def test_param_shapes_count_every_weight() -> None:
    arch = siren.SirenArch((5, 4), channels=1)
    assert arch.param_shapes() == ((5, 2), (5,), (4, 5), (4,), (1, 4), (1,))
    assert arch.param_count() == 10 + 5 + 20 + 4 + 4 + 1
    assert arch.depth == 2


def test_the_networks_gradient_is_that_of_finite_differences() -> None:
    arch = siren.SirenArch((6, 5), channels=2)
    network = FloatNetwork(arch, siren.init(arch, 0, siren.InitConfig(w_max=5)), torch.device("cpu"))
    coords = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    network(coords).square().mean().backward()
    for value in network.values:
        assert value.grad is not None
        with torch.no_grad():
            value.flatten()[0].add_(1e-2)
            up = network(coords).square().mean()
            value.view(-1)[0] -= 2e-2
            down = network(coords).square().mean()
            value.view(-1)[0] += 1e-2
        assert float(up - down) / 2e-2 == pytest.approx(float(value.grad.view(-1)[0]), abs=2e-3)


def test_snapshot_and_load_are_inverse() -> None:
    arch = siren.SirenArch((4,))
    network = FloatNetwork(arch, siren.init(arch, 0, siren.InitConfig()), torch.device("cpu"))
    before = network.snapshot()
    network.load([torch.zeros_like(value) for value in before])
    assert all(not value.any() for value in network.values)
    network.load(before)
    assert all(torch.equal(a, b) for a, b in zip(before, network.snapshot(), strict=True))


def test_joining_and_splitting_matrices_are_inverse() -> None:
    arch = siren.SirenArch((5, 4), channels=1)
    values = [torch.from_numpy(value) for value in siren.init(arch, 0, siren.InitConfig())]
    matrices = join_matrices(values)
    assert [tuple(matrix.shape) for matrix in matrices] == [(5, 3), (4, 6), (1, 5)]
    assert all(torch.equal(a, b) for a, b in zip(split_matrices(matrices), values, strict=True))
    split_matrices(matrices)[0].zero_()
    assert not matrices[0][:, :-1].any()


JET_ARCHS = [siren.SirenArch((9,), 1), siren.SirenArch((8, 6), 3), siren.SirenArch((10, 9, 8, 7), 4)]
POINTS = np.random.default_rng(5).uniform(-1.5, 1.5, (40, 2))


def double(arch: siren.SirenArch) -> list[np.ndarray]:
    """A network in float64, of frequencies that bend within a tenth of the picture."""
    return [p.astype(float) for p in siren.init(arch, 1, siren.InitConfig(w_max=20))]


def by_autograd(arch: siren.SirenArch) -> Jet:
    """Values, gradient and Laplacian of torch, channel by channel."""
    params = [torch.tensor(p) for p in double(arch)]
    jet = study.autograd_jet(lambda points: forward(params, points, torch), torch.tensor(POINTS))
    return Jet(*(part.detach().numpy() for part in jet))


@pytest.mark.parametrize("arch", JET_ARCHS, ids=lambda arch: str(arch.depth))
def test_jets_are_autograds_derivatives(arch: siren.SirenArch) -> None:
    for found, expected in zip(sine.jet(double(arch), coordinate_jet(POINTS, np), np), by_autograd(arch), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("arch", JET_ARCHS, ids=lambda arch: str(arch.depth))
def test_jets_are_the_limits_of_differences(arch: siren.SirenArch) -> None:
    params, h = double(arch), 1e-4

    def at(*shift: float) -> np.ndarray:
        return forward(params, POINTS + h * np.array(shift), np)

    jet = sine.jet(params, coordinate_jet(POINTS, np), np)
    slopes = np.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], -1) / (2 * h)
    bends = (at(1, 0) + at(-1, 0) + at(0, 1) + at(0, -1) - 4 * at(0, 0)) / h**2
    np.testing.assert_allclose(jet.value, at(0, 0), atol=1e-12)
    np.testing.assert_allclose(jet.gradient, slopes, atol=1e-5 * np.abs(slopes).max())
    np.testing.assert_allclose(jet.laplacian, bends, atol=1e-5 * np.abs(bends).max())


def test_jets_are_the_same_in_numpy_and_torch() -> None:
    arch = JET_ARCHS[1]
    found = sine.jet([torch.tensor(p) for p in double(arch)], coordinate_jet(torch.tensor(POINTS), torch), torch)
    for one, other in zip(sine.jet(double(arch), coordinate_jet(POINTS, np), np), found, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=0, atol=1e-10 * np.abs(one).max())
