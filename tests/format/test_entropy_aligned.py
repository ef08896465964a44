"""Coder 1: its layout by hand, what it refuses, what it does better than coder 0, and how little memory it takes."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrcodec.errors import CorruptError
from inrcodec.families.siren.network import hidden_biases
from inrcodec.format import entropy
from inrcodec.format.entropy import CODERS, MAX_SYMBOL, Symbols
from tests.format.test_entropy import Model, decoded, encoded, ints, models, peak, refusal_peak, stream
from tests.support.helpers import varint

ALIGNED = CODERS[1]


def payload(head: Iterable[int], *high: int) -> bytes:
    """Shifts and low bits as they stand, then a frame of the high parts."""
    return bytes(head) + entropy.compress(b"".join(map(varint, high)))


def test_the_layout_is_that_of_the_docstring() -> None:
    # shifts 2, 0, 1, 3; values 10 5, 4 5, 2, 15: low bits 10 01, none, 0, 111
    by_hand = payload([0x02, 0x31, 0b10010111], 2, 1, 4, 5, 1, 1)
    assert decoded(ALIGNED, by_hand, [2, 2, 1, 1]).tolist() == [5, -3, 4, 9, 1, -8]
    values = [ints(10, 5), ints(4, 5), ints(2), ints(15)]
    assert entropy._aligned(values, [2, 0, 1, 3]) == by_hand


@given(models(), st.data())
def test_a_hidden_bias_that_does_not_ascend_from_0_is_left_to_coder_0(model: Model, data: st.DataObject) -> None:
    symbols, sizes = model
    sizes = [3, 2, *sizes]
    bias = data.draw(st.sampled_from([(-1, 0), (-2, -1), (1, 0), (MAX_SYMBOL, -MAX_SYMBOL), (0, -1)]))
    broken = np.concatenate([ints(1, 2, 3, *bias), symbols])
    assert ALIGNED.encode(broken, sizes, hidden_biases(len(sizes))) is None
    coder_id, written = entropy.encode(broken, sizes, hidden_biases(len(sizes)))
    assert coder_id == 0
    np.testing.assert_array_equal(decoded(CODERS[coder_id], written, sizes), broken)


@pytest.mark.parametrize("last", [(-5, -9), (7, -7), (MAX_SYMBOL, -MAX_SYMBOL)])
@pytest.mark.parametrize("hidden", [[], [ints(4, 4), ints(0, 9)]], ids=["one layer", "two layers"])
def test_the_last_bias_needs_no_order(hidden: list[Symbols], last: tuple[int, int]) -> None:
    symbols, sizes = stream([*hidden, ints(1, -1), ints(*last)])
    np.testing.assert_array_equal(decoded(ALIGNED, encoded(ALIGNED, symbols, sizes), sizes), symbols)


@pytest.mark.parametrize("unused", range(1, 128))
def test_unused_bits_are_0(unused: int) -> None:
    data = [0x01, 0b10000000 | unused]
    with pytest.raises(CorruptError, match="unused"):
        decoded(ALIGNED, payload(data, 1, 0), [1, 1])


@pytest.mark.parametrize("half", range(1, 16))
def test_an_unused_half_is_0(half: int) -> None:
    assert decoded(ALIGNED, payload([0x00], 4), [1]).tolist() == [2]
    with pytest.raises(CorruptError, match="unused"):
        decoded(ALIGNED, payload([half << 4], 4), [1])


LARGE = [2**16, 2**17, 2**17 + 1, 2**18, 2**20, 2**21 - 1]
"""High parts that a shift by 15 takes to 2^31, to 2^32, where 32 bits hold 0, and beyond."""


@pytest.mark.parametrize("high", LARGE)
@pytest.mark.parametrize("place", range(4))
def test_large_high_parts_are_refused_and_do_not_wrap(place: int, high: int) -> None:
    highs = [high if i == place else 0 for i in range(4)]
    with pytest.raises(CorruptError, match="beyond"):
        decoded(ALIGNED, payload([0xFF, 0xFF, *bytes(8)], *highs), [1, 1, 1, 1])


@pytest.mark.parametrize("count", [2, 1024, 2**14])
def test_differences_whose_sum_is_large_are_refused(count: int) -> None:
    wraps = 2**32 // count
    shift = min(15, wraps.bit_length() - 1)
    data = bytes([shift << 4, 0]) + bytes(-(-count * shift // 8))
    with pytest.raises(CorruptError, match="beyond"):
        decoded(ALIGNED, payload(data, 0, *[wraps >> shift] * count, 0, 0), [1, count, 1, 1])


def test_a_bias_may_end_at_the_largest_symbol_and_no_further() -> None:
    assert decoded(ALIGNED, payload([0, 0], 0, 1, MAX_SYMBOL - 1, 0, 0), [1, 2, 1, 1])[2] == MAX_SYMBOL
    with pytest.raises(CorruptError, match="beyond"):
        decoded(ALIGNED, payload([0, 0], 0, 1, MAX_SYMBOL, 0, 0), [1, 2, 1, 1])


def test_a_bias_that_ends_beyond_the_largest_symbol_is_refused_though_it_could_be_written() -> None:
    written = encoded(ALIGNED, ints(0, 1, MAX_SYMBOL + 1, 0, 0), [1, 2, 1, 1])
    with pytest.raises(CorruptError, match="beyond"):
        decoded(ALIGNED, written, [1, 2, 1, 1])


def test_low_bits_pass_by_zstd() -> None:
    symbols = np.random.default_rng(0).integers(-2000, 2000, 64).astype(np.int32)
    written = encoded(ALIGNED, symbols, [60, 4])
    low = 60 * (written[0] & 15) + 4 * (written[0] >> 4)
    assert low > 64 * 4
    for bit in range(low):
        flipped = bytearray(written)
        flipped[1 + bit // 8] ^= 0x80 >> bit % 8
        assert np.count_nonzero(decoded(ALIGNED, bytes(flipped), [60, 4]) != symbols) == 1


@pytest.mark.parametrize("seed", range(3))
def test_it_is_smaller_than_plain_zstd_on_tensors_of_different_spread(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spreads, counts = (60, 90, 6, 100, 20, 300), (80, 40, 1600, 40, 120, 3)
    tensors = [np.rint(rng.laplace(0, b, n)).astype(np.int32) for b, n in zip(spreads, counts, strict=True)]
    tensors[1:4:2] = [np.sort(np.abs(tensor)) for tensor in tensors[1:4:2]]
    model = stream(tensors)
    plain = len(entropy.compress(encoded(CODERS[0], *model)))
    assert len(encoded(ALIGNED, *model)) < 0.93 * plain
    assert entropy.encode(*model, hidden_biases(len(model[1])))[0] == 1


def test_low_bits_that_are_missing_are_refused_without_being_allocated() -> None:
    cut = payload([0x0F], *[0] * 1000)
    assert refusal_peak(lambda: decoded(ALIGNED, cut, [4_194_304])) < 100_000


def test_reading_takes_no_more_than_70_bytes_a_symbol() -> None:
    count = 80_000
    whole = bytes([0x0F]) + bytes(count * 15 // 8) + entropy.compress(bytes(count))
    assert peak(lambda: decoded(ALIGNED, whole, [count])) < 70 * count


def test_what_is_written_of_tensors_that_end_with_a_weight_is_read() -> None:
    for bias in ((3, 4), (-1, -2)):
        symbols = ints(5, *bias, -6)
        written = ALIGNED.encode(symbols, [1, 2, 1], hidden_biases(3))
        assert written is None or decoded(ALIGNED, written, [1, 2, 1]).tolist() == symbols.tolist()
