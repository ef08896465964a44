"""The tool that makes SIREN's classic results again: its measures, its truth, and its descent without autograd."""

import math

import numpy as np
import pytest
import torch

from inrcodec.families.siren.network import SirenArch, init_classic
from tests.support.helpers import ROOT
from tools.measure import siren_study as study


def test_the_distance_to_a_law_is_half_a_step_at_its_quantiles_and_one_where_nothing_lies() -> None:
    quantiles = -np.cos(math.pi * (np.arange(100) + 0.5) / 100)
    assert study.ks_distance(quantiles, study.arcsine_cdf) == pytest.approx(0.005)
    assert study.ks_distance(np.full(10, 9.0), study.normal_cdf) == pytest.approx(1)
    assert study.ks_distance(np.random.default_rng(0).normal(size=40_000), study.normal_cdf) < 0.01


def test_sums_are_near_normal_and_sines_near_the_arcsine_law_at_every_hidden_layer() -> None:
    for z in study.activations(width=256, depth=6, points=500, seed=1)[1:]:
        assert study.ks_distance(z, study.normal_cdf) < 0.04
        assert study.ks_distance(np.sin(z), study.arcsine_cdf) < 0.08


def test_the_truth_has_the_derivatives_of_its_waves() -> None:
    n, k = 16, 3
    row, column = np.mgrid[0:n, 0:n] + 0.5
    wave = np.cos(math.pi * k * row / n) * np.cos(math.pi * column / n)
    truth = study.truth_of(127.5 * (0.5 * wave + 1))
    damping, phase = 0.5 * math.exp(-((study.BLUR * math.pi / n) ** 2) * (k * k + 1) / 2), math.pi / 2
    slope = -damping * k * phase * np.sin(math.pi * k * row / n) * np.cos(math.pi * column / n)
    np.testing.assert_allclose(truth.value.numpy().reshape(n, n), damping * wave, atol=1e-6)
    np.testing.assert_allclose(truth.gradient[:, 0, 0].numpy().reshape(n, n), slope, atol=1e-5)
    bend = -damping * (k * k + 1) * phase**2 * wave
    np.testing.assert_allclose(truth.laplacian.numpy().reshape(n, n), bend, atol=1e-4)


@pytest.mark.parametrize("encoded", [False, True])
def test_the_jet_of_a_relu_network_is_the_limit_of_differences(encoded: bool) -> None:
    net = study.Rectifiers(0, encoded).double()
    coords, h = torch.tensor(np.random.default_rng(0).uniform(-1, 1, (40, 2))), 1e-6
    jet, step = net.jet(coords), h * torch.eye(2, dtype=torch.float64)
    with torch.no_grad():
        differences = [(net(coords + s) - net(coords - s)) / (2 * h) for s in step]
    assert jet.value.shape == jet.laplacian.shape == (40, 1)
    assert (jet.gradient[:, 0] - torch.cat(differences, 1)).abs().max() < 1e-5 * jet.gradient.abs().max()
    assert bool(jet.laplacian.abs().max() > 0) == encoded  # pieces of a plane do not bend


@pytest.mark.parametrize("by", ["value", "gradient", "laplacian"])
def test_a_picture_is_recovered_from_any_of_its_derivatives(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "ARCH", SirenArch((48, 48), 1))
    monkeypatch.setattr(study, "BATCH", 1024)
    row, column = np.mgrid[0:48, 0:48] / 48
    truth = study.truth_of(127.5 * (1 + 0.3 * np.cos(19 * row) * np.cos(16 * column) + 0.3 * np.cos(3 * row)))
    jet = study.fit(study.Sines(0), truth, by, steps=1000)
    assert study.snr(getattr(jet, by), getattr(truth, by)) > 14
    nearest = study.harmonic_part_removed(jet.value, truth.value, truth.coords)
    assert study.psnr_up_to_constant(nearest, truth.value) > 30


def test_descent_by_hand_in_numpy_is_autograds() -> None:
    arch, rng = SirenArch((12, 10), 3), np.random.default_rng(2)
    coords, target = rng.uniform(-1, 1, (50, 2)), rng.uniform(-1, 1, (50, 3))
    start = [p.astype(np.float64) for p in init_classic(arch, 0, w0=8.0)]
    ours, losses = study.descend(arch, coords, target, 0.02, 100, start)
    theirs, expected = study.descend_by_autograd(arch, coords, target, 0.02, 100, start)
    assert losses[-1] < 0.8 * losses[0]
    np.testing.assert_allclose(losses, expected, rtol=1e-10)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


def test_derivatives_of_the_sample_are_autograds() -> None:
    for autograd, differences in study.derivative_errors(
        (ROOT / "sample_data" / "astronaut.inr").read_bytes(), 50
    ).values():
        assert autograd < 1e-8
        assert differences < 1e-4
