"""Threads: results do not depend on them, ends and errors pass through them, and settings are put back."""

import contextvars
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import threadpoolctl
import torch

from inrcodec import families
from inrcodec.compute import backends, threads
from inrcodec.compute.sine import Forward
from inrcodec.decoding import conformance, decoder
from inrcodec.errors import CorruptError, RequestError, ResourceError, StoppedError
from inrcodec.export import page
from tests.decoding.test_conformance import model_of
from tests.support.helpers import python

DATA = families.write(conformance.certify(model_of()))
CHAOTIC = families.write(conformance.certify(model_of(60.0)))
SIZE = (120, 180)
COUNTS = [2, 3, 16]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many chunks in a small picture."""
    monkeypatch.setattr(backends, "CHUNK", 100)


def in_threads(*works: Callable[[], object]) -> None:
    """Each in a thread of its own, all at once; an exception in one is the test's."""
    failures: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    crew = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join(60)
    assert not failures, failures


def blas_threads() -> list[int]:
    found = threadpoolctl.ThreadpoolController().select(user_api="blas").info()
    return [library["num_threads"] for library in found]


@pytest.fixture
def five_blas_threads() -> Any:
    """What the host program has set."""
    with threadpoolctl.threadpool_limits(5, user_api="blas"):
        assert set(blas_threads()) == {5}
        yield [5] * len(blas_threads())


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("data", [DATA, CHAOTIC], ids=["float32", "float64"])
def test_what_is_drawn_does_not_depend_on_the_threads(data: bytes, count: int) -> None:
    one, more = decoder.open_bytes(data, threads=1), decoder.open_bytes(data, threads=count)
    points = np.random.default_rng(0).uniform(-1, 1, (999, 2))
    assert np.array_equal(one.render(SIZE), more.render(SIZE))
    assert np.array_equal(one.render((7, 9), depth=16), more.render((7, 9), depth=16))
    assert np.array_equal(one.sample(points), more.sample(points))
    assert all(map(np.array_equal, one.jet(points), more.jet(points)))
    assert np.array_equal(one.render_derivative("gradient", SIZE), more.render_derivative("gradient", SIZE))


@pytest.mark.parametrize("count", COUNTS)
def test_verdicts_hashes_and_pages_do_not_depend_on_the_threads(count: int) -> None:
    assert conformance.verify(DATA, threads=count) == conformance.verify(DATA, threads=1)
    assert conformance.certify(model_of(), count).content_hash == conformance.certify(model_of(), 1).content_hash
    assert page.page(DATA, "a", threads=count) == page.page(DATA, "a", threads=1)


@pytest.mark.parametrize("pieces", [0, 1, 2, 50])
@pytest.mark.parametrize("count", [1, *COUNTS])
def test_every_piece_is_done_once(pieces: int, count: int) -> None:
    done: list[int] = []
    threads.spread(pieces, lambda: done.append, count)
    assert sorted(done) == list(range(pieces))


def test_no_more_threads_work_than_there_are_pieces_or_than_are_asked_for() -> None:
    for pieces, count, most in ((2, 9, 2), (9, 2, 2), (9, 1, 1)):
        workers: list[int] = []

        def worker(workers: list[int] = workers) -> Callable[[int], None]:
            workers.append(threading.get_ident())
            return lambda piece: None

        threads.spread(pieces, worker, count)
        assert 1 <= len(workers) <= most
        assert workers.count(threading.get_ident()) <= 1


def test_threads_work_at_once() -> None:
    meeting = threading.Barrier(3, timeout=60)
    threads.spread(3, lambda: lambda piece: meeting.wait() and None, 3)


def test_the_callers_numpy_settings_hold_in_every_thread() -> None:
    meeting, raised = threading.Barrier(2, timeout=60), []

    def piece(number: int) -> None:
        meeting.wait()
        raised.append(np.geterr()["under"])

    with np.errstate(under="raise"):
        threads.spread(2, lambda: piece, 2)
    assert raised == ["raise", "raise"]


@pytest.mark.parametrize("count", [1, *COUNTS])
@pytest.mark.parametrize("error", [CorruptError("x"), MemoryError(), KeyboardInterrupt(), ValueError("x")], ids=repr)
def test_an_exception_in_any_thread_ends_the_work_and_is_the_callers(error: BaseException, count: int) -> None:
    done: list[int] = []

    def piece(number: int) -> None:
        if number == 7:
            raise error
        done.append(number)

    with pytest.raises(type(error)) as raised:
        threads.spread(10_000, lambda: piece, count)
    assert raised.value is error
    assert len(done) < 10_000
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("(run)")]


def test_only_the_callers_thread_is_asked_whether_to_stop() -> None:
    asked: list[int] = []
    threads.spread(50, lambda: lambda piece: None, 4, lambda: asked.append(threading.get_ident()))
    assert set(asked) <= {threading.get_ident()}


@pytest.mark.parametrize("count", [1, *COUNTS])
def test_once_asked_to_stop_each_thread_ends_with_the_chunk_that_it_is_at(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, stop, begun = Forward.forward, threading.Event(), []

    def counting(self: Forward, matrices: Any, coords: Any) -> Any:
        if stop.is_set():
            begun.append(1)
        return forward(self, matrices, coords)

    monkeypatch.setattr(Forward, "forward", counting)
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        if len(asked) == 3:
            stop.set()
        return stop.is_set()

    with pytest.raises(StoppedError):
        decoder.open_bytes(DATA, stopped=stopped, threads=count).render((2000, 2000))
    assert len(asked) == 3
    assert len(begun) < 40_000 / 2


@pytest.mark.parametrize("count", [1, *COUNTS])
def test_want_of_memory_in_a_thread_is_our_error(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def starved(self: Forward, matrices: Any, coords: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Forward, "forward", starved)
    with pytest.raises(ResourceError, match="out of memory"):
        decoder.decode(DATA, SIZE, threads=count)


@pytest.mark.parametrize("shortage", [RuntimeError("can't start new thread"), MemoryError()], ids=repr)
def test_where_no_thread_can_be_started_the_callers_does_all(
    shortage: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise shortage

    expected = decoder.decode(DATA, SIZE, threads=1)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert np.array_equal(decoder.decode(DATA, SIZE, threads=4), expected)


def test_where_there_is_no_address_space_for_threads_the_callers_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_ROOM", 2**60)
    workers: list[int] = []
    threads.spread(9, lambda: lambda piece: workers.append(threading.get_ident()), 4)
    assert set(workers) == {threading.get_ident()}


def draw_well() -> None:
    decoder.decode(DATA, SIZE, threads=2)


def draw_stopped() -> None:
    with pytest.raises(StoppedError):
        decoder.open_bytes(DATA, stopped=lambda: True, threads=2).render(SIZE)


def draw_derivatives() -> None:
    decoder.open_bytes(DATA, threads=2).render_derivative("laplacian")


@pytest.mark.parametrize("work", [draw_well, draw_stopped, draw_derivatives])
def test_blas_is_left_as_the_host_program_has_set_it(five_blas_threads: list[int], work: Callable[[], None]) -> None:
    work()
    assert blas_threads() == five_blas_threads


def test_blas_has_one_thread_while_anyone_draws_and_its_own_once_the_last_has_done(
    five_blas_threads: list[int],
) -> None:
    first_in, first_out, second_in = threading.Event(), threading.Event(), threading.Event()
    seen: list[list[int]] = []

    def first() -> None:
        with threads.single_blas():
            first_in.set()
            assert second_in.wait(60)
        first_out.set()

    def second() -> None:
        assert first_in.wait(60)
        with threads.single_blas():
            second_in.set()
            assert first_out.wait(60)
            seen.append(blas_threads())

    in_threads(first, second)
    assert seen == [[1] * len(five_blas_threads)]
    assert blas_threads() == five_blas_threads


def test_many_drawings_at_once_are_all_right_and_leave_blas_alone(five_blas_threads: list[int]) -> None:
    expected, drawn = decoder.decode(DATA, SIZE, threads=1), []
    in_threads(*[lambda: drawn.append(decoder.decode(DATA, SIZE, threads=2)), draw_stopped] * 5)
    assert len(drawn) == 5
    assert all(np.array_equal(picture, expected) for picture in drawn)
    assert blas_threads() == five_blas_threads


def torch_threads() -> tuple[int, int]:
    """Of this thread, and of one that begins now."""
    of_new: list[int] = []
    in_threads(lambda: of_new.append(torch.get_num_threads()))
    return torch.get_num_threads(), of_new[0]


@pytest.fixture
def three_torch_threads() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield (3, 3)
    torch.set_num_threads(before)


def test_torch_is_left_as_it_was_by_threads_that_enter_and_leave_in_any_order(
    three_torch_threads: tuple[int, int],
) -> None:
    second_in, second_out, seen = threading.Event(), threading.Event(), []

    def second() -> None:
        torch.get_num_threads()
        with threads.single_torch():
            second_in.set()
            assert first_out.wait(60)
            seen.append((*torch_threads(), threads.torch_count()))
        seen.append(torch.get_num_threads())
        second_out.set()

    first_out = threading.Event()
    helper = threading.Thread(target=second)
    with threads.single_torch(), threads.single_torch():
        helper.start()
        assert second_in.wait(60)
        assert torch_threads() == (1, 1)
    assert torch.get_num_threads() == 3
    first_out.set()
    helper.join(60)
    assert seen == [(1, 1, 3), 3]
    assert torch_threads() == three_torch_threads


def test_the_number_is_the_one_asked_for_else_the_one_in_use_else_the_environments_else_all_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in threads.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert threads.count() == threads.cores() >= 1
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    assert threads.count() == 7
    monkeypatch.setenv("OMP_NUM_THREADS", "nonsense")
    assert threads.count() == 7
    with threads.using(5):
        assert (threads.count(), threads.count(2)) == (5, 2)
        assert contextvars.copy_context().run(threads.count) == 5
    assert threads.count() == 7


@pytest.mark.parametrize("count", [0, -1])
def test_fewer_than_one_thread_is_a_request_error(count: int) -> None:
    works: list[Callable[[], object]] = [
        lambda: decoder.decode(DATA, threads=count),
        lambda: conformance.verify(DATA, threads=count),
        lambda: page.page(DATA, "a", threads=count),
    ]
    for work in works:
        with pytest.raises(RequestError, match="threads"):
            work()


def test_opening_a_picture_looks_for_no_library() -> None:
    program = f"""
import sys
from inrcodec.decoding import decoder
picture = decoder.open_bytes({DATA!r})
assert "threadpoolctl" not in sys.modules
picture.render()
assert "threadpoolctl" in sys.modules and "torch" not in sys.modules
"""
    process = python("-c", program)
    assert process.returncode == 0, process.stderr


def test_a_context_that_is_entered_within_itself_is_left_once() -> None:
    changes: list[str] = []

    def change() -> Callable[[], object]:
        changes.append("changed")
        return lambda: changes.append("back")

    inside: Callable[[], AbstractContextManager[None]] = threads.WhileInside(change)
    with pytest.raises(KeyError), inside(), inside():
        raise KeyError
    with inside():
        pass
    assert changes == ["changed", "back"] * 2
