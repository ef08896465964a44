"""Ideal code lengths of symbols: how many bits they would take if no coder lost any. Only measured, never written.

Two models. The first is one table for all n symbols, which the decoder is given for nothing; c_s is how often s occurs:

    order-0 entropy = sum_s c_s log2(n / c_s)

The second has two parameters per tensor, which are paid for, and is what an arithmetic coder could really do. The
probability of a symbol s is what Laplace's law of location m and scale b gives to s - 1/2 .. s + 1/2:

    P(s) = F(s + 1/2) - F(s - 1/2),   F(x) = e^((x - m) / b) / 2 for x < m, 1 - e^(-(x - m) / b) / 2 for x >= m
         = 1 - e^(-1 / (2 b))                                  s = m
         = (1 - e^(-1 / b)) e^(-(|s - m| - 1/2) / b) / 2       s != m, for whole m

It is applied to what coder 1 of `entropy.py` stores: symbols (zigzag, a bijection, changes no length), but the
differences d >= 0 of tensors that ascend from 0. Those have one side, so their law is geometric:

    P(d) = (1 - e^(-1 / b)) e^(-d / b)

m is one byte, the median within -128 .. 127; b is one byte, the best of 256 scales. A geometric law pays for both too.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]

PARAMETER_BITS = 16
"""Bits of a tensor's parameters: 8 for its location and 8 for its scale."""

SCALES = 2.0 ** (np.arange(256) / 16 - 4)
"""From 1/16, where all but 0.03 % are equal, to 3,900; sixteen an octave cost under 0.001 bit a symbol over any."""

_SCALES_AT_ONCE = 16


def order_0_bits(symbols: Ints) -> float:
    """Order-0 entropy of all symbols together, in bits, without the table."""
    counts = np.unique(symbols, return_counts=True)[1]
    return float(np.sum(counts * np.log2(symbols.size / counts)))


def laplace_bits(symbols: Ints) -> float:
    """Code length of one tensor's symbols under Laplace's law, in bits, parameters included."""
    location = int(np.clip(np.rint(np.median(symbols)), -128, 127))
    return _best(np.abs(symbols - location), laplace_costs)


def geometric_bits(values: Ints) -> float:
    """Code length of one tensor's values >= 0 under the geometric law, in bits, parameters included."""
    return _best(values, geometric_costs)


def model_bits(tensors: Sequence[Ints], ascending: Collection[int]) -> float:
    """Code length of all tensors, each under its own law, in bits; `ascending` as of `entropy.py`."""
    total = 0.0
    for i, tensor in enumerate(tensors):
        if i in ascending and np.all(np.diff(tensor, prepend=0) >= 0):
            total += geometric_bits(np.diff(tensor, prepend=0))
        else:
            total += laplace_bits(tensor)
    return total


def laplace_costs(distances: Ints, scale: Floats | float) -> Floats:
    """-log2 P(s) at |s - m| = `distances`, in bits; arguments broadcast."""
    at_location = -np.log2(-np.expm1(-0.5 / scale))
    beyond = 1 - np.log2(-np.expm1(-1 / scale)) + (distances - 0.5) / scale * np.log2(np.e)
    return np.where(distances == 0, at_location, beyond)


def geometric_costs(values: Ints, scale: Floats | float) -> Floats:
    """-log2 P(d) at d = `values`, in bits; arguments broadcast."""
    costs: Floats = values / scale * np.log2(np.e) - np.log2(-np.expm1(-1 / scale))
    return costs


def _best(values: Ints, costs: Callable[[Ints, Floats], Floats]) -> float:
    """Bits at the best scale; a few scales at a time, as a tensor may hold tens of thousands of different values."""
    distinct, counts = np.unique(values, return_counts=True)
    groups = SCALES.reshape(-1, _SCALES_AT_ONCE, 1)
    return PARAMETER_BITS + min(float((costs(distinct, scales) @ counts).min()) for scales in groups)
