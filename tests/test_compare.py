"""`inrcodec compare`: the numbers of the library, whatever kinds of files the two are."""

import json
from pathlib import Path

import numpy as np
import pytest

from inrcodec import cmd_compare, decoder, images, metrics, rasters
from tests.pictures import waves
from tests.test_cli import run


@pytest.fixture
def pair(workdir: Path) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures of 200x180, as a.png and b.ppm."""
    one = waves(180, 200)
    other = np.clip(one.astype(int) + np.random.default_rng(0).integers(-9, 10, one.shape), 0, 255).astype(np.uint8)
    Path("a.png").write_bytes(rasters.to_file(one, "PNG"))
    Path("b.ppm").write_bytes(rasters.to_file(other, "PPM"))
    return one, other


def test_the_numbers_are_those_of_the_library(
    pair: tuple[np.ndarray, np.ndarray], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("compare a.png b.ppm --json") == 0
    assert json.loads(capfd.readouterr().out) == {
        "a": "a.png", "b": "b.ppm", "width": 200, "height": 180, "psnr": round(metrics.psnr(*pair), 6),
        "ms_ssim": round(metrics.ms_ssim(*pair), 6), "most_apart": 9,
    }  # fmt: skip
    assert run("compare a.png b.ppm") == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == f"PSNR            {metrics.psnr(*pair):.2f} dB"
    assert lines[1] == f"MS-SSIM         {metrics.ms_ssim(*pair):.4f}"


def test_equal_and_small_pictures_have_their_own_words(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("compare photo.png photo.png") == 0
    assert capfd.readouterr().out.splitlines() == [
        "PSNR            infinite: they are equal", "MS-SSIM         needs 176 pixels", "most apart      0 codes of 255"
    ]  # fmt: skip
    assert run("compare photo.png photo.png --json") == 0
    numbers = json.loads(capfd.readouterr().out)
    assert (numbers["psnr"], numbers["ms_ssim"]) == (None, None)


@pytest.mark.parametrize("order", ["good.inr large.png", "large.png good.inr"])
def test_an_inr_file_is_drawn_at_the_size_of_the_other(
    workdir: Path, data: bytes, capfd: pytest.CaptureFixture[str], order: str
) -> None:
    drawn = decoder.decode(data, (50, 70))
    Path("large.png").write_bytes(rasters.to_file(drawn, "PNG"))
    assert run(f"compare {order} --json") == 0
    assert json.loads(capfd.readouterr().out)["most_apart"] == 0


def test_two_inr_files_are_drawn_at_the_size_of_the_first(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("compare good.inr good.inr --json") == 0
    numbers = json.loads(capfd.readouterr().out)
    assert (numbers["width"], numbers["height"], numbers["most_apart"]) == (7, 5, 0)


@pytest.mark.parametrize("other", [waves(16, 17), waves(16, 16, 1)[..., 0], waves(16, 16, 4)])
def test_pictures_of_other_shapes_are_refused(
    workdir: Path, capfd: pytest.CaptureFixture[str], other: np.ndarray
) -> None:
    Path("other.png").write_bytes(rasters.to_file(other, "PNG"))
    assert run("compare photo.png other.png") == 2
    assert "cannot be compared" in capfd.readouterr().err


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_side_by_side_shows_both_and_grey_where_they_are_equal(channels: int) -> None:
    picture = waves(8, 9, channels)
    sheet = cmd_compare.side_by_side(picture, picture)
    colours = picture[..., : 1 if channels < 3 else 3].squeeze()
    assert sheet.shape[:2] == (8, 3 * 9 + 2 * 8)
    assert np.array_equal(sheet[:, :9], colours)
    assert np.array_equal(sheet[:, 17:26], colours)
    assert (sheet[:, 34:] == 128).all()


def test_the_sheet_is_written(workdir: Path) -> None:
    assert run("compare photo.png photo.png -o sheet.png") == 0
    assert images.to_array("sheet.png").shape == (16, 3 * 16 + 2 * 8, 3)
