"""The ladder: which network, and which noise of rounding, for a quality or for a number of bytes. All of it measured.

Arithmetic only: no torch, no picture.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inrcodec import families
from inrcodec.families.contract import StoredPicture
from inrcodec.families.siren import network
from inrcodec.families.siren.network import q_step_code
from inrcodec.families.siren.stored import SirenNetwork
from inrcodec.families.training import OperatingPoint
from inrcodec.format.limits import DEFAULT_LIMITS

LADDER = (
    OperatingPoint(0, 0.010, 0.4),
    OperatingPoint(25, 0.024, 0.4),
    OperatingPoint(50, 0.059, 0.4),
    OperatingPoint(75, 0.137, 0.4),
    OperatingPoint(100, 0.330, 0.4),
)

SHAPE = (1.5, 1.25, 1.0, 1.0, 0.875, 0.75, 0.625)
"""Neurons of the sine layers, relative to the third: wide at the coordinates, tapering to the colours."""
_LANES = 4
"""Neurons come in multiples of this, the least of a layer: matrix products are faster so (docs/experiments.md)."""
DEFAULT_QUALITY = 50
HEADER_BYTES = 48
"""About: of a file without its weights."""
_BITS_PER_SAMPLE = 8
"""No network is larger, in bits at the ladder's noise, than the picture is as plain samples."""
_SIDE_OF_W_MAX = 384
"""`InitConfig.w_max` is for this longer side, in pixels."""


_STEP_OF_ONE_COLOUR = 1 / 512
"""A quarter of a code: the nearest code is the colour's."""


def point_of_quality(quality: int) -> OperatingPoint:
    """The operating point of a quality: log-linear between those of `LADDER`."""
    at = [point.quality for point in LADDER]
    weights = np.interp(quality, at, [math.log(point.weights_per_pixel) for point in LADDER])
    noise = np.interp(quality, at, [math.log(point.rounding_noise) for point in LADDER])
    bits = np.interp(quality, at, [point.bits_per_weight for point in LADDER])
    return OperatingPoint(quality, math.exp(weights), math.exp(noise), float(bits))


def point_of_rate(bpp: float) -> OperatingPoint:
    """The operating point whose weights take `bpp` bits per pixel; beyond the ladder's ends with the noise there."""
    at = [math.log(point.bpp) for point in LADDER]
    quality, bits, noise = (
        float(np.interp(math.log(bpp), at, values))
        for values in zip(
            *((point.quality, point.bits_per_weight, math.log(point.rounding_noise)) for point in LADDER), strict=True
        )
    )
    return OperatingPoint(round(quality), bpp / bits, math.exp(noise), bits)


def point_of_bytes(size: float, height: int, width: int, channels: int) -> OperatingPoint:
    """The operating point whose file has about `size` bytes; never a network larger than the plain samples."""
    bpp = 8 * (size - HEADER_BYTES) / (height * width)
    return point_of_rate(min(max(bpp, 1e-6), _BITS_PER_SAMPLE * channels))


def bytes_of_weights(point: OperatingPoint, count: int) -> float:
    """About: of the file of a network with `count` weights at an operating point."""
    return HEADER_BYTES + point.bits_per_weight * count / 8


def choose_arch(
    height: int, width: int, channels: int, weights_per_pixel: float, shape: Sequence[float] = SHAPE
) -> network.SirenArch:
    """The widest network of a shape, by default the codec's, with at most so many weights; shallower for very few.

    Never one that the decoder would refuse to read, or to draw at the native size.
    """
    pixel_count = height * width
    budget = min(weights_per_pixel * pixel_count, most_weights(pixel_count))
    best = network.SirenArch((_LANES,), channels)
    for depth in (2, 3, 5, len(shape)):
        for quarters in range(4, 4 * 1024):
            lanes = [max(1, round(quarters / 4 * share / _LANES)) for share in shape[:depth]]
            dims = tuple(min(1024, _LANES * count) for count in lanes)
            arch = network.SirenArch(dims, channels)
            if arch.param_count() > budget:
                break
            best = arch
    return best


def most_weights(pixel_count: int) -> int:
    """Most weights of a network that the decoder reads, and draws at the native size."""
    return min(DEFAULT_LIMITS.max_weights, DEFAULT_LIMITS.max_macs // pixel_count)


def smallest_bytes(height: int, width: int, channels: int) -> int:
    """Bytes of the smallest file of any picture of a size: the smallest network, all its weights zero."""
    arch = choose_arch(1, 1, channels, 1)
    symbols = tuple(np.zeros(shape, np.int32) for shape in arch.param_shapes())
    zero = SirenNetwork(arch, symbols, (0,) * len(symbols))
    return len(families.write(StoredPicture(zero, height, width, content_hash=0)))


def constant(values: NDArray[np.float32]) -> SirenNetwork:
    """The smallest network that draws one colour exactly: `values` (channels,) in [-1, 1]."""
    arch = choose_arch(1, 1, len(values), 1)
    params = network.constant(arch, values)
    symbols = tuple(np.rint(param / _STEP_OF_ONE_COLOUR).astype(np.int32) for param in params)
    return SirenNetwork(arch, symbols, (q_step_code(_STEP_OF_ONE_COLOUR),) * len(symbols))


def largest_bytes(height: int, width: int) -> int:
    """About: bytes of the file of the largest network that the decoder accepts for pictures of a size."""
    return HEADER_BYTES + int(most_weights(height * width) * LADDER[-1].bits_per_weight / 8)


def init_config(height: int, width: int) -> network.InitConfig:
    """The start for a picture: its highest frequency grows with the longer side (docs/experiments.md)."""
    base = network.InitConfig()
    return replace(base, w_max=max(2 * base.w_min, base.w_max * max(height, width) / _SIDE_OF_W_MAX))
