"""The search of a grid picture: it goes down, leaves its state, and sums alike everywhere."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from inrcodec.compute import threads
from inrcodec.errors import CheckpointError
from inrcodec.families.contract import Shape
from inrcodec.families.grid import colour
from inrcodec.families.grid import kit as kit_module
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.float_grid import FloatGrid, prior_flat
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.objective import GridObjective
from inrcodec.families.grid.search import FITTED, GridSearch
from inrcodec.families.grid.start import SparseStart
from inrcodec.fitting.loop import FitConfig, optimize
from tests.support.grids import OfTorch
from tests.support.pictures import waves

CPU = torch.device("cpu")
CODES = waves(36, 44)
ARCH, TARGET = GridArch.of(Shape(*CODES.shape)), colour.components(CODES)


def search(steps: int = 30, kit: Kit | None = None) -> GridSearch:
    kit = kit or Kit(CPU, 0)
    grid = FloatGrid.begin(ARCH, 0.2, kit)
    start = SparseStart(ARCH, TARGET, 0.2, np, Kit(CPU, 0).empty).run()
    grid.latents = kit.lift(np.concatenate([level.reshape(-1) for level in start]))
    return GridSearch(grid, kit.lift(TARGET), FitConfig(steps=steps, evaluate_every=10), kit, (0.0, FITTED))


def run(own: GridSearch, steps: Sequence[int]) -> None:
    with own.working():
        own.evaluate()
        for step in steps:
            own.step(step)


def test_it_ends_better_than_it_began() -> None:
    own = search()
    own.evaluate()
    before = own._best_j
    optimize(own)
    assert own._best_j < 0.8 * before


def test_a_restored_search_goes_on_to_the_same_numbers() -> None:
    whole, first, second = search(12), search(12), search(12)
    run(whole, range(12))
    run(first, range(5))
    second.restore(first.state())
    with second.working():
        for step in range(5, 12):
            second.step(step)
    for name, array in whole.state().items():
        np.testing.assert_array_equal(second.state()[name], array, name)


@pytest.mark.parametrize(("name", "value"), [("moves", np.array([-1, 0])), ("array0", np.full(3, 0, np.float32))])
def test_a_state_of_none_is_refused(name: str, value: np.ndarray) -> None:
    own = search(4)
    own.evaluate()
    with pytest.raises(CheckpointError):
        own.restore({**own.state(), name: value})
    with pytest.raises(CheckpointError, match="more is unknown"):
        own.restore({**own.state(), "more": np.zeros(1)})


def test_steps_do_not_depend_on_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_module, "_PIECE", 500)
    found = []
    for count in (1, 3):
        own = search(6)
        with threads.using(count):
            run(own, range(6))
        found.append(own.state()["array0"])
    np.testing.assert_array_equal(*found)


def test_torch_sums_as_numpy_does() -> None:
    latents = np.random.default_rng(0).normal(0, 1.5, ARCH.latent_count()).astype(np.float32)
    found = []
    for kit in (Kit(CPU, 0), OfTorch()):
        objective = GridObjective(ARCH, kit.lift(TARGET), 0.2, kit)
        grid = FloatGrid(ARCH, 0.2, kit.lift(latents), kit.lift(prior_flat(ARCH, 0.2)))
        one = objective.gradient(grid.split(grid.latents), grid.flat)
        assert objective.value(grid.split(grid.latents), grid.flat) == pytest.approx((one.error, one.bits), rel=1e-5)
        found.append((one.error, one.bits, kit.lower(one.by_latents[1]), kit.lower(one.by_tensors)))
    for ours, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, ours, rtol=2e-3, atol=2e-3 * float(np.abs(ours).max()))


def test_a_step_of_torch_goes_where_numpys_goes() -> None:
    ours, other = search(5), search(5, OfTorch())
    for own in (ours, other):
        own._kit.normal = lambda number, piece: lambda like: 0 * like  # type: ignore[method-assign, assignment]
        run(own, range(2))
    apart = np.abs(ours.state()["array0"] - other.state()["array0"])
    assert np.quantile(apart, 0.99) < 0.05
