"""J in parts, network by network, for latents that stay."""

import numpy as np
import pytest
import torch

from inrcodec.families.contract import Shape
from inrcodec.families.grid import colour
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.fixed import FixedLatents, network_of
from inrcodec.families.grid.float_grid import prior_flat
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.objective import GridObjective
from inrcodec.families.grid.tensors import levels_of, tensors_of
from tests.support.pictures import waves

DELTA = 0.4
KITS = [Kit(torch.device("cpu"), 0, is_compiled) for is_compiled in (False, True)]


@pytest.fixture(params=[(1, False), (4, False), (3, True)], ids=str)
def case(request: pytest.FixtureRequest) -> tuple[FixedLatents, GridObjective]:
    channels, is_compiled = request.param
    arch, rng = GridArch.of(Shape(21, 30, channels)), np.random.default_rng(channels)
    latents = levels_of(arch, np.round(rng.laplace(0, 1, arch.latent_count())).astype(np.float32))
    objective = GridObjective(arch, colour.components(waves(21, 30, channels)), DELTA, KITS[is_compiled])
    return FixedLatents(objective, latents, KITS[is_compiled]), objective


def test_the_parts_of_all_networks_are_j(case: tuple[FixedLatents, GridObjective]) -> None:
    fixed, objective = case
    arch, rng = objective.arch, np.random.default_rng(1)
    for _ in range(2):
        flat = prior_flat(arch, DELTA) + rng.normal(0, 0.02, arch.param_count()).astype(np.float32)
        parts = sum(fixed.part(name, flat) for name in arch.networks)
        assert parts == pytest.approx(objective.total(*objective.value(fixed.latents, flat)), rel=1e-6)


def test_a_tensor_changes_the_part_of_its_network_alone(case: tuple[FixedLatents, GridObjective]) -> None:
    fixed, objective = case
    arch, flat = objective.arch, prior_flat(objective.arch, DELTA)
    before = {name: fixed.part(name, flat) for name in arch.networks}
    for tensor in arch.tensors:
        changed = flat.copy()
        tensors_of(arch, changed)[tensor][...] += 0.1
        now = {name: fixed.part(name, changed) for name in arch.networks}
        assert {name for name in now if now[name] != before[name]} == {network_of(tensor)}
