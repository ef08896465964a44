"""Many pieces of work on several processes: the dearest first, failures kept apart, Ctrl-C without waiting."""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Protocol

from inrcodec.terminal import clock

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Job(Protocol):
    """A piece of work; it must pickle."""

    @property
    def label(self) -> str:
        """For a person."""

    @property
    def cost(self) -> float:
        """Roughly in seconds: for the order and the time left."""

    def run(self) -> object:
        """Do it, in whatever process."""


@dataclass(frozen=True)
class Failure:
    """Why a piece of work has no result, in one line."""

    reason: str


def run_all(jobs: Sequence[Job], processes: int, threads: int) -> Iterator[tuple[int, object]]:
    """(index of the job, its result or a `Failure`), as they come.

    The processes are fresh ones with so many threads each; with 0 processes all is done in this one. When the caller
    stops, by an exception or by leaving the loop, running work is ended at once.
    """
    order = sorted(range(len(jobs)), key=lambda index: -jobs[index].cost)
    if not processes:
        yield from ((index, attempt(jobs[index])) for index in order)
        return
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))
    try:
        with _inherited(threads):
            futures = {pool.submit(attempt, jobs[index]): index for index in order}
        for future in as_completed(futures):
            yield futures[future], _result(future)
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def attempt(job: Job) -> object:
    """The job's result, or its `Failure`."""
    try:
        return job.run()
    except Exception as error:
        return Failure(" ".join(f"{type(error).__name__}: {error}".split()))


def _result(future: "Future[object]") -> object:
    try:
        return future.result()
    except BrokenProcessPool:
        return Failure("a process died, perhaps of too little memory: use fewer --jobs")


@contextlib.contextmanager
def _inherited(threads: int) -> Iterator[None]:
    """What processes that start meanwhile inherit: so many threads, and that Ctrl-C is not for them.

    A terminal sends it to all processes, and one is to act. NumPy and torch read the variables when they are loaded.
    """
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        for name in THREAD_VARIABLES:
            del os.environ[name]
        os.environ.update(before)


class ProgressLine:
    """How far the work is, on stderr: one line rewritten in place; where it is no terminal, a line for each result."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._start, self._count = time.monotonic(), len(jobs)
        self._done, self._failed = 0, 0
        self._cost, self._all = 0.0, sum(job.cost for job in jobs)
        self._end = "" if sys.stderr.isatty() else "\n"
        self._begin = "\r\x1b[K" if sys.stderr.isatty() else ""
        self._write(f"0/{self._count} done{self._end}")

    def add(self, job: Job, result: object) -> None:
        """Count a result; a failure gets a line that stays."""
        self._done, self._cost = self._done + 1, self._cost + job.cost
        if isinstance(result, Failure):
            self._failed += 1
            print(f"{self._begin}{job.label}: {result.reason}", file=sys.stderr)
        left = (time.monotonic() - self._start) * (self._all / self._cost - 1)
        failed = f", {self._failed} failed" if self._failed else ""
        self._write(f"{self._done}/{self._count} done{failed}, {clock(left)} left: {job.label}{self._end}")

    def clear(self) -> None:
        """Remove the line, where it can be."""
        self._write("")

    def _write(self, text: str) -> None:
        print(f"{self._begin}{text}", end="", file=sys.stderr, flush=True)
