"""Behind a right checksum: illegal fields, fields of a newer decoder, and legal ones over a limit."""

import tracemalloc
from collections.abc import Callable

import pytest

from inrcodec import bitstream, entropy
from inrcodec.bitstream import Limits
from inrcodec.errors import CorruptError, InrError, LimitError, UnsupportedError
from inrcodec.model import QuantizedModel
from tests.helpers import header, q_steps, same_model, seal, section, small_model_for, weights


def names(cases: list[tuple[str, bytes]]) -> list[str]:
    return [name for name, _ in cases]


NOTE = section(0x80, b"of a later encoder")
BROKEN_FIELDS = [
    ("height: 0", header(height=0)),
    ("width: 0", header(width=0)),
    ("height: 2147483648", header(height=2**31)),
    ("width: 34359738367", header(width=2**35 - 1)),
    ("height: not a canonical varint", b"\x85\x00" + header()[1:]),
    ("height: not a canonical varint", b"\xff\xff\xff\xff\xff\x01" + header()[1:]),
    ("channels: 0", header(channels=0)),
    ("channels: 2", header(channels=2)),
    ("channels: 5", header(channels=5)),
    ("depth: 0", header(depth=0, dims=())),
    ("depth: 33", header(depth=33, dims=(1,) * 33)),
    ("dim_hidden: 0", header(dims=(6, 0))),
    ("dim_hidden: 1025", header(dims=(1025, 5))),
]
BROKEN_SECTIONS = [
    ("Q_STEPS: the section is missing", weights()),
    ("WEIGHTS: the section is missing", q_steps()),
    ("Q_STEPS: the section is missing", b""),
    ("section id: 1 after 2", weights() + q_steps()),
    ("section id: 1 after 1", q_steps() + q_steps() + weights()),
    ("section id: 2 after 2", q_steps() + weights() + weights()),
    ("section id: 128 after 128", q_steps() + weights() + NOTE + NOTE),
    ("section id: 0", section(0, b"") + q_steps() + weights()),
    ("section 2: 82 bytes left, 83 needed", q_steps() + b"\x02\x53" + weights()[2:] + b"\0"),
    ("section length", q_steps() + weights() + b"\x80"),
    ("section length: not a canonical varint", q_steps() + b"\x02\xd1\x00" + weights()[2:]),
    ("section 2: ", q_steps() + b"\x02\xff\xff\xff\xff\x7f" + weights()[2:]),
    ("Q_STEPS: 5 bytes", section(1, q_steps()[3:]) + weights()),
    ("Q_STEPS: 7 bytes", section(1, b"\0" + q_steps()[2:]) + weights()),
    ("WEIGHTS: the section is empty", q_steps() + section(2, b"")),
    ("71 varints", q_steps() + section(2, weights()[2:-1])),
    ("71 varints", q_steps() + section(2, weights()[2:] + b"\0")),
]


@pytest.mark.parametrize(("complaint", "fields"), BROKEN_FIELDS, ids=names(BROKEN_FIELDS))
def test_an_illegal_field_is_corrupt_and_named(complaint: str, fields: bytes) -> None:
    with pytest.raises(CorruptError, match=complaint):
        bitstream.read(seal(fields + q_steps() + weights()))


@pytest.mark.parametrize(("complaint", "sections"), BROKEN_SECTIONS, ids=names(BROKEN_SECTIONS))
def test_an_illegal_section_is_corrupt_and_named(complaint: str, sections: bytes) -> None:
    with pytest.raises(CorruptError, match=complaint):
        bitstream.read(seal(header() + sections))


UNKNOWN = [
    ("family: 1", header(family=1) + q_steps() + weights()),
    ("family: 255", header(family=255) + q_steps() + weights()),
    ("section 3", header() + q_steps() + weights() + section(3, b"")),
    ("section 127", header() + q_steps() + weights() + section(127, b"")),
    ("coder 5", header() + q_steps() + section(2, b"\x05" + weights()[3:])),
]


@pytest.mark.parametrize(("complaint", "body"), UNKNOWN, ids=names(UNKNOWN))
def test_what_only_a_newer_decoder_may_know_is_unsupported_and_named(complaint: str, body: bytes) -> None:
    with pytest.raises(UnsupportedError, match=complaint):
        bitstream.read(seal(body))


@pytest.mark.parametrize(
    "tail", [NOTE, section(0xFF, b""), NOTE + section(0x81, bytes(300))], ids=["one", "empty", "two"]
)
def test_ancillary_sections_are_ignored(model: QuantizedModel, tail: bytes) -> None:
    assert same_model(bitstream.read(seal(header() + q_steps() + weights() + tail)), model)


@pytest.mark.parametrize("coder", entropy.CODERS)
def test_every_coder_is_read(coder: int) -> None:
    assert same_model(bitstream.read(seal(header() + q_steps() + weights(coder))), small_model_for(coder))


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
    ("max_side", seal(header(height=2**17 + 1) + q_steps() + weights())),
    ("max_side", seal(header(width=2**31 - 1) + q_steps() + weights())),
    ("max_params", seal(header(depth=32, dims=(1024,) * 32) + q_steps() + weights())),
    ("max_params", seal(header(depth=5, dims=(1024,) * 5))),
]


@pytest.mark.parametrize(("limit", "data"), HUGE, ids=names(HUGE))
@pytest.mark.parametrize("reader", [bitstream.read, bitstream.read_header])
def test_a_legal_file_over_a_limit_names_it_and_allocates_nothing(reader: Reader, limit: str, data: bytes) -> None:
    assert refusal_peak(LimitError, limit, lambda: reader(data)) < 100_000


@pytest.mark.parametrize("limits", [Limits(max_side=7, max_params=71)])
def test_a_file_at_its_limits_is_read(model: QuantizedModel, data: bytes, limits: Limits) -> None:
    assert same_model(bitstream.read(data, limits), model)


@pytest.mark.parametrize("limits", [Limits(max_side=6), Limits(max_params=70)])
def test_a_file_one_over_a_limit_is_refused(data: bytes, limits: Limits) -> None:
    with pytest.raises(LimitError):
        bitstream.read(data, limits)


@pytest.mark.parametrize("coder", [1, 4])
def test_absurd_sizes_in_the_weights_stay_within_the_file(coder: int) -> None:
    """4 million weights are allowed, and a file that promises them without holding them costs no more than 64 MiB."""
    data = seal(header(depth=4, dims=(1024,) * 4) + section(1, bytes(10)) + section(2, weights(coder)[2:]))
    assert refusal_peak(CorruptError, "weights", lambda: bitstream.read(data)) < 64 << 20
