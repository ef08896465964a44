"""Targets: a file of so many bytes, or a picture of such a PSNR, or a plain answer that it cannot be."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import inrcodec
from inrcodec import cli, metrics
from inrcodec.cli import terminal
from inrcodec.decoding import decoder
from inrcodec.encoding import encoder, estimate, goals, targets
from inrcodec.encoding.config import EncoderConfig
from inrcodec.encoding.encoder import encode_with_report
from inrcodec.errors import RequestError, TargetError
from inrcodec.families.siren import ladder
from inrcodec.families.siren.plan import RoundingTiming, SirenPlan
from inrcodec.families.siren.quantize import PruneConfig, QuantizeConfig
from inrcodec.families.siren.trainer import Trainer
from inrcodec.families.training import Timing, TrainerOptions
from inrcodec.fitting.loop import FitConfig
from inrcodec.pictures import save
from inrcodec.progress import Estimate, Monitor, Progress
from tests.cli.test_main import run
from tests.support.pictures import waves

FAST = EncoderConfig(effort=1, device="cpu")
NOISE = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
PICTURES = {"waves": waves(24, 32), "grey": waves(24, 24, 1), "noise": NOISE}


def encode(image: np.ndarray, **target: float) -> encoder.Encoded:
    return encode_with_report(image, dataclasses.replace(FAST, **target))


@pytest.mark.parametrize(("name", "size"), [("waves", 700), ("grey", 300), ("noise", 160), ("noise", 500)])
def test_a_size_is_never_passed_and_met_to_2_percent(name: str, size: int) -> None:
    encoded = encode(PICTURES[name], size=size)
    assert encoded.met
    assert len(encoded.data) <= size
    assert len(encoded.data) >= 0.98 * size or encoded.psnr > 45


@pytest.mark.parametrize(("name", "bpp"), [("waves", 3.0), ("grey", 7.5), ("noise", 5.0)])
def test_a_rate_is_met_to_2_percent(name: str, bpp: float) -> None:
    encoded = encode(PICTURES[name], bpp=bpp)
    assert encoded.met
    assert encoded.bpp <= 1.02 * bpp
    assert encoded.bpp >= 0.98 * bpp or encoded.psnr > 45


@pytest.mark.parametrize(("name", "psnr"), [("waves", 24.0), ("grey", 30.0), ("noise", 13.0)])
def test_a_psnr_is_met_to_a_tenth_of_a_db_or_said_not_to_be(name: str, psnr: float) -> None:
    encoded = encode(PICTURES[name], psnr=psnr)
    decoded = inrcodec.decode(encoded.data).reshape(PICTURES[name].shape)
    assert encoded.psnr == metrics.psnr(PICTURES[name], decoded)
    assert encoded.met == (abs(encoded.psnr - psnr) <= 0.1) or encoded.psnr > psnr


@pytest.mark.parametrize("target", [{"size": 90}, {"bpp": 900.0}, {"psnr": 30.0}])
@pytest.mark.parametrize("image", [np.full((1, 1, 3), 9, np.uint8), np.full((16, 9, 1), 200, np.uint8)])
def test_a_picture_that_needs_less_makes_a_smaller_file(image: np.ndarray, target: dict[str, float]) -> None:
    encoded = encode(image, **target)
    assert encoded.met
    assert len(encoded.data) < 90
    assert encoded.psnr > 45


def test_same_target_and_seed_give_the_same_bytes() -> None:
    one, same = (encode(waves(16, 16), size=300).data for _ in range(2))
    assert one == same


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ({"size": 10}, "size: 10: files of a 32x24 picture have"),
        ({"bpp": 0.0001}, "bpp: 0.0001: files of a 32x24 picture have"),
        ({"size": 10**9}, "size: "),
        ({"bpp": 1e9}, "bpp: "),
        *(({name: value}, name) for name in ("bpp", "psnr") for value in (0.0, -1.0, math.nan, math.inf)),
        *(({"size": value}, "size") for value in (0, -5)),
        *(({"psnr": value}, "lossless") for value in (4.9, 90.0)),
        ({"bpp": 1.0, "size": 100}, "bpp and size: choose one"),
        ({"quality": 50, "psnr": 30.0}, "quality and psnr: choose one"),
    ],
)
def test_an_impossible_target_is_refused_before_any_fit(
    monkeypatch: pytest.MonkeyPatch, target: dict[str, float], complaint: str
) -> None:
    for module in (encoder, goals):
        monkeypatch.setattr(module, "optimize", lambda *arguments, **named: pytest.fail("a fit began"))
    with pytest.raises(RequestError, match=complaint):
        encode(PICTURES["waves"], **target)


def test_the_smallest_files_are_no_larger_than_what_is_promised() -> None:
    for image in (waves(1, 1), waves(24, 32), waves(5, 900, 4)):
        assert ladder.smallest_bytes(*image.shape) <= len(inrcodec.encode(np.zeros_like(image), FAST))


def test_bytes_that_the_fitted_network_cannot_keep_to_are_an_error() -> None:
    with pytest.raises(TargetError, match=r"has \d+ bytes: ask for more"):
        encode(waves(24, 32), size=ladder.smallest_bytes(24, 32, 3))


@pytest.mark.parametrize("aim", [100, 1234, 5000, 10**9, 1])
def test_the_noise_for_a_size_is_the_least_that_keeps_to_it(aim: float) -> None:
    def size_of(noise: float) -> int:
        return round(1000 - 100 * math.log(noise))

    noise = targets.noise_for(size_of, aim, targets.FINEST)
    if size_of(targets.FINEST) <= aim:
        assert noise == targets.FINEST
    elif size_of(targets.COARSEST) > aim:
        assert noise == targets.COARSEST
    else:
        assert size_of(noise) <= aim < size_of(0.99 * noise)


@pytest.mark.parametrize("kappa", [0.05, 0.25, 2.0])
@pytest.mark.parametrize("power", [0.7, 1.0, 1.3])
def test_the_noise_for_a_psnr_is_found_in_four_attempts(kappa: float, power: float) -> None:
    least, excess = 1e-3, 4e-4
    tried: list[tuple[float, float]] = []
    while not tried or abs(10 * math.log10((least + tried[-1][1]) / (least + excess))) > 0.1:
        noise = targets.next_noise(excess, least, tried)
        tried.append((noise, kappa * noise**power * least))
    assert len(tried) <= targets.ATTEMPTS


@pytest.mark.parametrize("target", [{"quality": 50}, {"size": 400}, {"psnr": 20.0}])
def test_progress_of_a_fit_and_its_rounding_never_goes_back(
    monkeypatch: pytest.MonkeyPatch, target: dict[str, float]
) -> None:
    monkeypatch.setattr(goals, "REFITS", 0)  # another network's fit begins anew, which is noted
    seen: list[Progress] = []
    encode_with_report(waves(24, 32), dataclasses.replace(FAST, **target), Monitor(report=seen.append))
    fractions = [progress.step / progress.steps for progress in seen]
    assert fractions == sorted(fractions)
    assert len({progress.steps for progress in seen}) == 1
    assert 0 < fractions[0] <= fractions[-1] <= 1


@pytest.mark.parametrize("target", [{"size": 400}, {"bpp": 5.0}, {"psnr": 20.0}])
def test_a_stopped_search_keeps_to_its_bytes(target: dict[str, float]) -> None:
    asked = iter(range(10**9))
    config = dataclasses.replace(FAST, effort=6, **target)
    encoded = encode_with_report(waves(24, 32), config, Monitor(stopped=lambda: next(asked) > 20))
    assert decoder.decode(encoded.data).shape == (24, 32, 3)
    assert "psnr" in target or encoded.bpp <= 1.02 * 5.0


def test_a_target_missed_is_exit_3_with_the_file_and_the_value_reached(
    workdir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("noise.png").write_bytes(save.to_file(NOISE, "PNG"))
    assert run("encode noise.png -e 1 --psnr 55") == 3
    psnr = metrics.psnr(NOISE, decoder.decode(Path("noise.inr").read_bytes()))
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == f"inrcodec: noise.inr: written, but the target is not reached: {psnr:.2f} dB instead of 55"


def test_a_target_met_is_exit_0(workdir: Path) -> None:
    assert run("encode photo.png -e 1 --size 200") == 0
    assert 196 <= Path("photo.inr").stat().st_size <= 200


@pytest.mark.parametrize("options", ["--bpp 1 --size 100", "-q 50 --psnr 30", "--size 10", "--psnr 90", "--bpp nan"])
def test_a_wrong_target_is_exit_2_and_one_line(workdir: Path, capfd: pytest.CaptureFixture[str], options: str) -> None:
    assert run(f"encode photo.png {options}") == 2
    assert capfd.readouterr().err.count("\n") == 1
    assert not Path("photo.inr").exists()


class Clock:
    """Time that passes by a given length at every look."""

    def __init__(self, tick: float) -> None:
        self._now, self._tick = 0.0, tick

    def __call__(self) -> float:
        self._now += self._tick
        return self._now


@pytest.mark.parametrize(("tick", "steps"), [(0.001, 20), (0.1, 6), (30.0, 2)])
def test_an_estimate_times_few_steps_and_leaves_the_network_alone(tick: float, steps: int) -> None:
    trainer = Trainer(waves(8, 8), TrainerOptions(), torch.device("cpu"))
    candidate = trainer.start(trainer.at_quality(50))
    before = candidate.arrays()
    timing = estimate.measure(candidate, candidate.plan().fit, Clock(tick))
    assert timing.steps == steps
    assert all(map(np.array_equal, before, candidate.arrays()))


def test_an_estimate_grows_with_steps_and_with_pixels() -> None:
    parts = RoundingTiming(row=1e-3, square=1e-9, factor=1e-10, weight=1e-3)
    timing = Timing(0.01, 0.1, 20, parts, check=5)
    small = SirenPlan(FitConfig(steps=5000), PruneConfig(), QuantizeConfig())
    plain = dataclasses.replace(small, quantize=dataclasses.replace(small.quantize, compensated=False))
    curvature = 16_384 * (1e-3 + 1e-9 * 3000**2) + 1e-10 * 3000**3
    whole = 80 + 8000 / 200 * 0.1 + curvature + 3000 * 1e-3 + 5
    assert whole < estimate.seconds(timing, small, 3000) < whole + 7  # torchao, and the looks of the rounding
    assert estimate.seconds(timing, small, 3000, steps=16_000) > whole + 80
    assert estimate.seconds(timing, plain, 3000) < whole - curvature + 7


@pytest.mark.parametrize(
    ("target", "seconds", "ways"),
    [
        ({}, 1200.0, ()),
        ({}, 1201.0, (("effort", 4, 600.5), ("quality", 33, 1200))),
        ({"bpp": 0.6}, 4800.0, (("effort", 3, 1200.0), ("bpp", 0.15, 1200))),
        ({"size": 1000, "effort": 2}, 4800.0, (("size", 250, 1200),)),
        ({"psnr": 40.0, "effort": 9}, 2400.0, (("effort", 8, 1200.0), ("psnr", 38, 1200))),
        ({"psnr": 20.0, "effort": 2}, 1200 * 2.0**12, ()),
    ],
)
def test_a_long_encode_is_announced_with_what_to_lower(
    target: dict[str, float], seconds: float, ways: tuple[tuple[str, float, float], ...]
) -> None:
    assert estimate.what_to_lower(EncoderConfig(**target), seconds, 33) == ways


def test_the_command_line_warns_of_a_long_encode(
    workdir: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Estimate(16, 16, 1234, 5000.0, (("effort", 1, 1250.0), ("quality", 31, 1200.0)))
    monkeypatch.setattr(encoder, "announcement", lambda *arguments: told)
    monkeypatch.setattr(terminal.sys.stderr, "isatty", lambda: True, raising=False)
    assert cli.main(["encode", "photo.png", "-e", "1"]) == 0
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "16x16, 1,234 weights, about 1 h 23 min"
    assert lines[1] == (
        "inrcodec: warning: 16x16 will take about 1 h 23 min; "
        "to shorten it: --effort 1 (about 20 min 50 s), or --quality 31 (about 20 min)"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59.6, "1 min"), (100, "1 min 40 s"), (3600, "1 h"), (7530, "2 h 5 min"), (7199, "1 h 59 min")],
)
def test_times_are_spoken_in_two_units_at_most(seconds: float, text: str) -> None:
    assert terminal.spoken(seconds) == text
