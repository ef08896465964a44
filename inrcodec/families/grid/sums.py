"""Which code does a search's sums: NumPy's or torch's, or machine code by Numba, which is three times as fast.

Both agree to the last bits. Numba needs a second to load, and once on a machine half a minute to compile.
"""

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inrcodec.compute import pyramid
from inrcodec.families.grid import anneal
from inrcodec.families.grid.distortion import Distortion
from inrcodec.families.grid.rate import Coded


@dataclass(frozen=True)
class Sums:
    """What there is in several makes."""

    distortion: type[Distortion]
    """Squared errors."""
    coded: type[Coded]
    """Bits."""
    pyramid: pyramid.Pyramid
    """What enlarges grids."""
    seen: Callable[..., Any]
    """See `anneal.seen`."""
    adam: type[anneal.Adam]
    """What moves latents."""


_PLAIN = Sums(Distortion, Coded, pyramid, anneal.seen, anneal.Adam)
_WORTH = 8_000_000
"""Steps times pixels, at least, that are worth loading Numba for: five seconds of NumPy's work, or two."""


def is_worth_compiling(work: int) -> bool:
    """Whether machine code is worth its second for so many steps times pixels, and Numba is there."""
    return work >= _WORTH and importlib.util.find_spec("numba") is not None


def was_compiled() -> bool:
    """Whether the sums by Numba were compiled before, so that loading them takes about a second."""
    from inrcodec.families.grid import fast

    return fast.was_compiled()


@functools.cache
def sums(is_compiled: bool) -> Sums:
    """Those by Numba, or the others."""
    if not is_compiled:
        return _PLAIN
    # here, for Numba takes long, and may not be there
    from inrcodec.compute import compiled_pyramid
    from inrcodec.families.grid import fast

    return Sums(fast.CompiledDistortion, fast.CompiledCoded, compiled_pyramid, fast.seen, fast.CompiledAdam)
