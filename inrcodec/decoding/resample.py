"""Fewer pixels from more, by the Lanczos filter of three lobes (C. Duchon 1979), separable, at the edges renormalised.

Every output pixel has k fine samples along an axis, its block. With x the distance of a fine sample from the centre of
the output pixel, in output pixels, its weight is sinc(x) sinc(x / 3) for |x| < 3, divided by the sum of the weights of
all samples that there are. So a pixel takes its own block and three on each side.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LOBES = 3
Values = NDArray[np.floating]


def lanczos(k: int) -> NDArray[np.float64]:
    """(2 LOBES + 1, k) weights of the fine samples of a pixel's block, in the middle row, and of those around it."""
    x = np.arange(-LOBES, LOBES + 1)[:, None] + (np.arange(k) + 0.5) / k - 0.5
    return np.where(np.abs(x) < LOBES, np.sinc(x) * np.sinc(x / LOBES), 0)


def _sums(k: int, count: int) -> NDArray[np.float64]:
    """(count,) sums of the weights that lie within `count` blocks."""
    of_blocks = lanczos(k).sum(1)
    within = np.ones(count + 2 * LOBES)
    within[:LOBES] = within[count + LOBES :] = 0
    return np.convolve(within, of_blocks[::-1], "valid")


def reduce_columns(values: Values, k: int) -> Values:
    """(rows, count * k, channels) -> (rows, count, channels), in the same precision; k = 1 changes nothing."""
    if k == 1:
        return values
    rows, fine, channels = values.shape
    count, margin = fine // k, LOBES * k
    padded = np.zeros((fine + 2 * margin, rows, channels), values.dtype)  # columns first: whole rows of them are added
    padded[margin : margin + fine] = values.transpose(1, 0, 2)
    total = np.zeros((count, rows, channels), values.dtype)
    term = np.empty_like(total)
    for tap, weight in enumerate(lanczos(k).astype(values.dtype).reshape(-1)):
        if weight:
            total += np.multiply(padded[tap : tap + fine : k], weight, out=term)
    total /= _sums(k, count).astype(values.dtype)[:, None, None]
    return np.ascontiguousarray(total.transpose(1, 0, 2))


def reduce_rows(pieces: Iterator[Values], k: int, count: int) -> Iterator[Values]:
    """Pieces (blocks * k, width, channels) of all `count` blocks -> the rows (some, width, channels), in order.

    No more is held than a piece and six rows. With k = 1 the pieces come back as they are.
    """
    if k == 1:
        yield from pieces
        return
    sums, left, row = _sums(k, count), None, -LOBES
    for piece in pieces:
        blocks = piece.reshape(-1, k, *piece.shape[1:])
        weights, n = lanczos(k).astype(piece.dtype), len(blocks)
        totals = np.zeros((n + 2 * LOBES, *piece.shape[1:]), piece.dtype)  # of the rows from `row` on
        if left is not None:
            totals[: 2 * LOBES] = left
        for b, weight in enumerate(weights):
            totals[2 * LOBES - b :][:n] += np.einsum("nkwc,k->nwc", blocks, weight)
        yield _finished(totals[:n], sums, row)
        row, left = row + n, totals[n:]
    if left is not None:
        yield _finished(left[:LOBES], sums, row)


def _finished(totals: Values, sums: NDArray[np.float64], row: int) -> Values:
    """Rows from `row` on, those before the first left out, divided by the sums of their weights."""
    kept = totals[max(0, -row) :]
    first = max(0, row)
    return kept / sums[first : first + len(kept), None, None].astype(totals.dtype)
