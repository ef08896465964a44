"""A fleet: every picture once, whoever dies, from and to anything that fsspec opens."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import fleet_trial
import fsspec
import pytest

from inrcodec import decoder, fleet, images, metrics, rasters
from inrcodec.config import EncoderConfig
from inrcodec.errors import InputImageError, RequestError
from inrcodec.fleet import Picture
from tests.pictures import waves
from tests.test_cli import run

FAST = EncoderConfig(effort=1, device="cpu")
PICTURES = 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `in` with two pictures, one deeper, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.png", "deep/b.png")):
        (tmp_path / "in" / name).write_bytes(rasters.to_file(waves(8, 9, seed=number), "PNG"))
    (tmp_path / "in" / "notes.txt").write_text("mine")
    return tmp_path


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    """An object store that lives in memory."""
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


def lines_of(manifest: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in manifest.read_text().splitlines()]


def test_a_folder_is_found_with_all_that_is_in_it(folder: Path) -> None:
    found = fleet.find(["in"], "out")
    assert [picture.output for picture in found] == ["out/a.inr", "out/deep/b.inr"]
    assert [images.to_array(p.source.removeprefix("file://")).shape for p in found] == [(8, 9, 3)] * 2


def test_a_store_is_found_and_written_like_a_folder(store: fsspec.AbstractFileSystem) -> None:
    store.pipe_file("/in/x/a.png", rasters.to_file(waves(8, 9), "PNG"))
    (picture,) = fleet.find(["memory://in"], "memory://out")
    assert picture == Picture("memory:///in/x/a.png", "memory://out/x/a.inr")
    facts = fleet.encode_one(picture, FAST)
    data = store.cat_file("/out/x/a.inr")
    assert (facts["bytes"], facts["width"], facts["height"]) == (len(data), 9, 8)
    assert facts["psnr"] == round(metrics.psnr(waves(8, 9), decoder.decode(data)), 3)


def test_a_file_that_is_there_is_not_made_again(folder: Path) -> None:
    picture = Picture("in/a.png", "out/a.inr")
    first = fleet.encode_one(picture, FAST)
    stamp = os.stat("out/a.inr").st_mtime_ns
    second = fleet.encode_one(picture, FAST)
    assert os.stat("out/a.inr").st_mtime_ns == stamp
    assert first["seconds"] > 0
    assert {**second, "seconds": 0} == {**first, "seconds": 0}
    assert second["seconds"] is None


def test_a_file_that_was_cut_short_is_made_again(folder: Path) -> None:
    picture = Picture("in/a.png", "out/a.inr")
    fleet.encode_one(picture, FAST)
    whole = Path("out/a.inr").read_bytes()
    Path("out/a.inr").write_bytes(whole[:-3])
    assert fleet.encode_one(picture, FAST)["seconds"] is not None
    assert Path("out/a.inr").read_bytes() == whole


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("in/missing.png", "InputImageError"),
        ("in/notes.txt", "InputImageError"),
        ("memory://no/a.png", "InputImageError"),
    ],
)
def test_a_failure_is_a_line_of_the_manifest(folder: Path, source: str, kind: str) -> None:
    facts = fleet.encode_one(Picture(source, "out/a.inr"), FAST)
    assert facts["kind"] == kind
    assert str(facts["error"]).startswith(source)
    assert not Path("out/a.inr").exists()


def test_two_pictures_never_share_an_output(folder: Path) -> None:
    Path("in/a.jpg").write_bytes(rasters.to_file(waves(8, 9), "JPEG"))
    with pytest.raises(RequestError, match=r"a\.png: would have the output of .*a\.jpg"):
        fleet.find(["in"], "out")


def test_a_source_of_an_unknown_kind_is_named() -> None:
    with pytest.raises(InputImageError, match="nosuch://bucket/key"):
        fleet.find(["nosuch://bucket/key"], "out")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"source": "in/c.png", "error": "x"}', "null", '"text"'])
def test_lines_of_the_manifest_that_say_nothing_are_dropped(tmp_path: Path, damage: str) -> None:
    good = {"source": "in/a.png", "bytes": 5}
    (tmp_path / "m").write_text(json.dumps(good) + "\n" + damage)
    assert fleet._finished_earlier(tmp_path / "m") == [good]
    with fleet._appending(tmp_path / "m", [good]) as append:
        append({"source": "in/b.png"})
    assert [line["source"] for line in lines_of(tmp_path / "m")] == ["in/a.png", "in/b.png"]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ("fleet in", 2, "--output"),
        ("fleet in -o out --workers 0", 2, "--workers 0"),
        ("fleet in -o memory://out", 2, "--manifest FILE"),
        ("fleet in -o out -e 77", 2, "effort: 77"),
        ("fleet in/notes.png -o out --workers 1 --scheduler tcp://127.0.0.1:1", 2, "--workers 1"),
        ("fleet nosuch://in -o out", 3, "nosuch://in"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: str, code: int, complaint: str
) -> None:
    assert run(arguments) == code
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert complaint in err


def test_of_two_workers_one_is_killed_and_every_picture_is_encoded_once(tmp_path: Path) -> None:
    """And when the same fleet is started again nothing is done again."""
    found = fleet_trial.trial(tmp_path, PICTURES)
    assert (found.code, found.again, found.rewritten) == (0, "", 0), found.said
    assert found.manifest == found.lines
    assert sorted(line["output"] for line in found.lines) == [f"out/{number:02}.inr" for number in range(PICTURES)]
    assert len({line["worker"] for line in found.lines}) >= 2
    assert found.said.splitlines()[-1].startswith(f"inrcodec: {PICTURES} of {PICTURES} done; ")
