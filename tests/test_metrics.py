"""Definitions of rate and distortion."""

import math

import numpy as np
import pytest

from inrcodec import metrics


def test_bpp_counts_every_bit_of_the_file() -> None:
    assert metrics.bpp(1000, 100, 80) == 1.0


def test_psnr_of_one_code_everywhere_is_48_dB() -> None:
    picture = np.full((4, 4, 3), 100, np.uint8)
    assert metrics.psnr(picture, picture + np.uint8(1)) == pytest.approx(20 * math.log10(255))


def test_psnr_is_symmetric_although_codes_are_unsigned() -> None:
    one, other = np.zeros((2, 2), np.uint8), np.full((2, 2), 200, np.uint8)
    assert metrics.psnr(one, other) == metrics.psnr(other, one) == pytest.approx(20 * math.log10(255 / 200))


def test_equal_pictures_have_infinite_psnr() -> None:
    assert metrics.psnr(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8)) == math.inf


def test_pictures_of_different_shapes_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        metrics.psnr(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))
