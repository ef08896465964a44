"""Entropy coders: the symbols of all tensors <-> bytes. Pure functions of the symbols; nothing here sees a float.

The tensors come as one stream of int32 symbols with their sizes, in the order weight, bias, layer by layer. Every coder
but the first compresses with one magicless zstd frame (RFC 8878, without the 4-byte magic, content size, checksum and
dictionary id: the container knows the length and has a CRC). zigzag(s), 2 s for s >= 0 and -2 s - 1 for s < 0, makes
signs small; LEB128 writes 7 bits a byte, low first, bit 7 = more follows.

    id  bytes
     0  raw: the bytes that 1 compresses
     1  varint: a frame of, for each symbol, zigzag(s) as LEB128
     2  escape: a frame of, for each symbol one byte, s + 128 for -127 <= s <= 127, else 0; then, for each 0 in that
        order, zigzag(s) as LEB128
     3  sparse: a frame of a bitmap, bit i % 8 of byte i // 8 set where symbol i is not 0, unused bits 0; then the
        non-zero symbols in layout 2
     4  aligned: for each tensor t its shift k_t, 4 bits, low half of a byte first, an unused half 0; then, for each
        value of each tensor, its k_t low bits, high bit first, packed from a byte's high bit on, unused bits 0; then a
        frame of the remaining high bits, value >> k_t, as LEB128. The value of a symbol is zigzag(s); but those of all
        biases except the last layer's must ascend from 0, and there it is the difference from the symbol before

In 4 the low bits, which are all but random, pass by zstd, whose one table per frame then serves tensors of like spread;
and sorted biases do not pay for an order that is free (`siren.canonical`). It takes 7 to 8 % less than 1 to 3 on most
networks (docs/experiments.md); those stay for very small and for pruned ones.

A decoder knows the sizes beforehand and must find exactly so many symbols in exactly the bytes given; it never makes
more than 6 bytes a symbol.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from inrcodec.errors import CorruptError

Symbols = NDArray[np.int32]
Sizes = Sequence[int]
"""Numbers of symbols of the tensors: weight, bias, layer by layer."""

MAX_SYMBOL = 2**15 - 1
"""Symbols lie in -MAX_SYMBOL .. MAX_SYMBOL."""

_MAX_BYTES_PER_SYMBOL = 6
_WINDOW_LOG_MAX = 23
_LITERALS = {"compression_level": 1, "min_match": 7}
"""zstd settings that find next to no matches: within 0.03 % of the smallest on weights, and 70 times as fast as all."""
_PARAMETERS = (
    {"compression_level": 19},
    _LITERALS,
    {"compression_level": 22, "min_match": 3},
)
"""zstd settings to try; the smallest frame wins. The others serve weights that are mostly zero."""


def _zigzag(symbols: Symbols) -> Symbols:
    return (symbols << 1) ^ (symbols >> 31)


def _unzigzag(values: NDArray[Any]) -> NDArray[Any]:
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
    if values.max(initial=0) < 0x80:
        return values.astype(np.uint8).tobytes()
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


_TARGETS = (2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9.5, 11)
"""Mean values after the shift to try: small ones take zstd's table off, large ones leave it less to code. They are
fractions of an octave apart, as each moves other tensors across the border between two shifts."""
_FINALISTS = 3
"""Of these, how many with every setting of zstd."""


def _values(symbols: Symbols, sizes: Sizes) -> list[Symbols] | None:
    """What layout 4 stores of each tensor; None where a bias does not ascend from 0."""
    parts = np.split(symbols, np.cumsum(sizes)[:-1])
    values = [_zigzag(part) for part in parts]
    for i in range(1, len(parts) - 1, 2):
        values[i] = np.diff(parts[i], prepend=np.int32(0))
        if np.any(values[i] < 0):
            return None
    return values


def _from_values(values: list[NDArray[np.int64]]) -> Symbols:
    """The inverse of `_values`."""
    last = len(values) - 1
    ascending = [i % 2 == 1 and i < last for i in range(len(values))]
    parts = [np.cumsum(part) if up else _unzigzag(part) for part, up in zip(values, ascending, strict=True)]
    symbols = np.concatenate(parts)
    if np.any(np.abs(symbols) > MAX_SYMBOL):
        raise CorruptError(f"weights: a symbol is beyond {MAX_SYMBOL}")
    return symbols.astype(np.int32)


def _encode_aligned(symbols: Symbols, sizes: Sizes) -> bytes | None:
    values = _values(symbols, sizes)
    if values is None:
        return None
    means = np.maximum([part.mean() for part in values], 1e-3)
    choices = {tuple(np.clip(np.rint(np.log2(means / target)), 0, 15).astype(int).tolist()) for target in _TARGETS}
    likely = sorted(sorted(choices), key=lambda shifts: _estimate(values, shifts))[:_FINALISTS]
    return min((_aligned(values, shifts) for shifts in likely), key=len)


def _high(values: Sequence[Symbols], shifts: Sequence[int]) -> bytes:
    """What layout 4 gives to zstd."""
    return write_varints(np.concatenate([part >> shift for part, shift in zip(values, shifts, strict=True)]))


def _estimate(values: Sequence[Symbols], shifts: Sequence[int]) -> int:
    """Bytes of layout 4 without its shifts, from one fast frame."""
    low_bits = sum(shift * part.size for part, shift in zip(values, shifts, strict=True))
    return -(-low_bits // 8) + len(_frame(_high(values, shifts), _LITERALS))


def _aligned(values: Sequence[Symbols], shifts: Sequence[int]) -> bytes:
    """Layout 4 at given shifts."""
    halves = np.zeros(len(shifts) + len(shifts) % 2, np.uint8)
    halves[: len(shifts)] = shifts
    places = [np.arange(shift - 1, -1, -1) for shift in shifts]
    low = [(part[:, None] >> place & 1).reshape(-1) for part, place in zip(values, places, strict=True)]
    packed = np.packbits(np.concatenate(low).astype(np.uint8))
    return (halves[::2] | halves[1::2] << 4).tobytes() + packed.tobytes() + compress(_high(values, shifts))


def _decode_aligned(data: bytes, sizes: Sizes) -> Symbols:
    count = -(-len(sizes) // 2)
    raw = np.frombuffer(data, np.uint8)
    if len(raw) < count:
        raise CorruptError("weights: the shifts are cut short")
    shifts = np.stack([raw[:count] & 15, raw[:count] >> 4], 1).reshape(-1)
    used = shifts[: len(sizes)].astype(int)
    bit_count = int(np.dot(used, sizes))
    end = count + -(-bit_count // 8)
    if len(raw) < end:
        raise CorruptError("weights: the low bits are cut short")
    bits = np.unpackbits(raw[count:end])
    if np.any(shifts[len(sizes) :]) or np.any(bits[bit_count:]):
        raise CorruptError("weights: unused bits are set")
    total = sum(sizes)
    high = read_varints(decompress(data[end:], _MAX_BYTES_PER_SYMBOL * total), total).astype(np.int64)
    ends, bit_ends = np.cumsum(sizes), np.cumsum(used * sizes)
    return _from_values(
        [
            (high[stop - size : stop] << shift)
            + _numbers(bits[bit_stop - size * shift : bit_stop].reshape(size, shift))
            for stop, bit_stop, size, shift in zip(ends, bit_ends, sizes, used, strict=True)
        ]
    )


def _numbers(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(n, width) bits, high first, as n numbers; a column at a time, as eight bytes a bit would be too many."""
    numbers = np.zeros(len(bits), np.int64)
    for column in bits.T:
        numbers = numbers << 1 | column
    return numbers


@dataclass(frozen=True)
class Coder:
    """A pair of inverse functions: symbols and their sizes to bytes, or None where the coder cannot; and back.

    `decode` raises CorruptError on bytes that are not exactly so many symbols.
    """

    name: str
    encode: Callable[[Symbols, Sizes], bytes | None]
    decode: Callable[[bytes, Sizes], Symbols]


def _checked(symbols: Symbols) -> Symbols:
    if np.any(np.abs(symbols) > MAX_SYMBOL):
        raise CorruptError(f"weights: a symbol is beyond {MAX_SYMBOL}")
    return symbols


def _framed(name: str, layout: Callable[[Symbols], bytes], from_layout: Callable[[bytes, int], Symbols]) -> Coder:
    """A layout of the whole stream, and zstd behind."""

    def decode(data: bytes, sizes: Sizes) -> Symbols:
        count = sum(sizes)
        return _checked(from_layout(decompress(data, _MAX_BYTES_PER_SYMBOL * count), count))

    return Coder(name, lambda symbols, sizes: compress(layout(symbols)), decode)


CODERS: dict[int, Coder] = {
    0: Coder(
        "raw",
        lambda symbols, sizes: _varint_layout(symbols),
        lambda data, sizes: _checked(_from_varint_layout(data, sum(sizes))),
    ),
    1: _framed("zstd varint", _varint_layout, _from_varint_layout),
    2: _framed("zstd escape", _escape_layout, _from_escape_layout),
    3: _framed("zstd sparse", _sparse_layout, _from_sparse_layout),
    4: Coder("zstd aligned", _encode_aligned, _decode_aligned),
}
"""Coder id in the bitstream -> coder. The encoder takes the smallest."""


def encode(symbols: Symbols, sizes: Sizes) -> tuple[int, bytes]:
    """(coder id, bytes) of the coder that makes the fewest bytes; the lowest id on a tie."""
    made = {coder_id: coder.encode(symbols, sizes) for coder_id, coder in CODERS.items()}
    payloads = {coder_id: payload for coder_id, payload in made.items() if payload is not None}
    best = min(payloads, key=lambda coder_id: (len(payloads[coder_id]), coder_id))
    return best, payloads[best]
