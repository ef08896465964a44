"""What a person sees and presses while a long command runs: a progress line, and Ctrl-C."""

import contextlib
import os
import signal
import sys
import time
from types import FrameType, TracebackType

from inrcodec.progress import Progress


class ProgressLine:
    """One line on stderr, rewritten in place: stage, steps, PSNR and the time left. Silent where it is no terminal."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._shown = sys.stderr.isatty()

    def show(self, progress: Progress) -> None:
        """Rewrite the line."""
        elapsed = time.monotonic() - self._start
        left = elapsed / progress.step * (progress.steps - progress.step)
        self._write(f"{progress.stage:5} {progress.step}/{progress.steps}  {progress.psnr:.2f} dB  {clock(left)} left")

    def clear(self) -> None:
        """Remove the line."""
        self._write("")

    def _write(self, text: str) -> None:
        if self._shown:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Minutes and seconds, as 3:07, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Interrupt:
    """While it is entered, the first Ctrl-C asks the work to finish early; the second raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self._asked = False

    def asked(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._asked

    def __enter__(self) -> "Interrupt":
        self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        with contextlib.suppress(OSError):  # not print: the signal may have come in the middle of one
            os.write(2, b"\nfinishing with the best so far; Ctrl-C again to stop without a file\n")
