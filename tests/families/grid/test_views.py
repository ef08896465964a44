"""Laws of what context networks see: planes that are exact in any precision, and a gradient that is their adjoint."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inrcodec.compute.arena import Arena
from inrcodec.families.grid.arch import BLUE, LUMA, RED, SIZE, SIZES, GridArch
from inrcodec.families.grid.context import stand_in
from inrcodec.families.grid.views import MARGIN, Views
from inrcodec.format.entropy import MAX_SYMBOL
from tests.support.grids import SIZES as PICTURES

Grids = list[NDArray[np.floating]]
sizes = pytest.mark.parametrize(("height", "width"), PICTURES)
every_channels = pytest.mark.parametrize("channels", [1, 2, 3, 4])


def views_of(arch: GridArch, grids: Grids, dtype: type[np.floating] = np.float64) -> Views:
    views = Views(arch, np, Arena(lambda *shape: np.full(shape, np.nan, dtype)))
    for level, grid in enumerate(grids):
        for component, own in zip(arch.on_level(level), grid, strict=True):
            views.put(component, level, own.astype(dtype))
    return views


def drawn(arch: GridArch, seed: int) -> Grids:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in arch.shapes]


@sizes
@every_channels
def test_the_gradient_is_led_back_by_the_adjoint(height: int, width: int, channels: int) -> None:
    """Sizes are homogeneous, so that their derivative at a point times the point is what they are there."""
    arch = GridArch(height, width, channels)
    grids, rng, through = drawn(arch, 0), np.random.default_rng(1), 0.0
    views = views_of(arch, grids)
    for together in arch.together():
        for plane, by_plane in zip(views.planes(together), views.gradients(together), strict=True):
            inner = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
            weight = rng.standard_normal(plane[inner].shape)
            by_plane[inner] += weight
            through += float((weight * plane[inner]).sum())
    led = sum(float((grid * np.stack(of_level)).sum()) for grid, of_level in zip(grids, views.back(), strict=True))
    assert led == pytest.approx(through, rel=1e-9, abs=1e-9)


@sizes
@every_channels
def test_stand_ins_are_enlarged_exactly_in_float32(height: int, width: int, channels: int) -> None:
    arch, rng = GridArch(height, width, channels), np.random.default_rng(0)
    latents = [rng.integers(-MAX_SYMBOL, MAX_SYMBOL, shape, np.int32, endpoint=True) for shape in arch.shapes]
    stands: Grids = [np.stack([stand_in(own) for own in grid]) for grid in latents]
    single, double = views_of(arch, stands, np.float32), views_of(arch, stands, np.float64)
    for together in arch.together():
        for one, other in zip(single.planes(together), double.planes(together), strict=True):
            assert np.array_equal(one, other)
            assert np.array_equal(np.rint(other * 256), other * 256)


@sizes
@every_channels
def test_all_places_that_are_seen_are_zero_outside_of_the_grid(height: int, width: int, channels: int) -> None:
    arch = GridArch(height, width, channels)
    views = views_of(arch, drawn(arch, 0))
    for together in arch.together():
        for view, plane in zip(together.views(arch.has_chroma), views.planes(together), strict=True):
            assert all(max(abs(dy), abs(dx)) <= MARGIN for dy, dx in view.places)
            if view.source not in (SIZE, SIZES):
                plane[MARGIN:-MARGIN, MARGIN:-MARGIN] = 0
                assert not plane.any()


@every_channels
def test_a_law_sees_of_its_own_grid_but_what_is_coded_before(channels: int) -> None:
    arch = GridArch(64, 48, channels)
    for together in arch.together():
        own = [view for view in together.views(arch.has_chroma) if not view.up and view.source in together.components]
        assert [view.source for view in own] == list(together.components)
        assert all(2 * dy + dx < 0 for view in own for dy, dx in view.places)
        others = {view.source for view in together.views(arch.has_chroma) if not view.up} - {*together.components}
        assert others <= ({LUMA, SIZE, SIZES} if together.components == (RED, BLUE) else set())
