"""Laws of pruning and rounding."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from inrcodec import families
from inrcodec.families import StoredPicture
from inrcodec.families.siren import curvature, quantize
from inrcodec.families.siren.gradients import PixelSums
from inrcodec.families.siren.network import Q_STEP_CODES, InitConfig, SirenArch, init, q_step, q_step_code
from inrcodec.families.siren.quantize import PruneConfig, QuantizeConfig, Quantizer, Rounding, flatten, holding
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.fitting.loop import BatchSearch, FitConfig, optimize
from inrcodec.fitting.target import Target
from inrcodec.progress import Monitor, Progress, within
from tests.support.pictures import waves

CPU = torch.device("cpu")
ARCH = SirenArch((16, 12, 10), 3)
PICTURE = Target(waves(24, 32), CPU)
REFIT = FitConfig(steps=60, rate=1e-2)
BOTH = pytest.mark.parametrize("compensated", [True, False])
Fitted = tuple[list[torch.Tensor], float]
Parts = tuple[PixelSums, FitConfig, quantize.Project]
"""Of a search: what it is made of."""


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    network = FloatNetwork(ARCH, init(ARCH, 0, InitConfig(w_max=10)), CPU)
    psnr = optimize(BatchSearch(PixelSums(network, PICTURE), FitConfig(steps=300)))
    return network.snapshot(), psnr


def network_of(values: list[torch.Tensor]) -> FloatNetwork:
    return FloatNetwork(ARCH, [value.numpy() for value in values], CPU)


def quantizer(fitted: Fitted, config: QuantizeConfig, network: FloatNetwork | None = None) -> Quantizer:
    """Of the fitted network, nothing pruned."""
    values, psnr = fitted
    masks = [torch.ones_like(value) for value in values]
    return Quantizer(network or network_of(values), PICTURE, psnr, masks, config)


def psnr_of(values: Sequence[torch.Tensor]) -> float:
    error = PixelSums(network_of(list(values)), PICTURE, 2048).mse(values, 10**6)
    return 10 * math.log10(4 / error)


def tensors_of(model: StoredPicture) -> list[torch.Tensor]:
    return [torch.from_numpy(value) for value in model.network.dequantize()]


@pytest.fixture
def in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neurons keep their order and sign when symbols are written, so that weights can be told one by one."""
    monkeypatch.setattr(quantize, "canonical", lambda symbols, half_turns: symbols)


def same(one: StoredPicture, other: StoredPicture) -> bool:
    return families.write(one) == families.write(other)


def test_steps_and_their_codes_are_inverse() -> None:
    assert [q_step_code(q_step(code)) for code in range(Q_STEP_CODES)] == list(range(Q_STEP_CODES))


def test_a_symbol_times_a_step_is_exact_in_float32() -> None:
    for code in range(0, Q_STEP_CODES, 7):
        assert float(np.float32(32767) * np.float32(q_step(code))) == 32767 * q_step(code)


def test_sensitivity_is_the_mean_square_derivative_of_the_outputs(fitted: Fitted) -> None:
    network = network_of(fitted[0])
    index = torch.arange(len(PICTURE))
    coords = PICTURE.samples(index)[0]
    scores = quantize.sensitivity(network, PICTURE)
    for tensor, entry in ((0, 3), (2, 5), (4, 7), (7, 1)):
        value = network.values[tensor]
        with torch.no_grad():
            value.view(-1)[entry] += 5e-4
            up = network(coords)
            value.view(-1)[entry] -= 1e-3
            down = network(coords)
            value.view(-1)[entry] += 5e-4
        exact = float(((up - down) / 1e-3).square().mean())
        assert float(scores[tensor].view(-1)[entry]) == pytest.approx(exact, rel=0.2)


def test_sensitivity_is_the_diagonal_of_the_curvature(fitted: Fitted) -> None:
    network = network_of(fitted[0])
    scores = flatten(quantize.sensitivity(network, PICTURE, 300))
    (matrix,) = curvature.gauss_newton(network, network.snapshot(), PICTURE, 300, curvature.blocks(len(scores)))
    assert torch.allclose(matrix.diagonal(), scores, rtol=1e-4)


def test_pruning_zeroes_the_asked_part_of_the_weights_and_no_bias(fitted: Fitted) -> None:
    network = network_of(fitted[0])
    refit = FitConfig(steps=20, rate=1e-2)
    masks, _ = quantize.prune(network, PICTURE, PruneConfig(0.3, refit))
    weights = [mask for mask in masks if mask.dim() == 2]
    assert sum(int((mask == 0).sum()) for mask in weights) == round(0.3 * sum(mask.numel() for mask in weights))
    assert all(bool(mask.all()) for mask in masks if mask.dim() == 1)
    for value, mask in zip(network.snapshot(), masks, strict=True):
        assert not value[mask == 0].any()


def test_pruning_by_sensitivity_costs_less_than_by_magnitude(fitted: Fitted) -> None:
    values = fitted[0]
    scores = quantize.sensitivity(network_of(values), PICTURE)
    at_once = FitConfig(steps=0)

    def psnr(masks: list[torch.Tensor]) -> float:
        return optimize(BatchSearch(PixelSums(network_of(values), PICTURE), at_once, quantize.masking(masks)))

    by_sensitivity = quantize.prune_masks(values, scores, 0.3)
    by_magnitude = quantize.prune_masks(values, [torch.ones_like(score) for score in scores], 0.3)
    assert psnr(by_sensitivity) > psnr(by_magnitude) + 3


@BOTH
@pytest.mark.usefixtures("in_place")
def test_pruned_weights_are_zero_symbols(fitted: Fitted, compensated: bool) -> None:
    network = network_of(fitted[0])
    masks, psnr = quantize.prune(network, PICTURE, PruneConfig(0.5, FitConfig(steps=10, rate=1e-2)))
    config = QuantizeConfig(refit=REFIT, compensated=compensated)
    model, stages = Quantizer(network, PICTURE, psnr, masks, config).run(0.4)
    assert stages[-1].name != "round to nearest"
    for symbols, mask in zip(model.network.symbols, masks, strict=True):
        assert not symbols[mask.numpy() == 0].any()
        assert symbols[mask.numpy() == 1].any()


@pytest.mark.parametrize("noise", [0.1, 0.5, 2.0])
def test_rounding_at_once_costs_about_what_the_steps_were_chosen_for(fitted: Fitted, noise: float) -> None:
    values, psnr = fitted
    mse = 4 * 10 ** (-psnr / 10)
    codes = quantize.choose_q_steps(quantize.sensitivity(network_of(values), PICTURE), mse, QuantizeConfig(noise))
    rounding = Rounding(codes, values)
    rounded = 4 * 10 ** (-psnr_of(rounding.split(rounding.nearest(flatten(values)))) / 10)
    assert 0.3 * noise < rounded / mse - 1 < 3 * noise


def test_torchaos_rounding_is_the_specified_one(fitted: Fitted) -> None:
    values = fitted[0]
    codes = [q_step_code(0.01 * (1 + i)) for i in range(len(values))]
    rounding = Rounding(codes, values)
    symbols = rounding.split(rounding.symbols(flatten(values)))
    nearest = rounding.split(rounding.nearest(flatten(values)))
    for value, symbol, near, code in zip(values, symbols, nearest, codes, strict=True):
        assert torch.equal(symbol.float(), torch.round(value / q_step(code)))
        assert torch.equal(near, symbol.float() * q_step(code))


def test_the_rounding_that_imports_nothing_is_torchaos() -> None:
    edges = torch.arange(-40, 41) / 4  # halves go to even
    values = torch.cat([edges, edges.nextafter(torch.tensor(9e9)), edges * 1e4, torch.tensor([1e30, -1e30, -0.0])])
    assert torch.equal(quantize.plain_rounding(values), quantize.affine_rounding()(values))


def test_flatten_and_split_are_inverse(fitted: Fitted) -> None:
    values = fitted[0]
    rounding = Rounding([100] * len(values), values)
    assert all(torch.equal(a, b) for a, b in zip(rounding.split(flatten(values)), values, strict=True))


def test_held_weights_stay_where_they_are_and_the_others_are_free() -> None:
    values = [torch.tensor([[0.25, 0.75]]), torch.tensor([1.0])]
    rounding = Rounding([q_step_code(0.5)] * 2, values)
    hold = holding(rounding, torch.tensor([0.5, 0.75, 1.5]), torch.tensor([True, False, True]))
    held = hold([value + 10 for value in values])
    assert torch.equal(held[0], torch.tensor([[0.5, 10.75]]))
    assert torch.equal(held[1], torch.tensor([1.5]))


@BOTH
def test_fine_tuning_wins_back_most_of_what_rounding_costs(fitted: Fitted, compensated: bool) -> None:
    config = QuantizeConfig(refit=FitConfig(steps=300, rate=1e-2), compensated=compensated)
    _, (nearest, tuned) = quantizer(fitted, config).run(2.0)
    assert nearest.psnr < fitted[1] - 2
    assert tuned.psnr > nearest.psnr + 0.5 * (fitted[1] - nearest.psnr)
    assert tuned.file_bytes < 1.05 * nearest.file_bytes


@pytest.mark.parametrize("noise", [2.0, 8.0])
def test_compensation_alone_wins_back_half_of_what_rounding_costs(fitted: Fitted, noise: float) -> None:
    _, (nearest, tuned) = quantizer(fitted, QuantizeConfig(refit=FitConfig(steps=0))).run(noise)
    assert nearest.psnr < fitted[1] - 2
    assert tuned.psnr > nearest.psnr + 0.5 * (fitted[1] - nearest.psnr)


def test_without_fine_tuning_and_compensation_rounding_is_to_nearest(fitted: Fitted) -> None:
    config = QuantizeConfig(refit=FitConfig(steps=0), compensated=False)
    model, (stage,) = quantizer(fitted, config).run(0.4)
    assert stage.name == "round to nearest"
    assert same(model, quantizer(fitted, config).nearest(0.4))


@BOTH
def test_the_model_is_the_network_left_behind_and_symbols_times_steps(fitted: Fitted, compensated: bool) -> None:
    network = network_of(fitted[0])
    model, stages = quantizer(fitted, QuantizeConfig(refit=REFIT, compensated=compensated), network).run(0.4)
    assert stages[-1].psnr == pytest.approx(psnr_of(tensors_of(model)), abs=1e-3)
    assert stages[-1].file_bytes == len(families.write(model))
    for stored, left, symbols, code in zip(
        model.network.dequantize(), network.snapshot(), model.network.symbols, model.network.q_step_codes, strict=True
    ):
        assert np.array_equal(stored, left.numpy())
        assert np.array_equal(stored, symbols * q_step(code))


@BOTH
@pytest.mark.parametrize("rate", [1e3, 1e9])
def test_a_search_that_diverges_costs_nothing_against_rounding_to_nearest(
    fitted: Fitted, compensated: bool, rate: float
) -> None:
    config = QuantizeConfig(refit=replace(REFIT, rate=rate), compensated=compensated)
    model, _ = quantizer(fitted, config).run(2.0)
    nearest = quantizer(fitted, config).nearest(2.0)
    assert psnr_of(tensors_of(model)) >= psnr_of(tensors_of(nearest)) - 1e-3


@BOTH
@pytest.mark.parametrize("ruin", [0.0, 5.0, math.nan])
def test_a_search_that_ruins_the_network_ends_with_rounding_to_nearest(
    fitted: Fitted, compensated: bool, ruin: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def destroy(search: Parts, *arguments: object) -> float:
        sums, _, _ = search
        sums.load([torch.full_like(value, ruin) for value in sums.values()])
        return 99.0

    monkeypatch.setattr(quantize, "BatchSearch", lambda *parts: parts)
    monkeypatch.setattr(quantize, "optimize", destroy)
    network = network_of(fitted[0])
    rounder = quantizer(fitted, QuantizeConfig(refit=REFIT, compensated=compensated), network)
    model, (tuned, last) = rounder.run(0.4)
    assert tuned.name != last.name == "round to nearest"
    assert same(model, rounder.nearest(0.4))
    assert all(torch.equal(a, b) for a, b in zip(network.snapshot(), tensors_of(model), strict=True))


@BOTH
def test_same_seed_same_model_other_seed_other_model(fitted: Fitted, compensated: bool) -> None:
    def model(seed: int) -> StoredPicture:
        refit = replace(REFIT, steps=150, seed=seed)
        found, stages = quantizer(fitted, QuantizeConfig(refit=refit, compensated=compensated)).run(2.0)
        assert stages[-1].name != "round to nearest"
        return found

    assert same(model(0), model(0))
    assert not same(model(0), model(1))


@BOTH
def test_one_quantizer_gives_at_every_scale_what_one_of_its_own_gives(fitted: Fitted, compensated: bool) -> None:
    config = QuantizeConfig(refit=REFIT, compensated=compensated)
    shared = quantizer(fitted, config)
    for noise in (0.2, 2.0, 0.2):
        model, stages = shared.run(noise)
        alone, its_stages = quantizer(fitted, config).run(noise)
        assert same(model, alone)
        assert stages == its_stages
        assert same(shared.nearest(noise), quantizer(fitted, config).nearest(noise))


def test_bytes_of_rounding_to_nearest_tell_those_of_the_run_and_fall_as_the_scale_rises(fitted: Fitted) -> None:
    rounder, sizes = quantizer(fitted, QuantizeConfig(refit=REFIT)), []
    for noise in (0.05, 0.4, 2.0, 8.0):
        sizes.append(len(families.write(rounder.run(noise)[0])))
        assert len(families.write(rounder.nearest(noise))) == pytest.approx(sizes[-1], rel=0.04)
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)


def test_steps_grow_with_the_square_root_of_the_scale(fitted: Fitted) -> None:
    rounder = quantizer(fitted, QuantizeConfig())
    fine, coarse = rounder.rounding(0.1).codes, rounder.rounding(0.4).codes
    # All but the output's bias, which has a step of its own, double.
    assert [b - a for a, b in zip(fine[:-1], coarse[:-1], strict=True)] == [16] * (len(fine) - 1)
    assert q_step(coarse[-1]) <= 1.04 * QuantizeConfig().largest_bias_step


def test_a_network_larger_than_a_block_is_rounded_better_than_to_nearest(fitted: Fitted) -> None:
    network = network_of(fitted[0])
    model, (nearest, tuned) = quantizer(fitted, QuantizeConfig(refit=FitConfig(steps=0), block=50), network).run(2.0)
    assert tuned.psnr > nearest.psnr + 1
    assert all(torch.equal(a, b) for a, b in zip(network.snapshot(), tensors_of(model), strict=True))


@pytest.mark.parametrize("stages", [1, 2, 3, 400])
def test_any_number_of_stages_rounds_all_weights(fitted: Fitted, stages: int) -> None:
    network = network_of(fitted[0])
    model, (nearest, tuned) = quantizer(fitted, QuantizeConfig(refit=REFIT, stages=stages), network).run(2.0)
    assert tuned.psnr > nearest.psnr
    assert all(torch.equal(a, b) for a, b in zip(network.snapshot(), tensors_of(model), strict=True))


@pytest.mark.usefixtures("in_place")
@pytest.mark.parametrize("block", [6144, 50])
def test_every_stage_rounds_its_part_of_each_block_and_holds_what_was_rounded_before_it(
    fitted: Fitted, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = curvature.blocks(ARCH.param_count(), block)
    seen: list[torch.Tensor] = []

    def shake(search: Parts, stage: str, monitor: Monitor) -> float:
        sums, _, hold = search
        seen.append(flatten(sums.values()))
        sums.load(hold([value + 1e-5 for value in sums.values()]))
        return 99.0

    monkeypatch.setattr(quantize, "BatchSearch", lambda *parts: parts)
    monkeypatch.setattr(quantize, "optimize", shake)
    rounder = quantizer(fitted, QuantizeConfig(refit=REFIT, stages=4, block=block))
    steps = rounder.rounding(0.4).steps
    final = flatten(tensors_of(rounder.run(0.4)[0]))
    assert len(seen) == 3
    for stage, flat in enumerate(seen, 1):
        rounded = flat == (flat / steps).round() * steps
        assert torch.equal(flat[rounded], final[rounded])
        for part in parts:
            assert int(rounded[part].sum()) == round(stage / 4 * (part.stop - part.start))


@BOTH
def test_reported_steps_rise_within_the_total(fitted: Fitted, compensated: bool) -> None:
    seen: list[Progress] = []
    refit = replace(REFIT, steps=100, evaluate_every=7)
    config = QuantizeConfig(refit=refit, compensated=compensated, stages=4)
    quantizer(fitted, config).run(0.4, Monitor(report=seen.append))
    steps = [progress.step for progress in seen]
    assert steps == sorted(set(steps))
    assert steps[0] > 0
    assert 90 < steps[-1] <= 100
    assert {progress.steps for progress in seen} == {100}


def test_steps_of_a_part_are_steps_of_the_whole() -> None:
    seen: list[Progress] = []
    monitor = within(within(Monitor(seen.append, lambda: True), 100, 1000), 20, 50)
    monitor.report(Progress("round", 3, 10, 30.0))
    assert seen == [Progress("round", 123, 1000, 30.0)]
    assert monitor.stopped()


@BOTH
def test_an_interrupted_run_delivers_a_rounded_network_not_worse_than_to_nearest(
    fitted: Fitted, compensated: bool
) -> None:
    network = network_of(fitted[0])
    asked = []

    def stopped() -> bool:
        asked.append(True)
        return len(asked) > 5

    config = QuantizeConfig(refit=FitConfig(steps=100_000), compensated=compensated)
    rounder = quantizer(fitted, config, network)
    model, stages = rounder.run(0.4, Monitor(stopped=stopped))
    assert len(asked) < 50
    assert all(torch.equal(a, b) for a, b in zip(network.snapshot(), tensors_of(model), strict=True))
    assert stages[-1].psnr >= psnr_of(tensors_of(rounder.nearest(0.4))) - 1e-3


@BOTH
def test_the_models_neurons_have_biases_that_ascend_from_zero(fitted: Fitted, compensated: bool) -> None:
    rounder = quantizer(fitted, QuantizeConfig(refit=REFIT, compensated=compensated))
    for model in (rounder.nearest(0.4), rounder.run(0.4)[0]):
        assert all((np.diff(bias, prepend=0) >= 0).all() for bias in model.network.symbols[1:-1:2])


def test_a_network_that_was_pruned_away_still_has_a_model(fitted: Fitted) -> None:
    values, psnr = fitted
    masks = [torch.zeros_like(value) for value in values]
    model, _ = Quantizer(network_of(values), PICTURE, psnr, masks, QuantizeConfig(refit=REFIT)).run(0.4)
    assert not any(symbols.any() for symbols in model.network.symbols)
