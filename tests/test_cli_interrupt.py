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

from inrcodec import bitstream, rasters
from inrcodec.terminal import Interrupt
from tests.helpers import ENVIRONMENT, contents


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
    with Interrupt() as interrupt:
        print("fit 1/2", file=sys.stderr, flush=True)
        assert interrupt.asked()


class Terminal:
    """An encode whose stderr is a terminal of ours."""

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
    (workdir / "noise.png").write_bytes(rasters.to_file(codes, "PNG"))
    return workdir


@contextmanager
def encoding() -> Iterator[Terminal]:
    screen, stderr = pty.openpty()
    command = [sys.executable, "-m", "inrcodec.cli", "encode", "noise.png", "-e", "7"]
    process = subprocess.Popen(command, stderr=stderr, env=ENVIRONMENT)
    os.close(stderr)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def test_ctrl_c_once_writes_the_best_so_far(noise: Path) -> None:
    with encoding() as terminal:
        terminal.wait_for("fit ")
        terminal.press_ctrl_c()
        terminal.wait_for("\r\x1b[Knoise.inr: ")
        assert terminal.process.wait(20) == 0
    assert bitstream.read(Path("noise.inr").read_bytes()).width == 64


def test_ctrl_c_twice_leaves_no_file(noise: Path) -> None:
    before = contents(noise)
    with encoding() as terminal:
        terminal.wait_for("fit ")
        terminal.press_ctrl_c()
        terminal.wait_for("finishing with the best so far")
        terminal.press_ctrl_c()
        terminal.wait_for("inrcodec: stopped, no file was written")
        assert terminal.process.wait(20) == 130
    assert "Traceback" not in terminal.seen
    assert contents(noise) == before
