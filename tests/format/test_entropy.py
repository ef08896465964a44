"""Entropy coders: exact inverses, canonical forms, and frames from strangers."""

import contextlib
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inrcodec.errors import CorruptError
from inrcodec.families.siren.network import hidden_biases
from inrcodec.format import entropy
from inrcodec.format.entropy import CODERS, MAX_SYMBOL, Coder, Symbols
from tests.support.helpers import varint, zstd_frame

every_coder = pytest.mark.parametrize("coder", CODERS.values(), ids=lambda coder: coder.name)

anything = arrays(np.int32, st.integers(1, 80), elements=st.integers(-MAX_SYMBOL, MAX_SYMBOL))
sparse = arrays(np.int32, st.integers(1, 200), elements=st.integers(-300, 300), fill=st.just(0))
symbol_arrays = st.one_of(anything, sparse)

Model = tuple[Symbols, list[int]]
"""Symbols, and the sizes of their tensors."""


def stream(tensors: list[Symbols]) -> Model:
    return np.concatenate(tensors), [len(tensor) for tensor in tensors]


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Networks of one to four layers whose tensors differ in size and spread, with ascending hidden biases."""
    layers = draw(st.integers(1, 4))
    tensors = []
    for i in range(2 * layers):
        largest = draw(st.sampled_from([0, 3, 127, 300, MAX_SYMBOL]))
        tensor = draw(arrays(np.int32, st.integers(1, 20), elements=st.integers(-largest, largest)))
        hidden_bias = i % 2 == 1 and i < 2 * layers - 1
        tensors.append(np.sort(np.abs(tensor)) if hidden_bias else tensor)
    return stream(tensors)


def ints(*values: int) -> Symbols:
    return np.array(values, np.int32)


ONE_IN_MANY = np.eye(1, 10_000, 5000, dtype=np.int32)[0]

SAMPLE = ints(3, 0, -1, 200, 0, 0, -128, 127, MAX_SYMBOL, 0, -MAX_SYMBOL, 1, 2, 0, 3, -4)


def encoded(coder: Coder, symbols: Symbols, sizes: list[int] | None = None) -> bytes:
    """The payload; by default of one tensor, which every coder can write."""
    sizes = sizes or [len(symbols)]
    payload = coder.encode(symbols, sizes, hidden_biases(len(sizes)))
    assert payload is not None
    return payload


def decoded(coder: Coder, data: bytes, sizes: list[int]) -> Symbols:
    """The symbols of the tensors of a network: biases of its hidden layers ascend."""
    return coder.decode(data, sizes, hidden_biases(len(sizes)))


@every_coder
@given(models())
def test_decode_inverts_encode(coder: Coder, model: Model) -> None:
    symbols, sizes = model
    found = decoded(coder, encoded(coder, symbols, sizes), sizes)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, symbols)


@every_coder
@given(symbol_arrays)
def test_decode_inverts_encode_of_one_tensor(coder: Coder, symbols: Symbols) -> None:
    np.testing.assert_array_equal(decoded(coder, encoded(coder, symbols), [len(symbols)]), symbols)


@every_coder
@pytest.mark.parametrize(
    "symbols",
    [ints(0), ints(-1), ints(MAX_SYMBOL), ints(-MAX_SYMBOL), SAMPLE, np.zeros(1000, np.int32), ONE_IN_MANY],
    ids=["0", "-1", "max", "min", "sample", "zeros", "one in many"],
)
def test_decode_inverts_encode_at_the_edges(coder: Coder, symbols: Symbols) -> None:
    np.testing.assert_array_equal(decoded(coder, encoded(coder, symbols), [len(symbols)]), symbols)


@every_coder
@pytest.mark.parametrize("value", [-MAX_SYMBOL, -1, 0, 1, MAX_SYMBOL])
@pytest.mark.parametrize("layers", [1, 2, 5])
def test_decode_inverts_encode_of_networks_of_single_weights(coder: Coder, layers: int, value: int) -> None:
    tensors = [ints(value), ints(abs(value))] * (layers - 1) + [ints(-value), ints(value)]
    symbols, sizes = stream(tensors)
    np.testing.assert_array_equal(decoded(coder, encoded(coder, symbols, sizes), sizes), symbols)


@given(models())
def test_encode_takes_the_smallest_and_the_lowest_id_on_a_tie(model: Model) -> None:
    best, payload = entropy.encode(*model, hidden_biases(len(model[1])))
    lengths = {coder_id: len(encoded(coder, *model)) for coder_id, coder in CODERS.items()}
    assert len(payload) == lengths[best] == min(lengths.values())
    assert all(lengths[coder_id] > lengths[best] for coder_id in range(best))


@pytest.mark.parametrize(
    ("symbols", "coder_id"),
    [pytest.param(ints(1, -2, 3), 0, id="few"), pytest.param(ints(*[200, -200, 300] * 99), 1, id="many")],
)
def test_every_coder_is_the_smallest_somewhere(symbols: Symbols, coder_id: int) -> None:
    assert entropy.encode(symbols, [len(symbols)], ())[0] == coder_id


@given(models())
def test_encode_is_deterministic(model: Model) -> None:
    symbols, sizes = model
    assert entropy.encode(symbols, sizes, (1, 3)) == entropy.encode(symbols.copy(), tuple(sizes), {3, 1})


def test_zigzag_interleaves_the_signs() -> None:
    assert entropy._zigzag(ints(0, -1, 1, -2, 2)).tolist() == [0, 1, 2, 3, 4]


@given(anything)
def test_unzigzag_inverts_zigzag(symbols: Symbols) -> None:
    np.testing.assert_array_equal(entropy._unzigzag(entropy._zigzag(symbols)), symbols)


@given(arrays(np.int32, st.integers(0, 50), elements=st.integers(0, 2**21 - 1)))
def test_read_varints_inverts_write_varints(values: Symbols) -> None:
    np.testing.assert_array_equal(entropy.read_varints(entropy.write_varints(values), len(values)), values)


@given(st.integers(0, 2**21 - 1))
def test_varints_are_leb128(value: int) -> None:
    assert entropy.write_varints(ints(value)) == varint(value)


def content(magicless: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(b"\x28\xb5\x2f\xfd" + magicless)


def test_the_frame_is_plain_zstd_without_its_magic() -> None:
    written = encoded(CODERS[1], ints(*range(40)))
    assert written[0] == 4
    frame = written[1 + 40 * 4 // 8 :]
    assert content(frame) == bytes(2 * i >> 4 for i in range(40))
    facts = zstandard.get_frame_parameters(b"\x28\xb5\x2f\xfd" + frame)
    assert (facts.content_size, facts.has_checksum, facts.dict_id) == (zstandard.CONTENTSIZE_UNKNOWN, False, 0)


@pytest.mark.parametrize(
    ("data", "count"),
    [
        pytest.param(b"\x80\x00", 1, id="overlong by a zero"),
        pytest.param(b"\xff\xff\xff\x01", 1, id="four bytes"),
        pytest.param(b"\x80", 1, id="unfinished"),
        pytest.param(b"\x01\x80", 1, id="unfinished byte after the last"),
        pytest.param(b"\x01\x02", 1, id="one too many"),
        pytest.param(b"\x01\x02", 3, id="one too few"),
        pytest.param(b"", 1, id="none"),
    ],
)
def test_varints_that_no_encoder_writes_are_refused(data: bytes, count: int) -> None:
    with pytest.raises(CorruptError):
        entropy.read_varints(data, count)


@given(st.lists(st.sampled_from([0, 1, 2, 127, 128, 129, 255]), max_size=9), st.integers(1, 9))
def test_varints_that_are_accepted_are_those_that_are_written(data: list[int], count: int) -> None:
    with contextlib.suppress(CorruptError):
        assert entropy.write_varints(entropy.read_varints(bytes(data), count)) == bytes(data)


@every_coder
@pytest.mark.parametrize("symbol", [MAX_SYMBOL + 1, -MAX_SYMBOL - 1, 2**20 - 1, -(2**20)])
def test_a_symbol_out_of_range_is_refused(coder: Coder, symbol: int) -> None:
    payload = encoded(coder, ints(1, symbol))
    with pytest.raises(CorruptError, match="beyond"):
        decoded(coder, payload, [2])


@every_coder
@pytest.mark.parametrize("count", [len(SAMPLE) - 1, len(SAMPLE) + 1, 1, 1000])
def test_a_wrong_count_is_refused(coder: Coder, count: int) -> None:
    with pytest.raises(CorruptError):
        decoded(coder, encoded(coder, SAMPLE), [count])


SAMPLES = {"one tensor": (SAMPLE, [len(SAMPLE)]), "a network": (np.sort(SAMPLE), [8, 2, 4, 2])}
every_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)


@every_coder
@every_sample
def test_every_truncation_is_refused(coder: Coder, sample: Model) -> None:
    symbols, sizes = sample
    payload = encoded(coder, symbols, sizes)
    for length in range(len(payload)):
        with pytest.raises(CorruptError):
            decoded(coder, payload[:length], sizes)


@every_coder
@every_sample
def test_any_byte_may_change_to_other_symbols_or_a_refusal(coder: Coder, sample: Model) -> None:
    symbols, sizes = sample
    payload = encoded(coder, symbols, sizes)
    for at in range(len(payload)):
        for byte in range(256):
            with contextlib.suppress(CorruptError):
                changed = decoded(coder, payload[:at] + bytes([byte]) + payload[at + 1 :], sizes)
                assert (changed.dtype, changed.shape) == (np.int32, symbols.shape)
                assert np.abs(changed).max() <= MAX_SYMBOL


@every_coder
@pytest.mark.parametrize("tail", [b"\0", b"\x01", b"again"])
def test_trailing_bytes_are_refused(coder: Coder, tail: bytes) -> None:
    payload = encoded(coder, SAMPLE)
    with pytest.raises(CorruptError):
        decoded(coder, payload + (payload if tail == b"again" else tail), [len(SAMPLE)])


def bomb(mebibytes: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        1, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=0
    )
    frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return b"".join([*(frame.compress(bytes(1 << 20)) for _ in range(mebibytes)), frame.flush()])


def peak(work: Callable[[], object]) -> int:
    """Most bytes held at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refusal_peak(refused: Callable[[], object]) -> int:
    """Most bytes held at once while something is refused."""

    def refuse() -> None:
        with pytest.raises(CorruptError):
            refused()

    return peak(refuse)


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    frame = bomb(300)
    assert len(frame) < 50_000
    assert refusal_peak(lambda: entropy.decompress(frame, 3000)) < 1 << 20


@pytest.mark.parametrize(("descriptor", "window"), [(0xC0, bytes([0])), (0xE0, b"")], ids=["window", "single segment"])
def test_a_content_size_of_2_to_the_40_is_refused_without_being_allocated(descriptor: int, window: bytes) -> None:
    lying = zstd_frame(bytes(1000), descriptor, window + (2**40).to_bytes(8, "little"))
    assert refusal_peak(lambda: entropy.decompress(lying, 3000)) < 1 << 20


def test_a_window_of_8_mebibytes_is_accepted() -> None:
    assert entropy.decompress(zstd_frame(b"abc"), 3) == b"abc"


@pytest.mark.parametrize("window", [13 << 3 | 1, 14 << 3, 31 << 3 | 7])
def test_a_window_above_8_mebibytes_is_refused(window: int) -> None:
    with pytest.raises(CorruptError):
        entropy.decompress(zstd_frame(b"abc", fields=bytes([window])), 3)


def test_a_frame_that_asks_for_a_dictionary_is_refused() -> None:
    with pytest.raises(CorruptError):
        entropy.decompress(zstd_frame(b"abc", 1, bytes([0, 7])), 3)


def test_a_frame_without_its_last_block_is_refused() -> None:
    whole = zstd_frame(b"abc") + zstd_frame(b"")[2:]
    unfinished = bytes([*whole[:2], whole[2] & ~1, *whole[3:-3]])
    with pytest.raises(CorruptError, match="cut short"):
        entropy.decompress(unfinished, 3)


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_a_frame_longer_than_the_limit_is_refused(limit: int) -> None:
    with pytest.raises(CorruptError, match=f"more than {limit} bytes"):
        entropy.decompress(zstd_frame(b"abc"), limit)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    with contextlib.suppress(CorruptError):
        assert len(entropy.decompress(data, 100)) <= 100
