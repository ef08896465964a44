"""Pictures as samples: where the pixels lie, and how codes map to the network's values.

Coordinates. The longer side of the picture spans [-1, 1] and the other side keeps the same unit, so a pixel is square.
Positions are pixel centres: along a side of n native pixels, with m pixels on the longer side, the point at native
position p (0 = first edge, n = last edge, pixel i has its centre at i + 1/2) has the coordinate

    (2 p - n) / m

computed in float64 and rounded once to float32. Of k equal cells over start .. stop, cell i has its centre at

    p = start + (i + 1/2) * ((stop - start) / k)

in this order of operations. Any grid over any interval follows from these two formulas, so grids of all sizes cover the
same frame and nothing shifts when the size changes.

Values. A code v of 0 .. 255 is v / 127.5 - 1 in [-1, 1]; back, a value u is floor(127.5 (u + 1) + 1/2), clamped. A
decoder may as well give 16 bits, with 65535 and 32767.5 in place of 255 and 127.5, in float64.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrcodec.errors import LimitError

DEPTHS = {8: np.uint8, 16: np.uint16}
"""Types of samples for the outside by their bits."""
Codes = NDArray[Any]
"""Samples for the outside: uint8, or uint16 where 16 bits are asked for."""

MAX_PIXELS = 89_478_485
"""Largest picture to encode or to make, in pixels: Pillow's own warning level (`Image.MAX_IMAGE_PIXELS`)."""
MAX_SIDE = 131_072
"""Longest side of a picture to encode or to decode, in pixels: a row of points must fit in memory."""


def colour_channels(channels: int) -> int:
    """How many of a picture's channels are colours: all but alpha, which is the last of 2 and of 4."""
    return 1 if channels < 3 else 3


def check_size(width: int, height: int) -> None:
    """Raise LimitError for a picture that is too large to encode."""
    if max(width, height) > MAX_SIDE:
        raise LimitError(f"the picture is {width}x{height}, over {MAX_SIDE} pixels on a side: cut it in parts")
    if width * height > MAX_PIXELS:
        raise LimitError(
            f"the picture is {width}x{height}, over {MAX_PIXELS} pixels: make it smaller or cut it in parts"
        )


def axis_positions(native: int, longer: int, start: float, stop: float, count: int) -> NDArray[np.float32]:
    """(count,) float32 coordinates of the centres of `count` equal cells over native positions start .. stop.

    `native` is the picture's length along this side and `longer` that of its longer side, in native pixels.
    """
    positions = start + (np.arange(count, dtype=np.float64) + 0.5) * ((stop - start) / count)
    return ((2.0 * positions - native) / longer).astype(np.float32)


def grid(rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """(len(rows) * len(columns), 2) float32 points (y, x), row by row."""
    coords = np.empty((len(rows), len(columns), 2), np.float32)
    coords[..., 0] = rows[:, None]
    coords[..., 1] = columns[None, :]
    return coords.reshape(-1, 2)


def axes(height: int, width: int, scale: int = 1) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coordinates of the rows (scale * height,) and columns (scale * width,) of a picture at a multiple of its size."""
    longer = max(height, width)
    rows, columns = (axis_positions(side, longer, 0, side, scale * side) for side in (height, width))
    return rows, columns


def pixel_centres(height: int, width: int) -> NDArray[np.float32]:
    """(height * width, 2) float32 coordinates (y, x) of all pixels of a picture, row by row."""
    return grid(*axes(height, width))


def pixel_points(height: int, width: int, index: NDArray[np.int64], scale: int = 1) -> NDArray[np.float32]:
    """(N, 2) float32 coordinates of the pixels (N,) of a picture at a multiple of its size, numbered row by row."""
    rows, columns = axes(height, width, scale)
    return np.stack([rows[index // len(columns)], columns[index % len(columns)]], 1)


_GOLDEN = (5**0.5 - 1) / 2


def spread(height: int, width: int, most: int) -> NDArray[np.int64]:
    """At most `most` ascending pixel numbers of a picture, none twice, evenly spread over rows and over columns.

    All where that is not over `most`, else the pixels of a Fibonacci lattice, whose points (i / most, i golden mod 1)
    are spread evenly in both directions and in step with nothing. A fixed stride that shares a factor with the width
    sees a few columns only.
    """
    if height * width <= most:
        return np.arange(height * width)
    i = np.arange(most)
    rows, columns = i * height // most, (i * _GOLDEN % 1 * width).astype(np.int64)
    return np.unique(rows * width + columns)


def to_unit(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Codes 0 .. 255, any shape, as float32 in [-1, 1]."""
    return codes.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_codes(values: NDArray[np.floating], depth: int = 8) -> Codes:
    """Values around [-1, 1], any shape, finite, as the nearest codes of 8 bits, in their own precision, or of 16.

    At 8 bits the inverse of `to_unit`.
    """
    if depth == 8:
        codes = (values + np.float32(1)) * np.float32(127.5) + np.float32(0.5)
        return np.clip(codes, 0, 255, out=codes).astype(np.uint8)
    return np.clip(np.floor((values.astype(np.float64) + 1) * 32767.5 + 0.5), 0, 65535).astype(np.uint16)
