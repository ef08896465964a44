"""Classical codecs through Pillow, for comparisons, each at the settings that give it the best PSNR.

    JPEG      optimize; the better of baseline and progressive, and of 4:4:4 and 4:2:0; qualities 1 .. 95
    WebP      method 6; qualities 0 .. 100
    JPEG2000  irreversible wavelet, colours transformed, a bare codestream without the JP2 boxes; the better of 5 and 6
              resolutions; asked for 10 .. 50 dB
    AVIF      libaom, speed 4, tune=psnr; the better of 4:4:4 and 4:2:0; all 64 quantizers

Grey pictures are stored as grey where the codec knows it. Three of these matter (measured on sample_data/astronaut.png
with Pillow 13.0): the default of libavif 1.4, tune=iq, is made for the eye and costs 0.4 to 0.9 dB; Pillow leaves out
JPEG 2000's colour transform unless asked, 2.9 dB; JP2 boxes are 49 bytes, 0.1 dB at 3 kB. WebP's noise shaping costs
PSNR too, but Pillow has no switch for it.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from inrcodec import metrics

Options = dict[str, object]
"""Arguments of Pillow's `Image.save`."""
Shape = tuple[int, ...]
"""(H, W) of a grey picture, (H, W, 3) of one in colour."""


@dataclass(frozen=True)
class Codec:
    """How one codec is searched."""

    settings: Callable[[Shape], Iterator[Options]]
    """All that are tried on a picture of that shape."""
    feature: str
    """The library's name in `PIL.features`."""
    seconds_per_pixel: float
    """Of the whole search on one core, roughly: for the order of the work and the time left."""


@dataclass(frozen=True)
class Point:
    """One file of a baseline: whole-file bytes, PSNR of its pixels in dB, and how to write it again."""

    file_bytes: int
    psnr: float
    options: Options


def _subsamplings(shape: Shape, grey: str) -> tuple[str, ...]:
    return ("4:4:4", "4:2:0") if len(shape) == 3 else (grey,)


def _jpeg(shape: Shape) -> Iterator[Options]:
    for subsampling in _subsamplings(shape, "4:4:4"):
        for progressive in (False, True):
            for quality in range(1, 96):
                yield {"quality": quality, "optimize": True, "progressive": progressive, "subsampling": subsampling}


def _webp(shape: Shape) -> Iterator[Options]:
    for quality in range(101):
        yield {"quality": quality, "method": 6}


def _jpeg2000(shape: Shape) -> Iterator[Options]:
    most = min(shape[:2]).bit_length()  # more halvings than the shorter side has are an error
    fixed = {"irreversible": True, "mct": 1, "no_jp2": True, "quality_mode": "dB"}
    for resolutions in sorted({min(5, most), min(6, most)}):
        for half_decibels in range(20, 101):
            yield {**fixed, "num_resolutions": resolutions, "quality_layers": [half_decibels / 2]}


def _avif(shape: Shape) -> Iterator[Options]:
    quantizers = {((100 - quality) * 63 + 50) // 100: quality for quality in range(101)}  # libavif's own rounding
    # Tiles depend on the number of threads, and cost bytes.
    fixed = {"speed": 4, "advanced": {"tune": "psnr"}, "max_threads": 1, "autotiling": False}
    for subsampling in _subsamplings(shape, "4:0:0"):
        for quality in sorted(quantizers.values()):
            yield {**fixed, "quality": quality, "subsampling": subsampling}


CODECS = {
    "JPEG": Codec(_jpeg, "libjpeg_turbo", 2e-5),
    "WebP": Codec(_webp, "webp", 3e-5),
    "JPEG2000": Codec(_jpeg2000, "jpg_2000", 4e-5),
    "AVIF": Codec(_avif, "avif", 4e-4),
}


def encode(codec: str, image: np.ndarray, options: Options) -> bytes:
    """A uint8 picture (H, W) or (H, W, 3) as a file of the codec."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, codec, **options)
    return buffer.getvalue()


def decode(data: bytes, like: np.ndarray) -> np.ndarray:
    """The pixels of a file, grey or in colour as the picture `like`."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("L" if like.ndim == 2 else "RGB"))


def curve(codec: str, image: np.ndarray) -> list[Point]:
    """The codec's best files on a uint8 picture (H, W) or (H, W, 3), ascending in bytes and PSNR."""
    points = []
    for options in CODECS[codec].settings(image.shape):
        data = encode(codec, image, options)
        points.append(Point(len(data), metrics.psnr(image, decode(data, image)), options))
    return upper_envelope(points)


def upper_envelope(points: list[Point]) -> list[Point]:
    """The points that no smaller file equals or beats, ascending in bytes and PSNR."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p.file_bytes, -p.psnr)):
        if not kept or point.psnr > kept[-1].psnr:
            kept.append(point)
    return kept


def psnr_at(points: list[Point], file_bytes: float) -> float | None:
    """PSNR in dB at a size, linear in log bytes between the points beside it; None beyond the ends of an envelope."""
    if not points[0].file_bytes <= file_bytes <= points[-1].file_bytes:
        return None
    sizes = np.log([point.file_bytes for point in points])
    return float(np.interp(np.log(file_bytes), sizes, [point.psnr for point in points]))


def best_within(points: list[Point], file_bytes: int) -> Point:
    """The largest file of an envelope that has at most so many bytes, or its smallest if none has."""
    return next((point for point in reversed(points) if point.file_bytes <= file_bytes), points[0])
