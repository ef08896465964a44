"""Whatever happens to a search, an encode ends with a file no worse than one colour, or with an error of ours."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from inrcodec import families, metrics, pixels
from inrcodec.compute.sine import Tape
from inrcodec.decoding import decoder
from inrcodec.encoding import encoder
from inrcodec.encoding.config import EncoderConfig
from inrcodec.encoding.encoder import Encoded, encode_with_report
from inrcodec.errors import EncodeError, ResourceError
from inrcodec.families import StoredPicture
from inrcodec.families.siren import ladder, trainer
from inrcodec.families.siren.gradients import PixelSums
from inrcodec.families.siren.network import InitConfig, SirenArch, init
from inrcodec.families.siren.plan import SirenPlan
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.fitting.loop import BatchSearch, FitConfig, optimize
from inrcodec.fitting.target import Target
from inrcodec.progress import SILENT, Monitor
from tests.support.pictures import waves

CPU = torch.device("cpu")
FAST = EncoderConfig(effort=1, device="cpu")
RNG = np.random.default_rng(0)
PICTURES = {
    "waves": waves(24, 32),
    "noise": RNG.integers(0, 256, (24, 24, 3), dtype=np.uint8),
    "one colour": np.full((9, 16, 3), (200, 13, 90), np.uint8),
    "black": np.zeros((16, 16, 1), np.uint8),
    "transparent": np.dstack([waves(16, 16), np.zeros((16, 16), np.uint8)]),
    "two pixels": np.array([[[0, 255, 7]], [[255, 0, 8]]], np.uint8),
}


def of_one_colour(image: np.ndarray) -> float:
    """PSNR of the best picture of one colour."""
    return metrics.psnr(image, np.full_like(image, np.rint(image.mean((0, 1)))))


def check(image: np.ndarray, encoded: Encoded) -> None:
    back = decoder.decode(encoded.data).reshape(image.shape)
    assert encoded.psnr == metrics.psnr(image, back)
    assert encoded.psnr >= of_one_colour(image)


@pytest.mark.parametrize(
    ("name", "target"),
    [*((name, {"quality": 0}) for name in PICTURES), ("noise", {"quality": 100}), ("waves", {"psnr": 6.0})],
)
def test_no_file_is_worse_than_one_colour(name: str, target: dict[str, float]) -> None:
    image = PICTURES[name]
    encoded = encode_with_report(image, dataclasses.replace(FAST, **target))
    check(image, encoded)
    assert encoded.met


@pytest.mark.parametrize("factor", [100, 1e6])
def test_a_rate_far_too_high_ends_no_worse_than_one_colour(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    def too_fast(*arguments: object) -> SirenPlan:
        found = plan(*arguments)
        return found.with_fit(dataclasses.replace(found.fit, rate=factor * found.fit.rate))

    plan = trainer.plan
    monkeypatch.setattr(trainer, "plan", too_fast)
    check(PICTURES["waves"], encode_with_report(PICTURES["waves"], FAST))


def test_an_encode_stopped_at_once_is_no_worse_than_one_colour() -> None:
    check(PICTURES["waves"], encode_with_report(PICTURES["waves"], FAST, Monitor(stopped=lambda: True)))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_network_of_one_colour_draws_every_code_exactly(channels: int) -> None:
    for code in range(256):
        colour = np.full(channels, code, np.uint8)
        stored = StoredPicture(ladder.constant(pixels.to_unit(colour)), 2, 3)
        assert (decoder.decode(families.write(stored)) == code).all()


Gradient = Callable[[PixelSums, Sequence[Tensor], Tensor], list[Tensor]]


def spoiling(steps: set[int], value: float) -> Gradient:
    """`PixelSums.gradient`, but for one number at some of its calls."""
    original, calls = PixelSums.gradient, iter(range(10**9))

    def gradient(sums: PixelSums, at: Sequence[Tensor], index: Tensor) -> list[Tensor]:
        found = original(sums, at, index)
        if next(calls) in steps:
            found[1][0, 0] = value
        return found

    return gradient


BUSY = Target(np.clip(waves(48, 64) + RNG.normal(0, 12, (48, 64, 3)), 0, 255).astype(np.uint8), CPU)
ARCH = SirenArch((16, 12, 10), 3)


STEPS = 600
"""So many that the fit has converged: it ends within 0.05 dB wherever it begins and however the processor rounds. After
200 steps six starts ended 1.5 dB apart, and what was tested then was one processor's luck."""


def fitted(monitor: Monitor = SILENT, seed: int = 0) -> float:
    """PSNR of a fit of the busy picture, whose grain no network of this size finds."""
    network = FloatNetwork(ARCH, init(ARCH, seed, InitConfig(w_max=10)), CPU)
    sums = PixelSums(network, BUSY, note=monitor.note)
    return optimize(BatchSearch(sums, FitConfig(steps=STEPS, batch=2048, seed=seed)), monitor=monitor)


@pytest.fixture(scope="module")
def clean() -> float:
    """PSNR of an undisturbed fit, the mean over several starts."""
    return float(np.mean([fitted(seed=seed) for seed in range(3)]))


@pytest.mark.parametrize(
    ("steps", "value"), [({0}, np.nan), ({1}, -np.inf), ({100}, np.nan), ({*range(50, 60), 150}, np.inf)]
)
def test_gradients_that_are_not_finite_cost_at_most_a_tenth_of_a_db(
    monkeypatch: pytest.MonkeyPatch, clean: float, steps: set[int], value: float
) -> None:
    monkeypatch.setattr(PixelSums, "gradient", spoiling(steps, value))
    assert fitted() > clean - 0.1


def test_gradients_that_are_never_finite_still_give_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PixelSums, "gradient", spoiling(set(range(10**4)), np.nan))
    check(PICTURES["waves"], encode_with_report(PICTURES["waves"], FAST))


SHORTAGES = {
    "gpu": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "numpy": lambda: MemoryError("Unable to allocate 2.00 GiB for an array"),
    "torch": lambda: RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
}


class Shortage:
    """`Tape.forward` that runs out of memory a number of times, from its 20th call on."""

    def __init__(self, kind: str, times: int) -> None:
        self.left, self._calls, self._error = times, 0, SHORTAGES[kind]
        self._original = Tape.forward

    def __call__(self, tape: Tape, *arguments: object) -> object:
        self._calls += 1
        if self._calls > 20 and self.left:
            self.left -= 1
            raise self._error()
        return self._original(tape, *arguments)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], Shortage]:
    def begin(kind: str, times: int) -> Shortage:
        shortage = Shortage(kind, times)
        monkeypatch.setattr(Tape, "forward", lambda tape, *arguments: shortage(tape, *arguments))
        return shortage

    return begin


@pytest.mark.parametrize(("times", "kind"), list(zip(range(1, 7), [*SHORTAGES, *SHORTAGES], strict=True)))
def test_a_fit_that_runs_out_of_memory_goes_on_in_smaller_chunks(
    short: Callable[[str, int], Shortage], clean: float, kind: str, times: int
) -> None:
    notes: list[str] = []
    shortage = short(kind, times)
    assert fitted(Monitor(note=notes.append)) == pytest.approx(clean, abs=0.1)
    assert shortage.left == 0
    assert 1 <= len(notes) <= times  # chunks that run side by side fail together
    assert notes == [f"out of memory: going on with {4096 >> n + 1} pixels at once" for n in range(len(notes))]


def test_an_encode_that_runs_out_of_memory_is_finished(short: Callable[[str, int], Shortage]) -> None:
    image = PICTURES["noise"]
    plenty = encode_with_report(image, FAST)
    short("gpu", 3)
    assert encode_with_report(image, FAST).psnr == pytest.approx(plenty.psnr, abs=0.1)


def test_where_there_is_no_memory_at_all_it_is_one_line(short: Callable[[str, int], Shortage]) -> None:
    short("torch", 10**9)
    with pytest.raises(ResourceError, match="out of memory, even for a few pixels at once"):
        encode_with_report(waves(24, 32), FAST)
    assert ResourceError.exit_code == EncodeError.exit_code == 6


@pytest.mark.parametrize("kind", SHORTAGES)
def test_memory_that_ends_outside_the_steps_is_one_line_too(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def fail(*arguments: object) -> None:
        raise SHORTAGES[kind]()

    monkeypatch.setattr(encoder, "verified_psnr", fail)
    with pytest.raises(ResourceError, match="out of memory: ask for a smaller file"):
        encode_with_report(waves(8, 8), FAST)


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Tape, "forward", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        encode_with_report(waves(8, 8), FAST)


class NoMemory(FloatNetwork):
    """Claims to be on a GPU, of which no memory is to be had."""

    def tape(self, pixels: int) -> Tape:
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_gpu_without_memory_hands_the_sums_over_to_the_cpu() -> None:
    arch = SirenArch((16, 12, 10), 3)
    params = init(arch, 0, InitConfig(w_max=10))
    there, here, picture = NoMemory(arch, params, CPU), FloatNetwork(arch, params, CPU), Target(waves(24, 32), CPU)
    there.device = torch.device("cuda")
    notes: list[str] = []
    sums, at, index = PixelSums(there, picture, 100, notes.append), here.snapshot(), torch.arange(768)
    expected = PixelSums(here, picture, 100).gradient(at, index)
    assert all(torch.equal(one, other) for one, other in zip(sums.gradient(at, index), expected, strict=True))
    assert notes[0] == "out of memory: going on with 65536 pixels at once"
    assert notes[-2:] == [
        "out of memory: going on with 64 pixels at once",
        "out of memory on the GPU: going on on the CPU",
    ]
