"""Mutations of .inr files for `fuzz.py`, from a seeded generator; length and checksum are made right.

Without these two made right a fuzzer tests nothing but the checksum; one input in a hundred goes without, to test that.
"""

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import zstandard

from inrcodec import bitstream, entropy, siren

EDGES = (0, 1, 2, 3, 31, 32, 33, 127, 128, 129, 254, 255)
"""Bytes at which fields change their meaning."""
NUMBERS = (0, 1, 127, 128, 1023, 1024, 1025, 16_383, 131_072, 131_073, 2**21, 2**31 - 1, 2**31, 2**35 - 1)
"""Of sizes and lengths, as varints."""


def seal(body: bytes, flags: int) -> bytes:
    """The file around a body: as the specification says, total_length and CRC right."""
    rest = 6 + len(body) + 4
    length = next(n for n in range(rest + 1, rest + 6) if rest + len(entropy.varint(n)) == n)
    data = bitstream.MAGIC + bytes([bitstream.VERSION, flags]) + entropy.varint(length) + body
    return data + struct.pack("<I", zlib.crc32(data))


def body_of(data: bytes) -> bytes:
    """What lies between total_length and CRC."""
    start = 7
    while data[start - 1] & 0x80:
        start += 1
    return data[start:-4]


def _flip(body: bytearray, rng: random.Random) -> None:
    body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)


def _byte(body: bytearray, rng: random.Random) -> None:
    body[rng.randrange(len(body))] = rng.choice(EDGES) if rng.random() < 0.5 else rng.randrange(256)


def _insert(body: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(body) + 1)
    body[at:at] = rng.randbytes(rng.randrange(1, 5))


def _delete(body: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(body))
    del body[at : at + rng.randrange(1, 5)]


def _copy(body: bytearray, rng: random.Random) -> None:
    at, source = rng.randrange(len(body)), rng.randrange(len(body))
    body[at:at] = body[source : source + rng.randrange(1, 30)]


def _number(body: bytearray, rng: random.Random) -> None:
    """Overwrite with a varint, canonical or with a zero group too many."""
    at, number = rng.randrange(min(len(body), 24)), entropy.varint(rng.choice(NUMBERS))
    body[at : at + rng.choice((0, 1, len(number)))] = number if rng.random() < 0.8 else number[:-1] + b"\x80\x00"


def _section(body: bytearray, rng: random.Random) -> None:
    """Add a section behind, known or not, its length right or wrong."""
    payload = rng.randbytes(rng.randrange(8))
    length = len(payload) + rng.choice((0, 0, 0, 1, -1))
    body += bytes([rng.choice((1, 2, 0x7F, 0x80, 0x80, 0x81, 0x90, 0xA0, 0xC0, 0xFF)), max(0, length)]) + payload


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _byte, _byte, _insert, _delete, _copy, _number, _number, _section
)  # fmt: skip


def container(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """A file with one to four mutations of its fields."""
    body = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 4))):
        if body:
            rng.choice(MUTATIONS)(body, rng)
    data = seal(bytes(body), rng.choice((0,) * 10 + (1,) * 10 + (2, 255)))
    return data if rng.random() < 0.99 else data[: rng.randrange(len(data))]


@dataclass(frozen=True)
class Unpacked:
    """The weights of coder 1, unpacked, and what stands around them in the body."""

    before: bytes
    """The picture's fields."""
    arch: bytes
    """Of the SIREN section all before the coder."""
    shifts: bytes
    low: bytes
    high: bytes
    """As the frame holds it."""


def unpacked(data: bytes) -> Unpacked | None:
    """The parts of a file of coder 1, None of another."""
    section = next(payload for key, payload in bitstream.parse(data).sections if key == 1)
    arch = bitstream.read_header(data).arch
    sizes = [int(np.prod(shape)) for shape in arch.param_shapes()]
    head = 1 + sum(len(entropy.varint(dim)) for dim in arch.dim_hidden) + len(sizes)
    if section[head] != 1:
        return None
    shifts, _, frame = entropy._split_aligned(section[head + 1 :], sizes)
    at = head + 1 + -(-len(sizes) // 2)
    used = -(-sum(shift * size for shift, size in zip(shifts, sizes, strict=True)) // 8)
    body = body_of(data)
    before = body[: body.index(section) - len(entropy.varint(len(section))) - 1]
    high = entropy.decompress(frame, 3 * sum(sizes))
    return Unpacked(before, section[:head], section[head + 1 : at], section[at : at + used], high)


def payload(seeds: Sequence[Unpacked], rng: random.Random) -> bytes:
    """A file with mutated weights: shifts, low bits or the content of the frame, which is compressed again."""
    seed = rng.choice(seeds)
    parts = [bytearray(part) for part in (seed.shifts, seed.low, seed.high)]
    for _ in range(rng.choice((1, 1, 2, 8))):
        part = rng.choice(parts)
        if part:
            rng.choice((_flip, _byte, _insert, _delete, _copy) if part is parts[2] else (_flip, _byte))(part, rng)
    frame = _compressor(rng.choice((1, 3))).compress(bytes(parts[2]))
    section = seed.arch + b"\x01" + bytes(parts[0]) + bytes(parts[1]) + frame
    return seal(seed.before + b"\x01" + entropy.varint(len(section)) + section, rng.randrange(2))


def _compressor(level: int) -> zstandard.ZstdCompressor:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=0
    )
    return zstandard.ZstdCompressor(compression_params=parameters)


def network(dims: tuple[int, ...], spread: int, seed: int) -> bytes:
    """A file of a random network, for a start: neurons sorted, so that coder 1 writes it."""
    rng, arch = np.random.default_rng(seed), siren.SirenArch(dims)
    symbols = [np.rint(rng.laplace(0, spread, shape)).astype(np.int32) for shape in arch.param_shapes()]
    ordered = tuple(siren.canonical(symbols, half_turns=False))
    return bitstream.write(bitstream.QuantizedModel(arch, 30, 40, ordered, (170,) * len(ordered)))
