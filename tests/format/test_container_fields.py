"""Behind a right checksum: illegal fields, fields of a newer decoder, and legal ones over a limit."""

import tracemalloc
from collections.abc import Callable

import pytest

from inrcodec import families
from inrcodec.errors import CorruptError, InrError, LimitError, UnsupportedError
from inrcodec.families import StoredPicture
from inrcodec.format import entropy
from inrcodec.format.limits import DecodeLimits
from tests.support.helpers import RAW, header, same_model, seal, section, siren, small_model_for, weights_by


def names(cases: list[tuple[str, bytes]]) -> list[str]:
    return [name for name, _ in cases]


NOTE = section(0x90, b"of a later encoder")
BROKEN_FIELDS = [
    ("height: 0", header(height=0) + siren()),
    ("width: 0", header(width=0) + siren()),
    ("height: 2147483648", header(height=2**31) + siren()),
    ("width: 34359738367", header(width=2**35 - 1) + siren()),
    ("height: not a canonical varint", b"\x85\x00" + header()[1:] + siren()),
    ("height: not a canonical varint", b"\xff\xff\xff\xff\xff\x01" + header()[1:] + siren()),
    ("pixel: 0 bytes left", header()[:-1]),
    ("depth: 0", header() + siren(depth=0, dims=())),
    ("depth: 33", header() + siren(depth=33, dims=(1,) * 33)),
    ("depth: 0 bytes left", header() + section(1, b"")),
    ("dim_hidden: 0", header() + siren(dims=(6, 0))),
    ("dim_hidden: 1025", header() + siren(dims=(1025, 5))),
    ("dim_hidden: not a canonical varint", header() + section(1, b"\x01\x81\x00")),
    ("q_step codes: 5 bytes left, 6 needed", header() + section(1, b"\x02\x06\x05" + bytes(5))),
    ("coder: 0 bytes left", header() + section(1, b"\x02\x06\x05" + bytes(6))),
    ("71 varints", header() + siren(weights=weights_by(RAW)[:-1])),
    ("71 varints", header() + siren(weights=weights_by(RAW) + b"\0")),
]
BROKEN_SECTIONS = [
    ("network: the section is missing", b""),
    ("network: the section is missing", NOTE),
    ("section id: 1 after 1", siren() + siren()),
    ("section id: 1 after 144", NOTE + siren()),
    ("section id: 144 after 144", siren() + NOTE + NOTE),
    ("section id: 0", section(0, b"") + siren()),
    ("section 0x01: 92 bytes left, 93 needed", b"\x01\x5d" + siren()[2:] + b"\0\0"),
    ("section length: 0 bytes left", siren() + b"\x80"),
    ("section length: not a canonical varint", b"\x01\xda\x00" + siren()[2:]),
    ("section 0x01: ", b"\x01\xff\xff\xff\xff\x7f" + siren()[2:]),
    ("HASH: 3 bytes", siren() + section(0x80, b"abc")),
    ("HASH: 5 bytes", siren() + section(0x80, b"abcde")),
]


@pytest.mark.parametrize(("complaint", "fields"), BROKEN_FIELDS, ids=names(BROKEN_FIELDS))
def test_an_illegal_field_is_corrupt_and_named(complaint: str, fields: bytes) -> None:
    with pytest.raises(CorruptError, match=complaint):
        families.read(seal(fields))


@pytest.mark.parametrize(("complaint", "sections"), BROKEN_SECTIONS, ids=names(BROKEN_SECTIONS))
def test_an_illegal_section_is_corrupt_and_named(complaint: str, sections: bytes) -> None:
    with pytest.raises(CorruptError, match=complaint):
        families.read(seal(header() + sections))


UNKNOWN = [
    ("pixel: sample depth 1", header(pixel=0x04) + siren()),
    ("pixel: sample depth 3", header(pixel=0x0E) + siren()),
    ("pixel: colour 1", header(pixel=0x10) + siren()),
    ("pixel: colour 7", header(pixel=0x72) + siren()),
    ("pixel: bit 7 1", header(pixel=0x82) + siren()),
    ("section 0x03", header() + siren() + section(3, b"")),
    ("section 0x3f", header() + siren() + section(0x3F, b"")),
    ("section 0x7f", header() + siren() + section(0x7F, b"private")),
    ("coder: 2 is unknown", header() + siren(weights=b"\x02" + weights_by(RAW)[1:])),
]


@pytest.mark.parametrize(("complaint", "body"), UNKNOWN, ids=names(UNKNOWN))
def test_what_only_a_newer_decoder_may_know_is_unsupported_and_named(complaint: str, body: bytes) -> None:
    with pytest.raises(UnsupportedError, match=complaint):
        families.read(seal(body))


@pytest.mark.parametrize(
    "tail", [NOTE, section(0xFF, b""), NOTE + section(0x91, bytes(300))], ids=["one", "empty", "two"]
)
def test_ancillary_sections_are_ignored(model: StoredPicture, tail: bytes) -> None:
    assert same_model(families.read(seal(header() + siren() + tail)), model)


@pytest.mark.parametrize("coder", entropy.CODERS)
def test_every_coder_is_read(coder: int) -> None:
    assert same_model(families.read(seal(header() + siren(weights=weights_by(coder)))), small_model_for(coder))


Reader = Callable[[bytes], object]


def refusal_peak(error: type[InrError], complaint: str, read: Callable[[], object]) -> int:
    """Most bytes held at once until the error is raised."""
    tracemalloc.start()
    try:
        with pytest.raises(error, match=complaint):
            read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


HUGE = [
    ("max_side", seal(header(height=2**17 + 1) + siren())),
    ("max_side", seal(header(width=2**31 - 1) + siren())),
    ("max_weights", seal(header() + siren(32, (1024,) * 32, bytes(66)))),
    ("max_weights", seal(header() + siren(5, (1024,) * 5))),
    ("max_sections", seal(header() + siren() + b"".join(section(0x80 + i, b"abcd") for i in range(64)))),
    ("max_ancillary_bytes", seal(header() + siren() + section(0x90, bytes(2**23 + 1)))),
]


@pytest.mark.parametrize(("limit", "data"), HUGE, ids=names(HUGE))
@pytest.mark.parametrize("reader", [families.read, families.read_header])
def test_a_legal_file_over_a_limit_names_it_and_allocates_nothing(reader: Reader, limit: str, data: bytes) -> None:
    assert refusal_peak(LimitError, f"allowed by {limit}", lambda: reader(data)) < 100_000


@pytest.mark.parametrize("limits", [DecodeLimits(max_side=7, max_weights=71, max_file_bytes=106)])
def test_a_file_at_its_limits_is_read(model: StoredPicture, data: bytes, limits: DecodeLimits) -> None:
    assert same_model(families.read(data, limits), model)


@pytest.mark.parametrize("limit", [{"max_side": 6}, {"max_weights": 70}, {"max_file_bytes": 105}])
def test_a_file_one_over_a_limit_is_refused(data: bytes, limit: dict[str, int]) -> None:
    with pytest.raises(LimitError, match=next(iter(limit))):
        families.read(data, DecodeLimits(**limit))


@pytest.mark.parametrize("coder", entropy.CODERS)
def test_absurd_sizes_in_the_weights_stay_within_the_file(coder: int) -> None:
    """4 million weights are allowed, and a file that promises them without holding them costs no more than 16 MiB."""
    data = seal(header() + siren(4, (1024,) * 4, bytes(10), weights_by(coder)))
    assert refusal_peak(CorruptError, "weights", lambda: families.read(data)) < 16 << 20
