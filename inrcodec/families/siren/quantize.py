"""From float weights to symbols: prune, choose quantization steps, and round while the rest makes up for it.

Every decision rests on one measure, the sensitivity of the picture to a weight w,

    s(w) = mean over pixels and channels of (d out / d w)^2,

the diagonal of the Gauss-Newton matrix: moving w alone by e costs s(w) e^2 of mean squared error, to second order.
Pruning w costs about s(w) w^2 (plain magnitude would compare weights across layers whose effects differ by orders of
magnitude), and rounding a tensor of n weights with step q costs about n mean(s) q^2 / 12.

Steps. Minimizing rate under a given cost makes mean(s) q^2 the same in every tensor: each bit then buys distortion at
the same price. `QuantizeConfig.rounding_noise` sets the total as a multiple of the fit's own error.

Rounding. In stages: a part of the weights, the most sensitive first, is rounded for good, each error pushed at once
onto all weights still free (`curvature.py`), and those are then fitted on for a while, which takes back what the second
order does not see. The baseline, rounding to nearest by torchao's affine quantizer with a fine-tuning through
fake-quantized weights, loses three times as much (docs/experiments.md); `QuantizeConfig.compensated` switches.
"""

import contextlib
import itertools
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from inrcodec import families
from inrcodec.families import StoredPicture
from inrcodec.families.siren.curvature import BLOCK, blocks, compensate, gauss_newton, inverse_factor, probes
from inrcodec.families.siren.gradients import PixelSums
from inrcodec.families.siren.network import Q_STEP_CODES, canonical, q_step, q_step_code
from inrcodec.families.siren.stored import SirenNetwork
from inrcodec.families.siren.tensors import FloatNetwork, split_matrices
from inrcodec.fitting.loop import BatchSearch, FitConfig, Project, optimize
from inrcodec.fitting.target import Target
from inrcodec.format.entropy import MAX_SYMBOL
from inrcodec.metrics import psnr_of_mse
from inrcodec.progress import SILENT, Monitor, Stage, part_due, within


@dataclass(frozen=True)
class PruneConfig:
    """Options of `prune`."""

    fraction: float = 0.0
    """Fraction of all weights (not biases) to set to zero; 0 leaves the stage out, as it does not pay at any setting of
    the ladder: at equal bytes a smaller dense network is better (docs/experiments.md)."""
    refit: FitConfig = FitConfig(steps=500, rate=1e-2)  # noqa: RUF009 (frozen)
    """The fine-tuning with the mask."""


@dataclass(frozen=True)
class QuantizeConfig:
    """Options of `quantize`."""

    rounding_noise: float = 0.4
    """Predicted error of rounding all weights to nearest, as a multiple of the fit's mean squared error. Compensation
    and fine-tuning take back five sixths of it."""
    refit: FitConfig = FitConfig(steps=3000, rate=5e-3, leap=4.0)  # noqa: RUF009 (frozen)
    """The fine-tuning, all stages together; 0 steps leaves it out. Straight-through gradients make the error jump."""
    compensated: bool = True
    """False: the baseline, torchao's rounding to nearest and straight-through fine-tuning."""
    stages: int = 6
    """Parts of the weights rounded one after the other."""
    pixels: int = 16_384
    """Pixels that the curvature is taken from."""
    damping: float = 1e-3
    """Added to the curvature's diagonal, as a fraction of its mean; it rises until the matrix factors."""
    block: int = BLOCK
    """Weights in a block of the curvature, at most."""
    affine: bool = True
    """Round by torchao's quantizer, which takes seconds to import; False: by torch, to the same symbols."""
    largest_bias_step: float = 1 / 512
    """Largest step of the output layer's bias, in values: a quarter of a code, so that one colour stays what it is."""


def sensitivity(network: FloatNetwork, target: Target, pixels: int = 65536) -> list[Tensor]:
    """s(w) of every weight, in the shapes of the network's tensors, from at most `pixels` pixels."""
    index, signs = probes(target, pixels, network.device)
    sums = PixelSums(network, target)
    with sums.working():
        squares = sums.gauss_newton_diagonal(network.snapshot(), index, signs)
    return [part / (len(index) * target.channels) for part in split_matrices(squares)]


def prune_masks(values: Sequence[Tensor], scores: Sequence[Tensor], fraction: float) -> list[Tensor]:
    """Masks, 1 keep and 0 prune, of the `fraction` of weights with the least s(w) w^2; biases are kept."""
    costs = [score * value.square() for value, score in zip(values, scores, strict=True)]
    ranked = torch.cat([cost.flatten() for cost in costs if cost.dim() == 2]).sort().values
    count = min(round(fraction * len(ranked)), len(ranked))
    if count == 0:
        return [torch.ones_like(value) for value in values]
    return [(cost > ranked[count - 1]).to(cost.dtype) if cost.dim() == 2 else torch.ones_like(cost) for cost in costs]


def prune(
    network: FloatNetwork, target: Target, config: PruneConfig, monitor: Monitor = SILENT
) -> tuple[list[Tensor], float]:
    """Set the least sensitive weights of `network` to zero and fine-tune the others; returns the masks and the PSNR."""
    masks = prune_masks(network.snapshot(), sensitivity(network, target), config.fraction)
    objective = PixelSums(network, target, config.refit.chunk, monitor.note)
    psnr = optimize(BatchSearch(objective, config.refit, masking(masks)), "prune", monitor)
    return masks, psnr


def masking(masks: Sequence[Tensor]) -> Project:
    """The projection that sets pruned weights to zero."""
    return lambda values: [value * mask for value, mask in zip(values, masks, strict=True)]


_CODE_ERROR = (2 / 255) ** 2 / 12
"""Mean squared error of rounding values to codes: no weight is rounded more finely than this asks for."""


def choose_q_steps(scores: Sequence[Tensor], mse: float, config: QuantizeConfig) -> tuple[int, ...]:
    """Codes of the steps, one per tensor, with which rounding to nearest adds about `config.rounding_noise * mse`."""
    count = sum(score.numel() for score in scores)
    price = 12 * config.rounding_noise * max(mse, _CODE_ERROR) / count
    steps = [math.sqrt(price / max(float(score.mean()), 1e-12)) for score in scores]
    steps[-1] = min(steps[-1], config.largest_bias_step)
    return tuple(q_step_code(step) for step in steps)


@contextlib.contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Keep loggers silent below errors for a while."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def affine_rounding() -> Callable[[Tensor], Tensor]:
    """torchao's affine quantizer, symmetric with step 1: float values (n,) -> int16 symbols (n,).

    torchao takes seconds to import and prints on the way, so it is imported here, in the one stage that uses it.
    """
    with _quiet("torchao", "torch.utils._pytree"):
        from torchao.quantization import quantize_affine

    def to_symbols(values: Tensor) -> Tensor:
        scale, zero = torch.ones(1, device=values.device), torch.zeros(1, dtype=torch.int32, device=values.device)
        block = (values.numel(),)
        symbols: Tensor = quantize_affine(values, block, scale, zero, torch.int16, -MAX_SYMBOL, MAX_SYMBOL)
        return symbols

    return to_symbols


def plain_rounding(values: Tensor) -> Tensor:
    """What `affine_rounding` computes, with nothing to import."""
    return values.round().clamp(-MAX_SYMBOL, MAX_SYMBOL).to(torch.int16)


class Rounding:
    """Rounds all tensors of a network, each with its own step, in one call of a quantizer.

    Dividing every tensor by its step first makes the one scale 1; symbol * step is then exact (see `network.q_step`).
    """

    def __init__(self, codes: Sequence[int], like: Sequence[Tensor], affine: bool = True) -> None:
        """`affine`: see `QuantizeConfig.affine`."""
        self._to_symbols = affine_rounding() if affine else plain_rounding
        self.codes = tuple(codes)
        self._shapes = [value.shape for value in like]
        self._sizes = [value.numel() for value in like]
        steps = [torch.full((count,), q_step(code)) for count, code in zip(self._sizes, codes, strict=True)]
        self.steps = torch.cat(steps).to(like[0].device)
        """(n,) float32: the step of every weight."""

    def symbols(self, flat: Tensor) -> Tensor:
        """(n,) weights -> (n,) int16 symbols."""
        return self._to_symbols(flat / self.steps)

    def nearest(self, flat: Tensor) -> Tensor:
        """(n,) weights -> the nearest that a decoder can see."""
        return self.symbols(flat).to(torch.float32) * self.steps

    def split(self, flat: Tensor) -> list[Tensor]:
        """(n,) weights -> the network's tensors. The inverse of `flatten`."""
        return [part.view(shape) for part, shape in zip(torch.split(flat, self._sizes), self._shapes, strict=True)]


def flatten(values: Sequence[Tensor]) -> Tensor:
    """All tensors as one (n,) tensor."""
    return torch.cat([value.flatten() for value in values])


class Quantizer:
    """Rounds one fitted network, at any number of quantizer scales; the network's tensors serve as scratch."""

    def __init__(
        self, network: FloatNetwork, target: Target, psnr: float, masks: Sequence[Tensor], config: QuantizeConfig
    ) -> None:
        """`psnr` in dB is that of `network`, `masks` are its pruned weights, 1 keep and 0 prune."""
        self.network, self.target, self.config = network, target, config
        self._mse = 4 * 10 ** (-psnr / 10)
        self.rounding_noise = config.rounding_noise
        self._floats = flatten(masking(masks)(network.snapshot()))
        self._pruned = flatten(masks) == 0
        self._scores = sensitivity(network, target)

    def hurry(self) -> None:
        """Fine-tune a tenth as long from now on: whoever waits has asked for an end."""
        refit = self.config.refit
        self.config = replace(self.config, refit=replace(refit, steps=refit.steps // 10))

    def key(self, noise: float) -> tuple[int, ...]:
        """Equal for two noises at which `nearest` is the same."""
        return self.rounding(noise).codes

    def rounding(self, noise: float) -> Rounding:
        """The steps at a quantizer scale, see `QuantizeConfig.rounding_noise`."""
        return self.rounding_to(choose_q_steps(self._scores, self._mse, replace(self.config, rounding_noise=noise)))

    def rounding_to(self, codes: Sequence[int]) -> Rounding:
        """The rounding to given steps, by their codes."""
        return Rounding(codes, self._scores, self.config.affine)

    def clips(self, noise: float) -> bool:
        """Whether a weight is beyond the largest symbol at a quantizer scale."""
        return bool((self._floats.abs() > MAX_SYMBOL * self.rounding(noise).steps).any())

    def nearest(self, noise: float) -> StoredPicture:
        """All weights rounded to nearest: fast, and of about the size that `run` ends with at the same scale."""
        return self.stored(self.rounding(noise), self._floats)

    def run(self, noise: float, monitor: Monitor = SILENT) -> tuple[StoredPicture, list[Stage]]:
        """Round in earnest; never worse than to nearest. The network is left with the weights that a decoder sees."""
        rounding = self.rounding(noise)
        stored, nearest = self._deliver("round to nearest", rounding, self._floats)
        if not self.config.refit.steps and not self.config.compensated:
            return stored, [nearest]
        name, search = ("compensated", self._compensate) if self.config.compensated else ("fine-tune", self._fine_tune)
        tuned_stored, tuned = self._deliver(name, rounding, search(rounding, monitor))
        if tuned.psnr >= nearest.psnr:
            return tuned_stored, [nearest, tuned]
        stored, nearest = self._deliver("round to nearest", rounding, self._floats)
        return stored, [tuned, nearest]

    def _deliver(self, name: str, rounding: Rounding, flat: Tensor) -> tuple[StoredPicture, Stage]:
        """Nearly rounded weights as they are stored, loaded into the network and measured."""
        network, config = self.quantized(rounding, flat), self.config.refit
        self.network.load([torch.from_numpy(value) for value in network.dequantize()])
        sums = PixelSums(self.network, self.target, config.chunk)
        with sums.working():
            psnr = psnr_of_mse(sums.mse(sums.values(), config.evaluate_pixels), peak=2)
        stored = self._picture(network)
        return stored, Stage(name, psnr, len(families.write(stored)))

    def quantized(self, rounding: Rounding, flat: Tensor) -> SirenNetwork:
        """(n,) weights rounded to nearest, in the order that costs the fewest bits."""
        symbols = [part.cpu().numpy().astype("int32") for part in rounding.split(rounding.symbols(flat))]
        return SirenNetwork(self.network.arch, tuple(canonical(symbols, half_turns=False)), rounding.codes)

    def stored(self, rounding: Rounding, flat: Tensor) -> StoredPicture:
        """The picture of such a network."""
        return self._picture(self.quantized(rounding, flat))

    def _picture(self, network: SirenNetwork) -> StoredPicture:
        return StoredPicture(network, self.target.height, self.target.width, content_hash=0)  # for `certify` to fill in

    def changed(self, stored: StoredPicture, shifts: Sequence[int]) -> Iterator[StoredPicture]:
        """The same weights with one tensor's step code shifted, for each shift and tensor but the last, in turn."""
        network = cast("SirenNetwork", stored.network)
        flat = flatten([torch.tensor(value, device=self.network.device) for value in network.dequantize()])
        last = len(network.q_step_codes) - 1
        for shift, tensor in itertools.product(shifts, range(last)):
            codes = list(network.q_step_codes)
            codes[tensor] = min(max(codes[tensor] + shift, 0), Q_STEP_CODES - 1)
            yield self.stored(self.rounding_to(codes), flat)

    def _fine_tune(self, rounding: Rounding, monitor: Monitor) -> Tensor:
        """The baseline: all weights fake-quantized in every step, gradients straight through."""
        self.network.load(rounding.split(self._floats))
        keep = masking(rounding.split((~self._pruned).float()))

        def nearest(values: Sequence[Tensor]) -> list[Tensor]:
            return rounding.split(rounding.nearest(flatten(keep(values))))

        optimize(self._search(self.config.refit, nearest, monitor), "round", monitor)
        return flatten(self.network.snapshot())

    def _compensate(self, rounding: Rounding, monitor: Monitor) -> Tensor:
        """Stage by stage: round a part with compensation, fit the rest on."""
        stages = self.config.stages
        each = replace(self.config.refit, steps=self.config.refit.steps // max(1, stages - 1))
        flat = self._floats
        for stage in range(1, stages + 1):
            flat, fixed = self._fix(flat, rounding, (stage - 1) / stages, stage / stages)
            if stage < stages and each.steps:
                self.network.load(rounding.split(flat))
                listener = within(monitor, (stage - 1) * each.steps, self.config.refit.steps)
                listener = replace(listener, due=part_due(monitor.due, (stage - 1) / (stages - 1), 1 / (stages - 1)))
                hold = holding(rounding, flat, fixed)
                seeded = replace(each, seed=each.seed + stage)
                optimize(self._search(seeded, hold, listener), "round", listener)
                flat = flatten(self.network.snapshot())
        return flat

    def _search(self, config: FitConfig, project: Project, monitor: Monitor) -> BatchSearch:
        """What fits the network on."""
        return BatchSearch(PixelSums(self.network, self.target, config.chunk, monitor.note), config, project)

    def _fix(self, flat: Tensor, rounding: Rounding, before: float, after: float) -> tuple[Tensor, Tensor]:
        """Round the most sensitive weights of each block, from one fraction of them to another; and what is fixed then.

        What is left to compensate is the lower right of U: one factor serves all stages, and all scales.
        """
        moved, fixed = flat.double(), self._pruned.clone()
        for order, factor in self._elimination:
            start, stop = (round(fraction * len(order)) for fraction in (before, after))
            rest = order[start:]
            steps = rounding.steps[rest].double()
            moved[rest] = compensate(moved[rest], factor[start:, start:], steps, stop - start)
            fixed[order[:stop]] = True
        return moved.float(), fixed

    @cached_property
    def _elimination(self) -> list[tuple[Tensor, Tensor]]:
        """For every block the numbers of its free weights, the most sensitive first, and U in that order, float32."""
        parts, rounding = blocks(len(self._floats), self.config.block), self.rounding(self.config.rounding_noise)
        values = rounding.split(self._floats)
        matrices = gauss_newton(self.network, values, self.target, self.config.pixels, parts)
        found = []
        for part in parts:
            matrix = matrices.pop(0)
            order = (matrix.diagonal() * rounding.steps[part].square()).argsort(descending=True, stable=True)
            free = order[~self._pruned[part][order]]
            factor = inverse_factor(matrix[free][:, free], self.config.damping)
            found.append((free + part.start, factor.float()))
        return found


def holding(rounding: Rounding, flat: Tensor, fixed: Tensor) -> Project:
    """The projection that keeps the fixed weights where they are."""
    return lambda values: rounding.split(torch.where(fixed, flat, flatten(values)))
