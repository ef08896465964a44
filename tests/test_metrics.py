"""Definitions of rate and distortion."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from inrcodec import metrics
from inrcodec.pictures.load import to_array
from tests.support.helpers import ROOT
from tests.support.pictures import waves

Codes = NDArray[np.uint8]


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


def posterised(picture: Codes) -> Codes:
    return picture // 48 * 48 + 24


def noisy(picture: Codes, amplitude: int) -> Codes:
    noise = np.random.default_rng(0).integers(-amplitude, amplitude + 1, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def astronaut() -> Codes:
    return to_array(str(ROOT / "sample_data" / "astronaut.png"))


@pytest.fixture(scope="module")
def camera() -> Codes:
    return to_array(str(ROOT / "sample_data" / "camera.png"))[..., 0]


def test_ms_ssim_of_pytorch_msssim(astronaut: Codes, camera: Codes) -> None:
    """pytorch-msssim 1.0.0, `ms_ssim(x, y, data_range=255)` on float64."""
    assert metrics.ms_ssim(astronaut, posterised(astronaut)) == pytest.approx(0.850129, abs=2e-6)
    assert metrics.ms_ssim(astronaut, noisy(astronaut, 30)) == pytest.approx(0.931956, abs=2e-6)
    assert metrics.ms_ssim(camera, np.roll(camera, 2, 1)) == pytest.approx(0.838976, abs=2e-6)


def test_ms_ssim_of_tensorflow_where_sides_are_odd(astronaut: Codes) -> None:
    """TensorFlow 2.21.0, `tf.image.ssim_multiscale(x, y, 255.0)`, which computes in float32."""
    part = astronaut[:163, :201]
    assert metrics.ms_ssim(part, posterised(part)) == pytest.approx(0.901241, abs=1e-5)
    smooth = waves(177, 255)
    assert metrics.ms_ssim(smooth, noisy(smooth, 60)) == pytest.approx(0.484417, abs=1e-5)


def test_ms_ssim_is_one_for_equal_pictures_symmetric_and_falls_with_noise(camera: Codes) -> None:
    values = [metrics.ms_ssim(camera, noisy(camera, amplitude)) for amplitude in (0, 5, 20, 80)]
    assert values[0] == pytest.approx(1, abs=1e-12)
    assert values == sorted(values, reverse=True)
    assert metrics.ms_ssim(noisy(camera, 20), camera) == pytest.approx(values[2], abs=1e-12)


def test_ms_ssim_is_the_mean_over_the_channels(camera: Codes) -> None:
    other = noisy(camera, 40)
    one, two = metrics.ms_ssim(camera, other), metrics.ms_ssim(camera.T, camera.T // 2)
    channels = np.stack([camera, camera.T], -1), np.stack([other, camera.T // 2], -1)
    assert metrics.ms_ssim(*channels) == pytest.approx((one + two) / 2)
    assert metrics.ms_ssim(camera[..., None], other[..., None]) == one


def test_ms_ssim_of_a_negative_is_zero_and_of_a_small_picture_not_defined(camera: Codes) -> None:
    assert metrics.ms_ssim(camera, 255 - camera) == 0
    assert metrics.ms_ssim(camera[:161, :161], camera[:161, :161]) == pytest.approx(1, abs=1e-12)
    assert math.isnan(metrics.ms_ssim(camera[:160], camera[:160]))
    with pytest.raises(ValueError, match="shapes differ"):
        metrics.ms_ssim(camera, camera[1:])


X265 = [(1358.24, 34.851), (2486.44, 36.845), (4593.60, 38.615), (9487.76, 40.037)]
X265_SLOWER = [(1356.24, 34.987), (2451.52, 36.970), (4469.00, 38.651), (9787.80, 40.121)]
"""The example in the README of the package `bjontegaard`: kbit/s and dB."""
VTM = [(0.04824, 26.1448), (0.1125, 28.493), (0.24582, 31.1999), (0.49055, 34.2615), (0.87481, 37.4198),
       (1.43085, 40.4244), (2.32461, 43.5058), (3.63261, 46.5918)]  # fmt: skip
"""Kodak, from CompressAI's results: bpp and dB."""
COIN = [(0.0368, 22.408), (0.07361, 23.205), (0.1604, 24.6411), (0.3074, 26.4121), (0.6109, 28.408), (1.209, 30.644)]
"""Kodak, from COIN's results."""


def test_bd_rate_of_the_package_bjontegaard() -> None:
    """bjontegaard 1.3.0, method="pchip"."""
    assert metrics.bd_rate(X265, X265_SLOWER).percent == pytest.approx(-4.417485350589, abs=1e-9)
    assert metrics.bd_rate(VTM, COIN).percent == pytest.approx(463.2696514496, abs=1e-9)
    assert metrics.bd_rate([(1.0, 30.0), (3.0, 33.0)], VTM).percent == pytest.approx(-84.8228562155, abs=1e-9)


def test_rates_along_a_curve_are_those_that_bd_rate_takes_the_mean_of() -> None:
    psnrs = np.linspace(VTM[0][1], COIN[-1][1], 100_001)
    ratio = np.log(metrics.rate_at(COIN, psnrs) / metrics.rate_at(VTM, psnrs))
    assert np.expm1(ratio.mean()) * 100 == pytest.approx(metrics.bd_rate(VTM, COIN).percent, rel=1e-4)


def test_a_curve_goes_through_its_points_monotonely_and_is_not_known_beyond_them() -> None:
    rates, psnrs = np.array(COIN).T
    assert metrics.rate_at(COIN, psnrs) == pytest.approx(rates)
    assert (np.diff(metrics.rate_at(COIN, np.linspace(psnrs[0], psnrs[-1], 1000))) > 0).all()
    assert np.isnan(metrics.rate_at(COIN, np.array([psnrs[0] - 1e-6, psnrs[-1] + 1e-6]))).all()
    assert metrics.rate_at(COIN[:1], psnrs[:2]) == pytest.approx([rates[0], np.nan], nan_ok=True)


def scaled(curve: metrics.Curve, factor: float) -> metrics.Curve:
    return [(factor * rate, psnr) for rate, psnr in curve]


def test_bd_rate_of_a_curve_with_itself_is_zero_and_with_less_bits_that_much_less() -> None:
    assert metrics.bd_rate(VTM, VTM) == metrics.BDRate(0, 1)
    assert metrics.bd_rate(VTM, scaled(VTM, 0.8)).percent == pytest.approx(-20)
    assert metrics.bd_rate(VTM, scaled(VTM, 0.8)).overlap == 1


def test_bd_rates_there_and_back_cancel() -> None:
    there, back = metrics.bd_rate(VTM, COIN).percent / 100, metrics.bd_rate(COIN, VTM).percent / 100
    assert (1 + there) * (1 + back) == pytest.approx(1)


def test_bd_rate_does_not_depend_on_order_or_on_points_that_cheaper_ones_beat() -> None:
    beaten = [*COIN[::-1], (0.2, 24.0), (0.7, 28.408), (1.209, 29.0)]
    assert metrics.bd_rate(VTM, beaten) == metrics.bd_rate(VTM, COIN)


def test_overlap_is_the_part_of_the_anchors_psnr_range_that_is_covered() -> None:
    line = [(2.0 ** (psnr / 6), float(psnr)) for psnr in range(20, 41, 5)]
    assert metrics.bd_rate(line, line[2:]).overlap == pytest.approx(0.5)
    assert metrics.bd_rate(line[2:], line).overlap == 1
    assert metrics.bd_rate(line[2:], line).percent == pytest.approx(0)


def test_limits_of_the_rate_are_the_anchors_and_its_ends_where_they_go_beyond() -> None:
    line = [(2.0 ** (psnr / 6), float(psnr)) for psnr in range(20, 41, 5)]
    within = 2.0 ** (24 / 6), 2.0 ** (28 / 6)
    assert metrics.bd_rate(line, scaled(line, 0.5), within) == metrics.BDRate(pytest.approx(-50), 1)
    assert metrics.bd_rate(line, line[:2], within).overlap == pytest.approx(1 / 4)
    assert metrics.bd_rate(line, line, (1e-3, 1e9)) == metrics.BDRate(0, 1)


def test_curves_that_do_not_meet_have_no_bd_rate() -> None:
    for one, other in ((COIN[:2], VTM), (VTM, VTM[:1]), (VTM[3:4], VTM)):
        result = metrics.bd_rate(one, other)
        assert math.isnan(result.percent)
        assert result.overlap == 0


@pytest.mark.parametrize("curve", [[], [(1.0, math.inf), (2.0, 30.0)], [(0.0, 20.0), (1.0, 30.0)]])
def test_curves_of_impossible_points_are_refused(curve: metrics.Curve) -> None:
    with pytest.raises(ValueError, match="a curve needs points"):
        metrics.bd_rate(VTM, curve)
