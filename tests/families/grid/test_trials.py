"""Whole latents are tried a unit away: what pays stays, and what J changes by is found where it arises."""

import numpy as np
import pytest
import torch

from inrcodec.families.contract import Shape
from inrcodec.families.grid import colour
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.float_grid import FloatGrid
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.objective import GridObjective
from inrcodec.families.grid.search import GridSearch
from inrcodec.families.grid.start import SparseStart
from inrcodec.families.grid.trials import EDGE, SIDE, Blocks, TrialSearch
from inrcodec.fitting.loop import FitConfig, optimize
from tests.support.grids import OfTorch
from tests.support.pictures import waves

KIT = Kit(torch.device("cpu"), 0)
CODES = waves(75, 86)
ARCH, TARGET = GridArch.of(Shape(*CODES.shape)), colour.components(CODES)
DELTA = 0.4


@pytest.fixture(scope="module")
def settled() -> FloatGrid:
    """Whole latents of a search."""
    grid = FloatGrid.begin(ARCH, DELTA, KIT)
    grid.latents = np.concatenate([q.reshape(-1) for q in SparseStart(ARCH, TARGET, DELTA, np, KIT.empty).run()])
    optimize(GridSearch(grid, TARGET, FitConfig(steps=40, evaluate_every=40), KIT, (0.0, 1.0)))
    grid.latents = np.round(grid.latents)
    return grid


def trials(settled: FloatGrid, steps: int, kit: Kit = KIT) -> tuple[TrialSearch, FloatGrid]:
    grid = FloatGrid(settled.arch, DELTA, kit.lift(settled.latents), kit.lift(settled.flat))
    objective = GridObjective(ARCH, kit.lift(TARGET), DELTA, kit)
    return TrialSearch(grid, objective, FitConfig(steps=steps, evaluate_every=10), kit), grid


def j_of(grid: FloatGrid) -> float:
    objective = GridObjective(ARCH, TARGET, DELTA, KIT)
    return objective.total(*objective.value(grid.split(grid.latents), grid.flat))


def test_parts_of_cells_sum_up_to_the_whole(settled: FloatGrid) -> None:
    objective = GridObjective(ARCH, TARGET, DELTA, KIT)
    parts = objective.by_cell(settled.split(settled.latents), settled.flat, ARCH.levels - 1)
    assert [part.shape for part in parts] == list(ARCH.sizes)
    assert sum(float(part.sum(dtype=np.float64)) for part in parts) == pytest.approx(j_of(settled), rel=1e-6)


def test_trials_lower_j_by_units(settled: FloatGrid) -> None:
    own, grid = trials(settled, 20)
    optimize(own)
    moved = grid.latents - settled.latents
    assert set(np.unique(moved)) <= {-1, 0, 1}
    assert j_of(grid) < j_of(settled)


def test_what_a_step_keeps_is_what_it_measured(settled: FloatGrid) -> None:
    own, _ = trials(settled, 20)
    for step in range(len(own._turns)):
        own.step(step)
        whole = own._measured(0)[0]
        # Beyond a block's edge a move is felt, if little, and by coarser levels' moves finer bits are
        assert own._by_cell[0].sum() == pytest.approx(whole.sum(), rel=2e-3)


def test_spoilt_latents_are_mended(settled: FloatGrid) -> None:
    own, mended = trials(settled, 40)
    optimize(own)
    spoilt = FloatGrid(ARCH, DELTA, mended.latents.copy(), mended.flat)
    luma = spoilt.split(spoilt.latents)[1][0]
    luma[5::13, 5::13] += 1
    before = j_of(spoilt)
    own, grid = trials(spoilt, 100)
    optimize(own)
    assert j_of(grid) - j_of(mended) < 0.2 * (before - j_of(mended))


def test_torch_tries_the_same(settled: FloatGrid) -> None:
    ends = []
    for kit in (KIT, OfTorch()):
        own, grid = trials(settled, 20, kit)
        optimize(own)
        ends.append(kit.lower(grid.latents))
    assert 10 * np.sum(ends[0] != ends[1]) < np.sum(ends[0] != settled.latents)


@pytest.mark.parametrize("up", [0, 1, 3])
@pytest.mark.parametrize("offset", [(0, 0), (5, 11)])
def test_blocks_part_a_grid(offset: tuple[int, int], up: int) -> None:
    shape, blocks = (40, 31), Blocks(*offset)
    finer = tuple((length << up) - (up > 0) for length in shape)
    values = np.random.default_rng(0).normal(size=finer)
    sums = blocks.reduce(np.add, values, up)
    assert sums.sum() == pytest.approx(values.sum())
    numbers = np.arange(sums.size).reshape(sums.shape)
    found = blocks.spread(numbers, finer, up)
    for y, x in [(0, 0), (finer[0] - 1, finer[1] - 1), (finer[0] // 2, finer[1] // 3)]:
        own = ((y >> up) + offset[0]) // SIDE, ((x >> up) + offset[1]) // SIDE
        assert found[y, x] == numbers[own]
        assert sums[own] == pytest.approx(values[found == numbers[own]].sum())


def test_what_is_tried_is_apart() -> None:
    inside = Blocks(3, 7).inside((40, 31))
    rows = np.flatnonzero(inside.any(1)) + 3
    assert set(rows % SIDE) == set(range(EDGE, SIDE - EDGE))
