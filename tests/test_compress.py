"""Laws of pruning and rounding."""

import numpy as np
import pytest
import torch

from inrcodec import compress, siren
from inrcodec.compress import IncrementalRounding, PruneConfig, QuantizeConfig, Rounding, flatten
from inrcodec.fit import FitConfig, Picture, optimize
from inrcodec.model import Q_STEP_CODES, q_step, q_step_code
from inrcodec.network import Network
from tests.pictures import waves

CPU = torch.device("cpu")
ARCH = siren.SirenArch((16, 12, 10), 3)
PICTURE = Picture(waves(24, 32), CPU)


@pytest.fixture(scope="module")
def fitted() -> tuple[list[torch.Tensor], float]:
    network = Network(ARCH, siren.init(ARCH, 0, siren.InitConfig(w_max=10)), CPU)
    psnr = optimize(network, PICTURE, FitConfig(steps=300))
    return network.snapshot(), psnr


def network_of(values: list[torch.Tensor]) -> Network:
    return Network(ARCH, [value.numpy() for value in values], CPU)


def test_steps_and_their_codes_are_inverse() -> None:
    assert [q_step_code(q_step(code)) for code in range(Q_STEP_CODES)] == list(range(Q_STEP_CODES))


def test_a_symbol_times_a_step_is_exact_in_float32() -> None:
    for code in range(0, Q_STEP_CODES, 7):
        assert float(np.float32(32767) * np.float32(q_step(code))) == 32767 * q_step(code)


def test_sensitivity_is_the_mean_square_derivative_of_the_outputs(fitted: tuple[list[torch.Tensor], float]) -> None:
    network = network_of(fitted[0])
    index = torch.arange(len(PICTURE))
    coords = PICTURE.samples(index)[0]
    scores = compress.sensitivity(network, PICTURE, probes=400, pixels=768)
    for tensor, entry in ((0, 3), (2, 5), (4, 7), (7, 1)):
        value = network.values[tensor]
        with torch.no_grad():
            value.view(-1)[entry] += 5e-4
            up = network(coords)
            value.view(-1)[entry] -= 1e-3
            down = network(coords)
            value.view(-1)[entry] += 5e-4
        exact = float(((up - down) / 1e-3).square().mean())
        assert float(scores[tensor].view(-1)[entry]) == pytest.approx(exact, rel=0.4)


def test_pruning_zeroes_the_asked_part_of_the_weights_and_no_bias(fitted: tuple[list[torch.Tensor], float]) -> None:
    network = network_of(fitted[0])
    refit = FitConfig(steps=20, rate=1e-2)
    masks, _ = compress.prune(network, PICTURE, PruneConfig(0.3, refit))
    weights = [mask for mask in masks if mask.dim() == 2]
    assert sum(int((mask == 0).sum()) for mask in weights) == round(0.3 * sum(mask.numel() for mask in weights))
    assert all(bool(mask.all()) for mask in masks if mask.dim() == 1)
    for value, mask in zip(network.snapshot(), masks, strict=True):
        assert not value[mask == 0].any()


def test_pruning_by_sensitivity_costs_less_than_by_magnitude(fitted: tuple[list[torch.Tensor], float]) -> None:
    values = fitted[0]
    scores = compress.sensitivity(network_of(values), PICTURE)
    at_once = FitConfig(steps=0)

    def psnr(masks: list[torch.Tensor]) -> float:
        return optimize(network_of(values), PICTURE, at_once, compress.masking(masks))

    by_sensitivity = compress.prune_masks(values, scores, 0.2)
    by_magnitude = compress.prune_masks(values, [torch.ones_like(score) for score in scores], 0.2)
    assert psnr(by_sensitivity) > psnr(by_magnitude) + 1


def test_pruned_weights_are_zero_symbols(fitted: tuple[list[torch.Tensor], float]) -> None:
    network = network_of(fitted[0])
    masks, psnr = compress.prune(network, PICTURE, PruneConfig(0.5, FitConfig(steps=10, rate=1e-2)))
    config = QuantizeConfig(refit=FitConfig(steps=10, rate=1e-2))
    model, _ = compress.quantize(network, PICTURE, psnr, masks, config)
    for symbols, mask in zip(model.symbols, masks, strict=True):
        assert not symbols[mask.numpy() == 0].any()


@pytest.mark.parametrize("noise", [0.1, 0.5, 2.0])
def test_rounding_at_once_costs_about_what_the_steps_were_chosen_for(
    fitted: tuple[list[torch.Tensor], float], noise: float
) -> None:
    values, psnr = fitted
    network, mse = network_of(values), 4 * 10 ** (-psnr / 10)
    scores = compress.sensitivity(network, PICTURE)
    codes = compress.choose_q_steps(scores, mse, QuantizeConfig(noise))
    at_once = IncrementalRounding(Rounding(codes, scores), flatten(scores))
    rounded = 4 * 10 ** (-optimize(network, PICTURE, FitConfig(steps=0), at_once) / 10)
    assert 0.3 * noise < rounded / mse - 1 < 3 * noise


def test_torchaos_rounding_is_the_specified_one(fitted: tuple[list[torch.Tensor], float]) -> None:
    values = fitted[0]
    codes = [q_step_code(0.01 * (1 + i)) for i in range(len(values))]
    rounding = Rounding(codes, values)
    symbols = rounding.split(rounding.symbols(flatten(values)))
    nearest = rounding.split(rounding.nearest(flatten(values)))
    for value, symbol, near, code in zip(values, symbols, nearest, codes, strict=True):
        assert torch.equal(symbol.float(), torch.round(value / q_step(code)))
        assert torch.equal(near, symbol.float() * q_step(code))


def test_incremental_rounding_fixes_weights_in_order_and_for_good() -> None:
    values = [torch.tensor([0.26, 0.74, 0.9, 0.4])]
    rounding = Rounding([q_step_code(0.5)], values)
    project = IncrementalRounding(rounding, torch.tensor([0, 1, 2, 3]))
    assert torch.equal(project(values, 0.0)[0], values[0])
    assert torch.allclose(project(values, 0.5)[0], torch.tensor([0.5, 0.5, 0.9, 0.4]))
    moved = [values[0] + 10]
    assert torch.allclose(project(moved, 0.5)[0], torch.tensor([0.5, 0.5, 10.9, 10.4]))
    assert torch.allclose(project(moved, 1.0)[0], torch.tensor([0.5, 0.5, 11.0, 10.5]))
    assert torch.allclose(project(values, 0.5)[0], torch.tensor([0.5, 0.5, 0.9, 0.4]))


def test_fine_tuning_wins_back_most_of_what_rounding_costs(fitted: tuple[list[torch.Tensor], float]) -> None:
    values, psnr = fitted
    network = network_of(values)
    masks = [torch.ones_like(value) for value in values]
    config = QuantizeConfig(noise=2.0, refit=FitConfig(steps=300, rate=1e-2))
    _, (nearest, tuned) = compress.quantize(network, PICTURE, psnr, masks, config)
    assert nearest.psnr < psnr - 2
    assert tuned.psnr > nearest.psnr + 0.5 * (psnr - nearest.psnr)
    assert tuned.file_bytes < 1.05 * nearest.file_bytes


def test_the_model_holds_exactly_the_tensors_left_in_the_network(fitted: tuple[list[torch.Tensor], float]) -> None:
    values, psnr = fitted
    network = network_of(values)
    masks = [torch.ones_like(value) for value in values]
    model, _ = compress.quantize(network, PICTURE, psnr, masks, QuantizeConfig(refit=FitConfig(steps=20, rate=1e-2)))
    for stored, left in zip(model.dequantize(), network.snapshot(), strict=True):
        assert np.array_equal(stored, left.numpy())
