"""A grid picture at any place: planes interpolated, neighbours a native pixel away, and the synthesis of these.

A coordinate c (`pixels.py`) along a side of n pixels, m on the longer side, is the position (c m + n) / 2 - 1/2 in
float64, pixel i at i; rounded to the nearest multiple of 2^(e - 23), the even one of two, 2^e the least power of two
that is not below m. So the centres of native pixels are whole, and grids finer by a power of two as regular as they are
meant.

`compute/spline.py` interpolates the planes there. Neighbours are the same planes a whole pixel further.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrcodec.compute import sine
from inrcodec.compute.arena import Array
from inrcodec.compute.backends import Backend, EvaluateJet, Positions, Precision, Samples
from inrcodec.compute.sine import Jet
from inrcodec.compute.spline import Spline
from inrcodec.families.grid.arch import AROUND, FINE, WIDTH, GridArch
from inrcodec.families.grid.block import Block
from inrcodec.families.grid.colour import matrix
from inrcodec.families.grid.distortion import POINTS, Spare, base, scales

_POINTS_AT_ONCE, _JETS_AT_ONCE = 2048, 256
_MANTISSA = 23


def native(coords: NDArray[np.float32], side: int, longer: int) -> NDArray[np.float64]:
    """Coordinates along a side as positions, pixel i at i, rounded about as finely as a float32 coordinate says it."""
    unit = 2.0 ** (math.ceil(math.log2(longer)) - _MANTISSA)
    return np.rint(((coords.astype(np.float64) * longer + side) / 2 - 0.5) / unit) * unit


class Planes:
    """The planes of a picture as what the synthesis sees of them; `xp` is their module."""

    def __init__(self, arch: GridArch, planes: Array, xp: Any) -> None:
        self._fine, self._rest = Spline(planes[:FINE], xp), Spline(planes[FINE:], xp)
        self._scales = scales(arch)

    def fill(self, into: Array, rows: Array, columns: Array, is_grid: bool) -> None:
        """x at points, or over a grid, into (features, ..)."""
        fine, rest = (
            (spline.grid if is_grid else spline.points)(rows, columns, reach)
            for spline, reach in ((self._fine, 1), (self._rest, 0))
        )
        for number, (plane, dy, dx) in enumerate(_places(len(self._scales))):
            part = fine[plane, 1 + dy, 1 + dx] if plane < FINE else rest[plane - FINE, 0, 0]
            into[number] = part
            into[number] *= self._scales[plane]

    def jet(self, rows: Array, columns: Array, xp: Any) -> Jet:
        """x (N, features) at points, with derivatives by the positions."""
        fine, rest = self._fine.jets(rows, columns, 1), self._rest.jets(rows, columns, 0)

        def picked(number: int) -> Array:
            return xp.stack(
                [
                    self._scales[plane]
                    * (fine[number][plane, 1 + dy, 1 + dx] if plane < FINE else rest[number][plane - FINE, 0, 0])
                    for plane, dy, dx in _places(len(self._scales))
                ],
                1,
            )

        return Jet(picked(0), picked(1), picked(2))


def _places(planes: int) -> list[tuple[int, int, int]]:
    """(plane, rows, columns away) of each feature."""
    return [(plane, 0, 0) for plane in range(planes)] + [(plane, *place) for plane in range(FINE) for place in AROUND]


class GridEvaluator:
    """What evaluates a grid picture on a backend. See `compute.backends.Evaluator`."""

    def __init__(
        self,
        arch: GridArch,
        planes: NDArray[np.floating],
        layers: Sequence[NDArray[np.floating]],
        backend: Backend,
        dtype: Precision,
    ) -> None:
        """`planes` and the `layers` of the synthesis are of the precision."""
        self._arch, self._backend, self._dtype = arch, backend, dtype
        self._longer = max(arch.height, arch.width)
        xp = backend.xp
        self._planes = Planes(arch, backend.lift(planes), xp)
        *hidden, last = layers
        self._layers = [backend.lift(layer) for layer in (*hidden, last + base(arch).astype(dtype))]
        self._to_values = backend.lift((2 * matrix(arch.channels)).astype(dtype))
        self._blocks: dict[int, Spare] = {}

    def __call__(self, coords: NDArray[np.float32]) -> Samples:
        """(N, 2) float32 coordinates -> (N, values), float32 or float64."""

        def draw(points: NDArray[np.float32]) -> list[Array]:
            return [self._drawn(points[:, 0], points[:, 1], (len(points),), False)]

        return self._backend.chunked(draw, [(self._arch.channels,)], self._dtype, _POINTS_AT_ONCE)(coords)[0]

    def grid(self, rows: Positions, columns: Positions) -> Samples:
        """The same at every point of a grid, row by row: (rows * columns, values)."""

        def draw(part: Positions) -> list[Array]:
            shape = len(part), len(columns)
            return [self._drawn(part, columns, shape, True).reshape(*shape, -1)]

        size = max(1, POINTS // len(columns))
        drawn = self._backend.chunked(draw, [(len(columns), self._arch.channels)], self._dtype, size)(rows)[0]
        return drawn.reshape(-1, self._arch.channels)

    def _drawn(self, rows: Positions, columns: Positions, shape: tuple[int, ...], is_grid: bool) -> Array:
        """(points, values)."""
        y = native(rows, self._arch.height, self._longer)
        x = native(columns, self._arch.width, self._longer)
        count = math.prod(shape)

        def draw(block: Block) -> Array:
            self._planes.fill(block.inputs(count).reshape(-1, *shape), y, x, is_grid)
            return block.forward(self._layers, count).T @ self._to_values

        with self._room(count).one() as block:
            return draw(block)

    def _room(self, count: int) -> Spare:
        """Blocks for so many points."""
        room = max(POINTS, count)
        xp, like = self._backend.xp, self._to_values
        empty = (lambda *shape: np.empty(shape, like.dtype)) if xp is np else like.new_empty
        sizes = self._arch.sizes_of("synthesis")
        return self._blocks.setdefault(room, Spare(lambda: Block(sizes, room, True, xp, empty, whole=True)))


def jet_evaluator(
    arch: GridArch, planes: NDArray[np.floating], layers: Sequence[NDArray[np.floating]], backend: Backend
) -> EvaluateJet:
    """What evaluates a grid picture with its derivatives, in float64."""
    xp, longer = backend.xp, max(arch.height, arch.width)
    lifted = Planes(arch, backend.lift(planes), xp)
    params, through = (list(map(backend.lift, part)) for part in skipped(arch, layers))
    half = longer / 2

    def derive(points: NDArray[np.float32]) -> list[Array]:
        y, x = (native(points[:, axis], side, longer) for axis, side in enumerate((arch.height, arch.width)))
        inputs = lifted.jet(y, x, xp)
        found = jet_of(params, through[0], through[1], inputs, xp)
        return [found.value, found.gradient * half, found.laplacian * half**2]

    shapes: list[tuple[int, ...]] = [(arch.channels,), (arch.channels, 2), (arch.channels,)]
    chunks = backend.chunked(derive, shapes, np.float64, _JETS_AT_ONCE)
    return lambda coords: Jet(*chunks(coords))


def skipped(arch: GridArch, layers: Sequence[NDArray[Any]]) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """The synthesis as W_1, b_1, .. of layers of sines; what leads past them, (components, features); and colours."""
    first, second, last = layers
    last = last + base(arch).astype(last.dtype)
    params = [first[:, :-1], first[:, -1], second[:, :-1], second[:, -1], last[:, :WIDTH], last[:, -1]]
    return params, [last[:, WIDTH:-1], (2 * matrix(arch.channels)).astype(last.dtype)]


def jet_of(params: Sequence[Array], through: Array, to_values: Array, inputs: Jet, xp: Any) -> Jet:
    """Values with derivatives by what the inputs' are by."""
    around = sine.jet(params, inputs, xp)
    value = (around.value + inputs.value @ through.T) @ to_values
    along = [(around.gradient[..., axis] + inputs.gradient[..., axis] @ through.T) @ to_values for axis in (0, 1)]
    return Jet(value, xp.stack(along, -1), (around.laplacian + inputs.laplacian @ through.T) @ to_values)
