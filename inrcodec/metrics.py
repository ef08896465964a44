"""Rate and distortion, with their definitions. Nothing else in this package is called bpp or PSNR."""

import math

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 20
"""Samples compared at once: large pictures are not widened whole."""


def bpp(file_bytes: int, height: int, width: int) -> float:
    """Rate in bits per pixel: 8 * file_bytes / (height * width), of the whole file, headers included."""
    return 8 * file_bytes / (height * width)


def psnr(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """10 log10(255^2 / MSE) in dB over all samples of two uint8 pictures of one shape; inf when they are equal."""
    if original.shape != decoded.shape:
        raise ValueError(f"shapes differ: {original.shape} and {decoded.shape}")
    squares = 0
    for start in range(0, original.size, _BLOCK):
        one, other = (picture.reshape(-1)[start : start + _BLOCK].astype(np.int32) for picture in (original, decoded))
        squares += int(np.square(one - other).sum(dtype=np.int64))
    return psnr_of_mse(squares / original.size)


def psnr_of_mse(mse: float, peak: float = 255.0) -> float:
    """10 log10(peak^2 / mse) in dB; inf for mse = 0, nan for nan. A network's values span peak = 2."""
    return math.inf if mse == 0 else 10 * math.log10(peak * peak / mse)
