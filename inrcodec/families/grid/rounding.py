"""From a float grid to a stored one: latents settle, then the networks find numbers that a file can hold.

A fit ends before its latents have settled on whole numbers: from there on the same annealing goes on here, so that for
another noise than the fit's latents can be scaled to another step. Those that had settled could not.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inrcodec import families
from inrcodec.compute.arena import Array
from inrcodec.families.contract import StoredPicture
from inrcodec.families.grid.delta import delta_code, delta_of
from inrcodec.families.grid.fixed import FixedLatents, network_of
from inrcodec.families.grid.float_grid import FloatGrid
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.number_trials import NumberTrials
from inrcodec.families.grid.objective import GridObjective
from inrcodec.families.grid.plan import ROUND, SETTLE, TRY, GridPlan, delta_of_noise
from inrcodec.families.grid.prior import LATEST
from inrcodec.families.grid.search import FITTED, GridSearch
from inrcodec.families.grid.settle import NetworkSearch, Steps, best_scale
from inrcodec.families.grid.stored import GridNetwork
from inrcodec.families.grid.trials import TrialSearch
from inrcodec.fitting.loop import FitConfig, optimize
from inrcodec.format.entropy import MAX_SYMBOL
from inrcodec.progress import Monitor, Stage, within

_RATES, _STEPPED, _TRIED = (2e-3, 5e-4), 0.15, 0.5
"""How far networks' numbers move at first, without steps and with them; of the time after latents are whole the part
that is with them, and the part in which numbers are tried a step away."""
_EVERY = 20
"""Steps between evaluations."""
_SHORT, _SHORTER = 0.08, 0.35
"""By what a latent is rounded short, in place of the annealing that would spare as many bits: at the fit's step, and
for each factor of e that the step is coarser."""


class GridRounder:
    """See `families.training.Rounder`. A noise is the square of the latents' step, in units of the usual one's."""

    def __init__(self, grid: FloatGrid, target: Array, plan: GridPlan, noise: float, kit: Kit) -> None:
        self._grid, self._target, self._plan, self._kit = grid, target, plan, kit
        self.rounding_noise = noise
        self._hurried = False

    def hurry(self) -> None:
        """Take a tenth of the steps from now on."""
        self._hurried = True

    def _config(self, steps: int) -> FitConfig:
        steps = max(1, steps // 10 if self._hurried else steps)
        return replace(self._plan.fit, steps=steps, evaluate_every=max(1, min(_EVERY, steps // 4)))

    def key(self, noise: float) -> int:
        """The code of the step."""
        return delta_code(delta_of_noise(noise))

    def clips(self, noise: float) -> bool:
        """Whether a latent is beyond the largest symbol."""
        scaled = float(self._kit.xp.abs(self._grid.latents).max()) * self._grid.delta
        return scaled > MAX_SYMBOL * delta_of(self.key(noise))

    def changed(self, stored: StoredPicture, shifts: Sequence[int]) -> Iterator[StoredPicture]:
        """The same without those latents of size 1 that take the most bits: a hundredth for each shift above 0."""
        network = stored.network
        if isinstance(network, GridNetwork):
            for shift in shifts:
                if shift > 0:
                    yield replace(stored, network=network.without(shift / 100))

    def _scaled(self, noise: float) -> FloatGrid:
        """A copy of the grid with the step of a noise."""
        return self._grid.at(delta_of(self.key(noise)), self._kit)

    def nearest(self, noise: float) -> StoredPicture:
        """All latents rounded, a little short, and all numbers to nearest."""
        grid, xp = self._scaled(noise), self._kit.xp
        short = _SHORT + _SHORTER * max(0.0, math.log(grid.delta / self._grid.delta))
        grid.latents = xp.sign(grid.latents) * xp.floor(xp.abs(grid.latents) + max(0.0, 0.5 - short))
        return self._stored(grid, Steps(grid))

    def run(self, noise: float, monitor: Monitor) -> tuple[StoredPicture, Sequence[Stage]]:
        """Round in earnest."""
        grid, whole = self._scaled(noise), self._plan.round_steps
        annealed = round(whole * (1 - (SETTLE + TRY) / ROUND))
        self._anneal(grid, self._config(annealed), within(monitor, 0, whole))
        steps, psnr = self._settle(grid, annealed, monitor)
        stored = self._stored(grid, steps)
        note = f"{int((self._kit.lower(grid.latents) != 0).sum()):,} latents are not 0"
        return stored, [Stage("round", psnr, len(families.write(stored)), note)]

    def _anneal(self, grid: FloatGrid, config: FitConfig, monitor: Monitor) -> None:
        """To whole latents; the search and its arrays are gone after."""
        optimize(GridSearch(grid, self._target, config, self._kit, (FITTED, 1.0)), "anneal", monitor)
        grid.latents = self._kit.xp.round(grid.latents)

    def _settle(self, grid: FloatGrid, annealed: int, monitor: Monitor) -> tuple[Steps, float]:
        """What follows so many steps: the steps of the networks, and the PSNR in dB; the arrays are gone after."""
        whole = self._plan.round_steps
        parts = 1, _STEPPED + _TRIED, _TRIED
        tried, free, stepped = (round(whole * (1 - part * SETTLE / ROUND)) for part in parts)
        objective = GridObjective(grid.arch, self._target, grid.delta, self._kit)
        trying = self._config(tried - annealed)
        optimize(TrialSearch(grid, objective, trying, self._kit), "try", within(monitor, annealed, whole))
        steps = Steps(grid, finest=True)
        settling = NetworkSearch(grid, objective, steps, self._config(free - tried), self._kit, _RATES[0])
        optimize(settling, "settle", within(monitor, tried, whole))
        steps = self._chosen(grid, objective)
        settling = NetworkSearch(grid, objective, steps, self._config(stepped - free), self._kit, _RATES[1])
        optimize(settling, "round", within(monitor, free, whole))
        moving = NumberTrials(grid, objective, steps, self._config(whole - stepped), self._kit)
        return steps, optimize(moving, "try", within(monitor, stepped, whole))

    def _chosen(self, grid: FloatGrid, objective: GridObjective) -> Steps:
        steps, fixed = Steps(grid), FixedLatents(objective, grid.split(grid.latents), self._kit)
        with self._kit.working() as run:

            def value(name: str, flat: NDArray[np.float32]) -> float:
                return fixed.part(network_of(name), self._kit.lift(flat), run)

            steps.choose(self._kit.lower(grid.flat), value)
        return steps

    def _stored(self, grid: FloatGrid, steps: Steps) -> StoredPicture:
        symbols = steps.symbols(self._kit.lower(grid.flat))
        scales = tuple(best_scale(each)[1] for each in symbols)
        latents = [self._kit.lower(level).clip(-MAX_SYMBOL, MAX_SYMBOL) for level in grid.split(grid.latents)]
        network = GridNetwork(
            grid.arch,
            LATEST,
            delta_code(grid.delta),
            tuple(steps.shifts.values()),
            scales,
            tuple(symbols),
            tuple(level.astype(np.int32) for level in latents),
        )
        return StoredPicture(network, grid.arch.height, grid.arch.width, content_hash=0)  # its bytes count
