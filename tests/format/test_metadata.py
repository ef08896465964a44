"""Profiles, Exif, XMP: carried as opaque bytes, kept or left out as asked, and never a way into the decoder."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

import inrcodec
from inrcodec import families
from inrcodec.encoding import encoder
from inrcodec.encoding.config import EncoderConfig
from inrcodec.errors import BitstreamError, LimitError, RequestError
from inrcodec.format import container
from inrcodec.format.limits import DecodeLimits
from inrcodec.format.metadata import KINDS, Metadata, metadata_bytes, parse_kinds
from inrcodec.pictures.load import Source, load
from tests.support.helpers import header, seal, section, small_model
from tests.support.helpers import siren as siren_section
from tests.support.pictures import waves

FILE = families.write(small_model())
OTHER_PROFILE = bytes(16) + b"RGB " + bytes(range(200)) * 2
GREY_PROFILE = bytes(16) + b"GRAY" + bytes(99)
EXIF = b"II*\0\x08\0\0\0\0\0\0\0\0\0"
XMP = b"<x:xmpmeta>\xc3\xa9</x:xmpmeta>"
EVERYTHING = Metadata(OTHER_PROFILE, EXIF, XMP)
FAST = EncoderConfig(effort=1, device="cpu")

blocks = st.binary(max_size=200) | st.binary(min_size=1, max_size=9).map(lambda block: block * 99)


@given(blocks, blocks, blocks)
def test_what_is_put_into_a_file_is_found_in_it(icc: bytes, exif: bytes, xmp: bytes) -> None:
    metadata = Metadata(icc, exif, xmp)
    data = families.with_metadata(FILE, metadata)
    assert families.metadata_of(data) == metadata
    assert container.serialise(container.parse(data, families.FAMILIES)) == data
    assert len(FILE) <= len(data) <= len(FILE) + metadata_bytes(metadata)
    assert families.with_metadata(data, Metadata()) == FILE


def test_metadata_changes_no_sample_and_is_counted_apart() -> None:
    data = families.with_metadata(FILE, EVERYTHING)
    assert np.array_equal(inrcodec.decode(data), inrcodec.decode(FILE))
    parts = families.section_sizes(data)
    assert sum(parts.values()) == len(data)
    assert all(0 < parts[kind] <= len(getattr(EVERYTHING, kind)) + 1 for kind in KINDS)


def with_section(key: int, payload: bytes) -> bytes:
    return seal(header() + siren_section() + section(key, payload))


def test_a_block_at_its_limit_is_read_and_one_over_is_refused() -> None:
    data = families.with_metadata(FILE, Metadata(xmp=bytes(1000)))
    assert len(families.metadata_of(data, DecodeLimits(max_ancillary_bytes=1000)).xmp) == 1000
    with pytest.raises(LimitError, match="max_ancillary_bytes"):
        families.metadata_of(data, DecodeLimits(max_ancillary_bytes=999))


@given(st.binary(max_size=30), st.sampled_from([0x81, 0x82, 0x83]))
def test_no_block_raises_anything_else(payload: bytes, key: int) -> None:
    with contextlib.suppress(BitstreamError, LimitError):
        families.metadata_of(with_section(key, payload))


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    ("profile", "channels", "kept"),
    [(SRGB, 3, b""), (OTHER_PROFILE, 3, OTHER_PROFILE), (OTHER_PROFILE, 4, OTHER_PROFILE), (OTHER_PROFILE, 1, b""),
     (GREY_PROFILE, 1, GREY_PROFILE), (GREY_PROFILE, 2, GREY_PROFILE), (GREY_PROFILE, 3, b""),
     (b"", 3, b""), (b"x", 3, b"")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_profile_is_kept_unless_it_says_srgb_or_is_of_another_space(
    tmp_path: Path, kind: str, profile: bytes, channels: int, kept: bytes
) -> None:
    if (kind == "JPEG" and channels in (2, 4)) or (kind == "WEBP" and channels < 3):
        pytest.skip("has no such channels")
    image = Image.fromarray(waves(4, 5, channels).squeeze())
    image.save(tmp_path / "a", kind, icc_profile=profile)
    assert load(tmp_path / "a").metadata.icc == kept


def test_the_profile_of_a_cmyk_picture_is_not_that_of_its_rgb(tmp_path: Path) -> None:
    cmyk = Image.new("CMYK", (3, 2))
    cmyk.info["icc_profile"] = bytes(16) + b"CMYK" + bytes(99)
    assert load(cmyk).metadata == Metadata()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_and_xmp_are_found_and_the_orientation_is_taken_out(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    picture = Image.fromarray(waves(8, 9))
    picture.save(tmp_path / "a", kind, exif=exif, xmp=XMP)
    source = load(tmp_path / "a")
    assert source.codes.shape == (9, 8, 3)
    found = Image.Exif()
    found.load(source.metadata.exif)
    assert dict(found) == {0x010F: "maker"}
    assert kind == "PNG" or source.metadata.xmp == XMP


@pytest.mark.parametrize("kinds", [(), ("icc",), ("exif",), ("icc", "xmp"), KINDS])
def test_the_encoder_keeps_what_is_asked_for(kinds: tuple[str, ...]) -> None:
    source = Source(waves(8, 8), EVERYTHING)
    data = inrcodec.encode(source, EncoderConfig(effort=1, device="cpu", metadata=kinds))
    assert families.metadata_of(data) == EVERYTHING.only(kinds)
    assert np.array_equal(inrcodec.decode(data), inrcodec.decode(inrcodec.encode(source.codes, FAST)))


@pytest.mark.parametrize("size", [700, 1000])
def test_a_target_holds_with_metadata(size: int) -> None:
    source = Source(np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8), EVERYTHING)
    encoded = encoder.encode_with_report(source, EncoderConfig(effort=1, device="cpu", size=size, metadata=KINDS))
    assert 0.975 * size <= len(encoded.data) <= size
    assert encoded.stages[-1].name == "metadata"


def test_a_target_that_metadata_alone_exceeds_is_refused_before_any_work() -> None:
    source = Source(waves(8, 8), Metadata(icc=np.random.default_rng(0).bytes(900)))
    with pytest.raises(RequestError, match="size: 500: files of a 8x8 picture have 9"):
        inrcodec.encode(source, EncoderConfig(effort=1, device="cpu", size=500))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [("none", ()), ("all", KINDS), ("icc", ("icc",)), ("xmp,icc", ("icc", "xmp")), ("exif", ("exif",))],
)
def test_kinds_are_named(text: str, kinds: tuple[str, ...]) -> None:
    assert parse_kinds(text) == kinds


@pytest.mark.parametrize("text", ["", "ICC", "icc,", "none,icc", "gps"])
def test_other_kinds_are_refused(text: str) -> None:
    with pytest.raises(RequestError, match="metadata: "):
        parse_kinds(text)
