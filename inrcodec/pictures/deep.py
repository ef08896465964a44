"""Samples of more than 8 bits, whole, of files of which Pillow gives the high bytes only, or which it cannot open.

    PNG     16 bits: grey and alpha, RGB, RGBA, colours that are transparent
    TIFF    9 to 16 bits: grey, grey and alpha, RGB, RGBA
    PPM     more than 8 bits: grey, RGB
    NPY     uint8, uint16

Of PNG and TIFF Pillow's decoders make the pixels twice: once as it does, which gives the high bytes, and once with the
bytes of each sample exchanged, which gives the low ones.
"""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from inrcodec.pixels import check_size

NPY_MAGIC = b"\x93NUMPY"
_SWAPPED = {"L": "B", "B": "L", "N": "B" if np.little_endian else "L"}
"""Bytes of a sample as Pillow names them: little-endian, big-endian, of this machine."""


@dataclass(frozen=True)
class Deep:
    """Samples of a picture."""

    samples: NDArray[np.unsignedinteger[Any]]
    """(H, W, C) of 16 bits."""
    white: int
    """The sample that is white, or opaque."""


Reopen = Callable[[], Image.Image]
"""Opens the same frame of the same file once more."""


def read(image: Image.Image, reopen: Reopen | None = None, data: bytes = b"") -> Deep | None:
    """The samples of an opened image that has more than 8 bits; None where it has not, or they cannot be had.

    To be asked before the pixels are loaded, with `reopen` or `data` where there is a file; loads them, but of PPM,
    whose decoder in Pillow is slow.
    """
    tile = getattr(image, "tile", [])
    if image.format == "PPM" and data and tile and tile[0].codec_name != "ppm_plain" and _pnm_white(image) > 255:
        return _pnm(image, data)
    if reopen is not None and tile and (rawmode := _rawmode(image)) in ("LA;16B", *_COLOURS):
        return _grey_alpha(image) if rawmode == "LA;16B" else _colour(image, reopen, rawmode)
    return _grey(image)


def is_cut(image: Any) -> bool:
    """Whether an opened image, whose pixels are not loaded yet, has more than 8 bits in its file."""
    tiles = getattr(image, "tile", ())
    return any(";16" in str(tile.args) for tile in tiles) or (
        image.format == "PPM" and bool(tiles) and _pnm_white(image) > 255
    )


_COLOURS = tuple(f"{mode};16{order}" for mode in ("RGB", "RGBA") for order in "LBN")


def _rawmode(image: Any) -> str:
    """How a decoder of Pillow lays out the samples, where it does so for all tiles alike."""
    found = {tile.args if isinstance(tile.args, str) else tile.args[0] for tile in image.tile}
    return str(found.pop()) if len(found) == 1 and image.format in ("PNG", "TIFF") else ""


def _as(image: Any, rawmode: str) -> NDArray[np.uint8]:
    """The pixels as another raw mode has them."""
    image.tile = [
        tile._replace(args=rawmode if isinstance(tile.args, str) else (rawmode, *tile.args[1:])) for tile in image.tile
    ]
    image.load()
    return np.asarray(image)


def _grey_alpha(image: Image.Image) -> Deep:
    """Four bytes a pixel, which are as many as RGBA has."""
    return Deep(_as(image, "RGBA").view(">u2"), 65535)


def _colour(image: Image.Image, reopen: Reopen, rawmode: str) -> Deep:
    low = _as(reopen(), rawmode[:-1] + _SWAPPED[rawmode[-1]])
    samples = _as(image, rawmode).astype(np.uint16) << 8 | low
    return Deep(_with_transparent(samples, image.info.get("transparency"), 65535), 65535)


def _grey(image: Image.Image) -> Deep | None:
    """Grey as Pillow has it, or None where the image is of no mode of 16 bits."""
    if image.mode == "I" and image.format == "PPM":  # which Pillow scales
        image.load()
        return Deep(np.asarray(image)[..., None].astype(np.uint16), 65535)
    if not image.mode.startswith("I;16"):
        return None
    tags = getattr(image, "tag_v2", {})
    bits, zero_is_white = tags.get(258, (16,))[0], tags.get(262, 1) == 0
    image.load()
    white = (1 << min(16, max(1, bits))) - 1
    samples = np.minimum(np.asarray(image)[..., None], white)
    samples = white - samples if zero_is_white else samples
    return Deep(_with_transparent(samples, image.info.get("transparency"), white), white)


def _with_transparent(samples: NDArray[Any], transparent: object, white: int) -> NDArray[Any]:
    """Samples with alpha where a sample, or one for each channel, is named that is transparent."""
    named = np.asarray(transparent) if isinstance(transparent, int | tuple) else np.empty(0)
    if named.size != samples.shape[2]:
        return samples
    shown = (samples != named).any(2, keepdims=True)
    return np.concatenate([samples, shown * samples.dtype.type(white)], 2)


def _pnm_white(image: Any) -> int:
    """The maxval of an opened PGM or PPM, where it is not 255; of others 0."""
    args = image.tile[0].args
    if isinstance(args, tuple):
        return int(args[1])
    return 65535 if args == "I;16B" else 0


def _pnm(image: Any, data: bytes) -> Deep:
    """netpbm's binary formats: big-endian, row by row."""
    channels, white = 3 if image.mode == "RGB" else 1, _pnm_white(image)
    shape = (image.height, image.width, channels)
    samples = np.frombuffer(data, ">u2", int(np.prod(shape)), image.tile[0].offset).reshape(shape)
    return Deep(np.minimum(samples, white), white)


def npy(data: bytes) -> NDArray[Any]:
    """The array in the bytes of an .npy file of version 1 or 2, not copied. Raises ValueError where it is not whole."""
    major, _ = np.lib.format.read_magic(stream := io.BytesIO(data))
    readers = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    if major not in readers:
        raise ValueError(f"version {major} of npy")
    shape, columns_first, dtype = readers[major](stream)
    if dtype.hasobject or len(shape) > 3 or min(shape, default=0) < 0:
        raise ValueError(f"an array of {dtype}, {len(shape)} dimensions")
    count, start = int(np.prod(shape, dtype=object)), stream.tell()
    if count * dtype.itemsize != len(data) - start:
        raise ValueError("not as long as its header says")
    return np.frombuffer(data, dtype, count, start).reshape(shape, order="F" if columns_first else "C")


TIFF_MAGICS = (b"II*\0", b"MM\0*")
_DEFLATE = (8, 32946)
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _ORIENTATION, _CHANNELS, _ROWS, _COUNTS = (
    256, 257, 258, 259, 262, 273, 274, 277, 278, 279)  # fmt: skip
_PLANES, _PREDICTOR, _EXTRA, _SAMPLE_FORMAT, _XMP, _PROFILE = 284, 317, 338, 339, 700, 34675
_KINDS = {(0, 1): (), (1, 1): (), (0, 2): (0, 2), (1, 2): (0, 2), (2, 3): (), (2, 4): (0, 2)}
"""Photometric interpretation (white is zero, black is zero, RGB) and channels: what the extra one may be."""
_MOST_PAGES = 9999
_BLOCK = 64
"""Rows whose bits are held at once."""


def tiff(data: bytes, frame: int = 0) -> tuple[Deep, dict[str, Any], object]:
    """A TIFF that Pillow does not know: 9 to 16 bits of grey or RGB, maybe with alpha, in strips, plain or by deflate.

    Also what Pillow would have as `info`, and the orientation (TIFF 6.0). Raises anything where it is of another kind.
    """
    stream = io.BytesIO(data)
    tags = TiffImagePlugin.ImageFileDirectory_v2(stream.read(8))
    stream.seek(tiff_pages(data)[frame])
    tags.load(stream)
    bits, white = _bits_of_tiff(tags), (1 << tags[_BITS][0]) - 1
    check_size(tags[_WIDTH], tags[_HEIGHT])
    samples = _unpacked(_rows_of_tiff(tags, data, bits), tags, bits, ">" if data[:2] == b"MM" else "<")
    if tags[_PHOTOMETRIC] == 0:
        samples[..., 0] = white - samples[..., 0]
    info = {name: tags[code] for code, name in ((_PROFILE, "icc_profile"), (_XMP, "xmp")) if code in tags}
    return Deep(samples, white), info, tags.get(_ORIENTATION, 1)


def tiff_pages(data: bytes) -> list[int]:
    """Where the directories of a TIFF begin, each once; those after a damaged one are left out."""
    found: list[int] = []
    order, at = ">" if data[:2] == b"MM" else "<", 4
    while at + 4 <= len(data):
        (after,) = struct.unpack_from(f"{order}I", data, at)
        if not 8 <= after <= len(data) - 2 or after in found or len(found) == _MOST_PAGES:
            break
        found.append(after)
        at = after + 2 + 12 * int(struct.unpack_from(f"{order}H", data, after)[0])
    return found


def _bits_of_tiff(tags: Any) -> int:
    """Bits of a sample. Raises ValueError for a kind of TIFF that is not read here."""
    bits, channels = tags[_BITS], tags.get(_CHANNELS, 1)
    extra = _KINDS.get((tags[_PHOTOMETRIC], channels))
    if len(set(bits)) > 1 or not 9 <= bits[0] <= 16 or extra is None or tags.get(_PLANES, 1) != 1:
        raise ValueError("a TIFF of an unknown kind")
    if any(kind not in extra for kind in tags.get(_EXTRA, ())) or set(tags.get(_SAMPLE_FORMAT, (1,))) != {1}:
        raise ValueError("a TIFF of an unknown kind")
    if tags.get(_COMPRESSION, 1) not in (1, *_DEFLATE) or tags.get(_PREDICTOR, 1) not in (
        (1, 2) if bits[0] == 16 else (1,)
    ):
        raise ValueError("a TIFF of an unknown compression")
    return int(bits[0])


def _rows_of_tiff(tags: Any, data: bytes, bits: int) -> NDArray[np.uint8]:
    """(H, bytes of a row), never more than the picture has."""
    length, height = -(-tags[_WIDTH] * tags.get(_CHANNELS, 1) * bits // 8), tags[_HEIGHT]
    most = length * min(tags.get(_ROWS, height), height)
    strips = (data[at : at + count] for at, count in zip(tags[_OFFSETS], tags[_COUNTS], strict=True))
    if tags.get(_COMPRESSION, 1) in _DEFLATE:
        strips = (zlib.decompressobj().decompress(strip, most) for strip in strips)
    whole = bytearray()
    for strip in strips:
        whole += strip[: length * height - len(whole)]
    return np.frombuffer(whole, np.uint8, length * height).reshape(height, length)


def _unpacked(rows: NDArray[np.uint8], tags: Any, bits: int, order: str) -> NDArray[np.uint16]:
    """(H, W, C) of rows whose samples lie bit by bit, the highest first; of 16 bits in the order of the file."""
    height, channels = len(rows), tags.get(_CHANNELS, 1)
    count = tags[_WIDTH] * channels
    samples = np.empty((height, count), np.uint16)
    if bits == 16:
        samples[:] = rows.view(f"{order}u2")
    else:
        weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint16)
        for top in range(0, height, _BLOCK):
            block = np.unpackbits(rows[top : top + _BLOCK], axis=1, count=count * bits)
            samples[top : top + _BLOCK] = block.reshape(-1, count, bits) @ weights
    samples = samples.reshape(height, -1, channels)
    return np.cumsum(samples, 1, dtype=np.uint16) if tags.get(_PREDICTOR, 1) == 2 else samples
