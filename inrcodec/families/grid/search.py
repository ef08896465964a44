"""The search for a picture's latents and networks, all at once: full gradients, annealed rounding, Adam.

Latents begin sparse (`start.py`), networks as the prior. Both move together, the latents seen through noise and a soft
rounding (`anneal.py`); with rounded latents a search ends where it is evaluated.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from inrcodec.compute.arena import Array
from inrcodec.errors import CheckpointError
from inrcodec.families.grid import anneal
from inrcodec.families.grid.float_grid import FloatGrid, prior_flat
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.least import LeastJ
from inrcodec.families.grid.objective import GridObjective
from inrcodec.families.grid.plan import ROUND, SETTLE, TRY
from inrcodec.families.grid.sums import sums
from inrcodec.families.grid.tensors import rates, usual_steps
from inrcodec.fitting.loop import FitConfig
from inrcodec.fitting.state import State, take, take_count, take_finite, take_number

BITS = 4.0
"""Bits that a difference from the prior takes: so many times log2(1 + its size / its usual step)."""
FITTED = (1 - ROUND) / (1 - TRY - SETTLE)
"""Progress of annealing at which a fit ends: from there on latents settle on whole numbers."""
CLIP = 1.0
"""Largest norm of the networks' gradient of J a pixel."""
_MOST_STEPS = 1 << 31


def shrunk(flat: Array, prior: Array, rate: Array, steps: Array, xp: Any) -> Array:
    """The tensors after a proximal step, at the rate of each number, of the bits that their differences take."""
    apart = flat - prior
    far = xp.abs(apart)
    left = xp.clip(far - rate * BITS / (math.log(2) * (far + steps)), 0, None)
    shrunken: Array = prior + xp.sign(apart) * left
    return shrunken


class GridSearch(LeastJ):
    """A `fitting.loop.Search` over one picture."""

    def __init__(self, grid: FloatGrid, target: Array, config: FitConfig, kit: Kit, span: tuple[float, float]) -> None:
        """`target` is (components, H, W), and `span` the progress of annealing at the start and at the end."""
        super().__init__(grid, GridObjective(grid.arch, target, grid.delta, kit), config, kit)
        self._span = span
        self._latents, self._flat = grid.latents + 0, grid.flat + 0
        self._prior = kit.lift(prior_flat(grid.arch, grid.delta))
        self._rates, self._steps = kit.lift(rates(grid.arch)), kit.lift(usual_steps(grid.arch))
        self._pieces = kit.pieces(len(self._latents))
        self._room = kit.xp.empty_like(self._latents), kit.xp.empty_like(self._latents)
        self._sums = sums(kit.is_compiled)
        self._pace = anneal.Pace.of(config.steps / (span[1] - span[0]))
        latents = self._sums.adam(self._latents, kit.xp, self._pieces, self._pace.betas)
        self._adams = latents, anneal.Adam(self._flat, kit.xp)

    def step(self, number: int) -> None:
        """One full gradient, one step of all latents and networks."""
        self.next = number + 1
        p = anneal.between(self._span, number / self.config.steps)
        seen, slope = self._seen(p, number)
        found = self._objective.gradient(self._grid.split(seen), self._flat, self._run)
        latents, networks = self._adams
        gradient = found.by_tensors / self._pixels
        clip = min(1.0, CLIP / max(1e-12, float((gradient * gradient).sum()) ** 0.5))
        rate = self._rates * (self._pace.networks * anneal.cosine(p, anneal.LEAST_NETWORK_RATE))
        networks.step(self._flat, clip * gradient, rate)
        by = rate * clip / self._pixels / networks.size
        self._flat = shrunk(self._flat, self._prior, by, self._steps, self._kit.xp)
        for part, by_latents in zip(self._grid.split(slope), found.by_latents, strict=True):
            part *= by_latents
        rate_of_latents = self._pace.latents * anneal.cosine(p, anneal.LEAST_RATE)
        latents.step(self._latents, slope, rate_of_latents, self._run)

    def _seen(self, p: float, number: int) -> tuple[Array, Array]:
        """What the latents are seen as in a step, and the derivative of that: room that the next one writes over."""
        seen, slope = self._room

        def look(at: int) -> None:
            piece, draw = self._pieces[at], self._kit.normal(number, at)
            seen[piece], slope[piece] = self._sums.seen(self._latents[piece], p, draw, self._kit.xp)

        list(self._run(look, range(len(self._pieces))))
        return seen, slope

    def evaluate(self) -> None:
        """Measure the picture with rounded latents: keep them, and the networks, if J is the least."""
        if self._is_least(self._kit.xp.round(self._latents), self._flat):
            self._best = self._latents + 0, self._flat + 0

    def state(self) -> State:
        """All that the next steps depend on, as copies. The inverse of `restore`."""
        return {
            "next": np.array(self.next, np.int64),
            "steps": np.array(self.config.steps, np.int64),
            "error": np.array(self.best, np.float64),
            "j": np.array(self._best_j, np.float64),
            "moves": np.array([adam.steps for adam in self._adams], np.int64),
            **{name: self._kit.lower(array).copy() for name, array in self._arrays().items()},
        }

    def _arrays(self) -> dict[str, Array]:
        moments = (moment for adam in self._adams for moment in (adam.mean, adam.square))
        arrays: Sequence[Array] = (self._latents, self._flat, *self._best, *moments)
        return {f"array{number}": array for number, array in enumerate(arrays)}

    def restore(self, state: State) -> None:
        """Go on from the state of another search for the same picture; raises CheckpointError where it is of none."""
        most = take_count(state, "steps", _MOST_STEPS)
        self.next = round(self.config.steps / max(1, most) * take_count(state, "next", most))
        self.best, self._best_j = take_number(state, "error"), take_number(state, "j")
        moves = take(state, "moves", (2,), np.int64)
        if not ((moves >= 0) & (moves <= most)).all():
            raise CheckpointError("moves are none that could have been made")
        shapes = {name: tuple(array.shape) for name, array in self._arrays().items()}
        taken = [self._kit.lift(take_finite(state, name, shape)) for name, shape in shapes.items()]
        self._latents, self._flat, *best = taken[:4]
        self._best = best[0], best[1]
        for adam, count, (mean, square) in zip(self._adams, moves, (taken[4:6], taken[6:8]), strict=True):
            adam.steps, adam.mean, adam.square = int(count), mean, square
        if unknown := state.keys() - self.state().keys():
            raise CheckpointError(f"{min(unknown)[:40]} is unknown")
