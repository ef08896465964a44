"""From float weights to symbols: prune, choose quantization steps, and round while fine-tuning.

Every decision rests on one measure, the sensitivity of the picture to a weight w,

    s(w) = mean over pixels and channels of (d out / d w)^2,

the diagonal of the Gauss-Newton matrix: moving w alone by e costs s(w) e^2 of mean squared error, to second order.
Pruning w costs about s(w) w^2 (plain magnitude would compare weights across layers whose effects differ by orders of
magnitude), and rounding a tensor of n weights with step q costs about n mean(s) q^2 / 12.

Steps. Minimizing rate under a given cost makes mean(s) q^2 the same in every tensor: each bit then buys distortion at
the same price. `QuantizeConfig.noise` sets the total as a multiple of the fit's own error.

Rounding. All weights are rounded to nearest by torchao's affine quantizer, but not at once: over the fine-tuning a
growing part of them, the most sensitive first, is fixed at its rounded value, and the others, still free, learn to
make up for it (incremental quantization, Zhou et al. 2017, arXiv:1702.03044). Fake-quantizing all weights from the
first step, with straight-through gradients, recovers far less (docs/experiments.md).

A compensated rounding of the whole network would replace `IncrementalRounding`, between `choose_q_steps` and the model.
"""

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inrcodec import bitstream
from inrcodec.entropy import MAX_SYMBOL
from inrcodec.fit import FitConfig, Picture, Project, optimize
from inrcodec.model import QuantizedModel, q_step, q_step_code
from inrcodec.network import Network
from inrcodec.progress import SILENT, Monitor


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

    noise: float = 1.0
    """Predicted error of rounding all weights at once, as a multiple of the fit's mean squared error. Fine-tuning takes
    most of it back."""
    refit: FitConfig = FitConfig(steps=2000, rate=5e-3)  # noqa: RUF009 (frozen)
    """The fine-tuning while rounding; 0 steps rounds all weights at once."""
    largest_bias_step: float = 1 / 512
    """Of the output layer's bias, in values: a quarter of a code, so that a picture of one colour keeps it."""


@dataclass(frozen=True)
class Stage:
    """What a stage did to the picture and to the file."""

    name: str
    psnr: float
    """After the stage, in dB, before rounding to codes."""
    file_bytes: int
    """After the stage: of the .inr file; before quantization, of the weights as float32, and of a mask if pruned."""
    note: str = ""


def sensitivity(network: Network, picture: Picture, probes: int = 32, pixels: int = 8192) -> list[Tensor]:
    """s(w) of every weight, in the shapes of the network's tensors.

    Estimated from `probes` backward passes with random signs on the outputs, each on its own `pixels` random pixels:
    the mean square of such a gradient is the sum of squares of the pixels' (Hutchinson's estimator; the error of one
    weight is about sqrt(2 / probes), that of a tensor's mean far less). Works for any differentiable family.
    """
    generator = torch.Generator(network.device).manual_seed(0)
    leaves = [value.detach().requires_grad_() for value in network.values]
    totals = [torch.zeros_like(leaf) for leaf in leaves]
    count = min(pixels, len(picture))
    for _ in range(probes):
        index = torch.randint(len(picture), (count,), generator=generator, device=network.device)
        outputs = network.evaluate(leaves, picture.samples(index)[0])
        signs = torch.randint(2, outputs.shape, generator=generator, device=network.device) * 2 - 1
        for total, grad in zip(totals, torch.autograd.grad((outputs * signs).sum(), leaves), strict=True):
            total += grad.square() / (count * picture.channels * probes)
    return totals


def prune_masks(values: Sequence[Tensor], scores: Sequence[Tensor], fraction: float) -> list[Tensor]:
    """Masks, 1 keep and 0 prune, of the `fraction` of weights with the least s(w) w^2; biases are kept."""
    costs = [score * value.square() for value, score in zip(values, scores, strict=True)]
    ranked = torch.cat([cost.flatten() for cost in costs if cost.dim() == 2]).sort().values
    count = min(round(fraction * len(ranked)), len(ranked))
    if count == 0:
        return [torch.ones_like(value) for value in values]
    return [(cost > ranked[count - 1]).to(cost.dtype) if cost.dim() == 2 else torch.ones_like(cost) for cost in costs]


def prune(
    network: Network, picture: Picture, config: PruneConfig, monitor: Monitor = SILENT
) -> tuple[list[Tensor], float]:
    """Set the least sensitive weights of `network` to zero and fine-tune the others; returns the masks and the PSNR."""
    masks = prune_masks(network.snapshot(), sensitivity(network, picture), config.fraction)
    psnr = optimize(network, picture, config.refit, masking(masks), "prune", monitor)
    return masks, psnr


def masking(masks: Sequence[Tensor]) -> Project:
    """The projection that sets pruned weights to zero."""
    return lambda values, progress: [value * mask for value, mask in zip(values, masks, strict=True)]


_CODE_ERROR = (2 / 255) ** 2 / 12
"""Mean squared error of rounding values to codes: no weight is rounded more finely than this asks for."""


def choose_q_steps(scores: Sequence[Tensor], mse: float, config: QuantizeConfig) -> tuple[int, ...]:
    """Codes of the steps, one per tensor, with which rounding to nearest adds about `config.noise * mse`."""
    count = sum(score.numel() for score in scores)
    price = 12 * config.noise * max(mse, _CODE_ERROR) / count
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


class Rounding:
    """Rounds all tensors of a network, each with its own step, in one call of torchao's quantizer.

    Dividing every tensor by its step first makes the one scale 1; symbol * step is then exact (see `model.q_step`).
    """

    def __init__(self, codes: Sequence[int], like: Sequence[Tensor]) -> None:
        self._to_symbols = affine_rounding()
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


class IncrementalRounding:
    """The projection of the fine-tuning: a growing part of the weights is rounded, once and for all.

    `order` is (n,), each weight's rank 0 .. n - 1. At progress 1 what is still free is rounded too, but not fixed.
    """

    def __init__(self, rounding: Rounding, order: Tensor) -> None:
        self._rounding = rounding
        self._order = order
        self._fixed = torch.zeros(len(order), dtype=torch.bool, device=order.device)
        self._values = torch.zeros(len(order), device=order.device)

    def __call__(self, values: Sequence[Tensor], progress: float) -> list[Tensor]:
        """The tensors to evaluate the network with: rounded where fixed, free elsewhere."""
        flat = flatten(values)
        nearest = self._rounding.nearest(flat)
        if progress >= 1:
            return self._rounding.split(torch.where(self._fixed, self._values, nearest))
        due = self._order < progress * len(self._order)
        self._values = torch.where(due & ~self._fixed, nearest, self._values)
        self._fixed |= due
        return self._rounding.split(torch.where(self._fixed, self._values, flat))


def quantize(
    network: Network,
    picture: Picture,
    psnr: float,
    masks: Sequence[Tensor],
    config: QuantizeConfig,
    monitor: Monitor = SILENT,
) -> tuple[QuantizedModel, list[Stage]]:
    """Round `network`, whose picture has `psnr` dB; its tensors are left at the values that a decoder will see.

    Returns the model, and two stages: all weights rounded at once, and the fine-tuning instead.
    """
    scores = sensitivity(network, picture)
    codes = choose_q_steps(scores, 4 * 10 ** (-psnr / 10), config)
    rounding = Rounding(codes, scores)
    ranks = (flatten(scores) * rounding.steps.square()).argsort(descending=True).argsort()
    masked, floats = masking(masks), network.snapshot()

    def search(name: str, refit: FitConfig) -> tuple[QuantizedModel, Stage]:
        incremental = IncrementalRounding(rounding, ranks)
        found = optimize(network, picture, refit, lambda v, t: incremental(masked(v, t), t), "round", monitor)
        model = to_model(network, picture, codes, rounding)
        return model, Stage(name, found, len(bitstream.write(model)))

    model, nearest = search("round to nearest", replace(config.refit, steps=0))
    if not config.refit.steps:
        return model, [nearest]
    network.load(floats)
    model, tuned = search("fine-tune", config.refit)
    return model, [nearest, tuned]


def to_model(network: Network, picture: Picture, codes: Sequence[int], rounding: Rounding) -> QuantizedModel:
    """The network's tensors as symbols of the given steps."""
    symbols = rounding.split(rounding.symbols(flatten(network.snapshot())))
    arrays = tuple(part.cpu().numpy().astype("int32") for part in symbols)
    return QuantizedModel(network.arch, picture.height, picture.width, arrays, tuple(codes))
