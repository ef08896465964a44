"""The state of a search as plain arrays by name: how it leaves the search, and how it comes back, checked.

No files here: whoever keeps the state is a `Keeper`, and `checkpoint.py` is the one that writes it to a disk. What
comes back from a disk may hold anything, so every search takes it apart with the functions of this module only.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from inrcodec.errors import CheckpointError

State = Mapping[str, NDArray[Any]]
"""Arrays by name: all that a search needs to go on."""


class Keeper(Protocol):
    """Where a search leaves its state while it runs, so that another process can resume it."""

    def load(self) -> State | None:
        """What an earlier process left, not checked; None: begin at the start."""

    def keep(self, state: Callable[[], State]) -> None:
        """Told between any two steps; until the next begins `state()` gives the state."""

    def settle(self, state: Callable[[], State]) -> None:
        """Told after the last step: all the rest of an encode follows from this state, and may be ended anywhere.

        Once this has returned, `state()` may give another.
        """


class _Forgetful:
    """Keeps nothing."""

    def load(self) -> None:
        """There is nothing."""

    def keep(self, state: Callable[[], State]) -> None:
        """Do nothing."""

    def settle(self, state: Callable[[], State]) -> None:
        """Do nothing."""


FORGETFUL: Keeper = _Forgetful()


def take(state: State, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """The array `name` of a state; raises CheckpointError unless it has this shape and dtype."""
    if name not in state:
        raise CheckpointError(f"{name} is missing")
    array = state[name]
    if array.shape != shape or array.dtype != dtype:
        raise CheckpointError(f"{name} is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}")
    return array


def take_finite(state: State, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """As `take`, of float32; raises CheckpointError where a number is not finite."""
    array = take(state, name, shape, np.float32)
    if not np.isfinite(array).all():
        raise CheckpointError(f"{name} holds numbers that are not finite")
    return array


def take_number(state: State, name: str) -> float:
    """A float64, finite and not negative; raises CheckpointError for another."""
    number = float(take(state, name, (), np.float64))
    if not 0 <= number < math.inf:
        raise CheckpointError(f"{name} is {number}")
    return number


def take_count(state: State, name: str, most: int) -> int:
    """An int64 of 0 .. `most`; raises CheckpointError for another."""
    count = int(take(state, name, (), np.int64))
    if not 0 <= count <= most:
        raise CheckpointError(f"{name} is {count}, not in 0 .. {most}")
    return count


def prefixed(prefix: str, state: State) -> State:
    """The same arrays under longer names."""
    return {prefix + name: array for name, array in state.items()}


def below(prefix: str, state: State) -> State:
    """The arrays whose names begin with `prefix`, under the rest of them. The inverse of `prefixed`."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
