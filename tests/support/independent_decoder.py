"""A second decoder, written from the docstrings of container, entropy, siren.stored and pixels alone.

Section 0x02 is read by `independent_grid.py`.

It imports nothing of the package and shares no line with it: where the two agree, the docstrings suffice. It is strict:
what the specification forbids is an `Invalid`. It has no limits, so it is for tests only.
"""

import itertools
import math
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import zstandard

from tests.support import independent_grid
from tests.support.independent_bytes import Cursor, fail, within
from tests.support.independent_bytes import Invalid as Invalid

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class Spec(NamedTuple):
    """A file, field by field; of a grid there are no dims, no codes and no coder."""

    height: int
    width: int
    channels: int
    dims: tuple[int, ...]
    codes: tuple[int, ...]
    coder: int | None
    symbols: list[int]
    """Of all tensors, then of all latents, as they are coded."""
    f32_safe: bool
    content_hash: int | None
    ancillary: dict[int, bytes]
    grid: independent_grid.Grid | None = None


def read(data: bytes) -> Spec:
    """All fields of a file."""
    flags, body = unsealed(data)
    height, width = (within(body.varint(), 1, 2**31 - 1, "side") for _ in "hw")
    pixel = within(body.byte(), 0, 3, "pixel: reserved")
    sections = dict(sections_of(body))
    if (1 in sections) == (2 in sections):
        fail("not one network")
    if len(sections.get(0x80, b"four")) != 4:
        fail("HASH is not 4 bytes")
    hashed = int.from_bytes(sections[0x80], "little") if 0x80 in sections else None
    claims = flags == 1, hashed
    if 2 in sections:
        grid, symbols = independent_grid.read(sections.pop(2), height, width, pixel + 1)
        return Spec(height, width, pixel + 1, (), (), None, symbols, *claims, sections, grid)
    siren = Cursor(sections.pop(1))
    depth = within(siren.byte(), 1, 32, "depth")
    dims = tuple(within(siren.varint(), 1, 1024, "dim_hidden") for _ in range(depth))
    codes, coder = tuple(siren.take(2 * (depth + 1))), siren.byte()
    layers = itertools.pairwise([2, *dims, pixel + 1])
    sizes = [size for n_in, n_out in layers for size in (n_in * n_out, n_out)]
    if coder > 1:
        fail(f"coder {coder}")
    symbols = aligned(siren.left, sizes) if coder else raw(siren.left, sum(sizes))
    if any(abs(symbol) > 32767 for symbol in symbols):
        fail("a symbol is too large")
    return Spec(height, width, pixel + 1, dims, codes, coder, symbols, *claims, sections)


def unsealed(data: bytes) -> tuple[int, Cursor]:
    """Flags, and what lies between total_length and CRC."""
    cursor = Cursor(data)
    if cursor.take(5) != b"\x89INR\x01":
        fail("magic or version")
    flags = within(cursor.byte(), 0, 1, "flags: reserved")
    if cursor.varint() != len(data) or len(data) in (2**7, 2**14, 2**21, 2**28):
        fail("total_length")
    body, crc = cursor.take(len(cursor.left) - 4), cursor.left
    if zlib.crc32(data[:-4]) != int.from_bytes(crc, "little"):
        fail("CRC")
    return flags, Cursor(body)


def sections_of(body: Cursor) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    while body.left:
        section_id = body.byte()
        if section_id <= (found[-1][0] if found else 0):
            fail("section ids do not ascend")
        if section_id < 0x80 and section_id not in (1, 2):
            fail(f"section {section_id} is critical and unknown")
        found.append((section_id, body.take(body.varint())))
    return found


def raw(payload: bytes, count: int) -> list[int]:
    return [unzigzag(value) for value in varints(payload, count)]


def varints(payload: bytes, count: int) -> list[int]:
    cursor = Cursor(payload)
    values = [cursor.varint(3) for _ in range(count)]
    return values if not cursor.left else fail("bytes after the last varint")


def unzigzag(value: int) -> int:
    return -(value + 1) // 2 if value % 2 else value // 2


def aligned(payload: bytes, sizes: list[int]) -> list[int]:
    cursor = Cursor(payload)
    halves = [byte >> half & 15 for byte in cursor.take((len(sizes) + 1) // 2) for half in (0, 4)]
    shifts = halves[: len(sizes)]
    bit_count = sum(map(math.prod, zip(shifts, sizes, strict=True)))
    low = np.unpackbits(np.frombuffer(cursor.take((bit_count + 7) // 8), np.uint8)).tolist()
    if any(halves[len(sizes) :]) or any(low[bit_count:]):
        fail("unused bits are set")
    high, bits = iter(varints(unframed(cursor.left), sum(sizes))), iter(low)
    symbols: list[int] = []
    for tensor, (shift, size) in enumerate(zip(shifts, sizes, strict=True)):
        values = [(next(high) << shift) + number(bits, shift) for _ in range(size)]
        hidden_bias = tensor % 2 == 1 and tensor < len(sizes) - 1
        symbols += itertools.accumulate(values) if hidden_bias else map(unzigzag, values)
    return symbols


def number(bits: Iterator[int], width: int) -> int:
    """The next `width` bits, high first."""
    value = 0
    for bit in itertools.islice(bits, width):
        value = 2 * value + bit
    return value


def unframed(payload: bytes) -> bytes:
    """The content of exactly one frame, whose first byte is 0."""
    if payload[:1] != b"\0":
        fail("zstd: the first byte is not 0")
    decompressor = zstandard.ZstdDecompressor(max_window_size=2**23).decompressobj()
    try:
        content = decompressor.decompress(ZSTD_MAGIC + payload)
    except zstandard.ZstdError as error:
        raise Invalid("zstd") from error
    return content if decompressor.eof and not decompressor.unused_data else fail("zstd: cut short, or too long")


def block(spec: Spec, section_id: int) -> bytes:
    """A metadata block, 0x81 ICC, 0x82 EXIF or 0x83 XMP; empty where the file has none."""
    if section_id not in spec.ancillary:
        return b""
    payload = Cursor(spec.ancillary[section_id])
    if within(payload.byte(), 0, 1, "form") == 0:
        return payload.left
    length = payload.varint()
    content = unframed(payload.left)
    return content if len(content) == length else fail("a block of another length")


def draw(spec: Spec, scale: int = 1, dtype: type = np.float64) -> np.ndarray:
    """The picture at a multiple of its size, (height, width, channels) uint8; class X in float64, M in float32."""
    longer = max(spec.height, spec.width)
    y, x = ((2 * (np.arange(scale * n) + 0.5) / scale - n) / longer for n in (spec.height, spec.width))
    y, x = y.astype(np.float32), x.astype(np.float32)
    if spec.grid:
        values = independent_grid.values(spec.grid, (spec.height, spec.width, spec.channels), y, x, dtype)
    else:
        values = sines(spec, np.stack(np.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2).astype(dtype))
    codes = np.floor(np.clip(dtype(127.5) * (values + 1) + dtype(0.5), 0, 255)).astype(np.uint8)
    return codes.reshape(scale * spec.height, scale * spec.width, spec.channels)


def sines(spec: Spec, points: np.ndarray) -> np.ndarray:
    """(points, channels)."""
    values, dtype = points.T, points.dtype
    layers = dequantized(spec)
    for matrix, bias in layers[:-1]:
        values = np.sin(matrix.astype(dtype) @ values + bias.astype(dtype)[:, None])
    matrix, bias = layers[-1]
    values = matrix.astype(dtype) @ values + bias.astype(dtype)[:, None]
    return values.T


def dequantized(spec: Spec) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight (n_out, n_in) and bias (n_out) of all layers, float32."""
    sizes, at, tensors = [2, *spec.dims, spec.channels], 0, []
    for layer, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        for tensor, shape in enumerate([(n_out, n_in), (n_out,)]):
            symbols = np.array(spec.symbols[at : at + math.prod(shape)], np.float32)
            tensors.append((symbols * np.float32(q_step(spec.codes[2 * layer + tensor]))).reshape(shape))
            at += math.prod(shape)
    return list(zip(tensors[::2], tensors[1::2], strict=True))


def q_step(code: int) -> float:
    return float((16 + code % 16) * 2.0 ** (code // 16 - 20))
