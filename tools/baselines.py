"""Classical codecs through Pillow, for comparisons: every quality once, the smaller of the variants each time."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from inrcodec import metrics

VARIANTS: dict[str, tuple[dict[str, object], ...]] = {
    "JPEG": ({"optimize": True}, {"optimize": True, "progressive": True}),
    "WEBP": ({"method": 6},),
    "AVIF": ({"speed": 4, "subsampling": "4:4:4"}, {"speed": 4, "subsampling": "4:2:0"}),
}


@dataclass(frozen=True)
class Point:
    """One file of a baseline: whole-file bytes, and PSNR of its pixels in dB."""

    file_bytes: int
    psnr: float


def curve(codec: str, image: np.ndarray, step: int = 1) -> list[Point]:
    """The points of a codec on a uint8 picture (H, W) or (H, W, 3), ascending, none worse than a smaller file."""
    points = []
    for quality in range(1, 96, step):
        for options in VARIANTS[codec]:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, codec, quality=quality, **options)
            with Image.open(buffer) as decoded:
                back = np.asarray(decoded.convert("L" if image.ndim == 2 else "RGB"))
            points.append(Point(len(buffer.getvalue()), metrics.psnr(image, back)))
    return upper_envelope(points)


def upper_envelope(points: list[Point]) -> list[Point]:
    """The points that no smaller file beats, ascending in bytes and PSNR."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p.file_bytes, -p.psnr)):
        if not kept or point.psnr > kept[-1].psnr:
            kept.append(point)
    return kept


def psnr_at(points: list[Point], file_bytes: int) -> float | None:
    """PSNR in dB at a size, linear in log bytes between the points beside it; None below the smallest file."""
    if file_bytes < points[0].file_bytes:
        return None
    sizes = np.log([point.file_bytes for point in points])
    return float(np.interp(np.log(file_bytes), sizes, [point.psnr for point in points]))
