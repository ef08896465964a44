r"""The .inr bitstream, version 1, frozen. This docstring is the specification; a decoder can be written from it.

Every file of version 1 stays readable for ever. What comes later comes as sections (see Policy), not as a new version.

Notation: u8 is a byte; varint is canonical LEB128, an unsigned integer in 7-bit groups, lowest group first, bit 7 of a
byte set where another follows, the last byte not 0 unless it is the only one, at most 5 bytes. Multi-byte integers are
little-endian. There are no floats in a file.

    part           field
    fixed          4 bytes  magic 89 49 4E 52 ("\x89INR"; the high bit catches 7-bit links, as PNG's does)
                   u8       version = 1
                   u8       flags: bit 0 F32_SAFE; bits 1 .. 7 reserved, 0
                   varint   total_length: bytes of the whole file, CRC included, written so that the file is the
                            shortest: never 2^7, 2^14, 2^21 or 2^28, where one byte less of it makes one less in all
    picture        varint   height, native pixels, 1 .. 2^31 - 1
                   varint   width, likewise
                   u8       pixel: bits 0 .. 1 channels - 1: grey, grey and alpha, RGB, RGBA
                                   bits 2 .. 3 sample depth: 0 is 8 bits; 1 .. 3 reserved
                                   bits 4 .. 6 colour: 0 is sRGB, or its grey; 1 .. 7 reserved
                                   bit 7 reserved, 0
    sections       u8       id, not 0; ids strictly ascend
                   varint   length of the payload in bytes
                   ...      payload
    end            u32      CRC-32 (polynomial of zlib and PNG) of all bytes before it

    id of a section        bit 7: 0 critical, a decoder that does not know it must refuse the file;
                                  1 ancillary, a decoder that does not know it ignores it
                           bit 6: 1 private, never to be assigned here
    0x01  SIREN            critical: a network of sine layers (`families/siren/stored.py`)
    0x02  GRID             critical: latents on grids under a sine network (`families/grid/stored.py`)
                           exactly one of these two is there: the file's network
    0x80  HASH             ancillary
                   u32      CRC-32 of the native picture's samples as class X draws them: u8, row by row, channels last
    0x81  ICC              ancillary: the colour profile of the samples, in place of sRGB
    0x82  EXIF             ancillary: an Exif block from its "II" or "MM" on; an orientation in it has been applied
    0x83  XMP              ancillary: an XMP packet, UTF-8
                   u8       form of these three: 0 the block as it is; 1 a varint with its length, then its frame
                            (`entropy.py`). Opaque to a decoder, which checks form, length and frame when asked for it

Nothing precedes the magic, follows the CRC, or lies between the fields. So a file has one reading, and a reading has
one file: `serialise(parse(data)) == data`. (The frame inside `entropy.py`'s coder 1 is zstd's, which may write the same
bytes in several ways; a decoder takes each.)

Conformance. Exact: everything here, the dequantized weights, the coordinates (float32), the rounding. Within a
tolerance: sums of products and sines alone. Two classes of decoders:

    X  float64 throughout, from those weights and float32 coordinates: at least 99.9999 % of the samples are those of
       any other class X decoder, none is more than 1 code away. What HASH is taken of
    M  float32: at least 99.99 % of the samples are those of class X, none is more than 1 code away. Allowed where
       F32_SAFE is set: the encoder has checked it at the native size and at twice that. Otherwise draw in float64

Weights may make a network so chaotic that float64 is not enough, and two decoders of class X differ. Such a file is
legal, and nothing is promised of it: a HASH is, as F32_SAFE is, the word of an encoder that has drawn the picture.

No reduced precision (TF32, bfloat16, float16) is in either class: it is up to 69 codes off.

Policy. Reserved bits and codes must be checked, and are refused by name. New features are new sections, critical only
where the picture would be wrong without them: another model family, tiles, have ids 0x03 to 0x3F to take; metadata has
0x84 to 0xBF. New entropy coders take a coder number, deeper samples and other colours the reserved codes of
`pixel`. New priors take a prior number, and networks of other sizes with it; a frozen prior never changes.

A decoder's own limits are not of the format: see `limits.py`. They are checked before anything is allocated, in the
order magic, version, total_length, CRC, fields, limits, symbols.

History: 0 - experimental, read by inrcodec 0.1 only. 1 - frozen.
"""

import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

from inrcodec.errors import (
    ChecksumError,
    CorruptError,
    NotInrError,
    TruncatedError,
    UnsupportedError,
    check_type,
)
from inrcodec.format.entropy import varint
from inrcodec.format.limits import DEFAULT_LIMITS, DecodeLimits

MAGIC = b"\x89INR"
VERSION = 1
F32_SAFE = 1
"""The flag."""
ANCILLARY = 0x80
"""The bit of the id of a section that need not be known."""
CRC_BYTES = 4


@dataclass(frozen=True)
class Container:
    """The fields of a file as they stand in it, known or not: `serialise` writes them, `parse` reads them."""

    flags: int
    height: int
    width: int
    pixel: int
    sections: tuple[tuple[int, bytes], ...]
    """(id, payload), ids ascending."""


class Reader:
    """A cursor over bytes; each failure is a CorruptError that names the part that was being read."""

    def __init__(self, data: bytes, start: int = 0, stop: int | None = None) -> None:
        self._data, self.at, self._stop = data, start, len(data) if stop is None else stop

    def __bool__(self) -> bool:
        return self.at < self._stop

    def need(self, count: int, part: str) -> int:
        """`count`, if so many bytes are left."""
        if self.at + count > self._stop:
            raise CorruptError(f"{part}: {self._stop - self.at} bytes left, {count} needed")
        return count

    def take(self, count: int, part: str) -> bytes:
        """The next `count` bytes."""
        self.at += self.need(count, part)
        return self._data[self.at - count : self.at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self._stop - self.at, "rest")

    def u8(self, part: str) -> int:
        """The next byte."""
        return self.take(1, part)[0]

    def varint(self, part: str) -> int:
        """The next canonical varint."""
        value = 0
        for place in range(5):
            byte = self.u8(part)
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if place and not byte:
                    break
                return value
        raise CorruptError(f"{part}: not a canonical varint")


def serialise(container: Container) -> bytes:
    """The file of a container. The inverse of `parse`."""
    sections = (bytes([key]) + varint(len(payload)) + payload for key, payload in container.sections)
    fields = [varint(container.height), varint(container.width), bytes([container.pixel])]
    body = b"".join([*fields, *sections])
    start = MAGIC + bytes([VERSION, container.flags])
    rest = len(start) + len(body) + CRC_BYTES
    length = next(n for n in range(rest + 1, rest + 6) if rest + len(varint(n)) == n)
    data = start + varint(length) + body
    return data + struct.pack("<I", zlib.crc32(data))


def parse(data: bytes, known: Collection[int], limits: DecodeLimits = DEFAULT_LIMITS) -> Container:
    """The fields of a file, checked as far as they do not depend on each other; sections are `known` or ancillary.

    Raises BitstreamError for bytes that are no file of this version, LimitError for one over `limits`.
    """
    check_type("data", data, bytes | bytearray | memoryview)
    check_type("limits", limits, DecodeLimits)
    reader = _sealed(data, limits)
    if data[5] & ~F32_SAFE:
        raise UnsupportedError(f"flags: 0x{data[5]:02x} has reserved bits, a newer decoder may know them")
    height = in_range("height", reader.varint("height"), 1, 2**31 - 1)
    width = in_range("width", reader.varint("width"), 1, 2**31 - 1)
    pixel = reader.u8("pixel")
    for name, code in (("sample depth", pixel >> 2 & 3), ("colour", pixel >> 4 & 7), ("bit 7", pixel >> 7)):
        if code:
            raise UnsupportedError(f"pixel: {name} {code} is reserved, a newer decoder may know it")
    return Container(data[5], height, width, pixel, tuple(_sections(reader, known, limits)))


def _sealed(data: bytes, limits: DecodeLimits) -> Reader:
    """A reader of what lies between total_length and CRC, which are right, as magic and version are."""
    if data[:4] != MAGIC:
        _refuse_start(data)
    if len(data) < 6:
        raise TruncatedError(f"the file ends after {len(data)} bytes, within its first fields")
    if data[4] != VERSION:
        cure = "decode it with inrcodec 0.1" if data[4] < VERSION else "update inrcodec"
        raise UnsupportedError(f"the file has version {data[4]}, this decoder reads version {VERSION}: {cure}")
    total_length, start = _total_length(data)
    if len(data) != total_length:
        kind = TruncatedError if len(data) < total_length else CorruptError
        raise kind(f"the file has {len(data)} bytes and says that it has {total_length}")
    limits.check("max_file_bytes", total_length, f"the file has {total_length:,} bytes")
    if total_length < start + CRC_BYTES:
        raise CorruptError(f"total_length: {total_length} bytes are too few")
    if len(varint(total_length - 1)) < start - 6:
        raise CorruptError(f"total_length: {total_length} is written in a byte more than the file needs")
    if struct.unpack("<I", data[-CRC_BYTES:])[0] != zlib.crc32(memoryview(data)[:-CRC_BYTES]):
        raise ChecksumError("the checksum does not match: the file is damaged")
    return Reader(data, start, total_length - CRC_BYTES)


def _refuse_start(data: bytes) -> NoReturn:
    if data == MAGIC[: len(data)]:
        raise TruncatedError(f"the file ends after {len(data)} bytes, within its magic")
    raise NotInrError(f"not an .inr file: it starts with {data[:4].hex(' ')}, not {MAGIC.hex(' ')}")


def _total_length(data: bytes) -> tuple[int, int]:
    """total_length, and the offset after it; a file that ends within it is truncated, not corrupt."""
    reader = Reader(data, 6)
    if all(byte >= 0x80 for byte in data[6:11]) and len(data) < 11:
        raise TruncatedError("the file ends within its total length")
    return reader.varint("total_length"), reader.at


def in_range(part: str, value: int, low: int, high: int) -> int:
    """The value; CorruptError, naming the `part`, where it is not in low .. high."""
    if not low <= value <= high:
        raise CorruptError(f"{part}: {value} is not in {low} .. {high}")
    return value


def _sections(reader: Reader, known: Collection[int], limits: DecodeLimits) -> Iterator[tuple[int, bytes]]:
    """All sections in order; unknown ancillary ones are passed over by whoever reads the result."""
    last = count = ancillary = 0
    while reader:
        section_id, count = reader.u8("section id"), count + 1
        limits.check("max_sections", count, f"the file has {count} sections or more")
        if section_id <= last:
            raise CorruptError(f"section id: {section_id} after {last}")
        last = section_id
        if section_id < ANCILLARY and section_id not in known:
            raise UnsupportedError(f"section 0x{section_id:02x} is critical and unknown: a newer decoder may know it")
        part = f"section 0x{section_id:02x}"
        length = reader.need(reader.varint("section length"), part)
        if section_id >= ANCILLARY:
            ancillary += length
            limits.check("max_ancillary_bytes", ancillary, f"the file has {ancillary:,} bytes of ancillary sections")
        yield section_id, reader.take(length, part)
