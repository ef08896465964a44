"""The sizes of a grid picture: levels, components, planes, and the tensors of its networks. All follows from its shape.

Components are what the channels are taken apart in: luma, and for colours two of chroma, red and blue, in an
orthonormal space; and alpha; in this order. Level l has grids of ceil(side / 2^l) cells, l = 0 .. n - 1, with n, at
least 2, the least at which the longer side is at most 12 2^(n - 1). Luma and alpha have latents on all levels, chroma
from level 1 on.

Planes are sums of a component's levels, enlarged to the native grid. In their order, with the scale of each:

    luma 0   luma 1   luma 2   luma 3 ..   red 1   blue 1   red 2 ..   blue 2 ..   alpha 0   alpha 1 ..
    6        6        6        2           4       4        4          4           4         2

Those of luma's levels 0 and 1 are `FINE`: the synthesis sees their 3x3 neighbourhood, and of the others the place
itself.

Places (rows, columns) from a cell or pixel:

    AROUND         (-1, -1) (-1, 0) (-1, 1) (0, -1) (0, 1) (1, -1) (1, 0) (1, 1)
    LUMA_CAUSAL    (0, -1) (-1, 0) (-1, -1) (-1, 1) (0, -2) (-2, 0) (-1, -2) (-2, -1) (-2, 1) (0, -3) (-3, 0) (-2, 2)
    CHROMA_CAUSAL  (0, -1) (-1, 0) (-1, -1) (-1, 1)
    LUMA_COARSER   (0, 0), and 3 times each of AROUND
    LUMA_COARSEST  (0, 0) (0, 6) (6, 0) (0, -6) (-6, 0)
    CHROMA_COARSER (0, 0), and 2 times each of AROUND

Tensors: gains, one for each component of level 0, then of level 1, ..; and of each network, of i inputs, o outputs and
layers of w neurons, first (w, i + 1), second (w, w + 1), last (o, w + i + 1), whose last column is the bias:

    synthesis    i = planes + 16                                      o = components    w = 16
    luma         i = 27, with colours 29; alpha's network too         o = 2             w = 16
    chroma       i = 31                                               o = 4             w = 12
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from inrcodec.families.contract import Shape

LEAST_LEVELS, COARSEST = 2, 12
"""Levels of the smallest picture, and cells along the longer side of the coarsest grid, at most."""
WIDTH, LUMA_WIDTH, CHROMA_WIDTH = 16, 16, 12
"""Neurons of the layers of the synthesis, and of the two context networks."""
FINE = 2
"""Planes whose neighbourhoods are seen: the first ones."""
AROUND = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)
"""Places (rows, columns) of the neighbours, in the order of the synthesis's inputs."""
LUMA_CAUSAL = (
    *((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0)),
    *((-1, -2), (-2, -1), (-2, 1), (0, -3), (-3, 0), (-2, 2)),
)
"""Places of the latents before one of luma or alpha that its context network sees; all before it, wherever t = 2 y + x
ascends."""
CHROMA_CAUSAL = LUMA_CAUSAL[:4]
"""The same of each chroma."""
_HERE = ((0, 0),)
LUMA_COARSER = _HERE + tuple((3 * dy, 3 * dx) for dy, dx in AROUND)
"""Places of the next coarser level's latents, enlarged, that the context network of luma or alpha sees."""
LUMA_COARSEST = ((0, 0), (0, 6), (6, 0), (0, -6), (-6, 0))
"""The same of the level after that."""
CHROMA_COARSER = _HERE + tuple((2 * dy, 2 * dx) for dy, dx in AROUND)
"""Places of each chroma on the next coarser level, enlarged, that the context network of chroma sees."""
LUMA, RED, BLUE, ALPHA = range(4)
"""The components: luma, two of chroma, alpha."""
SIZE, SIZES, NOTHING = 4, 5, 6
"""What else contexts see: the size of luma, an eighth of the sum of that over 3x3 cells, and zeros."""
_GROUPS = {LUMA: 4, RED: 2, BLUE: 2, ALPHA: 2}
_CHROMA_SEEN = ((0, CHROMA_CAUSAL), (1, CHROMA_COARSER))
_COMPONENTS = {1: (LUMA,), 2: (LUMA, ALPHA), 3: (LUMA, RED, BLUE), 4: (LUMA, RED, BLUE, ALPHA)}


@dataclass(frozen=True)
class View:
    """What a context network sees of one source: a component, `SIZE`, `SIZES` or `NOTHING`."""

    source: int
    """The source."""
    up: int
    """By how many levels it is coarser; it is seen enlarged to the cells that are coded."""
    places: tuple[tuple[int, int], ...]
    """Places from the cell that is coded."""


@dataclass(frozen=True)
class Together:
    """Components of a level that are coded together: luma, or alpha, or both of chroma."""

    level: int
    """Their level."""
    components: tuple[int, ...]
    """The components."""
    part: slice
    """Their places among the level's."""

    @property
    def is_chroma(self) -> bool:
        """Whether they are those of chroma."""
        return RED in self.components

    @property
    def network(self) -> str:
        """The name of their context network."""
        return "chroma" if self.is_chroma else "luma"

    def views(self, has_chroma: bool) -> tuple[View, ...]:
        """What the network sees, in the order of its inputs, in pictures with colours or without; first the components
        themselves."""
        if self.is_chroma:
            before, coarser = ([View(one, up, places) for one in (RED, BLUE)] for up, places in _CHROMA_SEEN)
            rest = View(LUMA, 1, _HERE), View(SIZE, 0, _HERE), View(SIZES, 0, _HERE)
            return (*before, View(LUMA, 0, _HERE), *coarser, *rest)
        (own,) = self.components
        chroma = (RED, BLUE) if own == LUMA else (NOTHING, NOTHING)
        seen = [View(own, up, places) for up, places in enumerate((LUMA_CAUSAL, LUMA_COARSER, LUMA_COARSEST))]
        return (*seen, *(View(one, 1, _HERE) for one in chroma if has_chroma))


@dataclass(frozen=True)
class GridArch:
    """The sizes of a grid picture."""

    height: int
    """Native height in pixels."""
    width: int
    """Native width in pixels."""
    channels: int
    """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""

    @classmethod
    def of(cls, shape: Shape) -> "GridArch":
        """Those of a picture."""
        return cls(*shape)

    @cached_property
    def levels(self) -> int:
        """Number of levels: the least with at most `COARSEST` cells on the coarsest grid's longer side."""
        longer, levels = max(self.height, self.width), LEAST_LEVELS
        while longer > COARSEST << (levels - 1):
            levels += 1
        return levels

    @cached_property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(rows, columns) of each level."""
        return tuple((-(-self.height >> level), -(-self.width >> level)) for level in range(self.levels))

    @property
    def components(self) -> tuple[int, ...]:
        """The components of the channels."""
        return _COMPONENTS[self.channels]

    def on_level(self, level: int) -> tuple[int, ...]:
        """The components that have latents on a level, in their order."""
        return tuple(one for one in self.components if level or one in (LUMA, ALPHA))

    @cached_property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """Shapes (components, rows, columns) of the latents of each level."""
        return tuple((len(self.on_level(level)), *size) for level, size in enumerate(self.sizes))

    def together(self) -> Iterator[Together]:
        """All that are coded together, in their order: from the coarsest level to the finest."""
        for level in range(self.levels - 1, -1, -1):
            on_level = self.on_level(level)
            for first, component in enumerate(on_level):
                if component != BLUE:
                    components = (RED, BLUE) if component == RED else (component,)
                    yield Together(level, components, slice(first, first + len(components)))

    @cached_property
    def planes(self) -> tuple[tuple[int, int], ...]:
        """(component, number of its group of levels) of each plane: luma's, those of chroma by group, alpha's."""
        chroma = [(one, group) for group in range(2) for one in (RED, BLUE) if one in self.components]
        alpha = [(ALPHA, group) for group in range(2) if ALPHA in self.components]
        return (*((LUMA, group) for group in range(_GROUPS[LUMA])), *chroma, *alpha)

    def planes_of(self, level: int) -> list[int]:
        """The plane of each component that has latents on a level."""
        return [
            self.planes.index((one, min(level - (one in (RED, BLUE)), _GROUPS[one] - 1)))
            for one in self.on_level(level)
        ]

    @cached_property
    def parts(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Of each plane the latents that it sums: (level, number among the level's components), from the finest on."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.planes]
        for level in range(self.levels):
            for number, plane in enumerate(self.planes_of(level)):
                found[plane].append((level, number))
        return tuple(map(tuple, found))

    @property
    def features(self) -> int:
        """Inputs of the synthesis."""
        return len(self.planes) + len(AROUND) * FINE

    @property
    def has_chroma(self) -> bool:
        """Whether there are colours."""
        return RED in self.components

    @cached_property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors by name: gains of the steps, then the layers [W | b] of the networks.

        The last layer of a network sees its inputs too: its columns are those of the layer before, inputs, bias.
        """
        shapes: dict[str, tuple[int, ...]] = {"gains": (sum(shape[0] for shape in self.shapes),)}
        shapes |= _network("synthesis", self.features, WIDTH, len(self.components))
        for together in itertools.islice(self.together(), len(self.networks) - 1):
            inputs = sum(len(view.places) for view in together.views(self.has_chroma)) + 1
            width = CHROMA_WIDTH if together.is_chroma else LUMA_WIDTH
            shapes |= _network(together.network, inputs, width, 2 * len(together.components))
        return shapes

    def sizes_of(self, network: str) -> tuple[int, int, int]:
        """Inputs, neurons of a layer, and outputs of a network."""
        width, inputs = self.tensors[f"{network}.first"]
        return inputs - 1, width, self.tensors[f"{network}.last"][0]

    def param_count(self) -> int:
        """Number of the networks' weights and biases."""
        return sum(math.prod(shape) for shape in self.tensors.values())

    def latent_count(self) -> int:
        """Number of latents."""
        return sum(math.prod(shape) for shape in self.shapes)

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks."""
        return ("synthesis", "luma", "chroma") if self.has_chroma else ("synthesis", "luma")


def _network(name: str, inputs: int, width: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """The three layers of a network."""
    return {
        f"{name}.first": (width, inputs + 1),
        f"{name}.second": (width, width + 1),
        f"{name}.last": (outputs, width + inputs + 1),
    }
