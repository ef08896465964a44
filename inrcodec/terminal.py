"""What a person sees and presses while a long command runs: a progress line, and Ctrl-C; and SIGTERM."""

import contextlib
import os
import signal
import sys
import time
from types import FrameType, TracebackType

from inrcodec.progress import Estimate, Progress


class ProgressLine:
    """One line on stderr, rewritten in place: stage, steps, PSNR and the time left. Silent where it is no terminal."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._begun = 0
        self._shown = sys.stderr.isatty()

    def announce(self, estimate: Estimate) -> None:
        """Say on a line of its own how long it will take; and, even where this is no terminal, if that is too long."""
        size, length = f"{estimate.width}x{estimate.height}", spoken(estimate.seconds)
        if self._shown:
            print(f"{size}, {estimate.weights:,} weights, about {length}", file=sys.stderr)
        if estimate.lower:
            ways = ", or ".join(f"--{name} {value:g} (about {spoken(time)})" for name, value, time in estimate.lower)
            print(f"inrcodec: warning: {size} will take about {length}; to shorten it: {ways}", file=sys.stderr)

    def show(self, progress: Progress) -> None:
        """Rewrite the line."""
        elapsed = time.monotonic() - self._start
        self._begun = max(self._begun, progress.begun)
        left = elapsed / max(1, progress.step - self._begun) * (progress.steps - progress.step)
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


def spoken(seconds: float) -> str:
    """A length of time in two units at most, as 8 s, 1 min 40 s or 2 h 5 min."""
    minutes, rest = divmod(max(1, round(seconds)), 60)
    hours, left = divmod(minutes, 60)
    parts = [(hours, "h"), (left, "min")] if hours else [(minutes, "min"), (rest, "s")]
    return " ".join(f"{value} {unit}" for value, unit in parts if value)


class Terminated(BaseException):
    """SIGTERM has come: end at once."""


class Interrupt:
    """While it is entered, the first Ctrl-C asks the work to finish early; the second raises KeyboardInterrupt.

    SIGTERM raises Terminated: between two steps from the first `asked` on until `settled`, for the state of the search
    has to be whole to be kept, and anywhere before and after.
    """

    def __init__(self) -> None:
        self._asked = self._terminated = self._settled = False
        self._at_once = True

    def asked(self) -> bool:
        """Whether Ctrl-C was pressed; to be called between steps. Raises Terminated after SIGTERM."""
        self._at_once = self._settled
        if self._terminated:
            raise Terminated
        return self._asked

    def settled(self) -> None:
        """No step is to be waited for from now on."""
        self._settled = True
        self.asked()

    def __enter__(self) -> "Interrupt":
        self._previous = signal.signal(signal.SIGINT, self._handle), signal.signal(signal.SIGTERM, self._terminate)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._previous[0])
        signal.signal(signal.SIGTERM, self._previous[1])

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self._terminated = True
        if self._at_once:
            raise Terminated

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        with contextlib.suppress(OSError):  # not print: the signal may have come in the middle of one
            os.write(2, b"\nfinishing with the best so far; Ctrl-C again to stop without a file\n")
