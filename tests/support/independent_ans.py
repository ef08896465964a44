"""A second decoder of latents, written from the docstring of `format.ans` alone: Python integers, one symbol at a time.

It imports nothing of the package and shares no line with it: where the two agree, the docstring suffices. `Writer` goes
the same way back.
"""

import bisect
import functools
import itertools
from collections.abc import Callable

from tests.support.independent_bytes import Invalid

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


def order_of(scale: int) -> int:
    return max(0, (scale - 25) // 5)


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
        found = bisect.bisect_right(list(itertools.accumulate(table)), low)
        self._use(sum(table[:found]), table[found])
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
        orders = [order_of(scales[i]) for i in places]
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


class Writer:
    """A stream that is written: it takes the laws of symbols as a `Reader` does, and has them chosen."""

    def __init__(self, choose: Callable[[int], list[int]]) -> None:
        """`choose` gives so many symbols, which are the next."""
        self._choose = choose
        self._steps: list[tuple[int, int]] = []
        """F and frequency of all that a reader takes."""

    def take(self, scales: list[int], means: list[int]) -> list[int]:
        """The symbols of one call."""
        symbols = self._choose(len(scales))
        residuals = [symbol - (mean + 8) // 16 for symbol, mean in zip(symbols, means, strict=True)]
        for reach in (7, 63, 511):
            for scale, mean, residual in zip(scales, means, residuals, strict=True):
                if reach_of(scale) == reach:
                    table = frequencies(scale, mean - 16 * ((mean + 8) // 16))
                    self._index(table, residual + reach if abs(residual) <= reach else 2 * reach + 1)
        self._escapes([(s, r) for s, r in zip(scales, residuals, strict=True) if abs(r) > reach_of(s)])
        return symbols

    def _escapes(self, beyond: list[tuple[int, int]]) -> None:
        """Their j, then their rests."""
        values = [abs(residual) - reach_of(scale) - 1 + (1 << order_of(scale)) for scale, residual in beyond]
        for (scale, _), value in zip(beyond, values, strict=True):
            self._index([1 << 23 - j for j in range(16)] + [1 << 8], value.bit_length() - 1 - order_of(scale))
        for (_, residual), value in zip(beyond, values, strict=True):
            length = value.bit_length() - 1
            each = 1 << 23 - length
            self._steps.append(((2 * (value - (1 << length)) + (residual < 0)) * each, each))

    def _index(self, table: list[int], index: int) -> None:
        self._steps.append((sum(table[:index]), table[index]))

    def finish(self) -> bytes:
        """The stream."""
        words, x = [], 0
        for below, frequency in reversed(self._steps):
            if x >= frequency << 40:
                words.append(x % 2**32)
                x >>= 32
            x = (x // frequency << 24) + x % frequency + below
        words += [x % 2**32, x >> 32]
        return b"".join(word.to_bytes(4, "little") for word in words).rstrip(b"\0")


def escape_of(jump: int, scale: int, count: int) -> bytes:
    """A stream that begins with so many symbols of mean 0 and a scale, the first one an escape with a j of any size."""
    writer, reach = Writer(lambda _: []), reach_of(scale)
    for number in range(count):
        writer._index(frequencies(scale, 0), reach if number else 2 * reach + 1)
    writer._index([1 << 23 - j for j in range(16)] + [1 << 8], jump)
    return writer.finish()
