"""ICC profiles: which of them mean sRGB by their numbers, and one that says what a PNG's gAMA and cHRM chunks say.

Read are the tags of matrix and curve (ICC.1:2022, sections 8.3, 8.4, 10.6, 10.18, 10.31), whatever the bytes; text is
not. A profile that has tables beside them, or anything that is not understood, is not taken for sRGB.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_HEADER, _ENTRY, _MOST_TAGS = 128, 12, 100
_D50 = np.array([0.9642, 1.0, 0.8249])
_D65 = np.array([0.9505, 1.0, 1.0890])
_SRGB = np.array([[0.4361, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7141]])
"""XYZ of red, green and blue, adapted to D50."""
_PRIMARY_TOLERANCE = 0.004
"""Tolerance in XYZ: small sRGB profiles are rounded to 0.002; the nearest other space (Display P3) is 0.08 away."""
_CURVE_TOLERANCE = 1.5 / 255
"""Tolerance in values as they are stored: small sRGB profiles come to one code, a power of 2.2 differs by six."""
SRGB_CHROMATICITY = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""x and y of white, red, green and blue, as in a cHRM chunk."""
SRGB_GAMMA = 0.45455
"""What PNGs of sRGB have in a gAMA chunk, if any."""
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def is_srgb(block: bytes) -> bool:
    """Whether a profile has the white, the primaries and the curve of sRGB; of grey ones white and curve."""
    tags = _tags(block)
    space = block[16:20]
    colours, curves = {b"RGB ": ("rgb", "rgb"), b"GRAY": ("", "k")}.get(space, ("", ""))
    if not curves or any(name.startswith((b"A2B", b"D2B")) for name in tags):
        return False
    if not any(_near(_xyz(tags.get(b"wtpt", b"")), white) for white in (_D50, _D65)):
        return False
    primaries = [_xyz(tags.get(f"{colour}XYZ".encode(), b"")) for colour in colours]
    if not all(_near(found, expected) for found, expected in zip(primaries, _SRGB, strict=False)):
        return False
    return all(_is_srgb_curve(tags.get(f"{colour}TRC".encode(), b"")) for colour in curves)


def _tags(block: bytes) -> dict[bytes, bytes]:
    """The tags' data by their signatures; none where the table is not whole."""
    if len(block) < _HEADER + 4:
        return {}
    (count,) = struct.unpack_from(">I", block, _HEADER)
    if count > _MOST_TAGS or len(block) < _HEADER + 4 + count * _ENTRY:
        return {}
    entries = struct.iter_unpack(">4s2I", block[_HEADER + 4 : _HEADER + 4 + count * _ENTRY])
    return {name: block[start : start + size] for name, start, size in entries}


def _fixed(data: bytes) -> NDArray[np.float64]:
    """Numbers of type s15Fixed16."""
    return np.frombuffer(data[: len(data) // 4 * 4], ">i4") / 65536


def _xyz(tag: bytes) -> NDArray[np.float64]:
    return _fixed(tag[8:20]) if tag[:4] == b"XYZ " else np.empty(0)


def _near(found: NDArray[np.float64], expected: NDArray[np.float64]) -> bool:
    return len(found) == 3 and bool(np.abs(found - expected).max() <= _PRIMARY_TOLERANCE)


def _is_srgb_curve(tag: bytes) -> bool:
    values = np.linspace(0, 1, 256)
    with np.errstate(all="ignore"):
        linear = _curve(tag, values)
        return bool(np.abs(_encoded(np.clip(linear, 0, 1)) - values).max() <= _CURVE_TOLERANCE)


def _encoded(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light 0 .. 1 as sRGB has it (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _curve(tag: bytes, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light of values 0 .. 1 by a tag of type curv or para; NaN where it is neither."""
    if tag[:4] == b"curv" and len(tag) >= 12:
        (count,) = struct.unpack_from(">I", tag, 8)
        table = np.frombuffer(tag[12 : 12 + 2 * count][: (len(tag) - 12) // 2 * 2], ">u2")
        if len(table) == count <= 1:
            return x ** (float(table[0]) / 256 if count else 1.0)
        if len(table) == count:
            return np.interp(x, np.linspace(0, 1, count), table / 65535)
    if tag[:4] == b"para" and len(tag) >= 12:
        kind = struct.unpack_from(">H", tag, 8)[0]
        count = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}.get(kind, 0)
        given = _fixed(tag[12 : 12 + 4 * count])
        if count and len(given) == count:
            return _parametric(kind, given, x)
    return np.full_like(x, np.nan)


def _parametric(kind: int, given: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Functions 0 to 4 of parametricCurveType, all as (a x + b)^g + e from d on, and c x + f below."""
    g, a, b, c, d, e, f = np.pad(given, (0, 7 - len(given)))
    if kind == 0:
        a = 1.0
    if kind in (1, 2):
        c, d, e, f = 0.0, -b / a if a else 0.0, c, c
    light: NDArray[np.float64] = np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)
    return light


def says_srgb(gamma: float, chromaticity: Sequence[float] = SRGB_CHROMATICITY) -> bool:
    """Whether gAMA and cHRM chunks are those that pictures of sRGB have (PNG 3rd edition, table 20)."""
    return abs(gamma - SRGB_GAMMA) < 0.005 and bool(np.allclose(chromaticity, SRGB_CHROMATICITY, atol=0.003, rtol=0))


def made_profile(gamma: float, chromaticity: Sequence[float], grey: bool = False) -> bytes:
    """A small profile (version 2.1) of values that are linear light to the power of `gamma`, such as 0.45455.

    `chromaticity` as of `SRGB_CHROMATICITY`. Raises ValueError where these are no colours.
    """
    if not 0.01 <= gamma <= 100 or len(chromaticity) != 8 or min(chromaticity[1::2]) < 0.001:
        raise ValueError(f"gamma {gamma:g}, chromaticity {chromaticity}")
    white, *colours = (
        np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in zip(chromaticity[::2], chromaticity[1::2], strict=True)
    )
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 / gamma)) + bytes(2)
    text = b"text" + bytes(4) + b"public domain\0\0\0"
    name = b"desc" + bytes(4) + struct.pack(">I", 4) + b"PNG\0" + bytes(78 + 2)
    tags = {b"desc": name, b"cprt": text, b"wtpt": _xyz_tag(_D50)}
    if grey:
        return _profile(b"GRAY", {**tags, b"kTRC": curve})
    primaries = {f"{c}XYZ".encode(): _xyz_tag(xyz) for c, xyz in zip("rgb", _adapted(white, colours), strict=True)}
    return _profile(b"RGB ", {**tags, **primaries, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)})


def _adapted(white: NDArray[np.float64], colours: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(3, 3) XYZ of primaries that make a white, adapted to D50 by Bradford's matrix."""
    matrix = np.transpose(colours)
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise ValueError("the primaries lie on a line")
    matrix = matrix * np.linalg.solve(matrix, white)
    cones = np.diag(_BRADFORD @ _D50 / (_BRADFORD @ white))
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ matrix
    return np.clip(adapted.T, -32000, 32000)


def _xyz_tag(xyz: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + np.rint(xyz * 65536).astype(">i4").tobytes()


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A monitor's profile of these tags; equal ones are stored once."""
    start, places, body = _HEADER + 4 + _ENTRY * len(tags), {}, b""
    for data in dict.fromkeys(tags.values()):
        places[data] = start + len(body)
        body += data + bytes(-len(data) % 4)
    table = b"".join(struct.pack(">4s2I", key, places[data], len(data)) for key, data in tags.items())
    header = struct.pack(">I4xI4s4s4s12x4s", start + len(body), 0x02100000, b"mntr", space, b"XYZ ", b"acsp")
    return header.ljust(68, b"\0") + _xyz_tag(_D50)[8:] + bytes(48) + struct.pack(">I", len(tags)) + table + body
