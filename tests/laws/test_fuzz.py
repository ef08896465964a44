"""Hostile bytes behind a right checksum: every one is read or refused, and nothing else ever escapes."""

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrcodec import families
from inrcodec.decoding import decoder
from inrcodec.errors import InrError
from inrcodec.format import container
from inrcodec.format.entropy import CODERS
from tests.support.grids import grid_picture
from tests.support.helpers import header, reseal, same_model, seal, section, siren, weights_by, zstd_frame
from tools.attack import fuzz, fuzz_container, fuzz_payload
from tools.attack.fuzz_grid import LIMITS
from tools.attack.fuzz_tally import Tally, load, save

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
        model = families.read(data, LIMITS)
        assert container.serialise(container.parse(data, families.FAMILIES)) == data
        assert same_model(families.read(families.write(model)), model)
        assert decoder.decode(data, (2, 3), limits=LIMITS).shape[:2] == (2, 3)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("coder", CODERS)
def test_any_byte_may_change(coder: int, change: Change) -> None:
    data = seal(small(coder))
    for at in range(len(data) - 4):
        read_or_refuse(reseal(data[:at] + bytes([change(data[at])]) + data[at + 1 :]))


@given(st.binary(max_size=300))
def test_any_bytes_may_follow_the_magic(tail: bytes) -> None:
    read_or_refuse(b"\x89INR" + tail)


@settings(max_examples=1000)
@given(st.binary(max_size=60), st.integers(0, 255))
def test_any_bytes_may_stand_in_a_sealed_file(body: bytes, flags: int) -> None:
    read_or_refuse(seal(body, flags=flags))


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_any_bytes_may_stand_for_the_sections(sections: bytes) -> None:
    read_or_refuse(seal(header() + sections))


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_any_bytes_may_stand_in_the_siren_section(payload: bytes) -> None:
    read_or_refuse(seal(header() + section(1, payload)))


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_any_bytes_may_stand_in_the_grid_section(payload: bytes) -> None:
    read_or_refuse(seal(header() + section(2, payload)))


@settings(max_examples=300)
@given(st.integers(0, 3), st.binary(min_size=10, max_size=10), st.binary(max_size=200))
def test_any_steps_and_any_stream_may_follow_a_grids_prior_and_delta(pixel: int, steps: bytes, stream: bytes) -> None:
    read_or_refuse(seal(header(pixel=pixel) + section(2, b"\2\x80\4" + steps + stream)))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_byte_of_a_grid_may_change(change: Change) -> None:
    data = families.write(grid_picture(3, 4, 3, change=0.1))
    for at in (*range(40), *range(40, len(data) - 4, 23)):
        read_or_refuse(reseal(data[:at] + bytes([change(data[at])]) + data[at + 1 :]))


@settings(max_examples=1000)
@given(st.sampled_from(sorted(CODERS)), st.integers(0, 120), st.integers(0, 8), st.binary(max_size=8))
def test_any_slice_may_be_replaced(coder: int, at: int, length: int, slice_: bytes) -> None:
    body = small(coder)
    read_or_refuse(seal(body[:at] + slice_ + body[at + length :]))


@settings(max_examples=500)
@given(st.sampled_from(sorted(CODERS)), st.binary(max_size=120))
def test_any_bytes_may_pose_as_weights(coder: int, payload: bytes) -> None:
    read_or_refuse(seal(header() + siren(weights=bytes([coder]) + payload)))


@settings(max_examples=500)
@given(st.lists(st.integers(0, 15), min_size=6, max_size=6), st.randoms(use_true_random=False), st.binary(max_size=240))
def test_any_weights_may_be_unpacked(shifts: list[int], rng: random.Random, high: bytes) -> None:
    low = rng.randbytes(-(-sum(k * n for k, n in zip(shifts, (12, 6, 30, 5, 15, 3), strict=True)) // 8))
    halves = bytes(a | b << 4 for a, b in zip(shifts[::2], shifts[1::2], strict=True))
    read_or_refuse(seal(header() + siren(weights=b"\x01" + halves + low + zstd_frame(high))))


@pytest.mark.parametrize(("kind", "batches"), [("container", 40), ("payload", 4), ("grid", 1)])
def test_a_slice_of_the_fuzzers_inputs_meets_no_foreign_exception(kind: str, batches: int, tmp_path: Path) -> None:
    tally = fuzz.work(fuzz.Job(kind, fuzz.corpus(), 0, 0, 1, tmp_path, batches=batches))
    assert tally.inputs == batches * fuzz.BATCH
    assert tally.outcomes["accepted"] > tally.inputs / 20, "nearly all are refused: the fuzzer tests nothing"
    assert tally.outcomes["foreign"] == 0, sorted(tmp_path.iterdir())


def test_a_foreign_exception_is_counted_and_saved_with_its_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "serialise", lambda whole: b"")
    tally = fuzz.work(fuzz.Job("container", fuzz.corpus(), 7, 3, 1, tmp_path, batches=1))
    saved = sorted(tmp_path.glob("container-7-3-*.inr"))
    assert tally.outcomes["foreign"] == len(saved) > 10
    assert "BrokenLaw" in saved[0].with_suffix(".txt").read_text()


def test_the_same_seed_makes_the_same_inputs(tmp_path: Path) -> None:
    one, other = (fuzz.work(fuzz.Job("payload", fuzz.corpus(), 1, 5, 1, tmp_path, batches=1)) for _ in range(2))
    assert one.outcomes == other.outcomes


def test_a_run_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    first = fuzz.work(fuzz.Job("container", fuzz.corpus(), 0, 0, 2, tmp_path, batches=2))
    assert first.next_batch == 4
    path = tmp_path / "state.json"
    save(path, 0, {"container": first})
    total = load(path, 0)["container"]
    total.merge(Tally(first.outcomes.copy(), 1e-9, "fast", 3.0, 1.0, 6))
    assert (total.inputs, total.next_batch, total.memory) == (2 * first.inputs, 6, 3.0)
    assert total.slowest_input == first.slowest_input


@pytest.mark.parametrize("data", fuzz.corpus()[::10])
def test_a_file_taken_apart_is_put_together_as_it_was(data: bytes) -> None:
    one = fuzz_container.seed(data)
    whole = fuzz_container.assembled(random.Random(1), [list(group) for group in one.groups])
    assert seal(whole, flags=one.flags) == data
    assert seal(one.body, flags=one.flags) == data


def test_weights_taken_apart_and_packed_again_are_the_same() -> None:
    files = [data for data in fuzz.corpus()[::5] if list(fuzz_payload.seeds([data]))]
    for data in files:
        again = fuzz_payload.assembled(random.Random(0), *fuzz_payload.seeds([data]))
        assert same_model(families.read(again), families.read(data))


def test_weights_as_many_as_a_file_may_hold_are_read() -> None:
    data = fuzz_payload.assembled(random.Random(0), fuzz_payload.large(random.Random(3)))
    assert decoder.decode(data, (8, 8)).shape == (8, 8, 3)
