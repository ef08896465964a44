"""Files of every format version, kept for ever: a changed golden file is a new format version, never a new golden file.

`v0_small.inr` holds the small model; its picture was drawn by `spec_decoder.py`. The other files hold the same model by
the other coders, and are only read: libzstd may find other frames in its next release, and any frame is a right one.
Coder 4 holds it with its neurons sorted, which draw the same picture.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inrcodec import bitstream, decoder
from inrcodec.entropy import CODERS
from inrcodec.model import QuantizedModel
from tests import helpers, spec_decoder

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.inr"))


def picture() -> np.ndarray:
    with Image.open(GOLDEN / "v0_small.png") as image:
        return np.asarray(image).astype(int)


def test_there_is_a_golden_file_for_every_coder() -> None:
    assert {spec_decoder.read(path.read_bytes()).coder for path in FILES} == set(CODERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_file_holds_the_small_model(path: Path) -> None:
    data = path.read_bytes()
    assert helpers.same_model(bitstream.read(data), helpers.small_model_for(spec_decoder.read(data).coder))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_file_is_drawn_within_one_code_and_all_but_exactly(path: Path) -> None:
    apart = np.abs(decoder.decode(path.read_bytes()) - picture())
    assert apart.max() <= 1
    assert np.count_nonzero(apart) <= 1


def test_the_writer_makes_the_golden_bytes(model: QuantizedModel) -> None:
    """The model's symbols do not repeat, so the raw coder wins by 5 bytes and the file has no zstd frame in it: what is
    pinned here is this package's writer, not the zstd that it runs with.
    """
    golden = (GOLDEN / "v0_small.inr").read_bytes()
    assert spec_decoder.read(golden).coder == helpers.RAW
    assert bitstream.write(model) == golden


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_golden_picture_is_what_the_docstrings_say(path: Path) -> None:
    drawn = spec_decoder.picture(spec_decoder.read(path.read_bytes()))
    assert drawn == picture().reshape(-1).tolist()
