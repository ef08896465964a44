"""Latents' coder: exact inverses, lengths, tables that no machine can change, and streams from strangers."""

import importlib.util
import zlib
from collections.abc import Callable
from decimal import Context, Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrcodec.errors import CorruptError, NotInstalledError
from inrcodec.format import ans
from inrcodec.format.ans import BANDS, MAX_MEAN, Band, Decoder, Encoder, Ints
from inrcodec.format.entropy import MAX_SYMBOL
from tests.support import independent_ans
from tests.support.independent_bytes import Invalid

Call = tuple[Ints, Ints, Ints]
"""Symbols, scale indices, means."""

every_band = pytest.mark.parametrize("band", BANDS, ids=lambda band: f"reach {band.reach}")

TABLES_CRC = 0xDA0AF58B
STREAM = (
    "00a08b16de8728139ea6fd37e479bb1f9d8da60454e5a1951697d46e1574b938d5ec8a96f416bdbacc6a9e2686bb54a1da35fdb6"
    "4faffa7fff9efdfefabffcf6f77ff5ffef7df3dfeffdf4ffeffff9fde7fff9fd1dcffc43ba1a00866cffb7716affff5b6affffff"
    "ffffffffffffffffffffffdfc4fffffe76ffff00affeff4e75ffff6cb0fdff200083f0a81bfffffffffffffe2bfcff7e13ffffaa"
    "f8ffffffffffffffb6ffff2100ffffff5c8e0d7904ffff0030844186feffffffffffffffffffffff531172272c5289a3e60f970f"
    "03aeccb41f41fe4691da248e7eaced451f0d08eabe0200ce34c4b6a13148cb803c6afefffdfefffd4ef2006e43090013fbfeffc2"
    "ca7d835fcbe559cfcab81909060000ac040000898882"
)


def ints(*values: int) -> Ints:
    return np.array(values, np.int32)


def encoded(calls: list[Call]) -> bytes:
    encoder = Encoder()
    for call in calls:
        encoder.add(*call)
    return encoder.finish()


def decoded(data: bytes, calls: list[Call]) -> list[Ints]:
    """By the laws of the calls."""
    decoder = Decoder(data)
    found = [decoder.take(scale, mean) for _, scale, mean in calls]
    decoder.finish()
    return found


def agrees(found: list[Ints], calls: list[Call]) -> bool:
    return all(np.array_equal(symbols, call[0]) for symbols, call in zip(found, calls, strict=True))


def drawn(seed: int, count: int, scales: tuple[int, int] = (0, 64), spread: float = 1) -> Call:
    """Symbols that follow laws drawn at random, or are spread more."""
    rng = np.random.default_rng(seed)
    scale = rng.integers(*scales, count, dtype=np.int32)
    mean = rng.integers(-3000, 3000, count, dtype=np.int32)
    symbols = mean / 16 + rng.laplace(size=count) * ans.SCALES[scale] * spread
    return np.rint(symbols).clip(-MAX_SYMBOL, MAX_SYMBOL).astype(np.int32), scale, mean


@st.composite
def some_calls(draw: st.DrawFn) -> list[Call]:
    symbols = st.one_of(st.integers(-3, 3), st.integers(-700, 700), st.integers(-MAX_SYMBOL, MAX_SYMBOL))
    means = st.one_of(st.integers(-40, 40), st.integers(-MAX_MEAN, MAX_MEAN))
    laws = st.tuples(symbols, st.integers(0, 63), means)
    calls = draw(st.lists(st.lists(laws, max_size=12), max_size=6))
    return [tuple(np.array(call, np.int32).reshape(-1, 3).T) for call in calls]  # type: ignore[misc]


SAMPLE = [drawn(1, 40, (0, 26)), drawn(2, 0), drawn(3, 30, (0, 32)), drawn(4, 30, (0, 64), spread=9)]
"""All bands, no symbols, escapes."""

EDGES = [
    (
        ints(MAX_SYMBOL, -MAX_SYMBOL) if sign > 0 else ints(-MAX_SYMBOL, MAX_SYMBOL),
        ints(s, s),
        ints(MAX_MEAN, -MAX_MEAN),
    )
    for s in (0, 25, 26, 39, 40, 63)
    for sign in (1, -1)
]


@given(some_calls())
def test_take_inverts_add(calls: list[Call]) -> None:
    found = decoded(encoded(calls), calls)
    assert agrees(found, calls)
    assert all(symbols.dtype == np.int32 for symbols in found)


@pytest.mark.parametrize("spread", [0, 1, 5, 1000])
@pytest.mark.parametrize("scales", [(0, 26), (0, 32), (26, 40), (40, 64), (0, 64)])
def test_take_inverts_add_of_many(scales: tuple[int, int], spread: float) -> None:
    calls = [drawn(i, count, scales, spread) for i, count in enumerate([1, 300, 20_000, 7])]
    assert agrees(decoded(encoded(calls), calls), calls)


def test_take_inverts_add_at_the_edges() -> None:
    assert agrees(decoded(encoded(EDGES), EDGES), EDGES)


def test_add_keeps_no_array_of_the_caller() -> None:
    call = drawn(4, 100, spread=9)
    buffers = [array.copy() for array in call]
    encoder = Encoder()
    encoder.add(*buffers)
    for buffer in buffers:
        buffer[:] = 0
    assert encoder.finish() == encoded([call])


def test_no_symbols_are_no_bytes() -> None:
    assert encoded([]) == encoded([drawn(0, 0)]) == b""
    assert agrees(decoded(b"", [drawn(0, 0)]), [drawn(0, 0)])


@pytest.mark.parametrize(
    ("symbol", "mean"), [(MAX_SYMBOL + 1, 0), (-MAX_SYMBOL - 1, 0), (0, MAX_MEAN + 1), (0, -MAX_MEAN - 1)]
)
def test_add_refuses_what_no_stream_holds(symbol: int, mean: int) -> None:
    with pytest.raises(ValueError, match="beyond"):
        Encoder().add(ints(symbol), ints(0), ints(mean))


@pytest.mark.parametrize("scales", [(0, 20), (0, 26), (26, 40), (40, 64), (0, 64)])
@pytest.mark.parametrize("spread", [1, 5])
@pytest.mark.parametrize("count", [1, 10, 100, 20_000])
def test_a_stream_is_as_long_as_bits_says(scales: tuple[int, int], spread: float, count: int) -> None:
    calls = [drawn(seed, count, scales, spread) for seed in range(3)]
    ideal = sum(float(ans.bits(*call).sum()) for call in calls) / 8
    assert ideal - 1 <= len(encoded(calls)) <= 1.0001 * ideal + 4


def test_bits_are_those_of_the_frequencies_and_of_the_escapes() -> None:
    symbols, scale, mean = (np.concatenate(arrays) for arrays in zip(*SAMPLE, *EDGES, strict=True))
    assert np.array_equal(ans.bits(symbols, scale, mean), list(map(cost, symbols, scale, mean)))


def cost(symbol: int, scale: int, mean: int) -> float:
    """Bits of one symbol, from the independent tables and an Exp-Golomb code counted by hand."""
    centre, reach = (mean + 8) // 16, independent_ans.reach_of(scale)
    table = independent_ans.frequencies(int(scale), int(mean - 16 * centre))
    distance = abs(int(symbol - centre))
    if distance <= reach:
        return 24 - float(np.log2(table[symbol - centre + reach]))
    order = max(0, (int(scale) - 25) // 5)
    length = (distance - reach - 1 + (1 << order)).bit_length()
    return 24 - float(np.log2(table[-1])) + min(16, length - order) + length


def frequencies(band: Band) -> Ints:
    return ans.counts(band).astype(np.int32) + 1


@every_band
def test_tables_are_those_of_the_docstring(band: Band) -> None:
    by_hand = [independent_ans.frequencies(s, f) for s in range(band.first, band.stop) for f in range(-8, 8)]
    np.testing.assert_array_equal(frequencies(band), by_hand)


@every_band
def test_tables_are_integers_of_one_sum_that_float32_holds(band: Band) -> None:
    found = frequencies(band)
    np.testing.assert_array_equal(ans.counts(band) + 1, found.astype(np.float64))
    assert found.min() >= 1
    assert np.all(found.sum(1) == 2**24)
    assert np.all(found[:, -1] >= 2**8)


def test_tables_are_frozen() -> None:
    assert zlib.crc32(b"".join(frequencies(band).astype("<u4").tobytes() for band in BANDS)) == TABLES_CRC


@pytest.mark.parametrize("scale", range(64))
def test_no_libm_can_change_a_table(scale: int) -> None:
    """The one number that is rounded lies far from where it would round to another; all else is integers."""
    with localcontext(Context(prec=80)):
        exact = (-(Decimal(-15 * scale) / 100).exp() / Decimal("0.288")).exp() * 2**64
        assert Decimal("1e-6") < exact % 1 < 1 - Decimal("1e-6")
        assert int(exact) == ans._decay(scale)


@every_band
def test_frequencies_are_those_of_laplaces_law(band: Band) -> None:
    scale = ans.SCALES[band.first : band.stop].repeat(16)[:, None]
    edges = (
        np.arange(-band.reach, band.reach + 2) - 0.5 - np.tile(np.arange(-8, 8), band.stop - band.first)[:, None] / 16
    )
    tails = np.exp(-np.abs(edges) / scale) / 2
    mass = np.diff(np.where(edges < 0, tails, 1 - tails))
    found = frequencies(band)[:, :-1] / 2**24
    np.testing.assert_allclose(found, mass, rtol=3e-4, atol=2.01 / 2**24)


@every_band
def test_little_lies_beyond_the_reach(band: Band) -> None:
    beyond = (frequencies(band)[:, -1] - 256) / 2**24
    assert beyond[: 16 * (54 - band.first)].max() < 1e-4
    assert beyond.max() < 0.12


def test_a_stream_is_frozen() -> None:
    """Of symbols from integers alone: NumPy's random numbers may change. With escapes of every band."""
    scale = np.arange(64, dtype=np.int32)
    mean = scale * 37 % 101 - 50
    symbols = mean // 16 + (scale * scale * 11 % 29 - 14) * (1 << scale // 8) // 8
    assert encoded([(symbols, scale, mean), (-30 * symbols, scale, -mean)]).hex() == STREAM


@pytest.mark.parametrize("calls", [SAMPLE, EDGES, [drawn(seed, 50, (0, 44), 2) for seed in range(20)]])
def test_an_independent_decoder_agrees(calls: list[Call]) -> None:
    assert independently(encoded(calls), calls) == [call[0].tolist() for call in calls]


def independently(data: bytes, calls: list[Call]) -> list[list[int]]:
    reader = independent_ans.Reader(data)
    found = [reader.take(scale.tolist(), mean.tolist()) for _, scale, mean in calls]
    reader.finish()
    return found


def outcome(data: bytes, calls: list[Call]) -> list[list[int]] | None:
    """Symbols, or None of a corrupt stream; any other error is the test's end."""
    try:
        return [symbols.tolist() for symbols in decoded(data, calls)]
    except CorruptError as error:
        if not str(error).startswith("latents: "):
            raise
        return None


def independent_outcome(data: bytes, calls: list[Call]) -> list[list[int]] | None:
    try:
        return independently(data, calls)
    except Invalid:
        return None


def changed(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one to four of them changed."""
    raw = bytearray(data)
    for place in rng.integers(0, len(raw), rng.integers(1, 5)):
        raw[place] ^= int(rng.integers(1, 256))
    return bytes(raw)


def strangers() -> list[bytes]:
    """Prefixes, suffixes, streams with bytes more, with bytes changed, and of no sense at all."""
    data, rng = encoded(SAMPLE), np.random.default_rng(0)
    cut = [data[:stop] for stop in range(len(data))] + [data[start:] for start in range(1, len(data))]
    longer = [data + bytes([byte]) for byte in range(256)] + [bytes([byte]) + data for byte in range(256)]
    random = [rng.bytes(int(rng.integers(0, 300))) for _ in range(300)]
    return cut + longer + [changed(data, rng) for _ in range(600)] + random


def test_every_other_stream_is_corrupt_or_of_other_symbols() -> None:
    right = [call[0].tolist() for call in SAMPLE]
    for data in strangers():
        found = outcome(data, SAMPLE)
        assert found != right
        assert found == independent_outcome(data, SAMPLE)


def test_symbols_have_one_stream_only() -> None:
    """Where any word, of 1 to 20,000, is a stream of some symbols, it is the one that they encode to."""
    laws = [drawn(5, 2, (10, 64))]
    accepted = 0
    for word in range(1, 20_000):
        data = word.to_bytes(4, "little").rstrip(b"\0")
        found = outcome(data, laws)
        if found is not None:
            accepted += 1
            assert encoded([(ints(*found[0]), *laws[0][1:])]) == data
    assert accepted


def test_a_stream_of_escapes_alone_is_refused_soon() -> None:
    """Work is bounded by the symbols, whatever the stream says."""
    laws = (np.full(100_000, 63, np.int32), np.zeros(100_000, np.int32))
    decoder = Decoder(b"\xff" * 400_000)  # the last index of every alphabet is its escape
    with pytest.raises(CorruptError, match=r"^latents: an escape is too long$"):
        decoder.take(*laws)


@pytest.mark.parametrize("symbol", [MAX_SYMBOL, -MAX_SYMBOL])
@pytest.mark.parametrize("scale", [10, 30, 60])
def test_symbols_beyond_the_bound_are_corrupt(symbol: int, scale: int) -> None:
    """Under a mean that is moved by one the same bytes are one symbol further out."""
    data = encoded([(ints(symbol), ints(scale), ints(0))])
    with pytest.raises(CorruptError, match=r"^latents: a symbol is beyond 32767$"):
        Decoder(data).take(ints(scale), ints(16 * np.sign(symbol)))


def test_a_zero_at_the_end_is_corrupt() -> None:
    with pytest.raises(CorruptError, match=r"^latents: the stream ends in a zero$"):
        Decoder(encoded(SAMPLE) + b"\0")


@pytest.mark.parametrize("made", [Encoder, lambda: Decoder(b"")], ids=["encoder", "decoder"])
def test_a_missing_library_is_named(made: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    ans._library.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotInstalledError, match=r"^coding latents needs constriction, .* pip install constriction"):
        made()


@pytest.mark.parametrize("calls", [SAMPLE, EDGES, [drawn(seed, 50, (0, 44), 2) for seed in range(20)], []])
def test_an_independent_encoder_writes_the_same_bytes(calls: list[Call]) -> None:
    symbols = iter([symbol for call in calls for symbol in call[0].tolist()])
    writer = independent_ans.Writer(lambda count: [next(symbols) for _ in range(count)])
    for _, scale, mean in calls:
        writer.take(scale.tolist(), mean.tolist())
    assert writer.finish() == encoded(calls)
