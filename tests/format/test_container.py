"""The container: an exact inverse, the layout of its docstring, and nothing that is not exactly a valid file."""

import dataclasses
import math
import zlib

import numpy as np
import pytest

from inrcodec import families
from inrcodec.errors import (
    BitstreamError,
    ChecksumError,
    CorruptError,
    NotInrError,
    TruncatedError,
    UnsupportedError,
)
from inrcodec.families import StoredPicture
from inrcodec.families.siren.network import SirenArch, canonical
from inrcodec.families.siren.stored import SirenNetwork
from inrcodec.format import container, entropy
from tests.support import independent_decoder
from tests.support.helpers import (
    flat_symbols,
    header,
    reseal,
    same_model,
    seal,
    section,
    siren,
    siren_of,
    varint,
    with_symbols,
)


def some_model(dims: tuple[int, ...], channels: int, height: int, width: int) -> StoredPicture:
    arch = SirenArch(dims, channels)
    shapes = arch.param_shapes()
    symbols = tuple(np.arange(math.prod(shape), dtype=np.int32).reshape(shape) - 9 for shape in shapes)
    return StoredPicture(SirenNetwork(arch, symbols, tuple(range(len(shapes)))), height, width)


def by_neurons(model: StoredPicture) -> StoredPicture:
    """Laplace symbols of a spread per tensor, and neurons in the order that coder 1 asks for."""
    rng = np.random.default_rng(0)
    spread = [np.rint(rng.laplace(0, 2 + 50 / len(s), s.shape)).astype(np.int32) for s in siren_of(model).symbols]
    return with_symbols(model, canonical(spread, half_turns=False))


MODELS = [
    pytest.param(some_model((1,), 1, 1, 1), id="least"),
    pytest.param(some_model((1024,), 4, 1, 2**17), id="widest"),
    pytest.param(some_model((2,) * 32, 3, 130, 16_384), id="deepest"),
    pytest.param(some_model((128, 127), 1, 2**17, 127), id="on both sides of 127"),
    pytest.param(dataclasses.replace(some_model((3,), 2, 4, 5), f32_safe=True), id="f32_safe"),
    pytest.param(dataclasses.replace(some_model((3,), 2, 4, 5), content_hash=2**32 - 1), id="with a hash"),
    pytest.param(by_neurons(some_model((300, 40), 3, 50, 60)), id="by coder 1"),
]


@pytest.mark.parametrize("model", MODELS)
def test_read_inverts_write(model: StoredPicture) -> None:
    back = families.read(families.write(model))
    assert same_model(back, model)
    assert {symbols.dtype for symbols in siren_of(back).symbols} == {np.dtype(np.int32)}


@pytest.mark.parametrize("model", MODELS)
def test_write_inverts_read(model: StoredPicture) -> None:
    data = families.write(model)
    assert families.write(families.read(data)) == data


def test_the_layout_is_that_of_the_docstring() -> None:
    symbols = ([[1, -1]], [64], [[0]], [-300])
    tensors = tuple(np.array(tensor, np.int32) for tensor in symbols)
    by_hand = bytes.fromhex(
        "89 49 4e 52"  # magic
        "01 01 25"  # version, flags F32_SAFE, total_length 37
        "ac 02 05 00"  # height 300, width 5, pixel: grey, 8 bits, sRGB
        "01 0e"  # SIREN of 14 bytes
        "01 01"  # depth, dim_hidden
        "07 ff 00 10"  # q_step codes
        "00 02 01 80 01 00 d7 04"  # coder raw, then zigzag 2, 1, 128, 0, 599
        "80 04 78 56 34 12"  # HASH
    )
    arch = SirenArch((1,), 1)
    model = StoredPicture(SirenNetwork(arch, tensors, (7, 255, 0, 16)), 300, 5, f32_safe=True, content_hash=0x12345678)
    assert families.write(model) == by_hand + zlib.crc32(by_hand).to_bytes(4, "little")


@pytest.mark.parametrize("model", MODELS)
def test_a_decoder_written_from_the_docstring_reads_the_same(model: StoredPicture) -> None:
    spec = independent_decoder.read(families.write(model))
    assert (spec.height, spec.width, spec.channels) == (model.height, model.width, siren_of(model).arch.channels)
    assert (spec.dims, spec.codes) == (siren_of(model).arch.dim_hidden, siren_of(model).q_step_codes)
    assert (spec.f32_safe, spec.content_hash) == (model.f32_safe, model.content_hash)
    assert spec.symbols == flat_symbols(model).tolist()


def test_the_second_decoder_has_read_what_coder_1_wrote() -> None:
    assert independent_decoder.read(families.write(by_neurons(some_model((30, 20), 3, 50, 60)))).coder == 1


def test_read_header_says_what_read_does(model: StoredPicture, data: bytes) -> None:
    seen = families.read_header(data)
    assert (seen.arch, seen.height, seen.width) == (siren_of(model).arch, model.height, model.width)
    assert (seen.version, seen.total_length) == (1, len(data))
    assert (seen.f32_safe, seen.content_hash) == (model.f32_safe, model.content_hash)


def test_read_header_leaves_the_weights_alone() -> None:
    data = seal(header() + siren(weights=b"\0 no weights"))
    assert families.read_header(data).width == 7


def test_section_sizes_add_up_to_the_file(data: bytes) -> None:
    sizes = families.section_sizes(data)
    assert sum(sizes.values()) == len(data)
    assert sizes == {"header": 15, "q_steps": 6, "weights": 81, "checksum": 4}


def test_section_sizes_name_ancillary_sections() -> None:
    sizes = families.section_sizes(seal(header() + siren() + section(0x80, b"hash") + section(0x90, b"note")))
    assert (sizes["hash"], sizes["section 0x90"]) == (4, 4)


def test_every_proper_prefix_is_truncated(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(TruncatedError):
            families.read(data[:length])


def test_every_single_bit_flip_is_refused(data: bytes) -> None:
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            families.read(bytes(flipped))


def test_a_flip_behind_the_length_is_a_checksum_error(data: bytes) -> None:
    with pytest.raises(ChecksumError):
        families.read(data[:20] + bytes([data[20] ^ 1]) + data[21:])


@pytest.mark.parametrize("start", [b"x", b"\x89PNG\r\n", b"INR\x89", bytes(200)])
def test_other_files_are_not_inr(start: bytes) -> None:
    with pytest.raises(NotInrError):
        families.read(start)


@pytest.mark.parametrize("tail", [b"\0", b"more", b"\x89INR"])
def test_trailing_bytes_are_refused(data: bytes, tail: bytes) -> None:
    with pytest.raises(CorruptError, match="bytes"):
        families.read(data + tail)


@pytest.mark.parametrize(("version", "cure"), [(0, "inrcodec 0.1"), (2, "update"), (255, "update")])
def test_another_version_is_refused_with_its_cure_whatever_follows(version: int, cure: str) -> None:
    with pytest.raises(UnsupportedError, match=f"version {version}, .*{cure}"):
        families.read(b"\x89INR" + bytes([version]) + b" an unknown layout")


@pytest.mark.parametrize("bit", range(1, 8))
def test_every_other_flag_is_reserved(bit: int) -> None:
    with pytest.raises(UnsupportedError, match="flags"):
        families.read(seal(header() + siren(), flags=1 << bit))


def test_serialise_inverts_parse_whatever_the_sections_hold() -> None:
    data = seal(header() + siren(weights=b"\xff?") + section(0x80, b"") + section(0xC0, bytes(300)), flags=1)
    found = container.parse(data, families.FAMILIES)
    assert (found.flags, found.height, found.width, found.pixel) == (1, 5, 7, 2)
    assert [(key, len(payload)) for key, payload in found.sections] == [(1, 11), (0x80, 0), (0xC0, 300)]
    assert container.serialise(found) == data


@pytest.mark.parametrize("length", [b"\xed\x00", b"\xff\xff\xff\xff\xff\x00", b"\x07"], ids=["overlong", "six", "less"])
def test_a_bad_total_length_is_corrupt(data: bytes, length: bytes) -> None:
    with pytest.raises(CorruptError):
        families.read(reseal(data[:6] + length + data[7:]))


def test_a_file_that_ends_with_its_total_length_is_corrupt() -> None:
    with pytest.raises(CorruptError, match="too few"):
        families.read(b"\x89INR\1\0\x08\0")


def test_varints_of_the_container_are_those_of_the_specification() -> None:
    for value in (0, 127, 128, 16_383, 16_384, 2**31 - 1, 2**35 - 1):
        assert entropy.varint(value) == varint(value)
