"""The README's picture says what is so: its numbers are those of its files, and nobody has more bytes than we."""

import json
import re

import numpy as np
import pytest
from PIL import ExifTags, Image

from inrcodec import metrics
from inrcodec.encoding.encoder import EncoderConfig, encode_with_report
from inrcodec.pictures.load import to_array
from tests.support.helpers import ROOT
from tests.support.pictures import waves
from tools.make import figure as make_figure

IMAGE = to_array(str(make_figure.PICTURE))
COLUMNS = make_figure.stored()
README = (ROOT / "README.md").read_text()


def test_our_column_is_that_of_the_file_beside_it() -> None:
    found = vars(make_figure.ours(make_figure.FILE.read_bytes(), IMAGE))
    assert found == vars(COLUMNS[-1]) | {"psnr": pytest.approx(COLUMNS[-1].psnr, abs=0.001)}


def test_what_the_readme_says_below_the_picture_is_what_the_picture_says() -> None:
    (caption,) = re.findall(r"^\*((?:(?!\n\n).)*make/figure\.py`)\*$", README, re.MULTILINE | re.DOTALL)
    for number in re.findall(r"[\d,.]+ (?:bytes|dB)", caption):
        assert number in make_figure.described(COLUMNS)


@pytest.mark.parametrize("column", COLUMNS[:-1], ids=lambda column: column.codec)
def test_a_rival_has_at_most_our_bytes_and_the_psnr_that_is_said(column: make_figure.Column) -> None:
    assert column.file_bytes <= COLUMNS[-1].file_bytes
    if json.loads(make_figure.NUMBERS.read_text())["versions"] != make_figure.versions():
        pytest.skip("the figure was made with other versions of the rivals' libraries")
    file_bytes, pixels = make_figure.decoded(column, IMAGE)
    assert file_bytes == column.file_bytes
    assert pixels.shape == (column.side, column.side, 3)
    assert make_figure.psnr_of(column, IMAGE) == pytest.approx(column.psnr, abs=0.001)


def test_the_picture_was_drawn_of_these_columns() -> None:
    with Image.open(make_figure.FIGURE) as figure:
        assert figure.getexif()[ExifTags.Base.ImageDescription] == make_figure.described(COLUMNS)
        shown = np.asarray(figure.convert("RGB"))
    drawn = np.asarray(make_figure.sheet(make_figure.pictures(COLUMNS, make_figure.FILE.read_bytes(), IMAGE)))
    assert shown.shape == drawn.shape
    assert metrics.psnr(drawn, shown) > 30


def test_the_tool_says_of_a_fresh_encode_what_its_report_says() -> None:
    image = waves(32, 32)
    encoded = encode_with_report(image, EncoderConfig(effort=1, size=300, device="cpu"))
    column = make_figure.ours(encoded.data, image)
    assert column.file_bytes == len(encoded.data)
    assert column.psnr == pytest.approx(encoded.psnr, abs=0.001)
    assert f"{len(encoded.data):,} bytes\n{encoded.psnr:.2f} dB" in column.caption()


def test_a_rival_without_a_file_so_small_gets_the_picture_reduced_and_its_caption_says_so() -> None:
    image = IMAGE[:64, 80:144]
    smallest = make_figure.baselines.curve("JPEG", image)[0].file_bytes
    whole, reduced = (make_figure.rival("JPEG", image, most) for most in (smallest, smallest - 1))
    assert whole.side == 64
    assert reduced.side < 64
    assert reduced.file_bytes < smallest
    assert f"JPEG of {reduced.side}x{reduced.side}, enlarged" in reduced.caption()
    with pytest.raises(SystemExit, match="no JPEG file of 9 bytes"):
        make_figure.rival("JPEG", image, 9)
