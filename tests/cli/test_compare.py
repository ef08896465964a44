"""`inrcodec compare`: the numbers of the library, whatever kinds of files the two are."""

import json
from pathlib import Path

import numpy as np
import pytest

from inrcodec import metrics
from inrcodec.cli import compare
from inrcodec.decoding import decoder
from inrcodec.pictures import save, sheets
from tests.cli.test_main import run
from tests.support.pictures import waves


@pytest.fixture
def pair(workdir: Path) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures of 200x180, as a.png and b.ppm."""
    one = waves(180, 200)
    other = np.clip(one.astype(int) + np.random.default_rng(0).integers(-9, 10, one.shape), 0, 255).astype(np.uint8)
    Path("a.png").write_bytes(save.to_file(one, "PNG"))
    Path("b.ppm").write_bytes(save.to_file(other, "PPM"))
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
    Path("large.png").write_bytes(save.to_file(drawn, "PNG"))
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
    Path("other.png").write_bytes(save.to_file(other, "PNG"))
    assert run("compare photo.png other.png") == 2
    assert "cannot be compared" in capfd.readouterr().err


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_side_by_side_are_both_and_their_differences_around_grey(channels: int) -> None:
    one = waves(8, 9, channels)
    other = one.copy()
    other[0, 0] = np.where(one[0, 0] < 128, one[0, 0] + 3, one[0, 0] - 3)
    panels = compare.side_by_side(one, other, ("a.png", "b.png"))
    assert [panel.caption[0] for panel in panels[:3]] == ["A: a.png", "B: b.png", "B - A, 8 times"]
    assert panels[1].caption[1] == f"PSNR {metrics.psnr(one, other):.2f} dB"
    assert np.array_equal(panels[0].codes, one)
    assert np.array_equal(panels[1].codes, other)
    apart = np.concatenate([panel.codes for panel in panels[2:]], axis=2)
    assert apart.shape == one.shape
    assert (np.abs(apart[0, 0].astype(int) - 128) == 24).all()
    assert (apart.reshape(-1, channels)[1:] == 128).all()
    assert len(panels) == (4 if channels % 2 == 0 else 3)


def places(page: np.ndarray, codes: np.ndarray) -> list[tuple[int, int]]:
    """Where on a sheet these pixels (H, W, 3) stand."""
    windows = np.lib.stride_tricks.sliding_window_view(page, codes.shape)[:, :, 0]
    return list(map(tuple, np.argwhere((windows == codes).all((2, 3, 4)))))


def test_a_sheet_holds_its_pictures_pixel_by_pixel_each_under_its_caption() -> None:
    one, other = waves(30, 20, 3), waves(25, 40, 3)[::-1].copy()
    page = sheets.sheet([sheets.Panel(one, ("one", "two lines")), sheets.Panel(other, ("i",))])
    ((top, left),) = places(page, one)
    ((other_top, other_left),) = places(page, other)
    assert top == other_top
    for start, end in ((left, other_left), (other_left, page.shape[1])):
        assert (page[:top, start:end] < 128).any()
    assert page.shape == (top + 30 + sheets.MARGIN, other_left + 40 + sheets.MARGIN, 3)
    assert (page[:, other_left - sheets.MARGIN : other_left] == 255).all()  # no caption reaches into another's column


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    small = waves(4, 4, 3)
    widths = [sheets.sheet([sheets.Panel(small, ("A" * length,))]).shape[1] for length in (48, 49, 4000)]
    assert max(widths) <= widths[0]


@pytest.mark.parametrize("channels", [2, 4])
def test_what_is_transparent_is_shown_over_squares(channels: int) -> None:
    codes = waves(20, 20, channels)
    codes[..., -1] = 255
    codes[:, :8, -1] = 0
    shown = sheets.over_squares(codes)
    assert np.array_equal(shown[:, 8:], np.broadcast_to(codes[:, 8:, :-1], (20, 12, 3)))
    assert [shown[row, 0].tolist() for row in (0, 8, 16)] == [[255] * 3, [204] * 3, [255] * 3]
    codes[..., -1] = 128
    half = sheets.over_squares(codes)[0, 0].astype(float)
    assert np.abs(half - (128 / 255 * codes[0, 0, :-1] + 127 / 255 * 255)).max() <= 0.5


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", ["png", "jpg", "npy"])
def test_the_sheet_is_written_whatever_the_pictures(workdir: Path, channels: int, suffix: str) -> None:
    Path("one.png").write_bytes(save.to_file(waves(16, 16, channels).squeeze(), "PNG"))
    assert run(f"compare one.png one.png -o sheet.{suffix}") == 0
    assert Path(f"sheet.{suffix}").stat().st_size > 100
