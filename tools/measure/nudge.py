"""A pytest plugin: every search begins a millionth away from where it would, as if the processor rounded otherwise.

INRCODEC_NUDGE=3 python -m pytest -p nudge

Searches are chaotic, so that is as good as another machine, for as many numbers as one likes. What is compared within
one process still agrees bit by bit: the same start is always nudged in the same way.
"""

import os
from typing import Any

import numpy as np

from inrcodec.families.siren import network

_SIZE = 1e-6
"""Relative, about ten times float32's rounding."""


def pytest_configure() -> None:
    """Nudge `init` of the SIREN family from now on."""
    number, init = int(os.environ["INRCODEC_NUDGE"]), network.init

    def nudged(*arguments: Any) -> network.Params:
        rng = np.random.default_rng(number)
        params = init(*arguments)
        return [(value * (1 + _SIZE * rng.standard_normal(value.shape))).astype(np.float32) for value in params]

    network.init = nudged
