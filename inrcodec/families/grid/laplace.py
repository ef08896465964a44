"""Bits of latents under Laplace's law, and their derivatives: what the search minimizes in place of a file's bits.

The mass of a latent q under location m and scale b = exp(s), of [q - 1/2, q + 1/2]; with d = |q - m|

    d <  1/2:  1 - (exp(-(1/2 - d) / b) + exp(-(1/2 + d) / b)) / 2
    d >= 1/2:  exp(-(d - 1/2) / b) (1 - exp(-1 / b)) / 2

At most `MOST_BITS` + d / 2 bits are charged, as an escape would take about as many.
"""

import math
from typing import Any

from inrcodec.compute.arena import Array

LOG_SCALES = (-4.0, 5.4)
"""Bounds of s."""
MOST_BITS = 20.0
_BITS = 1 / math.log(2)


def bits(q: Array, mean: Array, log_scale: Array, xp: Any) -> tuple[Array, Array, Array, Array]:
    """Bits of each latent, and their derivatives by q, by the mean's, and by s; all of one shape.

    Where s is out of bounds it counts as the bound; its derivative is as of the bound where that leads back, else 0.
    """
    s = xp.clip(log_scale, *LOG_SCALES)
    rate = xp.exp(-s)
    apart = q - mean
    d = xp.abs(apart)
    far = xp.exp(-xp.abs(d - 0.5) * rate)
    whole = xp.exp(-rate)
    is_near = d < 0.5
    beyond = far * xp.exp(-xp.clip(2 * d, None, 1) * rate)  # exp(-(1/2 + d) / b) where d < 1/2
    mass = xp.where(is_near, 1 - 0.5 * (far + beyond), 0.5 * (1 - whole))
    inverse = 1 / mass
    near_d, far_s = 0.5 * rate * (far - beyond) * inverse, 0.5 * whole * rate * inverse
    by_d = xp.where(is_near, near_d, rate)
    near_s = 0.5 * rate * ((0.5 - d) * far + (0.5 + d) * beyond) * inverse
    by_s = xp.where(is_near, near_s, far_s - (d - 0.5) * rate)
    nats = -xp.log(mass) + xp.where(is_near, 0, (d - 0.5) * rate)
    ceiling = (MOST_BITS + d / 2) / _BITS
    is_over = nats > ceiling
    by_d = xp.where(is_over, 0.5 / _BITS, by_d)
    by_s = xp.where(
        is_over | (log_scale < LOG_SCALES[0]) & (by_s > 0) | (log_scale > LOG_SCALES[1]) & (by_s < 0), 0, by_s
    )
    by_q = _BITS * by_d * xp.sign(apart)
    return _BITS * xp.where(is_over, ceiling, nats), by_q, -by_q, _BITS * by_s
