"""Small pictures for tests."""

import numpy as np
from numpy.typing import NDArray


def waves(height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth picture (H, W, C): a few sines a channel."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    planes = []
    for _ in range(channels):
        fy, fx, phase = rng.uniform(-9, 9, 3)
        planes.append(128 + 60 * np.sin(fy * y + fx * x + phase) + 40 * y)
    return np.clip(np.rint(np.stack(planes, -1)), 0, 255).astype(np.uint8)
