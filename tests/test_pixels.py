"""Laws of coordinates and codes."""

import numpy as np
import pytest

from inrcodec import pixels


def test_codes_survive_the_way_to_values_and_back() -> None:
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(pixels.to_codes(pixels.to_unit(codes)), codes)


def test_values_beyond_the_range_are_clamped() -> None:
    assert pixels.to_codes(np.array([-3.0, 3.0], np.float32)).tolist() == [0, 255]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 17), (17, 1), (3, 5), (64, 64), (256, 384)])
def test_pixels_are_square_and_the_longer_side_spans_one_frame(height: int, width: int) -> None:
    grid = pixels.pixel_centres(height, width).reshape(height, width, 2).astype(np.float64)
    pitch = 2 / max(height, width)
    assert np.allclose(np.diff(grid[:, 0, 0]), pitch, atol=1e-6)
    assert np.allclose(np.diff(grid[0, :, 1]), pitch, atol=1e-6)
    assert grid[-1, 0, 0] + pitch / 2 == pytest.approx(height / max(height, width), abs=1e-6)
    assert grid[0, -1, 1] + pitch / 2 == pytest.approx(width / max(height, width), abs=1e-6)


def test_the_grid_is_symmetric_about_the_origin() -> None:
    grid = pixels.pixel_centres(6, 9)
    assert np.allclose(grid, -grid[::-1])


def test_grids_nest_a_pixel_is_the_mean_of_those_it_splits_into() -> None:
    coarse = pixels.axis_positions(10, 12, 0, 10, 10).astype(np.float64)
    fine = pixels.axis_positions(10, 12, 0, 10, 30).astype(np.float64).reshape(10, 3)
    assert np.allclose(coarse, fine.mean(1), atol=1e-7)


def test_a_part_of_the_axis_has_the_positions_that_the_whole_has_there() -> None:
    whole = pixels.axis_positions(10, 12, 0, 10, 40)
    assert np.array_equal(pixels.axis_positions(10, 12, 3, 5, 8), whole[12:20])


SIDES = (1, 7, 96, 255, 256, 500, 512, 768, 1000, 1024, 1280, 1920, 2048, 3840, 4096, 5040)
MOST = 32_768


@pytest.mark.parametrize("width", SIDES)
@pytest.mark.parametrize("height", SIDES)
def test_spread_pixels_are_in_step_with_no_width_and_no_height(height: int, width: int) -> None:
    index = pixels.spread(height, width, MOST)
    assert 0.7 * min(height * width, MOST) <= len(index) <= MOST
    assert index[0] >= 0
    assert index[-1] < height * width
    assert (np.diff(index) > 0).all()
    for seen, side in ((index // width, height), (index % width, width)):
        part_of = np.arange(side) * min(side, 64) // side  # the side cut in up to 64 parts
        expected = len(index) * np.bincount(part_of) / side
        assert np.bincount(part_of[seen], minlength=len(expected)) == pytest.approx(expected, rel=0.1, abs=2)
        assert len(np.unique(seen)) >= 0.7 * min(side, MOST)


@pytest.mark.parametrize("period", [2, 3, 5, 8, 15, 16, 24, 64])
@pytest.mark.parametrize(("height", "width"), [(256, 384), (768, 512), (512, 768), (1080, 1920), (1024, 1024)])
def test_spread_pixels_see_stripes_as_the_whole_picture_does(height: int, width: int, period: int) -> None:
    index = pixels.spread(height, width, MOST)
    for position, side in ((index // width, height), (index % width, width)):
        seen = np.bincount(position % period, minlength=period) / len(index)
        assert seen == pytest.approx(np.bincount(np.arange(side) % period, minlength=period) / side, rel=0.1)
