"""What of an unfinished encode can be gone on with: whose it is, the operating point, and the state of the fit.

All that comes after the fit follows from it in a short time, always in the same way, and begins again.
"""

import hashlib
from collections.abc import Callable
from dataclasses import astuple
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrcodec import __version__
from inrcodec.config import EncoderConfig
from inrcodec.errors import CheckpointError
from inrcodec.ladder import Rung
from inrcodec.state import Keeper, State, below, prefixed, take

LAYOUT = 1
"""Version of the names and of the meaning of what is kept."""
_LEAST, _MOST = 1e-9, 1e9
"""Of the numbers of an operating point: any that is no mistake."""
_FIT = "fit."
_OTHER = {
    "layout": "another layout of checkpoints",
    "version": "another version of inrcodec",
    "picture": "another picture",
    "options": "other options",
}


class Session:
    """One encode over all the processes that it takes: a `Keeper` for its fit, which adds what else is to be kept."""

    def __init__(self, keeper: Keeper, codes: NDArray[np.uint8], config: EncoderConfig, device: str) -> None:
        """`codes` (H, W, C) is the picture. Raises CheckpointError where `keeper` has kept another encode."""
        self._keeper, self._codes, self._options = keeper, codes, config.digest(device)
        self._point = np.zeros(4)
        self._kept = keeper.load()
        if self._kept is not None:
            self._check(self._kept)

    @cached_property
    def _identity(self) -> State:
        """All that decides the result; not the number of threads."""
        return {
            "layout": np.array(LAYOUT, np.int64),
            "version": _digest(__version__.encode()),
            "picture": _digest(repr(self._codes.shape).encode(), np.ascontiguousarray(self._codes)),
            "options": np.frombuffer(self._options, np.uint8),
        }

    def _check(self, kept: State) -> None:
        own = self._identity
        for name, array in own.items():
            if not np.array_equal(take(kept, name, array.shape, array.dtype), array):
                raise CheckpointError(f"was begun with {_OTHER[name]}: go on with the same")
        if unknown := [name for name in kept if name not in (*own, "point") and not name.startswith(_FIT)]:
            raise CheckpointError(f"{unknown[0][:40]} is unknown")

    def point(self, choose: Callable[[], Rung]) -> Rung:
        """The operating point, chosen once."""
        if self._kept is None:
            chosen = choose()
            self._point = np.array(astuple(chosen), np.float64)
            return chosen
        self._point = take(self._kept, "point", (4,), np.float64)
        quality, *rest = map(float, self._point)
        if not (0 <= quality <= 100 and all(_LEAST <= number <= _MOST for number in rest)):
            raise CheckpointError("point is no operating point")
        return Rung(int(quality), *rest)

    def load(self) -> State | None:
        """The state of the fit."""
        return None if self._kept is None else below(_FIT, self._kept)

    def keep(self, state: Callable[[], State]) -> None:
        """Keep the state of the fit, and the rest."""
        self._keeper.keep(lambda: self._whole(state()))

    def settle(self, state: Callable[[], State]) -> None:
        """Keep the state that the fit ended with, and the rest."""
        self._keeper.settle(lambda: self._whole(state()))

    def _whole(self, fit: State) -> State:
        return {**self._identity, "point": self._point, **prefixed(_FIT, fit)}


def _digest(*parts: Any) -> NDArray[np.uint8]:
    """(32,): SHA-256 of buffers."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return np.frombuffer(digest.digest(), np.uint8)
