"""`inrcodec encode`: pictures to .inr files, with checkpoints, one by one or on several processes."""

import argparse
import functools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inrcodec import files, installed
from inrcodec.cli import batch, checkpoint
from inrcodec.cli.batch import Outcome, Task
from inrcodec.cli.checkpoint import Resume
from inrcodec.cli.commands import load_picture
from inrcodec.cli.terminal import NO_FILE, Interrupt, ProgressLine, Terminated, say
from inrcodec.encoding.config import EncoderConfig
from inrcodec.errors import MISSED, CheckpointError, RequestError
from inrcodec.format.metadata import parse_kinds
from inrcodec.pictures.load import SUFFIXES
from inrcodec.progress import Monitor


def run(options: argparse.Namespace) -> int:
    """The command; returns its exit code."""
    installed.require("encode", *installed.ENCODER)
    _check_output(options.output)
    plan = batch.plan(options, SUFFIXES, ".inr")
    shown, config = not options.quiet, config_of(options)
    resume = Resume.YES if options.resume else Resume.IF_IT_CAN if options.skip_existing else Resume.NO
    work = Encode(
        config, options.force, resume, options.checkpoint_every, options.frame, options.verbose and shown, shown
    )
    return batch.run(plan, work, options.skip_existing, partial=True)


def _check_output(name: str | None) -> None:
    """Raise RequestError for the name of a picture: that is what `decode` writes."""
    if name is not None and Path(name).suffix.lower() in SUFFIXES and not Path(name).is_dir():
        raise RequestError(f"{name}: encode writes .inr files, decode pictures: use {Path(name).with_suffix('.inr')}")


def config_of(options: argparse.Namespace) -> EncoderConfig:
    """What the options say of an encode; raises RequestError."""
    names = ("quality", "effort", "device", "seed", "prune", "bpp", "size", "psnr", "family", "time_limit")
    threads = getattr(options, "threads", None)  # a fleet has workers instead
    values = {name: getattr(options, name) for name in names}
    return EncoderConfig(**values, metadata=parse_kinds(options.metadata), threads=threads)


@dataclass(frozen=True)
class Encode:
    """The work on one picture."""

    config: EncoderConfig
    force: bool
    resume: Resume
    checkpoint_every: float
    """Seconds."""
    frame: int | None
    """Frame of pictures of several; None: the first, and that is said."""
    verbose: bool
    shown: bool
    """Whether notes and progress are shown."""

    def __call__(self, task: Task, interrupt: Interrupt, before: str | None = "") -> Outcome:
        """Raises KeyboardInterrupt or Terminated, their text what can be resumed, where it is to end at once."""
        start, line = time.monotonic(), ProgressLine(before or "", quiet=before is None or not self.shown)
        interrupt.renew()
        files.check_output(task.target, task.source, self.force)

        @functools.cache
        def note(text: str) -> None:
            """Say something once."""
            if self.shown:
                line.clear()
                say(f"inrcodec: {text}")

        path = checkpoint.path_for(task.target)
        keeper = checkpoint.Checkpoint(path, self.resume, self.checkpoint_every, note, interrupt.settled)
        keeper.open(self.force)
        interrupt.left = functools.partial(_way_on, keeper)
        try:
            encoded = self._encoded(task, interrupt, line, note, keeper, start)
            line.clear()
            files.write_output(task.target, encoded.data, task.source, self.force)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(_way_on(keeper)) from stop
        except Terminated as end:
            keeper.save()
            raise Terminated(_way_on(keeper)) from end
        finally:
            line.clear()
        keeper.discard()
        if self.verbose:
            _print_stages(encoded)
        return self._outcome(task, encoded, time.monotonic() - start)

    def _encoded(
        self, task: Task, interrupt: Interrupt, line: ProgressLine, note: Any, keeper: Any, start: float
    ) -> Any:
        image = load_picture(task.source, self.frame)
        from inrcodec.encoding.encoder import encode_with_report

        monitor = Monitor(line.show, interrupt.asked, line.announce, note)
        try:
            return encode_with_report(image, self.config, monitor, keeper, start)
        except CheckpointError as error:
            keeper.refuse(error)
        return encode_with_report(image, self.config, monitor, keeper, start)

    def _outcome(self, task: Task, encoded: Any, seconds: float) -> Outcome:
        facts = {
            "input": task.source, "output": task.target, "bytes": len(encoded.data), "bpp": round(encoded.bpp, 4),
            "psnr": round(encoded.psnr, 3), "width": encoded.width, "height": encoded.height,
            "seconds": round(seconds, 2), "target_met": encoded.met,
            "one_colour": _is_one_colour(encoded),
        }  # fmt: skip
        if not self.shown and _is_one_colour(encoded):  # else it was noted
            say(f"inrcodec: {task.target}: one colour, as the search ended with less")
        text = (
            f"{task.target}: {len(encoded.data):,} bytes, {encoded.bpp:.3f} bpp, {encoded.psnr:.2f} dB, "
            f"{encoded.width}x{encoded.height}, {seconds:.0f} s"
        )
        if encoded.met:
            return Outcome(task.source, text, facts)
        if self.shown:
            say(text)
        missed = f"inrcodec: {task.target}: written, but the target is not reached: {self._missed(encoded)}"
        return Outcome(task.source, missed, facts, MISSED)

    def _missed(self, encoded: Any) -> str:
        if self.config.psnr is not None:
            return f"{encoded.psnr:.2f} dB instead of {self.config.psnr:g}"
        return f"{len(encoded.data):,} bytes, {encoded.bpp:.4g} bpp"


def _is_one_colour(encoded: Any) -> bool:
    """Whether the file is the picture's mean colour, in place of what the search ended with."""
    return any(stage.name == "one colour" for stage in encoded.stages)


def _way_on(keeper: checkpoint.Checkpoint) -> str:
    return f"{NO_FILE}; {keeper.path} stays: add --resume to go on" if keeper.exists() else NO_FILE


def _print_stages(encoded: Any) -> None:
    """A table on stderr: what each stage cost in dB and saved in bytes."""
    before = encoded.stages[0]
    print(f"{'stage':<18}{'PSNR':>9}{'change':>9}{'bytes':>10}{'saved':>10}", file=sys.stderr)
    for stage in encoded.stages:
        print(
            f"{stage.name:<18}{stage.psnr:>6.2f} dB{stage.psnr - before.psnr:>+9.2f}{stage.file_bytes:>10,}"
            f"{before.file_bytes - stage.file_bytes:>10,}  {stage.note}",
            file=sys.stderr,
        )
        before = stage
