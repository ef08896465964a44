"""What a person sees and presses while a command runs: messages, progress lines, and Ctrl-C; and SIGTERM."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType

from inrcodec.errors import STOPPED, printable
from inrcodec.progress import Estimate, Progress


def say(message: str) -> None:
    """One line on stderr."""
    print(printable(message), file=sys.stderr)


_PATIENCE = 1.0
"""Seconds of drawing before it is said how far it is."""
_MUCH = 10**9
"""Bytes of memory: an encode that takes fewer need not say so."""


class ProgressLine:
    """One line on stderr, rewritten in place: stage, steps, PSNR and the time left. Silent where it is no terminal."""

    def __init__(self, before: str = "", quiet: bool = False) -> None:
        """The line begins with `before`; if `quiet`, nothing is shown but a warning that it will take long."""
        self._start = time.monotonic()
        self._begun, self._before = 0, before
        self._shown = sys.stderr.isatty() and not quiet

    def announce(self, estimate: Estimate) -> None:
        """Say on a line of its own how long it will take; and, even where this is no terminal, if that is too long."""
        self._start, self._begun = time.monotonic(), 0
        size, length = f"{estimate.width}x{estimate.height}", spoken(estimate.seconds)
        if self._shown:
            longest = f", {spoken(estimate.longest)} at most" if estimate.longest else ""
            memory = f", {estimate.memory / 1e9:.1f} GB" if estimate.memory >= _MUCH else ""
            trial = "a trial first: " if estimate.trial else ""
            say(f"{self._before}{trial}{size}, {estimate.weights:,} weights, about {length}{longest}{memory}")
        if estimate.lower:
            ways = ", or ".join(f"--{name} {value:g} (about {spoken(time)})" for name, value, time in estimate.lower)
            say(f"inrcodec: warning: {size} will take about {length}; to shorten it: {ways}")

    def show(self, progress: Progress) -> None:
        """Rewrite the line."""
        elapsed = time.monotonic() - self._start
        self._begun = max(self._begun, progress.begun)
        left = elapsed / max(1, progress.step - self._begun) * (progress.steps - progress.step)
        steps = f"{progress.stage:5} {progress.step}/{progress.steps}"
        self._write(f"{printable(self._before)}{steps}  {progress.psnr:.2f} dB  {clock(left)} left")

    def draw(self, done: int, rows: int) -> None:
        """Rewrite the line with the rows that are drawn, once it takes long enough to wonder."""
        elapsed = time.monotonic() - self._start
        if elapsed > _PATIENCE:
            left = elapsed / max(1, done) * (rows - done)
            self._write(f"{printable(self._before)}{'draw':5} {done}/{rows} rows  {clock(left)} left")

    def clear(self) -> None:
        """Remove the line."""
        self._write("")

    def _write(self, text: str) -> None:
        if self._shown:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


class BatchLine:
    """How far many pieces of work are, on stderr: one line rewritten in place.

    Where stderr is no terminal there is a line for each result instead, if `lines`.
    """

    def __init__(self, costs: Sequence[float], quiet: bool = False, lines: bool = True) -> None:
        """`costs` of all pieces in any unit, to tell the time left."""
        self._start, self._count = time.monotonic(), len(costs)
        self._done, self._failed = 0, 0
        self._worked, self._left = 0.0, sum(costs)
        shown = sys.stderr.isatty()
        self._quiet = quiet or not (shown or lines)
        self._begin, self._end = ("\r\x1b[K", "") if shown else ("", "\n")
        self._write(f"0/{self._count} done{self._end}")

    def add(self, label: str, cost: float, failed: bool = False, text: str = "", worked: bool = True) -> None:
        """Count a result; `text` is said on a line that stays.

        What has failed, or was not `worked` on as it was there already, took no time that tells of the rest.
        """
        if text:
            self.clear()
            say(text)
        self._done, self._failed, self._left = self._done + 1, self._failed + failed, self._left - cost
        self._worked += cost if worked and not failed else 0
        failures = f", {self._failed} failed" if self._failed else ""
        self._write(f"{printable(f'{self._done}/{self._count} done{failures}{self._time_left()}: {label}')}{self._end}")

    def _time_left(self) -> str:
        if not self._worked:
            return ""
        return f", {clock((time.monotonic() - self._start) * self._left / self._worked)} left"

    def clear(self) -> None:
        """Remove the line, where it can be."""
        self._write("")

    def _write(self, text: str) -> None:
        if not self._quiet:
            print(f"{self._begin}{text}", end="", file=sys.stderr, flush=True)


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


NO_FILE = "no file was written"
"""What is left of work that was ended at once, where nothing else is said."""
BEST_SO_FAR = "finishing with the best so far; Ctrl-C again to stop without a file"
"""The answer to the first Ctrl-C where a search can be cut short."""
_GRACE = 1.0
"""Seconds that the work has to end in once KeyboardInterrupt is due."""


class Terminated(BaseException):
    """SIGTERM has come: end at once. Its text, as that of KeyboardInterrupt, says what is left of the work."""


class Interrupt:
    """While it is entered, the first Ctrl-C asks the work to finish early, and the second raises KeyboardInterrupt.

    Where there is nothing to finish early the first one does: without an answer, and where the best so far is to be
    kept but no step has been made. Where the work has not ended a second later, as code in C hears no signals, the
    process is ended with exit code 130, and what is `left` is said.

    SIGTERM raises Terminated: between two steps from the first `asked` on until `settled`, for the state of the search
    has to be whole to be kept, and anywhere before and after.
    """

    def __init__(self, answer: str | None = BEST_SO_FAR) -> None:
        """The first Ctrl-C is answered on stderr, if there is an answer; with None it is not waited for a second."""
        self.left: Callable[[], str] = lambda: NO_FILE
        self._answer, self._presses = answer, 0
        self._begun = self._raised = self._terminated = self._settled = False
        self._at_once = True

    def pressed(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._presses > 0

    def asked(self) -> bool:
        """Whether Ctrl-C was pressed; to be called between steps. Raises Terminated after SIGTERM."""
        self._at_once, self._begun = self._settled, True
        if self._terminated:
            raise Terminated
        return self.pressed()

    def _enough(self) -> int:
        """Presses after which the work is to end."""
        return 1 if self._answer is None or (self._answer == BEST_SO_FAR and not self._begun) else 2

    def renew(self) -> None:
        """Another search begins, whose steps are to be waited for again."""
        self._settled = False
        self.asked()
        self._begun = False

    def settled(self) -> None:
        """No step is to be waited for from now on."""
        self._settled = True
        self.asked()

    def __enter__(self) -> "Interrupt":
        self._previous = signal.signal(signal.SIGINT, self._handle), signal.signal(signal.SIGTERM, self._terminate)
        self._watch = _Watch(self._enough, lambda: self.left())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.end()
        signal.signal(signal.SIGINT, self._previous[0])
        signal.signal(signal.SIGTERM, self._previous[1])

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self._terminated = True
        if self._at_once:
            raise Terminated

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._presses += 1
        if self._raised:
            return
        if self._presses >= self._enough():
            self._raised = True
            _write("\n" if os.isatty(2) else "")
            raise KeyboardInterrupt
        _write(f"\n{self._answer}\n" if self._answer else "")


def _write(text: str) -> None:
    """Write to stderr from a signal's handler: not print, for the signal may have come in the middle of one."""
    with contextlib.suppress(OSError):
        os.write(2, text.encode())


class _Watch:
    """A thread that hears of Ctrl-C even while the main one is in C code, and ends the process where that does not."""

    def __init__(self, enough: Callable[[], int], left: Callable[[], str]) -> None:
        """Begins at once; after `enough` presses and a second the process ends, unless `end` is called."""
        self._enough, self._left, self._ended = enough, left, threading.Event()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._previous = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        threading.Thread(target=self._listen, daemon=True).start()

    def end(self) -> None:
        """The work has ended."""
        signal.set_wakeup_fd(self._previous)
        self._ended.set()
        os.close(self._writer)

    def _listen(self) -> None:
        presses = 0
        with os.fdopen(self._reader, "rb", buffering=0) as reader:
            while not presses or presses < self._enough():
                signals = reader.read(64)
                if not signals:
                    return
                presses += signals.count(signal.SIGINT)
            if not self._ended.wait(_GRACE):
                _write(f"\ninrcodec: stopped, {printable(self._left())}\n")
                os._exit(STOPPED)
