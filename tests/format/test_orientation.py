"""Pictures are upright once: pixels are turned as their metadata asks, and no metadata asks for a turn after that."""

import functools
import io
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageOps

import inrcodec
from inrcodec import families
from inrcodec.encoding import encoder
from inrcodec.format import container, orientation
from inrcodec.format.limits import DEFAULT_LIMITS
from inrcodec.format.metadata import KINDS, Metadata, _block
from inrcodec.pictures import save
from inrcodec.pictures.load import Source, load_bytes
from tests.support.helpers import small_model
from tests.support.pictures import waves

inrcodec.register_pillow()

PICTURE = waves(6, 9)
KINDS_OF_FILES = ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"]


def exif_of(turn: int | None) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x9286] = "maker", "comment"
    if turn is not None:
        exif[0x0112] = turn
    return exif


def xmp_of(turn: int, form: str = 'tiff:Orientation="{}"') -> bytes:
    return f"<x:xmpmeta><rdf:Description {form.format(turn)}/></x:xmpmeta>".encode()


@functools.cache
def photo_file(kind: str, turn: int, channels: int) -> bytes:
    """One that asks for a turn."""
    buffer = io.BytesIO()
    Image.fromarray(waves(6, 9, channels).squeeze()).save(buffer, kind, exif=exif_of(turn))
    return buffer.getvalue()


def photo(kind: str, turn: int, channels: int = 3) -> Image.Image:
    return Image.open(io.BytesIO(photo_file(kind, turn, channels)))


def turn_in(metadata: Metadata) -> object:
    """What Pillow understands a picture with these blocks to ask for."""
    image = Image.new("L", (1, 1))
    image.info.update({"exif": metadata.exif, "xmp": metadata.xmp})
    return image.getexif().get(0x0112, 1)


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """What `Image.save` has the encoder encode; nothing is fitted."""
    sources: list[Source] = []
    monkeypatch.setattr(encoder, "encode", lambda source, config: sources.append(source) or b"")
    return sources


GIVEN = {
    "nothing": lambda image: {},
    "bytes": lambda image: {"exif": image.info["exif"]},
    "bytes without prefix": lambda image: {"exif": image.info["exif"].removeprefix(b"Exif\0\0")},
    "bytes with prefix": lambda image: {"exif": b"Exif\0\0" + image.info["exif"].removeprefix(b"Exif\0\0")},
    "object": lambda image: {"exif": image.getexif()},
    "both": lambda image: {"exif": image.getexif(), "xmp": xmp_of(image.getexif().get(0x0112, 1))},
    "none": lambda image: {"exif": None, "xmp": None, "icc_profile": None},
    "empty": lambda image: {"exif": b"", "xmp": b""},
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_save_turns_once(kind: str, turn: int, given: object, saved: list[Source]) -> None:
    image = photo(kind, turn)
    image.save(io.BytesIO(), "INR", **given(image))  # type: ignore[operator]
    (source,) = saved
    np.testing.assert_array_equal(source.codes, np.asarray(ImageOps.exif_transpose(photo(kind, turn))))
    assert turn_in(source.metadata) == 1


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", KINDS_OF_FILES)
def test_files_are_turned_once(kind: str, channels: int, turn: int) -> None:
    if kind == "JPEG" and channels == 4:
        pytest.skip("has no alpha")
    upright = ImageOps.exif_transpose(photo(kind, turn, channels))
    source = load_bytes(photo_file(kind, turn, channels), "photo")
    expected = np.asarray(upright.convert({1: "L", 3: "RGB", 4: "RGBA"}[source.codes.shape[2]]))
    np.testing.assert_array_equal(source.codes, expected.reshape(source.codes.shape))
    assert turn_in(source.metadata) == 1


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_files_of_16_bits_are_turned_too(channels: int, turn: int) -> None:
    deep = (PICTURE[..., :1].repeat(channels, 2).astype(np.uint16) * 257).squeeze()
    exif = exif_of(turn).tobytes().removeprefix(b"Exif\0\0")
    plain, asking = Metadata(), SimpleNamespace(icc=b"", exif=exif, xmp=b"")
    upright = load_bytes(save.to_file(deep, "PNG", plain), "plain").codes
    source = load_bytes(save.to_file(deep, "PNG", asking), "asking")  # type: ignore[arg-type]
    exif_transpose = [ImageOps.exif_transpose(described(Image.fromarray(c), exif)) for c in upright.transpose(2, 0, 1)]
    np.testing.assert_array_equal(source.codes, np.stack([np.asarray(c) for c in exif_transpose], 2))


def described(image: Image.Image, exif: bytes) -> Image.Image:
    image.info["exif"] = exif
    return image


def test_a_block_that_is_given_decides_in_place_of_the_images_own(saved: list[Source]) -> None:
    """As in another format, whose pixels are as they are and whose viewer turns them as that block asks."""
    Image.fromarray(PICTURE).save(io.BytesIO(), "INR", exif=exif_of(6))
    turned_by_hand = photo("PNG", 6).transpose(Image.Transpose.ROTATE_270)
    turned_by_hand.info["xmp"] = xmp_of(6)
    turned_by_hand.save(io.BytesIO(), "INR", exif=exif_of(None))
    upright = ImageOps.exif_transpose(photo("PNG", 6))
    for source in saved:
        np.testing.assert_array_equal(source.codes, np.asarray(upright))


def test_the_file_that_is_saved_shows_an_upright_picture() -> None:
    buffer = io.BytesIO()
    photo("JPEG", 6).save(buffer, "INR", effort=1, exif=exif_of(6), xmp=xmp_of(6), device="cpu")
    image = Image.open(buffer)
    assert (image.size, image.getexif().get(0x0112, 1)) == ((6, 9), 1)
    assert families.metadata_of(buffer.getvalue()).exif == orientation.upright_exif(exif_of(6).tobytes())
    assert ImageOps.exif_transpose(image).size == (6, 9)
    assert turn_in(families.metadata_of(buffer.getvalue())) == 1


@pytest.mark.parametrize("kind", ["exif", "icc_profile", "xmp"])
@pytest.mark.parametrize("value", [3, 2.5, ["x"]])
def test_what_is_no_block_is_refused(kind: str, value: object, saved: list[Source]) -> None:
    with pytest.raises(inrcodec.InrError, match=f"{kind}: a {type(value).__name__} is no block"):
        Image.fromarray(PICTURE).save(io.BytesIO(), "INR", **{kind: value})


def old_file(turn: int) -> bytes:
    """As an encoder that did not look into blocks has written it."""
    exif = exif_of(turn).tobytes().removeprefix(b"Exif\0\0")
    blocks = SimpleNamespace(icc=b"", exif=exif, xmp=xmp_of(turn))
    return families.with_metadata(families.write(small_model()), blocks)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_no_wrong_orientation_of_an_older_file_is_handed_on(kind: str) -> None:
    data = old_file(6)
    payload = dict(container.parse(data, families.FAMILIES).sections)[0x82]
    assert b"\x01\x12" in _block("EXIF", payload, DEFAULT_LIMITS)  # the test would be none without
    metadata = families.metadata_of(data)
    written = Image.open(io.BytesIO(save.to_file(inrcodec.decode(data), kind, metadata)))
    opened = Image.open(io.BytesIO(data))
    for image in (written, opened):
        image.load()
        assert image.getexif().get(0x0112, 1) == 1
        assert image.size == (7, 5)


@pytest.mark.parametrize("order", ["II", "MM"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_the_tag_is_taken_out_and_nothing_else(order: str, turn: int) -> None:
    exif = exif_of(turn)
    exif.endian = "<" if order == "II" else ">"
    exif[0x8769] = {0x9003: "2026:01:01 00:00:00"}
    block = exif.tobytes()
    upright = orientation.upright_exif(block)
    found, before = Image.Exif(), Image.Exif()
    found.load(upright)
    before.load(block)
    assert len(upright) == len(block) - len(orientation.EXIF_PREFIX)
    assert {**dict(found), 0x0112: turn} == dict(before)
    assert found.get_ifd(0x8769) == before.get_ifd(0x8769) != {}


def test_a_block_of_nothing_else_is_left_out() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert orientation.upright_exif(exif.tobytes()) == b""


TAGS = st.sampled_from([b"\x12\x01", b"\x01\x12", b"\x0f\x01"])
ENTRIES = st.lists(st.builds(bytes.__add__, TAGS, st.binary(min_size=10, max_size=10)), max_size=5).map(b"".join)
BLOCKS = st.builds(
    lambda order, count, entries, rest: order + count + entries + rest,
    st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"Exif\0\0II*\0\x08\0\0\0", b"II*\0\0\0\0\0"]),
    st.sampled_from([b"\0\0", b"\x02\0", b"\0\x02", b"\x03\0", b"\xff\xff"]),
    ENTRIES,
    st.binary(max_size=30),
)


@given(st.binary(max_size=40) | BLOCKS)
@example(b"II*\0\x08\0\0\0\x01\0\x12\x01")
def test_any_block_is_upright_at_once(block: bytes) -> None:
    upright = orientation.upright_exif(block)
    assert orientation.upright_exif(upright) == upright
    assert len(upright) in (0, len(block.removeprefix(orientation.EXIF_PREFIX)))


FORMS = ['tiff:Orientation="{}"', "tiff:Orientation = '{}'", "><tiff:Orientation>{}</tiff:Orientation><x",
         "><tiff:Orientation rdf:datatype='int'> {} </tiff:Orientation><x",
         'xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="{}"']  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("turn", [6, 8, 12])
def test_xmp_says_upright_by_whatever_form(form: str, turn: int) -> None:
    assert Metadata(xmp=xmp_of(turn, form)).xmp == xmp_of(1, form)


@given(st.lists(st.sampled_from(["tiff:Orientation", "=", '"', "6", ">", "<", " ", "/", "tiff:Orientation>8"])))
def test_no_xmp_asks_for_a_turn(parts: list[str]) -> None:
    metadata = Metadata(xmp="".join(parts).encode())
    assert turn_in(metadata) in (1, None)
    assert Metadata(xmp=metadata.xmp) == metadata


def test_metadata_of_any_making_is_upright() -> None:
    blocks = {"exif": exif_of(6).tobytes(), "xmp": xmp_of(6)}
    for metadata in (Metadata(**blocks), Metadata(icc=b"x", **blocks).only(KINDS)):
        assert turn_in(metadata) == 1
        assert b"maker" in metadata.exif
