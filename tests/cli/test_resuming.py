"""Encodes that are ended and resumed, as a user sees them: SIGTERM, checkpoints, and what each line says."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from inrcodec import cli, families, files
from inrcodec.cli import checkpoint
from inrcodec.cli.terminal import Interrupt, ProgressLine, Terminated
from inrcodec.encoding import encoder
from inrcodec.pictures import save
from inrcodec.pictures.load import to_array
from inrcodec.progress import Progress
from tests.cli.test_main import run
from tests.support.helpers import ENVIRONMENT, contents
from tests.support.pictures import waves

KEPT = Path(".photo.inr.ckpt")
HINT = "; .photo.inr.ckpt stays: add --resume to go on"


@pytest.fixture
def whole(workdir: Path) -> bytes:
    """The file of the encode that nothing interrupts, of a picture that takes some steps."""
    Path("photo.png").write_bytes(save.to_file(waves(24, 32), "PNG"))
    assert run("encode photo.png -e 1 -o whole.inr") == 0
    return Path("whole.inr").read_bytes()


@pytest.fixture
def killed(whole: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> bytes:
    """The same, when SIGTERM has ended it at its first report; returns the whole file."""
    with monkeypatch.context() as patch:
        patch.setattr(ProgressLine, "show", lambda line, progress: signal.raise_signal(signal.SIGTERM))
        assert run("encode photo.png -e 1") == 143
    assert capfd.readouterr().err.splitlines()[-1] == f"inrcodec: ended by SIGTERM, no file was written{HINT}"
    assert not Path("photo.inr").exists()
    return whole


def test_an_encode_ended_by_sigterm_goes_on_to_the_same_file(killed: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    assert int(checkpoint.read(KEPT.read_bytes())["fit.next"]) == 200
    assert run("encode photo.png -e 1 --resume") == 0
    assert Path("photo.inr").read_bytes() == killed
    assert capfd.readouterr().err.splitlines()[0] == "inrcodec: going on from .photo.inr.ckpt"
    assert not KEPT.exists()


def test_an_encode_ended_after_its_fit_goes_on_to_the_same_file(whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*arguments: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(encoder, "verified_psnr", end)  # far from any step
        assert run("encode photo.png -e 1") == 143
    assert int(checkpoint.read(KEPT.read_bytes())["fit.next"]) == 625
    assert run("encode photo.png -e 1 --resume") == 0
    assert Path("photo.inr").read_bytes() == whole


def test_an_unfinished_encode_is_not_overwritten(killed: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    before = contents(Path())
    assert run("encode photo.png -e 1") == 5
    assert capfd.readouterr().err == (
        "inrcodec: .photo.inr.ckpt: holds an unfinished encode: add --resume to go on, or --force to begin anew\n"
    )
    assert contents(Path()) == before


def test_force_begins_anew(killed: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("encode photo.png -e 1 --force") == 0
    assert Path("photo.inr").read_bytes() == killed
    assert capfd.readouterr().err.startswith("photo.inr: ")
    assert not KEPT.exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [("-e 2", "other options"), ("-e 1 --seed 5", "other options"), ("-e 1 -q 3", "other options")],
)
def test_other_options_are_refused_in_one_line(
    killed: bytes, capfd: pytest.CaptureFixture[str], options: str, complaint: str
) -> None:
    before = contents(Path())
    assert run(f"encode photo.png {options} --resume") == 3
    line = capfd.readouterr().err.splitlines()[-1]
    assert line == (
        f"inrcodec: .photo.inr.ckpt: was begun with {complaint}: go on with the same; "
        "to begin anew use --force instead of --resume"
    )
    assert contents(Path()) == before


def test_a_batch_that_passes_over_what_exists_goes_on_by_itself(
    killed: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("encode photo.png -e 1 --skip-existing") == 0
    assert Path("photo.inr").read_bytes() == killed
    assert capfd.readouterr().err.splitlines()[0] == "inrcodec: going on from .photo.inr.ckpt"
    assert not KEPT.exists()


@pytest.mark.parametrize("damage", ["options", "bytes", "weights", "folder"])
def test_such_a_batch_begins_anew_where_it_cannot_go_on_and_says_so(
    killed: bytes, capfd: pytest.CaptureFixture[str], damage: str
) -> None:
    options = "-e 1 --seed 5" if damage == "options" else "-e 1"
    if damage == "bytes":
        KEPT.write_bytes(KEPT.read_bytes()[:1000])
    if damage == "weights":
        kept = checkpoint.read(KEPT.read_bytes())
        KEPT.write_bytes(checkpoint.write({**kept, "fit.more": np.zeros(3)}))
    if damage == "folder":
        KEPT.unlink()
        KEPT.mkdir()
    assert run(f"encode photo.png {options} --skip-existing") == 0
    assert (Path("photo.inr").read_bytes() == killed) == (damage != "options")
    said = [line for line in capfd.readouterr().err.splitlines() if line.endswith(": beginning anew")]
    assert len(said) == 1
    assert said[0].startswith("inrcodec: .photo.inr.ckpt: ")


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_bad_checkpoint_is_one_line(workdir: Path, capfd: pytest.CaptureFixture[str], content: bytes | None) -> None:
    KEPT.mkdir() if content is None else KEPT.write_bytes(content)
    before = contents(workdir)
    assert run("encode photo.png --resume") == 3
    line = capfd.readouterr().err
    assert line.startswith("inrcodec: .photo.inr.ckpt: not a ")
    assert line.count("\n") == 1
    assert contents(workdir) == before


def test_a_vast_checkpoint_is_not_read(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    KEPT.write_bytes(b"")
    os.truncate(KEPT, checkpoint.MAX_FILE_BYTES + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "MAX_FILE_BYTES", 1 << 20)
        assert run("encode photo.png --resume") == 4
    assert "over 1,048,576 bytes" in capfd.readouterr().err


def test_without_a_checkpoint_resuming_begins_at_the_start(whole: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("encode photo.png -e 1 --resume") == 0
    assert Path("photo.inr").read_bytes() == whole
    assert "inrcodec: there is no checkpoint: beginning at the start\n" in capfd.readouterr().err


def test_a_checkpoint_that_cannot_be_written_is_said_once_and_does_no_harm(
    whole: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.suffix == ".ckpt":
            raise OSError(28, "No space left on device")
        write(path, data)

    write = files.write_atomically
    monkeypatch.setattr(files, "write_atomically", full)
    capfd.readouterr()
    assert run("encode photo.png -e 1 --checkpoint-every 0") == 0
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == (
        "inrcodec: warning: the encode goes on, but without a checkpoint: .photo.inr.ckpt: No space left on device"
    )
    assert lines[1].startswith("photo.inr: ")
    assert len(lines) == 2
    assert Path("photo.inr").read_bytes() == whole


def test_standard_output_has_no_checkpoint(
    whole: bytes, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    before = contents(Path())
    assert run("encode photo.png -e 1 -o - --checkpoint-every 0") == 0
    assert capfdbinary.readouterr().out == whole
    monkeypatch.setattr(ProgressLine, "show", lambda line, progress: signal.raise_signal(signal.SIGTERM))
    assert run("encode photo.png -e 1 -o - --checkpoint-every 0") == 143
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert err == b"inrcodec: ended by SIGTERM, no file was written\n"
    assert contents(Path()) == before


def test_a_second_ctrl_c_says_that_the_checkpoint_stays(
    whole: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def press_twice(line: ProgressLine, progress: Progress) -> None:
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(ProgressLine, "show", press_twice)
    assert run("encode photo.png -e 1 --checkpoint-every 0") == 130
    assert capfd.readouterr().err.splitlines()[-1] == f"inrcodec: stopped, no file was written{HINT}"
    assert KEPT.exists()


@pytest.mark.parametrize("every", ["-1", "nan"])
def test_a_time_between_checkpoints_that_is_none_is_refused(
    workdir: Path, capfd: pytest.CaptureFixture[str], every: str
) -> None:
    assert run(f"encode photo.png --checkpoint-every {every}") == 2
    assert "--checkpoint-every" in capfd.readouterr().err


def test_sigterm_waits_for_the_end_of_a_step_and_for_nothing_else() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupt(), pytest.raises(Terminated):  # no step yet
        signal.raise_signal(signal.SIGTERM)
    with Interrupt() as interrupt:
        assert not interrupt.asked()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Terminated):
            interrupt.asked()
    with Interrupt() as interrupt:
        interrupt.asked()
        interrupt.settled()
        interrupt.asked()
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
    with Interrupt() as interrupt:
        interrupt.asked()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Terminated):
            interrupt.settled()
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_time_left_is_that_of_the_steps_left_to_this_process(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    line = ProgressLine()
    now[0] = 10.0
    line.show(Progress("fit", 600, 1000, 20.0, begun=500))
    line.show(Progress("round", 700, 1000, 20.0))
    shown = capfd.readouterr().err
    assert "0:40 left" in shown
    assert "0:15 left" in shown


def test_the_name_of_a_checkpoint_is_hidden_and_beside_the_output() -> None:
    assert checkpoint.path_for("a/b.inr") == Path("a/.b.inr.ckpt")
    assert checkpoint.path_for("-") is None


def test_a_name_too_long_for_a_checkpoint_is_still_encoded(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = "n" * 251 + ".inr"
    assert cli.main(["encode", "photo.png", "-e", "1", "-o", name, "--checkpoint-every", "0"]) == 0
    assert families.read(Path(name).read_bytes()).width == 16
    assert "File name too long" in capfd.readouterr().err


def test_a_picture_read_anew_is_the_same_picture(killed: bytes) -> None:
    codes = to_array("photo.png")
    Path("photo.png").write_bytes(save.to_file(codes, "BMP"))
    assert run("encode photo.png -e 1 --resume") == 0
    assert Path("photo.inr").read_bytes() == killed
    np.testing.assert_array_equal(codes, waves(24, 32))


def test_a_job_array_that_was_killed_is_requeued_with_the_same_line(tmp_path: Path) -> None:
    """Two pictures; kill -9 when the second has left a checkpoint."""
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.png").write_bytes(save.to_file(waves(24, 32), "PNG"))
    command = [sys.executable, "-m", "inrcodec", "encode", "in", "-r", "-o", "out", "--skip-existing", "--shard", "1/1"]
    command += ["-e", "1", "--device", "cpu", "--checkpoint-every", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (tmp_path / "out" / ".b.inr.ckpt").exists():
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    again = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "inrcodec: 1 of 2 exist and are passed over" in again.stderr
    assert "inrcodec: going on from out/.b.inr.ckpt" in again.stderr
    assert sorted(os.listdir(tmp_path / "out")) == ["a.inr", "b.inr"]
    assert (tmp_path / "out" / "a.inr").read_bytes() == (tmp_path / "out" / "b.inr").read_bytes()
