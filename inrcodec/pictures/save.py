"""Decoded pixels as files of other formats, with the metadata that each can hold.

    kind    bits    channels                              metadata
    PNG     8, 16   grey, grey and alpha, RGB, RGBA       profile, Exif, XMP
    TIFF    8, 16   the same                              profile, XMP
    WEBP    8       the same, losslessly                  profile, Exif, XMP
    JPEG    8       grey, RGB                             profile, Exif, XMP
    PPM     8, 16   grey, RGB
    BMP     8       grey, RGB
    NPY     8, 16   the array as it is

Pillow writes 8 bits, tifffile all of TIFF, and 16 bits of PNG and PPM, which neither has for colour, are written here.
"""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from inrcodec.errors import RequestError
from inrcodec.format.metadata import NO_METADATA, Metadata
from inrcodec.format.orientation import EXIF_PREFIX
from inrcodec.pixels import Codes

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF",
            ".bmp": "BMP", ".ppm": "PPM", ".pgm": "PPM", ".npy": "NPY"}  # fmt: skip
"""The kinds, by the suffixes of files."""

_NO_ALPHA = ("JPEG", "PPM", "BMP")
_OPTIONS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}
_XMP_KEY = "XML:com.adobe.xmp"


def kind_of(name: str, cure: str = "") -> str:
    """The kind of picture that a file's suffix asks for; raises RequestError, with another `cure`, where it is none."""
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise RequestError(f"{name}: unknown kind of picture: use one of {' '.join(SUFFIXES)}{cure}")
    return SUFFIXES[suffix]


def to_file(image: Codes, kind: str, metadata: Metadata = NO_METADATA) -> bytes:
    """A picture (H, W) or (H, W, C), C = 2 .. 4, uint8 or uint16, as a file of one of the kinds, at its best quality.

    Raises RequestError for a kind that cannot hold its channels or its 16 bits.
    """
    if kind in _NO_ALPHA and image.ndim == 3 and image.shape[2] in (2, 4):
        raise RequestError(f"{kind} cannot hold transparency: write a .png")
    if kind == "NPY":
        return _npy(image)
    if kind == "TIFF":
        return _tiff(image, metadata)
    if image.dtype == np.uint8:
        return _by_pillow(image, kind, metadata)
    if kind not in _DEEP:
        raise RequestError(f"{kind} cannot hold 16 bits: write one of PNG, TIFF, PPM, NPY")
    return _DEEP[kind](image if image.ndim == 3 else image[..., None], metadata)


def _npy(image: Codes) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, image, allow_pickle=False)
    return buffer.getvalue()


def _by_pillow(image: Codes, kind: str, metadata: Metadata) -> bytes:
    options: dict[str, Any] = {**_OPTIONS.get(kind, {})}
    if kind in ("PNG", "JPEG", "WEBP"):
        exif = EXIF_PREFIX + metadata.exif if metadata.exif and kind == "JPEG" else metadata.exif
        blocks = {"icc_profile": metadata.icc, "exif": exif, "xmp": metadata.xmp}
        options |= {name: block for name, block in blocks.items() if block}
    if kind == "PNG" and metadata.xmp:
        del options["xmp"]
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt(_XMP_KEY, metadata.xmp.decode("utf-8", "replace"))
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def _tiff(image: Codes, metadata: Metadata) -> bytes:
    import tifffile

    channels = image.shape[2] if image.ndim == 3 else 1
    tags = [(code, 7, len(block), block, True) for code, block in ((34675, metadata.icc), (700, metadata.xmp)) if block]
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        image,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        extratags=tags,
        metadata=None,
    )
    return buffer.getvalue()


def _deep_png(image: Codes, metadata: Metadata) -> bytes:
    """PNG 3rd edition: every row with filter 2, the difference from the row above, byte by byte."""
    height, width, channels = image.shape
    rows = np.frombuffer(image.astype(">u2").tobytes(), np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2
    filtered[:, 1:] = np.diff(rows, axis=0, prepend=np.zeros((1, rows.shape[1]), np.uint8))
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    chunks = [b"IHDR" + struct.pack(">2I5B", width, height, 16, colour_type, 0, 0, 0)]
    if metadata.icc:
        chunks.append(b"iCCP" + b"profile\0\0" + zlib.compress(metadata.icc))
    if metadata.exif:
        chunks.append(b"eXIf" + metadata.exif)
    if metadata.xmp:
        chunks.append(b"iTXt" + _XMP_KEY.encode() + bytes(5) + metadata.xmp)
    chunks += [b"IDAT" + zlib.compress(filtered.tobytes()), b"IEND"]
    framed = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def _deep_ppm(image: Codes, metadata: Metadata) -> bytes:
    height, width, channels = image.shape
    return b"P%d\n%d %d\n65535\n" % (5 if channels == 1 else 6, width, height) + image.astype(">u2").tobytes()


_DEEP: dict[str, Callable[[Codes, Metadata], bytes]] = {"PNG": _deep_png, "PPM": _deep_ppm}
"""Writers of 16 bits: (H, W, C) uint16."""
