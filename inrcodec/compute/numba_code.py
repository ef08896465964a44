"""Functions in machine code, by Numba."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])
_REORDERED = {"reassoc", "contract", "arcp", "nsz"}
"""Sums in any order, so that they go through vectors; but what is no number stays none."""


def machine_code(function: _Function) -> _Function:
    """The function, compiled when it is first called; the code is kept on disk where there is a place for it."""
    try:
        return _compiled(function, True)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return _compiled(function, False)


def _compiled(function: _Function, is_kept: bool) -> _Function:
    compiled: Any = numba.njit(function, cache=is_kept, nogil=True, fastmath=_REORDERED, error_model="numpy")
    return compiled  # type: ignore[no-any-return]
