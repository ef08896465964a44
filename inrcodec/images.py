"""Pictures from outside as uint8 arrays: PIL images, arrays and files, checked before their pixels are loaded.

What each kind becomes, in line with what its pixels can hold:

    PIL mode                                                becomes
    1, L                                                    grey
    LA, La, L with a transparent grey                       grey and alpha
    RGB, P, CMYK, YCbCr, HSV, LAB                           RGB
    RGBA, PA, RGBa, any other with transparency             RGBA
    I;16 (16-bit grey)                                      grey, value / 257 rounded to the nearest code
    I, F (32-bit)                                           refused: their range is unknown

    array                                                   becomes
    uint8 (H, W) or (H, W, C), C = 1 .. 4                   grey, grey and alpha, RGB, RGBA
    uint16, the same shapes                                 the same, value / 257 rounded to the nearest code

Of 16-bit colour files Pillow keeps the high bytes only: read them with another library, and encode the array. An
Exif orientation is applied. What becomes of profiles and other metadata: `metadata.py`.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from inrcodec import files
from inrcodec.errors import InputImageError, InrError, LimitError
from inrcodec.metadata import NO_METADATA, Metadata, profile_of
from inrcodec.pixels import MAX_PIXELS, MAX_SIDE


@dataclass(frozen=True)
class Source:
    """A picture as it is to be encoded."""

    codes: NDArray[np.uint8]
    """(H, W, C), C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
    metadata: Metadata = NO_METADATA
    """What its file says beside the pixels."""


ImageLike = NDArray[np.uint8] | NDArray[np.uint16] | Image.Image | str | os.PathLike[str] | Source
"""What `encode` takes: an array, a PIL image, the path of a picture file, or what `load` made of one."""

MAX_FILE_BYTES = 1 << 30
"""Longest picture file to read."""

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF", "JPEG2000", "AVIF", "TGA", "QOI")
"""Pillow's readers that are tried. Others run foreign programs or parse long-dead formats: a risk without a use."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".gif", ".jp2",
            ".j2k", ".avif", ".tga", ".qoi")  # fmt: skip
"""Of files of these formats: what is taken from a folder."""


def load(image: ImageLike) -> Source:
    """Any accepted picture; of a file ("-" is standard input) the first frame.

    Raises InputImageError where it cannot be read, LimitError where it is over `pixels.MAX_PIXELS`.
    """
    if isinstance(image, Source):
        return image
    if isinstance(image, str | os.PathLike):
        return _from_file(os.fspath(image))
    if isinstance(image, Image.Image):
        with _refusals(""):  # a PIL image reads its file when its pixels are asked for
            return _from_pil(image)
    return Source(_from_array(np.asarray(image)))


def to_array(image: ImageLike) -> NDArray[np.uint8]:
    """The pixels of `load` alone, (H, W, C) uint8; a copy."""
    return load(image).codes


def _from_array(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    if image.dtype not in (np.uint8, np.uint16):
        raise InputImageError(f"the array has dtype {image.dtype}, uint8 or uint16 expected")
    shaped = image[..., None] if image.ndim == 2 else image
    if shaped.ndim != 3 or shaped.shape[2] not in (1, 2, 3, 4) or not shaped.size:
        raise InputImageError(f"the array has shape {image.shape}, (H, W) or (H, W, C) with C = 1 .. 4 expected")
    _check_pixels(shaped.shape[1], shaped.shape[0])
    return np.array(shaped, np.uint8) if image.dtype == np.uint8 else _to_8_bits(shaped)


def _to_8_bits(codes: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.rint(codes.astype(np.float64) / 257).astype(np.uint8)


def _from_pil(image: Image.Image) -> Source:
    _check_pixels(*image.size)
    if 0 in image.size:
        raise InputImageError(f"the picture is {image.width}x{image.height}")
    upright = _upright(image)
    codes = _codes(upright)
    return Source(codes, _metadata(upright.info, codes.shape[2]))


def _codes(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, C) of a loaded image of any mode."""
    if image.mode.startswith("I;16"):
        return _to_8_bits(np.asarray(image)[..., None])
    if image.mode in ("I", "F"):
        raise InputImageError(f"pictures of mode {image.mode} have no known range: convert to 8 bits first")
    grey = image.mode in ("1", "L", "LA", "La")
    mode = ("LA" if grey else "RGBA") if image.has_transparency_data else ("L" if grey else "RGB")
    converted = np.asarray(image.convert(mode), np.uint8)
    return np.array(converted.reshape(image.height, image.width, -1))


def _upright(image: Image.Image) -> Image.Image:
    """The image, loaded, turned as its Exif block says; a damaged block says nothing of the pixels."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception:  # Pillow's reader of Exif raises anything on foreign bytes
        return image


_EXIF_PREFIX = b"Exif\0\0"
_XMP_KEYS = ("xmp", "XML:com.adobe.xmp")


def _metadata(info: dict[str | tuple[int, int], object], channels: int) -> Metadata:
    """What Pillow has found beside the pixels, as opaque bytes."""
    icc, exif = (_as_bytes(info.get(key)) for key in ("icc_profile", "exif"))
    xmp = next((found for key in _XMP_KEYS if (found := _as_bytes(info.get(key)))), b"")
    return Metadata(profile_of(icc, channels), exif.removeprefix(_EXIF_PREFIX), xmp)


def _as_bytes(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""


def _check_pixels(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise LimitError(f"the picture is {width}x{height}, over {MAX_SIDE} pixels on a side: cut it in parts")
    if width * height > MAX_PIXELS:
        raise LimitError(
            f"the picture is {width}x{height}, over {MAX_PIXELS} pixels: make it smaller or cut it in parts"
        )


def _from_file(name: str) -> Source:
    return load_bytes(files.read_bounded(name, MAX_FILE_BYTES), name)


def load_bytes(data: bytes, name: str) -> Source:
    """The first frame of a picture file's bytes; errors as of `load`, with the file's name."""
    with _refusals(f"{name}: "), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes, which are checked here, and of damaged metadata
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
