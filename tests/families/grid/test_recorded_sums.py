"""Laws of a search's sums where they are recorded: they can be, and are those of NumPy."""

from collections.abc import Hashable, Sequence

import numpy as np
import pytest
import torch
from PIL import Image

import inrcodec
from inrcodec import EncoderConfig
from inrcodec.compute.arena import Array, Recall, Run, Work
from inrcodec.families.contract import Shape
from inrcodec.families.grid import colour
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.fixed import FixedLatents
from inrcodec.families.grid.float_grid import FloatGrid
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.objective import GridObjective
from tests.support.devices import needs_cuda
from tests.support.helpers import ROOT
from tests.support.pictures import waves

META, CPU = torch.device("meta"), torch.device("cpu")
every_channels = pytest.mark.parametrize("channels", [1, 2, 3, 4])


class Nowhere(Kit):
    """Tensors that hold no numbers: whoever looks at one raises. What work returns is nothing, so that others can."""

    def __init__(self) -> None:
        super().__init__(META, 0)

    def recorder(self) -> Recall:
        def recall(name: Hashable, work: Work, arrays: Sequence[Array], run: Run) -> Sequence[Array]:
            return [torch.zeros(each.shape, dtype=each.dtype) for each in work(arrays, run)]

        return recall


class Case:
    """A picture, latents for it, and networks beside the prior's, as arrays of a kit."""

    def __init__(self, kit: Kit, channels: int) -> None:
        arch, rng = GridArch.of(Shape(26, 37, channels)), np.random.default_rng(0)
        grid = FloatGrid.begin(arch, 0.07, kit)
        target = kit.lift(colour.components(waves(26, 37, channels, 0)))
        self.objective, self.kit = GridObjective(arch, target, grid.delta, kit), kit
        self.latents = grid.split(kit.lift(np.rint(rng.laplace(0, 1.5, arch.latent_count()))))
        self.flat = grid.flat + kit.lift(rng.normal(0, 0.02, arch.param_count()))

    def all(self) -> list[np.ndarray]:
        """All that searches ask for, in an order, twice: recorded, and played."""
        for _ in range(2):
            found = self.objective.gradient(self.latents, self.flat)
            asked = [found.error, found.bits, *self.objective.value(self.latents, self.flat)]
            cells = [self.kit.lower(part).copy() for part in self.objective.by_cell(self.latents, self.flat, 1)]
            again = self.objective.gradient(self.latents, self.flat)
            slopes = [self.kit.lower(part).copy() for part in (again.by_tensors, *again.by_latents)]
            fixed = FixedLatents(self.objective, self.latents, self.kit)
            parts = [fixed.part(name, self.flat) for name in self.objective.arch.networks * 2]
        return [np.array(asked + parts), *cells, *slopes]


@every_channels
def test_no_sum_is_looked_at_while_it_is_recorded(channels: int) -> None:
    assert len(Case(Nowhere(), channels).all()) > 3


@needs_cuda
@every_channels
def test_sums_on_a_gpu_are_those_of_numpy(channels: int) -> None:
    here, there = (Case(Kit(device, 0), channels).all() for device in (CPU, torch.device("cuda")))
    for one, other in zip(here, there, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-4 * np.abs(one).max())


@needs_cuda
def test_a_gpu_finds_files_as_good() -> None:
    codes = np.asarray(Image.open(ROOT / "sample_data" / "astronaut.png").convert("RGB").resize((160, 160)))
    found = [
        inrcodec.encode_with_report(codes, EncoderConfig(effort=1, family="grid", device=name))
        for name in ("cpu", "cuda")
    ]
    assert found[1].psnr == pytest.approx(found[0].psnr, abs=0.3)
    assert found[1].bpp == pytest.approx(found[0].bpp, rel=0.05)
