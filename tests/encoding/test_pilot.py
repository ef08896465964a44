"""A PSNR is looked for by fits of the picture itself, never trusted far beyond them, within bytes that are stated."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import features

import inrcodec
from inrcodec import metrics
from inrcodec.cli import terminal
from inrcodec.encoding import goals, pilot, targets
from inrcodec.encoding.config import EncoderConfig
from inrcodec.encoding.encoder import Encoded, encode_with_report, trainer_for
from inrcodec.encoding.goals import Search
from inrcodec.encoding.pilot import Reached
from inrcodec.encoding.resume import Course
from inrcodec.families.siren import curvature, ladder
from inrcodec.families.training import OperatingPoint
from inrcodec.pictures import save
from inrcodec.pictures.load import to_array
from inrcodec.progress import Estimate, Monitor
from tests.cli.test_main import run
from tests.support.helpers import ROOT
from tests.support.pictures import waves
from tools.measure import psnr_targets

FAST = EncoderConfig(effort=1, device="cpu")


def saturated() -> np.ndarray:
    return np.asarray(psnr_targets.saturated())


def text() -> np.ndarray:
    return np.asarray(psnr_targets.text())


def two_colours(channels: int) -> np.ndarray:
    codes = np.zeros((20, 30, channels), np.uint8)
    codes[5:9, 3:20] = 255
    return codes


def most_bytes(height: int, width: int, channels: int) -> float:
    return goals.most_bytes(height * width * channels, ladder.largest_bytes(height, width))


NOISE = np.random.default_rng(1).integers(0, 256, (40, 40, 4), dtype=np.uint8)
ODD = {
    **{f"one colour, {n} channels": np.full((9, 7, n), 90, np.uint8) for n in (1, 2, 3, 4)},
    **{f"two colours, {n} channels": two_colours(n) for n in (1, 2, 3, 4)},
    **{f"noise, {n} channels": NOISE[..., :n] for n in (1, 2, 3, 4)},
    **{f"1x1, {n} channels": np.full((1, 1, n), 3, np.uint8) for n in (1, 2, 3, 4)},
    "small noise": np.ascontiguousarray(NOISE[:12, :12]),
    "1xN": waves(1, 300),
    "Nx1": waves(300, 1, 1),
    "longer than WebP": waves(1, 20_000, 2),
    "longer than JPEG": waves(70_000, 2, 1),
    "over a megapixel": np.tile(waves(150, 200), (8, 6, 1)),
    "saturated": saturated(),
    "text": text(),
}


@pytest.mark.parametrize("webp", [True, False])
@pytest.mark.parametrize("name", ODD)
def test_every_picture_has_a_curve_that_rises_and_ends_nowhere(
    name: str, webp: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    has = features.check
    monkeypatch.setattr(features, "check", lambda feature: webp if feature == "webp" else has(feature))
    curve = pilot.curve(ODD[name])
    sizes = [curve.bytes_of(psnr) for psnr in range(-100, 201, 5)]
    assert all(0 < size < math.inf for size in sizes)
    assert all(one < other for one, other in itertools.pairwise(sizes))
    np.testing.assert_allclose([curve.psnr_of(size) for size in sizes], range(-100, 201, 5), rtol=1e-6, atol=1e-6)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**32 - 1), st.integers(1, 256))
def test_no_picture_has_a_psnr_that_takes_endless_bytes(
    height: int, width: int, channels: int, seed: int, colours: int
) -> None:
    codes = np.random.default_rng(seed).integers(0, colours, (height, width, channels), dtype=np.uint8)
    curve = pilot.curve(codes)
    assert 0 < curve.bytes_of(5) < curve.bytes_of(60) < math.inf


def test_transparency_counts_for_nothing_in_a_curve() -> None:
    for with_alpha, without in ((2, 1), (4, 3)):
        codes = waves(40, 48, 4)[..., :with_alpha]
        one, other = pilot.curve(codes), pilot.curve(codes[..., :without])
        np.testing.assert_array_equal(one.psnr, other.psnr)


@pytest.mark.parametrize("shape", [(1, 200_000, 1), (131_072, 3, 2), (1100, 1000, 3)])
def test_a_mosaic_holds_tiles_from_all_over_a_large_picture_and_none_twice(shape: tuple[int, int, int]) -> None:
    height, width, _ = shape
    numbers = np.arange(height * width, dtype=np.uint32).reshape(height, width, 1)
    codes = np.concatenate([numbers >> 8 * byte & 255 for byte in range(4)], 2).astype(np.uint8)
    sample = pilot.mosaic(codes)
    assert sample.shape[0] * sample.shape[1] <= 1 << 20
    assert max(sample.shape) <= 16_383
    seen = (sample.astype(np.int64) << np.arange(0, 32, 8)).sum(2).reshape(-1)
    assert len(np.unique(seen)) == len(seen)
    assert len(seen) >= 0.6 * min(height * width, 1 << 20)
    assert np.ptp(seen) > 0.9 * height * width


def test_a_small_picture_is_its_own_mosaic() -> None:
    codes = waves(30, 40)
    assert pilot.mosaic(codes) is codes


LINE = pilot.Curve(np.array([8.0, 12.0]), np.array([20.0, 32.0]))
"""3 dB a doubling, 20 dB at 256 bytes."""


def network(gain: float, best: float = math.inf) -> Callable[[float, int], Reached]:
    """What fits of a picture reach that gains so many dB a doubling, 20 dB at 1000 bytes."""
    return lambda size, steps: Reached(size, min(best, 20 + gain * math.log2(size / 1000)))


@pytest.mark.parametrize("gain", [-3.0, 0.0, 0.3, 2.0, 5.0, 40.0])
@pytest.mark.parametrize("target", [5.0, 20.0, 35.0, 60.0])
@pytest.mark.parametrize("most", [512.0, 20_000.0])
def test_no_size_is_far_from_one_that_was_fitted_nor_above_the_most(gain: float, target: float, most: float) -> None:
    asked: list[float] = []

    def fit(size: float, steps: int) -> Reached:
        asked.append(size)
        return network(gain)(size, steps)

    fits = pilot.run(target, 2000, most, LINE, fit)
    assert 1 <= len(fits) <= pilot.PILOTS
    assert asked[0] <= most / pilot.TRUST
    asked.append(min(pilot.next_bytes(target, fits, LINE), most))
    assert max(asked) <= most
    for number, size in enumerate(asked[1:], 1):
        assert any(one / pilot.TRUST <= size * 1.0001 and size <= pilot.TRUST * one * 1.0001 for one in asked[:number])


def test_one_pilot_is_enough_where_the_network_gains_as_webp_does() -> None:
    fits = pilot.run(30.0, 10_000, 1e6, LINE, lambda size, steps: Reached(size, LINE.psnr_of(size) - 1))
    assert len(fits) == 1
    assert LINE.psnr_of(pilot.next_bytes(30.0, fits, LINE)) == pytest.approx(30 + 1.2 + 1, abs=1)


@pytest.mark.parametrize(("gain", "target"), [(2.0, 27.0), (5.0, 33.0), (6.0, 12.0)])
def test_pilots_find_a_size_that_the_curve_knows_nothing_of(gain: float, target: float) -> None:
    flat = pilot.Curve(np.array([8.0, 9.0]), np.array([17.0, 18.0]))
    fits = pilot.run(target, 400, 1e5, flat, network(gain))
    found = network(gain)(pilot.next_bytes(target, fits, flat), 400).psnr
    assert found == pytest.approx(target + 1.2, abs=1.2)


def test_a_fit_that_is_worse_than_a_smaller_one_counts_for_nothing() -> None:
    good, bad = Reached(500, 30.0), Reached(2000, 18.0)
    assert pilot.next_bytes(34.8, [good, bad]) == pilot.next_bytes(34.8, [good, bad, Reached(900, 30.0)])
    assert pilot.next_bytes(34.8, [good, bad]) == pytest.approx(1000)


def test_pilots_end_where_they_are_told_to_stop() -> None:
    assert pilot.run(30.0, 1000, 1e5, LINE, lambda size, steps: None) == []


def reached(image: np.ndarray, psnr: float, **options: object) -> Encoded:
    return encode_with_report(image, dataclasses.replace(FAST, psnr=psnr, **options))


@pytest.mark.parametrize(("picture", "psnr"), [(saturated, 25.0), (text, 40.0)])
def test_a_psnr_of_saturated_graphics_is_met(picture: Callable[[], np.ndarray], psnr: float) -> None:
    image = picture()
    encoded = reached(image, psnr)
    assert encoded.met
    assert metrics.psnr(image, inrcodec.decode(encoded.data)) == pytest.approx(psnr, abs=targets.PSNR_TOLERANCE)
    assert len(encoded.data) < image.size / 2


def test_a_psnr_of_graphics_takes_about_the_bytes_that_a_quality_takes() -> None:
    image = text()
    plain = encode_with_report(image, dataclasses.replace(FAST, quality=60))
    encoded = reached(image, plain.psnr)
    assert encoded.met
    assert len(encoded.data) < 1.5 * len(plain.data)


@pytest.mark.parametrize("name", [*(f"one colour, {n} channels" for n in (1, 2, 3, 4)), "1x1, 2 channels"])
def test_one_colour_meets_any_psnr_in_the_fewest_bytes(name: str) -> None:
    encoded = reached(ODD[name], 60.0)
    assert encoded.met
    assert len(encoded.data) < 100


@pytest.mark.parametrize("name", ["two colours, 2 channels", "small noise"])
def test_met_says_what_the_decoded_picture_says(name: str) -> None:
    encoded = reached(ODD[name], 30.0)
    decoded = inrcodec.decode(encoded.data).reshape(ODD[name].shape)
    assert encoded.met == (abs(metrics.psnr(ODD[name], decoded) - 30) <= targets.PSNR_TOLERANCE)
    assert len(encoded.data) <= most_bytes(*ODD[name].shape)


def test_no_file_for_a_psnr_is_over_half_the_raw_bytes_and_the_best_of_them_is_written(
    workdir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = np.ascontiguousarray(NOISE[:20, :20, :3])
    Path("noise.png").write_bytes(save.to_file(noise, "PNG"))
    assert run("encode noise.png -e 1 --psnr 55") == 3
    data = Path("noise.inr").read_bytes()
    assert len(data) <= noise.size / 2
    psnr = metrics.psnr(noise, inrcodec.decode(data))
    assert psnr > metrics.psnr(noise, inrcodec.decode(inrcodec.encode(noise, dataclasses.replace(FAST, quality=75))))
    *lines, last = capfd.readouterr().err.splitlines()
    assert "inrcodec: no larger network for 55 dB: such files end at 600 bytes" in lines
    assert last == f"inrcodec: noise.inr: written, but the target is not reached: {psnr:.2f} dB instead of 55"


def misled(monkeypatch: pytest.MonkeyPatch, size: float, psnr: float) -> None:
    """Pilots that come to a wrong result: `psnr` at `size` bytes."""
    monkeypatch.setattr(pilot, "run", lambda *arguments: [Reached(size, psnr)])
    monkeypatch.setattr(pilot, "curve", lambda codes: pilot.PLAIN)


WAVES = waves(24, 32)
CAMERA = to_array(str(ROOT / "sample_data" / "camera.png"))[100:132, 216:256]


@pytest.mark.parametrize(("size", "psnr", "first"), [(80.0, 29.2, "weak"), (400.0, 29.2, "strong")])
def test_a_fit_that_is_too_weak_or_far_too_strong_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch, size: float, psnr: float, first: str
) -> None:
    misled(monkeypatch, size, psnr)
    told: list[str] = []
    seen: list[Estimate] = []
    config = dataclasses.replace(FAST, psnr=28.0)
    encoded = encode_with_report(CAMERA, config, Monitor(announce=seen.append, note=told.append))
    assert encoded.met
    assert 1 <= len(told) <= goals.REFITS
    assert len(seen) == 1 + len(told)
    assert (seen[1].weights > seen[0].weights) == (first == "weak")
    assert seen[0].longest > seen[0].seconds > 0


@pytest.mark.parametrize("options", [{"time_limit": 1e6}, {"quality": 30, "psnr": None}, {"size": 200, "psnr": None}])
def test_under_a_time_limit_and_for_other_goals_there_is_one_fit(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, float | None]
) -> None:
    misled(monkeypatch, 120.0, 31.2)
    seen: list[Estimate] = []
    config = dataclasses.replace(FAST, **({"psnr": 30.0} | options))
    encode_with_report(WAVES, config, Monitor(announce=seen.append))
    assert len(seen) == 1
    assert seen[0].longest == 0


def test_pilots_are_announced_before_they_begin_and_so_is_the_fit() -> None:
    seen: list[Estimate] = []
    encode_with_report(WAVES, dataclasses.replace(FAST, psnr=24.0), Monitor(announce=seen.append))
    trials = [one.trial for one in seen]
    assert trials[0]
    assert not trials[-1]
    assert trials == sorted(trials, reverse=True)
    assert all(one.seconds > 0 for one in seen)


def test_a_search_that_is_stopped_in_a_pilot_ends_with_what_that_has_reached() -> None:
    asked = itertools.count()
    config = dataclasses.replace(FAST, psnr=30.0, effort=3)
    encoded = encode_with_report(WAVES, config, Monitor(stopped=lambda: next(asked) > 150))
    assert encoded.psnr > 20
    assert next(asked) < 400


TO_30 = dataclasses.replace(FAST, psnr=30.0)
TRAINER = trainer_for(WAVES, TO_30)


def fit_of(psnr: float, weights_per_pixel: float) -> goals.Fit:
    candidate = TRAINER.start(OperatingPoint(50, weights_per_pixel, 0.4))
    return goals.Fit(candidate, candidate.plan(), psnr)


def search(psnr: float | None = 30.0) -> Search:
    config = dataclasses.replace(FAST, psnr=psnr)
    return Search(WAVES, config, goals.choose_goal(config, WAVES.shape, TRAINER.sizes()), TRAINER, Monitor())


def test_the_smallest_network_that_is_good_enough_is_taken_and_else_the_best() -> None:
    weak, enough, more = fit_of(28.0, 0.3), fit_of(30.5, 0.5), fit_of(40.0, 0.8)
    assert search().best([weak, more, enough]) is enough
    assert search(50.0).best([weak, more, enough]) is more
    assert search(None).best([weak]) is weak


def test_a_fit_comes_back_from_its_state() -> None:
    fit = fit_of(28.0, 0.3)
    back = search().restored(fit.state())
    assert back is not None
    assert (back.candidate.point, back.psnr, back.plan) == (fit.candidate.point, fit.psnr, fit.plan)
    assert all(map(np.array_equal, fit.candidate.arrays(), back.candidate.arrays()))
    assert search().restored({}) is None


@pytest.mark.parametrize(
    ("shape", "most"), [((1, 1, 3), 512), ((100, 100, 3), 15_000), ((9000, 9000, 3), ladder.largest_bytes(9000, 9000))]
)
def test_the_most_bytes_are_half_the_raw_ones_within_what_the_decoder_accepts(
    shape: tuple[int, int, int], most: float
) -> None:
    assert most_bytes(*shape) == most


def test_no_network_follows_one_of_the_most_bytes() -> None:
    most = most_bytes(*WAVES.shape)
    fit = fit_of(20.0, 8 * most / 5.4 / 768)
    assert search().further(Course(fit.candidate.point, (Reached(100, 15),), 2), fit) is None


def test_the_longest_time_counts_the_networks_that_may_follow_up_to_the_largest() -> None:
    small, large = fit_of(20.0, 0.1), fit_of(20.0, 2.0)
    course = Course(small.candidate.point, (), goals.REFITS)
    once = (625 + targets.ATTEMPTS_AT_PSNR * 188) / (625 + 2 * 188)  # steps of the fit and of each rounding
    assert (10 + 40) * once < search().longest(10, small, course) <= (10 + 40 + 160) * once
    assert 30 * once <= search().longest(10, large, course) < 40 * once
    assert search(None).longest(10, small, course) == 0


@given(
    st.floats(1e-6, 0.3),
    st.floats(1e-7, 0.3),
    st.lists(st.tuples(st.floats(0.02, 4096), st.floats(-1e-3, 0.3)), min_size=1, max_size=5),
)
def test_a_noise_is_always_one_that_can_be(excess: float, least: float, tried: list[tuple[float, float]]) -> None:
    assert targets.FINEST <= targets.next_noise(excess, least, tried) <= targets.COARSEST


@given(st.floats(0.03, 3000), st.floats(0.3, 3.0), st.floats(-1e-4, 1e-4))
def test_a_noise_for_a_psnr_closes_in_from_both_sides(answer: float, power: float, offset: float) -> None:
    """Of a network that the rounding itself makes better, or worse, whatever noise is asked for."""
    least, excess = 1e-3, 4e-4
    tried: list[tuple[float, float]] = []
    for _ in range(40):
        noise = targets.next_noise(excess, least, tried)
        assert noise not in [one for one, _ in tried] or noise in (targets.FINEST, targets.COARSEST)
        tried.append((noise, (excess - offset) * (noise / answer) ** power + offset))
        if abs(10 * math.log10((least + tried[-1][1]) / (least + excess))) <= targets.PSNR_TOLERANCE:
            return
    pytest.fail(f"not found: {tried}")


@pytest.mark.parametrize("weights", [17, 6144, 6145, 50_000])
def test_the_memory_that_is_announced_holds_all_blocks_of_the_curvature(weights: int) -> None:
    held, plan = sum(4 * (part.stop - part.start) ** 2 for part in curvature.blocks(weights)), fit_of(20.0, 0.1).plan
    assert held < plan.memory(weights) - plan.memory(1) < 12 * held + 10**6


def test_what_a_trial_takes_is_told_in_a_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal.sys.stderr, "isatty", lambda: True, raising=False)
    line = terminal.ProgressLine()
    line.announce(Estimate(24, 32, 500, 7.0, trial=True, memory=3_100_000_000))
    line.announce(Estimate(24, 32, 900, 20.0, longest=95.0, memory=10**8))
    assert capfd.readouterr().err.splitlines() == [
        "a trial first: 32x24, 500 weights, about 7 s, 3.1 GB",
        "32x24, 900 weights, about 20 s, 1 min 35 s at most",
    ]
