"""Entropy coders: the symbols of all tensors <-> bytes. Pure functions of the symbols; nothing here sees a float.

The tensors come as one stream of int32 symbols with their sizes, and which of them may ascend: the family of the
network knows. zigzag(s), 2 s for s >= 0 and -2 s - 1 for s < 0, makes signs small; LEB128 writes 7 bits a byte, low
first, bit 7 = more follows, no more bytes than it takes.

    id  bytes
     0  raw: for each symbol, zigzag(s) as LEB128
     1  aligned: for each tensor t its shift k_t, 4 bits, low half of a byte first, an unused half 0; then, for each
        value of each tensor, its k_t low bits, high bit first, packed from a byte's high bit on, unused bits 0; then
        one frame of the remaining high bits, value >> k_t, as LEB128. The value of a symbol is zigzag(s); but those of
        ascending tensors, of a SIREN all biases except the last layer's, must ascend from 0, and there it is the
        difference from the symbol before

The frame is a magicless zstd frame (RFC 8878 without the 4-byte magic) whose first byte is 0: it states a window, of at
most 8 MiB, and no content size, checksum or dictionary. The container knows the length and has a CRC.

In 1 the low bits, which are all but random, pass by zstd, whose one table per frame then serves tensors of like spread;
and sorted biases do not pay for an order that is free. It was the smallest on every network tried, from 8x8 pixels to
pruned ones, against byte codes with escapes and masks with non-zeros (docs/experiments.md). 0 needs no zstd, and takes
biases in any order.

Symbols lie in -32767 .. 32767. A decoder knows the sizes beforehand and must find exactly so many symbols in exactly
the bytes given; it never unpacks more than 3 bytes a symbol.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from inrcodec.errors import CorruptError

Symbols = NDArray[np.int32]
Sizes = Sequence[int]
"""Numbers of symbols of the tensors, in the order of the stream."""
Ascending = Collection[int]
"""The tensors, by their places, whose symbols ascend from 0 where coder 1 takes them."""

MAX_SYMBOL = 2**15 - 1
"""Symbols lie in -MAX_SYMBOL .. MAX_SYMBOL."""

_MAX_VALUE = 2 * MAX_SYMBOL + 1
"""No symbol's zigzag is larger."""

_MAX_BYTES_PER_SYMBOL = 3
_WINDOW_LOG_MAX = 23
_NO_MEMORY = "not enough memory"
"""Words in the text of zstd's error where memory ends; of a window that is too wide it says another."""
_PIECE = 1 << 17
"""Bytes of a frame's content that are held while it is counted: the largest block of zstd."""
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
    last = raw < 0x80
    if np.count_nonzero(last) != count or not last[-1:].all():
        raise CorruptError(f"weights: the stream does not hold {count} varints")
    if len(raw) == count:
        return raw.astype(np.int32)
    ends = np.flatnonzero(last).astype(np.int32)
    lengths = np.diff(ends, prepend=np.int32(-1))
    starts = ends + 1 - lengths
    if np.any(lengths > 3) or np.any((lengths > 1) & (raw[ends] == 0)):
        raise CorruptError("weights: a varint is overlong")
    values = np.zeros(count, np.int32)
    for place in range(3):
        has = lengths > place
        values[has] |= (raw[starts[has] + place] & 0x7F).astype(np.int32) << (7 * place)
    return values


def _encode_raw(symbols: Symbols, sizes: Sizes, ascending: Ascending) -> bytes:
    return write_varints(_zigzag(symbols))


def _decode_raw(data: bytes, sizes: Sizes, ascending: Ascending) -> Symbols:
    return _checked(_unzigzag(read_varints(data, sum(sizes))))


def _checked(symbols: Symbols) -> Symbols:
    if np.any(np.abs(symbols) > MAX_SYMBOL):
        raise CorruptError(f"weights: a symbol is beyond {MAX_SYMBOL}")
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


def _refusal(error: zstandard.ZstdError, part: str) -> Exception:
    """What a failure of zstd is to the caller; a lack of memory is no fault of the frame."""
    return MemoryError() if _NO_MEMORY in str(error) else CorruptError(f"{part}: the zstd frame is damaged")


def decompress(frame: bytes, limit: int, part: str = "weights") -> bytes:
    """The content of exactly one frame, at most `limit` bytes. The inverse of `compress`. Errors name the `part`.

    The first pass counts through a stream, which holds no more than a piece:
    `ZstdDecompressor.decompress(max_output_size=)` is not bounded where the frame states a size of its own
    (python-zstandard issue 332). A stream says nothing of a frame cut short or followed by other bytes; the second
    pass, bounded by the first, does.
    """
    if frame[:1] != b"\0":  # libzstd is lenient with frames that state a size: about windows, about blocks
        raise CorruptError(f"{part}: the zstd frame does not begin with 0")
    decompressor = zstandard.ZstdDecompressor(
        format=zstandard.FORMAT_ZSTD1_MAGICLESS, max_window_size=1 << _WINDOW_LOG_MAX
    )
    try:
        with decompressor.stream_reader(frame, read_across_frames=False) as reader:
            length = 0
            while piece := reader.read(_PIECE):
                length += len(piece)
                if length > limit:
                    raise CorruptError(f"{part}: the zstd frame holds more than {limit} bytes")
        whole = decompressor.decompressobj()
        data = whole.decompress(frame)
    except zstandard.ZstdError as error:
        raise _refusal(error, part) from error
    if not whole.eof or whole.unused_data:
        raise CorruptError(f"{part}: the zstd frame is cut short, or followed by other bytes")
    return data


_TARGETS = (2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9.5, 11)
"""Mean values after the shift to try: small ones take zstd's table off, large ones leave it less to code. They are
fractions of an octave apart, as each moves other tensors across the border between two shifts."""
_FINALISTS = 3
"""How many of these are tried with every setting of zstd."""


def _values(symbols: Symbols, sizes: Sizes, ascending: Ascending) -> list[Symbols] | None:
    """What coder 1 stores of each tensor; None where one that should ascend from 0 does not."""
    parts = np.split(symbols, np.cumsum(sizes)[:-1])
    values = [np.diff(part, prepend=np.int32(0)) if i in ascending else _zigzag(part) for i, part in enumerate(parts)]
    return None if any(np.any(part < 0) for part in values) else values


def _from_values(values: Sequence[Symbols], ascending: Ascending) -> Symbols:
    """The inverse of `_values`."""
    parts = [np.cumsum(part, dtype=np.int32) if i in ascending else _unzigzag(part) for i, part in enumerate(values)]
    return _checked(np.concatenate(parts))


def _encode_aligned(symbols: Symbols, sizes: Sizes, ascending: Ascending) -> bytes | None:
    values = _values(symbols, sizes, ascending)
    if values is None:
        return None
    means = np.maximum([part.mean() for part in values], 1e-3)
    choices = {tuple(np.clip(np.rint(np.log2(means / target)), 0, 15).astype(int).tolist()) for target in _TARGETS}
    likely = sorted(sorted(choices), key=lambda shifts: _estimate(values, shifts))[:_FINALISTS]
    return min((_aligned(values, shifts) for shifts in likely), key=len)


def _high(values: Sequence[Symbols], shifts: Sequence[int]) -> bytes:
    """What coder 1 gives to zstd."""
    return write_varints(np.concatenate([part >> shift for part, shift in zip(values, shifts, strict=True)]))


def _estimate(values: Sequence[Symbols], shifts: Sequence[int]) -> int:
    """Bytes of coder 1 without its shifts, from one fast frame."""
    low_bits = sum(shift * part.size for part, shift in zip(values, shifts, strict=True))
    return -(-low_bits // 8) + len(_frame(_high(values, shifts), _LITERALS))


def _aligned(values: Sequence[Symbols], shifts: Sequence[int]) -> bytes:
    """Coder 1 at given shifts."""
    halves = np.zeros(len(shifts) + len(shifts) % 2, np.uint8)
    halves[: len(shifts)] = shifts
    places = [np.arange(shift - 1, -1, -1) for shift in shifts]
    low = [(part[:, None] >> place & 1).reshape(-1) for part, place in zip(values, places, strict=True)]
    packed = np.packbits(np.concatenate(low).astype(np.uint8))
    return (halves[::2] | halves[1::2] << 4).tobytes() + packed.tobytes() + compress(_high(values, shifts))


def _decode_aligned(data: bytes, sizes: Sizes, ascending: Ascending) -> Symbols:
    shifts, low, frame = _split_aligned(data, sizes)
    total = sum(sizes)
    high = read_varints(decompress(frame, _MAX_BYTES_PER_SYMBOL * total), total)
    ends, bit_ends = np.cumsum(sizes), np.cumsum(np.multiply(shifts, sizes))
    return _from_values(
        [
            _joined(high[stop - size : stop], low[bit_stop - size * shift : bit_stop].reshape(size, shift))
            for stop, bit_stop, size, shift in zip(ends, bit_ends, sizes, shifts, strict=True)
        ],
        ascending,
    )


def _split_aligned(data: bytes, sizes: Sizes) -> tuple[list[int], NDArray[np.uint8], bytes]:
    """Shifts, low bits one a byte, and the frame."""
    count = -(-len(sizes) // 2)
    raw = np.frombuffer(data, np.uint8)
    if len(raw) < count:
        raise CorruptError("weights: the shifts are cut short")
    halves = np.stack([raw[:count] & 15, raw[:count] >> 4], 1).reshape(-1)
    shifts = halves[: len(sizes)].tolist()
    bit_count = sum(shift * size for shift, size in zip(shifts, sizes, strict=True))
    end = count + -(-bit_count // 8)
    if len(raw) < end:
        raise CorruptError("weights: the low bits are cut short")
    low = np.unpackbits(raw[count:end])
    if np.any(halves[len(sizes) :]) or np.any(low[bit_count:]):
        raise CorruptError("weights: unused bits are set")
    return shifts, low, data[end:]


def _joined(high: Symbols, low: NDArray[np.uint8]) -> Symbols:
    """high (n,) followed by low (n, width) bits, high first; a column at a time, as four bytes a bit would be many."""
    if np.any(high > _MAX_VALUE >> low.shape[1]):
        raise CorruptError(f"weights: a value is beyond {_MAX_VALUE}")
    values = high
    for column in low.T:
        values = values << 1 | column
    return values


@dataclass(frozen=True)
class Coder:
    """A pair of inverse functions: symbols, sizes and ascending tensors to bytes, or None where it cannot; and back.

    `decode` raises CorruptError on bytes that are not exactly so many symbols.
    """

    name: str
    encode: Callable[[Symbols, Sizes, Ascending], bytes | None]
    decode: Callable[[bytes, Sizes, Ascending], Symbols]


CODERS: dict[int, Coder] = {
    0: Coder("raw", _encode_raw, _decode_raw),
    1: Coder("zstd aligned", _encode_aligned, _decode_aligned),
}
"""Coder id in the bitstream -> coder. The encoder takes the smallest."""


def encode(symbols: Symbols, sizes: Sizes, ascending: Ascending) -> tuple[int, bytes]:
    """(coder id, bytes) of the coder that makes the fewest bytes; the lowest id on a tie."""
    made = {coder_id: coder.encode(symbols, sizes, ascending) for coder_id, coder in CODERS.items()}
    payloads = {coder_id: payload for coder_id, payload in made.items() if payload is not None}
    best = min(payloads, key=lambda coder_id: (len(payloads[coder_id]), coder_id))
    return best, payloads[best]
