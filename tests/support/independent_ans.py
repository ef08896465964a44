"""A second decoder of latents, written from the docstring of `format.ans` alone: Python integers, one symbol at a time.

It imports nothing of the package and shares no line with it: where the two agree, the docstring suffices.
"""

import functools

from tests.support.independent_decoder import Invalid

_ONE = 1 << 200
"""1, in the fixed point that exponentials are taken in."""


def _exp(x: int) -> int:
    """exp(-x) by its series, in fixed point; x at most 16."""
    x, total, term = x >> 6, 0, _ONE
    for i in range(1, 200):
        total += term
        term = -term * x // (i * _ONE)
    for _ in range(6):
        total = total * total // _ONE
    return total


def reach_of(scale: int) -> int:
    return 7 if scale < 26 else 63 if scale < 40 else 511


@functools.cache
def _tails(scale: int) -> list[int]:
    """G of every distance."""
    reach = reach_of(scale)
    decay = _exp(_exp(15 * scale * _ONE // 100) * 1000 // 288) * 2**64 // _ONE
    weight, mass, tails = 2**24 - (2 * reach + 2) - 255, 2**64, []
    for _ in range(16 * reach + 17):
        tails.append(weight * mass // 2**65)
        mass = decay * mass // 2**64
    return tails


@functools.cache
def frequencies(scale: int, fraction: int) -> list[int]:
    """Of residuals -R .. R and of the escape, under the law with this f."""
    reach, tail = reach_of(scale), _tails(scale)
    found = []
    for r in range(-reach, reach + 1):
        if r > 0:
            found.append(1 + tail[16 * r - 8 - fraction] - tail[16 * r + 8 - fraction])
        elif r < 0:
            found.append(1 + tail[-16 * r - 8 + fraction] - tail[-16 * r + 8 + fraction])
        else:
            weight = 2**24 - (2 * reach + 2) - 255
            found.append(1 + weight - tail[8 - fraction] - tail[8 + fraction])
    return [*found, 256 + tail[16 * reach + 8 - fraction] + tail[16 * reach + 8 + fraction]]


class Reader:
    """The stream, read from its end."""

    def __init__(self, data: bytes) -> None:
        if data.endswith(b"\0"):
            raise Invalid("a zero at the end")
        data += bytes(-len(data) % 4)
        self.words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
        self.state = 0
        for _ in range(2):
            self._refill()

    def _refill(self) -> None:
        if self.words:
            self.state = self.state << 32 | self.words.pop()

    def index(self, table: list[int]) -> int:
        """The next index of an alphabet with these frequencies."""
        low = self.state % 2**24
        found, below = 0, 0
        while not below <= low < below + table[found]:
            below += table[found]
            found += 1
        self._use(below, table[found])
        return found

    def uniform(self, bits: int) -> int:
        """The next of 2^bits values that are all alike."""
        each = 1 << 24 - bits
        found = self.state % 2**24 // each
        self._use(found * each, each)
        return found

    def _use(self, below: int, frequency: int) -> None:
        self.state = (self.state >> 24) * frequency + self.state % 2**24 - below
        if self.state < 2**32:
            self._refill()

    def take(self, scales: list[int], means: list[int]) -> list[int]:
        """The symbols of one call."""
        residuals = [0] * len(scales)
        for reach in (7, 63, 511):
            for i, (scale, mean) in enumerate(zip(scales, means, strict=True)):
                if reach_of(scale) == reach:
                    fraction = mean - 16 * ((mean + 8) // 16)
                    residuals[i] = self.index(frequencies(scale, fraction)) - reach
        self._take_escapes(scales, residuals)
        return [checked(residual + (mean + 8) // 16) for residual, mean in zip(residuals, means, strict=True)]

    def _take_escapes(self, scales: list[int], residuals: list[int]) -> None:
        places = [i for i, scale in enumerate(scales) if residuals[i] == reach_of(scale) + 1]
        orders = [max(0, (scales[i] - 25) // 5) for i in places]
        jumps = [self.index([1 << 23 - j for j in range(16)] + [1 << 8]) for _ in places]
        if any(order + jump > 16 for order, jump in zip(orders, jumps, strict=True)):
            raise Invalid("an escape is too long")
        for i, order, jump in zip(places, orders, jumps, strict=True):
            rest = self.uniform(order + jump + 1)
            distance = reach_of(scales[i]) + 1 + rest // 2 + (1 << order + jump) - (1 << order)
            residuals[i] = -distance if rest % 2 else distance

    def finish(self) -> None:
        """An `Invalid` unless this is the end."""
        if self.words or self.state:
            raise Invalid("not the end")


def checked(symbol: int) -> int:
    if abs(symbol) > 32767:
        raise Invalid("a symbol is too large")
    return symbol
