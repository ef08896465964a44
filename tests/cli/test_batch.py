"""Many files by one command: which go where, what goes on after a failure, and what the end says."""

import contextlib
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inrcodec import families, metrics
from inrcodec.cli import batch, decode
from inrcodec.cli.terminal import Interrupt
from inrcodec.decoding import decoder
from inrcodec.format.metadata import Metadata
from inrcodec.pictures import save
from inrcodec.pictures.load import to_array
from tests.cli.test_main import run
from tests.support.helpers import ENVIRONMENT, python
from tests.support.pictures import waves


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> Path:
    """A folder `in` with six good files, of which one lies deeper, and two bad ones; and what is to be left alone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("a", "b", "c", "d", "e", "deep/f"):
        (tmp_path / "in" / f"{name}.inr").write_bytes(data)
    (tmp_path / "in" / "cut.inr").write_bytes(data[:-1])
    (tmp_path / "in" / "text.INR").write_bytes(b"text")
    (tmp_path / "in" / "notes.txt").write_bytes(b"mine")
    (tmp_path / "in" / ".hidden.inr").write_bytes(data)
    return tmp_path


def listing(place: str) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in Path(place).rglob("*") if path.is_file())


def test_a_folder_goes_below_another_and_failures_do_not_end_it(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("decode in -o out") == 1
    assert listing("out") == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    lines = capfd.readouterr().err.splitlines()
    assert lines[-1] == "inrcodec: 5 of 7 done; 2 failed: in/cut.inr, in/text.INR"
    assert "inrcodec: in/cut.inr: the file has 105 bytes and says that it has 106" in lines
    assert "out/a.png: 7x5" in lines


def test_folders_within_are_entered_if_asked(folder: Path) -> None:
    assert run("decode in -r -o out") == 1
    assert listing("out") == ["a.png", "b.png", "c.png", "d.png", "deep/f.png", "e.png"]


def test_without_a_folder_to_go_to_outputs_lie_beside_their_inputs(folder: Path) -> None:
    assert run("decode in/a.inr in/deep --format ppm") == 0
    assert Path("in/a.ppm").exists()
    assert Path("in/deep/f.ppm").exists()


def test_an_existing_folder_takes_a_single_file(folder: Path) -> None:
    Path("out").mkdir()
    assert run("decode in/a.inr -o out") == 0
    assert listing("out") == ["a.png"]


def test_a_file_that_is_named_twice_is_done_once(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("decode in/a.inr in/a.inr in/b.inr -o out") == 0
    assert capfd.readouterr().err.splitlines()[-1] == "inrcodec: 2 of 2 done"


def test_two_inputs_never_share_an_output(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copy("in/a.inr", "a.inr")
    assert run("decode a.inr in/a.inr -o other") == 1
    assert "inrcodec: other/a.png: is already the output of a.inr" in capfd.readouterr().err


def test_each_shard_takes_its_part_and_together_they_take_all(folder: Path) -> None:
    parts = []
    for shard in (1, 2, 3):
        assert run(f"decode in/a.inr in/b.inr in/c.inr in/d.inr in/e.inr -o out{shard} --shard {shard}/3") == 0
        parts.append(listing(f"out{shard}"))
    assert parts == [["a.png", "d.png"], ["b.png", "e.png"], ["c.png"]]


def test_what_exists_is_passed_over_if_asked(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    Path("out/a.png").write_bytes(b"mine")
    assert run("decode in/a.inr in/b.inr -o out --skip-existing") == 0
    assert Path("out/a.png").read_bytes() == b"mine"
    assert capfd.readouterr().err.splitlines() == [
        "inrcodec: 1 of 2 exist and are passed over", "out/b.png: 7x5", "inrcodec: 1 of 1 done"
    ]  # fmt: skip
    assert run("decode in/a.inr in/b.inr -o out") == 1
    assert run("decode in/a.inr -o out --skip-existing") == 0


def test_quiet_says_what_failed_and_nothing_else(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("decode in/a.inr in/b.inr -o out --quiet") == 0
    assert capfd.readouterr() == ("", "")
    assert run("decode in/c.inr in/cut.inr -o out --quiet") == 1
    assert capfd.readouterr().err.splitlines() == [
        "inrcodec: in/cut.inr: the file has 105 bytes and says that it has 106",
        "inrcodec: 1 of 2 done; 1 failed: in/cut.inr",
    ]


def test_json_is_one_object_for_each_input(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("decode in -o out --json") == 1
    objects = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert len(objects) == 7
    assert {"input": "in/a.inr", "output": "out/a.png", "width": 7, "height": 5} in objects
    (cut,) = [item for item in objects if item["input"] == "in/cut.inr"]
    assert (cut["kind"], cut["exit_code"]) == ("TruncatedError", 3)
    assert run("decode in/cut.inr --json") == 3
    assert json.loads(capfd.readouterr().out)["kind"] == "TruncatedError"


def test_several_processes_make_the_same_files(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("decode in -r -o one") == 1
    capfd.readouterr()
    assert run("decode in -r -o two -j 2") == 1
    assert listing("one") == listing("two")
    assert all(Path("one", name).read_bytes() == Path("two", name).read_bytes() for name in listing("one"))
    assert capfd.readouterr().err.splitlines()[-1].startswith("inrcodec: 6 of 8 done; 2 failed: ")


def test_a_folder_of_pictures_is_encoded_but_for_the_broken_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(5):
        Path(f"in/{number}.png").write_bytes(save.to_file(waves(8, 9, seed=number), "PNG"))
    Path("in/broken.jpg").write_bytes(b"broken")
    assert run("encode in -o out -e 1 -j 2 --json") == 1
    assert listing("out") == [f"{number}.inr" for number in range(5)]
    out, err = capfd.readouterr()
    assert err.splitlines()[-1] == "inrcodec: 5 of 6 done; 1 failed: in/broken.jpg"
    for item in map(json.loads, out.splitlines()):
        if "error" not in item:
            data, original = Path(item["output"]).read_bytes(), to_array(item["input"])
            assert (item["bytes"], item["target_met"]) == (len(data), True)
            assert item["psnr"] == round(metrics.psnr(original, decoder.decode(data)), 3)


def test_ctrl_c_ends_a_batch_after_what_has_begun(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = decode.Decode.__call__

    def interrupted(
        work: decode.Decode, task: batch.Task, interrupt: Interrupt, before: str | None = ""
    ) -> batch.Outcome:
        if task.source == "in/b.inr":
            signal.raise_signal(signal.SIGINT)
        return whole(work, task, interrupt, before)

    monkeypatch.setattr(decode.Decode, "__call__", interrupted)
    assert run("decode in/a.inr in/b.inr in/c.inr -o out") == 130
    assert capfd.readouterr().err.splitlines()[-1] == "inrcodec: 2 of 3 done; stopped, 1 left"
    assert listing("out") == ["a.png", "b.png"]


@pytest.mark.parametrize(("jobs", "shown"), [(1, [b"[2/2] fit"]), (2, [b"1/2 done", b"2/2 done"])])
def test_on_a_terminal_there_is_one_progress_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, shown: list[bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        Path(f"{name}.png").write_bytes(save.to_file(waves(8, 9), "PNG"))
    screen, stderr = pty.openpty()
    command = [sys.executable, "-m", "inrcodec.cli", "encode", "a.png", "b.png", "-e", "1", "-j", str(jobs)]
    process = subprocess.Popen(command, stderr=stderr, env=ENVIRONMENT)
    os.close(stderr)
    seen = b""
    with contextlib.suppress(OSError):  # Linux's way to say that the process has closed its end
        while piece := os.read(screen, 1 << 16):
            seen += piece
    os.close(screen)
    assert process.wait() == 0
    assert all(text in seen for text in shown)
    assert (b"fit " in seen) == (jobs == 1)
    assert b"2 of 2 done" in seen


def test_info_and_verify_take_many_files(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("info in --json") == 1
    out, err = capfd.readouterr()
    assert [json.loads(line).get("weights") for line in out.splitlines()].count(71) == 5
    assert err.splitlines()[-1] == "inrcodec: 5 of 7 done; 2 failed: in/cut.inr, in/text.INR"
    assert run("verify in/a.inr in/b.inr --json") == 0
    assert [json.loads(line)["differing"] for line in capfd.readouterr().out.splitlines()] == [0, 0]
    assert run("info in/a.inr in/b.inr") == 0
    assert capfd.readouterr().out.count("SIREN 2-6-5-3") == 2


@pytest.mark.parametrize("name", ["new\nline", "-leading", "\x1b[31m", os.fsdecode(b"\xff\xfe"), "x" * 200])
def test_any_name_in_a_folder_is_a_file_like_others(
    tmp_path: Path, data: bytes, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    for other in (name, "b"):
        (tmp_path / f"{other}.inr").write_bytes(data)
    assert run(f"decode {tmp_path} --json") == 0
    assert (tmp_path / f"{name}.png").exists()
    out, err = capfd.readouterr()
    assert out.isascii()
    assert len(err.splitlines()) == 3


def test_a_folder_that_cannot_be_listed_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert run("info in") == 3


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("suffix", ["png", "ppm", "tiff", "npy"])
def test_decode_writes_the_depth_and_the_format_that_are_asked_for(folder: Path, suffix: str, depth: int) -> None:
    assert run(f"decode in/a.inr -o out.dat --format {suffix} --depth {depth}") == 0
    data = Path("out.dat").read_bytes()
    drawn = decoder.decode(Path("in/a.inr").read_bytes(), depth=depth)
    assert data == save.to_file(drawn, suffix.upper())
    if suffix == "npy":
        assert np.load(io.BytesIO(data)).dtype == (np.uint8 if depth == 8 else np.uint16)


def test_metadata_comes_back_with_the_picture_unless_it_is_left_out(folder: Path, data: bytes) -> None:
    profile = bytes(16) + b"RGB " + bytes(100)
    Path("a.inr").write_bytes(families.with_metadata(data, Metadata(icc=profile)))
    assert run("decode a.inr -o with.png") == 0
    assert run("decode a.inr -o without.png --metadata none") == 0
    with Image.open("with.png") as one, Image.open("without.png") as other:
        assert one.info["icc_profile"] == profile
        assert "icc_profile" not in other.info


def test_the_encoder_keeps_what_the_command_line_asks_for(folder: Path) -> None:
    profile, exif = bytes(16) + b"RGB " + bytes(100), b"II*\0\x08\0\0\0\0\0\0\0\0\0"
    Image.fromarray(waves(8, 9)).save("photo.png", icc_profile=profile, exif=exif)
    found = []
    for kinds in ("none", "icc", "icc,exif"):
        assert run(f"encode photo.png -e 1 -o out.inr --force --metadata {kinds}") == 0
        found.append(families.metadata_of(Path("out.inr").read_bytes()))
    assert found == [Metadata(), Metadata(icc=profile), Metadata(icc=profile, exif=exif)]


def test_a_batch_ends_with_the_process_that_runs_it(folder: Path) -> None:
    process = python("-m", "inrcodec.cli", "decode", "in", "-o", "out", "-j", "2")
    assert process.returncode == 1
    assert process.stderr.count(b"out/") == 5


def test_a_picture_that_is_there_already_does_not_stop_the_others(folder: Path) -> None:
    Path("out").mkdir()
    Path("out/a.png").write_bytes(b"mine")
    assert run("decode in/a.inr in/b.inr -o out") == 1
    assert listing("out") == ["a.png", "b.png"]
    assert Path("out/a.png").read_bytes() == b"mine"
