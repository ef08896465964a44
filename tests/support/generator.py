"""Random valid files of format 1, from a seed: each field at its least, its most and between, every code, every coder.

Built from bytes, not by the package's writer. Networks are small, so that thousands of files are read in a minute, but
now and then a layer of 1,024 neurons or 32 layers. A grid's are by `grid_generator.py`.
"""

import itertools
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import zstandard

from tests.support import grid_generator, independent_decoder
from tests.support.helpers import header, seal, section, varint

Rng = np.random.Generator
MAX_SYMBOL = 32767
_MOST_DRAWN = 400
"""Pixels; what a larger picture is drawn as is not found out."""
_GRIDS = 7, 4
"""Seeds of grids: those that leave 4, divided by 7. None of them had made a golden file before there were grids."""


def valid_file(seed: int) -> bytes:
    """A file that every decoder of format 1 must read, and most can draw at once."""
    rng = np.random.default_rng(seed)
    body = grid_generator.some_body(rng) if seed % _GRIDS[0] == _GRIDS[1] else some_siren(rng)
    flags, content_hash = some_claims(rng, seal(body))
    return seal(body + content_hash + some_ancillary(rng), flags=flags)


def some_siren(rng: Rng) -> bytes:
    """Picture fields and section of a random SIREN."""
    dims, channels = some_dims(rng), int(rng.integers(1, 5))
    sizes = tensor_sizes(dims, channels)
    siren = bytes([len(dims)]) + b"".join(map(varint, dims)) + some_codes(rng, len(sizes)) + some_weights(rng, sizes)
    return header(some_side(rng), some_side(rng), channels - 1) + section(1, siren)


def some_side(rng: Rng) -> int:
    """1 .. 131,072 pixels, mostly few."""
    return int(rng.choice([1, 2, 3, 5, 8, 13, 127, 128, 131_072], p=[0.1, 0.1, 0.15, 0.2, 0.2, 0.2, 0.02, 0.02, 0.01]))


def some_dims(rng: Rng) -> tuple[int, ...]:
    """Neurons of 1 .. 32 layers."""
    kind = rng.random()
    if kind < 0.02:
        return (1,) * 32
    if kind < 0.04:
        return (int(rng.choice([1023, 1024])), 1)
    return tuple(map(int, rng.integers(1, 9, rng.integers(1, 5))))


def tensor_sizes(dims: Sequence[int], channels: int) -> list[int]:
    """Symbols of each tensor, weight, bias, layer by layer."""
    sizes = [2, *dims, channels]
    return [size for n_in, n_out in itertools.pairwise(sizes) for size in (n_in * n_out, n_out)]


def some_codes(rng: Rng, count: int) -> bytes:
    """q_step codes: any, or such as an encoder chooses."""
    low, high = [(0, 256), (100, 200), (0, 1), (255, 256)][rng.integers(4)]
    return bytes(rng.integers(low, high, count).tolist())


def some_weights(rng: Rng, sizes: Sequence[int]) -> bytes:
    """Coder, and symbols as it writes them."""
    largest = int(rng.choice([0, 1, 60, 300, MAX_SYMBOL]))
    tensors = [some_symbols(rng, largest, size) for size in sizes]
    if rng.random() < 0.3:
        return b"\x00" + b"".join(varint(zigzag(int(symbol))) for tensor in tensors for symbol in tensor)
    values = [[zigzag(int(symbol)) for symbol in tensor] for tensor in tensors]
    for i in range(1, len(sizes) - 1, 2):
        values[i] = np.diff(np.sort(np.abs(tensors[i])), prepend=0).tolist()
    return b"\x01" + aligned(rng, values)


def some_symbols(rng: Rng, largest: int, size: int) -> np.ndarray:
    """Of one tensor; a tenth of them the least or the most there may be."""
    return np.where(rng.random(size) < 0.1, rng.choice([-largest, largest]), rng.integers(-largest, largest + 1, size))


def zigzag(symbol: int) -> int:
    return 2 * symbol if symbol >= 0 else -2 * symbol - 1


def aligned(rng: Rng, values: Sequence[Sequence[int]]) -> bytes:
    """Coder 1 at shifts drawn at random, its frame in one of zstd's many forms."""
    shifts = rng.integers(0, 16, len(values)).tolist() if rng.random() < 0.8 else [0] * len(values)
    halves = [*shifts, 0] if len(shifts) % 2 else shifts
    packed = bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))
    low = "".join(f"{v:016b}"[16 - k :] for part, k in zip(values, shifts, strict=True) for v in part)
    padded = low + "0" * (-len(low) % 8)
    bits = bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))
    high = b"".join(varint(v >> k) for part, k in zip(values, shifts, strict=True) for v in part)
    return packed + bits + some_frame(rng, high)


def some_frame(rng: Rng, content: bytes) -> bytes:
    """A magicless frame: of stored blocks, or compressed at some level."""
    if rng.random() < 0.3:
        return stored_frame(content, int(rng.integers(1, 200)))
    parameters = zstandard.ZstdCompressionParameters.from_level(
        int(rng.choice([-5, 1, 3, 19, 22])),
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_content_size=0,
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(content)


def stored_frame(content: bytes, block: int) -> bytes:
    """A frame of uncompressed blocks of so many bytes, the last one empty (RFC 8878, 3.1.1)."""
    parts = [content[at : at + block] for at in range(0, len(content), block)]
    blocks = [struct.pack("<I", len(part) << 3)[:3] + part for part in parts]
    return b"\x00\x58" + b"".join(blocks) + b"\x01\x00\x00"


def some_ancillary(rng: Rng) -> bytes:
    """No section, or several: metadata, and such as no decoder knows, public, private, empty."""
    chosen = {int(key): rng.bytes(int(rng.integers(0, 200))) for key in rng.integers(0x84, 0x100, rng.integers(3))}
    chosen |= {int(key): some_block(rng) for key in rng.integers(0x81, 0x84, rng.choice([0, 0, 1, 2]))}
    return b"".join(section(key, chosen[key]) for key in sorted(chosen))


def some_block(rng: Rng) -> bytes:
    """A metadata section's payload, in either form."""
    content = rng.bytes(int(rng.integers(1, 20))) * int(rng.integers(0, 20))
    return b"\0" + content if rng.random() < 0.5 else b"\1" + varint(len(content)) + some_frame(rng, content)


def some_claims(rng: Rng, plain: bytes) -> tuple[int, bytes]:
    """Flags and HASH section of a file that has neither yet; both true, and neither of a large picture."""
    spec = independent_decoder.read(plain)
    if spec.height * spec.width > _MOST_DRAWN:
        return 0, b""
    exact, single = (independent_decoder.draw(spec, dtype=dtype) for dtype in (np.float64, np.float32))
    flags = int(np.array_equal(exact, single) and rng.random() < 0.7)
    content_hash = section(0x80, struct.pack("<I", zlib.crc32(exact.tobytes())))
    return flags, content_hash if rng.random() < 0.5 else b""


def mutated_file(seed: int) -> bytes:
    """A valid file with bytes changed, taken out or put in anywhere behind its length, which is made right again."""
    rng = np.random.default_rng(seed)
    data = valid_file(int(rng.integers(2**32)))
    start = 6 + next(i for i, byte in enumerate(data[6:], 1) if byte < 0x80)
    body = bytearray(data[start:-4])
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        near = min(len(body), int(rng.choice([12, 60, len(body)])))  # most fields lie at the front
        at, length = int(rng.integers(near)), int(rng.choice([0, 1, 1, 1, 2, 9]))
        bit = bytes([body[at] ^ 1 << int(rng.integers(8))])
        body[at : at + length] = [b"", b"\x00", b"\xff", bit, rng.bytes(1), rng.bytes(6)][rng.integers(6)]
        body = body or bytearray(1)
    return seal(bytes(body), flags=data[5] ^ int(rng.choice([0, 1, 2, 128], p=[0.91, 0.03, 0.03, 0.03])))
