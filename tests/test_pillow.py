"""Pillow's own verbs on .inr files: open lazily, draft and thumbnail small, save with options, fail as others do."""

import copy
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, UnidentifiedImageError

import inrcodec
from inrcodec import families
from inrcodec.decoding import decoder
from inrcodec.families import StoredPicture
from inrcodec.families.siren.network import InitConfig, SirenArch, init, q_step, q_step_code
from inrcodec.families.siren.stored import SirenNetwork
from inrcodec.format.metadata import Metadata
from inrcodec.pictures.load import to_array
from tests.support.helpers import ROOT, header, python, seal
from tests.support.helpers import siren as siren_section
from tests.support.pictures import waves

inrcodec.register_pillow()


def picture(height: int, width: int, channels: int = 3) -> bytes:
    """The file of a smooth picture of any size."""
    arch, code = SirenArch((12, 10), channels), q_step_code(1 / 64)
    params = init(arch, 0, InitConfig(w_max=8))
    symbols = tuple(np.rint(p / q_step(code)).astype(np.int32) for p in params)
    return families.write(
        StoredPicture(SirenNetwork(arch, symbols, (code,) * len(symbols)), height, width, f32_safe=True)
    )


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def pickle_copy(image: Image.Image) -> Image.Image:
    other: Image.Image = pickle.loads(pickle.dumps(image))
    return other


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_open_shows_what_decode_draws(channels: int, mode: str) -> None:
    data = picture(9, 7, channels)
    image = opened(data)
    assert (image.format, image.mode, image.size, image.get_format_mimetype()) == ("INR", mode, (7, 9), "image/x-inr")
    assert np.array_equal(np.asarray(image), decoder.decode(data))
    assert image.convert("RGB").getpixel((0, 0)) is not None


def test_open_draws_nothing_until_pixels_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []
    monkeypatch.setattr(decoder, "open_bytes", lambda *arguments: drawn.append(arguments) or 1 / 0)
    image = opened(picture(9, 7))
    assert image.size == (7, 9)
    assert drawn == []
    with pytest.raises(ZeroDivisionError):
        image.load()


def test_a_file_is_closed_after_its_pixels_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "a.inr").write_bytes(picture(5, 6))
    image = Image.open(tmp_path / "a.inr")
    image.load()
    image.load()
    assert image.fp is None
    with Image.open(tmp_path / "a.inr") as other:
        assert other.size == (6, 5)


def ends_of_draw(image: Image.Image) -> np.ndarray:
    """Draws on an image in all the ways there are, through handles taken before and after."""
    pixels = image.load()
    pen = ImageDraw.Draw(image)
    whole = 255 if image.mode == "L" else (255,) * len(image.mode)
    assert pixels is not None
    pixels[0, 0] = whole
    pen.point((1, 0), fill=whole)
    image.putpixel((2, 0), whole)
    image.paste(whole, (3, 0, 4, 1))
    pixels[4, 0] = whole
    return np.asarray(image)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["INR", "PNG"])
def test_an_opened_image_may_be_drawn_on_as_those_of_other_formats(kind: str, channels: int) -> None:
    data, buffer = picture(9, 7, channels), io.BytesIO()
    opened(data).save(buffer, "PNG")
    image = opened(data if kind == "INR" else buffer.getvalue())
    image.load()
    assert not image.readonly
    drawn = ends_of_draw(image)
    np.testing.assert_array_equal(drawn[0, :5], 255)
    np.testing.assert_array_equal(drawn[1:], decoder.decode(data)[1:])


@pytest.mark.parametrize("copied", [pickle_copy, copy.copy, copy.deepcopy, lambda image: image.copy()])
@pytest.mark.parametrize("loaded", [True, False])
def test_an_opened_image_is_copied(copied: Callable[[Image.Image], Image.Image], loaded: bool) -> None:
    image = opened(picture(9, 7))
    if loaded:
        image.load()
    other = copied(image)
    assert (other.size, other.mode, other.info) == (image.size, image.mode, image.info)
    np.testing.assert_array_equal(np.asarray(other), np.asarray(image))
    ends_of_draw(other)
    assert not np.array_equal(np.asarray(other), np.asarray(image))


def test_an_opened_image_has_one_frame() -> None:
    image = opened(picture(9, 7))
    image.seek(0)
    assert image.tell() == 0
    with pytest.raises(EOFError):
        image.seek(1)


def test_verify_reads_the_whole_file_and_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "open_bytes", lambda *arguments: 1 / 0)
    opened(picture(9, 7)).verify()
    damaged = seal(header() + siren_section(weights=b"\x01\x05"))
    with pytest.raises(OSError, match="weights"):
        opened(damaged).verify()


@pytest.mark.parametrize(
    ("native", "asked", "drawn"),
    [((400, 300), (100, 75), (100, 75)), ((400, 300), (100, 10), (100, 75)), ((400, 300), (10, 75), (100, 75)),
     ((300, 400), (33, 40), (33, 44)), ((400, 300), (399, 1), (399, 299)), ((999, 1), (10, 1), (999, 1)),
     ((400, 300), (400, 300), (400, 300)), ((400, 300), (800, 600), (400, 300)), ((400, 300), (800, 10), (400, 300))],
)  # fmt: skip
def test_draft_draws_at_the_least_size_that_covers_what_is_asked_for(
    native: tuple[int, int], asked: tuple[int, int], drawn: tuple[int, int]
) -> None:
    image = opened(picture(native[1], native[0]))
    image.draft("RGB", asked)
    assert image.size == drawn
    assert np.asarray(image).shape == (drawn[1], drawn[0], 3)


def test_draft_after_the_pixels_are_drawn_changes_nothing() -> None:
    image = opened(picture(40, 40))
    image.load()
    assert image.draft("RGB", (4, 4)) is None
    assert image.size == (40, 40)


def test_a_thumbnail_is_near_the_reduced_picture() -> None:
    data = picture(512, 384)
    image, whole = opened(data), Image.fromarray(decoder.decode(data))
    image.thumbnail((64, 64))
    whole.thumbnail((64, 64), Image.Resampling.LANCZOS)
    assert image.size == whole.size
    assert np.abs(np.asarray(image).astype(int) - np.asarray(whole)).max() <= 3


@given(st.tuples(*[st.integers(1, 300)] * 2), st.tuples(*[st.floats(1, 320)] * 2))
@example((300, 1), (20, 20))
@example((3, 2), (2, 2))
def test_a_thumbnail_has_the_size_that_pillow_gives_it(native: tuple[int, int], asked: tuple[float, float]) -> None:
    image, other = opened(picture(native[1], native[0])), Image.new("L", native)
    image.thumbnail(asked)
    other.thumbnail(asked)
    assert image.size == other.size
    assert np.asarray(image).shape[:2] == other.size[::-1]


def test_a_thumbnail_of_what_is_drawn_already_is_pillows() -> None:
    image, whole = opened(picture(40, 60)), Image.fromarray(decoder.decode(picture(40, 60)))
    image.load()
    image.thumbnail((10, 10))
    whole.thumbnail((10, 10))
    np.testing.assert_array_equal(np.asarray(image), np.asarray(whole))


def test_a_thumbnail_evaluates_a_small_part_of_the_points(monkeypatch: pytest.MonkeyPatch) -> None:
    points: list[int] = []
    whole = decoder._finite
    monkeypatch.setattr(decoder, "_finite", lambda values: points.append(len(values)) or whole(values))
    opened(picture(4096, 4096)).thumbnail((128, 128))
    assert 128 * 128 <= 50 * sum(points) < 4096 * 4096


def test_save_takes_the_options_of_the_encoder() -> None:
    image, buffer = waves(12, 10), io.BytesIO()
    Image.fromarray(image).save(buffer, "INR", quality=20, effort=1, device="cpu", optimize=True)
    config = inrcodec.EncoderConfig(quality=20, effort=1, device="cpu")
    assert buffer.getvalue() == inrcodec.encode(image, config)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_save_takes_every_mode_that_the_encoder_takes(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(waves(6, 5, 1)[..., 0])
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    image.save(tmp_path / "a.inr", effort=1)
    with Image.open(tmp_path / "a.inr") as back:
        assert back.size == (5, 6)
        assert len(back.getbands()) == to_array(image).shape[2]


def test_metadata_goes_through_pillow() -> None:
    profile, xmp, buffer = bytes(16) + b"RGB " + bytes(99), b"<x:xmpmeta/>", io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "maker"
    Image.fromarray(waves(6, 5)).save(buffer, "INR", effort=1, icc_profile=profile, exif=exif, xmp=xmp)
    back = opened(buffer.getvalue())
    assert (back.info["icc_profile"], back.info["xmp"]) == (profile, xmp)
    assert dict(back.getexif()) == {0x010F: "maker"}
    again = io.BytesIO()
    back.save(again, "INR", effort=1)
    assert inrcodec.metadata_of(again.getvalue()) == Metadata(icc=profile)


def test_damaged_metadata_spoils_no_picture() -> None:
    data = (ROOT / "tests" / "golden" / "metadata" / "form_2.inr").read_bytes()
    image = opened(data)
    assert np.array_equal(np.asarray(image), decoder.decode(data))
    assert "icc_profile" not in image.info


@pytest.mark.parametrize("at", [0, 5, 30, -1])
def test_a_damaged_file_is_an_oserror(at: int) -> None:
    data = bytearray(picture(5, 7))
    data[at] ^= 0x55
    with pytest.raises(UnidentifiedImageError if at == 0 else OSError):
        opened(bytes(data))


def test_every_prefix_is_an_oserror() -> None:
    data = picture(5, 7)
    for length in range(len(data)):
        with pytest.raises(OSError, match=r"."):
            opened(data[:length])


@pytest.mark.parametrize(("size", "error"), [((20_000, 20_000), Image.DecompressionBombError), ((131_073, 1), OSError)])
def test_pillows_check_for_bombs_applies_and_ours(size: tuple[int, int], error: type[Exception]) -> None:
    with pytest.raises(error):
        opened(seal(header(*size) + siren_section()))


def test_pillow_warns_of_a_large_picture() -> None:
    with pytest.warns(Image.DecompressionBombWarning):
        opened(seal(header(9500, 9500) + siren_section()))


def test_a_wrong_option_of_save_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="effort: 99"):
        Image.fromarray(waves(6, 5)).save(tmp_path / "a.inr", effort=99)


def test_imageio_reads_and_writes_through_it(tmp_path: Path) -> None:
    imageio.imwrite(tmp_path / "a.inr", waves(6, 5), effort=1)
    data = (tmp_path / "a.inr").read_bytes()
    assert np.array_equal(imageio.imread(tmp_path / "a.inr"), decoder.decode(data))


@pytest.mark.parametrize("way", ["import inrcodec; inrcodec.register_pillow()", "import inrcodec.pillow_plugin"])
def test_registering_is_asked_for_and_opening_loads_no_torch(way: str) -> None:
    program = f"""
import io, sys
from PIL import Image
data = {picture(5, 7)!r}
import inrcodec
try:
    Image.open(io.BytesIO(data))
except OSError:
    print("unknown")
{way}
{way}
image = Image.open(io.BytesIO(data))
image.thumbnail((3, 3))
print(image.size, "torch" in sys.modules)
"""
    process = python("-c", program)
    assert (process.stdout, process.stderr) == (b"unknown\n(3, 2) False\n", b"")
