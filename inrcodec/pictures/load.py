"""Pictures from outside as uint8 arrays: PIL images, arrays and files, checked before their pixels are loaded.

What each kind becomes, in line with what its pixels can hold:

    PIL mode                                                becomes
    1, L                                                    grey
    LA, La, L with a transparent grey                       grey and alpha
    RGB, P, CMYK, YCbCr, HSV, LAB                           RGB
    RGBA, PA, RGBa, any other with transparency             RGBA
    I;16 (16-bit grey), with a transparent grey             grey, grey and alpha
    I, F (32-bit)                                           refused: their range is unknown

    file                                                    becomes
    more than 8 bits: PNG, TIFF, PPM, see `deep.py`         the same channels
    .npy                                                    as an array

    array                                                   becomes
    uint8 (H, W) or (H, W, C), C = 1 .. 4                   grey, grey and alpha, RGB, RGBA
    uint16, the same shapes                                 the same

Samples of more than 8 bits become the nearest code of 8. What is white is what the file states: 4095 where that says 12
bits, a PGM's maxval, else 65535. An Exif orientation is applied. What becomes of profiles and other metadata:
`metadata.py`. What a user should know of all this, and would not see in the result, is in `Source.notes`.
"""

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from inrcodec import files
from inrcodec.errors import InputImageError, InrError, LimitError, RequestError, check_type, check_types
from inrcodec.format import icc
from inrcodec.format.container import MAGIC
from inrcodec.format.metadata import NO_METADATA, Metadata, profile_of
from inrcodec.format.orientation import TAG, turned
from inrcodec.pictures import deep
from inrcodec.pixels import MAX_PIXELS, check_size


@dataclass(frozen=True)
class Source:
    """A picture as it is to be encoded."""

    codes: NDArray[np.uint8]
    """(H, W, C), C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
    metadata: Metadata = NO_METADATA
    """What its file says beside the pixels."""
    notes: tuple[str, ...] = ()
    """What was left out of it, each in a sentence that names the file, if it is of one."""


ImageLike = NDArray[np.uint8] | NDArray[np.uint16] | Image.Image | str | os.PathLike[str] | Source
"""What `encode` takes: an array, a PIL image, the path of a picture file, or what `load` made of one."""

MAX_FILE_BYTES = 1 << 30
"""Longest picture file to read."""

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF", "JPEG2000", "AVIF", "TGA", "QOI")
"""Pillow's readers that are tried. Others run foreign programs or parse long-dead formats: a risk without a use."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".gif", ".jp2",
            ".j2k", ".avif", ".tga", ".qoi", ".npy")  # fmt: skip
"""Suffixes of files that are taken from a folder."""


def load(image: ImageLike, frame: int | None = None) -> Source:
    """Any accepted picture; of a file ("-" is standard input) with several, the frame of this number, from 0 on.

    Raises InputImageError where it cannot be read, LimitError where it is over `pixels.MAX_PIXELS`, RequestError where
    there is no such frame, or what is given is no picture at all. Pillow's warnings go where the caller's filters send
    them.
    """
    check_type("frame", frame, int | None)
    if isinstance(image, str | os.PathLike):
        name = os.fspath(image)
        return load_bytes(files.read_bounded(name, MAX_FILE_BYTES), name, frame)
    if frame is not None:
        raise RequestError(f"frame: {frame} of what is no file: seek in a PIL image, index an array")
    if isinstance(image, Source):
        return _checked(image)
    if isinstance(image, Image.Image):
        with _refusals(""):  # a PIL image reads its file when its pixels are asked for
            return _from_pil(image)
    return _from_array(_as_array(image))


def to_array(image: ImageLike) -> NDArray[np.uint8]:
    """The pixels of `load` alone, (H, W, C) uint8; a copy."""
    return load(image).codes


def load_bytes(data: bytes, name: str, frame: int | None = None) -> Source:
    """A picture file's bytes; arguments and errors as of `load`, with the file's name."""
    with _refusals(f"{name}: "):
        if data.startswith(MAGIC):
            raise InputImageError("is an .inr file already: decode it to have a picture")
        source = _from_array(deep.npy(data)) if data.startswith(deep.NPY_MAGIC) else _from_file(data, frame)
    return replace(source, notes=tuple(f"{name}: {note}" for note in source.notes))


def _as_array(image: object) -> NDArray[Any]:
    try:
        return np.asarray(image)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; tensors of a GPU, with a gradient, bfloat16
        raise RequestError(f"the picture: a {type(image).__name__} that is no array ({_short(error)})") from error


def _checked(source: Source) -> Source:
    """A source as `load` makes them, whoever made it."""
    check_types(source, "source: ")
    if source.codes.dtype != np.uint8 or source.codes.ndim != 3:
        raise InputImageError(f"source: {source.codes.dtype} of shape {source.codes.shape}, uint8 (H, W, C) expected")
    _shaped(source.codes)
    return source


def _shaped(image: NDArray[Any]) -> NDArray[Any]:
    """An array of codes as (H, W, C). Raises InputImageError or LimitError where it is none."""
    if image.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise InputImageError(f"the array has dtype {image.dtype}, uint8 or uint16 expected")
    shaped = image[..., None] if image.ndim == 2 else image
    if shaped.ndim != 3 or shaped.shape[2] not in (1, 2, 3, 4) or not shaped.size:
        raise InputImageError(f"the array has shape {image.shape}, (H, W) or (H, W, C) with C = 1 .. 4 expected")
    check_size(shaped.shape[1], shaped.shape[0])
    return shaped


def _from_array(image: NDArray[Any]) -> Source:
    shaped = _shaped(image)
    if image.dtype == np.uint8:
        return Source(np.array(shaped, np.uint8, order="C"))
    return _from_deep(deep.Deep(shaped, 65535), {}, 1)


_MORE_BITS = "samples of more than 8 bits are rounded to 8"


def _from_deep(found: deep.Deep, info: Mapping[Any, object], orientation: object) -> Source:
    codes = np.rint(np.arange(found.white + 1) * (255 / found.white)).astype(np.uint8)[found.samples]
    brightest = found.samples[..., : {2: 1, 4: 3}.get(codes.shape[2])].max()
    dark = f"no sample is over {brightest} of {found.white}: codes of fewer bits are to be multiplied first"
    notes = (_MORE_BITS, dark) if found.white == 65535 and 0 < brightest < 4096 else (_MORE_BITS,)
    return _source(codes, info, orientation, notes)


def _source(
    codes: NDArray[np.uint8], info: Mapping[Any, object], orientation: object, notes: tuple[str, ...]
) -> Source:
    """The picture upright, with what is to be kept of Pillow's `info`."""
    metadata, more = _metadata(info, codes.shape[2])
    return Source(np.array(turned(codes, orientation), np.uint8, order="C"), metadata, (*notes, *more))


def _from_file(data: bytes, frame: int | None) -> Source:
    try:
        image = _opened(data, frame)
    except UnidentifiedImageError:
        if not data.startswith(deep.TIFF_MAGICS):
            raise
        count = len(deep.tiff_pages(data))
        _check_frame(frame, count)
        source = _from_deep(*deep.tiff(data, frame or 0))
    else:
        with image:
            count, source = _frames(image), _from_pil(image, data, frame)
    if count > 1 and frame is None:
        first = f"the first of {count} frames is taken: the option `frame` takes another, from 0 on"
        source = replace(source, notes=(first, *source.notes))
    return source


def _opened(data: bytes, frame: int | None) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if frame is not None:
        _check_frame(frame, _frames(image))
    if frame:
        check_size(*image.size)
        image.seek(frame)
    return image


def _check_frame(frame: int | None, count: int) -> None:
    if frame is not None and not 0 <= frame < count:
        raise RequestError(f"frame {frame}: there are {count}, 0 .. {count - 1}")


def _frames(image: Image.Image) -> int:
    """How many there are; 1 where those after the first are damaged."""
    try:
        return int(getattr(image, "n_frames", 1))
    except MemoryError:
        raise
    except Exception:  # Pillow's readers raise anything
        return 1


def _from_pil(image: Image.Image, data: bytes = b"", frame: int | None = None) -> Source:
    """`data` are the bytes of the image's file, where these are known, of which it is this frame."""
    check_size(*image.size)
    if 0 in image.size:
        raise InputImageError(f"the picture is {image.width}x{image.height}")
    cut = deep.is_cut(image)
    again = data and (image.format == "TIFF" or not getattr(image, "is_animated", False))
    found = deep.read(image, (lambda: _opened(data, frame)) if again else None, data)
    if found is not None:
        return _from_deep(found, image.info, _orientation(image))
    image.load()
    return _source(_codes(image), image.info, _orientation(image), (_MORE_BITS,) if cut else ())


def _codes(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, C) of a loaded image of any mode of 8 bits."""
    if image.mode in ("I", "F"):
        raise InputImageError(f"pictures of mode {image.mode} have no known range: convert to 8 bits first")
    grey = image.mode in ("1", "L", "LA", "La")
    mode = ("LA" if grey else "RGBA") if image.has_transparency_data else ("L" if grey else "RGB")
    converted = np.asarray(image.convert(mode), np.uint8)
    return converted.reshape(image.height, image.width, -1)


def _orientation(image: Image.Image) -> object:
    """The orientation of an image whose pixels are read, by its Exif block or its XMP; a damaged block says nothing."""
    try:
        return image.getexif().get(TAG, 1)
    except MemoryError:
        raise
    except Exception:  # Pillow's reader of Exif raises anything on foreign bytes
        return 1


XMP_KEYS = ("xmp", "XML:com.adobe.xmp")
"""Keys of `info` under which Pillow's readers leave an XMP packet."""


def _metadata(info: Mapping[Any, object], channels: int) -> tuple[Metadata, tuple[str, ...]]:
    """What Pillow has found beside the pixels, as opaque bytes; and notes."""
    icc_profile, exif = (_as_bytes(info.get(key)) for key in ("icc_profile", "exif"))
    xmp = next((found for key in XMP_KEYS if (found := _as_bytes(info.get(key)))), b"")
    notes: tuple[str, ...] = ()
    if not icc_profile:
        icc_profile, notes = _profile_of_png(info, channels)
    return Metadata(profile_of(icc_profile, channels), exif, xmp), notes


def _profile_of_png(info: Mapping[Any, object], channels: int) -> tuple[bytes, tuple[str, ...]]:
    """What a PNG without a profile says of its colours, as a profile, if it says anything but sRGB; and notes."""
    gamma, chromaticity = info.get("gamma", icc.SRGB_GAMMA), info.get("chromaticity", icc.SRGB_CHROMATICITY)
    if "srgb" in info or not isinstance(gamma, float) or not isinstance(chromaticity, tuple):
        return b"", ()
    if icc.says_srgb(gamma, icc.SRGB_CHROMATICITY if channels < 3 else chromaticity):
        return b"", ()
    try:
        return icc.made_profile(gamma, chromaticity, grey=channels < 3), ()
    except ValueError as error:
        return b"", (f"its gAMA and cHRM chunks make no sense ({error}): taken for sRGB",)


def _as_bytes(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""


@contextlib.contextmanager
def _refusals(prefix: str) -> Iterator[None]:
    """Whatever goes wrong inside, as an error of ours whose text begins with `prefix`."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise LimitError(f"{prefix}the picture is over {MAX_PIXELS} pixels") from error
    except InrError as error:
        raise type(error)(f"{prefix}{error}") from error
    except MemoryError:  # says nothing of the file
        raise
    except Exception as error:  # Pillow's readers raise anything from SyntaxError to struct.error on foreign bytes
        raise InputImageError(f"{prefix}not a readable picture ({_short(error)})") from error


def _short(error: Exception) -> str:
    """An exception's text, cut, and free of the address that Pillow puts into it."""
    text = str(error).split(" <_io")[0] or type(error).__name__
    return text[:120]
