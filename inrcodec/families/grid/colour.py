"""Samples as components: luma and two of chroma, orthonormal, so that a squared error is the same in both; and alpha.

    luma   = (r + g + b) / sqrt(3)        red = (r - b) / sqrt(2)        blue = (2 g - r - b) / sqrt(6)

of samples 0 .. 1 less 1/2. Grey is luma as it is, and so is alpha.
"""

import math

import numpy as np
from numpy.typing import NDArray

TO_COMPONENTS = np.array(
    [
        [1 / math.sqrt(3), 1 / math.sqrt(3), 1 / math.sqrt(3)],
        [1 / math.sqrt(2), 0.0, -1 / math.sqrt(2)],
        [-1 / math.sqrt(6), 2 / math.sqrt(6), -1 / math.sqrt(6)],
    ]
)
"""(luma, red, blue) by (r, g, b). Its transpose is its inverse."""


def matrix(channels: int) -> NDArray[np.float64]:
    """(components, channels): what takes samples to components; its transpose takes them back."""
    whole = np.eye(channels)
    if channels > 2:
        whole[:3, :3] = TO_COMPONENTS
    return whole


def components(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Codes (H, W, C) -> components (C, H, W)."""
    samples = codes / np.float32(255) - np.float32(0.5)
    taken: NDArray[np.float32] = np.einsum("ij,hwj->ihw", matrix(codes.shape[2]).astype(np.float32), samples)
    return np.ascontiguousarray(taken)
