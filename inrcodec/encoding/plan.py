"""The searches of one encode: how many steps at which rates, from the options, and how long they will take."""

import math
from dataclasses import dataclass, replace

from inrcodec.encoding import estimate
from inrcodec.encoding.config import EncoderConfig
from inrcodec.families.siren import ladder
from inrcodec.families.siren.network import SirenArch
from inrcodec.families.siren.quantize import PruneConfig, QuantizeConfig
from inrcodec.families.siren.trainer import Network
from inrcodec.fitting.loop import FitConfig, Picture
from inrcodec.progress import Estimate


@dataclass(frozen=True)
class Plan:
    """The searches of one encode."""

    fit: FitConfig
    prune: PruneConfig
    quantize: QuantizeConfig
    roundings: int = 1
    """Expected: a target may take more than one."""

    @property
    def steps(self) -> tuple[int, int, int]:
        """Steps of the three stages."""
        prune_steps = self.prune.refit.steps if self.prune.fraction else 0
        return self.fit.steps, prune_steps, self.roundings * self.quantize.refit.steps


_WIDTH_OF_RATE = 28
"""`FitConfig.rate` is for networks of this mean width; the rate goes as 1 / width (docs/experiments.md)."""
_FASTEST = 1.5
"""Largest factor by which a narrow network's rate is raised."""


def plan(config: EncoderConfig, point: ladder.Rung, arch: SirenArch) -> Plan:
    """The searches of an encode: steps from the effort, noise from the quality, rates from the network's width."""
    width = math.sqrt(arch.param_count() / arch.depth)
    longer, faster = 2.0 ** (config.effort - 5), min(_FASTEST, _WIDTH_OF_RATE / width)

    def scaled(fit: FitConfig) -> FitConfig:
        return with_steps(replace(fit, rate=faster * fit.rate, seed=config.seed), longer * fit.steps)

    pruning, quantizing = PruneConfig(config.prune), QuantizeConfig(point.noise)
    return Plan(
        scaled(FitConfig()),
        replace(pruning, refit=scaled(pruning.refit)),
        replace(quantizing, refit=scaled(quantizing.refit)),
        roundings=1 if config.psnr is None else 2,
    )


def with_steps(fit: FitConfig, steps: float) -> FitConfig:
    """The same fit in another number of steps; one of more than the default's leaves the high rates sooner.

    In directions that are half noise steps of a fixed length carry the weights away as the root of their number, and a
    fit that stays long at a high rate decays (docs/experiments.md).
    """
    usual = FitConfig()
    return replace(fit, steps=max(1, round(steps)), decay=usual.decay * max(1.0, steps / usual.steps))


def work(searches: Plan, weights: int) -> estimate.Work:
    """What the searches are, to an estimate."""
    quantize = searches.quantize
    curved = quantize.pixels if quantize.compensated else 0
    return estimate.Work(
        sum(searches.steps), searches.roundings, weights, curved, quantize.block, quantize.stages, quantize.affine
    )


def with_fit_steps(searches: Plan, steps: int) -> Plan:
    """The searches, all in proportion, with another number of steps of the fit."""
    part = steps / searches.fit.steps

    def scaled(fit: FitConfig) -> FitConfig:
        return with_steps(fit, part * fit.steps)

    return replace(
        searches,
        fit=with_steps(searches.fit, steps),
        prune=replace(searches.prune, refit=scaled(searches.prune.refit)),
        quantize=replace(searches.quantize, refit=scaled(searches.quantize.refit)),
    )


def announcement(
    network: Network, picture: Picture, searches: Plan, timing: estimate.Timing, config: EncoderConfig
) -> Estimate:
    """How long an encode will take, by a few timed steps, and how much memory."""
    count = network.arch.param_count()
    seconds = estimate.seconds(timing, work(searches, count), searches.fit)
    fewer = count / len(picture) * estimate.LONG / seconds
    quality = sum(ladder.rung(quality).weights_per_pixel <= fewer for quality in range(101)) - 1
    ways = estimate.what_to_lower(config, seconds, quality)
    return Estimate(picture.height, picture.width, count, seconds, ways, estimate.memory(count))
