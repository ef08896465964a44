"""A second decoder of section 0x02, written from the docstrings that docs/format.md holds, and from them alone.

It imports nothing of the package and shares no line with it; a prior's numbers it takes from the package's file.
Laws are integers here, splines and pyramids dense matrices, and priors are matched by what rows and columns mean.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from tests.support import independent_ans
from tests.support.independent_bytes import Cursor, fail, within

PRIORS = Path(__file__).parents[2] / "inrcodec" / "families" / "grid"
PRIOR = 3
"""The only one there is."""

COMPONENTS = {1: ["luma"], 2: ["luma", "alpha"], 3: ["luma", "red", "blue"], 4: ["luma", "red", "blue", "alpha"]}
PLANES = [("luma", 0, 6), ("luma", 1, 6), ("luma", 2, 6), ("luma", 3, 2), ("red", 1, 4), ("blue", 1, 4),
          ("red", 2, 4), ("blue", 2, 4), ("alpha", 0, 4), ("alpha", 1, 2)]  # fmt: skip
"""(component, its first level, scale); the last one of a component takes all coarser levels too."""
LAST_GROUP = {"luma": 3, "red": 2, "blue": 2, "alpha": 1}
AROUND = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
PLACES = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-2, -1), (-2, 1),
          (0, -3), (-3, 0), (-2, 2)]  # fmt: skip
HERE = [(0, 0)]
CROSS = [*HERE, (0, 6), (6, 0), (0, -6), (-6, 0)]


class Grid(NamedTuple):
    """What a section holds."""

    prior: int
    delta_code: int
    shifts: tuple[int, ...]
    scales: tuple[int, ...]
    tensors: dict[str, np.ndarray]
    """In units of 2^-12."""
    gains: dict[tuple[str, int], int]
    """Likewise, by component and level."""
    latents: dict[tuple[str, int], np.ndarray]
    """By component and level."""


def facts(grid: Grid | None) -> dict[str, Any] | None:
    """What a section says beside its symbols; None of none."""
    names = ("prior", "delta_code", "shifts", "scales")
    return grid and {name: getattr(grid, name) for name in names}


class Labels(NamedTuple):
    """What the rows and the columns of a tensor mean."""

    rows: list[Any]
    columns: list[Any]


def planes_of(channels: int) -> list[tuple[str, int, int]]:
    return [plane for plane in PLANES if plane[0] in COMPONENTS[channels]]


def level_count(height: int, width: int) -> int:
    return next(n for n in itertools.count(2) if max(height, width) <= 12 * 2 ** (n - 1))


def on_level(channels: int, level: int) -> list[str]:
    return [one for one in COMPONENTS[channels] if level or one not in ("red", "blue")]


def spread_out(step: int) -> list[tuple[int, int]]:
    """A cell, and places a step away."""
    return HERE + [(step * dy, step * dx) for dy, dx in AROUND]


def sees(component: str, channels: int) -> list[tuple[str, int, tuple[int, int]]]:
    """What the context network sees of one that it codes, or of both of chroma: (of which, levels above, place)."""
    if component in ("red", "blue"):
        both, luma = ["red", "blue"], ["luma"]
        parts = [(both, 0, PLACES[:4]), (luma, 0, HERE), (both, 1, spread_out(2)), (luma, 1, HERE)]
    else:
        own = [component]
        parts = [(own, 0, PLACES), (own, 1, spread_out(3)), (own, 2, CROSS)]
        if channels > 2:
            parts += [(["red", "blue"] if component == "luma" else ["none", "none"], 1, HERE)]
    return [(one, up, place) for which, up, places in parts for one in which for place in places]


def network(name: str, inputs: list[Any], neurons: int, outputs: list[Any]) -> dict[str, Labels]:
    hidden = [("neuron", i) for i in range(neurons)]
    return {
        f"{name}.first": Labels(hidden, [*inputs, "bias"]),
        f"{name}.second": Labels(hidden, [*hidden, "bias"]),
        f"{name}.last": Labels(outputs, [*hidden, *inputs, "bias"]),
    }


def tensors_of(height: int, width: int, channels: int) -> dict[str, Labels]:
    """All tensors in their order."""
    gains = [(one, level) for level in range(level_count(height, width)) for one in on_level(channels, level)]
    seen = [*planes_of(channels), *itertools.product("01", AROUND)]
    found = {"gains": Labels([0], gains)} | network("synthesis", seen, 16, COMPONENTS[channels])
    found |= network("luma", [*sees("luma", channels), "level"], 16, ["mean", "scale"])
    if channels > 2:
        inputs, both = [*sees("red", channels), "size", "sizes around", "level"], ["red", "blue"]
        found |= network("chroma", inputs, 12, list(itertools.product(["mean", "scale"], both)))
    return found


@functools.lru_cache(9)
def stored_prior(number: int) -> np.ndarray:
    return np.fromfile(PRIORS / f"prior_{number}.bin", "<i2").astype(int).reshape(2, -1)


def largest_of_prior(number: int) -> int:
    """No number of it is larger, at any delta code."""
    plain, slopes = np.abs(stored_prior(number))
    return int((plain + 2 * slopes).max()) + 1


def prior_by_meaning(number: int, delta_code: int) -> dict[tuple[str, Any, Any], int]:
    """The numbers of a prior by tensor, row and column."""
    pairs = zip(*stored_prior(number).tolist(), strict=True)
    away = min(max(delta_code - 550, -128), 128)
    numbers = (plain + (slope * away + 32) // 64 for plain, slope in pairs)
    return {
        (name, row, column): next(numbers)
        for name, labels in tensors_of(1, 1, 3).items()
        if name != "gains"
        for row in labels.rows
        for column in labels.columns
    }


class Stream(Protocol):
    """A stream that is read, or written: see `independent_ans`."""

    def take(self, scales: list[int], means: list[int]) -> list[int]: ...


def read(payload: bytes, height: int, width: int, channels: int) -> tuple[Grid, list[int]]:
    """The section, and all symbols in the order of its stream."""
    cursor, labels = Cursor(payload), tensors_of(height, width, channels)
    number = within(cursor.byte(), PRIOR, PRIOR, "prior")
    delta_code = within(cursor.varint(), 0, 1023, "delta code")
    halves = cursor.take(len(labels))
    shifts, scales = [byte // 16 for byte in halves], [byte % 16 for byte in halves]
    stream = independent_ans.Reader(cursor.left)
    found = coded(stream, (height, width, channels), number, delta_code, shifts, scales)
    stream.finish()
    return found


def coded(
    stream: Stream,
    shape: tuple[int, int, int],
    number: int,
    delta_code: int,
    shifts: Sequence[int],
    scales: Sequence[int],
) -> tuple[Grid, list[int]]:
    """What a stream holds, and all its symbols in their order."""
    labels = tensors_of(*shape)
    sizes = [len(each.rows) * len(each.columns) for each in labels.values()]
    laws = [4 * scale for scale, size in zip(scales, sizes, strict=True) for _ in range(size)]
    symbols = stream.take(laws, [0] * len(laws))
    tensors, known, left = {}, prior_by_meaning(number, delta_code), iter(symbols)
    for (name, each), shift in zip(labels.items(), shifts, strict=True):
        places = itertools.product(each.rows, each.columns)
        values = [known.get((name, *place), 0) + (next(left) << shift) for place in places]
        if any(abs(value) > 65536 for value in values):
            fail("a weight is too large")
        tensors[name] = np.array(values, np.int64).reshape(len(each.rows), -1)
    latents = dict(Latents(shape, tensors, stream, symbols).all())
    gains = dict(zip(labels["gains"].columns, tensors["gains"][0].tolist(), strict=True))
    return Grid(number, delta_code, tuple(shifts), tuple(scales), tensors, gains, latents), symbols


class Latents:
    """Reads the latents of a stream, wave by wave."""

    def __init__(
        self, shape: tuple[int, int, int], tensors: dict[str, np.ndarray], stream: Stream, told: list[int]
    ) -> None:
        *self._size, self._channels = shape
        self._tensors = tensors
        self._stream, self._told = stream, told
        self._stand_ins: dict[tuple[str, int, int], np.ndarray] = {}
        """By component, level, and by how many levels they were enlarged; in units of 2^-8."""

    def all(self) -> Iterator[tuple[tuple[str, int], np.ndarray]]:
        for level in reversed(range(level_count(*self._size))):
            for component in on_level(self._channels, level):
                if component != "blue":
                    together = ["red", "blue"] if component == "red" else [component]
                    yield from self._grid(level, together)

    def _grid(self, level: int, together: list[str]) -> Iterator[tuple[tuple[str, int], np.ndarray]]:
        height, width = self._sides(level)
        found = {one: np.zeros((height, width), np.int64) for one in together}
        for one in together:
            self._stand_ins[one, level, 0] = np.zeros((height, width), np.int64)
        for wave in range(2 * (height - 1) + width):
            cells = [(y, wave - 2 * y) for y in range(height) if 0 <= wave - 2 * y < width]
            inputs = np.array([self._inputs(level, together, *cell) for cell in cells], np.int64)
            means, scales = self._laws("chroma" if "red" in together else "luma", inputs) if cells else ([], [])
            symbols = self._stream.take(scales, means)
            self._told += symbols
            for (one, cell), symbol in zip(itertools.product(together, cells), symbols, strict=True):
                found[one][cell] = symbol
                self._stand_ins[one, level, 0][cell] = 2**8 * stand_in(symbol)
        for one in together:
            self._enlarge(one, level)
            yield (one, level), found[one]

    def _sides(self, level: int) -> tuple[int, int]:
        height, width = (-(-side // 2**level) for side in self._size)
        return height, width

    def _enlarge(self, component: str, level: int) -> None:
        """To the next two levels; float64 holds all of it."""
        for up in range(1, min(level, 2) + 1):
            rows, columns = map(enlargement, self._sides(level - up))
            larger = rows @ self._stand_ins[component, level - up + 1, up - 1] @ columns.T
            self._stand_ins[component, level - up, up] = larger.astype(np.int64)

    def _at(self, component: str, level: int, up: int, y: int, x: int) -> int:
        """0 where there is none."""
        values = self._stand_ins.get((component, level, up))
        if values is None or not (0 <= y < values.shape[0] and 0 <= x < values.shape[1]):
            return 0
        return int(values[y, x])

    def _inputs(self, level: int, together: list[str], y: int, x: int) -> list[int]:
        """In units of 2^-8."""
        there = sees(together[0], self._channels)
        inputs = [self._at(one, level, up, y + dy, x + dx) for one, up, (dy, dx) in there]
        if "red" in together:
            sizes = [abs(self._at("luma", level, 0, y + dy, x + dx)) for dy, dx in spread_out(1)]
            inputs += [sizes[0], sum(sizes) // 8]
        return [*inputs, 2**8 * 16 * (min(level, 7) - 3)]

    def _laws(self, name: str, inputs: np.ndarray) -> tuple[list[int], list[int]]:
        """Means and scale indices, component by component, of inputs (cells, inputs) in units of 2^-8."""
        first, second, last = (self._tensors[f"{name}.{layer}"] for layer in ("first", "second", "last"))
        x, one = inputs.T, np.ones((1, len(inputs)), np.int64)
        z = first @ np.concatenate([x, 2**8 * 64 * one])
        h1 = np.where(z >= 0, z // 2**16, z // 2**19)
        z = second @ np.concatenate([h1, 1024 * one])
        h2 = h1 + np.where(z >= 0, z // 2**12, z // 2**15)
        out = np.clip(last @ np.concatenate([h2, x // 2**4, 1024 * one]), -(2**27), 2**27)
        means, scales = out[: len(out) // 2], out[len(out) // 2 :]
        means = (means + 2**17) // 2**18
        scales = np.clip((20 * (scales + 16850128) + 3 * 2**21) // (3 * 2**22), 0, 63)
        return means.reshape(-1).tolist(), scales.reshape(-1).tolist()


@functools.cache
def stand_in(symbol: int) -> int:
    size = math.floor(64 * math.asinh(abs(symbol)) + 0.5)
    return size if symbol >= 0 else -size


def enlargement(side: int) -> np.ndarray:
    """(side, half): from the coarser grid's cells along an axis."""
    half = -(-side // 2)
    matrix = np.zeros((2 * half, half))
    for i in range(half):
        matrix[2 * i, max(i - 1, 0)] += 0.25
        matrix[2 * i, i] += 0.75
        matrix[2 * i + 1, i] += 0.75
        matrix[2 * i + 1, min(i + 1, half - 1)] += 0.25
    return matrix[:side]


def plane(grid: Grid, component: str, first: int, height: int, width: int) -> np.ndarray:
    """(height, width): the sum of the levels of a plane."""
    delta = (64 + grid.delta_code % 64) * 2.0 ** (grid.delta_code // 64 - 16)
    last = level_count(height, width) - 1 if first == LAST_GROUP[component] else first
    total = np.zeros([-(-side // 2 ** (last + 1)) for side in (height, width)])
    for level in reversed(range(last + 1)):
        rows, columns = (-(-side // 2**level) for side in (height, width))
        total = enlargement(rows) @ total @ enlargement(columns).T
        if level >= first and (component, level) in grid.latents:
            total += grid.latents[component, level] * (delta * 2.0**-level * (1 + grid.gains[component, level] / 4096))
    return total


@functools.cache
def coefficients(side: int, beyond: int) -> np.ndarray:
    """(side + 2 beyond, side): the spline's coefficients, from index -beyond on, of a side's pixels."""
    z, found = math.sqrt(3) - 2, np.zeros((side + 2 * beyond, side))
    for row, k in itertools.product(range(side + 2 * beyond), range(-40, 41)):
        found[row, min(max(row - beyond - k, 0), side - 1)] += math.sqrt(3) * z ** abs(k)
    return found


def interpolation(positions: np.ndarray, side: int) -> np.ndarray:
    """(positions, side): what each pixel gives."""
    beyond = 6
    taps = np.zeros((len(positions), side + 2 * beyond))
    for row, position in enumerate(positions):
        i = math.floor(position)
        u = position - i
        weights = ((1 - u) ** 3 / 6, 2 / 3 - u**2 * (1 - u / 2), 2 / 3 - (1 - u) ** 2 * (1 - (1 - u) / 2), u**3 / 6)
        taps[row, i - 1 + beyond : i + 3 + beyond] = weights
    found = taps @ coefficients(side, beyond)
    for row, position in enumerate(positions):
        if position == math.floor(position):
            found[row] = np.arange(side) == min(max(position, 0), side - 1)
    return found


def positions_of(coordinates: np.ndarray, side: int, longer: int) -> np.ndarray:
    """Of float32 coordinates along a side."""
    unit = 2.0 ** (math.ceil(math.log2(longer)) - 23)
    exact = (coordinates.astype(np.float64) * longer + side) / 2 - 0.5
    rounded: np.ndarray = np.rint(exact / unit) * unit
    return rounded


def values(grid: Grid, shape: tuple[int, int, int], y: np.ndarray, x: np.ndarray, dtype: type) -> np.ndarray:
    """(rows * columns, channels) of the picture of a shape, at all pairs of float32 coordinates."""
    height, width, channels = shape
    down, across = positions_of(y, height, max(height, width)), positions_of(x, width, max(height, width))

    def seen(pixels: np.ndarray, dy: int = 0, dx: int = 0) -> np.ndarray:
        flat: np.ndarray = (interpolation(down + dy, height) @ pixels @ interpolation(across + dx, width).T).reshape(-1)
        return flat

    planes = [(one, scale, plane(grid, one, first, height, width)) for one, first, scale in planes_of(channels)]
    own = [seen(pixels) for _, _, pixels in planes]
    plain = [sum(s for (one, *_), s in zip(planes, own, strict=True) if one == name) for name in COMPONENTS[channels]]
    inputs = [scale * s for (_, scale, _), s in zip(planes, own, strict=True)]
    inputs += [scale * seen(pixels, *place) for _, scale, pixels in planes[:2] for place in AROUND]
    ones = np.ones((1, len(y) * len(x)), dtype)
    first, second, last = ((grid.tensors[f"synthesis.{n}"] / 4096).astype(dtype) for n in ("first", "second", "last"))
    bottom = np.concatenate([np.array(inputs).astype(dtype), ones])
    h = np.sin(second @ np.concatenate([np.sin(first @ bottom), ones]))
    out = last @ np.concatenate([h, bottom]) + np.array(plain).astype(dtype)
    drawn: np.ndarray = 2 * samples(out).T
    return drawn


def samples(out: np.ndarray) -> np.ndarray:
    """Components -> channels, each less 1/2: what solves the three equations of the docstring."""
    if len(out) < 3:
        return out
    luma, red, blue = out[:3]
    green = luma / math.sqrt(3) + 2 * blue / math.sqrt(6)
    rest = luma / math.sqrt(3) - blue / math.sqrt(6)
    colours = [rest + red / math.sqrt(2), green, rest - red / math.sqrt(2)]
    return np.array([*colours, *out[3:]], out.dtype)
