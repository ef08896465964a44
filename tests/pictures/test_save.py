"""Decoded pixels as files: what is written is read back, by readers that are not ours where there are any."""

import io
import itertools
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from inrcodec.errors import RequestError
from inrcodec.format.metadata import Metadata
from inrcodec.pictures import save
from inrcodec.pictures.load import to_array
from tests.support.pictures import waves


@pytest.mark.parametrize("kind", [kind for kind in save.SUFFIXES.values() if kind != "NPY"])
def test_every_format_to_write_is_a_format_to_read(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a").write_bytes(save.to_file(waves(8, 9), kind))
    assert to_array(tmp_path / "a").shape == (8, 9, 3)


@pytest.mark.parametrize(
    ("kind", "channels"), [*itertools.product(["PNG", "TIFF"], [1, 2, 3, 4]), ("WEBP", 3), ("WEBP", 4)]
)
def test_reading_inverts_to_file(tmp_path: Path, kind: str, channels: int) -> None:
    image = waves(6, 5, channels)
    (tmp_path / "a").write_bytes(save.to_file(image[..., 0] if channels == 1 else image, kind))
    np.testing.assert_array_equal(to_array(str(tmp_path / "a")), image)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("kind", ["JPEG", "PPM", "BMP"])
def test_transparency_is_never_dropped_silently(kind: str, channels: int) -> None:
    with pytest.raises(RequestError, match=f"{kind} cannot hold transparency"):
        save.to_file(waves(2, 2, channels), kind)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP"])
def test_16_bits_are_never_cut_silently(kind: str) -> None:
    with pytest.raises(RequestError, match=f"{kind} cannot hold 16 bits: write one of PNG, TIFF, PPM, NPY"):
        save.to_file(deep(3), kind)


def deep(channels: int) -> NDArray[np.uint16]:
    """A picture (7, 5, C) of 16 bits."""
    return np.random.default_rng(0).integers(0, 65536, (7, 5, channels), np.uint16)


def read_png(data: bytes) -> NDArray[np.uint16]:
    """A 16-bit PNG whose rows all have filter 0 or 2, as the specification has it."""
    at, chunks = 8, {}
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        assert zlib.crc32(data[at + 4 : at + 8 + length]) == struct.unpack(">I", data[at + 8 + length :][:4])[0]
        chunks[kind] = data[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, depth, colour = struct.unpack(">2I2B", chunks[b"IHDR"][:10])
    assert depth == 16
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 2).all()
    samples = np.cumsum(rows[:, 1:], 0, dtype=np.uint8)
    return samples.view(">u2").reshape(height, width, {0: 1, 4: 2, 2: 3, 6: 4}[colour]).astype(np.uint16)


def read_ppm(data: bytes) -> NDArray[np.uint16]:
    kind, size, most, samples = data.split(b"\n", 3)
    width, height = map(int, size.split())
    assert most == b"65535"
    return np.frombuffer(samples, ">u2").reshape(height, width, {b"P5": 1, b"P6": 3}[kind]).astype(np.uint16)


def read_tiff(data: bytes) -> NDArray[np.uint16]:
    read = tifffile.imread(io.BytesIO(data))
    return read if read.ndim == 3 else read[..., None]


def read_npy(data: bytes) -> NDArray[np.uint16]:
    read = np.load(io.BytesIO(data), allow_pickle=False)
    return read if read.ndim == 3 else read[..., None]


DEEP = {"PNG": read_png, "PPM": read_ppm, "TIFF": read_tiff, "NPY": read_npy}


@pytest.mark.parametrize(
    ("kind", "channels"),
    [*itertools.product(["PNG", "TIFF", "NPY"], [1, 2, 3, 4]), ("PPM", 1), ("PPM", 3)],
)
def test_16_bits_are_written_whole(kind: str, channels: int) -> None:
    image = deep(channels)
    data = save.to_file(image[..., 0] if channels == 1 else image, kind)
    np.testing.assert_array_equal(DEEP[kind](data), image)
    if kind != "NPY" and channels != 2:
        with Image.open(io.BytesIO(data)) as opened:  # Pillow's own reading, which keeps the high bytes of colour
            codes = np.asarray(opened.convert("RGBA") if channels > 2 else opened).reshape(7, 5, -1)
        expected = image if channels == 1 else image >> 8
        assert np.abs(codes[..., : min(channels, 3)].astype(int) - expected[..., :3]).max() <= 1


BLOCKS = Metadata(icc=b"profile" * 30, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0", xmp=b"<x:xmpmeta/>")


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_metadata_goes_with_the_picture(kind: str, depth: int) -> None:
    if depth == 16 and kind not in DEEP:
        pytest.skip("has no 16 bits")
    data = save.to_file(waves(8, 9) if depth == 8 else deep(3), kind, BLOCKS)
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        info = image.info
    assert info["icc_profile"] == BLOCKS.icc
    xmp = info.get("xmp") or info["XML:com.adobe.xmp"]
    assert (xmp.encode() if isinstance(xmp, str) else xmp) == BLOCKS.xmp
    if kind != "TIFF":
        assert info["exif"].removeprefix(b"Exif\0\0") == BLOCKS.exif


@pytest.mark.parametrize("kind", ["BMP", "PPM", "NPY"])
def test_a_kind_without_room_for_metadata_is_written_without(kind: str) -> None:
    assert save.to_file(waves(8, 9), kind, BLOCKS) == save.to_file(waves(8, 9), kind)
