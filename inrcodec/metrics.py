"""Rate and distortion, with their definitions. Nothing else in this package is called bpp, PSNR, MS-SSIM or BD-rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Plane = NDArray[np.float64]

_BLOCK = 1 << 20
"""Samples compared at once: large pictures are not widened whole."""


def bpp(file_bytes: int, height: int, width: int) -> float:
    """Rate in bits per pixel: 8 * file_bytes / (height * width), of the whole file, headers included."""
    return 8 * file_bytes / (height * width)


def code_distance(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """|one - other| of samples of equal shape, without a wider type."""
    distance: NDArray[np.uint8] = np.maximum(one, other) - np.minimum(one, other)
    return distance


def psnr(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """10 log10(255^2 / MSE) in dB over all samples of two uint8 pictures of one shape; inf when they are equal."""
    _check_shapes(original, decoded)
    squares = 0
    for start in range(0, original.size, _BLOCK):
        one, other = (picture.reshape(-1)[start : start + _BLOCK].astype(np.int32) for picture in (original, decoded))
        squares += int(np.square(one - other).sum(dtype=np.int64))
    return psnr_of_mse(squares / original.size)


def psnr_of_mse(mse: float, peak: float = 255.0) -> float:
    """10 log10(peak^2 / mse) in dB; inf for mse = 0, nan for nan. A network's values span peak = 2."""
    return math.inf if mse == 0 else 10 * math.log10(peak * peak / mse)


def _check_shapes(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> None:
    if original.shape != decoded.shape:
        raise ValueError(f"shapes differ: {original.shape} and {decoded.shape}")


_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five scales of MS-SSIM, finest first (Wang et al. 2003)."""
_WINDOW = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
_WINDOW /= _WINDOW.sum()
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""(K L)^2 with K1 = 0.01, K2 = 0.03 and L = 255."""
MS_SSIM_MIN_SIDE = 161
"""Shorter side of the smallest picture that has an MS-SSIM: halved four times and rounded up it is one window, 11."""


def ms_ssim(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """Multi-scale structural similarity of two uint8 pictures (H, W) or (H, W, C) of one shape: 1 when they are equal.

    Wang, Simoncelli and Bovik 2003, as the field computes it: the mean over the channels, each on its own (RGB, not
    luma), of

        max(0, s_5)^w_5 * product over the scales j = 1 .. 4 of max(0, c_j)^w_j

    with c the mean over positions of contrast times structure and s that of the whole SSIM. The window is a Gaussian
    of 11 x 11 with sigma 1.5, only where it fits into the picture; K1 = 0.01, K2 = 0.03. Every scale is the one before
    it averaged over 2 x 2 pixels, the last row or column of an odd side with itself, as in TensorFlow
    (pytorch-msssim averages it with zeros: the same for sides that are multiples of 16).

    nan below `MS_SSIM_MIN_SIDE`: fewer scales would be another measure under the same name.
    """
    _check_shapes(original, decoded)
    if min(original.shape[:2]) < MS_SSIM_MIN_SIDE:
        return math.nan
    planes = (np.atleast_3d(picture).transpose(2, 0, 1) for picture in (original, decoded))
    return float(np.mean([_ms_ssim_of_planes(one * 1.0, other * 1.0) for one, other in zip(*planes, strict=True)]))


def _ms_ssim_of_planes(one: Plane, other: Plane) -> float:
    product = 1.0
    for weight in _SCALE_WEIGHTS[:-1]:
        product *= max(0.0, _similarity(one, other)[1]) ** weight
        one, other = _halved(one), _halved(other)
    similarity: float = max(0.0, _similarity(one, other)[0]) ** _SCALE_WEIGHTS[-1]
    return product * similarity


def _similarity(one: Plane, other: Plane) -> tuple[float, float]:
    """SSIM, and its factor of contrast and structure, both averaged over all positions of the window."""
    mean_one, mean_other = _blurred(one), _blurred(other)
    variances = _blurred(one * one) - mean_one**2 + _blurred(other * other) - mean_other**2
    covariance = _blurred(one * other) - mean_one * mean_other
    contrast = (2 * covariance + _C2) / (variances + _C2)
    luminance = (2 * mean_one * mean_other + _C1) / (mean_one**2 + mean_other**2 + _C1)
    return float(np.mean(luminance * contrast)), float(np.mean(contrast))


def _blurred(plane: Plane) -> Plane:
    """The window's mean at every position where it fits: 10 rows and 10 columns fewer."""
    for axis in (0, 1):
        plane = np.einsum("hwk,k->hw", sliding_window_view(plane, len(_WINDOW), axis), _WINDOW)
    return plane


def _halved(plane: Plane) -> Plane:
    height, width = plane.shape
    even = np.pad(plane, ((0, height % 2), (0, width % 2)), "edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


Curve = Sequence[tuple[float, float]]
"""Points (rate, PSNR in dB) of a codec, in any order; a rate is a number of bits or bytes, in total or a pixel."""


@dataclass(frozen=True)
class BDRate:
    """A Bjontegaard delta rate, and how much of the anchor it speaks of."""

    percent: float
    """Bits of the tested codec over the anchor's at equal PSNR, -20: a fifth less; nan where the curves do not meet."""
    overlap: float
    """Fraction, 0 .. 1, of the anchor's PSNR range (within the limits) that the tested curve covers."""


def bd_rate(anchor: Curve, test: Curve, rates: tuple[float, float] | None = None) -> BDRate:
    """Bjontegaard delta rate: the mean difference of log rate between two curves over PSNR, as a percentage.

    Bjontegaard (VCEG-M33, 2001), with the monotone cubic interpolation of Fritsch and Butland (PCHIP) of log rate over
    PSNR in place of one polynomial (JCTVC-L1100). It is taken over the PSNRs that both curves have. Points that a
    cheaper one equals or beats do not count.

    Args:
        anchor: the curve to compare with.
        test: the curve that is judged.
        rates: (lowest, highest) rate of the anchor to look at; the PSNRs there are linear in log rate between its
            points. By default all of the anchor. A limit beyond the anchor's ends is its end.

    Raises ValueError for a curve without points, or with a rate or a PSNR that is not finite or a rate not above 0.
    """
    anchor_psnr, anchor_rate = _ascending(anchor)
    test_psnr, test_rate = _ascending(test)
    limits = anchor_rate[[0, -1]] if rates is None else np.log(rates)
    low, high = np.interp(limits, anchor_rate, anchor_psnr)
    bottom, top = max(low, test_psnr[0]), min(high, test_psnr[-1])
    if bottom >= top:
        return BDRate(math.nan, 0.0)
    change = _mean(test_psnr, test_rate, bottom, top) - _mean(anchor_psnr, anchor_rate, bottom, top)
    return BDRate(100 * math.expm1(change), float((top - bottom) / (high - low)))


def rate_at(curve: Curve, psnrs: Plane) -> Plane:
    """Rates at PSNRs, by the interpolation of `bd_rate`; NaN beyond the curve's ends. Raises as that does."""
    psnr, rate = _ascending(curve)
    if len(psnr) == 1:
        return np.where(psnrs == psnr, np.exp(rate), math.nan)
    piece = np.clip(np.searchsorted(psnr, psnrs, "right") - 1, 0, len(psnr) - 2)
    width, slope = np.diff(psnr)[piece], _slopes(psnr, rate)
    s = (psnrs - psnr[piece]) / width
    values = rate[piece] * (1 + 2 * s) * (1 - s) ** 2 + rate[piece + 1] * s**2 * (3 - 2 * s)
    bends = slope[piece] * s * (1 - s) ** 2 + slope[piece + 1] * s**2 * (s - 1)
    return np.where((s >= 0) & (s <= 1), np.exp(values + width * bends), math.nan)


def _ascending(curve: Curve) -> tuple[Plane, Plane]:
    """PSNRs and log rates of the points that no cheaper one equals or beats, both strictly ascending."""
    points = np.array(curve, np.float64).reshape(-1, 2)
    if not len(points) or not np.isfinite(points).all() or (points[:, 0] <= 0).any():
        raise ValueError("a curve needs points, finite PSNRs and finite rates above 0")
    rate, quality = points[np.lexsort((-points[:, 1], points[:, 0]))].T
    best_before = np.maximum.accumulate(np.concatenate(([-math.inf], quality[:-1])))
    kept = quality > best_before
    return quality[kept], np.log(rate[kept])


def _mean(x: Plane, y: Plane, low: float, high: float) -> float:
    """Mean over low .. high, both within x, of the monotone cubic through points strictly ascending in x and y."""
    width, slope = np.diff(x), _slopes(x, y)

    def integral(end: float) -> float:
        """The area from x[0] to `end` below the cubic Hermite pieces, in closed form."""
        s = np.clip((end - x[:-1]) / width, 0, 1)
        values = y[:-1] * (s - s**3 + s**4 / 2) + y[1:] * (s**3 - s**4 / 2)
        bends = slope[:-1] * (s**2 / 2 - 2 * s**3 / 3 + s**4 / 4) + slope[1:] * (s**4 / 4 - s**3 / 3)
        return float(np.sum(width * (values + width * bends)))

    return (integral(high) - integral(low)) / (high - low)


def _slopes(x: Plane, y: Plane) -> Plane:
    """Derivatives of the monotone cubic at its points, all positive secants: Fritsch and Butland 1984.

    At the ends the slope of the parabola through three points, or 0 where that falls (Moler, Numerical Computing with
    MATLAB, chapter 3).
    """
    width = np.diff(x)
    secant = np.diff(y) / width
    if len(x) == 2:
        return np.repeat(secant, 2)
    before, after = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    inner = (before + after) / (before / secant[:-1] + after / secant[1:])
    first = ((2 * width[0] + width[1]) * secant[0] - width[0] * secant[1]) / (width[0] + width[1])
    last = ((2 * width[-1] + width[-2]) * secant[-1] - width[-1] * secant[-2]) / (width[-1] + width[-2])
    return np.concatenate(([max(0.0, first)], inner, [max(0.0, last)]))
