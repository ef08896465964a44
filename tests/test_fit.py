"""Laws of the training loop."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from inrcodec import fit, pixels, siren
from inrcodec.fit import FitConfig, Picture, chunk_map, no_projection, optimize
from inrcodec.network import Network
from inrcodec.progress import Monitor, Progress
from tests.pictures import waves

CPU = torch.device("cpu")
ARCH = siren.SirenArch((16, 12, 10), 3)
IMAGE = waves(24, 32)


def network(arch: siren.SirenArch = ARCH) -> Network:
    return Network(arch, siren.init(arch, 0, siren.InitConfig(w_max=10)), CPU)


def test_a_fit_finds_a_smooth_picture() -> None:
    assert optimize(network(), Picture(IMAGE, CPU), FitConfig(steps=200)) > 30


def test_the_psnr_returned_is_that_of_the_network_left_behind() -> None:
    fitted, picture = network(), Picture(IMAGE, CPU)
    psnr = optimize(fitted, picture, FitConfig(steps=30))
    values = fitted(torch.from_numpy(pixels.pixel_centres(24, 32))).detach().numpy()
    error = np.mean((values - pixels.to_unit(IMAGE).reshape(-1, 3)) ** 2)
    assert psnr == pytest.approx(10 * math.log10(4 / error), abs=1e-3)


def test_the_picture_gives_every_pixel_its_centre_and_its_value() -> None:
    coords, values = Picture(IMAGE, CPU).samples(torch.arange(24 * 32))
    assert np.array_equal(coords.numpy(), pixels.pixel_centres(24, 32))
    assert np.allclose(values.numpy(), pixels.to_unit(IMAGE).reshape(-1, 3), atol=1e-6)


@pytest.mark.parametrize("chunk", [7, 100, 4096])
def test_the_gradient_does_not_depend_on_the_chunks(chunk: int) -> None:
    net, picture, index = network(), Picture(IMAGE, CPU), torch.arange(0, 768, 2)
    whole = fit._gradient(net, net.snapshot(), picture, index, 10**6, map)
    with chunk_map(CPU) as run:
        parts = fit._gradient(net, net.snapshot(), picture, index, chunk, run)
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(whole, parts, strict=True))


def test_threads_leave_no_trace_in_the_weights_or_in_torch() -> None:
    results, before = [], torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        fitted = network()
        optimize(fitted, Picture(IMAGE, CPU), FitConfig(steps=20, chunk=100))
        assert torch.get_num_threads() == threads
        results.append(fitted.snapshot())
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_same_seed_same_weights_other_seed_other_weights() -> None:
    def weights(seed: int) -> Tensor:
        fitted = network()
        optimize(fitted, Picture(IMAGE, CPU), FitConfig(steps=10, batch=100, seed=seed))
        return fitted.snapshot()[0]

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_divergence_goes_back_to_the_best_and_halves_the_rate_at_most_three_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = iter([1.0, 0.1, math.nan, 9.0, math.inf, 0.09, 5.0, 0.01])
    monkeypatch.setattr(fit, "mse", lambda *arguments: next(looks))
    seen: list[Progress] = []
    config = FitConfig(steps=1000, evaluate_every=1)
    psnr = optimize(network(), Picture(IMAGE, CPU), config, monitor=Monitor(report=seen.append))
    assert psnr == pytest.approx(10 * math.log10(4 / 0.09))
    assert [progress.step for progress in seen] == [1, 2, 3, 4, 5, 6]


def test_a_retreat_restores_the_best_weights_and_warms_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([1.0, 0.1, math.nan])
    monkeypatch.setattr(fit, "mse", lambda *arguments: next(looks))
    net = network()
    search = fit.Search(net, Picture(IMAGE, CPU), FitConfig(steps=1000), no_projection, map)
    for step in range(3):
        search.step(step)
    search.look()
    best = net.snapshot()
    search.step(3)
    search.step(4)
    assert not torch.equal(net.snapshot()[0], best[0])
    search.look()
    assert all(torch.equal(a, b) for a, b in zip(net.snapshot(), best, strict=True))
    assert search.restarts == 1
    search.step(5)
    search.step(6)
    moved = max(float((a - b).abs().max()) for a, b in zip(net.snapshot(), best, strict=True))
    assert 0 < moved < 5e-3


def test_the_rate_warms_up_peaks_and_falls() -> None:
    config = FitConfig(steps=1000, rate=1.0, warmup=100)
    rates = [fit.schedule(step, 0, config) for step in range(1000)]
    assert rates[0] < 0.02
    assert max(rates) > 0.95
    assert np.argmax(rates) == 99
    assert rates[-1] < 0.01


def test_when_stopped_the_fit_ends_with_the_best_so_far() -> None:
    asked = iter([False] * 60 + [True] * 10)
    seen: list[Progress] = []
    monitor = Monitor(report=seen.append, stopped=lambda: next(asked))
    psnr = optimize(network(), Picture(IMAGE, CPU), FitConfig(steps=10_000), monitor=monitor)
    assert psnr > seen[0].psnr
    assert seen[-1].step == 50


def test_a_perfect_fit_ends_early() -> None:
    seen: list[Progress] = []
    constant = np.full((8, 8, 3), 77, np.uint8)
    optimize(network(), Picture(constant, CPU), FitConfig(steps=20_000), monitor=Monitor(report=seen.append))
    assert seen[-1].step < 10_000
    assert seen[-1].psnr > 60


def test_the_gradient_is_taken_at_the_projection_and_the_projection_is_delivered() -> None:
    def first_layer_only(values: Sequence[Tensor], progress: float) -> list[Tensor]:
        return [values[0], *[torch.zeros_like(value) for value in values[1:]]]

    fitted = network()
    optimize(fitted, Picture(IMAGE, CPU), FitConfig(steps=5), first_layer_only)
    assert all(not value.any() for value in fitted.snapshot()[1:])


def test_memory_does_not_grow_with_the_picture_beyond_the_picture() -> None:
    sizes = []
    original = Network.evaluate

    class Counting(Network):
        def evaluate(self, values: Sequence[Tensor], coords: Tensor) -> Tensor:
            sizes.append(len(coords))
            return original(self, values, coords)

    net = Counting(ARCH, siren.init(ARCH, 0, siren.InitConfig()), CPU)
    optimize(net, Picture(waves(400, 500), CPU), FitConfig(steps=3, evaluate_pixels=20_000))
    assert max(sizes) <= FitConfig().chunk
    assert sum(sizes) < 200_000
