"""Which step of the latents a number of bytes asks for: sparse latents of a part of the picture say about."""

import math

import numpy as np
from numpy.typing import NDArray

from inrcodec.families.contract import Shape
from inrcodec.families.grid import colour
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.start import SparseStart

_SIDE = 384
"""Pixels of the part's longer side, at most."""
_TRIALS, _CLOSE = 6, 1.02
_FIRST = 0.4
_POWER = 1.3
"""Rates go about as the step to minus this."""
_SIZE, _BITS = 0.25, 1.9
"""Size from which on a sparse latent counts, and bits of one, about: of kodim05, 15, 19, 23 at three steps."""
_BYTES_OF_NETWORKS = 300


def bits_of(codes: NDArray[np.uint8], delta: float) -> float:
    """About: bits of a picture's latents at a step."""
    arch = GridArch.of(Shape(*codes.shape))

    def empty(*shape: int) -> NDArray[np.float32]:
        return np.empty(shape, np.float32)

    latents = SparseStart(arch, colour.components(codes), delta, np, empty).run()
    return _BITS * sum(int((np.abs(level) > _SIZE).sum()) for level in latents)


def part_of(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a picture."""
    height, width = codes.shape[:2]
    top, left = max(0, height - _SIDE) // 2, max(0, width - _SIDE) // 2
    return codes[top : top + _SIDE, left : left + _SIDE]


def delta_of_bytes(codes: NDArray[np.uint8], size: float) -> float:
    """The step at which a file has about so many bytes."""
    part = part_of(codes)
    wanted = max(8.0, 8 * (size - _BYTES_OF_NETWORKS)) * part[..., 0].size / codes[..., 0].size
    delta = _FIRST
    for _ in range(_TRIALS):
        ratio = max(bits_of(part, delta), 8.0) / wanted
        if 1 / _CLOSE < ratio < _CLOSE:
            break
        delta = min(max(delta * math.pow(ratio, 1 / _POWER), 1e-3), 8.0)
    return delta
