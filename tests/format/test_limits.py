"""Limits of a decode: each holds to the one, is refused by name, soon, and before anything is allocated."""

import struct
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import fields
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import zstandard

from inrcodec import families
from inrcodec.cli.cures import worded
from inrcodec.compute.sine import Forward
from inrcodec.decoding import decoder
from inrcodec.errors import CorruptError, InrError, LimitError, RequestError, ResourceError, StoppedError
from inrcodec.families.siren.network import SirenArch
from inrcodec.format import entropy
from inrcodec.format.limits import DEFAULT_LIMITS, DecodeLimits
from tests.support.helpers import header, python, seal, section, small_model, zstd_frame
from tests.support.helpers import siren as siren_section
from tools.attack import worst_file

SMALL = families.write(small_model())
EXTRAS = seal(header() + siren_section() + section(0x90, bytes(30)) + section(0x91, bytes(20)))
SIZE = (40, 30)
WORK = 40 * 30 * 71
LATENTS = 9

AT_LIMIT: dict[str, tuple[bytes, int]] = {
    "max_file_bytes": (SMALL, len(SMALL)),
    "max_side": (SMALL, 40),
    "max_weights": (SMALL, 71),
    "max_latents": (SMALL, LATENTS),
    "max_latents_per_byte": (SMALL, 1),
    "max_sections": (EXTRAS, 3),
    "max_ancillary_bytes": (EXTRAS, 50),
    "max_output_pixels": (SMALL, 40 * 30),
    "max_macs": (SMALL, WORK),
    "max_macs_per_byte": (SMALL, -(-WORK // len(SMALL))),
}
"""A file for each limit, and the value that it has when it is drawn at SIZE: as if it had LATENTS latents."""

WIDE, DEEP = siren_section(5, (1024,) * 5), siren_section(32, (1024,) * 32, bytes(66))
EXTRA_64 = b"".join(section(128 + i, b"abcd") for i in range(64))
TOO_LARGE: dict[str, bytes] = {
    "max_file_bytes": seal(header() + siren_section() + section(0x90, bytes(64 << 20))),
    "max_side": seal(header(height=131_073) + siren_section()),
    "max_weights": seal(header() + WIDE),
    "max_weights, deep": seal(header(height=1, width=131_072) + DEEP),
    "max_sections": seal(header() + siren_section() + EXTRA_64),
    "max_ancillary_bytes": seal(header() + siren_section() + section(0x90, bytes(2**23 + 1))),
}
"""Files over a default limit."""


@cache
def worst() -> decoder.Picture:
    """A picture that is dear to draw."""
    return decoder.open_bytes(worst_file.worst_file())


OVER: dict[str, Callable[[], object]] = {
    **{name: partial(decoder.decode, data) for name, data in TOO_LARGE.items()},
    "max_side, output": lambda: worst().render((1, 131_073)),
    "max_output_pixels": lambda: worst().render((9460, 9459)),
    "max_macs": lambda: worst().render((2052, 2052)),
    "max_macs_per_byte": lambda: worst().render((515, 512)),
}
"""What asks for more than a default limit."""


def refused(error: type[InrError], work: Callable[[], object]) -> InrError:
    """The refusal, in at most 10 ms of CPU, the best of several runs, and 20 MiB."""
    times = []
    for _ in range(20):
        start = time.process_time()
        with pytest.raises(error):
            work()
        times.append(time.process_time() - start)
    tracemalloc.start()
    try:
        with pytest.raises(error) as refusal:
            work()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert min(times) < 0.01
    assert peak < 20 << 20
    return refusal.value


def test_the_table_names_every_limit() -> None:
    assert list(AT_LIMIT) == [field.name for field in fields(DecodeLimits)]


@pytest.mark.parametrize("name", AT_LIMIT)
def test_a_file_at_a_limit_is_drawn_and_one_over_is_refused_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SirenArch, "latent_count", lambda arch: LATENTS)
    data, value = AT_LIMIT[name]
    assert decoder.decode(data, SIZE, limits=DecodeLimits(**{name: value})).shape == (*SIZE, 3)
    error: Any = refused(LimitError, lambda: decoder.decode(data, SIZE, limits=DecodeLimits(**{name: value - 1})))
    assert (error.name, error.value, error.limit) == (name, value, value - 1)
    assert worded(error).endswith(f"allowed by {name}: to accept it, --limit {name}={value}")


@pytest.mark.parametrize("case", OVER)
def test_what_is_over_a_default_limit_is_refused_at_once(case: str) -> None:
    error: Any = refused(LimitError, OVER[case])
    name = case.split(",")[0]
    assert (error.name, error.limit) == (name, getattr(DEFAULT_LIMITS, name))
    assert error.value > error.limit


def test_more_latents_than_by_default_are_refused_before_one_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SirenArch, "latent_count", lambda arch: DEFAULT_LIMITS.max_latents + 1)
    monkeypatch.setattr(entropy, "CODERS", {})
    error: Any = refused(LimitError, lambda: decoder.decode(SMALL))
    assert (error.name, error.value, error.limit) == (
        "max_latents",
        DEFAULT_LIMITS.max_latents + 1,
        DEFAULT_LIMITS.max_latents,
    )


def test_no_refusal_imports_torch() -> None:
    code = """
import sys
from inrcodec.errors import LimitError
from tests.format.test_limits import OVER, worst
worst()
before = set(sys.modules)
for ask in OVER.values():
    try:
        ask()
    except LimitError as error:
        print(error.name)
assert "torch" not in sys.modules and set(sys.modules) == before
"""
    process = python("-c", code)
    assert process.returncode == 0, process.stderr
    assert len(process.stdout.split()) == len(OVER)


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited as on Linux")
@pytest.mark.parametrize("room", [1, 20, 40])
def test_a_decode_without_room_for_products_ends_with_our_error(room: int) -> None:
    program = f"""
import resource, sys
from pathlib import Path
from inrcodec import errors
from inrcodec.decoding import decoder
data = bytes.fromhex({SMALL.hex()!r})
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + ({room} << 20)
resource.setrlimit(resource.RLIMIT_AS, (used, used))
try:
    decoder.decode(data)
except errors.ResourceError:
    print("refused")
"""
    process = python("-c", program)
    assert (process.returncode, process.stdout) == (0, b"refused\n"), process.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited as on Linux")
@pytest.mark.parametrize("room", [100, 300, 600])
def test_threads_that_there_is_no_room_for_are_done_without(room: int) -> None:
    program = f"""
import resource
from pathlib import Path
from inrcodec.decoding import decoder
data = bytes.fromhex({SMALL.hex()!r})
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + ({room} << 20)
resource.setrlimit(resource.RLIMIT_AS, (used, used))
print(decoder.decode(data, (200, 300), threads=4).shape)
"""
    process = python("-c", program)
    assert (process.returncode, process.stdout) == (0, b"(200, 300, 3)\n"), process.stderr


@pytest.mark.parametrize("value", [-1, 2**60 + 1])
def test_a_limit_that_no_array_could_have_is_refused(value: int) -> None:
    with pytest.raises(RequestError, match="max_side"):
        DecodeLimits(max_side=value)


def test_want_of_memory_is_an_error_of_ours() -> None:
    most = {field.name: 2**60 for field in fields(DecodeLimits)}
    with pytest.raises(ResourceError, match="out of memory"):
        decoder.decode(SMALL, (2**27, 2**26), limits=DecodeLimits(**most))


def rle(block: int, count: int) -> bytes:
    """Blocks of zeros, four bytes for 128 KiB each (RFC 8878, 3.1.1.2)."""
    one = struct.pack("<I", block << 3 | 1 << 1)[:3] + b"\0"
    return one * (count - 1) + bytes([one[0] | 1]) + one[1:]


ZEROS = bytes(71)
BOMBS = {
    "ratio 32,768 to 1": b"\x00\x68" + rle(2**17, 2048),
    "ratio, of a small block": b"\x00\x68" + rle(3 * 71 + 1, 1),
    "content size 2^40": b"\xc0\x68" + struct.pack("<Q", 2**40) + zstd_frame(ZEROS)[2:],
    "content size 2^40, one segment": b"\xe0" + struct.pack("<Q", 2**40) + zstd_frame(ZEROS)[2:],
    "content size one more": b"\x20\x48" + zstd_frame(ZEROS)[2:],
    "second frame": zstd_frame(ZEROS) * 2,
    "window 2^31": zstd_frame(ZEROS, fields=bytes([21 << 3])),
    "window one octave over": zstd_frame(ZEROS, fields=bytes([14 << 3])),
    "dictionary": zstd_frame(ZEROS, 1, b"\x68\x07"),
    "reserved bit": zstd_frame(ZEROS, 8),
    "skippable frame first": b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd_frame(ZEROS),
    "skippable frame after": zstd_frame(ZEROS) + b"\x50\x2a\x4d\x18\x04\0\0\0abcd",
    "magic of zstd": b"\x28\xb5\x2f\xfd" + zstd_frame(ZEROS),
    "empty": b"",
}


def of_zeros(frame: bytes) -> bytes:
    """The small model with these high bytes, and no low ones."""
    return seal(header() + siren_section(weights=b"\x01\0\0\0" + frame))


def test_a_frame_of_zeros_is_read() -> None:
    assert not any(np.any(symbols) for symbols in families.read(of_zeros(zstd_frame(ZEROS))).network.symbols)


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_of_zstd_is_refused_at_once(bomb: str) -> None:
    refused(CorruptError, lambda: families.read(of_zeros(BOMBS[bomb])))


@pytest.mark.parametrize("frame", [BOMBS["ratio 32,768 to 1"], b"", zstd_frame(ZEROS)], ids=["bomb", "empty", "short"])
def test_a_frame_takes_no_memory_for_what_a_header_only_promises(frame: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError):
            entropy.CODERS[1].decode(b"\0" + frame, [2**22 - 3, 3], ())
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def counting_points(chunks: list[int]) -> Callable[[Forward, object, np.ndarray], np.ndarray]:
    """In place of a forward pass: notes how many points it is asked for, and draws grey."""

    def forward(self: Forward, matrices: object, coords: np.ndarray) -> np.ndarray:
        chunks.append(len(coords))
        return np.zeros((3, len(coords)), np.float32)

    return forward


def test_the_dearest_file_of_1_kib_takes_at_most_2_to_the_40_multiplications(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks: list[int] = []
    picture = worst()
    monkeypatch.setattr(Forward, "forward", counting_points(chunks))
    picture.render()
    work = sum(chunks) * picture.stored.network.arch.param_count()
    assert len(worst_file.worst_file()) == 1024
    assert 0.99 * 2**40 < work <= 2**40
    assert max(chunks) * picture.stored.network.arch.param_count() <= 2**30
    with pytest.raises(LimitError, match="max_macs_per_byte"):
        picture.render((515, 512))


def test_nothing_more_is_drawn_once_a_caller_wants_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(Forward, "forward", counting_points(drawn))
    picture = decoder.open_bytes(SMALL, stopped=lambda: len(drawn) == 3, threads=1)
    with pytest.raises(StoppedError):
        picture.render((200, 200))
    assert len(drawn) == 3


def test_a_frame_is_not_called_damaged_because_memory_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Starved:
        def stream_reader(self, frame: bytes, read_across_frames: bool) -> None:
            raise zstandard.ZstdError("zstd decompress error: Allocation error : not enough memory")

    monkeypatch.setattr(zstandard, "ZstdDecompressor", lambda **options: Starved())
    with pytest.raises(ResourceError):
        families.read(of_zeros(zstd_frame(ZEROS)))
