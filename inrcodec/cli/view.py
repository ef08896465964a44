"""`inrcodec view` and `inrcodec export`: pictures as web pages, as shaders, as arrays of weights."""

import argparse
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from inrcodec import families, files
from inrcodec.cli import batch
from inrcodec.cli.batch import Outcome, Task
from inrcodec.cli.commands import INR_SUFFIXES, limits_of, naming, read
from inrcodec.cli.terminal import Interrupt
from inrcodec.export.glsl import shader
from inrcodec.export.page import page
from inrcodec.files import STANDARD
from inrcodec.format.limits import DecodeLimits


def run(options: argparse.Namespace) -> int:
    """Either command; returns its exit code."""
    kind = "html" if options.command == "view" else options.kind
    work = Convert(kind, limits_of(options), options.force)
    return batch.run(batch.plan(options, INR_SUFFIXES, f".{kind}"), work, options.skip_existing)


@dataclass(frozen=True)
class Convert:
    """The work on one file."""

    kind: str
    """"html", "glsl" or "npz"."""
    limits: DecodeLimits
    force: bool

    def __call__(self, task: Task, interrupt: Interrupt, before: str | None = "") -> Outcome:
        """Convert the file and write the result."""
        files.check_output(task.target, task.source, self.force)
        data = read(task.source, self.limits)
        with naming(task.source):
            result = self._converted(data, "standard input" if task.source == STANDARD else task.source)
        files.write_output(task.target, result, task.source, self.force)
        facts = {"input": task.source, "output": task.target, "bytes": len(result)}
        return Outcome(task.source, f"{task.target}: {len(result):,} bytes", facts)

    def _converted(self, data: bytes, name: str) -> bytes:
        if self.kind == "html":
            return page(data, name.rpartition("/")[2], self.limits)
        if self.kind == "glsl":
            return shader(data, self.limits).encode()
        return _weights(data, self.limits)


def _weights(data: bytes, limits: DecodeLimits) -> bytes:
    """The network's float32 tensors by name as NumPy's .npz, weight_1, bias_1, .. of a SIREN, and `size`."""
    stored = families.read(data, limits)
    arrays: dict[str, Any] = {**stored.network.tensors(), "size": np.array([stored.height, stored.width])}
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()
