"""Many pieces of work on several processes: longest first, failures and deaths kept apart, and two ways to end.

A process that dies takes no other work with it: what was under way then is done again, each piece alone, and only one
that ends a process then too is a failure.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import connection
from typing import Protocol

from inrcodec.compute.threads import THREAD_VARIABLES
from inrcodec.progress import never

_PATIENCE = 0.2
"""Seconds between two questions whether to stop."""
_TIDYING = 0.5
"""Seconds that processes have between SIGTERM and SIGKILL."""


class Job(Protocol):
    """A piece of work; it must pickle."""

    @property
    def label(self) -> str:
        """Name for a person."""

    @property
    def cost(self) -> float:
        """Roughly in seconds: for the order and the time left."""

    def run(self) -> object:
        """Do it, in whatever process."""


@dataclass(frozen=True)
class Failure:
    """Why a piece of work has no result, in one line."""

    reason: str


def run_all(
    jobs: Sequence[Job], processes: int, threads: int, stopped: Callable[[], bool] = never
) -> Iterator[tuple[int, object]]:
    """(index of the job, its result or a `Failure`), as they come.

    The processes are fresh ones with so many threads each; with 0 processes all is done in this one. Once `stopped`
    says so no job begins, and those under way get SIGINT, to finish early if they can; what they return still comes.
    When the caller ends, by an exception or by leaving the loop, running work is ended at once.
    """
    order = sorted(range(len(jobs)), key=lambda index: -jobs[index].cost)
    if not processes:
        for index in order:
            if stopped():
                return
            yield index, attempt(jobs[index])
        return
    crew = _Crew(jobs, processes, threads, deque(order))
    try:
        while crew.begin(stopped()):
            yield from crew.finished()
    except BaseException:
        end_children()
        raise
    finally:
        crew.pool.shutdown(cancel_futures=True)


def end_children() -> None:
    """End what this process has started: by SIGTERM, to tidy up, then by force, as C code hears no signals."""
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    deadline = time.monotonic() + _TIDYING
    for child in children:
        child.join(max(0, deadline - time.monotonic()))
        child.kill()


def attempt(job: Job) -> object:
    """The job's result, or its `Failure`."""
    try:
        return job.run()
    except Exception as error:
        return Failure(" ".join(f"{type(error).__name__}: {error}".split()))


@dataclass
class _Crew:
    """The processes, what they are at, and what is left to do."""

    jobs: Sequence[Job]
    processes: int
    threads: int
    waiting: deque[int]
    suspects: deque[int] = field(default_factory=deque)
    """Under way when a process died."""
    running: dict["Future[object]", int] = field(default_factory=dict)
    on_trial: bool = False
    """Whether what is under way is a suspect, by itself."""
    told: bool = False
    """Whether what is under way has got SIGINT."""

    def __post_init__(self) -> None:
        self.pool = _fresh_pool(self.processes)

    def begin(self, stop: bool) -> bool:
        """Begin as many jobs as there is room for; whether any is under way."""
        if stop and not self.told:
            self.told = True
            for child in multiprocessing.active_children():
                if child.pid is not None:
                    os.kill(child.pid, signal.SIGINT)
        queue, room = (self.suspects, 1) if self.suspects else (self.waiting, self.processes)
        while queue and len(self.running) < room and not stop:
            index, self.on_trial = queue.popleft(), queue is self.suspects
            with _inherited(self.threads):
                self.running[self.pool.submit(attempt, self.jobs[index])] = index
        return bool(self.running)

    def finished(self) -> Iterator[tuple[int, object]]:
        """What has finished within a moment."""
        done, _ = wait(self.running, _PATIENCE, FIRST_COMPLETED)
        died = [future for future in done if isinstance(future.exception(), BrokenProcessPool)]
        for future in done.difference(died):
            yield self.running.pop(future), future.result()
        if died:
            lost = list(self.running.values())
            self.running.clear()
            self.pool.shutdown()
            self.pool = _fresh_pool(self.processes)
            if self.on_trial:
                yield lost[0], Failure("its process died, perhaps of too little memory: use fewer --jobs")
            else:
                self.suspects.extend(lost)


def _fresh_pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin_process)


def _begin_process() -> None:
    """Begin a process: a terminal's Ctrl-C is for the parent alone, and without that there is nothing to do."""
    parent = multiprocessing.parent_process()
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


@contextlib.contextmanager
def _inherited(threads: int) -> Iterator[None]:
    """What processes that start meanwhile inherit: so many threads, and that SIGINT is ignored until a job heeds it.

    NumPy and torch read the variables when they are loaded.
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
