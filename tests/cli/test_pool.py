"""The pool: every piece of work once, failures and deaths kept apart, nothing left running."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from inrcodec.cli.pool import Failure, run_all
from inrcodec.cli.terminal import BatchLine
from tests.support.helpers import python
from tests.support.jobs import Dying, DyingOnce, Failing, Heeding, Job


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


def test_what_was_under_way_with_it_is_done_again(tmp_path: Path) -> None:
    jobs = [
        Dying("killed", 9),
        Job("beside", 8, seconds=1),
        *(Job(f"later {i}") for i in range(3)),
        DyingOnce(str(tmp_path / "x")),
    ]
    results = dict(run_all(jobs, 2, 1))
    assert isinstance(results.pop(0), Failure)
    assert sorted(results) == [1, 2, 3, 4, 5]
    assert [result[0] for result in results.values() if isinstance(result, Failure)] == []


@pytest.mark.parametrize("processes", [0, 1, 2])
def test_once_asked_to_stop_no_work_begins_and_what_is_under_way_may_finish_early(processes: int) -> None:
    jobs = [Heeding(str(i), seconds=60 if processes else 0) for i in range(5)]
    begun = time.monotonic()
    asked: list[bool] = []

    def stopped() -> bool:
        asked.append(time.monotonic() - begun > 3 if processes else len(asked) >= 2)
        return asked[-1]

    results = dict(run_all(jobs, processes, 1, stopped))
    assert len(results) == (processes or 2)
    assert set(results.values()) == {"early" if processes else "late"}
    assert time.monotonic() - begun < 40
    assert not multiprocessing.active_children()


def test_processes_end_with_a_parent_that_is_killed() -> None:
    program = """
import os, signal
from inrcodec.cli.pool import run_all
from tests.support.helpers import python
from tests.support.jobs import Job
for index, result in run_all([Job('quick', 9), Job('slow', seconds=60), Job('quick', 8)], 2, 1):
    print(result[2], flush=True)
    if index == 2:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    process = python("-c", program)
    workers = [int(word) for word in process.stdout.split()]
    assert process.returncode == -signal.SIGKILL
    assert workers
    deadline = time.monotonic() + 20
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, workers))


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def test_work_under_way_ends_with_the_caller() -> None:
    work = run_all([Job("quick", 9), Job("slow", 1, seconds=60)], 2, 1)
    start = time.monotonic()
    assert next(work)[0] == 0
    with pytest.raises(KeyboardInterrupt):
        work.throw(KeyboardInterrupt)
    assert time.monotonic() - start < 30
    assert not multiprocessing.active_children()


def test_progress_counts_and_failures_keep_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = BatchLine([3, 1])
    line.add("one", 3, True, "one: no\x1breason")
    line.add("two", 1)
    line.clear()
    assert capsys.readouterr().err.splitlines() == [
        "0/2 done",
        "one: no\\x1breason",
        "1/2 done, 1 failed: one",
        "2/2 done, 1 failed, 0:00 left: two",
    ]


def test_the_time_left_is_told_by_what_took_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    line = BatchLine([1] * 6)
    for _ in range(2):
        line.add("failed", 1, failed=True)
    line.add("there already", 1, worked=False)
    now[0] = 60.0
    line.add("done", 1)
    assert capsys.readouterr().err.splitlines()[3:] == [
        "3/6 done, 2 failed: there already",
        "4/6 done, 2 failed, 2:00 left: done",
    ]
