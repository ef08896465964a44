"""Changes of bytes that know nothing of the format, and numbers that lie on its borders."""

import random
from collections.abc import Callable

from inrcodec.format.entropy import varint

Change = Callable[[random.Random, bytes, bytes], bytes]

EDGES = (0, 1, 2, 4, 31, 32, 33, 127, 128, 255, 256, 1023, 1024, 1025, 16383, 16384, 131_072, 131_073, 2**21, 2**28,
         2**31 - 1, 2**31, 2**32 - 1, 2**35 - 1)  # fmt: skip
"""Limits of fields, and where a varint takes one byte more."""


def below(rng: random.Random, count: int) -> int:
    """0 .. count - 1; ten times as fast as `randrange`."""
    return int(rng.random() * count)


def edge(rng: random.Random) -> bytes:
    """A varint on a border, at times with a group more than it takes, or without its end."""
    written = varint(EDGES[below(rng, len(EDGES))])
    form = rng.random()
    if form < 0.1:
        return written[:-1] + bytes([written[-1] | 0x80])
    return written[:-1] + bytes([written[-1] | 0x80, 0]) if form < 0.3 else written


def _set(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at, how = below(rng, len(data)), below(rng, 6)
    byte = (0, 0xFF, data[at] + 1, data[at] - 1, below(rng, 256), data[at] ^ (1 << below(rng, 8)))[how]
    return data[:at] + bytes([byte & 0xFF]) + data[at + 1 :]


def _insert(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at = below(rng, len(data) + 1)
    return data[:at] + rng.randbytes(1 + below(rng, 4)) + data[at:]


def _delete(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at = below(rng, len(data))
    return data[:at] + data[at + 1 + below(rng, 8) :]


def _repeat(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at, to = below(rng, len(data)), below(rng, len(data))
    return data[:to] + data[at : at + 1 + below(rng, 16)] + data[to:]


def _splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: below(rng, len(data))] + other[below(rng, len(other)) :]


def _overwrite(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at, start = below(rng, len(data)), below(rng, len(other))
    slice_ = other[start : start + 1 + below(rng, 16)]
    return data[:at] + slice_ + data[at + len(slice_) :]


def _edge(rng: random.Random, data: bytes, other: bytes) -> bytes:
    at = below(rng, len(data))
    return data[:at] + edge(rng) + data[at + 1 :]


def _cut(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: below(rng, len(data))]


_CHANGES: tuple[Change, ...] = (_set, _set, _set, _set, _insert, _delete, _repeat, _splice, _overwrite, _edge, _cut)


def noise(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """`data` after one to four changes; `other`, not empty, lends slices."""
    for _ in range(1 + below(rng, 4)):
        if data:
            data = _CHANGES[below(rng, len(_CHANGES))](rng, data, other)
    return data
