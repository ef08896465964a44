"""How many bytes a PSNR will take, by short fits of the picture itself; its WebP curve only says where to begin.

How much a larger network gains differs from picture to picture, from 1 to 4 dB a doubling on photographs and more on
graphics. On photographs WebP's gain differs with it: the lead of a fitted network over WebP moves by less than 1 dB
over a factor of 2.5 in bytes, once the fit is long enough (docs/experiments.md). So there one pilot measures the lead,
and the curve says the rest. On saturated graphics the curve ends at 19 dB, as WebP halves the resolution of colours; on
drawings the lead grows. So nothing is believed beyond `TRUST` times what was fitted: where more is asked for there is
another pilot, and from the second on the pilots' own line takes the curve's place.
"""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from inrcodec import metrics, pixels

Samples = NDArray[np.float64]

PILOTS = 3
"""Most pilots before the fit."""
TRUST = 4.0
"""Largest factor between the bytes that a picture was fitted at, and those that this fit is asked about."""
_WEIGHTS, _STEPS = 0.5, 0.25
"""Size and length of a pilot, over the expected network's weights and the fit's steps: about a tenth of its time."""
_LEAST_STEPS, LEAST_BYTES = 400, 250
"""Least steps and bytes of a pilot: less says little of a fit."""
_MARGIN = 1.2
"""How far above the target the float network is to land, in dB. Rounding takes about 0.4; the rest is for a prediction
that was too high, as a weak network cannot be mended but by a fit of a larger one."""
_GAINS = (1.0, 8.0)
"""Least and most that twice the bytes are taken to gain by two fits, in dB; the least of a curve too."""
BEST = 80.0
"""Most decibels that a fit counts for; one of a picture of one colour would have more."""
_QUALITIES = (1, 4, 8, 15, 25, 40, 55, 70, 80, 88, 94, 98)
_TILE, _WHOLE, _SIDE = 128, 1 << 20, 16_383
"""Pixels: of a tile's side, of the largest picture that is looked at whole, and on a side of a WebP picture."""


@dataclass(frozen=True)
class Curve:
    """PSNR against bytes of one picture, linear in log2 bytes; beyond its ends it goes on as between them.

    Twice the bytes gain at least 1 dB anywhere on it, so it ends nowhere.
    """

    log_bytes: Samples
    psnr: Samples

    def psnr_of(self, size: float) -> float:
        """PSNR in dB at `size` bytes, above 0."""
        return _line(math.log2(size), self.log_bytes, self.psnr)

    def bytes_of(self, psnr: float) -> float:
        """The inverse of `psnr_of`."""
        return float(2.0 ** _line(psnr, self.psnr, self.log_bytes))


PLAIN = Curve(np.array([6.0, 7.0]), np.array([20.0, 26.0]))
"""The curve where there is none: 6 dB a doubling."""


def _line(x: float, xs: Samples, ys: Samples) -> float:
    """Piecewise linear through (xs, ys), both increasing; outside with the mean slope of the three ends nearby."""
    if x < xs[0] or x > xs[-1]:
        end, inner = (0, min(2, len(xs) - 1)) if x < xs[0] else (-1, max(-3, -len(xs)))
        return float(ys[end] + (x - xs[end]) * (ys[inner] - ys[end]) / (xs[inner] - xs[end]))
    return float(np.interp(x, xs, ys))


def curve(codes: NDArray[np.uint8]) -> Curve:
    """The picture (H, W, C) as WebP, or as JPEG where Pillow has none; transparency is left out.

    Of more than a megapixel, or longer than a WebP picture may be, evenly spread tiles stand for the whole: all
    qualities of one of 89 megapixels would take minutes. A picture that the qualities do not tell apart, such as one
    pixel, gets a line of 6 dB a doubling.
    """
    sample = mosaic(codes)
    scale, colours = codes.size / sample.size, pixels.colour_channels(sample.shape[2])
    plain = sample[..., 0] if colours == 1 else sample[..., :colours]
    kind = "WEBP" if features.check("webp") else "JPEG"
    points = sorted(_point(plain, kind, scale, quality) for quality in _QUALITIES)
    kept = points[:1]
    for point in points[1:]:
        doublings = math.log2(point[0] / kept[-1][0])
        if doublings > 0 and point[1] - kept[-1][1] >= _GAINS[0] * doublings:
            kept.append(point)
    if len(kept) < 2:
        return PLAIN
    sizes, values = np.array(kept).T
    return Curve(np.log2(sizes), values)


def mosaic(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, C) itself where it has at most a megapixel and no long side; else evenly spread tiles of it, side by side.

    At most a megapixel of them, in about a square, and none twice.
    """
    height, width, channels = codes.shape
    if height * width <= _WHOLE and max(height, width) <= _SIDE:
        return codes
    tall, wide = min(height, _TILE), min(width, _TILE)
    down, across = height // tall, width // wide
    count = min(down * across, _WHOLE // (tall * wide))
    columns = min(count, max(1, math.isqrt(count * tall // wide)))
    chosen = pixels.spread(down, across, count // columns * columns)
    rows = len(chosen) // columns
    tiles = [
        codes[row * tall : (row + 1) * tall, column * wide : (column + 1) * wide]
        for row, column in (divmod(int(number), across) for number in chosen[: rows * columns])
    ]
    stacked = np.stack(tiles).reshape(rows, columns, tall, wide, channels)
    return np.ascontiguousarray(stacked.transpose(0, 2, 1, 3, 4).reshape(rows * tall, columns * wide, channels))


def _point(plain: NDArray[np.uint8], kind: str, scale: float, quality: int) -> tuple[float, float]:
    """(bytes of the whole picture, PSNR) at a quality; `scale` is its pixels over those of `plain`."""
    file = io.BytesIO()
    image = Image.fromarray(plain)
    image.save(file, kind, quality=quality)
    with Image.open(file) as back:
        return scale * file.tell(), min(BEST, metrics.psnr(plain, np.asarray(back.convert(image.mode))))


@dataclass(frozen=True)
class Reached:
    """What a fit of the picture has reached."""

    size: float
    """Bytes that the file of its network takes at the ladder's noise."""
    psnr: float
    """PSNR of the float network in dB; of a pilot, what all steps of the fit would make of it."""


def next_bytes(target: float, fits: Sequence[Reached], picture: Curve = PLAIN) -> float:
    """Bytes at which a network should land `_MARGIN` above `target` dB, within `TRUST` times those of a fit.

    Through the last two fits; through the only one along the picture's curve. A fit that is worse than a smaller one
    had too few steps to say anything, and is left out.
    """
    fits, alone = _rising(fits), len(fits) == 1
    last, wanted = fits[-1], target + _MARGIN
    if len(fits) > 1:
        gain = (last.psnr - fits[-2].psnr) / math.log2(last.size / fits[-2].size)
        size = last.size * math.pow(2, (wanted - last.psnr) / min(max(gain, _GAINS[0]), _GAINS[1]))
    else:
        line = picture if alone else PLAIN
        size = line.bytes_of(wanted - last.psnr + line.psnr_of(last.size))
    return min(max(size, last.size / TRUST), TRUST * last.size)


def _rising(fits: Sequence[Reached]) -> list[Reached]:
    """Without those that another one equals or beats in no more bytes."""
    each = list(dict.fromkeys(fits))
    return [fit for fit in each if not any(o.size <= fit.size and o.psnr >= fit.psnr for o in each if o is not fit)]


def run(
    target: float, steps: int, most: float, picture: Curve, fit: Callable[[float, int], Reached | None]
) -> list[Reached]:
    """What pilots reach on the way to a network for `target` dB, of at most `most` bytes, fitted with `steps` steps.

    `fit(bytes, steps)` fits a network for a file of about that many bytes; None: it was told to stop. The last pilot
    is within `TRUST` of what `next_bytes` says, unless there are `PILOTS` of them, or it is no better than a smaller
    one, or as large as an earlier one.
    """
    fewer = min(steps, max(round(_STEPS * steps), _LEAST_STEPS))
    size = min(max(LEAST_BYTES, _WEIGHTS * picture.bytes_of(target)), most / TRUST)
    fits: list[Reached] = []
    while len(fits) < PILOTS and (found := fit(size, fewer)) is not None:
        psnr = found.psnr + deficit(fewer) - deficit(steps)
        fits.append(Reached(found.size, psnr))
        size = min(next_bytes(target, fits, picture), most)
        is_trusted = found.size / TRUST < size < TRUST * found.size
        if is_trusted or fits[-1] not in _rising(fits) or any(found.size == other.size for other in fits[:-1]):
            break
    return fits


def deficit(steps: int) -> float:
    """About how far, in dB, a fit of so many steps stays below an endless one.

    Fitted to networks of 1,000 to 2,600 weights for photographs: from 400 to 1,500 steps they gain 1.9 +- 1.1 dB, from
    1,500 to 4,000 0.7 +- 0.7 dB.
    """
    return 200 / math.pow(steps, 0.7)
