"""The pool of tools/rd_pool.py: every piece of work once, failures kept apart, nothing left running."""

import multiprocessing
import os
import signal
import time

import pytest
from rd_pool import Failure, ProgressLine, run_all

from tests.jobs import Dying, Failing, Job


def test_all_work_is_done_in_other_processes_with_so_many_threads() -> None:
    jobs = [Job("a"), Job("b"), Failing("c"), Job("d")]
    before = os.environ.get("OMP_NUM_THREADS"), signal.getsignal(signal.SIGINT)
    results = dict(run_all(jobs, 2, 3))
    assert sorted(results) == [0, 1, 2, 3]
    assert results[2] == Failure("ValueError: over two lines")
    assert [results[index][:2] for index in (0, 1, 3)] == [("a", "3"), ("b", "3"), ("d", "3")]
    assert os.getpid() not in {results[index][2] for index in (0, 1, 3)}
    assert (os.environ.get("OMP_NUM_THREADS"), signal.getsignal(signal.SIGINT)) == before


def test_the_dearest_comes_first_and_zero_processes_are_this_one() -> None:
    jobs = [Job("cheap", 1), Failing("dear", 9), Job("middle", 5)]
    results = list(run_all(jobs, 0, 1))
    assert [index for index, _ in results] == [1, 2, 0]
    assert results[1][1][2] == os.getpid()


def test_a_process_that_dies_is_a_failure_and_not_the_end() -> None:
    ((_, result),) = run_all([Dying("killed")], 1, 1)
    assert isinstance(result, Failure)
    assert "--jobs" in result.reason


def test_work_under_way_ends_with_the_caller() -> None:
    work = run_all([Job("quick", 9), Job("slow", 1, seconds=60)], 2, 1)
    start = time.monotonic()
    assert next(work)[0] == 0
    with pytest.raises(KeyboardInterrupt):
        work.throw(KeyboardInterrupt)
    assert time.monotonic() - start < 30
    assert not multiprocessing.active_children()


def test_progress_counts_and_failures_keep_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    jobs = [Job("one", 3), Job("two", 1)]
    line = ProgressLine(jobs)
    line.add(jobs[0], Failure("no reason"))
    line.add(jobs[1], object())
    line.clear()
    assert capsys.readouterr().err.splitlines() == [
        "0/2 done",
        "one: no reason",
        "1/2 done, 1 failed, 0:00 left: one",
        "2/2 done, 1 failed, 0:00 left: two",
    ]
