"""What an unfinished encode is resumed from: whose it is, the way to the network, and the state of the fit.

All that comes after the fit follows from it in a short time, always in the same way, and begins again.
"""

import hashlib
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrcodec.encoding.config import EncoderConfig
from inrcodec.encoding.pilot import Reached
from inrcodec.errors import CheckpointError
from inrcodec.families.training import OperatingPoint
from inrcodec.fitting.state import FORGETFUL, Keeper, State, below, prefixed, take, take_count
from inrcodec.installed import __version__

LAYOUT = 2
"""Version of the names and of the meaning of what is kept."""
_LEAST, _MOST = 1e-9, 1e9
"""Bounds of the numbers of an operating point: any that is no mistake."""
_MOST_FITS = 16
"""Before the one that is kept."""
_COURSE = ("point", "fits", "refits")
_FIT, _BEST = "fit.", "best."
_OTHER = {
    "layout": "another layout of checkpoints",
    "version": "another version of inrcodec",
    "picture": "another picture",
    "options": "other options",
}


@dataclass(frozen=True)
class Course:
    """The place that the search for a network has come to."""

    point: OperatingPoint
    """What is fitted now."""
    fits: tuple[Reached, ...] = ()
    """What has been fitted before."""
    refits: int = 0
    """How many larger networks may follow."""


class Session:
    """One encode over all the processes that it takes: a `Keeper` for its fits, which adds what else is to be kept."""

    def __init__(self, keeper: Keeper, codes: NDArray[np.uint8], config: EncoderConfig, device: str) -> None:
        """`codes` (H, W, C) is the picture. Raises CheckpointError where `keeper` has kept another encode."""
        self._keeper, self._codes, self._options = keeper, codes, config.digest(device)
        self._around: State = {}
        self._last: Callable[[], State] | None = None
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
        known, parts = (*own, *_COURSE), (_FIT, _BEST)
        if unknown := [name for name in kept if name not in known and not name.startswith(parts)]:
            raise CheckpointError(f"{unknown[0][:40]} is unknown")

    def course(self, choose: Callable[[], Course]) -> Course:
        """The place of the search: chosen once."""
        if self._kept is None:
            return self.go_on(choose(), {})
        return self.go_on(_course(self._kept), below(_BEST, self._kept), self._kept)

    def go_on(self, course: Course, best: State, kept: State | None = None) -> Course:
        """Keep this course and `best`, the best network before it, from now on. The fit begins anew, but for `kept`."""
        self._kept, self._best = kept, best
        fits = np.array([astuple(fit) for fit in course.fits], np.float64).reshape(-1, 2)
        numbers = np.array(astuple(course.point), np.float64), fits, np.array(course.refits, np.int64)
        self._around = {**dict(zip(_COURSE, numbers, strict=True)), **prefixed(_BEST, best)}
        return course

    @property
    def best(self) -> State:
        """The best network before this course, not checked; nothing where there was none."""
        return self._best

    def load(self) -> State | None:
        """The state of the fit."""
        return None if self._kept is None else below(_FIT, self._kept)

    def keep(self, state: Callable[[], State]) -> None:
        """Keep the state of the fit, and the rest."""
        self._keeper.keep(self._whole(state))

    def settle(self, state: Callable[[], State]) -> None:
        """The fit ended with this state. Another may follow, until `finish`."""
        if self._keeper is not FORGETFUL:  # of a large picture a state takes a while to copy, and half a gigabyte
            last = state()
            self._last = self._whole(lambda: last)

    def finish(self) -> None:
        """No fit follows the one that has settled: keep its state, and the rest."""
        if self._last is not None:
            self._keeper.settle(self._last)

    def _whole(self, fit: Callable[[], State]) -> Callable[[], State]:
        around = self._around
        return lambda: {**self._identity, **around, **prefixed(_FIT, fit())}


def take_point(state: State) -> OperatingPoint:
    """The operating point of a state, checked."""
    quality, *rest = map(float, take(state, "point", (4,), np.float64))
    if not (0 <= quality <= 100 and all(_LEAST <= number <= _MOST for number in rest)):
        raise CheckpointError("point is no operating point")
    return OperatingPoint(int(quality), *rest)


def _course(kept: State) -> Course:
    """The course that was kept, checked."""
    refits = take_count(kept, "refits", _MOST_FITS)
    fits = take(kept, "fits", (min(len(np.atleast_1d(kept.get("fits", 0))), _MOST_FITS), 2), np.float64)
    if not (np.isfinite(fits).all() and (fits[:, 0] >= 1).all() and (np.abs(fits) <= _MOST).all()):
        raise CheckpointError("fits are none that could have been made")
    return Course(take_point(kept), tuple(Reached(*map(float, fit)) for fit in fits), refits)


def _digest(*parts: Any) -> NDArray[np.uint8]:
    """(32,): SHA-256 of buffers."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return np.frombuffer(digest.digest(), np.uint8)
