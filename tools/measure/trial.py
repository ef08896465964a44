"""What trials of the encoder's parts have in common: a fit as the encoder makes it, and figures of a network."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from inrcodec import metrics, pixels
from inrcodec.families.siren import quantize
from inrcodec.families.siren.curvature import blocks
from inrcodec.families.siren.gradients import PixelSums
from inrcodec.families.siren.quantize import QuantizeConfig
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.fitting.loop import BatchSearch, FitConfig, optimize
from inrcodec.fitting.target import Target

CPU = torch.device("cpu")
_AT_ONCE = 8192
"""Pixels drawn at once."""


def fit(network: FloatNetwork, picture: Target, config: FitConfig) -> float:
    """Fit a network, and put its neurons in the order of the fewest bits; returns the PSNR in dB from `optimize`."""
    psnr = optimize(BatchSearch(PixelSums(network, picture, config.chunk), config))
    network.canonicalize()
    return psnr


def keep_all(network: FloatNetwork) -> list[torch.Tensor]:
    """The masks of a network that is not pruned."""
    return [torch.ones_like(value) for value in network.values]


def at_once(config: QuantizeConfig) -> QuantizeConfig:
    """The compensated rounding of all weights in one go, with no re-fit."""
    return replace(config, compensated=True, stages=1, refit=replace(config.refit, steps=0))


def curvature_megabytes(weights: int) -> float:
    """MiB of the curvature's blocks, without what their computation and inversion takes for a while."""
    return sum(4 * (part.stop - part.start) ** 2 for part in blocks(weights)) / 2**20


@contextmanager
def curvature_seconds() -> Iterator[list[float]]:
    """The seconds of each curvature made meanwhile: a quantizer makes its own in the middle of its first rounding."""
    seconds: list[float] = []
    plain = quantize.gauss_newton

    def measured(*arguments: object) -> list[torch.Tensor]:
        start = time.perf_counter()
        matrices = plain(*arguments)
        seconds.append(time.perf_counter() - start)
        return matrices

    quantize.gauss_newton = measured
    try:
        yield seconds
    finally:
        quantize.gauss_newton = plain


@torch.no_grad()
def drawn_psnr(network: FloatNetwork, codes: NDArray[np.uint8]) -> float:
    """PSNR in dB of what a network draws, rounded to codes, against (H, W, C) uint8, over all pixels.

    Of a float network too: so a loss from rounding its weights compares like with like.
    """
    height, width, _ = codes.shape
    coords = torch.from_numpy(pixels.pixel_centres(height, width))
    values = torch.cat([network(part) for part in torch.split(coords, _AT_ONCE)])
    return metrics.psnr(codes, pixels.to_codes(values.numpy()).reshape(codes.shape))
