"""Pictures from outside: what each kind becomes, and what is refused."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inrcodec.errors import InputImageError, LimitError
from inrcodec.pictures.load import to_array
from tests.support.helpers import png_claiming
from tests.support.pictures import waves


def pil(mode: str, colour: object, **info: object) -> Image.Image:
    image = Image.new(mode, (3, 2), colour)  # type: ignore[arg-type]
    image.info.update(info)
    return image


def palette(**info: object) -> Image.Image:
    image = pil("P", 1, **info)
    image.putpalette([0, 0, 0, 10, 20, 30])
    return image


MODES = [
    pytest.param(pil("1", 1), [255], id="1"),
    pytest.param(pil("L", 7), [7], id="L"),
    pytest.param(pil("I;16", 0), [0], id="I;16 black"),
    pytest.param(pil("I;16", 65535), [255], id="I;16 white"),
    pytest.param(pil("I;16", 257 * 100 + 128), [100], id="I;16 rounds down"),
    pytest.param(pil("I;16", 257 * 100 + 129), [101], id="I;16 rounds up"),
    pytest.param(pil("I;16B", 257 * 100), [100], id="I;16B"),
    pytest.param(pil("RGB", (1, 2, 3)), [1, 2, 3], id="RGB"),
    pytest.param(palette(), [10, 20, 30], id="P"),
    pytest.param(pil("CMYK", (0, 255, 0, 0)), [255, 0, 255], id="CMYK"),
    pytest.param(pil("YCbCr", (90, 128, 128)), [90, 90, 90], id="YCbCr"),
    pytest.param(pil("HSV", (0, 0, 60)), [60, 60, 60], id="HSV"),
    pytest.param(pil("RGBA", (1, 2, 3, 4)), [1, 2, 3, 4], id="RGBA"),
    pytest.param(pil("LA", (9, 40)), [9, 40], id="LA"),
    pytest.param(pil("LA", (60, 255)).convert("La"), [60, 255], id="La"),
    pytest.param(pil("RGBA", (60, 0, 0, 255)).convert("RGBa"), [60, 0, 0, 255], id="RGBa"),
    pytest.param(palette().convert("PA"), [10, 20, 30, 255], id="PA"),
    pytest.param(palette(transparency=1), [10, 20, 30, 0], id="P with a transparent colour"),
    pytest.param(palette(transparency=b"\0\x50"), [10, 20, 30, 0x50], id="P with alphas"),
    pytest.param(pil("L", 7, transparency=7), [7, 0], id="L with a transparent grey"),
    pytest.param(pil("RGB", (1, 2, 3), transparency=(1, 2, 3)), [1, 2, 3, 0], id="RGB with a transparent colour"),
    pytest.param(pil("RGB", (1, 2, 3), transparency=(3, 2, 1)), [1, 2, 3, 255], id="RGB with another colour"),
]


@pytest.mark.parametrize(("image", "colour"), MODES)
def test_a_mode_becomes_what_its_pixels_can_hold(image: Image.Image, colour: list[int]) -> None:
    codes = to_array(image)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, np.broadcast_to(colour, (2, 3, len(colour))))


def test_lab_becomes_rgb() -> None:
    np.testing.assert_allclose(to_array(pil("LAB", (255, 128, 128))), np.full((2, 3, 3), 255), atol=2)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_modes_are_refused(mode: str) -> None:
    with pytest.raises(InputImageError, match=f"mode {mode}"):
        to_array(pil(mode, 0))


UPRIGHT = waves(2, 3)
ORIENTED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT, -1),
    7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(UPRIGHT),
}


@pytest.mark.parametrize("orientation", ORIENTED)
def test_an_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(UPRIGHT).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(to_array(tmp_path / "a.png"), ORIENTED[orientation])


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 3, 2), (2, 3, 3), (2, 3, 4), (1, 1), (1, 9, 3)])
def test_an_array_is_copied_with_channels_last(shape: tuple[int, ...]) -> None:
    given = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    taken = to_array(given)
    assert taken.shape == (*shape, 1)[:3]
    np.testing.assert_array_equal(taken.reshape(shape), given)
    assert not np.shares_memory(taken, given)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.int64, bool, object])
def test_an_array_of_another_dtype_is_refused(dtype: type) -> None:
    with pytest.raises(InputImageError, match="dtype"):
        to_array(np.zeros((2, 3, 3), dtype))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 0), (2, 3, 5), (1, 2, 3, 3), (0, 3, 3), (2, 0), (0, 0, 1)])
def test_an_array_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputImageError, match="shape"):
        to_array(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("size", [(0, 2), (2, 0)])
def test_an_empty_pil_image_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputImageError):
        to_array(Image.new("RGB", size))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_become_the_nearest_of_8(channels: int) -> None:
    codes = np.arange(0, 65536, 7, dtype=np.uint16)[: 9360 // 12 * 12].reshape(1, -1, channels)
    taken = to_array(codes)
    assert taken.dtype == np.uint8
    assert np.abs(taken * 257.0 - codes).max() <= 128


@pytest.mark.filterwarnings("ignore")  # Pillow warns, and what comes of that is its caller's choice
@pytest.mark.parametrize("exif", [b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"garbage" * 99, bytes(1000)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_damaged_exif_block_does_not_refuse_a_picture(tmp_path: Path, kind: str, exif: bytes) -> None:
    Image.fromarray(UPRIGHT).save(tmp_path / "a", kind, exif=b"Exif\0\0" + exif)
    assert to_array(tmp_path / "a").shape == UPRIGHT.shape


def test_an_array_over_the_limit_is_refused_before_it_is_copied() -> None:
    vast: NDArray[np.uint8] = np.broadcast_to(np.uint8(0), (9460, 9460))
    with pytest.raises(LimitError, match="9460x9460"):
        to_array(vast)


PHOTO = waves(40, 50)


def encoded(kind: str, image: NDArray[np.uint8] = PHOTO) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


UNREADABLE = {
    "empty": b"",
    "text": b"not a picture",
    "cut png": encoded("PNG")[:-2000],
    "cut in the header": encoded("PNG")[:20],
    "cut jpeg": encoded("JPEG")[:-500],
    "cut webp": encoded("WEBP")[:-500],
    "damaged png": encoded("PNG").replace(b"IDAT", b"IDAT\xff", 1),
    "no pixels": png_claiming(5, 5),
}
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 5\n%%EndComments\n"


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_file_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad.png").write_bytes(data)
    with pytest.raises(InputImageError, match=r"bad\.png: not a readable picture"):
        to_array(tmp_path / "bad.png")


def test_a_format_that_runs_other_programs_is_not_even_tried(tmp_path: Path) -> None:
    (tmp_path / "program.png").write_bytes(EPS)
    with Image.open(tmp_path / "program.png") as image:
        assert image.format == "EPS"
    with pytest.raises(InputImageError, match="cannot identify"):
        to_array(tmp_path / "program.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_pil_image_is_refused(kind: str) -> None:
    with pytest.raises(InputImageError, match="not a readable picture"):
        to_array(Image.open(io.BytesIO(encoded(kind)[:-200])))


def test_a_truncated_png_is_refused_unless_no_pixel_is_missing(tmp_path: Path) -> None:
    picture = waves(5, 6)
    data = encoded("PNG", picture)
    for length in range(len(data)):
        (tmp_path / "cut.png").write_bytes(data[:length])
        with contextlib.suppress(InputImageError):
            np.testing.assert_array_equal(to_array(tmp_path / "cut.png"), picture)
            assert length > data.index(b"IEND") - 16


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (13_000, 13_000), (9460, 9460)])
def test_a_picture_over_the_limit_is_refused_unread(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "vast.png").write_bytes(png_claiming(*size))
    with pytest.raises(LimitError, match=r"vast\.png: .*89478485 pixels"):
        to_array(tmp_path / "vast.png")


@pytest.mark.parametrize("name", ["missing.png", ".", "missing/a.png"])
def test_what_is_not_a_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputImageError, match=f"^{tmp_path / name}: "):
        to_array(tmp_path / name)


def test_a_side_too_long_for_the_decoder_is_refused() -> None:
    with pytest.raises(LimitError, match="on a side"):
        to_array(np.zeros((1, 131_073), np.uint8))
