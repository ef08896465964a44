"""Hostile weights: what coder 1 holds once it is unpacked, changed, packed again and drawn at 8x8.

Bytes changed within a compressed frame seldom get past zstd; changed before they are compressed, all do.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import zstandard

from inrcodec import families
from inrcodec.decoding import decoder
from inrcodec.format import container
from inrcodec.format.entropy import decompress, varint
from tests.support.generator import tensor_sizes
from tests.support.helpers import header, seal, section
from tools.attack.fuzz_bytes import below, noise
from tools.attack.fuzz_container import fields

_LARGE = 1 / 20_000
"""Fraction of inputs that hold as many weights as a file may."""


@dataclass(frozen=True)
class Seed:
    """A file whose weights are by coder 1, unpacked."""

    height: int
    width: int
    channels: int
    dims: tuple[int, ...]
    codes: bytes
    shifts: tuple[int, ...]
    low: bytes
    """The low bits of all values, packed."""
    high: bytes
    """The content of the frame."""


def seeds(files: Sequence[bytes]) -> Iterator[Seed]:
    """The files whose weights are by coder 1."""
    for data in files:
        head, sections = families.read_header(data), dict(container.parse(data, families.FAMILIES).sections)
        if 1 not in sections:
            continue
        *_, codes, coder, weights = fields(1, sections[1])
        if coder == b"\x01":
            arch, count = head.arch, (len(codes) + 1) // 2
            halves = [half for byte in weights[:count] for half in (byte & 15, byte >> 4)]
            shifts, sizes = tuple(halves[: len(codes)]), tensor_sizes(arch.dim_hidden, arch.channels)
            end = count + low_bytes(shifts, sizes)
            high = decompress(weights[end:], 3 * sum(sizes))
            yield Seed(head.height, head.width, arch.channels, arch.dim_hidden, codes, shifts, weights[count:end], high)


def low_bytes(shifts: Sequence[int], sizes: Sequence[int]) -> int:
    """Bytes of all low bits."""
    return -(-sum(shift * size for shift, size in zip(shifts, sizes, strict=True)) // 8)


def mutate(rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """A file whose weights are changed, and at times its steps and its size."""
    if rng.random() < _LARGE:
        return assembled(rng, large(rng))
    one, other = seeds[below(rng, len(seeds))], seeds[below(rng, len(seeds))]
    how = rng.random()
    if how < 0.4:
        one = replace(one, high=other_values(rng, one.high))
    elif how < 0.8:
        one = replace(one, high=noise(rng, one.high, other.high))
    if rng.random() < 0.2:
        one = replace(one, low=noise(rng, one.low, other.high))
    if rng.random() < 0.3:
        one = other_shifts(rng, one)
    if rng.random() < 0.1:
        one = replace(one, codes=rng.randbytes(len(one.codes)))
    if rng.random() < 0.01:
        one = replace(one, height=1 + below(rng, 131_072), width=1 + below(rng, 131_072))
    return assembled(rng, one)


def other_values(rng: random.Random, high: bytes) -> bytes:
    """As many varints of the same lengths, one to sixteen bytes of them changed."""
    changed = bytearray(high)
    for _ in range(1 + below(rng, 16)):
        at = below(rng, len(high))
        changed[at] = changed[at] & 0x80 | (0, 1, 0x7F, below(rng, 128))[below(rng, 4)]
    return bytes(changed)


def other_shifts(rng: random.Random, one: Seed) -> Seed:
    """Another shift of one tensor, and as many low bits as it then takes."""
    at = below(rng, len(one.shifts))
    shifts = (*one.shifts[:at], below(rng, 16), *one.shifts[at + 1 :])
    count = low_bytes(shifts, tensor_sizes(one.dims, one.channels))
    low = one.low[:count].ljust(count, bytes([below(rng, 256)]))
    return replace(one, shifts=shifts, low=low[:-1] + b"\0" if low else low)


def large(rng: random.Random) -> Seed:
    """As many weights as a file may hold, all alike."""
    dims, shift = (1024, 1024, 1024, 1024, 1000), below(rng, 16)
    sizes = tensor_sizes(dims, 3)
    shifts = tuple(0 if i % 2 else shift for i in range(len(sizes)))
    low = bytes(low_bytes(shifts, sizes))
    return Seed(8, 8, 3, dims, rng.randbytes(len(sizes)), shifts, low, bytes([below(rng, 2)]) * sum(sizes))


def assembled(rng: random.Random, one: Seed) -> bytes:
    """The file, its length and CRC right."""
    halves = [*one.shifts, 0] if len(one.shifts) % 2 else one.shifts
    packed = bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))
    weights = b"\x01" + packed + one.low + framed(rng, one.high)
    siren = bytes([len(one.dims)]) + b"".join(map(varint, one.dims)) + one.codes + weights
    return seal(header(one.height, one.width, one.channels - 1) + section(1, siren))


def framed(rng: random.Random, content: bytes) -> bytes:
    """A frame of some content; one in ten is then damaged, doubled or followed by other bytes."""
    frame = compressor().compress(content)
    how = below(rng, 40)
    if how < 2:
        return noise(rng, frame, content + b"\0")
    return (frame * 2, frame + b"\x50\x2a\x4d\x18\0\0\0\0")[how - 2] if how < 4 else frame


@cache
def compressor() -> zstandard.ZstdCompressor:
    """Of frames as the specification wants them, with a small window."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        1, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=0, window_log=20
    )
    return zstandard.ZstdCompressor(compression_params=parameters)


def check(data: bytes, rng: random.Random) -> None:
    """Draw the file."""
    decoder.decode(data, (8, 8))
