"""What the command line says of the pictures it is given, and how it takes them."""

import io
import shlex
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inrcodec
from inrcodec.decoding import decoder
from inrcodec.errors import LimitError
from inrcodec.pictures import save
from inrcodec.pictures.load import SUFFIXES, load_bytes, to_array
from tests.cli.test_main import run
from tests.support.helpers import ENVIRONMENT, contents, png_claiming
from tests.support.pictures import waves

ENCODE = "encode -e 1 --device cpu"


def flat_frames(kind: str = "GIF") -> bytes:
    """An animation of three frames of one colour, which take no time to encode."""
    frames, buffer = [Image.new("RGB", (4, 3), (90 * number, 0, 0)) for number in range(3)], io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def test_what_is_left_out_of_a_picture_is_said_once_on_stderr(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.gif").write_bytes(flat_frames())
    Path("deep.png").write_bytes(save.to_file(np.full((3, 4, 3), 40_000, np.uint16), "PNG"))
    assert run(f"{ENCODE} a.gif deep.png -o out") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[0] == (
        "inrcodec: a.gif: the first of 3 frames is taken: the option `frame` takes another, from 0 on"
    )
    assert said.err.count("inrcodec: deep.png: samples of more than 8 bits are rounded to 8\n") == 1
    assert run(f"{ENCODE} deep.png -o out --quiet -f") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_frame_takes_one_of_several(workdir: Path, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.gif").write_bytes(flat_frames())
    assert run(f"{ENCODE} a.gif --frame {number}") == 0
    assert "frames" not in capsys.readouterr().err
    np.testing.assert_allclose(decoder.decode(Path("a.inr").read_bytes())[0, 0], [90 * number, 0, 0], atol=1)


@pytest.mark.parametrize(("name", "number"), [("a.gif", 3), ("a.gif", -1), ("photo.png", 1)])
def test_a_frame_that_is_not_there_is_refused(
    workdir: Path, name: str, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.gif").write_bytes(flat_frames())
    count = 3 if name == "a.gif" else 1
    assert run(f"encode {name} --frame={number}") == 2
    assert capsys.readouterr().err == f"inrcodec: {name}: frame {number}: there are {count}, 0 .. {count - 1}\n"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_encode_writes_no_file_that_is_called_a_picture(
    workdir: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(workdir)
    assert run(f"encode photo.png -o new{suffix.upper()}") == 2
    assert capsys.readouterr().err == (
        f"inrcodec: new{suffix.upper()}: encode writes .inr files, decode pictures: use new.inr\n"
    )
    assert contents(workdir) == before


def test_a_folder_may_be_called_as_a_picture_is(workdir: Path) -> None:
    Path("a.gif").write_bytes(flat_frames())
    assert run(f"{ENCODE} a.gif -o directory.png") == 0
    assert Path("directory.png", "a.inr").exists()


@pytest.mark.parametrize(
    "command", ["encode good.png -o new.inr", "encode good.inr -o new.inr", "compare good.png photo.png"]
)
def test_an_inr_file_is_called_what_it_is(workdir: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.png").write_bytes(Path("good.inr").read_bytes())
    assert run(command) == 3
    assert "is an .inr file already: decode it to have a picture\n" in capsys.readouterr().err


def damaged_jpeg() -> bytes:
    """A picture whose Exif block Pillow warns of."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (1, 2, 3)).save(buffer, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    return buffer.getvalue()


def test_warnings_of_a_library_are_not_for_the_user(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.jpg").write_bytes(damaged_jpeg())
    assert run(f"{ENCODE} a.jpg") == 0
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert run("compare a.jpg a.inr --json") == 0
    assert capsys.readouterr().err == ""


def test_the_library_leaves_the_filters_of_warnings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the whole process's: whoever changes them in one thread changes them in all."""
    warnings.simplefilter("ignore")
    before = list(warnings.filters)
    for name in ("catch_warnings", "simplefilter", "filterwarnings", "resetwarnings"):
        monkeypatch.setattr(warnings, name, lambda *arguments, **options: pytest.fail("the filters are touched"))
    pictures = [damaged_jpeg(), flat_frames(), save.to_file(waves(8, 9), "PNG")] * 4
    threads = [threading.Thread(target=load_bytes, args=(data, "a")) for data in pictures]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_vast_picture_is_refused_alike_whatever_the_filters_say(action: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(action)  # type: ignore[arg-type]
        with pytest.raises(LimitError, match=r"a: the picture is .*over 89478485 pixels"):
            load_bytes(png_claiming(9460, 9460), "a")


def test_pictures_and_files_come_by_pipes(workdir: Path) -> None:
    Path("a.gif").write_bytes(flat_frames())
    tool = f"{shlex.quote(sys.executable)} -m inrcodec.cli"
    lines = f"{tool} {ENCODE} <(cat a.gif) -o new.inr --frame 2 && {tool} decode <(cat new.inr) -o new.png"
    process = subprocess.run(["bash", "-c", lines], capture_output=True, env=ENVIRONMENT, check=False)
    assert process.returncode == 0, process.stderr
    np.testing.assert_allclose(to_array("new.png")[0, 0], [180, 0, 0], atol=1)


def test_notes_reach_whoever_listens() -> None:
    said: list[str] = []
    picture = np.full((3, 4), 40_000, np.uint16)
    inrcodec.encode(picture, inrcodec.EncoderConfig(effort=1, device="cpu"), inrcodec.Monitor(note=said.append))
    assert said == ["samples of more than 8 bits are rounded to 8"]
