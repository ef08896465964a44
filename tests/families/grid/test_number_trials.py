"""Networks' numbers are tried a step away: what pays, with its own bits, stays."""

import numpy as np
import pytest
import torch

from inrcodec.families.contract import Shape
from inrcodec.families.grid import colour
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.float_grid import FloatGrid, prior_flat
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.number_trials import NumberTrials
from inrcodec.families.grid.objective import GridObjective
from inrcodec.families.grid.settle import Steps, best_scale
from inrcodec.families.grid.start import SparseStart
from inrcodec.fitting.loop import FitConfig, optimize
from tests.support.grids import OfTorch
from tests.support.pictures import waves

KIT = Kit(torch.device("cpu"), 0)
CODES = waves(24, 32)[..., :1]
ARCH, TARGET = GridArch.of(Shape(*CODES.shape)), colour.components(CODES)
DELTA = 0.4


@pytest.fixture(scope="module")
def settled() -> FloatGrid:
    """Whole latents, and networks that are spoilt a little."""
    grid = FloatGrid.begin(ARCH, DELTA, KIT)
    found = SparseStart(ARCH, TARGET, DELTA, np, KIT.empty).run()
    grid.latents = np.round(np.concatenate([q.reshape(-1) for q in found]))
    rng, steps = np.random.default_rng(0), Steps(grid)
    spoilt = (rng.random(grid.flat.size) < 0.05) * rng.integers(-3, 4, grid.flat.size)
    grid.flat = (prior_flat(ARCH, DELTA) + spoilt * steps.sizes).astype(np.float32)
    return grid


def trials(settled: FloatGrid, steps: int, kit: Kit = KIT) -> tuple[NumberTrials, FloatGrid]:
    grid = FloatGrid(ARCH, DELTA, kit.lift(settled.latents), kit.lift(settled.flat))
    objective = GridObjective(ARCH, kit.lift(TARGET), DELTA, kit)
    return NumberTrials(grid, objective, Steps(grid), FitConfig(steps=steps, evaluate_every=steps), kit), grid


def whole_j(grid: FloatGrid) -> float:
    """J with the bits of the networks' symbols."""
    objective = GridObjective(ARCH, TARGET, DELTA, KIT)
    symbols = Steps(grid).symbols(grid.flat)
    own = sum(best_scale(each)[0] for each in symbols)
    return objective.total(*objective.value(grid.split(grid.latents), grid.flat)) + own


def test_trials_lower_j_and_the_bits_of_the_networks_together(settled: FloatGrid) -> None:
    falls = [whole_j(settled)]
    for steps in (1, 15):
        own, grid = trials(settled, steps)
        optimize(own)
        falls.append(whole_j(grid))
    assert falls[0] > falls[1] > falls[2]


def test_each_trial_leaves_no_more_than_it_found(settled: FloatGrid) -> None:
    own, grid = trials(settled, 8)
    before = whole_j(settled)
    for step in range(8):
        own.step(step)
        own.evaluate()
        own.deliver()
        assert whole_j(grid) <= before + 1e-3
        before = whole_j(grid)


def test_latents_and_the_steps_of_tensors_stay(settled: FloatGrid) -> None:
    own, grid = trials(settled, 8)
    optimize(own)
    np.testing.assert_array_equal(grid.latents, settled.latents)
    moved = (grid.flat - settled.flat) / Steps(grid).sizes
    np.testing.assert_allclose(moved, np.round(moved), atol=1e-3)
    assert np.abs(moved).max() >= 1


def test_it_ends_once_nothing_promises_anything(settled: FloatGrid) -> None:
    own, _ = trials(settled, 100_000)
    optimize(own)
    assert own.finished
    assert own.next < 100_000


def test_torch_tries_the_same(settled: FloatGrid) -> None:
    ends = []
    for kit in (KIT, OfTorch()):
        own, grid = trials(settled, 6, kit)
        optimize(own)
        ends.append(kit.lower(grid.flat))
    assert 10 * np.sum(ends[0] != ends[1]) < np.sum(ends[0] != settled.flat)
