"""Machine code finds what NumPy finds."""

import math
import os
import runpy
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inrcodec.compute import compiled_pyramid, numba_code, pyramid
from inrcodec.encoding.config import EncoderConfig
from inrcodec.encoding.encoder import encode_with_report
from inrcodec.families.contract import Shape
from inrcodec.families.grid import colour, sums, trainer
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.objective import Found, GridObjective
from inrcodec.families.grid.prior import LATEST, prior
from inrcodec.families.grid.tensors import UNIT, levels_of, tensors_of
from inrcodec.families.training import TrainerOptions
from tests.support.pictures import waves

Floats = NDArray[np.float32]
KITS = [Kit(torch.device("cpu"), 0, is_compiled) for is_compiled in (False, True)]
PLAIN, COMPILED = (sums.sums(kit.is_compiled) for kit in KITS)
CHUNK = 256
sides = pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 1), (9, 1), (13, 7), (26, 31), (3, CHUNK + 5)])


class Case:
    """A point of a search for a picture."""

    def __init__(self, height: int, width: int, channels: int, spread: float = 1.5, change: float = 0.05) -> None:
        rng = np.random.default_rng([height, width, channels])
        self.arch = GridArch.of(Shape(height, width, channels))
        self.target = colour.components(waves(height, width, channels))
        flat = np.concatenate([tensor.reshape(-1) for tensor in prior(self.arch, LATEST, 500).values()]) / UNIT
        self.flat = (flat + rng.normal(0, change, flat.shape)).astype(np.float32)
        self.latents = levels_of(self.arch, rng.laplace(0, spread, self.arch.latent_count()).astype(np.float32))

    def objectives(self) -> list[GridObjective]:
        """By NumPy, and compiled."""
        return [GridObjective(self.arch, self.target, 0.07, kit) for kit in KITS]


def assert_equal_but_for_sums(one: Found, other: Found, arch: GridArch) -> None:
    assert (one.error, one.bits) == pytest.approx((other.error, other.bits), rel=3e-6)
    tensors = zip(tensors_of(arch, one.by_tensors).values(), tensors_of(arch, other.by_tensors).values(), strict=True)
    for expected, found in (*zip(one.by_latents, other.by_latents, strict=True), *tensors):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=3e-5 * max(1, np.abs(expected).max()))


@sides
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_gradient_is_numpys(height: int, width: int, channels: int) -> None:
    case = Case(height, width, channels)
    one, other = (objective.gradient(case.latents, case.flat) for objective in case.objectives())
    assert_equal_but_for_sums(one, other, case.arch)


@sides
def test_each_cell_has_the_bits_and_the_error_that_numpy_finds(height: int, width: int) -> None:
    case = Case(height, width, 4)
    one, other = (each.by_cell(case.latents, case.flat, case.arch.levels) for each in case.objectives())
    for expected, found in zip(one, other, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("spread", "change"), [(300, 0.05), (1.5, 2.0), (0.01, 1.0), (1000, 0.05)])
def test_far_latents_and_wild_networks_cost_what_they_cost_in_numpy(spread: float, change: float) -> None:
    """Scales beyond their bounds, and masses that are nothing in float32."""
    case = Case(26, 31, 3, spread, change)
    one, other = (objective.gradient(case.latents, case.flat) for objective in case.objectives())
    assert math.isfinite(other.bits)
    assert_equal_but_for_sums(one, other, case.arch)


def test_angles_that_float32_cannot_tell_stay_sines() -> None:
    case = Case(26, 31, 3)
    tensors_of(case.arch, case.flat)["synthesis.first"][...] *= 1e9
    one, other = (objective.error(case.latents, case.flat) for objective in case.objectives())
    assert one / 2 < other < 2 * one


def test_threads_change_no_bit_of_it() -> None:
    case = Case(40, 300, 3)
    one, other = (case.objectives()[1] for _ in range(2))
    alone = one.gradient(case.latents, case.flat)
    with ThreadPoolExecutor(4) as pool:
        together = other.gradient(case.latents, case.flat, pool.map)
    assert (alone.error, alone.bits) == (together.error, together.bits)
    assert np.array_equal(alone.by_tensors, together.by_tensors)
    assert all(map(np.array_equal, alone.by_latents, together.by_latents))


@sides
def test_grids_are_enlarged_and_led_back_as_by_numpy(height: int, width: int) -> None:
    rng = np.random.default_rng(0)
    coarse, fine = (
        rng.normal(size=(2, rows, columns)).astype(np.float32)
        for rows, columns in ((-(-height // 2), -(-width // 2)), (height, width))
    )
    empty = KITS[0].empty
    there, back = (
        (by.enlarge(coarse, height, width, empty), by.enlarge_back(fine, empty)) for by in (pyramid, compiled_pyramid)
    )
    for expected, found in zip(there, back, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_parts_of_grids_are_enlarged_alike() -> None:
    whole = np.random.default_rng(0).normal(size=(9, 11)).astype(np.float32)
    part = whole[2:-2, 3:-3]
    there, back = (by.enlarge(part, 10, 9, KITS[0].empty) for by in (pyramid, compiled_pyramid))
    np.testing.assert_allclose(back, there, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_latents_are_seen_alike(p: float) -> None:
    rng = np.random.default_rng(0)
    q = np.concatenate([rng.normal(0, 3, 600), np.arange(-8, 8) / 2, [-1e4, 1e4]]).astype(np.float32)
    draws = rng.normal(size=q.shape).astype(np.float32)
    (seen, slope), (found, its_slope) = (each.seen(q, p, lambda like: draws, np) for each in (PLAIN, COMPILED))
    np.testing.assert_allclose(found, seen, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(its_slope, slope, rtol=1e-3, atol=1e-4)


def test_adam_moves_alike() -> None:
    rng, values = np.random.default_rng(0), [np.zeros(70, np.float32) for _ in range(2)]
    adams = [
        each.adam(own, np, [slice(0, 40), slice(40, 70)]) for each, own in zip((PLAIN, COMPILED), values, strict=True)
    ]
    for _ in range(30):
        gradient = rng.normal(size=70).astype(np.float32) * 1e6
        for adam, own in zip(adams, values, strict=True):
            adam.step(own, gradient, 0.1)
    np.testing.assert_allclose(values[1], values[0], rtol=1e-4, atol=1e-6)
    assert np.abs(values[0]).max() > 0.1


def test_without_a_place_on_disk_code_is_compiled_for_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    njit: Any = numba.njit

    def nowhere(function: Any, *, cache: bool, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(function, **options)

    monkeypatch.setattr(numba, "njit", nowhere)
    assert numba_code.machine_code(lambda x: x + 1)(2) == 3


def test_it_is_for_work_that_takes_longer_than_loading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not sums.is_worth_compiling(1_000_000)
    assert sums.is_worth_compiling(100_000_000)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not sums.is_worth_compiling(100_000_000)


def test_compiling_is_told_where_it_takes_long_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(work: int, pause: float) -> list[str]:
        notes: list[str] = []
        own = trainer.Trainer(np.zeros((work, 1000, 1), np.uint8), TrainerOptions(effort=1), torch.device("cpu"))
        monkeypatch.setattr(own, "_step_of_nothing", lambda: time.sleep(pause))
        own.warm(notes.append, math.inf)
        return notes

    monkeypatch.setattr(trainer, "_SOON", 0.2)
    assert told(1, 1.0) == told(1000, 0.0) == []
    (note,) = told(1000, 1.0)
    assert "compiling" in note


def test_code_is_kept_from_its_first_call_on_until_its_source_changes(tmp_path: Path) -> None:
    source = tmp_path / "doubling.py"
    source.write_text("def double(x):\n    return 2 * x\n")
    double = numba_code.machine_code(runpy.run_path(str(source))["double"])
    assert not numba_code.is_kept(double)
    assert double(2) == 4
    assert numba_code.is_kept(double)
    later = time.time() + 10
    os.utime(source, (later, later))
    assert not numba_code.is_kept(double)


@pytest.mark.parametrize(
    ("seconds", "is_kept", "compiles"),
    [(math.inf, False, True), (5, True, True), (5, False, False), (500, False, True)],
)
def test_a_time_limit_is_not_spent_on_compiling(
    seconds: float, is_kept: bool, compiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = trainer.Trainer(np.zeros((1000, 1000, 1), np.uint8), TrainerOptions(effort=1), torch.device("cpu"))
    steps: list[int] = []
    notes: list[str] = []
    monkeypatch.setattr(own, "_step_of_nothing", lambda: steps.append(1))
    monkeypatch.setattr(trainer, "was_compiled", lambda: is_kept)
    own.warm(notes.append, seconds)
    assert bool(steps) == compiles != bool(notes)


def test_an_encode_by_machine_code_is_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files differ, as sums do."""
    codes, sizes, psnrs = waves(64, 80), [], []
    for worth in (False, True):
        monkeypatch.setattr(trainer, "is_worth_compiling", lambda work, worth=worth: worth)
        found = encode_with_report(codes, EncoderConfig(family="grid", effort=1, device="cpu"))
        sizes.append(len(found.data))
        psnrs.append(found.psnr)
    assert sizes[1] == pytest.approx(sizes[0], rel=0.05)
    assert psnrs[1] == pytest.approx(psnrs[0], abs=0.3)


SEEN = """
import zlib
import numpy as np
from inrcodec.families.grid import fast
rng = np.random.default_rng(0)
latents, draws = rng.laplace(0, 1, 9999).astype(np.float32), rng.standard_normal(9999, np.float32)
print([zlib.crc32(part) for part in fast.seen(latents, 0.1, lambda like: draws, np)])
print(sum(fast.compiled.seen.stats.cache_hits.values()))
"""


def test_code_that_was_kept_rounds_as_when_it_was_compiled(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", SEEN]
    outs = [subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout for _ in "12"]
    (fresh, none), (kept, once) = map(str.splitlines, outs)
    assert (none, once) == ("0", "1")
    assert fresh == kept
