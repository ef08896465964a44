"""Arrays that are asked for again and again: memory that is given back and taken anew has to be mapped anew.

For arrays of megabytes that takes several times as long as the sums that fill them.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from numpy.typing import NDArray

Array = Any
"""A NumPy array or a torch tensor."""
Empty = Callable[..., Array]
"""(sizes of the axes..) -> an array that holds anything."""
Run = Callable[[Callable[[Any], Any], Sequence[Any]], Any]
"""A `map`, perhaps by several threads."""
Work = Callable[[Sequence[Array], Run], Sequence[Array]]
"""Arrays from arrays, always by the same sums: it neither looks at a number, nor decides by one, nor draws any."""
Recall = Callable[[Hashable, Work, Sequence[Array], Run], Sequence[Array]]
"""(name, work, arrays, run) -> work(arrays, run); see `recorded.Recorder`."""


class Arrays(Protocol):
    """What makes arrays, and how many points are worked through at once: see `families.grid.kit.Kit`."""

    xp: Any
    """numpy or torch."""
    points: int
    """Points of a band, at most, if it has more than a row."""
    is_compiled: bool
    """Whether bands are worked through by machine code of our own: see `families.grid.sums`."""

    def empty(self, *shape: int) -> Array:
        """An array of a shape, which holds anything."""
        ...

    def lift(self, values: NDArray[Any]) -> Array:
        """A copy of an array, here."""
        ...

    def recorder(self) -> Recall:
        """What does work that is the same each time, perhaps faster where it was done before."""
        ...


class Arena:
    """Hands out arrays; what was asked for within `passing`, or before `reset`, is handed out again after that."""

    def __init__(self, empty: Empty) -> None:
        """`empty` makes an array of a shape."""
        self._empty = empty
        self._free: list[Array] = []
        self._taken: list[Array] = []

    def reset(self) -> None:
        """All arrays are free again."""
        self._give_back(0)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Arrays that are asked for inside are free again after."""
        before = len(self._taken)
        try:
            yield
        finally:
            self._give_back(before)

    def _give_back(self, first: int) -> None:
        self._free = sorted(self._free + self._taken[first:], key=len)
        del self._taken[first:]

    def empty(self, *shape: int) -> Array:
        """An array of a shape, which holds anything: the smallest that is free, unless it is twice as large or more."""
        size = math.prod(shape)
        at = bisect_left(self._free, size, key=len)
        is_there = at < len(self._free) and len(self._free[at]) < 2 * max(1, size)
        self._taken.append(self._free.pop(at) if is_there else self._empty(size))
        return self._taken[-1][:size].reshape(shape)
