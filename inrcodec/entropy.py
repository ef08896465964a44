"""Entropy coders: a stream of int32 symbols <-> bytes. Pure functions of the symbols; nothing here sees a float.

Every coder turns symbols into bytes by a layout and compresses those with one magicless zstd frame (RFC 8878,
without the 4-byte magic, content size, checksum and dictionary id: the container knows the length and has a CRC).
`zigzag(s) = 2 s` for s >= 0 and `-2 s - 1` for s < 0 makes signs small.

    id  layout of the bytes before zstd
     0  raw: the same bytes as 1, and no zstd
     1  varint: for each symbol, zigzag(s) as LEB128 (7 bits a byte, low first, bit 7 = more follows)
     2  escape: for each symbol one byte, s + 128 for -127 <= s <= 127, else 0; then, for each 0 in that order,
        zigzag(s) as LEB128. One byte a symbol keeps zstd's Huffman code aligned with the symbols
     3  sparse: a bitmap, bit i % 8 of byte i // 8 set where symbol i is not 0, unused bits 0; then the non-zero
        symbols in layout 2

A decoder knows the number of symbols beforehand and must find exactly so many in exactly the bytes given; it never
makes more than 6 bytes a symbol. The forms are canonical: what decodes, encodes to the same layout bytes again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import zstandard
from numpy.typing import NDArray

from inrcodec.errors import CorruptError

Symbols = NDArray[np.int32]

MAX_SYMBOL = 2**15 - 1
"""Symbols lie in -MAX_SYMBOL .. MAX_SYMBOL."""

_MAX_BYTES_PER_SYMBOL = 6
_WINDOW_LOG_MAX = 23
_PARAMETERS = (
    {"compression_level": 19},
    {"compression_level": 1, "min_match": 7},
    {"compression_level": 3, "min_match": 7, "strategy": zstandard.STRATEGY_FAST},
    {"compression_level": 22, "min_match": 3},
)
"""zstd settings to try; the smallest frame wins. Literals-only settings win on most weights (docs/experiments.md)."""


def _zigzag(symbols: Symbols) -> Symbols:
    return (symbols << 1) ^ (symbols >> 31)


def _unzigzag(values: Symbols) -> Symbols:
    return (values >> 1) ^ -(values & 1)


def varint(value: int) -> bytes:
    """A non-negative integer as canonical LEB128."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def write_varints(values: Symbols) -> bytes:
    """Non-negative values as LEB128, one after the other."""
    return b"".join(map(varint, values.tolist()))


def read_varints(data: bytes, count: int) -> Symbols:
    """The inverse of `write_varints`: exactly `count` canonical values of at most 3 bytes, and no byte more."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    if len(ends) != count or (count and ends[-1] + 1 != len(raw)) or (not count and len(raw)):
        raise CorruptError(f"weights: the stream does not hold {count} varints")
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    lengths = ends - starts + 1
    if np.any(lengths > 3) or np.any((lengths > 1) & (raw[ends] == 0)):
        raise CorruptError("weights: a varint is overlong")
    values = np.zeros(count, np.int32)
    for place in range(3):
        has = lengths > place
        values[has] |= (raw[starts[has] + place] & 0x7F).astype(np.int32) << (7 * place)
    return values


def _varint_layout(symbols: Symbols) -> bytes:
    return write_varints(_zigzag(symbols))


def _from_varint_layout(data: bytes, count: int) -> Symbols:
    return _unzigzag(read_varints(data, count))


def _escape_layout(symbols: Symbols) -> bytes:
    small = np.abs(symbols) <= 127
    codes = np.where(small, symbols + 128, 0).astype(np.uint8)
    return codes.tobytes() + write_varints(_zigzag(symbols[~small]))


def _from_escape_layout(data: bytes, count: int) -> Symbols:
    if len(data) < count:
        raise CorruptError(f"weights: {len(data)} bytes cannot hold {count} symbols")
    symbols = np.frombuffer(data, np.uint8, count).astype(np.int32) - 128
    escaped = symbols == -128
    symbols[escaped] = _unzigzag(read_varints(data[count:], int(escaped.sum())))
    if np.any(np.abs(symbols[escaped]) <= 127):
        raise CorruptError("weights: a small symbol is escaped")
    return symbols


def _sparse_layout(symbols: Symbols) -> bytes:
    kept = symbols != 0
    return np.packbits(kept, bitorder="little").tobytes() + _escape_layout(symbols[kept])


def _from_sparse_layout(data: bytes, count: int) -> Symbols:
    mask_bytes = -(-count // 8)
    if len(data) < mask_bytes:
        raise CorruptError(f"weights: {len(data)} bytes cannot hold a mask of {count} symbols")
    bits = np.unpackbits(np.frombuffer(data, np.uint8, mask_bytes), bitorder="little")
    kept = bits[:count].astype(bool)
    symbols = np.zeros(count, np.int32)
    symbols[kept] = _from_escape_layout(data[mask_bytes:], int(kept.sum()))
    if np.any(bits[count:]) or np.any(symbols[kept] == 0):
        raise CorruptError("weights: the mask is not canonical")
    return symbols


def compress(data: bytes) -> bytes:
    """The smallest magicless zstd frame of `data` over a few parameter sets."""
    return min((_frame(data, parameters) for parameters in _PARAMETERS), key=len)


def _frame(data: bytes, options: dict[str, int]) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        options["compression_level"],
        source_size=len(data),
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_content_size=0,
        write_checksum=0,
        write_dict_id=0,
        **{name: value for name, value in options.items() if name != "compression_level"},
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(data)


def decompress(frame: bytes, limit: int) -> bytes:
    """The content of exactly one frame, at most `limit` bytes. The inverse of `compress`.

    Read through a stream, which is bounded: `ZstdDecompressor.decompress(max_output_size=)` is not where the frame
    states a size of its own (python-zstandard issue 332). A stream says nothing of a frame cut short or followed by
    other bytes, so a second pass, bounded by the first, asks for that.
    """
    decompressor = zstandard.ZstdDecompressor(
        format=zstandard.FORMAT_ZSTD1_MAGICLESS, max_window_size=1 << _WINDOW_LOG_MAX
    )
    try:
        with decompressor.stream_reader(frame, read_across_frames=False) as reader:
            data = reader.read(limit + 1)
        if len(data) > limit:
            raise CorruptError(f"weights: the zstd frame holds more than {limit} bytes")
        whole = decompressor.decompressobj()
        whole.decompress(frame)
    except (zstandard.ZstdError, MemoryError) as error:
        raise CorruptError("weights: the zstd frame is damaged") from error
    if not whole.eof or whole.unused_data:
        raise CorruptError("weights: the zstd frame is cut short, or followed by other bytes")
    return data


@dataclass(frozen=True)
class Coder:
    """A layout and its inverse, with or without zstd behind."""

    name: str
    layout: Callable[[Symbols], bytes]
    from_layout: Callable[[bytes, int], Symbols]
    zstd: bool = True

    def encode(self, symbols: Symbols) -> bytes:
        """int32 symbols (n,) -> bytes."""
        data = self.layout(symbols)
        return compress(data) if self.zstd else data

    def decode(self, data: bytes, count: int) -> Symbols:
        """The inverse of `encode` for `count` symbols; raises CorruptError on anything else."""
        if self.zstd:
            data = decompress(data, _MAX_BYTES_PER_SYMBOL * count)
        symbols = self.from_layout(data, count)
        if np.any(np.abs(symbols) > MAX_SYMBOL):
            raise CorruptError(f"weights: a symbol is beyond {MAX_SYMBOL}")
        return symbols


CODERS: dict[int, Coder] = {
    0: Coder("raw", _varint_layout, _from_varint_layout, zstd=False),
    1: Coder("zstd varint", _varint_layout, _from_varint_layout),
    2: Coder("zstd escape", _escape_layout, _from_escape_layout),
    3: Coder("zstd sparse", _sparse_layout, _from_sparse_layout),
}
"""Coder id in the bitstream -> coder. The encoder takes the smallest."""


def encode(symbols: Symbols) -> tuple[int, bytes]:
    """(coder id, bytes) of the coder that makes the fewest bytes; the lowest id on a tie."""
    payloads = {coder_id: coder.encode(symbols) for coder_id, coder in CODERS.items()}
    best = min(payloads, key=lambda coder_id: (len(payloads[coder_id]), coder_id))
    return best, payloads[best]
