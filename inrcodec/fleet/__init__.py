"""Many pictures on many machines: Dask spreads them, fsspec reads and writes them, a manifest says what became of each.

A source and the output folder are anything that fsspec opens: paths, or URIs such as s3://bucket/key (`stores.py`).

Nothing is lost: Dask gives a picture whose worker dies to another. Nothing is encoded twice: an output appears whole or
not at all, and is passed over where the manifest (`manifest.py`) says that it is of this source as it is now, with
these options, and where it is still that file. So a fleet that was stopped goes on when it is started again, and
pictures that failed are tried again. Nothing is overwritten: a file that is there, and of which the manifest does not
say this, is a failure of its picture, unless `Existing` says otherwise.
"""

import contextlib
import enum
import logging
import os
import posixpath
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from inrcodec import families, installed, metrics
from inrcodec.decoding import decoder
from inrcodec.encoding.config import EncoderConfig
from inrcodec.errors import InrError, NotInrError, OutputError, RequestError
from inrcodec.fleet import manifest, stores
from inrcodec.fleet.manifest import Facts
from inrcodec.pictures.load import MAX_FILE_BYTES, SUFFIXES, load_bytes
from inrcodec.progress import Monitor, never

_LOOKING = 32
"""Outputs that are looked at at once, before the work begins: a store answers each only after a while."""
_PATIENCE = 0.5
"""Seconds between two questions whether to stop, and how many workers there are."""


@dataclass(frozen=True)
class Job:
    """One picture of a fleet, and where its file goes."""

    source: str
    output: str


class Existing(enum.Enum):
    """What becomes of an output that is there, but not in the manifest for this source and these options."""

    REFUSE = "refuse"
    TAKE = "take"
    """If it is a whole file of a picture of this size."""
    REPLACE = "replace"


@dataclass(frozen=True)
class Order:
    """One picture that is to be encoded."""

    job: Job
    stamp: list[Any] | None
    """Bytes of the source, and its time or checksum."""
    config: str | None
    """Digest of the options; None where a file is taken whose options are not known."""
    replace: bool = False
    """Whether a file that is there is replaced. Else it is looked at: another worker may have written it."""

    @property
    def facts(self) -> Facts:
        """What its lines of the manifest begin with."""
        return {**asdict(self.job), "stamp": self.stamp, "config": self.config}


@dataclass(frozen=True)
class Work:
    """What is left to do, and what is not to be done."""

    orders: list[Order]
    done: list[Facts]
    """Lines of pictures that were finished earlier."""
    refused: list[Facts]
    """Lines of pictures whose output is not ours to replace."""
    others: list[Facts]
    """All other lines of the manifest."""


def find(sources: Sequence[str], out: str, suffixes: Sequence[str] = SUFFIXES) -> list[Job]:
    """The pictures of files and folders (with all that is in them), and where their files go below `out`.

    Raises InputImageError for a source that is not there, or a folder without pictures, RequestError where two would
    have the same output.
    """
    found: dict[str, str] = {}
    for source in sources:
        for uri, below in stores.expand(source, suffixes):
            output = posixpath.join(out, posixpath.splitext(below)[0] + ".inr")
            if found.setdefault(output, uri) != uri:
                raise RequestError(f"{uri}: would have the output of {found[output]}: give them folders of their own")
    return [Job(uri, output) for output, uri in found.items()]


def plan(jobs: Sequence[Job], config: EncoderConfig, book: Path, existing: Existing = Existing.REFUSE) -> Work:
    """Look which jobs the manifest `book` has, and whether their outputs are there.

    Raises OutputError where it is no manifest.
    """
    lines, digest = manifest.read(book), config.digest().hex()[:16]

    def look(job: Job) -> Order | Facts:
        return _look(job, lines.get(job.output, {}), digest, existing)

    with ThreadPoolExecutor(_LOOKING) as threads:
        looks = list(threads.map(look, jobs))
    orders = [look for look in looks if isinstance(look, Order)]
    facts = [look for look in looks if not isinstance(look, Order)]
    done = [line for line in facts if "error" not in line]
    finished = {line["output"] for line in done}
    others = [line for output, line in lines.items() if output not in finished]
    return Work(orders, done, [line for line in facts if "error" in line], others)


def _look(job: Job, line: Facts, digest: str, existing: Existing) -> Order | Facts:
    """What is to be done with a picture; or its line, where that is nothing."""
    order = Order(job, stores.stamp(job.source), digest, replace=existing is Existing.REPLACE)
    known = order.stamp is not None and line.items() >= order.facts.items()
    try:
        data = stores.existing(job.output)
        if data is None:
            return Order(job, order.stamp, digest)
        if (
            known
            and "begun" not in line
            and data[-4:].hex() == line.get("crc")
            and _header(data, job.output) is not None
        ):
            return line
        if existing is Existing.REPLACE:
            return order
        if known and ("begun" in line or _header(data, job.output) is None):
            return Order(job, order.stamp, digest)
        if existing is Existing.TAKE:
            return Order(job, order.stamp, config=None)
        raise OutputError(
            f"{job.output}: exists already, and is not known to be of {job.source} with these options"
        ).cured_by("replace or take")
    except InrError as error:
        return _failed(order, error)


def _header(data: bytes, output: str) -> families.Header | None:
    """The header of an output; None where it was cut short or damaged. Raises OutputError where it was never ours."""
    try:
        return families.read_header(data)
    except NotInrError as error:
        raise OutputError(f"{output}: exists already and is not an .inr file").cured_by("replace") from error
    except InrError:
        return None


def _failed(order: Order, error: Exception) -> Facts:
    cure = getattr(error, "cure", "")
    found = {**order.facts, "error": " ".join(str(error).split()), "kind": type(error).__name__}
    return found | ({"cure": cure} if cure else {})


def encode_one(order: Order, config: EncoderConfig) -> Facts:
    """Encode one picture, in whatever process, unless its file is there; its line of the manifest."""
    start, notes = time.monotonic(), list[str]()
    try:
        source = load_bytes(stores.read(order.job.source, MAX_FILE_BYTES), order.job.source)
        data = None if order.replace else _found(order, source.codes.shape)
        fresh = data is None
        if data is None:
            installed.require("encoding", *installed.ENCODER)
            from inrcodec.encoding.encoder import encode_with_report

            encoded = encode_with_report(source, config, Monitor(note=notes.append))
            data, psnr = encoded.data, encoded.psnr
            stores.write(order.job.output, data)
        else:
            psnr = metrics.psnr(source.codes, decoder.decode(data).reshape(source.codes.shape))
    except InrError as error:
        return {**_failed(order, error), "worker": os.getpid()}
    height, width, _ = source.codes.shape
    return {
        **order.facts, "bytes": len(data), "bpp": round(metrics.bpp(len(data), height, width), 4),
        "psnr": round(psnr, 3), "width": width, "height": height, "crc": data[-4:].hex(),
        "seconds": round(time.monotonic() - start, 2) if fresh else None, "worker": os.getpid(),
        **({"notes": notes} if notes else {}),
    }  # fmt: skip


def _found(order: Order, shape: tuple[int, ...]) -> bytes | None:
    """The output, where it is there, and whole. Raises OutputError where it is not of a picture (H, W, C)."""
    output = order.job.output
    data = stores.existing(output)
    if data is None:
        return None
    header = _header(data, output)
    if header is None and order.config is None:
        raise OutputError(f"{output}: is damaged").cured_by("replace")
    if header is None:
        return None
    if (header.height, header.width, header.arch.channels) != shape:
        raise OutputError(
            f"{output}: is a picture of {header.width}x{header.height} and {header.arch.channels} channels, "
            f"{order.job.source} of {shape[1]}x{shape[0]} and {shape[2]}"
        ).cured_by("replace")
    return data


def run(
    jobs: Sequence[Job],
    config: EncoderConfig,
    book: Path,
    client: Any,
    told: Callable[[Facts], None] = lambda facts: None,
    existing: Existing = Existing.REFUSE,
) -> list[Facts]:
    """Encode all pictures on a `distributed.Client` but those that the manifest has; the lines of all of them.

    `told` hears of each new one. Raises OutputError where the manifest cannot be written, or is none.
    """
    return carry_out(plan(jobs, config, book, existing), config, book, client, told)


def carry_out(
    work: Work,
    config: EncoderConfig,
    book: Path,
    client: Any,
    told: Callable[[Facts], None] = lambda facts: None,
    stopped: Callable[[], bool] = never,
) -> list[Facts]:
    """As `run`. Once `stopped` says so no picture is begun any more, and those under way are finished."""
    lines = {facts["output"]: facts for facts in work.others}
    manifest.write(book, [*work.done, *lines.values()])
    results: list[Facts] = []

    def settle(facts: Facts) -> None:
        append(facts)
        results.append(facts)
        told(facts)

    with manifest.appending(book) as append:
        for facts in work.refused:
            settle(facts)
        for facts in _results(work.orders, config, client, append, stopped):
            settle(facts)
    news = [facts for facts in results if not _says_less(facts, lines.get(facts["output"], {}))]
    for facts in news:
        if "error" not in facts or "begun" in lines.get(facts["output"], {}):
            lines.pop(facts["output"], None)
    manifest.write(book, [*work.done, *lines.values(), *news])
    return [*work.done, *results]


def _says_less(new: Facts, old: Facts) -> bool:
    """Whether a line is of a file that was taken as it is, and an earlier one says with which options it was made."""
    return "error" not in new and new["config"] is None and new["crc"] == old.get("crc")


def _results(
    orders: Sequence[Order], config: EncoderConfig, client: Any, begun: Callable[[Facts], None], stopped: Any
) -> Iterator[Facts]:
    """The lines as they come; at no time are more pictures begun than there are threads to work on them."""
    waiting, running = deque(orders), dict[Any, Order]()
    while running or (waiting and not stopped()):
        room = max(1, sum(client.nthreads().values()))
        while waiting and len(running) < room and not stopped():
            order = waiting.popleft()
            if not order.replace and order.config is not None:
                begun({**order.facts, "begun": True})
            running[client.submit(encode_one, order, config, pure=False)] = order
        for future in _finished(running):
            yield _result(future, running.pop(future))


def _finished(running: dict[Any, Order]) -> list[Any]:
    """What has finished within a moment."""
    from distributed import wait

    try:
        wait(list(running), timeout=_PATIENCE, return_when="FIRST_COMPLETED")
    except TimeoutError:
        return []
    return [future for future in running if future.done()]


def _result(future: Any, order: Order) -> Facts:
    """What came of a picture; a failure too where it has ended one worker after the other."""
    if future.cancelled():
        return {**_failed(order, OutputError("the cluster has lost it")), "worker": None}
    error = future.exception()
    if error is None:
        facts: Facts = future.result()
        return facts
    return {**_failed(order, error), "worker": None}


def local_cluster(workers: int, gpus: Sequence[str] = ()) -> Any:
    """A Dask cluster of this machine: a process with one thread for each core that is to work, or for each GPU.

    A process that dies is started again. Nothing listens but on 127.0.0.1, nothing is logged, and Ctrl-C is for this
    process alone. `gpus` are CUDA's names of devices.
    """
    from distributed import Nanny, Scheduler, SpecCluster
    from distributed.utils import LoopRunner

    runner = LoopRunner(asynchronous=False)
    with _deaf():
        runner.start()

    environments = [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus] or [{} for _ in range(workers)]
    common = {"nthreads": 1, "memory_limit": 0, "silence_logs": logging.CRITICAL}
    options = [{**common, "env": environment} for environment in environments]
    return SpecCluster(
        scheduler={"cls": Scheduler, "options": {"dashboard": False, "host": "127.0.0.1", "port": 0}},
        workers={number: {"cls": Nanny, "options": option} for number, option in enumerate(options)},
        silence_logs=logging.CRITICAL,
        loop=runner.loop,
    )


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Threads that start meanwhile do not hear SIGINT, nor does what they start: the processes of workers."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # or it would start in such a thread, and lets that hear SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
