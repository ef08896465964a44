"""A fleet: every picture once, whoever dies, from and to anything that fsspec opens."""

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image

from inrcodec import families, fleet, metrics
from inrcodec.decoding import decoder
from inrcodec.encoding import encoder
from inrcodec.encoding.config import EncoderConfig
from inrcodec.errors import InputImageError, OutputError, RequestError
from inrcodec.families.siren import ladder
from inrcodec.fleet import Existing, Job, Order, manifest, stores
from inrcodec.pictures import save
from inrcodec.pictures.load import Source, load, to_array
from inrcodec.progress import Monitor
from tests.cli.test_main import run
from tests.support.pictures import waves
from tools.measure import fleet_trial

FAST = EncoderConfig(effort=1, device="cpu")
PICTURES = 24


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `in` with two pictures, one deeper, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.png", "deep/b.png")):
        (tmp_path / "in" / name).write_bytes(save.to_file(waves(8, 9, seed=number), "PNG"))
    (tmp_path / "in" / "notes.txt").write_text("mine")
    return tmp_path


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    """An object store that lives in memory."""
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that makes files of one colour, by the picture and the quality."""

    def encode(source: Source, config: EncoderConfig, monitor: Monitor) -> encoder.Encoded:
        for note in source.notes:
            monitor.note(note)
        height, width, _ = source.codes.shape
        colour = source.codes.mean((0, 1)).astype(np.float32) / 256 + (config.quality or 0) / 1000
        data = families.write(families.StoredPicture(ladder.constant(colour), height, width))
        return encoder.Encoded(data, height, width, 10.0, ())

    monkeypatch.setattr(encoder, "encode_with_report", encode)
    monkeypatch.setattr(fleet, "_finished", list)


def lines_of(book: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in book.read_text().splitlines()]


def order(job: Job) -> Order:
    return Order(job, stamp=None, config="digest")


def test_a_folder_is_found_with_all_that_is_in_it(folder: Path) -> None:
    Path("in/.hidden.png").write_bytes(b"")
    found = fleet.find(["in"], "out")
    assert [picture.output for picture in found] == ["out/a.inr", "out/deep/b.inr"]
    assert [to_array(picture.source).shape for picture in found] == [(8, 9, 3)] * 2


@pytest.mark.parametrize("name", ["a::b.png", "memory::b.png", "zip::b.png", "~b.png", "s3:b.png"])
def test_a_name_is_a_name_whatever_it_means_in_urls(folder: Path, quick: None, name: str) -> None:
    for place in ("odd", "odd/more"):
        Path(place).mkdir()
        Path(place, name).write_bytes(Path("in/a.png").read_bytes())
    pictures = [*fleet.find(["odd"], "out"), *fleet.find([f"odd/{name}"], "single")]
    for picture in pictures:
        assert "error" not in fleet.encode_one(order(picture), FAST), picture
    stem = name.removesuffix(".png")
    assert [path.name for path in sorted(Path().rglob("*.inr"))] == [f"{stem}.inr"] * 3


def test_in_a_store_it_is_a_name_too(store: fsspec.AbstractFileSystem, quick: None) -> None:
    store.pipe_file("/in/a::b.png", save.to_file(waves(8, 9), "PNG"))
    (picture,) = fleet.find(["memory://in"], "memory://out")
    assert "error" not in fleet.encode_one(order(picture), FAST)
    assert stores.existing("memory://out/a::b.inr") == stores.existing(picture.output) is not None


def test_a_picture_within_an_archive_is_opened(folder: Path, quick: None) -> None:
    with zipfile.ZipFile("in.zip", "w") as archive:
        archive.write("in/a.png", "a.png")
    facts = fleet.encode_one(order(Job("zip://a.png::in.zip", "out/a.inr")), FAST)
    assert (facts["width"], facts["height"]) == (9, 8)


def test_a_store_is_found_and_written_like_a_folder(store: fsspec.AbstractFileSystem) -> None:
    store.pipe_file("/in/x/a.png", save.to_file(waves(8, 9), "PNG"))
    (picture,) = fleet.find(["memory://in"], "memory://out")
    assert picture == Job("memory:///in/x/a.png", "memory://out/x/a.inr")
    facts = fleet.encode_one(order(picture), FAST)
    data = store.cat_file("/out/x/a.inr")
    assert (facts["bytes"], facts["width"], facts["height"]) == (len(data), 9, 8)
    assert facts["psnr"] == round(metrics.psnr(waves(8, 9), decoder.decode(data)), 3)


def test_what_is_left_out_of_a_picture_is_in_its_line(folder: Path, quick: None) -> None:
    first, second = (Image.fromarray(waves(8, 9)[:, :, ::step]) for step in (1, -1))
    first.save("in/moving.gif", save_all=True, append_images=[second])
    facts = fleet.encode_one(order(Job("in/moving.gif", "out/moving.inr")), FAST)
    assert facts["notes"] == list(load("in/moving.gif").notes) != []
    assert "notes" not in fleet.encode_one(order(Job("in/a.png", "out/a.inr")), FAST)


class HereAndNow:
    """What `fleet` asks of a `distributed.Client`: the work is done when it is submitted."""

    def nthreads(self) -> dict[str, int]:
        return {"here": 1}

    def submit(self, function: Any, *arguments: Any, pure: bool) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future


@pytest.fixture
def again(folder: Path, quick: None) -> Callable[..., list[str]]:
    """Runs a fleet over `in`, and tells what became of both pictures: "written", "done", "found" or an error."""
    book = Path("manifest.jsonl")

    def run_it(config: EncoderConfig = FAST, existing: Existing = Existing.REFUSE, out: str = "out") -> list[str]:
        told: list[dict[str, Any]] = []
        lines = fleet.run(fleet.find(["in"], out), config, book, HereAndNow(), told.append, existing)
        outputs = [line["output"] for line in lines_of(book) if "error" not in line]
        assert len(set(outputs)) == len(outputs)
        kinds = {}
        for line in lines:
            fresh = "written" if line.get("seconds") is not None else "found"
            kinds[line["output"]] = line["kind"] if "error" in line else fresh if line in told else "done"
        return [kinds[output] for output in sorted(kinds)]

    return run_it


OTHER = EncoderConfig(effort=1, device="cpu", quality=30)


def test_what_is_done_is_not_done_again(again: Callable[..., list[str]]) -> None:
    assert again() == ["written", "written"]
    stamps = [os.stat(name).st_mtime_ns for name in ("out/a.inr", "out/deep/b.inr", "manifest.jsonl")]
    assert again() == ["done", "done"]
    assert [os.stat(name).st_mtime_ns for name in ("out/a.inr", "out/deep/b.inr")] == stamps[:2]


def test_another_folder_is_other_work(again: Callable[..., list[str]]) -> None:
    again()
    assert again(out="other") == ["written", "written"]
    assert again() == again(out="other") == ["done", "done"]


def test_an_output_that_is_gone_is_made_again(again: Callable[..., list[str]]) -> None:
    again()
    Path("out/a.inr").unlink()
    assert again() == ["written", "done"]


def test_an_output_that_is_damaged_is_made_again(again: Callable[..., list[str]]) -> None:
    again()
    whole = Path("out/a.inr").read_bytes()
    Path("out/a.inr").write_bytes(whole[:-3])
    assert again() == ["written", "done"]
    assert Path("out/a.inr").read_bytes() == whole


@pytest.mark.parametrize("change", ["options", "source", "picture", "text", "manifest", "old manifest"])
def test_what_is_not_known_to_be_this_work_is_a_failure_until_it_is_said_what_becomes_of_it(
    again: Callable[..., list[str]], change: str, data: bytes
) -> None:
    again()
    config, lines = (OTHER if change == "options" else FAST), lines_of(Path("manifest.jsonl"))
    if change == "source":
        Path("in/a.png").write_bytes(save.to_file(waves(8, 9, seed=7), "PNG"))
    if change in ("picture", "text"):
        Path("out/a.inr").write_bytes(data if change == "picture" else b"mine")
    if change == "manifest":
        Path("manifest.jsonl").unlink()
    if change == "old manifest":
        for line in lines:
            del line["stamp"], line["config"], line["crc"]
        Path("manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = Path("out/a.inr").read_bytes()
    rest = "OutputError" if change in ("options", "manifest", "old manifest") else "done"
    assert again(config) == ["OutputError", rest]
    assert Path("out/a.inr").read_bytes() == before
    taken = ["OutputError" if change in ("picture", "text") else "found", "done" if rest == "done" else "found"]
    assert again(config, Existing.TAKE) == taken
    assert Path("out/a.inr").read_bytes() == before
    assert again(config, Existing.REPLACE) == ["written", "done" if rest == "done" else "written"]
    assert again(config) == again(config, Existing.REPLACE) == ["done", "done"]
    assert families.read(Path("out/a.inr").read_bytes()).width == 9


def test_lines_of_an_old_manifest_are_not_lost(again: Callable[..., list[str]]) -> None:
    again()
    old = [{k: v for k, v in line.items() if k != "stamp"} for line in lines_of(Path("manifest.jsonl"))]
    Path("manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    again()
    again(existing=Existing.TAKE)
    assert [line for line in lines_of(Path("manifest.jsonl")) if "error" not in line] == old


def test_a_file_that_was_taken_as_it_is_is_not_taken_for_one_of_these_options(again: Callable[..., list[str]]) -> None:
    again()
    Path("manifest.jsonl").unlink()
    assert again(OTHER, Existing.TAKE) == ["found", "found"]
    assert again(OTHER) == ["OutputError", "OutputError"]


def test_a_fleet_that_was_killed_before_its_line_was_written_does_not_encode_again(
    again: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(result: object, running: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(fleet, "_result", kill)
        with pytest.raises(Killed):
            again()
    stamp = os.stat("out/a.inr").st_mtime_ns
    assert [line.get("begun") for line in lines_of(Path("manifest.jsonl"))] == [True]
    assert again() == ["found", "written"]
    assert os.stat("out/a.inr").st_mtime_ns == stamp
    assert again() == ["done", "done"]


def test_what_another_worker_has_written_meanwhile_is_not_made_again(folder: Path) -> None:
    work = order(Job("in/a.png", "out/a.inr"))
    first = fleet.encode_one(work, FAST)
    stamp = os.stat("out/a.inr").st_mtime_ns
    second = fleet.encode_one(work, FAST)
    assert os.stat("out/a.inr").st_mtime_ns == stamp
    assert first["seconds"] > 0
    assert {**second, "seconds": 0} == {**first, "seconds": 0}
    assert second["seconds"] is None


def test_once_asked_to_stop_no_picture_is_begun(folder: Path, quick: None) -> None:
    told: list[dict[str, Any]] = []
    work = fleet.plan(fleet.find(["in"], "out"), FAST, Path("m"))
    fleet.carry_out(work, FAST, Path("m"), HereAndNow(), told.append, lambda: bool(told))
    assert [line["output"] for line in told] == [line["output"] for line in lines_of(Path("m"))] == ["out/a.inr"]


def test_a_file_that_is_no_manifest_is_not_overwritten(folder: Path) -> None:
    for content in (b"mine", b"\x89PNG\xff", b"[]"):
        Path("notes").write_bytes(content)
        with pytest.raises(OutputError, match="notes: exists and is no manifest"):
            fleet.plan([], FAST, Path("notes"))


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("in/missing.png", "InputImageError"),
        ("in/notes.txt", "InputImageError"),
        ("memory://no/a.png", "InputImageError"),
    ],
)
def test_a_failure_is_a_line_of_the_manifest(folder: Path, source: str, kind: str) -> None:
    facts = fleet.encode_one(order(Job(source, "out/a.inr")), FAST)
    assert facts["kind"] == kind
    assert str(facts["error"]).startswith(source)
    assert not Path("out/a.inr").exists()


def test_two_pictures_never_share_an_output(folder: Path) -> None:
    Path("in/a.jpg").write_bytes(save.to_file(waves(8, 9), "JPEG"))
    with pytest.raises(RequestError, match=r"a\.png: would have the output of .*a\.jpg"):
        fleet.find(["in"], "out")


def test_a_source_of_an_unknown_kind_is_named() -> None:
    with pytest.raises(InputImageError, match="nosuch://bucket/key"):
        fleet.find(["nosuch://bucket/key"], "out")


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"source": "in/c.png", "output": "c", "error": "x"}', "null", '"text"', '{"source": 1}']
)
def test_lines_of_the_manifest_that_say_nothing_are_dropped(tmp_path: Path, damage: str) -> None:
    good = {"source": "in/a.png", "output": "a", "bytes": 5}
    (tmp_path / "m").write_text(json.dumps(good) + "\n" + damage)
    assert manifest.read(tmp_path / "m") == {"a": good}


def test_a_folder_without_pictures_ends_as_encode_does(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert run("encode empty -o out") == 3
    said = capfd.readouterr().err
    assert run("fleet empty -o out") == 3
    assert capfd.readouterr().err == said
    assert not Path("out").exists()


def test_quiet_says_what_failed_and_nothing_else(
    again: Callable[..., list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    again()
    Path("out/manifest.jsonl").write_bytes(Path("manifest.jsonl").read_bytes())
    options = "--workers 1 -e 1 --device cpu --quiet"
    assert run(f"fleet in -o out {options}") == 0
    assert capfd.readouterr() == ("", "")
    Path("out/a.inr").write_bytes(b"mine")
    assert run(f"fleet in -o out {options}") == 1
    first, last = capfd.readouterr().err.splitlines()
    assert first == "inrcodec: out/a.inr: exists already and is not an .inr file: --force replaces it"
    assert last.startswith("inrcodec: 1 of 2 done; 1 failed: ")


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
    assert [line for line in found.said.splitlines() if not line.startswith(("out/", "inrcodec: "))] == []
