"""Priors: networks that pictures begin with, and that cost no bits. Frozen: a file names the one that it was made with.

`tools/make/prior.py` trains them, for pictures of three channels. What is best depends on how much the latents hold,
so a number of the networks is linear in the delta code c (`delta.py`): with d = c - 550, clamped to -128 .. 128, it is

    number + floor((slope d + 32) / 64)                 in units of 2^-12

`prior_3.bin` holds int16, low byte first, all numbers and then all slopes, of the tensors of a picture of three
channels, without gains, in their order and row by row. Of another picture's tensors each number is the one whose row
and column mean the same there, a component, plane, neighbour, neuron, place or bias; and 0 where three channels have
none, as of alpha's planes and of alpha's row. All gains are 0.
"""

import functools
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from inrcodec.families.grid.arch import ALPHA, AROUND, BLUE, FINE, RED, WIDTH, GridArch
from inrcodec.families.grid.delta import USUAL_CODE
from inrcodec.families.grid.tensors import tensors_of

Tensors = dict[str, NDArray[np.int32]]
"""Tensors by name, in units of 2^-12."""
PRIORS = {3: "prior_3.bin"}
"""File of each prior: its numbers, int16, in the order of the tensors of a picture with colours, without gains."""
LATEST = 3
_OCTAVE, _FARTHEST = 64, 128
"""Codes in an octave, and how far from the usual one a number goes on to change."""
_COLOURS = GridArch(1, 1, 3)


@functools.cache
def _stored(number: int) -> NDArray[np.int16]:
    """(2, count): numbers, and slopes."""
    data = resources.files(__package__).joinpath(PRIORS[number]).read_bytes()
    return np.frombuffer(data, "<i2").reshape(2, -1)


def octaves(code: int) -> float:
    """How far a delta code is from the usual one."""
    return min(max(code - USUAL_CODE, -_FARTHEST), _FARTHEST) / _OCTAVE


def prior(arch: GridArch, number: int, code: int) -> Tensors:
    """The tensors of a prior for a picture's networks, at a delta code. The number is one of `PRIORS`."""
    plain, slopes = _stored(number).astype(np.int32)
    numbers = plain + (slopes * round(_OCTAVE * octaves(code)) + _OCTAVE // 2 >> 6)
    whole = tensors_of(_COLOURS, np.concatenate([np.zeros(_COLOURS.tensors["gains"], np.int32), numbers]))
    tensors = {name: np.zeros(shape, np.int32) for name, shape in arch.tensors.items()}
    for name, tensor in tensors.items():
        if name != "gains":
            own, other = _columns(arch, name)
            rows = slice(None) if name != "synthesis.last" else slice(sum(one != ALPHA for one in arch.components))
            tensor[rows, own] = whole[name][rows, other]
    return tensors


def _columns(arch: GridArch, name: str) -> tuple[list[int], list[int]]:
    """The columns of a tensor that pictures with colours have too, here and there."""
    if name.startswith("synthesis") and not name.endswith("second"):
        before = WIDTH if name.endswith("last") else 0
        both = [plane for plane in arch.planes if plane in _COLOURS.planes]
        own = [arch.planes.index(plane) for plane in both]
        other = [_COLOURS.planes.index(plane) for plane in both]
        rest = len(AROUND) * FINE + 1
        own += range(len(arch.planes), len(arch.planes) + rest)
        other += range(len(_COLOURS.planes), len(_COLOURS.planes) + rest)
        return _after(before, own), _after(before, other)
    count = arch.tensors[name][1]
    if name.startswith("luma") and not name.endswith("second") and not {RED, BLUE} & set(arch.components):
        kept = count - 2
        return [*range(kept), *range(kept, count)], [*range(kept), *range(kept + 2, count + 2)]
    return list(range(count)), list(range(count))


def _after(before: int, columns: list[int]) -> list[int]:
    return [*range(before), *(before + column for column in columns)]
