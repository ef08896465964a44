"""Pictures from outside as uint8 arrays: PIL images, arrays and files, checked before their pixels are loaded.

What each kind becomes, in line with what its pixels can hold:

    PIL mode                                                becomes
    1, L                                                    grey
    RGB, P, CMYK, YCbCr, HSV, LAB                           RGB
    RGBA, PA, LA, La, RGBa, and any with transparency       RGBA
    I;16 (16-bit grey)                                      grey, value / 257 rounded to the nearest code
    I, F (32-bit)                                           refused: their range is unknown

An EXIF orientation is applied. Colour profiles and other metadata are not stored.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from inrcodec import files
from inrcodec.errors import InputImageError, InrError, LimitError, RequestError
from inrcodec.pixels import MAX_PIXELS, MAX_SIDE

ImageLike = NDArray[np.uint8] | Image.Image | str | os.PathLike[str]
"""What `encode` takes: an array, a PIL image, or the path of a picture file."""

MAX_FILE_BYTES = 1 << 30
"""Longest picture file to read."""

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF", "JPEG2000", "AVIF", "TGA", "QOI")
"""Pillow's readers that are tried. Others run foreign programs or parse long-dead formats: a risk without a use."""


def to_array(image: ImageLike) -> NDArray[np.uint8]:
    """Any accepted picture as a fresh (H, W, C) uint8 array, C = 1, 3 or 4.

    Raises InputImageError where it cannot be read, LimitError where it is over `pixels.MAX_PIXELS`.
    """
    if isinstance(image, str | os.PathLike):
        return read_image(os.fspath(image))
    if isinstance(image, Image.Image):
        with _refusals(""):  # a PIL image reads its file when its pixels are asked for
            return _from_pil(image)
    return _from_array(np.asarray(image))


def _from_array(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    if image.dtype != np.uint8:
        raise InputImageError(f"the array has dtype {image.dtype}, uint8 expected")
    shaped = image[..., None] if image.ndim == 2 else image
    if shaped.ndim != 3 or shaped.shape[2] not in (1, 3, 4) or not shaped.size:
        raise InputImageError(f"the array has shape {image.shape}, (H, W) or (H, W, C) with C = 1, 3, 4 expected")
    _check_pixels(shaped.shape[1], shaped.shape[0])
    return np.array(shaped, np.uint8)


def _from_pil(image: Image.Image) -> NDArray[np.uint8]:
    _check_pixels(*image.size)
    if 0 in image.size:
        raise InputImageError(f"the picture is {image.width}x{image.height}")
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "La":
        upright = upright.convert("LA")  # the only mode that Pillow does not take to RGBA in one step
    if upright.mode.startswith("I;16"):
        codes = np.rint(np.asarray(upright).astype(np.float64) / 257).astype(np.uint8)
        return codes[..., None]
    if upright.mode in ("I", "F"):
        raise InputImageError(f"pictures of mode {upright.mode} have no known range: convert to 8 bits first")
    opaque = "L" if upright.mode in ("1", "L") else "RGB"
    mode = "RGBA" if upright.has_transparency_data else opaque
    converted = np.asarray(upright.convert(mode), np.uint8)
    return np.array(converted.reshape(upright.height, upright.width, -1))


def _check_pixels(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise LimitError(f"the picture is {width}x{height}, over {MAX_SIDE} pixels on a side: cut it in parts")
    if width * height > MAX_PIXELS:
        raise LimitError(
            f"the picture is {width}x{height}, over {MAX_PIXELS} pixels: make it smaller or cut it in parts"
        )


def read_image(name: str) -> NDArray[np.uint8]:
    """The first frame of a picture file ("-": standard input) as (H, W, C) uint8; errors as in `to_array`."""
    data = files.read_bounded(name, MAX_FILE_BYTES)
    with _refusals(f"{name}: "), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _from_pil(image)


@contextlib.contextmanager
def _refusals(prefix: str) -> Iterator[None]:
    """Whatever goes wrong inside, as an error of ours whose text begins with `prefix`."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise LimitError(f"{prefix}the picture is over {MAX_PIXELS} pixels") from error
    except InrError as error:
        raise type(error)(f"{prefix}{error}") from error
    except Exception as error:  # Pillow's readers raise anything from SyntaxError to struct.error on foreign bytes
        raise InputImageError(f"{prefix}not a readable picture ({_short(error)})") from error


def _short(error: Exception) -> str:
    """An exception's text, cut, and free of the address that Pillow puts into it."""
    text = str(error).split(" <_io")[0] or type(error).__name__
    return text[:120]


def to_file(image: NDArray[np.uint8], kind: str) -> bytes:
    """A uint8 picture (H, W), (H, W, 3) or (H, W, 4) as a file of Pillow's format `kind`, at its best quality."""
    picture = Image.fromarray(image)
    if picture.mode == "RGBA" and kind in ("JPEG", "PPM"):
        raise RequestError(f"{kind} cannot hold transparency: write a .png")
    options: dict[str, dict[str, object]] = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options.get(kind, {}))
    return buffer.getvalue()
