"""Hostile bytes behind a right checksum: every one is read or refused, and nothing else ever escapes."""

import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path

import fuzz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrcodec import bitstream, decoder
from inrcodec.entropy import CODERS
from inrcodec.errors import InrError
from tests.helpers import header, reseal, same_model, seal, section, siren, weights_by

Change = Callable[[int], int]
CHANGES: dict[str, Change] = {
    "0x00": lambda byte: 0,
    "0xff": lambda byte: 0xFF,
    "+1": lambda byte: (byte + 1) % 256,
    "-1": lambda byte: (byte - 1) % 256,
}


def small(coder: int) -> bytes:
    return header() + siren(weights=weights_by(coder)) + section(0x80, b"hash")


def read_or_refuse(data: bytes) -> None:
    """Read hostile bytes; what is accepted has one form, is read as the same again, and can be drawn."""
    with contextlib.suppress(InrError):
        model = bitstream.read(data)
        assert bitstream.serialise(bitstream.parse(data)) == data
        assert same_model(bitstream.read(bitstream.write(model)), model)
        assert decoder.decode(data, (2, 3)).shape[:2] == (2, 3)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("coder", CODERS)
def test_any_byte_may_change(coder: int, change: Change) -> None:
    data = seal(small(coder))
    for at in range(len(data) - 4):
        read_or_refuse(reseal(data[:at] + bytes([change(data[at])]) + data[at + 1 :]))


@given(st.binary(max_size=300))
def test_any_bytes_may_follow_the_magic(tail: bytes) -> None:
    read_or_refuse(b"\x89INR" + tail)


@settings(max_examples=2000)
@given(st.binary(max_size=60))
def test_any_bytes_may_stand_in_a_sealed_file(body: bytes) -> None:
    read_or_refuse(seal(body))


@settings(max_examples=1000)
@given(st.binary(max_size=60))
def test_any_bytes_may_stand_for_the_sections(sections: bytes) -> None:
    read_or_refuse(seal(header() + sections))


@settings(max_examples=1000)
@given(st.binary(max_size=60))
def test_any_bytes_may_stand_in_the_siren_section(payload: bytes) -> None:
    read_or_refuse(seal(header() + section(1, payload)))


@settings(max_examples=2000)
@given(st.sampled_from(sorted(CODERS)), st.integers(0, 120), st.integers(0, 8), st.binary(max_size=8))
def test_any_slice_may_be_replaced(coder: int, at: int, length: int, slice_: bytes) -> None:
    body = small(coder)
    read_or_refuse(seal(body[:at] + slice_ + body[at + length :]))


@settings(max_examples=1000)
@given(st.sampled_from(sorted(CODERS)), st.binary(max_size=120))
def test_any_bytes_may_pose_as_weights(coder: int, payload: bytes) -> None:
    read_or_refuse(seal(header() + siren(weights=bytes([coder]) + payload)))


@pytest.mark.parametrize(("kind", "count"), [("container", 20_000), ("payload", 1_500)])
def test_a_slice_of_the_long_run_meets_no_foreign_exception(kind: str, count: int, tmp_path: Path) -> None:
    make, attempt = fuzz.kinds()[kind]
    rng, tally = random.Random(0), fuzz.Tally()
    for _ in range(count):
        fuzz._try(make(rng), attempt, rng, tally, tmp_path)
    assert (tally.inputs, tally.foreign) == (count, 0)
    assert tally.accepted > count / 20
    assert set(tally.refused) <= {"CorruptError", "LimitError", "TruncatedError", "UnsupportedError", "NotInrError"}


def test_the_long_run_keeps_what_raises_a_foreign_exception(tmp_path: Path) -> None:
    def attempt(data: bytes, rng: random.Random) -> None:
        raise IndexError

    tally = fuzz.Tally()
    fuzz._try(b"bytes", attempt, random.Random(0), tally, tmp_path)
    assert (tally.foreign, [path.read_bytes() for path in tmp_path.iterdir()]) == (1, [b"bytes"])


def test_counts_of_runs_add_up(tmp_path: Path) -> None:
    one = fuzz.Tally(3, 1, fuzz.Counter(CorruptError=2), 0, 0.5, 7)
    one.add(fuzz.Tally(5, 0, fuzz.Counter(CorruptError=4, LimitError=1), 0, 0.2, 9))
    assert one == fuzz.Tally(8, 1, fuzz.Counter(CorruptError=6, LimitError=1), 0, 0.5, 9)
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"container": vars(one)}))
    assert fuzz.load(state) == {"container": one}
    assert "8" in fuzz.table({"container": one})
