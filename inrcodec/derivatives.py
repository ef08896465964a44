"""A picture's derivatives as pictures to look at: edges, and curvature around a middle grey."""

import numpy as np
from numpy.typing import NDArray

from inrcodec.errors import RequestError
from inrcodec.pixels import DEPTHS, Codes

_SHOWN = 99.5
"""Percentile of the values that becomes white, or black: a few edges are far steeper than all others."""


def as_picture(kind: str, derivative: NDArray[np.float32], depth: int = 8) -> tuple[Codes, float]:
    """A derivative as `Picture.render_derivative` draws it, as pixels, and the value that is white.

    "gradient": (H, W, channels, 2) -> grey (H, W), the length of the gradient over all colours, black where it is 0.
    "laplacian": (H, W, channels) -> (H, W) or (H, W, 3), the middle code where it is 0. Alpha is left out of both.
    """
    colours = 1 if derivative.shape[2] < 3 else 3
    shown = derivative[:, :, :colours].astype(np.float64)
    top = 2**depth - 1
    if kind == "gradient":
        shown = np.sqrt((shown**2).sum((2, 3)))
        white = _white(shown)
        codes = top * shown / white
    elif kind == "laplacian":
        white = _white(np.abs(shown))
        codes = (top + 1) / 2 + top / 2 * shown.squeeze(2 if colours == 1 else ()) / white
    else:
        raise RequestError(f"channels: {kind!r} is none of gradient, laplacian")
    return np.clip(np.rint(codes), 0, top).astype(DEPTHS[depth]), white


def _white(values: NDArray[np.float64]) -> float:
    """The value that is shown white; 1 where all are 0."""
    return float(np.percentile(values, _SHOWN)) or float(values.max()) or 1.0
