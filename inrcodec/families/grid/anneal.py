"""What stands for rounding while latents are searched, and the rates at which they and the networks move.

Progress p goes from 0 to 1. A latent is seen as s(s(q) + noise), s a soft rounding that sharpens, the noise normal and
falling: the quantizer of COOL-CHIC 5 (`quantizer.py` and `presets.py` of its sources, version 5.0.1). Without the noise
the rate is too rough to follow (docs/experiments.md).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from inrcodec.compute.arena import Array, Run

SHARPNESS, DEVIATION = (0.35, 0.08), (0.22, 0.15)
"""Temperature of the soft rounding, and deviation of the noise: at p = 0 and at p = 1."""
BETAS = 0.9, 0.95
"""How much of the mean of gradients, and of their squares, Adam keeps at a step."""
LEAST_RATE, LEAST_NETWORK_RATE = 0.02, 0.05
"""Parts of the rates of latents and of networks that are left at p = 1."""
_SHORT, _DOUBLINGS = 1920, 1.0
"""Steps of a whole annealing, effort 5's, up to which the pace is the first of these; and the doublings in which it
becomes the last, effort 6's."""
_LATENTS, _NETWORKS, _MEMORY = (0.15, 0.1), (5e-3, 1e-2), (20.0, 333.0)
"""Steps of a latent, in its units, and of a network's weight, at first; steps that latents' second moment remembers."""


@dataclass(frozen=True)
class Pace:
    """How fast latents and networks move at first. Who has time moves networks further, and latents less at a time."""

    latents: float
    """Rate of latents, in their units."""
    networks: float
    """Rate of the networks' weights."""
    betas: tuple[float, float]
    """Of latents' Adam."""

    @classmethod
    def of(cls, steps: float) -> "Pace":
        """The pace of a search that takes so many steps from p = 0 to p = 1."""
        part = min(max(math.log2(max(steps, 1.0) / _SHORT) / _DOUBLINGS, 0.0), 1.0)
        latents, networks, memory = (low * (high / low) ** part for low, high in (_LATENTS, _NETWORKS, _MEMORY))
        return cls(latents, networks, (BETAS[0], 1 - 1 / memory))


def between(ends: tuple[float, float], p: float) -> float:
    """From one end at p = 0 to the other at p = 1."""
    return ends[0] + (ends[1] - ends[0]) * p


def cosine(p: float, least: float) -> float:
    """From 1 down to `least`: half a cosine."""
    return max(0.5 * (1 + math.cos(math.pi * p)), least)


def soft_round(x: Array, temperature: float, xp: Any) -> tuple[Array, Array]:
    """Soft rounding, and its derivative."""
    floor = xp.floor(x)
    bent = xp.tanh((x - floor - 0.5) / temperature)
    scale = 1 / (2 * math.tanh(0.5 / temperature))
    return floor + 0.5 + scale * bent, scale / temperature * (1 - bent * bent)


def seen(q: Array, p: float, draw: Callable[[Array], Array], xp: Any) -> tuple[Array, Array]:
    """What latents are seen as, and the derivative of that; `draw` gives normal numbers for an array."""
    temperature = between(SHARPNESS, p)
    once, slope = soft_round(q, temperature, xp)
    twice, second = soft_round(once + between(DEVIATION, p) * draw(q), temperature, xp)
    return twice, slope * second


class Adam:
    """Adam (Kingma and Ba 2015) over a flat array, in place; gradients may be of any size, so its epsilon is small."""

    EPSILON = 1e-12

    def __init__(
        self, like: Array, xp: Any, pieces: Sequence[slice] = (slice(None),), betas: tuple[float, float] = BETAS
    ) -> None:
        """Steps arrays like this one, piece by piece."""
        self._xp, self._pieces, self._betas = xp, pieces, betas
        self.mean, self.square = xp.zeros_like(like), xp.zeros_like(like)
        self.steps = 0

    def step(self, values: Array, gradient: Array, rate: Array | float, run: Run = map) -> None:
        """Move `values` against the gradient by about `rate` each: a number, or of one piece an array."""
        self.steps += 1
        list(run(lambda piece: self._move(values[piece], gradient[piece], rate, piece), self._pieces))

    def _move(self, values: Array, gradient: Array, rate: Array | float, piece: slice) -> None:
        keep, keep_square = self._betas
        mean, square = self.mean[piece], self.square[piece]
        mean *= keep
        mean += (1 - keep) * gradient
        square *= keep_square
        square += (1 - keep_square) * gradient * gradient
        values -= rate / (1 - keep**self.steps) * mean / self._size(square)

    @property
    def size(self) -> Array:
        """What it takes for the gradient's size, (count,)."""
        return self._size(self.square)

    def _size(self, square: Array) -> Array:
        size = self._xp.sqrt(square / (1 - self._betas[1] ** self.steps))
        size += self.EPSILON
        return size
