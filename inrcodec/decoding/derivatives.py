"""A picture's derivatives as pictures to look at: edges, and curvature around a middle grey."""

import numpy as np
from numpy.typing import NDArray

from inrcodec.errors import RequestError
from inrcodec.pixels import DEPTHS, Codes, colour_channels

DERIVATIVES = ("gradient", "laplacian")
_SHOWN = 99.5
"""Percentile of the values that becomes white, or black: a few edges are far steeper than all others."""


def as_picture(kind: str, derivative: NDArray[np.float32], depth: int = 8) -> tuple[Codes, float]:
    """A derivative as `Picture.render_derivative` draws it, as pixels, and the value that is white.

    "gradient": (H, W, channels, 2) -> grey (H, W), the length of the gradient over all colours, black where it is 0.
    "laplacian": (H, W, channels) -> (H, W) or (H, W, 3), the middle code where it is 0. Alpha is left out of both.
    """
    shown = shown_values(kind, derivative)
    white = white_level(shown)
    return shown_codes(kind, shown, white, depth), white


def shown_codes(kind: str, shown: NDArray[np.float64], white: float, depth: int = 8) -> Codes:
    """What `shown_values` returns as codes of the same shape, `white` the value of the highest."""
    top = 2**depth - 1
    codes = top * shown / white if kind == "gradient" else (top + 1) / 2 + top / 2 * shown / white
    clipped: Codes = np.clip(np.rint(codes), 0, top).astype(DEPTHS[depth])
    return clipped


def shown_values(kind: str, derivative: NDArray[np.floating]) -> NDArray[np.float64]:
    """What is shown of gradients (.., channels, 2): (..); of Laplacians (.., channels): (..) or (.., 3)."""
    colour_axis = {"gradient": -2, "laplacian": -1}.get(kind)
    if colour_axis is None:
        raise RequestError(f"channels: {kind!r} is none of {', '.join(DERIVATIVES)}")
    colours = colour_channels(derivative.shape[colour_axis])
    shown = derivative.take(range(colours), colour_axis).astype(np.float64)
    if kind == "gradient":
        lengths: NDArray[np.float64] = np.sqrt((shown**2).sum((-2, -1)))
        return lengths
    return shown[..., 0] if colours == 1 else shown


def white_level(shown: NDArray[np.float64]) -> float:
    """The value that is shown white; 1 where all are 0."""
    sizes = np.abs(shown)
    return float(np.percentile(sizes, _SHOWN)) or float(sizes.max()) or 1.0
