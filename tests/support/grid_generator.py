"""Sections 0x02 of any symbols, and random ones, written by the second decoder's half that writes streams."""

from collections.abc import Callable, Sequence

import numpy as np

from tests.support import independent_ans, independent_grid
from tests.support.helpers import header, section, varint

Rng = np.random.Generator
MAX_SYMBOL, MAX_WEIGHT = 32767, 1 << 16
MAX_PRIOR = independent_grid.largest_of_prior(independent_grid.PRIOR)
TAME, WILD = (1, 2, 3, 5, 8, 13), (21, 24, 25, 33)
"""Sides of pictures that every decoder draws alike, and of such as may be chaotic, which are too large to be drawn."""


def tensor_sizes(height: int, width: int, channels: int) -> list[int]:
    labels = independent_grid.tensors_of(height, width, channels).values()
    return [len(each.rows) * len(each.columns) for each in labels]


def payload(
    shape: tuple[int, int, int],
    delta_code: int,
    shifts: Sequence[int],
    scales: Sequence[int],
    choose: Callable[[int], list[int]],
    number: int = independent_grid.PRIOR,
) -> bytes:
    """A section whose symbols are chosen, first those of the tensors, then the latents call by call."""
    writer = independent_ans.Writer(choose)
    independent_grid.coded(writer, shape, number, delta_code, shifts, scales)
    halves = bytes(k << 4 | n for k, n in zip(shifts, scales, strict=True))
    return bytes([number]) + varint(delta_code) + halves + writer.finish()


def in_turn(tensors: list[int], latents: Callable[[int], list[int]]) -> Callable[[int], list[int]]:
    """Chooses the tensors' symbols at first, then latents."""
    calls = iter([tensors])
    return lambda count: next(calls, None) or latents(count)


def some_body(rng: Rng) -> bytes:
    """Picture fields and section of a random picture."""
    is_wild = rng.random() < 0.3
    height, width = (int(side) for side in rng.choice(WILD if is_wild else TAME, 2))
    shape = height, width, int(rng.integers(1, 5))
    made = wild(rng, shape) if is_wild else tame(rng, shape)
    return header(height, width, shape[2] - 1) + section(2, made)


def tame(rng: Rng, shape: tuple[int, int, int]) -> bytes:
    """Of such numbers as an encoder chooses; at times all 0."""
    sizes, spread, change = tensor_sizes(*shape), float(rng.choice([0, 0.5, 2, 9])), float(rng.choice([0, 0.3, 3, 30]))
    if rng.random() < 0.1:
        spread = change = 0.0
    shifts = rng.integers(0, 3, len(sizes)).tolist()
    scales = rng.integers(0, 16, len(sizes)).tolist() if rng.random() < 0.2 else [10 if change > 1 else 3] * len(sizes)
    tensors = np.rint(rng.laplace(0, change, sum(sizes))).astype(int).tolist()

    def latents(count: int) -> list[int]:
        return np.rint(rng.laplace(0, spread, count)).astype(int).tolist()  # type: ignore[no-any-return]

    return payload(shape, int(rng.integers(200, 700)), shifts, scales, in_turn(tensors, latents))


def wild(rng: Rng, shape: tuple[int, int, int]) -> bytes:
    """Of the least and the most that there may be, and of all between."""
    sizes = tensor_sizes(*shape)
    shifts, scales = rng.integers(0, 16, len(sizes)).tolist(), rng.integers(0, 16, len(sizes)).tolist()
    tensors: list[int] = []
    for number, (size, shift) in enumerate(zip(sizes, shifts, strict=True)):
        most = min(MAX_SYMBOL, MAX_WEIGHT - (MAX_PRIOR if number else 0) >> shift)
        tensors += rng.integers(-most, most + 1, size).tolist()
    largest = int(rng.choice([60, 3000, MAX_SYMBOL]))

    def latents(count: int) -> list[int]:
        extremes = rng.choice([-largest, largest], count)
        return np.where(rng.random(count) < 0.2, extremes, rng.integers(-9, 10, count)).tolist()  # type: ignore[no-any-return]

    return payload(
        shape, int(rng.choice([0, 1, 1023, 64, 127, 128, 1022, 1023])), shifts, scales, in_turn(tensors, latents)
    )
