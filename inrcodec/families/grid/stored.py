"""A grid picture as a file stores it: section 0x02. This docstring is a part of the specification in `container.py`.

    part          field
    0x02  GRID    u8       prior, 3: whose tensors the picture's differ from by the symbols (`prior.py`)
                  varint   delta code c, 0 .. 1023: the step of level 0 is (64 + c % 64) 2^(c // 64 - 16)
                  u8       of each tensor: high half k, low half n; gains, then first, second, last of the networks
                           synthesis, luma, and in pictures with colours chroma
                  ...      to the section's end: a stream of `format/ans.py`

All sizes follow from the picture's: see `arch.py`.

Stream. Its first call are the symbols of all tensors, each in row-major order, under laws of mean 0 and the tensor's
scale index 4 n; the calls that follow are the latents, as `context.py` has them.

Tensors. A number is (prior + symbol 2^k) / 4096; prior + symbol 2^k is at most 65536 in size. Gains have no prior.

Picture. A latent q of level l stands for q delta 2^-l (1 + gain), by its level and component. Levels of a component are
added up from the coarsest to the finest as `pyramid.py` enlarges them, and make the planes of `arch.py`; these are
functions of the place by `compute/spline.py`. At a place, with x the planes there, each times its scale, and behind
them those of the neighbours a native pixel away of the first two, in the order of `AROUND`:

    h = sin(second [sin(first [x; 1]); 1])        out = last [h; x; 1] + the plain sum of each component's planes

The components `out` are those of samples (`colour.py`); twice of these are the values that `pixels.py` rounds to codes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrcodec.compute.arena import Arena
from inrcodec.compute.backends import Backend, EvaluateJet, Evaluator, Precision
from inrcodec.errors import CorruptError, UnsupportedError
from inrcodec.families.contract import Family, NetworkFacts, PageParts, Shape, SineLayer
from inrcodec.families.grid import context, drawing, web
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.delta import DELTA_CODES, delta_of
from inrcodec.families.grid.objective import lay_planes, level_steps
from inrcodec.families.grid.prior import PRIORS, prior
from inrcodec.families.grid.tensors import UNIT, network
from inrcodec.format import ans
from inrcodec.format.container import Reader, in_range
from inrcodec.format.entropy import varint

SECTION = 0x02


@dataclass(frozen=True)
class GridNetwork:
    """A grid picture as it is stored. See `families.Network`."""

    arch: GridArch
    """All sizes."""
    prior: int
    """Number of the prior."""
    delta_code: int
    """See `delta_of`."""
    shifts: tuple[int, ...]
    """k of each tensor, 0 .. 15."""
    scales: tuple[int, ...]
    """n of each tensor, 0 .. 15."""
    symbols: tuple[NDArray[np.int32], ...]
    """What each tensor differs by from the prior, in the shapes of `arch.tensors`."""
    latents: tuple[NDArray[np.int32], ...]
    """(components, rows, columns) of each level."""

    @property
    def section(self) -> int:
        """Id of its family's section."""
        return SECTION

    @property
    def channels(self) -> int:
        """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
        return self.arch.channels

    @property
    def macs(self) -> int:
        """Multiplications of one point, about: those of the synthesis."""
        return sum(math.prod(self.arch.tensors[f"synthesis.{layer}"]) for layer in ("first", "second", "last"))

    @cached_property
    def whole_tensors(self) -> dict[str, NDArray[np.int32]]:
        """All tensors, in units of 2^-12."""
        return _whole(self.arch, self.prior, self.delta_code, self.shifts, self.symbols)

    @cached_property
    def float_tensors(self) -> dict[str, NDArray[np.float32]]:
        """All tensors; exact."""
        return {name: (whole / UNIT).astype(np.float32) for name, whole in self.whole_tensors.items()}

    def planes(self, dtype: Precision) -> NDArray[np.floating]:
        """(planes, H, W): sums of latents times their steps."""
        gains = self.float_tensors["gains"].astype(dtype)
        steps = level_steps(self.arch, delta_of(self.delta_code), gains)
        scaled = [latents.astype(dtype) * step for latents, step in zip(self.latents, steps, strict=True)]
        out = np.empty((len(self.arch.planes), self.arch.height, self.arch.width), dtype)
        lay_planes(self.arch, scaled, out, Arena(lambda *shape: np.empty(shape, dtype)))
        return out

    def payload(self) -> bytes:
        """The section. The inverse of `read`."""
        return self._payload

    @cached_property
    def _payload(self) -> bytes:
        """It is asked for on several floors of an encode, and takes a while."""
        encoder = ans.Encoder()
        encoder.add(self._stream, *_tensor_laws(self.arch, self.scales))
        self._tell(encoder.add)
        halves = bytes(k << 4 | n for k, n in zip(self.shifts, self.scales, strict=True))
        return bytes([self.prior]) + varint(self.delta_code) + halves + encoder.finish()

    @property
    def _stream(self) -> NDArray[np.int32]:
        return np.concatenate([symbols.reshape(-1) for symbols in self.symbols])

    def _tell(self, told: context.Told) -> None:
        """Tell (symbols, scale indices, means) of the latents, call by call."""
        context.tell(self.arch, _context_weights(self.whole_tensors), self.latents, told)

    def without(self, part: float) -> "GridNetwork":
        """The same without this part of the latents of size 1, those that take the most bits."""
        found: list[NDArray[np.float64]] = []
        self._tell(lambda *call: found.append(ans.bits(*call)))
        symbols = context.in_order(self.arch, self.latents)
        places = np.flatnonzero(np.abs(symbols) == 1)
        costs = np.concatenate(found)[places]
        symbols[places[np.argsort(-costs, kind="stable")[: math.ceil(part * len(places))]]] = 0
        return replace(self, latents=context.placed(self.arch, symbols))

    def evaluator(self, backend: Backend, dtype: Precision) -> Evaluator:
        """What evaluates it on a backend, in a precision."""
        return drawing.GridEvaluator(self.arch, self.planes(dtype), self.synthesis(dtype), backend, dtype)

    def jet_evaluator(self, backend: Backend) -> EvaluateJet:
        """The same with derivatives, in float64."""
        return drawing.jet_evaluator(self.arch, self.planes(np.float64), self.synthesis(np.float64), backend)

    def synthesis(self, dtype: Precision) -> list[NDArray[np.floating]]:
        """The layers of the synthesis."""
        return [layer.astype(dtype) for layer in network(self.float_tensors, "synthesis")]

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """The tensors of the networks by name, and the planes, scaled."""
        return {**self.float_tensors, "planes": self.planes(np.float32).astype(np.float32)}

    def sine_layers(self) -> list[SineLayer] | None:
        """There are latents beside the layers."""
        return None

    def page_parts(self) -> PageParts:
        """What a page draws it from."""
        return web.page_parts(self.arch, self.prior, self.delta_code, self.payload())

    def facts(self) -> NetworkFacts:
        """What `info` and the page say of it."""
        return self._facts

    @cached_property
    def _facts(self) -> NetworkFacts:
        """Laws take a while."""
        bits: list[NDArray[np.float64]] = []
        self._tell(lambda *call: bits.append(ans.bits(*call)))
        of_tensors = float(ans.bits(self._stream, *_tensor_laws(self.arch, self.scales)).sum())
        parts = [self._networks_facts(of_tensors), *self._level_facts(np.concatenate(bits))]
        levels = self.arch.levels
        return NetworkFacts(
            f"grid of {levels} levels",
            f"latents on {levels} levels under a sine network",
            parts[0]["weights"],
            parts[0]["zero"],
            parts,
            {"own": (of_tensors + sum(float(part.sum()) for part in bits)) / 8},
            sum(part["latents"] for part in parts[1:]),
            sum(part["zero"] for part in parts[1:]),
        )

    def _networks_facts(self, bits: float) -> dict[str, Any]:
        count = self.arch.param_count()
        zero = sum(int((whole == 0).sum()) for whole in self.whole_tensors.values())
        return {"part": "networks", "weights": count, "zero": zero, "ideal_bits_per_weight": round(bits / count, 3)}

    def _level_facts(self, bits: NDArray[np.float64]) -> Iterator[dict[str, Any]]:
        """From the coarsest on, as they are coded."""
        at = 0
        for level in range(self.arch.levels - 1, -1, -1):
            latents = self.latents[level]
            part = bits[at : at + latents.size]
            at += latents.size
            yield {
                "part": f"level {level}",
                "rows": latents.shape[1],
                "columns": latents.shape[2],
                "latents": latents.size,
                "zero": int((latents == 0).sum()),
                "ideal_bits_per_latent": round(float(part.sum()) / latents.size, 3),
            }


def _whole(
    arch: GridArch, number: int, code: int, shifts: tuple[int, ...], symbols: tuple[NDArray[np.int32], ...]
) -> dict[str, NDArray[np.int32]]:
    parts = zip(prior(arch, number, code).items(), shifts, symbols, strict=True)
    return {name: own + (each << shift) for (name, own), shift, each in parts}


def _context_weights(whole: dict[str, NDArray[np.int32]]) -> context.Weights:
    names = {name.partition(".")[0] for name in whole} - {"gains", "synthesis"}
    return {name: [layer.astype(np.float64) for layer in network(whole, name)] for name in names}


def _tensor_laws(arch: GridArch, scales: tuple[int, ...]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Scale indices and means of the symbols of all tensors."""
    sizes = [math.prod(shape) for shape in arch.tensors.values()]
    indices = np.repeat(4 * np.array(scales, np.int32), sizes)
    return indices, np.zeros_like(indices)


def architecture(payload: bytes, shape: Shape) -> GridArch:
    """The sizes, which follow from the picture's; a section's own start is checked by `read`."""
    return GridArch.of(shape)


def read(payload: bytes, shape: Shape) -> GridNetwork:
    """The network in a section. The inverse of `payload`. Raises CorruptError, UnsupportedError for another prior."""
    arch, reader = GridArch.of(shape), Reader(payload)
    number = reader.u8("prior")
    if number not in PRIORS:
        raise UnsupportedError(f"prior: {number} is unknown, a newer decoder may know it")
    code = in_range("delta", reader.varint("delta"), 0, DELTA_CODES - 1)
    halves = reader.take(len(arch.tensors), "tensor steps")
    shifts, scales = tuple(half >> 4 for half in halves), tuple(half & 15 for half in halves)
    decoder = ans.Decoder(reader.rest())
    stream = decoder.take(*_tensor_laws(arch, scales))
    cuts = np.cumsum([math.prod(shape) for shape in arch.tensors.values()])[:-1]
    parts = zip(np.split(stream, cuts), arch.tensors.values(), strict=True)
    symbols = tuple(part.reshape(shape) for part, shape in parts)
    whole = _whole(arch, number, code, shifts, symbols)
    if any(np.abs(each).max(initial=0) > context.MAX_WEIGHT for each in whole.values()):
        raise CorruptError(f"weights: a number is beyond {context.MAX_WEIGHT}")
    latents = context.code(arch, _context_weights(whole), decoder.take)
    decoder.finish()
    return GridNetwork(arch, number, code, shifts, scales, symbols, latents)


def parts(payload: bytes, shape: Shape) -> dict[str, int]:
    """Bytes of the parts of a section."""
    reader = Reader(payload)
    reader.u8("prior"), reader.varint("delta")
    return {"weights": len(reader.rest())}


GRID = Family(SECTION, "grid", architecture, read, parts, "inrcodec.families.grid.trainer")
