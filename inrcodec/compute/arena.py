"""Arrays that are asked for again and again: memory that is given back and taken anew has to be mapped anew.

For arrays of megabytes that takes several times as long as the sums that fill them.
"""

from collections.abc import Callable
from typing import Any

Array = Any
"""A NumPy array or a torch tensor."""
Empty = Callable[..., Array]
"""(sizes of the axes..) -> an array that holds anything."""


class Arena:
    """Hands out arrays; after `reset` the same ones again, to whoever asks for the same shapes in the same order."""

    def __init__(self, empty: Empty) -> None:
        """`empty` makes an array of a shape."""
        self._empty = empty
        self._arrays: list[Array] = []
        self._next = 0

    def reset(self) -> None:
        """All arrays are free again."""
        self._next = 0

    def empty(self, *shape: int) -> Array:
        """An array of a shape, which holds anything."""
        number, self._next = self._next, self._next + 1
        if number < len(self._arrays) and tuple(self._arrays[number].shape) == shape:
            return self._arrays[number]
        del self._arrays[number:]
        self._arrays.append(self._empty(*shape))
        return self._arrays[number]
