"""Ctrl-C while a picture is encoded: once for the best so far, twice for nothing. On a terminal, as a user has it."""

import io
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from inrcodec import families
from inrcodec.cli.terminal import Interrupt
from inrcodec.pictures import save
from tests.support.helpers import ENVIRONMENT, contents, python


def test_the_first_ctrl_c_asks_and_the_second_raises(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        assert not interrupt.asked()
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert capfd.readouterr().err.count("Ctrl-C again") == 1


class Raising(io.RawIOBase):
    """A screen that gets Ctrl-C at every write."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        signal.raise_signal(signal.SIGINT)
        return len(bytes(data))  # type: ignore[call-overload]


def test_ctrl_c_may_come_while_progress_is_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(Raising())))
    with Interrupt("later") as interrupt:
        print("fit 1/2", file=sys.stderr, flush=True)
        assert interrupt.asked()


def test_before_the_first_step_there_is_nothing_to_finish(capfd: pytest.CaptureFixture[str]) -> None:
    with Interrupt() as interrupt:
        interrupt.renew()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err == ""


def test_without_an_answer_the_first_ctrl_c_is_the_last(capfd: pytest.CaptureFixture[str]) -> None:
    with Interrupt(answer=None) as interrupt:
        interrupt.asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # while its end is tidied up
    assert capfd.readouterr().err == ""


class Terminal:
    """A process whose stderr is a terminal of ours."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self.seen = ""
        self._screen = screen

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Read until `text` has been shown."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self._screen], [], [], 0.1)[0]:
                self.seen += self._read()

    def _read(self) -> str:
        try:
            return os.read(self._screen, 1 << 16).decode()
        except OSError as error:  # Linux's way to say that the process has closed its end
            raise AssertionError(f"it ended after {self.seen!r}") from error

    def press_ctrl_c(self) -> None:
        self.process.send_signal(signal.SIGINT)


@pytest.fixture
def noise(workdir: Path) -> Path:
    """A working directory with a picture that an encoder works on for minutes."""
    codes = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    (workdir / "noise.png").write_bytes(save.to_file(codes, "PNG"))
    return workdir


ENCODING = ("-m", "inrcodec", "encode", "noise.png", "-e", "7")


@contextmanager
def running(*arguments: str) -> Iterator[Terminal]:
    screen, stderr = pty.openpty()
    process = subprocess.Popen([sys.executable, *arguments], stderr=stderr, env=ENVIRONMENT, process_group=0)
    os.close(stderr)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def test_ctrl_c_once_writes_the_best_so_far(noise: Path) -> None:
    with running(*ENCODING) as terminal:
        terminal.wait_for("fit ")
        terminal.press_ctrl_c()
        terminal.wait_for("\r\x1b[Knoise.inr: ")
        assert terminal.process.wait(20) == 0
    assert families.read(Path("noise.inr").read_bytes()).width == 64


def test_ctrl_c_twice_leaves_no_file(noise: Path) -> None:
    before = contents(noise)
    with running(*ENCODING) as terminal:
        terminal.wait_for("fit ")
        terminal.press_ctrl_c()
        terminal.wait_for("finishing with the best so far")
        terminal.press_ctrl_c()
        terminal.wait_for("inrcodec: stopped, no file was written")
        assert terminal.process.wait(20) == 130
    assert "Traceback" not in terminal.seen
    assert contents(noise) == before


DEAF = """
import hashlib, sys
from inrcodec import cli
from inrcodec.cli import info
def look(name, options):
    print("begun", file=sys.stderr, flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # minutes in C, where no signal is heard
info._info = look
sys.exit(cli.main())
"""


def test_ctrl_c_ends_what_cannot_hear_it(workdir: Path) -> None:
    with running("-c", DEAF, "info", "good.inr") as terminal:
        terminal.wait_for("begun")
        terminal.press_ctrl_c()
        terminal.wait_for("inrcodec: stopped, no file was written")
        assert terminal.process.wait(20) == 130


def test_a_drawing_is_ended_by_the_first_ctrl_c_in_words_of_its_own(workdir: Path) -> None:
    before = contents(workdir)
    drawing = (
        "import sys; from inrcodec import cli; from inrcodec.cli import decode; decode.open_bytes = lambda *a: ["
        "print('begun', file=sys.stderr, flush=True), __import__('time').sleep(60)]; sys.exit(cli.main())"
    )
    with running("-c", drawing, "decode", "good.inr") as terminal:
        terminal.wait_for("begun")
        terminal.press_ctrl_c()
        terminal.wait_for("inrcodec: stopped, no file was written")
        assert terminal.process.wait(20) == 130
    assert "best so far" not in terminal.seen
    assert "Traceback" not in terminal.seen
    assert contents(workdir) == before


@pytest.mark.parametrize("module", ["argparse", "inrcodec.cli", "numpy", "inrcodec.decoding.describe"])
def test_ctrl_c_while_modules_are_loaded_is_one_line(workdir: Path, module: str) -> None:
    pressing = f"""
import builtins, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # the suite may run where it is ignored, as in the background
load = builtins.__import__
room, _, last = {module!r}.rpartition(".")
def pressed(name, *rest):
    if name == {module!r} or (room and name == room and rest[2] and last in rest[2]):
        signal.raise_signal(signal.SIGINT)
    return load(name, *rest)
builtins.__import__ = pressed
from inrcodec.__main__ import main
sys.exit(main())
"""
    process = python("-c", pressing, "info", "good.inr")
    assert process.returncode == 130
    assert process.stderr.strip() == b"inrcodec: stopped, no file was written"


def test_a_fleet_is_ended_by_two_without_a_word_from_its_workers(noise: Path) -> None:
    """Ctrl-C goes to all processes of a terminal."""
    options = ("noise.png", "photo.png", "-o", "out", "--workers", "1", "-e", "9", "--device", "cpu")
    with running("-m", "inrcodec", "fleet", *options) as terminal:
        deadline = time.monotonic() + 120
        while not Path("out/manifest.jsonl").exists() or not Path("out/manifest.jsonl").read_text():
            assert time.monotonic() < deadline, terminal.seen
            time.sleep(0.1)
        os.killpg(terminal.process.pid, signal.SIGINT)
        terminal.wait_for("finishing what has begun; Ctrl-C again to stop at once")
        os.killpg(terminal.process.pid, signal.SIGINT)
        terminal.wait_for("inrcodec: stopped, what was finished is kept")
        assert terminal.process.wait(20) == 130
    said = [line.rpartition("\r\x1b[K")[2] for line in terminal.seen.replace("\r\n", "\n").split("\n")]
    assert [line for line in said if line and "done: " not in line and line != "0/2 done"] == [
        "finishing what has begun; Ctrl-C again to stop at once",
        "inrcodec: 0 of 2 done; stopped, 2 left; none written: see out/manifest.jsonl",
        "inrcodec: stopped, what was finished is kept",
    ]
    assert sorted(os.listdir("out")) == ["manifest.jsonl"]
