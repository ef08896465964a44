"""A second decoder, written from the docstrings of bitstream, entropy, model, siren and pixels alone.

Slow, in plain Python floats, and sharing no line with the package: where the two agree, the docstrings suffice.
"""

import itertools
import math
import struct
import zlib
from typing import NamedTuple

import zstandard

Layer = tuple[list[list[float]], list[float]]
"""Weight (n_out, n_in) and bias (n_out)."""


class Spec(NamedTuple):
    height: int
    width: int
    channels: int
    dims: list[int]
    codes: bytes
    coder: int
    symbols: list[int]


def read(data: bytes) -> Spec:
    assert data[:6] == b"\x89INR\x00\x00"
    assert zlib.crc32(data[:-4]) == struct.unpack("<I", data[-4:])[0]
    total_length, at = varint(data, 6)
    assert total_length == len(data)
    height, at = varint(data, at)
    width, at = varint(data, at)
    channels, family, depth = data[at : at + 3]
    assert family == 0
    at, dims = at + 3, []
    for _ in range(depth):
        dim, at = varint(data, at)
        dims.append(dim)
    parts = sections(data, at)
    layers = itertools.pairwise([2, *dims, channels])
    sizes = [size for n_in, n_out in layers for size in (n_in * n_out, n_out)]
    coder, payload = parts[2][0], parts[2][1:]
    symbols = aligned(payload, sizes) if coder == 4 else weights(coder, payload, sum(sizes))
    return Spec(height, width, channels, dims, parts[1], coder, symbols)


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = place = 0
    while data[at] & 0x80:
        value += (data[at] & 0x7F) << place
        at, place = at + 1, place + 7
    return value + (data[at] << place), at + 1


def sections(data: bytes, at: int) -> dict[int, bytes]:
    found = {}
    while at < len(data) - 4:
        section_id = data[at]
        length, at = varint(data, at + 1)
        found[section_id], at = data[at : at + length], at + length
    return found


def weights(coder: int, payload: bytes, count: int) -> list[int]:
    if coder:
        payload = unframed(payload)
    if coder <= 1:
        return signed_varints(payload, count)
    if coder == 2:
        return escaped(payload, count)
    mask = payload[: -(-count // 8)]
    kept = [mask[i // 8] >> i % 8 & 1 for i in range(count)]
    values = iter(escaped(payload[len(mask) :], sum(kept)))
    return [next(values) if keep else 0 for keep in kept]


def unframed(payload: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(b"\x28\xb5\x2f\xfd" + payload)


def aligned(payload: bytes, sizes: list[int]) -> list[int]:
    shifts = [byte >> half & 15 for byte in payload[: len(sizes) // 2] for half in (0, 4)]
    bit_count = sum(map(math.prod, zip(shifts, sizes, strict=True)))
    low = payload[len(sizes) // 2 : len(sizes) // 2 + (bit_count + 7) // 8]
    high = iter(varints(unframed(payload[len(sizes) // 2 + len(low) :]), sum(sizes)))
    bits = iter(f"{byte >> place & 1}" for byte in low for place in range(7, -1, -1))
    symbols: list[int] = []
    for tensor, (shift, size) in enumerate(zip(shifts, sizes, strict=True)):
        values = [int(f"{next(high):b}" + "".join(itertools.islice(bits, shift)), 2) for _ in range(size)]
        hidden_bias = tensor % 2 == 1 and tensor < len(sizes) - 1
        symbols += itertools.accumulate(values) if hidden_bias else map(unzigzag, values)
    return symbols


def varints(payload: bytes, count: int) -> list[int]:
    values, at = [], 0
    for _ in range(count):
        value, at = varint(payload, at)
        values.append(value)
    return values


def unzigzag(value: int) -> int:
    return -(value + 1) // 2 if value % 2 else value // 2


def signed_varints(payload: bytes, count: int) -> list[int]:
    return [unzigzag(value) for value in varints(payload, count)]


def escaped(payload: bytes, count: int) -> list[int]:
    codes = payload[:count]
    large = iter(signed_varints(payload[count:], codes.count(0)))
    return [code - 128 if code else next(large) for code in codes]


def picture(spec: Spec) -> list[int]:
    """The codes of all samples, row by row, channels last."""
    layers = dequantized(spec)
    out = []
    for row in range(spec.height):
        for column in range(spec.width):
            values = colour(layers, coordinate(row, spec.height, spec), coordinate(column, spec.width, spec))
            out += [min(255, max(0, math.floor(127.5 * (value + 1) + 0.5))) for value in values]
    return out


def coordinate(pixel: int, side: int, spec: Spec) -> float:
    exact = (2 * (pixel + 0.5) - side) / max(spec.height, spec.width)
    return struct.unpack("f", struct.pack("f", exact))[0]


def colour(layers: list[Layer], y: float, x: float) -> list[float]:
    values = [y, x]
    for matrix, bias in layers[:-1]:
        values = [math.sin(total) for total in sums(matrix, bias, values)]
    return sums(*layers[-1], values)


def sums(matrix: list[list[float]], bias: list[float], values: list[float]) -> list[float]:
    return [sum(map(math.prod, zip(row, values, strict=True))) + b for row, b in zip(matrix, bias, strict=True)]


def dequantized(spec: Spec) -> list[Layer]:
    stream, codes, layers = iter(spec.symbols), iter(spec.codes), []
    sizes = [2, *spec.dims, spec.channels]
    for n_in, n_out in itertools.pairwise(sizes):
        step = q_step(next(codes))
        matrix = [[next(stream) * step for _ in range(n_in)] for _ in range(n_out)]
        step = q_step(next(codes))
        layers.append((matrix, [next(stream) * step for _ in range(n_out)]))
    return layers


def q_step(code: int) -> float:
    return (16 + code % 16) * 2.0 ** (code // 16 - 20)
