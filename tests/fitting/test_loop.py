"""Laws of the training loop."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor

from inrcodec import pixels
from inrcodec.compute.sine import Tape
from inrcodec.families.siren.gradients import PixelSums
from inrcodec.families.siren.network import InitConfig, SirenArch, init
from inrcodec.families.siren.tensors import FloatNetwork, split_matrices
from inrcodec.fitting import loop
from inrcodec.fitting.loop import BatchSearch, FitConfig, optimize
from inrcodec.fitting.state import FORGETFUL, Keeper, State
from inrcodec.fitting.target import Target
from inrcodec.progress import Monitor, Progress
from tests.support.pictures import waves

CPU = torch.device("cpu")
ARCH = SirenArch((16, 12, 10), 3)
IMAGE = waves(24, 32)


def network(arch: SirenArch = ARCH) -> FloatNetwork:
    return FloatNetwork(arch, init(arch, 0, InitConfig(w_max=10)), CPU)


def test_a_fit_finds_a_smooth_picture() -> None:
    assert optimize(BatchSearch(PixelSums(network(), Target(IMAGE, CPU)), FitConfig(steps=200))) > 30


def test_the_psnr_returned_is_that_of_the_network_left_behind() -> None:
    fitted, picture = network(), Target(IMAGE, CPU)
    psnr = optimize(BatchSearch(PixelSums(fitted, picture), FitConfig(steps=30)))
    values = fitted(torch.from_numpy(pixels.pixel_centres(24, 32))).detach().numpy()
    error = np.mean((values - pixels.to_unit(IMAGE).reshape(-1, 3)) ** 2)
    assert psnr == pytest.approx(10 * math.log10(4 / error), abs=1e-3)


def test_the_picture_gives_every_pixel_its_centre_and_its_value() -> None:
    coords, values = Target(IMAGE, CPU).samples(torch.arange(24 * 32))
    assert np.array_equal(coords.numpy(), pixels.pixel_centres(24, 32))
    assert np.allclose(values.numpy(), pixels.to_unit(IMAGE).reshape(-1, 3), atol=1e-6)


def derivatives(net: FloatNetwork, coords: Tensor, signs: Tensor) -> Tensor:
    """(N, n): d (signs . output) / d weight at each pixel, by autograd."""
    outputs = (net(coords) * signs).sum(1)
    rows = [torch.autograd.grad(output, list(net.values), retain_graph=True) for output in outputs]
    return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])


def signs_of(count: int, channels: int = 3) -> Tensor:
    return torch.randint(2, (count, channels), generator=torch.Generator().manual_seed(0)) * 2.0 - 1


def close(one: Tensor, other: Tensor, tolerance: float = 1e-5) -> bool:
    return float((one - other).norm()) <= tolerance * float(other.norm())


def test_the_gradient_is_that_of_the_mean_squared_error() -> None:
    net, picture, index = network(), Target(IMAGE, CPU), torch.arange(0, 768, 5)
    coords, target = picture.samples(index)
    (net(coords) - target).square().mean().backward()
    found = split_matrices(PixelSums(net, picture, 64).gradient(net.snapshot(), index))
    for value, gradient in zip(net.values, found, strict=True):
        assert value.grad is not None
        assert close(gradient, value.grad)


def test_the_error_is_that_of_the_outputs_at_the_tensors_asked_for() -> None:
    net, picture, index = network(), Target(IMAGE, CPU), torch.arange(0, 768, 5)
    at = [value + 0.01 for value in net.snapshot()]
    found = PixelSums(net, picture, 64).squared_error(at, index)
    net.load(at)
    coords, target = picture.samples(index)
    assert found == pytest.approx((net(coords) - target).square().sum().item(), rel=1e-5)


@pytest.mark.parametrize("most", [768, 767, 100])
def test_the_mean_squared_error_is_that_of_evenly_spread_pixels(most: int) -> None:
    net, picture = network(), Target(IMAGE, CPU)
    coords, target = picture.samples(torch.from_numpy(pixels.spread(24, 32, most)))
    expected = (net(coords) - target).square().mean().item()
    assert PixelSums(net, picture, 100).mse(net.snapshot(), most) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_jacobian_is_that_of_autograd_pixel_by_pixel(channels: int) -> None:
    net, picture = network(SirenArch((6, 5), channels)), Target(waves(24, 32, channels), CPU)
    index, signs = torch.arange(0, 768, 50), signs_of(16, channels)
    found = PixelSums(net, picture, 64).jacobian(net.snapshot(), index, signs)
    expected = derivatives(net, picture.samples(index)[0], signs)
    assert found.shape == (net.arch.param_count(), 16)
    assert all(close(a, b) for a, b in zip(found.T, expected, strict=True))


def test_squares_are_the_sums_of_squares_of_the_jacobians_rows() -> None:
    net, picture, index, signs = network(), Target(IMAGE, CPU), torch.arange(0, 768, 3), signs_of(256)
    sums = PixelSums(net, picture, 100)
    squares = split_matrices(sums.gauss_newton_diagonal(net.snapshot(), index, signs))
    expected = sums.jacobian(net.snapshot(), index, signs).square().sum(1)
    assert close(torch.cat([part.flatten() for part in squares]), expected)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("chunk", [7, 100, 384, 4096])
def test_sums_over_pixels_do_not_depend_on_the_chunks(chunk: int, threads: int) -> None:
    net, picture, index, signs = network(), Target(IMAGE, CPU), torch.arange(0, 768, 2), signs_of(384)
    at, whole, before = net.snapshot(), PixelSums(net, picture, 10**4), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        parts = PixelSums(net, picture, chunk)
        with parts.working():
            error, gradient = parts.squared_error(at, index), parts.gradient(at, index)
            squares = parts.gauss_newton_diagonal(at, index, signs)
    finally:
        torch.set_num_threads(before)
    assert error == pytest.approx(whole.squared_error(at, index), rel=1e-5)
    assert all(close(a, b) for a, b in zip(gradient, whole.gradient(at, index), strict=True))
    assert all(close(a, b) for a, b in zip(squares, whole.gauss_newton_diagonal(at, index, signs), strict=True))


def test_a_failure_in_a_chunk_is_raised() -> None:
    net, picture = network(), Target(IMAGE, CPU)
    sums = PixelSums(net, picture, 100)
    with sums.working(), pytest.raises(IndexError):
        sums.squared_error(net.snapshot(), torch.tensor([0, 768 * 24]))


def test_threads_leave_no_trace_in_the_weights_or_in_torch() -> None:
    results, before = [], torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        fitted = network()
        optimize(BatchSearch(PixelSums(fitted, Target(IMAGE, CPU), 100), FitConfig(steps=20)))
        assert torch.get_num_threads() == threads
        results.append(fitted.snapshot())
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_same_seed_same_weights_other_seed_other_weights() -> None:
    def weights(seed: int) -> Tensor:
        fitted = network()
        optimize(BatchSearch(PixelSums(fitted, Target(IMAGE, CPU)), FitConfig(steps=10, batch=100, seed=seed)))
        return fitted.snapshot()[0]

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_divergence_goes_back_to_the_best_and_halves_the_rate_so_many_times_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = iter([1.0, 0.1, math.nan, 9.0, math.inf, 0.09, 5.0, 0.01])
    monkeypatch.setattr(PixelSums, "mse", lambda *arguments: next(looks))
    seen: list[Progress] = []
    config = FitConfig(steps=1000, evaluate_every=1, restarts=3)
    psnr = optimize(BatchSearch(PixelSums(network(), Target(IMAGE, CPU)), config), monitor=Monitor(report=seen.append))
    assert psnr == pytest.approx(10 * math.log10(4 / 0.09))
    assert [progress.step for progress in seen] == [1, 2, 3, 4, 5, 6]


def test_a_retreat_restores_the_best_weights_and_warms_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([1.0, 0.1, math.nan])
    monkeypatch.setattr(PixelSums, "mse", lambda *arguments: next(looks))
    now: list[Tensor] = []

    def watched(values: Sequence[Tensor]) -> list[Tensor]:
        now[:] = [value.clone() for value in values]
        return list(values)

    sums = PixelSums(network(), Target(IMAGE, CPU), 2048)
    config = FitConfig(steps=1000)
    search = BatchSearch(sums, config, watched)
    search.evaluate()
    for step in range(3):
        search.step(step)
    search.evaluate()
    best = [value.clone() for value in search.best_values]
    search.step(3)
    search.step(4)
    search.evaluate()
    assert not torch.equal(now[0], best[0])
    assert search.restarts == 1
    search.step(5)
    assert all(torch.equal(a, b) for a, b in zip(now, best, strict=True))
    search.step(6)
    search.step(7)
    moved = float((now[-2] - best[-2]).norm()) / now[-2].numel() ** 0.5
    assert 0 < moved <= 1.1 * 0.5 * loop.schedule(6, 5, config)
    assert loop.schedule(6, 5, config) < 0.03 * config.rate


def test_the_rate_warms_up_peaks_and_falls() -> None:
    config = FitConfig(steps=1000, rate=1.0, warmup=100)
    rates = [loop.schedule(step, 0, config) for step in range(1000)]
    assert rates[0] < 0.02
    assert max(rates) > 0.95
    assert np.argmax(rates) == 99
    assert rates[-1] < 0.01


def test_when_stopped_the_fit_ends_with_the_best_so_far() -> None:
    asked = iter([False] * 60 + [True] * 10)
    seen: list[Progress] = []
    monitor = Monitor(report=seen.append, stopped=lambda: next(asked))
    config = FitConfig(steps=10_000, evaluate_every=50)
    psnr = optimize(BatchSearch(PixelSums(network(), Target(IMAGE, CPU)), config), monitor=monitor)
    assert psnr > seen[0].psnr
    assert seen[-1].step == 50


def test_a_perfect_fit_ends_early() -> None:
    seen: list[Progress] = []
    constant = np.full((8, 8, 3), 77, np.uint8)
    optimize(
        BatchSearch(PixelSums(network(), Target(constant, CPU)), FitConfig(steps=20_000)),
        monitor=Monitor(report=seen.append),
    )
    assert seen[-1].step < 10_000
    assert seen[-1].psnr > 60


def test_the_gradient_is_taken_at_the_projection_and_the_projection_is_delivered() -> None:
    def first_layer_only(values: Sequence[Tensor]) -> list[Tensor]:
        return [values[0], *[torch.zeros_like(value) for value in values[1:]]]

    fitted = network()
    optimize(BatchSearch(PixelSums(fitted, Target(IMAGE, CPU)), FitConfig(steps=5), first_layer_only))
    assert all(not value.any() for value in fitted.snapshot()[1:])


class Halving:
    """A search of another kind: each step halves its error, and it is finished at 1/1000."""

    config = FitConfig(steps=40, evaluate_every=4)

    def __init__(self) -> None:
        self.next, self.best, self.done = 0, math.inf, list[str]()

    @property
    def finished(self) -> bool:
        return self.best <= 1e-3

    @contextmanager
    def working(self) -> Iterator[None]:
        self.done.append("begin")
        yield
        self.done.append("end")

    def step(self, number: int) -> None:
        self.next = number + 1

    def evaluate(self) -> None:
        self.best = 0.5**self.next
        self.done.append(f"evaluate at {self.next}")

    def state(self) -> State:
        return {"next": np.array(self.next)}

    def restore(self, state: State) -> None:
        self.next = int(state["next"])
        self.done.append(f"restore {self.next}")

    def deliver(self) -> None:
        self.done.append("deliver")


class Resuming:
    """Gives a state, and keeps none."""

    def load(self) -> State:
        return {"next": np.array(7)}

    def keep(self, state: Callable[[], State]) -> None: ...

    def settle(self, state: Callable[[], State]) -> None: ...


@pytest.mark.parametrize(
    ("keeper", "begun"), [(FORGETFUL, ["evaluate at 0", "evaluate at 4"]), (Resuming(), ["restore 7"])]
)
def test_any_search_is_driven_until_it_is_finished_and_what_was_kept_is_not_measured_again(
    keeper: Keeper, begun: list[str]
) -> None:
    search, seen = Halving(), list[Progress]()
    psnr = optimize(search, "halve", Monitor(report=seen.append), keeper)
    assert psnr == pytest.approx(10 * math.log10(4 * 2**12))
    assert search.done == ["begin", *begun, "evaluate at 8", "evaluate at 12", "deliver", "end"]
    assert {(progress.stage, progress.steps) for progress in seen} == {("halve", 40)}


def test_memory_does_not_grow_with_the_picture_beyond_the_picture() -> None:
    sizes: list[int] = []
    rooms: list[int] = []

    class CountingTarget(Target):
        def samples(self, index: Tensor) -> tuple[Tensor, Tensor]:
            sizes.append(len(index))
            return super().samples(index)

    class CountingNetwork(FloatNetwork):
        def tape(self, pixels: int) -> Tape:
            rooms.append(pixels)
            return super().tape(pixels)

    net = CountingNetwork(ARCH, init(ARCH, 0, InitConfig()), CPU)
    sums = PixelSums(net, CountingTarget(waves(400, 500), CPU))
    optimize(BatchSearch(sums, FitConfig(steps=3, evaluate_pixels=20_000)))
    assert max(sizes) <= FitConfig().chunk
    assert sum(sizes) < 200_000
    assert max(rooms) <= FitConfig().chunk
    assert len(rooms) <= torch.get_num_threads()
