"""Many files by one command: which go where, on how many processes, and what became of each.

A batch goes on after a failure. One file by itself is not a batch: its failure is the command's own.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from inrcodec.cli.cures import worded
from inrcodec.cli.terminal import BEST_SO_FAR, BatchLine, Interrupt, Terminated, say
from inrcodec.compute.threads import cores
from inrcodec.errors import BUG, SOME_FAILED, STOPPED, InputImageError, InrError, OutputError, RequestError
from inrcodec.files import STANDARD

FINISHING = "finishing what has begun; Ctrl-C again to stop at once"
"""The answer of a batch to the first Ctrl-C."""
KEPT = "what was finished is kept"
"""What is left after the second."""


@dataclass(frozen=True)
class Task:
    """One input and its output, names as they are opened."""

    source: str
    target: str


@dataclass(frozen=True)
class Outcome:
    """What became of one input."""

    source: str
    text: str
    """One line for a person."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Facts for a program; `error` where it failed."""
    code: int = 0
    """Exit code that this would have by itself."""


class Work(Protocol):
    """What is done to one task. It must pickle, and raises InrError where that fails."""

    def __call__(self, task: Task, interrupt: Interrupt, before: str | None = "") -> Outcome:
        """`interrupt` is entered; `before` leads the progress that is shown meanwhile, None: it is not shown."""


@dataclass(frozen=True)
class Batch:
    """What the options that all such commands have in common say."""

    tasks: tuple[Task, ...]
    single: bool
    """Whether one file was named, and so this is no batch."""
    jobs: int
    quiet: bool
    as_json: bool


def find_inputs(names: Sequence[str], suffixes: Sequence[str], recursive: bool) -> Iterator[tuple[str, str]]:
    """(file, its name below the folder that was given) of all inputs, each once, those of folders in order.

    Raises InputImageError for a folder that cannot be read or holds no file with one of the suffixes.
    """
    seen = set()
    for name in names:
        found = [(name, os.path.basename(name))]
        if name != STANDARD and os.path.isdir(name):
            found = sorted(_files_of(Path(name), suffixes, recursive))
        for file, below in found:
            if file not in seen:
                seen.add(file)
                yield file, below


def _files_of(folder: Path, suffixes: Sequence[str], recursive: bool) -> Iterator[tuple[str, str]]:
    def refuse(error: OSError) -> None:
        raise InputImageError(f"{folder}: {error.strerror or error}")

    found = False
    for place, folders, files in os.walk(folder, onerror=refuse):
        for file in files:
            path = Path(place, file)
            if path.suffix.lower() in suffixes and not file.startswith("."):
                found = True
                yield str(path), str(path.relative_to(folder))
        if not recursive:
            folders.clear()
    if not found:
        kind = " ".join(suffixes) if len(suffixes) == 1 else "picture"
        raise InputImageError(f"{folder}: no {kind} file in this folder")


def plan(options: Any, suffixes: Sequence[str], new_suffix: str) -> Batch:
    """Who goes where: outputs next to the inputs, or below the folder that `-o` names.

    Raises RequestError or InputImageError for what cannot be.
    """
    names, output = options.input, options.output
    if options.jobs < 1:
        raise RequestError(f"--jobs {options.jobs}: 1 or more expected")
    inputs = list(find_inputs(names, suffixes, options.recursive))
    single = len(names) == 1 and inputs == [(names[0], os.path.basename(names[0]))]
    folder = output if output is not None and (not single or _is_folder(output)) else None
    if folder is not None and os.path.lexists(folder) and not os.path.isdir(folder):
        raise OutputError(f"{folder}: is not a folder, and there are several inputs")
    if not single and (output == STANDARD or STANDARD in names):
        raise RequestError("-: standard input and output are for one file: name one input, or a folder with -o")
    if options.json and (output == STANDARD or (output is None and names == [STANDARD])):
        raise RequestError("--json: standard output holds the file: name another with -o")
    tasks = [
        Task(source, _target(source, below, folder, new_suffix) if folder or output is None else output)
        for source, below in inputs
    ]
    return Batch(tuple(_shard(tasks, options.shard)), single, options.jobs, options.quiet, options.json)


def _is_folder(name: str) -> bool:
    return name != STANDARD and (name.endswith(os.sep) or os.path.isdir(name))


def _target(source: str, below: str, folder: str | None, suffix: str) -> str:
    """The output of an input: its name with another suffix."""
    if source == STANDARD:
        return STANDARD if folder is None else str(Path(folder, f"stdin{suffix}"))
    if not Path(source).name:
        raise RequestError(f"{source!r}: not the name of a file")
    return str((Path(source) if folder is None else Path(folder, below)).with_suffix(suffix))


def _shard(tasks: list[Task], text: str | None) -> list[Task]:
    """Every N-th task from the I-th on, of "I/N"; all where nothing is said."""
    if text is None:
        return tasks
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise RequestError(f"--shard {text}: I/N expected, 1 <= I <= N, such as 3/8")
    return tasks[int(found[1]) - 1 :: int(found[2])]


def run(batch: Batch, work: Work, skip_existing: bool, partial: bool = False) -> int:
    """Do all of it and return the exit code. A single file's errors are the caller's to report.

    `partial` says that the work can be cut short and still makes a file; other work is ended at once, or finished.
    """
    if skip_existing:
        left = tuple(task for task in batch.tasks if not os.path.lexists(task.target))
        if not batch.quiet and len(left) < len(batch.tasks):
            say(f"inrcodec: {len(batch.tasks) - len(left)} of {len(batch.tasks)} exist and are passed over")
        batch = replace(batch, tasks=left)
    if not batch.tasks:
        return 0
    if batch.single:
        return _run_single(batch, work, partial)
    outcomes: list[Outcome] = []
    with Interrupt(FINISHING) as interrupt:
        interrupt.left = lambda: KEPT
        try:
            for outcome in _run_all(batch, work, interrupt, partial):
                outcomes.append(outcome)
            return _sum_up(batch, outcomes, interrupt.pressed())
        except (KeyboardInterrupt, Terminated) as stop:
            _sum_up(batch, outcomes, stopped=True)
            raise type(stop)(KEPT) from stop


def _run_single(batch: Batch, work: Work, partial: bool) -> int:
    with Interrupt(BEST_SO_FAR if partial else None) as interrupt:
        try:
            outcome = work(batch.tasks[0], interrupt)
        except InrError as error:
            if batch.as_json:
                _print_json(_failed(batch.tasks[0], error))
            raise
    _report(batch, outcome)
    return outcome.code


def _run_all(batch: Batch, work: Work, interrupt: Interrupt, partial: bool) -> Iterator[Outcome]:
    """The outcomes as they come."""
    from inrcodec.cli import pool  # here, as processes take a while to import, and most commands have one file

    targets: dict[str, str] = {}
    jobs = [
        _Job(task, work, partial, targets.setdefault(task.target, task.source), f"[{number}/{len(batch.tasks)}] ")
        for number, task in enumerate(batch.tasks, 1)
    ]
    processes = min(batch.jobs, len(jobs)) if batch.jobs > 1 else 0
    line = BatchLine([job.cost for job in jobs], quiet=batch.quiet or not processes, lines=False)
    bound = [job.bound_to(interrupt) for job in jobs] if not processes else jobs
    try:
        for index, result in pool.run_all(bound, processes, max(1, cores() // max(1, processes)), interrupt.pressed):
            outcome = result if isinstance(result, Outcome) else _died(jobs[index].task, result)
            shown = outcome.text if outcome.code or not batch.quiet else ""
            line.add(outcome.source, jobs[index].cost, bool(outcome.code), shown)
            if batch.as_json:
                _print_json(outcome)
            yield outcome
    finally:
        line.clear()


def _died(task: Task, result: object) -> Outcome:
    from inrcodec.cli.pool import Failure

    reason = result.reason if isinstance(result, Failure) else repr(result)
    return Outcome(task.source, f"inrcodec: {task.source}: {reason}", {"input": task.source, "error": reason}, BUG)


@dataclass(frozen=True)
class _Job:
    """One task for the pool."""

    task: Task
    work: Work
    partial: bool
    first: str
    """The first source that has this target."""
    before: str = ""
    interrupt: Interrupt | None = None
    """Switch of this process; in another the job makes its own."""

    @property
    def label(self) -> str:
        """The input."""
        return self.task.source

    @property
    def cost(self) -> float:
        """All alike: what a picture takes depends on what it holds."""
        return 1.0

    def bound_to(self, interrupt: Interrupt) -> "_Job":
        """The same for this process."""
        return replace(self, interrupt=interrupt)

    def run(self) -> Outcome:
        """Do it; an error of ours is an outcome."""
        try:
            if self.first != self.task.source:
                raise OutputError(f"{self.task.target}: is already the output of {self.first}")
            if self.task.target != STANDARD:
                os.makedirs(Path(self.task.target).parent, exist_ok=True)
            if self.interrupt is not None:
                return self.work(self.task, self._heeded(self.interrupt), self.before)
            with Interrupt(answer="") as interrupt:
                return self.work(self.task, self._heeded(interrupt), before=None)
        except InrError as error:
            return _failed(self.task, error)
        except OSError as error:
            return _failed(self.task, OutputError(f"{self.task.target}: {error.strerror or error}"))

    def _heeded(self, interrupt: Interrupt) -> Interrupt:
        """What the work may ask; nobody presses that of work which cannot be cut short."""
        return interrupt if self.partial else Interrupt(answer="")


def _failed(task: Task, error: InrError) -> Outcome:
    text = worded(error)
    facts = {"input": task.source, "error": text, "kind": type(error).__name__, "exit_code": error.exit_code}
    return Outcome(task.source, f"inrcodec: {text}", facts, error.exit_code)


def _report(batch: Batch, outcome: Outcome) -> None:
    if outcome.text and (outcome.code or not batch.quiet):
        say(outcome.text)
    if batch.as_json:
        _print_json(outcome)


def _print_json(outcome: Outcome) -> None:
    print(json.dumps(outcome.facts), flush=True)


def summary(done: int, count: int, failed: Sequence[str]) -> str:
    """How many inputs are done, and which have failed."""
    return f"{done} of {count} done" + (f"; {len(failed)} failed: {', '.join(failed)}" if failed else "")


def _sum_up(batch: Batch, outcomes: Sequence[Outcome], stopped: bool) -> int:
    """Say how many are done and which are not; the exit code."""
    failed = [outcome.source for outcome in outcomes if outcome.code]
    left = len(batch.tasks) - len(outcomes)
    if not batch.quiet or failed:
        rest = f"; stopped, {left} left" if left else ""
        say(f"inrcodec: {summary(len(outcomes) - len(failed), len(batch.tasks), failed)}{rest}")
    if stopped and left:
        return STOPPED
    return SOME_FAILED if failed else 0
