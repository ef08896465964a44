"""What the golden files show, and the bytes of those that can be made by hand; `tools/make/golden.py` writes them.

Golden files are append-only: a changed one would be a new version of the format.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from tests.support import generator, golden_grid, independent_decoder
from tests.support.helpers import RAW, header, reseal, seal, section, siren, varint, weights_by, zstd_frame


class Valid(NamedTuple):
    name: str
    shows: str
    data: bytes


class Bad(NamedTuple):
    name: str
    shows: str
    data: bytes
    error: str
    """The exact class."""
    says: str
    """A part of its text."""


SMALL = seal(header() + siren())
LAYER = bytes([100, 90, 110, 95])
"""q_step codes of a network of one sine layer."""


def one_layer(
    neurons: int, weights: bytes, codes: bytes = LAYER, pixel: int = 2, size: tuple[int, int] = (5, 7)
) -> bytes:
    """A file of a network of one sine layer; `weights` are coder and symbols."""
    return seal(header(*size, pixel) + siren(1, (neurons,), codes, weights))


def padded(body_bytes: int) -> bytes:
    """The body of the small file, lengthened to so many bytes by a section."""
    body = header() + siren()
    return body + next(
        note for n in range(body_bytes) if len(note := section(0x90, bytes(n))) == body_bytes - len(body)
    )


def longer_length(total: int) -> bytes:
    """A file of 2^(7 k) bytes that says so in a byte more than it would need with one byte less."""
    start = SMALL[:6] + varint(total)
    return reseal(start + padded(total - len(start) - 4) + bytes(4))


def ones(neurons: int, channels: int = 3) -> bytes:
    """Coder 0 with every symbol 1."""
    return b"\x00" + b"\x02" * (3 * neurons + channels * (neurons + 1))


def aligned(shift: int, frame: bytes, neurons: int = 1) -> bytes:
    """Coder 1 of a grey network of one sine layer, every tensor with one shift, low bits all 0."""
    count = 3 * neurons + neurons + 1
    return b"\x01" + bytes([17 * shift] * 2) + bytes(-(-count * shift // 8)) + frame


def hashed(data: bytes) -> bytes:
    """The file with a right HASH after its one section."""
    drawn = independent_decoder.draw(independent_decoder.read(data))
    body = data[7 if data[6] < 128 else 8 : -4]
    return seal(body + section(0x80, struct.pack("<I", zlib.crc32(drawn.tobytes()))), flags=data[5])


def valid() -> Iterator[Valid]:
    yield Valid("small_raw", "two layers, coder 0, extreme symbols", SMALL)
    yield Valid("small_aligned", "the same function by coder 1", seal(header() + siren(weights=weights_by(1))))
    yield Valid("f32_safe", "flag F32_SAFE", seal(header() + siren(), flags=1))
    yield Valid("hash", "a HASH section", hashed(SMALL))
    for pixel, name in enumerate(("grey", "grey_alpha", "rgb", "rgba")):
        yield Valid(name, f"pixel {pixel}", hashed(one_layer(4, ones(4, pixel + 1), pixel=pixel)))
    for height, width in ((1, 1), (1, 17), (17, 1), (13, 11), (127, 2), (2, 128)):
        yield Valid(f"size_{width}x{height}", "its size", hashed(one_layer(3, ones(3), size=(height, width))))
    yield Valid("longest_side", "131,072 pixels wide", one_layer(3, ones(3), size=(1, 131_072)))
    yield Valid("widest_layer", "1,024 neurons", one_layer(1024, ones(1024), size=(2, 3)))
    deep = b"\x00" + b"\x02" * (2 + 1 + 31 * 2 + 3 * 2)
    yield Valid("deepest", "32 sine layers", hashed(seal(header(3, 3) + siren(32, (1,) * 32, bytes([190] * 66), deep))))
    for code in (0, 15, 16, 255):
        yield Valid(f"q_step_{code}", f"q_step code {code}", hashed(one_layer(2, ones(2), bytes([code] * 4))))
    yield Valid("zero", "all symbols 0", hashed(one_layer(4, b"\x00" + bytes(27))))
    for shift in (0, 1, 15):
        frame = zstd_frame(bytes(5))
        yield Valid(f"shift_{shift}", f"shifts of {shift}", one_layer(1, aligned(shift, frame), pixel=0))
    yield Valid("odd_low_bits", "five low bits in a byte", one_layer(1, aligned(1, zstd_frame(bytes(5))), pixel=0))
    yield Valid(
        "stored_blocks",
        "a frame of blocks of 2 bytes",
        one_layer(1, aligned(0, generator.stored_frame(bytes(5), 2)), pixel=0),
    )
    yield Valid(
        "ancillary_unknown", "an unknown section is ignored", seal(header() + siren() + section(0x90, b"later"))
    )
    yield Valid("ancillary_private", "a private one too", seal(header() + siren() + section(0xC1, b"mine")))
    yield Valid("ancillary_empty", "an empty one", seal(header() + siren() + section(0xFF, b"")))
    several = b"".join(section(key, bytes([key])) for key in range(0x81, 0xA0))
    yield Valid("ancillary_many", "31 of them", seal(header() + siren() + several))
    for total in (127, 129):
        body = padded(total - 10 - len(varint(total)))
        yield Valid(f"length_{total}", "a length next to 128, which no file has", seal(body))
    for key, name in ((0x81, "icc"), (0x82, "exif"), (0x83, "xmp")):
        for form, payload in (("stored", b"\0a block"), ("compressed", b"\1\x05" + zstd_frame(b"block"))):
            data = seal(header() + siren() + section(key, payload))
            yield Valid(f"{name}_{form}", f"{name.upper()}, {form}", data)
    yield Valid("length_3_bytes", "total_length of 3 bytes", seal(header() + siren() + section(0x90, bytes(17_000))))
    for seed in (1, 2, 3, 5, 8, 13, 21, 34):
        yield Valid(f"random_{seed}", f"generator.valid_file({seed})", generator.valid_file(seed))
    yield Valid("grid_hash", "a grid with a HASH section", hashed(golden_grid.file(golden_grid.grid())))
    yield from (Valid(*case) for case in golden_grid.valid())


def bad() -> Iterator[Bad]:
    yield from _bad_starts()
    yield from _bad_fields()
    yield from _bad_sections()
    yield from _bad_weights()
    yield from _over_limits()
    yield from (Bad(*case) for case in golden_grid.bad())


def _bad_starts() -> Iterator[Bad]:
    flipped = SMALL[:60] + bytes([SMALL[60] ^ 4]) + SMALL[61:]
    for name, shows, data, error, says in (
        ("empty", "no byte", b"", "TruncatedError", "magic"),
        ("half_magic", "two bytes of the magic", SMALL[:2], "TruncatedError", "magic"),
        ("magic_only", "nothing after it", SMALL[:4], "TruncatedError", "first fields"),
        ("cut_length", "ends within total_length", SMALL[:6] + b"\x80", "TruncatedError", "total length"),
        ("cut_half", "half of a file", SMALL[:50], "TruncatedError", "106"),
        ("cut_last", "all but the last byte", SMALL[:-1], "TruncatedError", "105 bytes"),
        ("png", "a PNG", b"\x89PNG\r\n\x1a\n" + bytes(30), "NotInrError", "89 50 4e 47"),
        ("text", "text", b"not a picture", "NotInrError", "6e 6f 74 20"),
        ("zip", "a ZIP", b"PK\x03\x04" + bytes(30), "NotInrError", "50 4b"),
        ("seven_bits", "the magic behind a 7-bit link", b"\x09" + SMALL[1:], "NotInrError", "09 49"),
        ("tail", "a byte after the end", SMALL + b"\0", "CorruptError", "107 bytes"),
        ("twice", "two files", SMALL + SMALL, "CorruptError", "212 bytes"),
        ("html_tail", "a polyglot", SMALL + b"<script>", "CorruptError", "114 bytes"),
        ("length_less", "total_length too small", SMALL[:6] + b"\x69" + SMALL[7:], "CorruptError", "105"),
        ("length_overlong", "not canonical", SMALL[:6] + b"\xeb\x00" + SMALL[7:], "CorruptError", "canonical"),
        ("length_too_few", "no room for the CRC", b"\x89INR\x01\x00\x08\x00", "CorruptError", "too few"),
        ("length_128", "128 bytes, their number in two", longer_length(128), "CorruptError", "a byte more"),
        ("length_16384", "16,384 bytes, their number in three", longer_length(2**14), "CorruptError", "a byte more"),
        ("version_0", "the experimental format", seal(header(), version=0), "UnsupportedError", "inrcodec 0.1"),
        ("version_2", "a later format", seal(header(), version=2), "UnsupportedError", "version 2"),
        ("crc_bit", "one bit of the CRC", SMALL[:-1] + bytes([SMALL[-1] ^ 1]), "ChecksumError", "checksum"),
        ("flipped_bit", "one bit of a weight", flipped, "ChecksumError", "checksum"),
        ("flag_1", "a reserved flag", seal(header() + siren(), flags=2), "UnsupportedError", "flags"),
        ("flag_7", "a reserved flag", seal(header() + siren(), flags=128), "UnsupportedError", "flags"),
    ):
        yield Bad(name, shows, data, error, says)


def _bad_fields() -> Iterator[Bad]:
    for name, fields, says in (
        ("height_0", header(height=0), "height: 0"),
        ("width_0", header(width=0), "width: 0"),
        ("height_2_31", header(height=2**31), "height: 2147483648"),
        ("width_2_35", header(width=2**35 - 1), "width: 34359738367"),
        ("height_overlong", b"\x85\x00" + header()[1:], "height: not a canonical"),
        ("width_6_bytes", b"\x05" + b"\xff" * 5 + b"\x01\x02", "width: not a canonical"),
    ):
        yield Bad(name, "an illegal field", seal(fields + siren()), "CorruptError", says)
    yield Bad("no_pixel", "ends before pixel", seal(header()[:-1]), "CorruptError", "pixel: 0 bytes left")
    for name, pixel, says in (
        ("depth_code_1", 0x06, "sample depth 1"), ("depth_code_3", 0x0E, "sample depth 3"),
        ("colour_1", 0x12, "colour 1"), ("colour_7", 0x72, "colour 7"), ("pixel_bit_7", 0x82, "bit 7"),
    ):  # fmt: skip
        yield Bad(name, "a reserved code", seal(header(pixel=pixel) + siren()), "UnsupportedError", f"pixel: {says}")


def _bad_sections() -> Iterator[Bad]:
    note = section(0x90, b"note")
    for name, sections, says in (
        ("no_section", b"", "network: the section is missing"),
        ("no_siren", note, "network: the section is missing"),
        ("siren_twice", siren() + siren(), "section id: 1 after 1"),
        ("out_of_order", note + siren(), "section id: 1 after 144"),
        ("note_twice", siren() + note + note, "section id: 144 after 144"),
        ("id_0", section(0, b"") + siren(), "section id: 0 after 0"),
        ("section_too_long", b"\x01\x5d" + siren()[2:] + b"\0\0", "section 0x01: 92 bytes left, 93 needed"),
        ("section_2_35", siren() + b"\x90\xff\xff\xff\xff\x7f", "section 0x90: 0 bytes left"),
        ("section_length_cut", siren() + b"\x90", "section length: 0 bytes left"),
        ("section_length_overlong", b"\x01\xda\x00" + siren()[2:], "section length: not a canonical"),
        ("hash_3", siren() + section(0x80, b"abc"), "HASH: 3 bytes"),
        ("hash_5", siren() + section(0x80, b"abcde"), "HASH: 5 bytes"),
        ("siren_empty", section(1, b""), "depth: 0 bytes left"),
        ("depth_0", siren(0, ()), "depth: 0"),
        ("depth_33", siren(33, (1,) * 33), "depth: 33"),
        ("dim_0", siren(dims=(6, 0)), "dim_hidden: 0"),
        ("dim_1025", siren(dims=(1025, 5)), "dim_hidden: 1025"),
        ("dim_2_32", section(1, b"\x01" + varint(2**32 - 1)), "dim_hidden: 4294967295"),
        ("q_steps_cut", section(1, b"\x02\x06\x05" + bytes(5)), "q_step codes: 5 bytes left, 6 needed"),
        ("no_coder", section(1, b"\x02\x06\x05" + bytes(6)), "coder: 0 bytes left"),
    ):
        yield Bad(name, "an illegal section", seal(header() + sections), "CorruptError", says)
    data = seal(header() + siren() + section(0x02, b"new"))
    shows = "a second network; until 0x02 was assigned, a critical section of later"
    yield Bad("critical_02", shows, data, "CorruptError", "grid: a second network")
    for key in (0x3F, 0x40, 0x7F):
        data = seal(header() + siren() + section(key, b"new"))
        yield Bad(
            f"critical_{key:02x}", "a critical section of later", data, "UnsupportedError", f"0x{key:02x} is critical"
        )
    data = seal(header() + siren(weights=b"\x02" + weights_by(RAW)[1:]))
    yield Bad("coder_2", "a coder of later", data, "UnsupportedError", "coder: 2")


def _bad_weights() -> Iterator[Bad]:
    raw = weights_by(RAW)
    five = bytes(5)
    content_size = (2**40).to_bytes(8, "little")
    for name, weights, says in (
        ("weight_missing", raw[:-1], "71 varints"),
        ("weight_too_many", raw + b"\0", "71 varints"),
        ("no_weights", b"\x00", "71 varints"),
    ):
        yield Bad(name, "a wrong number of weights", seal(header() + siren(weights=weights)), "CorruptError", says)
    for name, weights, says in (
        ("symbol_overlong", b"\x00\x80\x00" + bytes(4), "overlong"),
        ("symbol_4_bytes", b"\x00\xff\xff\xff\x01" + bytes(4), "overlong"),
        ("symbol_32768", b"\x00" + varint(2 * 32768) + bytes(4), "beyond 32767"),
        ("shifts_cut", b"\x01\x00", "shifts are cut short"),
        ("low_bits_cut", b"\x01\xff\xff" + bytes(9), "low bits are cut short"),
        ("unused_bits", b"\x01\x11\x11\x01" + zstd_frame(five), "unused bits"),
        ("value_too_large", aligned(15, zstd_frame(b"\x04" + bytes(4))), "beyond 65535"),
        ("no_frame", b"\x01" + bytes(2), "begin with 0"),
        ("frame_damaged", aligned(0, b"\x00\x58\x07\x00\x00"), "damaged"),
        ("frame_twice", aligned(0, zstd_frame(five) * 2), "followed by other bytes"),
        ("frame_tail", aligned(0, zstd_frame(five) + b"\0"), "followed by other bytes"),
        ("frame_unfinished", aligned(0, b"\x00\x58\x28\x00\x00" + five), "cut short"),
        ("frame_with_magic", aligned(0, b"\x28\xb5\x2f\xfd" + zstd_frame(five)), "begin with 0"),
        ("frame_with_size", aligned(0, zstd_frame(five, 0x20, b"\x05")), "begin with 0"),
        ("frame_with_checksum", aligned(0, zstd_frame(five, 0x04) + bytes(4)), "begin with 0"),
        ("frame_too_long", aligned(0, zstd_frame(bytes(16))), "more than 15 bytes"),
        ("frame_too_short", aligned(0, zstd_frame(bytes(4))), "5 varints"),
        ("frame_bomb", aligned(0, b"\x00\x58\x03\x00\x08\x00"), "more than 15 bytes"),
        ("frame_lies_2_40", aligned(0, zstd_frame(five, 0xC0, b"\x58" + content_size)), "begin with 0"),
        ("window_16_mib", aligned(0, zstd_frame(five, fields=b"\x70")), "damaged"),
        ("window_16_mib_sized", aligned(0, zstd_frame(five, 0x80, b"\x70\5\0\0\0")), "begin with 0"),
        ("window_9_mib_sized", aligned(0, zstd_frame(five, 0x80, b"\x69\5\0\0\0")), "begin with 0"),
        ("dictionary", aligned(0, zstd_frame(five, 1, b"\x58\x07")), "begin with 0"),
    ):
        yield Bad(name, "symbols that no encoder writes", one_layer(1, weights, pixel=0), "CorruptError", says)


def bad_metadata() -> Iterator[Bad]:
    """Files whose picture is valid, and whose ICC section is not: they are refused to who asks for it."""
    for name, payload, error, says in (
        ("empty", b"", "CorruptError", "ICC: 0 bytes left"),
        ("form_2", b"\2block", "UnsupportedError", "ICC: form 2"),
        ("no_length", b"\1", "CorruptError", "ICC: 0 bytes left"),
        ("length_overlong", b"\1\x85\0" + zstd_frame(b"block"), "CorruptError", "ICC: not a canonical varint"),
        ("no_frame", b"\1\5", "CorruptError", "ICC: the zstd frame does not begin with 0"),
        ("too_long", b"\1\4" + zstd_frame(b"block"), "CorruptError", "ICC: the zstd frame holds more than 4 bytes"),
        ("too_short", b"\1\6" + zstd_frame(b"block"), "CorruptError", "ICC: 5 bytes, and not 6"),
        (
            "tail",
            b"\1\5" + zstd_frame(b"block") + b"\0",
            "CorruptError",
            "ICC: the zstd frame is cut short, or followed",
        ),
        ("bomb", b"\1" + varint(2**30) + zstd_frame(b"block"), "LimitError", "ICC has 1,073,741,824 bytes"),
    ):
        yield Bad(name, "a block of metadata", seal(header() + siren() + section(0x81, payload)), error, says)


def _over_limits() -> Iterator[Bad]:
    huge = siren(32, (1024,) * 32, bytes(66))
    notes = b"".join(section(0x80 + i, b"abcd") for i in range(64))
    for name, body, says in (
        ("side_131073", header(width=131_073) + siren(), "max_side"),
        ("side_2_31", header(2**31 - 1, 2**31 - 1) + siren(), "max_side"),
        ("weights_32_million", header() + huge, "max_weights"),
        ("sections_65", header() + siren() + notes, "max_sections"),
    ):
        yield Bad(name, "legal, and over a limit", seal(body), "LimitError", says)
