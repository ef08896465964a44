"""Bits of latents under Laplace's law, and their derivatives: what the search minimizes in place of a file's bits.

The mass of a latent q under location m and scale b = exp(s), of [q - 1/2, q + 1/2]; with d = |q - m|

    d <  1/2:  1 - (u + v) / 2      u = exp(-|d - 1/2| / b)
    d >= 1/2:  (u - v) / 2          v = exp(-(d + 1/2) / b)

whose derivatives are the same on both sides: by d, -(u - v) / 2b, and by s, ((d - 1/2) u - (d + 1/2) v) / 2b. At most
`MOST_BITS` + d / 2 bits are charged, as an escape would take about as many.
"""

import math
from typing import Any

from inrcodec.compute.arena import Array

LOG_SCALES = (-4.0, 5.4)
"""Bounds of s."""
MOST_BITS = 20.0
_BITS = 1 / math.log(2)
LEAST_MASS, MOST_NATS = 1e-37, 85.0
"""What float32 can still tell from nothing."""


def bits(q: Array, mean: Array, log_scale: Array, xp: Any) -> tuple[Array, Array, Array, Array]:
    """Bits of each latent, and their derivatives by q, by the mean's, and by s; all of one shape.

    Where s is out of bounds it counts as the bound; its derivative is as of the bound where that leads back, else 0.
    """
    s = xp.clip(log_scale, *LOG_SCALES)
    rate, apart = xp.exp(-s), q - mean
    d = xp.abs(apart)
    inner, outer = d - 0.5, d + 0.5
    u, v = xp.exp(-rate * xp.abs(inner)), xp.exp(-rate * outer)
    mass = (inner < 0) + 0.5 * (xp.copysign(u, inner) - v)
    mass = xp.clip(mass, LEAST_MASS, None)
    nats, rate = -xp.log(mass), 0.5 * rate / mass
    ceiling = (MOST_BITS + d / 2) / _BITS
    is_over = nats > xp.clip(ceiling, None, MOST_NATS)
    by_d = xp.where(is_over, 0.5 / _BITS, rate * (u - v))
    by_s = rate * (outer * v - inner * u)
    by_s = xp.where(is_over | ((log_scale - s) * by_s < 0), 0, by_s)
    by_q = _BITS * xp.copysign(by_d, apart)
    return _BITS * xp.where(is_over, ceiling, nats), by_q, -by_q, _BITS * by_s
