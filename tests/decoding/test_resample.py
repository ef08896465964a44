"""The filter that makes pictures smaller: Pillow's, but for its rounding, and the same however the work is cut."""

import numpy as np
import pytest
from PIL import Image

from inrcodec.decoding import resample

NOISE = np.random.default_rng(0).random((24, 36, 2))


def reduced(values: np.ndarray, down: int, across: int, piece: int = 10**6) -> np.ndarray:
    narrow = resample.reduce_columns(values, across)
    pieces = (narrow[at : at + down * piece] for at in range(0, len(narrow), down * piece))
    return np.concatenate(list(resample.reduce_rows(pieces, down, len(values) // down)))


@pytest.mark.parametrize(("down", "across"), [(1, 1), (2, 2), (3, 4), (1, 6), (8, 1), (24, 36), (12, 9)])
def test_it_is_pillows_lanczos(down: int, across: int) -> None:
    found = reduced(NOISE, down, across)
    for channel in range(2):
        plane = Image.fromarray(NOISE[..., channel].astype(np.float32))
        expected = np.asarray(plane.resize((36 // across, 24 // down), Image.Resampling.LANCZOS))
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-5)


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 7, 11])
@pytest.mark.parametrize("down", [2, 3, 4, 8])
def test_pieces_do_not_show(down: int, piece: int) -> None:
    np.testing.assert_allclose(reduced(NOISE, down, 2, piece), reduced(NOISE, down, 2), atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 16])
def test_one_colour_stays_to_the_edges(k: int) -> None:
    np.testing.assert_allclose(reduced(np.full((5 * k, 4 * k, 1), 0.7), k, k), 0.7, atol=1e-12)


@pytest.mark.parametrize("k", [2, 3, 8])
def test_the_precision_stays(k: int) -> None:
    for dtype in (np.float32, np.float64):
        assert reduced(np.ones((3 * k, 2 * k, 3), dtype), k, k).dtype == dtype


def test_weights_are_even_and_cover_three_pixels_on_each_side() -> None:
    for k in (1, 2, 5):
        weights = resample.lanczos(k).reshape(-1)
        np.testing.assert_allclose(weights, weights[::-1], atol=1e-15)
    np.testing.assert_allclose(resample.lanczos(1)[:, 0], [0, 0, 0, 1, 0, 0, 0], atol=1e-15)
