"""The picture's curvature in the weights, and rounding that pushes each weight's error onto the weights still free.

To second order, moving the weights of a fitted network by e adds e^T H e to the mean squared error, with the
Gauss-Newton matrix of ALL its weights and biases at once,

    H = mean over pixels and channels of g g^T,     g = d out / d weights.

Rounding the weights one after the other, the error of each is best made up for by the weights not yet rounded (optimal
brain surgeon, Hassibi and Stork 1993; GPTQ, Frantar et al. 2022, arXiv:2210.17323, there for one layer at a time). With
inv(H) = U^T U, U upper triangular in the order of rounding, weight i moved by e_i moves the later ones by

    e_i U[i, j] / U[i, i],     at a cost of e_i^2 / U[i, i]^2 in all,

so 1 / U[i, i]^2 is the curvature that is left in weight i: about a sixth of H[i, i] on average, which is 1.3 bits a
weight (docs/experiments.md).

Both take products of whole tiles, on threads of our own, which each do theirs alone (`threads.py`): the tiles are the
same whatever the number of threads, and so is the result. Only half of the symmetric H is summed; and as H = R R^T with
R upper triangular, the Cholesky factor of H read backwards, U is the inverse of R, column by column.

Memory grows with the square of the number of weights; above `block` of them H is cut into blocks of neighbouring
weights, along the layers, and an error stays within its block.
"""

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inrcodec.compute import threads
from inrcodec.compute.torch_backend import is_cpu
from inrcodec.families.siren.gradients import PixelSums
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.fitting.target import Target
from inrcodec.format.entropy import MAX_SYMBOL

BLOCK = 6144
"""Weights in a block: 150 MB for its matrix, as much for its factor, 600 MB in between."""
_JACOBIAN_ENTRIES = 1 << 23
_PANEL = 128
_TILE = 256
"""Rows or columns that a thread takes at once."""


def probes(target: Target, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """`count` random pixels, none twice (all there are at most), and a random sign for each and channel, (N, C).

    The mean over such signs s of (s . v)^2 is |v|^2, so one backward pass a pixel is enough for all channels.
    """
    generator = torch.Generator(device).manual_seed(0)
    index = torch.randperm(len(target), generator=generator, device=device)[:count]
    signs = torch.randint(2, (len(index), target.channels), generator=generator, device=device) * 2.0 - 1
    return index, signs


def blocks(count: int, most: int = BLOCK) -> list[slice]:
    """0 .. count cut into ranges of about equal length, at most `most`."""
    parts = -(-count // most)
    edges = [count * part // parts for part in range(parts + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


def pixels_at_once(weights: int) -> int:
    """How many pixels' derivatives by so many weights are held at once."""
    return max(1, min(1024, _JACOBIAN_ENTRIES // weights))


def gauss_newton(
    network: FloatNetwork, values: Sequence[Tensor], target: Target, pixels: int, parts: Sequence[slice]
) -> list[Tensor]:
    """H at the tensors `values` from at most `pixels` pixels, as its blocks `parts`, each (b, b) float32."""
    index, signs = probes(target, pixels, network.device)
    sums = PixelSums(network, target, len(index))
    matrices = [torch.zeros(part.stop - part.start, part.stop - part.start, device=network.device) for part in parts]
    at_once = pixels_at_once(network.arch.param_count())
    for rows, their_signs in zip(torch.split(index, at_once), torch.split(signs, at_once), strict=True):
        jacobian = sums.jacobian(values, rows, their_signs)
        for matrix, part in zip(matrices, parts, strict=True):
            add_square(matrix, jacobian[part])
    for matrix in matrices:
        _mirror(matrix)
    return [matrix.div_(len(index) * target.channels) for matrix in matrices]


def add_square(matrix: Tensor, factor: Tensor) -> None:
    """Add factor factor^T, its lower triangle and what is in the same tiles, to `matrix`."""

    def tile(rows: slice) -> None:
        matrix[rows, : rows.stop].addmm_(factor[rows], factor[: rows.stop].T)

    _in_tiles(tile, len(matrix), matrix.device)


def _mirror(matrix: Tensor) -> None:
    """Make the upper triangle the lower one's mirror image."""
    for rows in _tiles(len(matrix)):
        matrix[rows, rows.stop :] = matrix[rows.stop :, rows].T


def _tiles(count: int) -> list[slice]:
    return [slice(start, min(start + _TILE, count)) for start in range(0, count, _TILE)]


def _in_tiles(work: Callable[[slice], None], count: int, device: torch.device) -> None:
    """`work` on the tiles of `count` rows or columns; the last ones first, which take the longest."""
    tiles = _tiles(count)[::-1]
    with threads.single_torch():
        threads.spread(len(tiles), lambda: lambda tile: work(tiles[tile]), threads.count() if is_cpu(device) else 1)


def inverse_factor(matrix: Tensor, damping: float) -> Tensor:
    """U, upper triangular float64, with inv(H) = U^T U for H = `matrix` plus `damping` times its mean diagonal.

    A matrix that is singular, indefinite or not finite even so gets ten times the damping until it factors.
    """
    while True:
        wide = torch.nan_to_num(matrix.double(), 0.0, 0.0, 0.0).flip(0, 1)
        wide.diagonal().add_(damping * wide.diagonal().abs().mean().clamp_min(1e-30))
        with threads.single_torch():
            lower, failed = torch.linalg.cholesky_ex(wide)
        del wide
        if not failed:
            factor = _triangular_inverse(lower)
            del lower
            if bool(torch.isfinite(factor).all()):
                return factor.flip(0, 1)
        damping = max(10 * damping, 1e-12)


def _triangular_inverse(lower: Tensor) -> Tensor:
    """The inverse of a lower triangular matrix, columns tile by tile."""
    inverse = torch.zeros_like(lower)

    def tile(columns: slice) -> None:
        ones = torch.zeros(
            len(lower) - columns.start, columns.stop - columns.start, dtype=lower.dtype, device=lower.device
        )
        ones.diagonal().fill_(1)
        rest = slice(columns.start, None)
        inverse[rest, columns] = torch.linalg.solve_triangular(lower[rest, rest], ones, upper=False)

    _in_tiles(tile, len(lower), lower.device)
    return inverse


@threads.single_torch()
def compensate(weights: Tensor, factor: Tensor, steps: Tensor, count: int) -> Tensor:
    """Round the first `count` of `weights` to multiples of `steps`; the others make up for it.

    `weights` and `steps` are (n,) float64 in the order of rounding, `factor` is U in that order. In panels: within one,
    errors are handed on weight by weight, behind it all at once.
    """
    weights = weights.clone()
    for start in range(0, count, _PANEL):
        stop = min(start + _PANEL, count)
        rows = factor[start:stop, start:].to(weights.dtype)
        errors = torch.empty(stop - start, dtype=weights.dtype, device=weights.device)
        for i in range(stop - start):
            at = start + i
            rounded = (weights[at] / steps[at]).round().clamp(-MAX_SYMBOL, MAX_SYMBOL) * steps[at]
            errors[i] = (weights[at] - rounded) / rows[i, i]
            weights[at + 1 : stop] -= errors[i] * rows[i, i + 1 : stop - start]
            weights[at] = rounded
        weights[stop:] -= errors @ rows[:, stop - start :]
    return weights
