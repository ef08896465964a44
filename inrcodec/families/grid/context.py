"""Laws of the latents by the context networks, in integers, the same on every machine: what the entropy coder is given.

**Order.** Levels from the coarsest to the finest; on a level luma, then both of chroma together, then alpha. Cells of a
grid in waves: wave t = 2 y + x, from 0 to 2 (h - 1) + w - 1, y ascending. A call of the coder (`format/ans.py`) is a
wave; of chroma all its cells of red, then all of blue.

**Inputs.** a(q) = sign(q) floor(64 asinh(|q|) + 1/2) stands for a latent. Let a_0 of a component be a on the grid of
level l, a_1 that on level l + 1 enlarged to the grid of level l (`compute/pyramid.py`, not rounded), and a_2 that on
level l + 2, enlarged to level l + 1 and then to level l. All are 0 outside of the grid, and where there is no such
level. Inputs at a cell of level l, in this order, latents at places (rows, columns) from the cell (`arch.py`):

    luma, alpha   a_0 of the component at `LUMA_CAUSAL`, a_1 at `LUMA_COARSER`, a_2 at `LUMA_COARSEST`; in pictures with
                  chroma a_1 of red and of blue at the cell, but for alpha 0; 16 (min(l, 7) - 3)
    red, blue     a_0 of red at `CHROMA_CAUSAL`, of blue too; a_0 of luma at the cell; a_1 of red at
                  `CHROMA_COARSER`, of blue too; a_1 of luma at the cell; |a_0| of luma there; an eighth of the sum of
                  that over 3x3 cells, the cell itself and those around it; 16 (min(l, 7) - 3)

**Networks.** Weights are integers in units of 2^-12, at most 2^16 in size, matrices [W | b] (`stored.py`). With x the
inputs, leak(z) = z where z >= 0, else z / 8, and floors taken element by element:

    h1  = floor(leak(first [x; 64]) / 2^8)
    h2  = h1 + floor(leak(second [h1; 1024]) / 2^12)
    out = last [h2; floor(16 x); 1024]                   in units of 2^-22, clamped to -2^27 .. 2^27

The first half of the outputs are means, the second logarithms of scales, one for each component of the network:

    mean         m = floor((out + 2^17) / 2^18)                         in sixteenths
    scale index  s = floor((20 (out + 16850128) + 3 2^21) / (3 2^22)), clamped to 0 .. 63

The second is (ln b - ln 0.018) / 0.15 rounded: the index of the scale b = e^(out / 2^22). What is enlarged once is a
multiple of 2^-4, twice of 2^-8, and float32 holds it; leak makes of sums of these multiples of 2^-11 below 2^41; all
else is whole and below 2^51. So float64 holds each number, whatever the order of a sum: nothing is rounded but by the
floors.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inrcodec.compute.arena import Arena
from inrcodec.families.grid.arch import GridArch, Together
from inrcodec.families.grid.views import MARGIN, Views, depth
from inrcodec.format.entropy import MAX_SYMBOL

MAX_WEIGHT = 1 << 16
"""Weights lie in -MAX_WEIGHT .. MAX_WEIGHT, in their units."""
_INPUT, _HIDDEN = 64, 1024
_MOST_OUT = 1 << 27
_LN_LEAST_SCALE = 16850128
"""-ln 0.018 in units of 2^-22."""

AT_ONCE = 4096
"""Cells whose laws an encoder finds at once, about."""

Exchange = Callable[[NDArray[np.int32], NDArray[np.int32]], NDArray[np.int32]]
"""(scale indices, means) of a call -> its symbols, which a decoder finds by them."""
Told = Callable[[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]], None]
"""(symbols, scale indices, means) of a call."""
Latents = tuple[NDArray[np.int32], ...]
"""(components, h, w) of each level."""
Cells = NDArray[np.intp]
"""Rows or columns of some cells, or their places in a flat array."""
Weights = Mapping[str, Sequence[NDArray[np.float64]]]
"""Layers of the context networks by name, whole numbers."""


def stand_in(latents: NDArray[np.int32]) -> NDArray[np.float32]:
    """a(q), element by element."""
    sizes = np.floor(_INPUT * np.arcsinh(np.abs(latents).astype(np.float64)) + 0.5)
    return np.copysign(sizes, latents).astype(np.float32)


def waves(height: int, width: int) -> Iterator[tuple[Cells, Cells]]:
    """(rows, columns) of the cells of each wave of a grid that has any: of a column every other one is empty."""
    for wave in range(0, 2 * (height - 1) + width, 1 + (width == 1)):
        rows = np.arange(max(0, (wave - width + 2) // 2), min(height - 1, wave // 2) + 1)
        yield rows, wave - 2 * rows


class _Network:
    """A context network over some cells."""

    def __init__(self, layers: Sequence[NDArray[np.float64]], most: int) -> None:
        """For at most so many cells at once."""
        self._first, self._second, self._out = layers
        width = len(self._first)
        self._x = np.empty((self._first.shape[1], most))
        self._h1 = np.empty((width + 1, most))
        self._last = np.empty((self._out.shape[1], most))
        self._x[-1], self._h1[-1], self._last[-1] = _INPUT, _HIDDEN, _HIDDEN
        self._width = width

    def inputs(self, count: int) -> NDArray[np.float64]:
        """Where the inputs of `count` cells go, (inputs, count)."""
        return self._x[:-1, :count]

    def laws(self, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Scale indices and means, (components, count) each."""
        h1 = np.floor(_leak(self._first @ self._x[:, :count]) * 2.0**-8)
        self._h1[:-1, :count] = h1
        h1 += np.floor(_leak(self._second @ self._h1[:, :count]) * 2.0**-12)
        self._last[: self._width, :count] = h1
        np.floor(_HIDDEN // _INPUT * self._x[:-1, :count], out=self._last[self._width : -1, :count])
        out = (self._out @ self._last[:, :count]).clip(-_MOST_OUT, _MOST_OUT)
        half = len(out) // 2
        means = np.floor((out[:half] + 2.0**17) * 2.0**-18)
        scales = np.floor((20 * (out[half:] + _LN_LEAST_SCALE) + 3.0 * 2**21) / (3.0 * 2**22)).clip(0, 63)
        return scales.astype(np.int32), means.astype(np.int32)


def _leak(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(z, z * 0.125)


def code(arch: GridArch, weights: Weights, exchange: Exchange) -> Latents:
    """The latents (components, h, w) of each level, as the exchange gives them, wave by wave: a decoder's half."""
    latents = tuple(np.zeros(shape, np.int32) for shape in arch.shapes)
    for grid, found, seen in _grids(arch, weights, latents, 0):
        for rows, columns in waves(*arch.sizes[grid.level]):
            scales, means = seen.laws(rows, columns)
            symbols = exchange(scales.reshape(-1), means.reshape(-1)).reshape(scales.shape)
            found[:, rows, columns] = symbols
            seen.put(rows, columns, symbols)
    return latents


def tell(arch: GridArch, weights: Weights, latents: Latents, told: Told) -> None:
    """Tell the symbols of each call with their laws: an encoder's half, which looks at many waves at once."""
    for grid, found, seen in _grids(arch, weights, latents, AT_ONCE):
        seen.put_all(found)
        for part in _joined(waves(*arch.sizes[grid.level])):
            rows, columns = (np.concatenate(each) for each in zip(*part, strict=True))
            call, at = (found[:, rows, columns], *seen.laws(rows, columns)), 0
            for own, _ in part:
                told(*(numbers[:, at : at + len(own)].reshape(-1) for numbers in call))
                at += len(own)


def _grids(
    arch: GridArch, weights: Weights, latents: Latents, more: int
) -> "Iterator[tuple[Together, NDArray[np.int32], _Seen]]":
    """What is coded together, its part (components, h, w) of the latents, and what is seen of them: all of those that
    came before have to be there. Laws are asked of a wave, and `more` cells, at once."""
    views = Views(arch, np, Arena(lambda *shape: np.empty(shape, np.float32)))
    for grid in arch.together():
        found = latents[grid.level][grid.part]
        yield grid, found, _Seen(arch, grid, weights[grid.network], views, more)
        for component, own in zip(grid.components, stand_in(found), strict=True):
            views.put(component, grid.level, own)


class _Seen:
    """What a context network sees of one grid while that is coded, and its laws."""

    def __init__(
        self, arch: GridArch, grid: Together, layers: Sequence[NDArray[np.float64]], views: Views, more: int
    ) -> None:
        (height, width), planes = arch.sizes[grid.level], views.planes(grid)
        self._planes, self._across = np.stack(planes), planes[0].shape[-1]
        self._flat, size = self._planes.reshape(-1), planes[0].size
        seen = [view.places for view in grid.views(arch.has_chroma)]
        self._taps = np.array([i * size + dy * self._across + dx for i, each in enumerate(seen) for dy, dx in each])
        self._own = np.arange(len(grid.components)) * size
        self._network = _Network(layers, more + min(height, (width + 1) // 2))
        self._depth = _INPUT * depth(grid.level)

    def laws(self, rows: Cells, columns: Cells) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Scale indices and means, (components, cells) each."""
        at = self._places(rows, columns)
        inputs = self._network.inputs(len(at))
        inputs[:-1] = self._flat[self._taps[:, None] + at]
        inputs[-1] = self._depth
        return self._network.laws(len(at))

    def put(self, rows: Cells, columns: Cells, symbols: NDArray[np.int32]) -> None:
        """The latents (components, cells) there are known from now on."""
        self._flat[self._own[:, None] + self._places(rows, columns)] = _STAND_INS[symbols]

    def put_all(self, latents: NDArray[np.int32]) -> None:
        """All of them (components, h, w): no law looks at one that is not before it."""
        self._planes[: len(latents), MARGIN:-MARGIN, MARGIN:-MARGIN] = _STAND_INS[latents]

    def _places(self, rows: Cells, columns: Cells) -> Cells:
        places: Cells = (rows + MARGIN) * self._across + columns + MARGIN
        return places


def _joined(waves: Iterable[tuple[Cells, Cells]]) -> Iterator[list[tuple[Cells, Cells]]]:
    """Waves in lists of at least `AT_ONCE` cells, but for the last."""
    part: list[tuple[Cells, Cells]] = []
    count = 0
    for wave in waves:
        part.append(wave)
        count += len(wave[0])
        if count >= AT_ONCE:
            yield part
            part, count = [], 0
    if part:
        yield part


_STAND_INS = np.concatenate(
    [stand_in(np.arange(MAX_SYMBOL + 1, dtype=np.int32)), stand_in(np.arange(-MAX_SYMBOL, 0, dtype=np.int32))]
)
"""a(q) by q, from the end for those below 0."""


def in_order(arch: GridArch, latents: Latents) -> NDArray[np.int32]:
    """All latents in the order in which they are coded."""
    return np.concatenate([part[:, rows, columns].reshape(-1) for part, rows, columns in _cells(arch, latents)])


def placed(arch: GridArch, symbols: NDArray[np.int32]) -> Latents:
    """The inverse of `in_order`."""
    latents, at = tuple(np.empty(shape, np.int32) for shape in arch.shapes), 0
    for part, rows, columns in _cells(arch, latents):
        shape = len(part), len(rows)
        part[:, rows, columns] = symbols[at : at + math.prod(shape)].reshape(shape)
        at += math.prod(shape)
    return latents


def _cells(arch: GridArch, latents: Latents) -> Iterator[tuple[NDArray[np.int32], Cells, Cells]]:
    """For each call the part (components, h, w) of the latents that it is of, and its rows and columns."""
    for grid in arch.together():
        for rows, columns in waves(*arch.sizes[grid.level]):
            yield latents[grid.level][grid.part], rows, columns
