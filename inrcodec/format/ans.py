"""Integers under Laplace laws that are given symbol by symbol <-> bytes, the same on every machine: rANS over integers.

**Laws.** A law is (s, m): a scale index s in 0 .. 63, which stands for the scale b_s = 0.018 e^(0.15 s), and a mean m
in units of 1/16, |m| <= 16 * 32767. Of a symbol q, |q| <= 32767, with centre c = floor((m + 8) / 16):

    f = m - 16 c, in -8 .. 7        r = q - c, the residual        R, the reach; k, the order: both by s

    s            0 .. 25    26 .. 39    40 .. 63
    band            0          1           2
    R               7         63         511
    k = max(0, floor((s - 25) / 5))

What is coded of q is its index in an alphabet of n = 2 R + 2: r + R where |r| <= R, else 2 R + 1, the escape.

**Tables.** Frequencies of an alphabet sum to 2^24. All is integers but one number for each scale; G(i) is W times half
of e^(-i / (16 b_s)), which is the mass of Laplace's law that lies i / 16 or more to one side of its location:

    X    = floor(2^64 exp(-exp(-0.15 s) / 0.288)), that is 2^64 exp(-1 / (16 b_s))
    Y(0) = 2^64        Y(i + 1) = floor(X Y(i) / 2^64)        W = 2^24 - n - 255        G(i) = floor(W Y(i) / 2^65)

    r > 0    1 + G(16 r - 8 - f) - G(16 r + 8 - f)
    r < 0    1 + G(-16 r - 8 + f) - G(-16 r + 8 + f)
    r = 0    1 + W - G(8 - f) - G(8 + f)
    escape   256 + G(16 R + 8 - f) + G(16 R + 8 + f)

So an escape has at least 2^-16, for which the others pay 2.3e-5 bits. F, the cumulated frequencies, begin with F = 0 of
index 0.

**Escapes.** The excess |r| - R - 1 goes as an Exp-Golomb code of order k: of v = excess + 2^k, with its k + j + 1 bits,

    j       0 .. 16: frequency 2^(23 - j), but 2^8 of 16; k + j <= 16
    rest    2 (v - 2^(k + j)) + (1 where r < 0), all of 0 .. 2^(k + j + 1) - 1 alike: frequency 2^(23 - k - j)

**Order.** Symbols come in calls, as laws may depend on the symbols of calls before. A call is, each in the order of its
symbols: the indices of band 0, those of band 1, those of band 2, the j of its escapes, their rests.

**Stream.** The bytes, with zeros behind them to a multiple of 4, are little-endian words w_0 .. w_(z-1) of 32 bits, a
stack that is read from its top, w_(z-1). The last byte is not 0; no bytes are no words. A decoder holds a state x:

    start    x = 0, and up to twice, while words are left: x = 2^32 x + the next word
    index    the one with F <= x mod 2^24 < F + frequency
    then     x = floor(x / 2^24) frequency + x mod 2^24 - F; if x < 2^32 and words are left, x = 2^32 x + the next word

After the last call no words are left and x = 0. An encoder goes the same way back, from x = 0, so that symbols have
exactly one stream. Past the words a decoder finds what x gives; so it finds in bounded time that a stream is cut short.

constriction does it: its ANS coder of 32-bit words, 64-bit state and 24 bits of precision. Of probabilities it makes
frequencies in floats: those here, less 1, are integers with the sum 2^24 - n, and so it finds them without a rounding.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inrcodec import installed
from inrcodec.errors import CorruptError
from inrcodec.format.entropy import MAX_SYMBOL

Ints = NDArray[np.int32]

FRACTIONS = 16
"""Means are in units of 1 / FRACTIONS."""
MAX_MEAN = FRACTIONS * MAX_SYMBOL
"""Means lie in -MAX_MEAN .. MAX_MEAN."""
SCALES = 0.018 * np.exp(0.15 * np.arange(64))
"""Scales of the laws by their index, for who chooses among them. No table is made of these floats."""

_PRECISION = 24
_ESCAPE = 255
"""What an escape has beyond the 1 of every symbol."""
_FIXED = 64
"""Bits of X and Y."""
_LONGEST = 16
"""The largest k + j of an escape, and so the largest j."""
_PIECE = 1 << 18
"""Values of tables that are gathered at once: 1 MiB."""


@dataclass(frozen=True)
class Band:
    """The laws of neighbouring scales, whose alphabets have one size."""

    first: int
    """Its first scale index."""
    stop: int
    """The scale index after its last."""
    reach: int

    @property
    def size(self) -> int:
        """Symbols of its alphabets."""
        return 2 * self.reach + 2


BANDS = (Band(0, 26, 7), Band(26, 40, 63), Band(40, 64, 511))
"""Up to scale 53 laws have less than 1e-4 beyond their reach, and cost less than 1e-4 bits a symbol over Laplace's. At
scale 63 they have 0.11, and cost 0.03 of 10.3 bits."""

_REACH = np.repeat(np.array([band.reach for band in BANDS], np.int32), [band.stop - band.first for band in BANDS])
_ORDER = np.maximum(0, (np.arange(64, dtype=np.int32) - 25) // 5)
_JUMPS = np.append(2.0 ** np.arange(_PRECISION - 1, _PRECISION - 1 - _LONGEST, -1), 2.0 ** (_PRECISION - _LONGEST))
"""Frequencies of the j of escapes."""


def _decay(scale: int) -> int:
    """X of the docstring. Decimals round the same everywhere, and 50 digits leave X no doubt."""
    with localcontext(Context(prec=50)):
        return int((-(Decimal(-15 * scale) / 100).exp() / Decimal("0.288")).exp() * 2**_FIXED)


def _tails(band: Band, scale: int) -> NDArray[np.int64]:
    """G(0) .. G(16 R + 16) of the docstring."""
    weight = 2**_PRECISION - band.size - _ESCAPE
    decay, mass, tails = _decay(scale), 1 << _FIXED, []
    for _ in range(FRACTIONS * (band.reach + 1) + 1):
        tails.append(mass * weight >> _FIXED + 1)
        mass = mass * decay >> _FIXED
    return np.array(tails, np.int64)


def _scale_counts(band: Band, scale: int) -> NDArray[np.int64]:
    """Frequencies less 1 of the 16 laws of one scale, by f + 8 and index: (16, n)."""
    tails = _tails(band, scale)
    half = FRACTIONS // 2
    fractions = np.arange(-half, half)[:, None]
    edges = FRACTIONS * np.arange(band.reach + 1) + half
    right, left = tails[edges - fractions], tails[edges + fractions]  # masses beyond the edges r + 1/2 and -r - 1/2
    centre = 2**_PRECISION - band.size - _ESCAPE - right[:, :1] - left[:, :1]
    escape = _ESCAPE + right[:, -1:] + left[:, -1:]
    return np.concatenate([-np.diff(left)[:, ::-1], centre, -np.diff(right), escape], 1)


@functools.cache
def counts(band: Band) -> NDArray[np.float32]:
    """Frequencies less 1 of all laws of a band, by 16 (s - first) + f + 8 and index. Each row sums to 2^24 - n.

    They are integers, and so exact in float32, as are the sums that constriction makes of them.
    """
    tables = [_scale_counts(band, scale) for scale in range(band.first, band.stop)]
    return np.concatenate(tables).astype(np.float32)


class _Library(NamedTuple):
    """What is used of constriction."""

    coder: Any
    laws: Any
    jumps: Any
    rests: Any


@functools.cache
def _library() -> _Library:
    installed.require("coding latents", "constriction")
    from constriction import stream  # here, as pictures without latents need none

    model = stream.model
    return _Library(
        stream.stack.AnsCoder,
        model.Categorical(perfect=False),
        model.Categorical(_JUMPS - 1, perfect=False),
        model.Uniform(),
    )


class _Laws(NamedTuple):
    """Laws as the tables have them; arrays with an element for each symbol."""

    centre: Ints
    row: Ints
    """16 s + f + 8."""
    reach: Ints

    @classmethod
    def of(cls, scale_index: ArrayLike, mean: ArrayLike) -> "_Laws":
        scale = np.asarray(scale_index, np.int32)
        shifted = np.asarray(mean, np.int32) + FRACTIONS // 2
        return cls(shifted >> 4, scale << 4 | shifted & 15, _REACH.take(scale))

    def bands(self) -> Iterator[tuple[Band, Any, Ints]]:
        """Bands that have symbols, the places of these, and their rows in the band's tables."""
        if self.reach.max(initial=0) == BANDS[0].reach:  # the usual case, in few calls of NumPy
            yield BANDS[0], slice(None), self.row
            return
        for band in BANDS:
            places = np.flatnonzero(self.reach == band.reach)
            if places.size:
                yield band, places, self.row[places] - FRACTIONS * band.first

    def orders(self, places: NDArray[np.intp]) -> Ints:
        """k of the docstring, at some places."""
        return _ORDER.take(self.row[places] >> 4)


def _powers(exponents: Ints) -> Ints:
    """Powers of 2."""
    powers: Ints = np.left_shift(1, exponents, dtype=np.int32)
    return powers


class _Escapes(NamedTuple):
    """What is coded of escapes, in their order."""

    order: Ints
    jump: Ints
    """j of the docstring."""
    rest: Ints

    @classmethod
    def of(cls, laws: _Laws, residuals: Ints) -> "_Escapes":
        places = np.flatnonzero(np.abs(residuals) > laws.reach)
        found, order = residuals[places], laws.orders(places)
        value = np.abs(found) - laws.reach[places] - 1 + _powers(order)
        length = np.frexp(value)[1].astype(np.int32) - 1
        return cls(order, length - order, (value - _powers(length)) << 1 | (found < 0))

    @property
    def sizes(self) -> Ints:
        """How many values the rests can have."""
        return _powers(self.order + self.jump + 1)

    @property
    def excess(self) -> Ints:
        """|r| - R - 1."""
        return _powers(self.order + self.jump) + (self.rest >> 1) - _powers(self.order)

    @property
    def bits(self) -> Ints:
        """Their lengths."""
        return np.minimum(self.jump + 1, _LONGEST) + self.order + self.jump + 1


def _indices(residuals: Ints, reach: int) -> Ints:
    """Residuals in the alphabet of a band."""
    return np.where(np.abs(residuals) > reach, 2 * reach + 1, residuals + reach).astype(np.int32)


def _pieces(band: Band, count: int) -> list[slice]:
    """Slices of `count` symbols whose tables take bounded memory."""
    step = _PIECE // band.size
    return [slice(start, start + step) for start in range(0, count, step)]


def bits(symbols: ArrayLike, scale_index: ArrayLike, mean: ArrayLike) -> NDArray[np.float64]:
    """Ideal lengths of symbols, those of escapes included. A stream has up to 4 bytes more, and 0.01 %."""
    laws = _Laws.of(scale_index, mean)
    residuals = np.asarray(symbols, np.int32) - laws.centre
    costs = np.zeros(residuals.shape)
    for band, places, rows in laws.bands():
        count = counts(band)[rows, _indices(residuals[places], band.reach)]
        costs[places] = _PRECISION - np.log2(1 + count.astype(np.float64))
    costs[np.abs(residuals) > laws.reach] += _Escapes.of(laws, residuals).bits
    return costs


class Encoder:
    """Collects calls; their stream is made at the end, as ANS is a stack."""

    def __init__(self) -> None:
        self._calls: list[tuple[_Laws, Ints]] = []
        self._library = _library()

    def add(self, symbols: ArrayLike, scale_index: ArrayLike, mean: ArrayLike) -> None:
        """One call: symbols and their laws, arrays of one length."""
        found = np.asarray(symbols, np.int32)
        if np.any(np.abs(found) > MAX_SYMBOL) or np.any(np.abs(mean) > MAX_MEAN):
            raise ValueError(f"a symbol is beyond {MAX_SYMBOL}, or a mean beyond {MAX_MEAN}")
        laws = _Laws.of(scale_index, mean)
        self._calls.append((laws, found - laws.centre))

    def finish(self) -> bytes:
        """The stream of all calls."""
        coder = self._library.coder()
        for laws, residuals in reversed(self._calls):
            self._push(coder, laws, residuals)
        words: NDArray[np.uint32] = coder.get_compressed()
        return words.astype("<u4").tobytes().rstrip(b"\0")

    def _push(self, coder: Any, laws: _Laws, residuals: Ints) -> None:
        """A call, last things first."""
        if np.any(np.abs(residuals) > laws.reach):
            escapes = _Escapes.of(laws, residuals)
            coder.encode_reverse(escapes.rest, self._library.rests, escapes.sizes)
            coder.encode_reverse(escapes.jump, self._library.jumps)
        for band, places, rows in reversed(list(laws.bands())):
            indices = _indices(residuals[places], band.reach)
            for piece in reversed(_pieces(band, rows.size)):
                coder.encode_reverse(indices[piece], self._library.laws, counts(band).take(rows[piece], 0))


class Decoder:
    """Takes the calls of a stream one by one."""

    def __init__(self, data: bytes) -> None:
        if data[-1:] == b"\0":
            raise CorruptError("latents: the stream ends in a zero")
        words = np.frombuffer(data + bytes(-len(data) % 4), "<u4")
        self._library = _library()
        self._coder = self._library.coder(words.astype(np.uint32))

    def take(self, scale_index: ArrayLike, mean: ArrayLike) -> Ints:
        """The symbols of one call, by its laws; arrays of int32 cost no copy."""
        laws = _Laws.of(scale_index, mean)
        residuals = np.empty(laws.row.shape, np.int32)
        for band, places, rows in laws.bands():
            residuals[places] = self._indices(band, rows) - np.int32(band.reach)
        escaped = residuals > laws.reach
        if escaped.any():
            self._take_escapes(laws, residuals, np.flatnonzero(escaped))
        symbols = residuals + laws.centre
        if np.abs(symbols).max(initial=0) > MAX_SYMBOL:
            raise CorruptError(f"latents: a symbol is beyond {MAX_SYMBOL}")
        return symbols

    def finish(self) -> None:
        """Raise CorruptError unless the calls taken are all that the stream holds."""
        if not self._coder.is_empty():
            raise CorruptError("latents: the stream is damaged, or of another length")

    def _indices(self, band: Band, rows: Ints) -> Ints:
        coder, laws, tables = self._coder, self._library.laws, counts(band)
        pieces = [coder.decode(laws, tables.take(rows[piece], 0)) for piece in _pieces(band, rows.size)]
        indices: Ints = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
        return indices

    def _take_escapes(self, laws: _Laws, residuals: Ints, places: NDArray[np.intp]) -> None:
        """Put the residuals of escapes in their places."""
        order = laws.orders(places)
        jump = self._coder.decode(self._library.jumps, places.size)
        if np.any(order + jump > _LONGEST):
            raise CorruptError("latents: an escape is too long")
        escapes = _Escapes(order, jump, np.zeros_like(order))
        escapes = escapes._replace(rest=self._coder.decode(self._library.rests, escapes.sizes))
        distance = laws.reach[places] + 1 + escapes.excess
        residuals[places] = np.where(escapes.rest & 1, -distance, distance)
