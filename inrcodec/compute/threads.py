"""Threads: how many there may be, work spread over them, and libraries kept from starting their own meanwhile.

The products of a network are skinny. A library that cuts one into parts waits for the slowest, spinning, and where
another program has one of the cores every product waits for the scheduler: 5 to 25 times as long. So whole chunks of
points go to threads of our own, each doing its products by itself; a late thread then holds up nothing but its chunk.

Results never depend on how many threads there are: the chunks are the same, and each writes into its own place.
"""

import contextlib
import contextvars
import functools
import mmap
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from inrcodec.errors import RequestError

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What tells NumPy and torch how many threads to use; the first that is a number is our own default too."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_chosen: contextvars.ContextVar[int | None] = contextvars.ContextVar("threads", default=None)


def chosen() -> int | None:
    """The number that the caller is `using`."""
    return _chosen.get()


@contextmanager
def using(threads: int) -> Iterator[None]:
    """Inside, the default is so many."""
    token = _chosen.set(checked(threads))
    try:
        yield
    finally:
        _chosen.reset(token)


def count(threads: int | None = None) -> int:
    """The number of threads that is asked for.

    By default as the caller is `using`, else as `THREAD_VARIABLES` say, else the cores that this process may use.
    """
    if threads is not None:
        return checked(threads)
    named = (os.environ.get(name, "") for name in THREAD_VARIABLES)
    by_default = next((int(text) for text in named if text.isdecimal() and int(text)), 0)
    return chosen() or by_default or cores()


def checked(threads: int) -> int:
    """The number, if it is one of threads; raises RequestError."""
    if threads < 1:
        raise RequestError(f"threads: {threads}: 1 or more expected")
    return threads


class WhileInside:
    """A setting of the whole process, changed when the first thread of it enters and put back when the last leaves."""

    def __init__(self, change: Callable[[], Callable[[], object]]) -> None:
        """`change` makes the change and returns what takes it back."""
        self._change, self._lock, self._inside = change, threading.Lock(), 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """The context to be entered."""
        with self._lock:
            if not self._inside:
                self._restore = self._change()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._restore()


@functools.cache
def _blas() -> "tuple[ThreadpoolController, ThreadpoolController]":
    """The BLAS libraries of this process, NumPy's: those with one number of threads for the process, and one for each.

    Looking for them takes 10 ms, so nobody does who draws nothing.
    """
    import numpy  # noqa: F401 (what is not loaded is not found)
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().select(user_api="blas")
    of_threads = found.select(threading_layer="openmp")
    names = [library["filepath"] for library in of_threads.info()]
    others = [library["filepath"] for library in found.info() if library["filepath"] not in names]
    return found.select(filepath=others), of_threads


def _limit_blas() -> Callable[[], object]:
    libraries, _ = _blas()
    limiter = _by_any_thread(libraries, lambda: libraries.limit(limits=1))
    return lambda: _by_any_thread(libraries, limiter.restore_original_limits)


def _by_any_thread(libraries: "ThreadpoolController", change: Callable[[], Any]) -> Any:
    """Change a setting of the process, which threadpoolctl (from 3.8 on) does for the first thread alone that does so.

    Others it passes over in silence. Here who enters and leaves is counted, so which thread it is does not matter.
    """

    def let_go() -> None:
        for library in libraries.lib_controllers:
            getattr(library, "clear_controlling_thread", lambda force: None)(force=True)

    let_go()
    try:
        return change()
    finally:
        let_go()


_single_process = WhileInside(_limit_blas)


@contextmanager
def single_blas() -> Iterator[None]:
    """Inside, products of NumPy are done by the thread that asks for them.

    In all threads of the process, but where BLAS is built with OpenMP: there it is this thread alone, as it should be.
    """
    with _single_process(), _blas()[1].limit(limits=1):
        yield


class _Torch(threading.local):
    """How deep this thread is inside `single_torch`."""

    depth = 0


_torch, _torch_lock = _Torch(), threading.Lock()
_torch_inside, _torch_usual = 0, 0


def torch_count() -> int:
    """How many threads torch uses where nobody is inside `single_torch`."""
    import torch

    return _torch_usual if _torch_inside else torch.get_num_threads()


@contextmanager
def single_torch() -> Iterator[None]:
    """As `single_blas` for torch, whose number is one of the process and one more of every thread that has used it."""
    import torch

    global _torch_inside, _torch_usual
    if _torch.depth:
        yield
        return
    with _torch_lock:
        _torch_usual = torch_count()
        _torch_inside += 1
        torch.set_num_threads(1)
    _torch.depth = 1
    try:
        yield
    finally:
        _torch.depth = 0
        with _torch_lock:
            _torch_inside -= 1
            torch.set_num_threads(_torch_usual)
            if _torch_inside:  # the others stay as they are, and so does what their new threads begin with
                helper = threading.Thread(target=torch.set_num_threads, args=(1,))
                helper.start()
                helper.join()


Piece = Callable[[int], None]


def spread(pieces: int, worker: Callable[[], Piece], threads: int, ask: Callable[[], None] = lambda: None) -> None:
    """Do the pieces 0 .. pieces - 1, each on whichever of `threads` threads is free. The caller's is one of them.

    `worker` is called in every thread, to make what it needs for itself, and what it returns is called with the numbers
    of pieces. `ask` is called in the caller's thread alone, before each of its pieces and before each thread that it
    starts, and raises to end the work. An exception in any thread lets no further piece begin, and is raised here once
    those under way are done. Where there is no room for so many threads, those that there are do all.
    """
    crew = _Crew(pieces, worker)
    with single_blas():
        try:
            crew.hire(min(threads, pieces) - 1, ask)
            crew.work(ask)
        finally:
            crew.end()
    if crew.errors:
        raise crew.errors[0]


_ROOM = 256 << 20
"""Bytes of address space that a thread may take: its stack, its share of the allocator, and OpenBLAS's buffer."""


def _room_for(helpers: int) -> int:
    """How many of so many threads there is address space for: OpenBLAS ends the process where it gets no buffer."""
    while helpers > 0:
        try:
            mmap.mmap(-1, helpers * _ROOM).close()
        except (OSError, OverflowError):
            helpers //= 2
        else:
            break
    return helpers


class _Crew:
    """The threads of one `spread`, and what they share."""

    def __init__(self, pieces: int, worker: Callable[[], Piece]) -> None:
        self._left, self._lock = iter(range(pieces)), threading.Lock()
        self._worker = worker
        self._hired: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def hire(self, helpers: int, ask: Callable[[], None]) -> None:
        """Begin with so many threads next to the caller's, or with as many as there is room for."""
        with contextlib.suppress(RuntimeError, MemoryError):
            for _ in range(_room_for(helpers)):
                ask()  # those that have begun may leave nothing to the caller
                # in a copy of the caller's context, which holds NumPy's error state
                thread = threading.Thread(target=contextvars.copy_context().run, args=(self.work,))
                thread.start()
                self._hired.append(thread)

    def work(self, ask: Callable[[], None] = lambda: None) -> None:
        """Do pieces until none are left."""
        try:
            with single_blas():
                do = self._worker()
                while (piece := self._next()) is not None:
                    ask()
                    do(piece)
        except BaseException as error:
            self.errors.append(error)
            self._dismiss()

    def _next(self) -> int | None:
        with self._lock:
            return next(self._left, None)

    def _dismiss(self) -> None:
        with self._lock:
            self._left = iter(range(0))

    def end(self) -> None:
        """Begin no further piece, and wait for those under way."""
        self._dismiss()
        for thread in self._hired:
            thread.join()
