"""Laws of the latents by the context networks, in integers, the same on every machine: what the entropy coder is given.

**Order.** Levels from the coarsest to the finest; on a level luma, then both of chroma together, then alpha. Cells of a
grid in waves: wave t = 2 y + x, from 0 to 2 (h - 1) + w - 1, y ascending. A call of the coder (`format/ans.py`) is a
wave; of chroma all its cells of red, then all of blue.

**Inputs.** a(q) = sign(q) floor(64 asinh(|q|) + 1/2) stands for a latent; outside of a grid, and where there is no
coarser level, it is 0. Inputs of a cell (y, x) of level l, in this order:

    luma, alpha   a at the nine places `LUMA_CAUSAL` on the same grid; a of the same component on level l + 1, at
                  (y // 2, x // 2), which holds the cell; in pictures with chroma the same of red and of blue, but for
                  alpha 0; 16 (min(l, 7) - 3)
    red, blue     a at the four places `CHROMA_CAUSAL` of red, then of blue; a of luma at the cell; a of red, blue and
                  luma on level l + 1; 16 (min(l, 7) - 3); |a| of luma; an eighth of the sum of that over 3x3 cells

**Networks.** Weights are integers in units of 2^-12, at most 2^16 in size, matrices [W | b] (`stored.py`). With x the
inputs, leak(z) = z where z >= 0, else z / 8, and floors taken element by element:

    h1  = floor(leak(first [x; 64]) / 2^8)
    h2  = h1 + floor(leak(second [h1; 1024]) / 2^12)
    out = last [h2; 16 x; 1024]                          in units of 2^-22, clamped to -2^27 .. 2^27

The first half of the outputs are means, the second logarithms of scales, one for each component of the network:

    mean         m = floor((out + 2^17) / 2^18)                         in sixteenths
    scale index  s = floor((20 (out + 16850128) + 3 2^21) / (3 2^22)), clamped to 0 .. 63

The second is (ln b - ln 0.018) / 0.15 rounded: the index of the scale b = e^(out / 2^22). All these numbers are
multiples of 2^-6 below 2^46, or whole and below 2^50, so float64 holds each of them, whatever the order of a sum:
nothing is rounded but by the floors.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inrcodec.families.grid.arch import LUMA, GridArch, Together
from inrcodec.families.grid.rate import PAD, chroma_sides, luma_sides
from inrcodec.format.entropy import MAX_SYMBOL

MAX_WEIGHT = 1 << 16
"""Weights lie in -MAX_WEIGHT .. MAX_WEIGHT, in their units."""
_INPUT, _HIDDEN = 64, 1024
_MOST_OUT = 1 << 27
_LN_LEAST_SCALE = 16850128
"""-ln 0.018 in units of 2^-22."""

Exchange = Callable[[NDArray[np.int32], NDArray[np.int32]], NDArray[np.int32]]
"""(scale indices, means) of a call -> its symbols: a decoder finds them, an encoder knows them."""
Weights = Mapping[str, Sequence[NDArray[np.float64]]]
"""Layers of the context networks by name, whole numbers."""


def stand_in(latents: NDArray[np.int32]) -> NDArray[np.float32]:
    """a(q), element by element."""
    sizes = np.floor(_INPUT * np.arcsinh(np.abs(latents).astype(np.float64)) + 0.5)
    return np.copysign(sizes, latents).astype(np.float32)


def waves(height: int, width: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """(rows, columns) of the cells of each wave of a grid that has any: of a column every other one is empty."""
    for wave in range(0, 2 * (height - 1) + width, 1 + (width == 1)):
        rows = np.arange(max(0, (wave - width + 2) // 2), min(height - 1, wave // 2) + 1)
        yield rows, wave - 2 * rows


class _Network:
    """A context network over waves."""

    def __init__(self, layers: Sequence[NDArray[np.float64]], most: int) -> None:
        """For waves of at most so many cells."""
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
        """Scale indices and means, component by component: (components * count,) each."""
        h1 = np.floor(_leak(self._first @ self._x[:, :count]) * 2.0**-8)
        self._h1[:-1, :count] = h1
        h1 += np.floor(_leak(self._second @ self._h1[:, :count]) * 2.0**-12)
        self._last[: self._width, :count] = h1
        np.multiply(self._x[:-1, :count], _HIDDEN // _INPUT, out=self._last[self._width : -1, :count])
        out = (self._out @ self._last[:, :count]).clip(-_MOST_OUT, _MOST_OUT)
        half = len(out) // 2
        means = np.floor((out[:half] + 2.0**17) * 2.0**-18)
        scales = np.floor((20 * (out[half:] + _LN_LEAST_SCALE) + 3.0 * 2**21) / (3.0 * 2**22)).clip(0, 63)
        return scales.astype(np.int32).reshape(-1), means.astype(np.int32).reshape(-1)


def _leak(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(z, z * 0.125)


def code(arch: GridArch, weights: Weights, exchange: Exchange) -> tuple[NDArray[np.int32], ...]:
    """The latents (components, h, w) of each level, as the exchange gives them, wave by wave."""
    latents = tuple(np.zeros(shape, np.int32) for shape in arch.shapes)
    coarser: dict[int, NDArray[np.float32]] = {}
    own: dict[int, NDArray[np.float32]] = {}
    level = arch.levels
    for grid in arch.together():
        if grid.level != level:
            coarser, own, level = own, {}, grid.level
        found = _code_grid(grid, arch.sizes[level], weights[grid.network], coarser, own, exchange)
        latents[level][grid.part] = found
        own |= dict(zip(grid.components, stand_in(found), strict=True))
    return latents


def _sides(
    grid: Together,
    size: tuple[int, int],
    count: int,
    coarser: dict[int, NDArray[np.float32]],
    own: dict[int, NDArray[np.float32]],
) -> NDArray[np.float32]:
    """(count, cells): the inputs that are known before a grid is begun."""
    sides = np.empty((count, *size), np.float32)
    if grid.is_chroma:
        chroma_sides(own[LUMA], coarser, grid.level, sides, np)
        sides[4] *= _INPUT
    else:
        luma_sides(grid.components[0], coarser, grid.level, sides)
        sides[-1] *= _INPUT
    return sides.reshape(count, -1)


def _code_grid(
    grid: Together,
    size: tuple[int, int],
    layers: Sequence[NDArray[np.float64]],
    coarser: dict[int, NDArray[np.float32]],
    own: dict[int, NDArray[np.float32]],
    exchange: Exchange,
) -> NDArray[np.int32]:
    """(components, h, w)."""
    (height, width), count = size, len(grid.components)
    across, seen = width + 2 * PAD, len(grid.causal) * count
    padded = np.zeros((count, (height + PAD) * across), np.float32)
    places = np.array([dy * across + dx for dy, dx in grid.causal])[:, None]
    sides = _sides(grid, size, layers[0].shape[1] - 1 - seen, coarser, own)
    found = np.empty((count, height * width), np.int32)
    network = _Network(layers, min(height, (width + 1) // 2))
    for rows, columns in waves(height, width):
        cells, at = rows * width + columns, (rows + PAD) * across + columns + PAD
        inputs = network.inputs(len(cells))
        inputs[:seen] = padded[:, at + places].reshape(seen, -1)
        inputs[seen:] = sides[:, cells]
        symbols = exchange(*network.laws(len(cells))).reshape(count, -1)
        found[:, cells] = symbols
        padded[:, at] = _STAND_INS[symbols]
    return found.reshape(count, height, width)


_STAND_INS = np.concatenate(
    [stand_in(np.arange(MAX_SYMBOL + 1, dtype=np.int32)), stand_in(np.arange(-MAX_SYMBOL, 0, dtype=np.int32))]
)
"""a(q) by q, from the end for those below 0."""


def in_order(arch: GridArch, latents: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """All latents in the order in which they are coded."""
    parts = []
    for grid in arch.together():
        own = latents[grid.level][grid.part]
        parts += [own[:, rows, columns].reshape(-1) for rows, columns in waves(*own.shape[1:])]
    return np.concatenate(parts)


def known(
    symbols: NDArray[np.int32], told: Callable[[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]], None]
) -> Exchange:
    """The exchange of an encoder, which tells (symbols, scale indices, means) of each call."""
    at = 0

    def exchange(scales: NDArray[np.int32], means: NDArray[np.int32]) -> NDArray[np.int32]:
        nonlocal at
        part = symbols[at : at + len(scales)]
        at += len(scales)
        told(part, scales, means)
        return part

    return exchange
