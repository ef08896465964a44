"""tools/measure/beside_points.py: what a published point is beside curves."""

from tools.measure.beside_points import cell

CURVE = [(0.2, 30.0), (0.4, 33.0), (0.8, 36.0)]


def test_a_point_on_a_curve_takes_as_many_bits() -> None:
    assert cell(CURVE, 0.4, 33.0) == "0.400 bpp, +0 %"


def test_a_curve_that_needs_twice_the_bits_is_100_percent_over_a_point() -> None:
    assert cell(CURVE, 0.2, 33.0) == "0.400 bpp, +100 %"


def test_a_psnr_that_a_curve_does_not_reach_has_no_rate() -> None:
    assert cell(CURVE, 0.4, 37.0) == cell(CURVE, 0.4, 29.0) == "beyond its ends"
