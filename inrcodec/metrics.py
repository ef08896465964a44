"""Rate and distortion, with their definitions. Nothing else in this package is called bpp or PSNR."""

import math

import numpy as np
from numpy.typing import NDArray


def bpp(file_bytes: int, height: int, width: int) -> float:
    """Rate in bits per pixel: 8 * file_bytes / (height * width), of the whole file, headers included."""
    return 8 * file_bytes / (height * width)


def psnr(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """10 log10(255^2 / MSE) in dB over all samples of two uint8 pictures of one shape; inf when they are equal."""
    if original.shape != decoded.shape:
        raise ValueError(f"shapes differ: {original.shape} and {decoded.shape}")
    difference = original.astype(np.float32) - decoded.astype(np.float32)
    return psnr_of_mse(float(np.mean(np.square(difference), dtype=np.float64)))


def psnr_of_mse(mse: float, peak: float = 255.0) -> float:
    """10 log10(peak^2 / mse) in dB; inf for mse = 0, nan for nan. A network's values span peak = 2."""
    return math.inf if mse == 0 else 10 * math.log10(peak * peak / mse)
