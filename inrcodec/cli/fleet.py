"""`inrcodec fleet`: many pictures on a Dask cluster, of this machine or of many."""

import argparse
import contextlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inrcodec import fleet, installed
from inrcodec.cli import pool
from inrcodec.cli.batch import FINISHING, KEPT, summary
from inrcodec.cli.cures import cured
from inrcodec.cli.encode import config_of
from inrcodec.cli.terminal import BatchLine, Interrupt, Terminated, say
from inrcodec.compute import threads
from inrcodec.errors import SOME_FAILED, STOPPED, RequestError
from inrcodec.fleet import Existing, stores
from inrcodec.fleet.manifest import Facts


def run(options: argparse.Namespace) -> int:
    """The command; returns its exit code."""
    config, book = config_of(options), _manifest(options)
    if options.workers is not None and (options.workers < 1 or options.scheduler):
        raise RequestError(f"--workers {options.workers}: 1 or more expected, and no --scheduler")
    existing = Existing.REPLACE if options.force else Existing.TAKE if options.skip_existing else Existing.REFUSE
    names = [_for_workers(name, options) for name in (*options.input, options.output)]
    work = fleet.plan(fleet.find(names[:-1], names[-1]), config, book, existing)
    report = _Report(work, book, options)
    with _client(options, bool(work.orders)) as client, Interrupt(FINISHING) as interrupt:
        interrupt.left = lambda: KEPT
        try:
            fleet.carry_out(work, config, book, client, report.add, interrupt.pressed)
        except (KeyboardInterrupt, Terminated) as stop:
            report.sum_up()
            pool.end_children()
            raise type(stop)(KEPT) from stop
    return report.sum_up()


def _manifest(options: argparse.Namespace) -> Path:
    if options.manifest is not None:
        return Path(options.manifest)
    if not stores.is_local(options.output):
        raise RequestError("--manifest FILE: needed where the output is no folder of this machine")
    return Path(options.output.removeprefix("file://"), "manifest.jsonl")


def _for_workers(name: str, options: argparse.Namespace) -> str:
    """A path as processes that were started elsewhere can open it."""
    return os.path.abspath(name) if options.scheduler and stores.is_local(name) and "://" not in name else name


@contextlib.contextmanager
def _client(options: argparse.Namespace, needed: bool) -> Iterator[Any]:
    """A client of the cluster; none where there is nothing to do. Nothing that Dask has to say is shown."""
    if not needed:
        yield None
        return
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    logging.getLogger("tornado").setLevel(logging.CRITICAL + 1)
    with _cluster(options) as cluster, Client(cluster) as client:
        yield client


def _cluster(options: argparse.Namespace) -> Any:
    if options.scheduler:
        return contextlib.nullcontext(options.scheduler)
    installed.require("fleet", *installed.ENCODER)
    from inrcodec.compute.torch_backend import gpus_for

    gpus = gpus_for(options.device) if options.workers is None else []
    return fleet.local_cluster(options.workers or threads.cores(), gpus)


class _Report:
    """What is said while it is done, and at the end."""

    def __init__(self, work: fleet.Work, book: Path, options: argparse.Namespace) -> None:
        self._work, self._book, self._options = work, book, options
        self._count = len(work.orders) + len(work.refused)
        self._failed: list[str] = []
        self._written = self._found = 0
        if work.done and not options.quiet:
            say(f"inrcodec: {len(work.done)} of {len(work.done) + self._count} were done earlier and are passed over")
        self._line = BatchLine([1.0] * self._count, quiet=options.quiet or not self._count, lines=False)

    def add(self, facts: Facts) -> None:
        """Count a new line of the manifest."""
        failed, worked = "error" in facts, facts.get("seconds") is not None
        if failed:
            self._failed.append(facts["source"])
        self._written, self._found = self._written + worked, self._found + (not failed and not worked)
        if failed:
            text = f"inrcodec: {cured(facts['error'], facts.get('cure', ''))}"
        else:
            text = "" if self._options.quiet else _text(facts)
        self._line.add(facts["source"], 1.0, failed, text, worked)
        for note in facts.get("notes", ()):
            if not self._options.quiet:
                say(f"inrcodec: {note}")
        if self._options.json:
            print(json.dumps(facts), flush=True)

    def sum_up(self) -> int:
        """Say how many are done and where the files are named; the exit code."""
        self._line.clear()
        done, earlier = self._written + self._found, len(self._work.done)
        left = self._count - done - len(self._failed)
        if not self._options.quiet or self._failed:
            counts = {"written": self._written, "were there": self._found, "done earlier": earlier}
            kinds = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            rest = f"; stopped, {left} left" if left else ""
            total = summary(done + earlier, self._count + earlier, self._failed)
            say(f"inrcodec: {total}{rest}; {kinds or 'none written'}: see {self._book}")
        if left:
            return STOPPED
        return SOME_FAILED if self._failed else 0


def _text(facts: Facts) -> str:
    seconds = "was there already" if facts["seconds"] is None else f"{facts['seconds']:.0f} s"
    return f"{facts['output']}: {facts['bytes']:,} bytes, {facts['bpp']:.3f} bpp, {facts['psnr']:.2f} dB, {seconds}"
