"""Files of more than 8 bits: the right brightness, the right channels, and the nearest code of 8 bits, said so."""

import contextlib
import io
import itertools
import json
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from inrcodec import cli
from inrcodec.errors import InputImageError, InrError, LimitError, RequestError
from inrcodec.format.orientation import turned
from inrcodec.pictures import deep, save
from inrcodec.pictures.load import SUFFIXES, load, load_bytes, to_array
from tests.support.pictures import waves

RNG = np.random.default_rng(0)
CODES_16 = RNG.integers(0, 65536, (7, 5, 4), np.uint16)
ROUNDED = "samples of more than 8 bits are rounded to 8"


def can_hold(kind: str, channels: int, depth: int) -> bool:
    return (channels in (1, 3) or kind not in ("JPEG", "PPM", "BMP")) and (
        depth == 8 or kind in ("PNG", "TIFF", "PPM", "NPY")
    )


WRITTEN = [
    case for case in itertools.product(dict.fromkeys(save.SUFFIXES.values()), (1, 2, 3, 4), (8, 16)) if can_hold(*case)
]


@pytest.mark.parametrize(("kind", "channels", "depth"), WRITTEN)
def test_what_decode_writes_encode_reads(kind: str, channels: int, depth: int) -> None:
    """The same channels, and samples where the kind keeps them; WEBP has no grey."""
    image = waves(70, 50, channels) if depth == 8 else CODES_16[..., :channels]
    source = load_bytes(save.to_file(image.squeeze(), kind), f"a.{kind}")
    expected = image if depth == 8 else np.rint(image / 257)
    if kind == "WEBP" and channels < 3:
        expected = expected[..., [0, 0, 0, *range(1, channels)]]
    assert source.codes.shape == expected.shape
    assert np.abs(source.codes - expected.astype(int)).mean() <= (4 if kind == "JPEG" else 0)
    assert source.notes == ((f"a.{kind}: {ROUNDED}",) if depth == 16 else ())


def test_every_suffix_that_is_written_is_taken_from_folders() -> None:
    assert set(save.SUFFIXES) <= set(SUFFIXES)


@pytest.mark.parametrize(("suffix", "channels"), [(".pgm", 1), (".tiff", 2), (".png", 2), (".npy", 2), (".png", 4)])
def test_compare_reads_both_depths(
    tmp_path: Path, suffix: str, channels: int, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = waves(8, 9, channels)
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    one.write_bytes(save.to_file(codes.squeeze(), save.SUFFIXES[suffix]))
    other.write_bytes(save.to_file(codes.squeeze().astype(np.uint16) * 257, save.SUFFIXES[suffix]))
    assert cli.main(["compare", str(one), str(other), "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["most_apart"] == 0
    assert printed.err == f"inrcodec: {other}: {ROUNDED}\n"


@pytest.mark.parametrize("maxval", [1, 7, 200, 255, 256, 1000, 1023, 4095, 65535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_white_is_the_maxval_of_a_netpbm_file(kind: str, maxval: int) -> None:
    channels = 3 if kind in ("P3", "P6") else 1
    samples = RNG.integers(0, maxval + 1, (4, 6, channels))
    samples[0, 0], samples[0, 1] = maxval, 0
    body = samples.astype(">u2" if maxval > 255 else np.uint8).tobytes()
    if kind in ("P2", "P3"):
        body = " ".join(map(str, samples.ravel())).encode()
    source = load_bytes(f"{kind} # of a camera\n6 4 {maxval}\n".encode() + body, "a")
    assert np.abs(source.codes - samples * 255 / maxval).max() <= 0.501
    assert bool(source.notes) == (maxval > 255)


def test_a_pil_image_of_a_16_bit_pgm_has_a_known_range() -> None:
    data = save.to_file(CODES_16[..., 0], "PPM")
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(to_array(image), np.rint(CODES_16[..., :1] / 257))


@pytest.mark.parametrize("order", [">u2", "<u2", "=u2"])
def test_arrays_of_either_byte_order_are_taken(order: str) -> None:
    np.testing.assert_array_equal(to_array(CODES_16.astype(order)), np.rint(CODES_16 / 257))


def tiff(samples: NDArray[np.uint16], bits: int, order: str = "<", compression: int = 1, **more: int) -> bytes:
    """A TIFF in two strips, whose rows are packed bit by bit, or hold whole numbers of 16 (TIFF 6.0)."""
    height, width, channels = samples.shape
    rows = samples.reshape(height, -1)
    if bits == 16:
        packed = [row.astype(f"{order}u2").tobytes() for row in rows]
    else:
        spread = rows[..., None] >> np.arange(bits - 1, -1, -1, dtype=np.uint16) & 1
        packed = [np.packbits(row).tobytes() for row in spread.reshape(height, -1).astype(np.uint8)]
    half = -(-height // 2)
    strips = [b"".join(packed[:half]), b"".join(packed[half:])]
    strips = [zlib.compress(strip) for strip in strips] if compression == 8 else strips
    starts = [8, 8 + len(strips[0])]
    tags: dict[int, tuple[str, list[int]]] = {
        256: ("H", [width]), 257: ("H", [height]), 258: ("H", [bits] * channels), 259: ("H", [compression]),
        262: ("H", [more.get("photometric", 2 if channels > 2 else 1)]), 273: ("I", starts), 277: ("H", [channels]),
        278: ("H", [half]), 279: ("I", [len(strip) for strip in strips]),
    }  # fmt: skip
    if channels in (2, 4):
        tags[338] = ("H", [2])
    if "orientation" in more:
        tags[274] = ("H", [more["orientation"]])
    table, far, after = b"", b"", starts[1] + len(strips[1])
    for code, (kind, values) in sorted(tags.items()):
        value = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(value) > 4:
            value, far = struct.pack(f"{order}I", after + 6 + 12 * len(tags) + len(far)), far + value
        table += struct.pack(f"{order}2HI", code, {"H": 3, "I": 4}[kind], len(values)) + value.ljust(4, b"\0")
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", after)
    return start + b"".join(strips) + struct.pack(f"{order}H", len(tags)) + table + bytes(4) + far


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("order", "compression"), [("<", 1), (">", 1), ("<", 8), (">", 8)])
def test_white_is_what_a_tiff_says_of_its_bits(bits: int, channels: int, order: str, compression: int) -> None:
    white = (1 << bits) - 1
    samples = RNG.integers(0, white + 1, (5, 7, channels), np.uint16)
    samples[0, 0], samples[0, 1] = white, 0
    source = load_bytes(tiff(samples, bits, order, compression), "a")
    np.testing.assert_array_equal(source.codes, np.rint(samples * (255 / white)))
    assert source.notes == (f"a: {ROUNDED}",)


@pytest.mark.parametrize(("bits", "order"), [(12, "<"), (12, ">"), (16, "<"), (16, ">")])
def test_white_may_be_zero(bits: int, order: str) -> None:
    samples = RNG.integers(0, 1 << bits, (5, 7, 1), np.uint16)
    inverse = load_bytes(tiff(samples, bits, order, photometric=0), "a").codes
    np.testing.assert_array_equal(inverse, 255 - load_bytes(tiff(samples, bits, order), "a").codes)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [12, 16])
def test_a_tiff_is_turned_once(bits: int, channels: int, turn: int) -> None:
    samples = RNG.integers(0, 1 << bits, (5, 7, channels), np.uint16)
    found = load_bytes(tiff(samples, bits, orientation=turn), "a").codes
    np.testing.assert_array_equal(found, turned(load_bytes(tiff(samples, bits), "a").codes, turn))


def test_a_pil_image_of_a_tiff_has_its_bits_too() -> None:
    samples = np.full((4, 4, 1), 4095, np.uint16)
    assert to_array(Image.open(io.BytesIO(tiff(samples, 12)))).min() == 255


ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def predicted(left: NDArray[np.uint8], up: NDArray[np.uint8], corner: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """What the filters 0 to 4 take from a row (PNG 3rd edition, section 9)."""
    a, b, c = (part.astype(int) for part in (left, up, corner))
    far = [np.abs(a + b - c - part) for part in (a, b, c)]
    paeth = np.where((far[0] <= far[1]) & (far[0] <= far[2]), a, np.where(far[1] <= far[2], b, c))
    return [np.zeros_like(left), left, up, ((a + b) // 2).astype(np.uint8), paeth.astype(np.uint8)]


def png(samples: NDArray[np.uint16], interlaced: bool, number: int) -> bytes:
    """A PNG of 16 bits whose rows all have one filter."""
    height, width, channels = samples.shape
    before, packed = bytes(2 * channels), b""
    for top, left, down, across in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        part = samples[top::down, left::across].astype(">u2")
        above = bytes(part[:1].nbytes)
        for row in (line.tobytes() for line in part if line.size):
            shifted = [np.frombuffer(data[: len(row)], np.uint8) for data in (before + row, above, before + above)]
            packed += bytes([number]) + (np.frombuffer(row, np.uint8) - predicted(*shifted)[number]).tobytes()
            above = row
    head = struct.pack(">2I5B", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, interlaced)
    chunks = [b"IHDR" + head, b"IDAT" + zlib.compress(packed), b"IEND"]
    framed = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits_is_read_whole_by_any_filter(channels: int, number: int, interlaced: bool) -> None:
    samples = RNG.integers(0, 65536, (13, 11, channels), np.uint16)
    codes = load_bytes(png(samples, interlaced, number), "a").codes
    np.testing.assert_array_equal(codes, np.rint(samples / 257))


@pytest.mark.parametrize("data", [CODES_16[..., 0] // 16, CODES_16[..., :2] // 16, CODES_16[..., :3] // 16])
def test_a_picture_that_is_dark_because_its_codes_have_fewer_bits_is_noticed(data: NDArray[np.uint16]) -> None:
    notes = load(data).notes
    most = data.max() if data.ndim == 2 or data.shape[2] == 3 else data[..., 0].max()
    assert notes[1] == f"no sample is over {most} of 65535: codes of fewer bits are to be multiplied first"
    assert len(load(data * 16).notes) == 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_transparent_at_either_depth(channels: int, depth: int) -> None:
    """At 16 bits its neighbours, which differ in the low byte, are not."""
    samples = np.zeros((2, 2, channels), np.uint8 if depth == 8 else np.uint16) + 40
    samples[0, 0] += 1
    data = save.to_file(samples.squeeze(), "PNG")
    chunk = b"tRNS" + struct.pack(f">{channels}H", *samples[0, 0].tolist())
    framed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    codes = load_bytes(data.replace(data[33:], framed + data[33:]), "a").codes
    assert codes.shape == (2, 2, channels + 1)
    np.testing.assert_array_equal(codes[..., -1], [[0, 255], [255, 255]])


@pytest.mark.parametrize("cut", [1, 5, 40, 100, 160])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_is_cut_short_is_refused(channels: int, cut: int) -> None:
    codes = CODES_16[..., :channels]
    files = [save.to_file(codes.squeeze(), kind) for kind in ("NPY", "PPM") if can_hold(kind, channels, 16)]
    for data in [*files, tiff(codes, 16)]:
        with pytest.raises(InputImageError, match=r"^a: not a readable picture \("):
            load_bytes(data[:-cut], "a")


def npy(shape: str, dtype: str = "'<u2'", body: bytes = b"", version: int = 1) -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + body


HOSTILE = {
    "vast": npy("(1000000, 1000000)"), "vaster": npy(f"({2**62}, {2**62})"), "negative": npy("(-1, 4)"),
    "objects": npy("(2, 2)", "'|O'", bytes(32)), "records": npy("(2, 2)", "[('a', 'O')]", bytes(32)),
    "many": npy("(" + "1, " * 30 + ")", body=bytes(2)), "longer": npy("(2, 2)", body=bytes(9)),
    "newer": npy("(2, 2)", body=bytes(8), version=3), "no header": b"\x93NUMPY", "code": npy("__import__('os')"),
    "nested": npy("(" * 3000),
}  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_array_is_refused_before_it_takes_memory(data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(InputImageError, match=r"^a\.npy: "):
        load_bytes(data, "a.npy")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_an_array_of_another_kind_is_refused_in_words() -> None:
    with pytest.raises(InputImageError, match=r"a\.npy: the array has dtype float32"):
        load_bytes(npy("(2, 2)", "'<f4'", bytes(16)), "a.npy")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_either_version_and_order_are_read(version: int, order: str) -> None:
    buffer = io.BytesIO()
    array = np.asarray(CODES_16, order=order)  # type: ignore[call-overload]
    np.lib.format.write_array(buffer, array, (version, 0), allow_pickle=False)
    np.testing.assert_array_equal(deep.npy(buffer.getvalue()), CODES_16)


def test_a_tiff_that_unpacks_to_more_than_its_picture_takes_no_more_memory() -> None:
    bomb = zlib.compress(bytes(64 << 20))
    data = tiff(np.zeros((2, 2, 2), np.uint16), 16, compression=8)
    strip = zlib.compress(bytes(8))
    at, count = struct.pack("<I", len(data)), struct.pack("<I", len(bomb))
    data = data.replace(struct.pack("<2I", len(strip), len(strip)), count * 2)
    data = data.replace(struct.pack("<2I", 8, 8 + len(strip)), at * 2) + bomb
    tracemalloc.start()
    assert load_bytes(data, "a").codes.shape == (2, 2, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_vast_tiff_is_refused_unread() -> None:
    data = tiff(np.zeros((2, 2, 2), np.uint16), 16)
    width, height = struct.pack("<2HIHH", 256, 3, 1, 2, 0), struct.pack("<2HIHH", 257, 3, 1, 2, 0)
    for tag in (width, height):
        data = data.replace(tag, tag[:8] + struct.pack("<2H", 65535, 0))
    with pytest.raises(LimitError, match="a: the picture is 65535x65535"):
        load_bytes(data, "a")


DEEP_FILES = [save.to_file(CODES_16[..., :c].squeeze(), k) for k, c, depth in WRITTEN if depth == 16] + [
    tiff(CODES_16[..., :c] >> 4, 12, order, compression) for c in (1, 2, 3) for order in "<>" for compression in (1, 8)
]


@given(st.sampled_from(DEEP_FILES), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4))
@settings(max_examples=300)
def test_a_damaged_file_is_read_or_refused(data: bytes, damage: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for at, byte in damage:
        damaged[at % len(data)] = byte
    with warnings.catch_warnings(), contextlib.suppress(InrError):
        warnings.simplefilter("ignore")
        load_bytes(bytes(damaged), "a")


ANIMATED = {"GIF": {}, "PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}, "AVIF": {"quality": 100}}


def animation(kind: str) -> bytes:
    frames, buffer = [Image.new("RGB", (8, 8), (90 * number, 0, 0)) for number in range(3)], io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], **ANIMATED[kind])
    return buffer.getvalue()


def pages(first: bytes, directory: bytes) -> bytes:
    """A little-endian TIFF with one more directory, whose places are within the whole."""
    (start,) = struct.unpack("<I", first[4:8])
    end = start + 2 + 12 * struct.unpack("<H", first[start : start + 2])[0]
    return first[:end] + struct.pack("<I", len(first)) + first[end + 4 :] + directory


def test_pages_of_a_tiff_that_pillow_does_not_know_are_counted_too() -> None:
    data = tiff(np.full((2, 2, 2), 65535, np.uint16), 16)
    (start,) = struct.unpack("<I", data[4:8])
    directory = data[start:]  # again, with the same strips and far values
    both = pages(data, directory)
    assert load_bytes(both, "a").notes[0].startswith("a: the first of 2 frames is taken")
    for number in (0, 1):
        assert load_bytes(both, "a", number).codes.min() == 255
    with pytest.raises(RequestError, match=r"a: frame 2: there are 2, 0 \.\. 1"):
        load_bytes(both, "a", 2)


def test_pages_in_a_ring_are_counted_once() -> None:
    data = tiff(np.full((2, 2, 2), 65535, np.uint16), 16)
    (start,) = struct.unpack("<I", data[4:8])
    end = start + 2 + 12 * struct.unpack("<H", data[start : start + 2])[0]
    ring = data[:end] + struct.pack("<I", start) + data[end + 4 :]
    assert deep.tiff_pages(ring) == [start]
    assert load_bytes(ring, "a").notes == (f"a: {ROUNDED}",)


@pytest.mark.parametrize("kind", ANIMATED)
def test_of_several_frames_one_is_taken_and_said_to_be(kind: str) -> None:
    data = animation(kind)
    first = load_bytes(data, "a")
    assert first.notes == ("a: the first of 3 frames is taken: the option `frame` takes another, from 0 on",)
    for number in range(3):
        source = load_bytes(data, "a", number)
        assert source.notes == ()
        np.testing.assert_allclose(source.codes[0, 0], [90 * number, 0, 0], atol=3)
