"""The command line's threads, a batch's share of the cores, and the line that says how far a drawing is."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inrcodec import families
from inrcodec.cli import batch, pool, terminal
from inrcodec.cli import decode as cmd_decode
from inrcodec.decoding import decoder
from inrcodec.encoding.config import EncoderConfig
from inrcodec.encoding.encoder import encode
from inrcodec.errors import RequestError
from tests.cli.test_main import run
from tests.decoding.test_conformance import model_of
from tests.support.pictures import waves


def test_an_encode_does_not_depend_on_the_threads() -> None:
    one, two = (encode(waves(16, 16), EncoderConfig(effort=1, device="cpu", threads=count)) for count in (1, 2))
    assert one == two


def test_an_encodes_threads_are_in_no_checkpoint() -> None:
    assert repr(EncoderConfig(threads=3)) == repr(EncoderConfig())
    with pytest.raises(RequestError, match="threads"):
        EncoderConfig(threads=0)


def test_decode_draws_with_as_many_threads_as_asked_for(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    whole = decoder.open_bytes
    monkeypatch.setattr(cmd_decode, "open_bytes", lambda *given: asked.append(given[5]) or whole(*given))
    assert run("decode good.inr -o a.png --threads 3") == 0
    assert run("decode good.inr -o b.png") == 0
    assert asked == [3, None]
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


@pytest.mark.parametrize("command", ["decode good.inr -o x.png", "encode photo.png -o x.inr"])
@pytest.mark.parametrize("count", ["0", "-2"])
def test_fewer_than_one_thread_is_a_wrong_argument(
    workdir: Path, command: str, count: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(f"{command} --threads {count}") == 2
    assert "threads" in capfd.readouterr().err
    assert not Path("x.png").exists()
    assert not Path("x.inr").exists()


@pytest.mark.parametrize(("files", "jobs", "share"), [(2, 4, 4), (4, 2, 4), (3, 3, 2), (9, 9, 1), (2, 1, 8)])
def test_the_cores_are_shared_by_as_many_processes_as_there_are_files_for(
    workdir: Path, files: int, jobs: int, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{number}.inr" for number in range(files)]
    for name in names:
        Path(name).write_bytes(Path("good.inr").read_bytes())
    seen: list[tuple[int, int]] = []

    def run_all(tasks: Any, processes: int, count: int, stopped: Any) -> Iterator[Any]:
        seen.append((processes, count))
        yield from ()

    monkeypatch.setattr(pool, "run_all", run_all)
    monkeypatch.setattr(batch, "cores", lambda: 8)
    run(f"decode {' '.join(names)} -o out -j {jobs} --quiet")
    assert seen == [(min(files, jobs) if jobs > 1 else 0, share)]


@pytest.mark.parametrize("draw", ["render", "render_derivative"])
@pytest.mark.parametrize("size", [(50, 20), (24, 36), (12, 18)])
def test_a_drawing_reports_its_rows_in_order_up_to_the_last(
    draw: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "_BAND", 150)
    told: list[tuple[int, int]] = []
    picture = decoder.open_bytes(families.write(model_of()), report=lambda *rows: told.append(rows))
    _ = picture.render(size) if draw == "render" else picture.render_derivative("gradient", size)
    done = [rows for rows, _ in told]
    assert len(told) > 1
    assert done == sorted(set(done))
    assert told[-1] == (size[0], size[0])
    assert {whole for _, whole in told} == {size[0]}


@pytest.fixture
def shown(workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a decode of 300x200 pixels in ten bands says on stderr to one who waits for nothing, by default."""

    def decode(options: str, terminals: bool = True, patience: float = -1.0) -> str:
        monkeypatch.setattr(decoder, "_BAND", 6000)
        monkeypatch.setattr(terminal, "_PATIENCE", patience)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminals, raising=False)
        assert run(f"decode good.inr -o big.png --size 300x200 --force {options}") == 0
        return capsys.readouterr().err

    return decode


@pytest.mark.parametrize("channels", ["colour", "laplacian"])
def test_decode_says_how_far_it_is_on_one_line_that_goes_away(channels: str, shown: Callable[..., str]) -> None:
    first, *steps, last = shown(f"--channels {channels}").split("\r\x1b[K")
    rows = [re.fullmatch(r"draw  (\d+)/200 rows  \d:\d\d left", step) for step in steps]
    assert [int(found[1]) for found in rows if found] == list(range(20, 201, 20))
    assert first == ""
    assert last.startswith("big.png: 300x200")


def test_the_line_is_not_shown_where_nobody_waits_or_looks(shown: Callable[..., str]) -> None:
    assert "draw" not in shown("--quiet")
    assert "draw" not in shown("", terminals=False)
    assert "draw" not in shown("", patience=600.0)
    assert "draw" in shown("")


def test_the_line_tells_the_time_that_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    now = iter([0.0, 0.5, 10.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(now))
    line = terminal.ProgressLine("[2/3] ")
    line.draw(10, 1000)
    line.draw(250, 1000)
    assert capsys.readouterr().err == "\r\x1b[K[2/3] draw  250/1000 rows  0:30 left"


def test_a_sample_is_the_same_in_any_band(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    whole = decoder.decode(data, (60, 84), exact=True)
    monkeypatch.setattr(decoder, "_BAND_MACS", 1)
    assert np.array_equal(decoder.decode(data, (60, 84), exact=True), whole)
