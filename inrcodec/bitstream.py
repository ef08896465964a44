r"""The .inr bitstream, version 0. This docstring is the specification; a decoder can be written from it.

Version 0 is experimental: files may become unreadable with the next release, which will then say so.

Notation: u8 is a byte; varint is canonical LEB128, an unsigned integer in 7-bit groups, lowest group first, bit 7 of a
byte set where another follows, the last byte not 0 unless it is the only one, at most 5 bytes. There are no floats.

    part           field
    fixed          4 bytes  magic 89 49 4E 52 ("\x89INR"; the high bit catches 7-bit links, as PNG's does)
                   u8       version = 0
                   u8       flags = 0, all reserved
                   varint   total_length: bytes of the whole file, CRC included
    header         varint   height, native pixels, 1 .. 2^31 - 1
                   varint   width, likewise
                   u8       channels: 1 grey, 3 RGB, 4 RGBA
                   u8       family = 0, SIREN
                   u8       depth, sine layers, 1 .. 32
                   varint   dim_hidden, neurons of a sine layer, 1 .. 1024; depth of them
    sections       u8       id; ids strictly ascend
                   varint   length of the payload in bytes
                   ...      payload
                       id 1  Q_STEPS, critical, required: one u8 per tensor, so 2 (depth + 1) bytes
                       id 2  WEIGHTS, critical, required: u8 coder, then the symbols as that coder wrote them
                       0x80 .. 0xFF  ancillary: a decoder ignores those that it does not know; none is defined yet.
                       Any other id is critical: a decoder that does not know it must refuse the file
    end            u32      CRC-32 (polynomial of zlib and PNG), little-endian, of all bytes before it

Nothing precedes the magic, follows the CRC, or lies between the fields.

Tensors. With sizes 2, dim_hidden..., channels, layer l has a weight (sizes[l+1], sizes[l]) and a bias (sizes[l+1]).
The order is weight, bias, layer by layer, each in row-major order, and the symbols of all tensors form one stream.
A weight is symbol * step, step = (16 + code % 16) * 2^(code // 16 - 20) of its tensor's Q_STEPS code (`model.py`).
Coders and their layouts are specified in `entropy.py`; the sizes of the tensors follow from the header.

Picture. With a_0 = (y, x), a_{l+1} = sin(W_l a_l + b_l) for all layers but the last, which has no sine; its outputs are
channel values, and `pixels.py` specifies the coordinates of pixels and the rounding of values to codes.

Exact: everything here, the dequantized weights, the coordinates. Within a tolerance: sums of products and sines, which
a decoder evaluates in float32 or better; two such decoders agree to 1 code on at least 99.99 % of samples.

Limits of this decoder, not of the format: see `Limits`. They are checked before anything is allocated.

History: 0 - first version.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from inrcodec import entropy
from inrcodec.entropy import varint
from inrcodec.errors import (
    ChecksumError,
    CorruptError,
    LimitError,
    NotInrError,
    TruncatedError,
    UnsupportedError,
)
from inrcodec.model import FAMILIES, SIREN, QuantizedModel
from inrcodec.pixels import MAX_SIDE
from inrcodec.siren import SirenArch

MAGIC = b"\x89INR"
VERSION = 0
MAX_FILE_BYTES = 64 << 20
"""A longer file is refused before it is read whole."""

_Q_STEPS, _WEIGHTS, _ANCILLARY = 1, 2, 0x80
_CRC_BYTES = 4


@dataclass(frozen=True)
class Limits:
    """What this decoder accepts, beyond what the format forbids."""

    max_side: int = MAX_SIDE
    """Pixels on a native side. How many pixels there are is no matter: a file may be drawn smaller."""
    max_params: int = 4_194_304
    """Weights and biases: 16 MiB as float32."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its weights."""

    version: int
    total_length: int
    """Bytes of the file."""
    height: int
    width: int
    family: int
    arch: SirenArch


class _Reader:
    """A cursor over the bytes between two offsets; each failure names the part that was being read."""

    def __init__(self, data: bytes, start: int, stop: int) -> None:
        self._data, self._at, self._stop = data, start, stop

    def __bool__(self) -> bool:
        return self._at < self._stop

    @property
    def at(self) -> int:
        return self._at

    def take(self, count: int, part: str) -> bytes:
        if self._at + count > self._stop:
            raise CorruptError(f"{part}: {self._stop - self._at} bytes left, {count} needed")
        self._at += count
        return self._data[self._at - count : self._at]

    def u8(self, part: str) -> int:
        return self.take(1, part)[0]

    def varint(self, part: str) -> int:
        value = 0
        for place in range(5):
            byte = self.u8(part)
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if place and not byte:
                    break
                return value
        raise CorruptError(f"{part}: not a canonical varint")


def _section(section_id: int, payload: bytes) -> bytes:
    return bytes([section_id]) + varint(len(payload)) + payload


def write(model: QuantizedModel) -> bytes:
    """The file of a model, with the entropy coder that makes it smallest. The inverse of `read`."""
    stream = np.concatenate([symbols.reshape(-1) for symbols in model.symbols])
    coder_id, payload = entropy.encode(stream, [symbols.size for symbols in model.symbols])
    arch = model.arch
    body = b"".join(
        [
            varint(model.height),
            varint(model.width),
            bytes([arch.channels, SIREN, arch.depth]),
            *map(varint, arch.dim_hidden),
            _section(_Q_STEPS, bytes(model.q_step_codes)),
            _section(_WEIGHTS, bytes([coder_id]) + payload),
        ]
    )
    start = MAGIC + bytes([VERSION, 0])
    rest = len(start) + len(body) + _CRC_BYTES
    length = next(n for n in range(rest + 1, rest + 6) if rest + len(varint(n)) == n)
    data = start + varint(length) + body
    return data + struct.pack("<I", zlib.crc32(data))


def read(data: bytes, limits: Limits = DEFAULT_LIMITS) -> QuantizedModel:
    """The model in a file. The inverse of `write`.

    Raises BitstreamError (NotInrError, TruncatedError, ChecksumError, CorruptError, UnsupportedError) for anything that
    is not exactly one valid file, and LimitError for a valid one over `limits`.
    """
    header, reader = _read_header(data, limits)
    sections = dict(_sections(reader))
    for section_id, name in ((_Q_STEPS, "Q_STEPS"), (_WEIGHTS, "WEIGHTS")):
        if section_id not in sections:
            raise CorruptError(f"{name}: the section is missing")
    shapes = header.arch.param_shapes()
    codes = sections[_Q_STEPS]
    if len(codes) != len(shapes):
        raise CorruptError(f"Q_STEPS: {len(codes)} bytes for {len(shapes)} tensors")
    sizes = [math.prod(shape) for shape in shapes]
    parts = np.split(_decode_weights(sections[_WEIGHTS], sizes), np.cumsum(sizes)[:-1])
    symbols = tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
    return QuantizedModel(header.arch, header.height, header.width, symbols, tuple(codes))


def read_header(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Header:
    """The header of a file; the whole file is checked against its length and CRC, the weights are not decoded."""
    return _read_header(data, limits)[0]


def section_sizes(data: bytes) -> dict[str, int]:
    """Bytes of each part of a valid file, by name; they add up to the file."""
    header, reader = _read_header(data, DEFAULT_LIMITS)
    body = reader.at
    names = {_Q_STEPS: "q_steps", _WEIGHTS: "weights"}
    payloads = {names.get(key, f"section 0x{key:02x}"): len(value) for key, value in _sections(reader)}
    framing = header.total_length - _CRC_BYTES - body - sum(payloads.values())
    return {"header": body + framing, **payloads, "checksum": _CRC_BYTES}


def _read_header(data: bytes, limits: Limits) -> tuple[Header, _Reader]:
    """Header, and a reader of the sections; checks in the order magic, version, length, CRC, fields, limits."""
    if data[:4] != MAGIC:
        _refuse_start(data)
    if len(data) < 6:
        raise TruncatedError(f"the file ends after {len(data)} bytes, within its first fields")
    if data[4] != VERSION:
        raise UnsupportedError(f"the file has version {data[4]}, this decoder reads version {VERSION}: update inrcodec")
    total_length, start = _total_length(data)
    if len(data) != total_length:
        kind = TruncatedError if len(data) < total_length else CorruptError
        raise kind(f"the file has {len(data)} bytes and says that it has {total_length}")
    if total_length < start + _CRC_BYTES:
        raise CorruptError(f"total_length: {total_length} bytes are too few")
    if struct.unpack("<I", data[-_CRC_BYTES:])[0] != zlib.crc32(data[:-_CRC_BYTES]):
        raise ChecksumError("the checksum does not match: the file is damaged")
    if data[5]:
        raise UnsupportedError(f"flags: 0x{data[5]:02x} is reserved, a newer decoder may know it")
    reader = _Reader(data, start, total_length - _CRC_BYTES)
    return _read_fields(reader, total_length, limits), reader


def _refuse_start(data: bytes) -> NoReturn:
    if data == MAGIC[: len(data)]:
        raise TruncatedError(f"the file ends after {len(data)} bytes, within its magic")
    raise NotInrError(f"not an .inr file: it starts with {data[:4].hex(' ')}, not {MAGIC.hex(' ')}")


def _total_length(data: bytes) -> tuple[int, int]:
    """total_length, and the offset after it; a file that ends within it is truncated, not corrupt."""
    reader = _Reader(data, 6, len(data))
    if all(byte >= 0x80 for byte in data[6:11]) and len(data) < 11:
        raise TruncatedError("the file ends within its total length")
    return reader.varint("total_length"), reader.at


def _read_fields(reader: _Reader, total_length: int, limits: Limits) -> Header:
    height = _in_range("height", reader.varint("height"), 1, 2**31 - 1)
    width = _in_range("width", reader.varint("width"), 1, 2**31 - 1)
    channels = reader.u8("channels")
    if channels not in (1, 3, 4):
        raise CorruptError(f"channels: {channels} is none of 1, 3, 4")
    family = reader.u8("family")
    if family not in FAMILIES:
        raise UnsupportedError(f"family: {family} is unknown, a newer decoder may know it")
    depth = _in_range("depth", reader.u8("depth"), 1, 32)
    dim_hidden = tuple(_in_range("dim_hidden", reader.varint("dim_hidden"), 1, 1024) for _ in range(depth))
    arch = SirenArch(dim_hidden, channels)
    if max(height, width) > limits.max_side:
        raise LimitError(f"the picture is {width}x{height}, a side may have {limits.max_side} pixels (Limits.max_side)")
    if arch.param_count() > limits.max_params:
        raise LimitError(
            f"the network has {arch.param_count()} weights, {limits.max_params} are allowed (Limits.max_params)"
        )
    return Header(VERSION, total_length, height, width, family, arch)


def _in_range(part: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise CorruptError(f"{part}: {value} is not in {low} .. {high}")
    return value


def _sections(reader: _Reader) -> Iterator[tuple[int, bytes]]:
    """All sections in order; unknown ancillary ones are passed over by whoever reads the result."""
    last = 0
    while reader:
        section_id = reader.u8("section id")
        if section_id <= last:
            raise CorruptError(f"section id: {section_id} after {last}")
        last = section_id
        if section_id not in (_Q_STEPS, _WEIGHTS) and section_id < _ANCILLARY:
            raise UnsupportedError(f"section {section_id} is critical and unknown: a newer decoder may know it")
        yield section_id, reader.take(reader.varint("section length"), f"section {section_id}")


def _decode_weights(payload: bytes, sizes: entropy.Sizes) -> entropy.Symbols:
    if not payload:
        raise CorruptError("WEIGHTS: the section is empty")
    if payload[0] not in entropy.CODERS:
        raise UnsupportedError(f"WEIGHTS: coder {payload[0]} is unknown, a newer decoder may know it")
    return entropy.CODERS[payload[0]].decode(payload[1:], sizes)
