"""How many bytes a PSNR will take, before the fit: a short fit of a smaller network, and the picture's WebP curve.

How much a larger network gains differs from picture to picture, from 1 to 4 dB a doubling, and so does WebP's gain: at
equal bytes the lead of a fitted network over WebP moves by less than 1 dB over a factor of 2.5 in bytes on photographs,
once the fit is long enough (docs/experiments.md; on drawings it grows). So one pilot measures the lead, and the curve
says the rest.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from inrcodec import metrics

Samples = NDArray[np.float64]

_WEIGHTS, _STEPS = 0.5, 0.25
"""Of a pilot: fractions of the expected network's weights and of the fit's steps, so about a tenth of its time."""
_LEAST_STEPS, _LEAST_BYTES = 400, 250
"""Of a pilot: less says little of a fit."""
_MARGIN = 1.2
"""In dB: how far above the target the float network is to land. Rounding takes about 0.4; the rest is for a prediction
that was too high, as a weak network cannot be mended but a strong one is only rounded more coarsely."""
_QUALITIES = (1, 4, 8, 15, 25, 40, 55, 70, 80, 88, 94, 98)
_WEBP_MOST = 16_383
"""Pixels on a side of a WebP picture."""


@dataclass(frozen=True)
class Curve:
    """PSNR against bytes of one picture, linear in log2 bytes; beyond its ends it goes on as between them."""

    log_bytes: Samples
    psnr: Samples

    def psnr_of(self, size: float) -> float:
        """PSNR in dB at `size` bytes."""
        return _line(math.log2(size), self.log_bytes, self.psnr)

    def bytes_of(self, psnr: float) -> float:
        """The inverse of `psnr_of`."""
        return float(2.0 ** _line(psnr, self.psnr, self.log_bytes))


def _line(x: float, xs: Samples, ys: Samples) -> float:
    """Piecewise linear through (xs, ys), both increasing; outside with the mean slope of the three ends nearby."""
    if x < xs[0] or x > xs[-1]:
        end, inner = (0, min(2, len(xs) - 1)) if x < xs[0] else (-1, max(-3, -len(xs)))
        return float(ys[end] + (x - xs[end]) * (ys[inner] - ys[end]) / (xs[inner] - xs[end]))
    return float(np.interp(x, xs, ys))


def curve(codes: NDArray[np.uint8]) -> Curve:
    """The picture (H, W, C) as WebP, or as JPEG where it cannot be one; transparency is left out.

    A picture that these do not tell apart at any quality, such as one pixel, gets a line of 6 dB a doubling.
    """
    plain = codes[..., :3] if codes.shape[2] == 4 else codes.squeeze(2) if codes.shape[2] == 1 else codes
    webp = features.check("webp") and max(codes.shape) <= _WEBP_MOST
    points = sorted(_point(plain, "WEBP" if webp else "JPEG", quality) for quality in _QUALITIES)
    kept = [points[0]]
    for size, psnr in points[1:]:
        if size > kept[-1][0] and kept[-1][1] < psnr < math.inf:
            kept.append((size, psnr))
    if len(kept) < 2 or not math.isfinite(kept[0][1]):
        kept = [(64.0, 20.0), (128.0, 26.0)]
    sizes, values = np.array(kept).T
    return Curve(np.log2(sizes), values)


def _point(plain: NDArray[np.uint8], kind: str, quality: int) -> tuple[float, float]:
    file = io.BytesIO()
    image = Image.fromarray(plain)
    image.save(file, kind, quality=quality)
    with Image.open(file) as back:
        return float(file.tell()), metrics.psnr(plain, np.asarray(back.convert(image.mode)))


def choose_bytes(target: float, steps: int, picture: Curve, fit: Callable[[float, int], tuple[float, float]]) -> float:
    """Bytes at which a network fitted with `steps` steps should land `_MARGIN` above `target` dB.

    `fit(bytes, steps)` fits a network for a file of about that many bytes; it returns the bytes of the network that it
    really made, and its PSNR in dB.
    """
    fewer = min(steps, max(round(_STEPS * steps), _LEAST_STEPS))
    size, psnr = fit(max(_LEAST_BYTES, _WEIGHTS * picture.bytes_of(target)), fewer)
    lead = psnr - picture.psnr_of(size) + deficit(fewer) - deficit(steps)
    return picture.bytes_of(target + _MARGIN - lead)


def deficit(steps: int) -> float:
    """About how far, in dB, a fit of so many steps stays below an endless one.

    Fitted to networks of 1,000 to 2,600 weights for photographs: from 400 to 1,500 steps they gain 1.9 +- 1.1 dB, from
    1,500 to 4,000 0.7 +- 0.7 dB.
    """
    return 200 / math.pow(steps, 0.7)
