"""Functions in machine code, by Numba."""

from collections.abc import Callable
from pathlib import Path
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


def is_kept(function: Callable[..., Any]) -> bool:
    """Whether the code of a `machine_code` is on disk, newer than its source: then it is not compiled again."""
    compiled: Any = function
    folder, code = compiled.stats.cache_path, compiled.py_func.__code__
    if folder is None:
        return False
    source = Path(code.co_filename)
    kept = Path(folder).glob(f"{source.stem}.{code.co_name}-{code.co_firstlineno}.*.nbi")
    return any(each.stat().st_mtime >= source.stat().st_mtime for each in kept)


def _compiled(function: _Function, is_cached: bool) -> _Function:
    # What is called is inlined: where it is not, code that was just compiled and code that was kept may call two makes
    # of it, which round otherwise.
    compiled: Any = numba.njit(
        function, cache=is_cached, nogil=True, fastmath=_REORDERED, error_model="numpy", forceinline=True
    )
    return compiled  # type: ignore[no-any-return]
