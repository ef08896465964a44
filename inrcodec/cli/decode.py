"""`inrcodec decode`: .inr files to pictures of other formats."""

import argparse
import math
import re
from dataclasses import dataclass

from inrcodec import families, files
from inrcodec.cli import batch
from inrcodec.cli.batch import Outcome, Task
from inrcodec.cli.commands import INR_SUFFIXES, limits_of, naming, read
from inrcodec.cli.terminal import Interrupt, ProgressLine
from inrcodec.compute.threads import checked
from inrcodec.decoding.decoder import Picture, Region, open_bytes
from inrcodec.decoding.derivatives import DERIVATIVES, as_picture
from inrcodec.errors import RequestError
from inrcodec.files import STANDARD
from inrcodec.format.limits import DecodeLimits
from inrcodec.format.metadata import NO_METADATA, parse_kinds
from inrcodec.pictures import save
from inrcodec.pixels import Codes

_CHANNELS = ("colour", *DERIVATIVES)
_KINDS = {kind.lower(): kind for kind in save.SUFFIXES.values()}


def run(options: argparse.Namespace) -> int:
    """The command; returns its exit code."""
    kind = _kind(options.format)
    plan = batch.plan(options, INR_SUFFIXES, next(s for s, k in save.SUFFIXES.items() if k == (kind or "PNG")))
    work = Decode(
        _pair("size", options.size), options.scale, _box(options.region), options.channels, kind, options.depth,
        parse_kinds(options.metadata), options.device, options.exact, limits_of(options), options.force,
        options.threads, not options.quiet,
    )  # fmt: skip
    return batch.run(plan, work, options.skip_existing)


@dataclass(frozen=True)
class Decode:
    """The work on one file."""

    size: tuple[int, int] | None
    """(width, height) of the output."""
    scale: float | None
    region: tuple[int, int, int, int] | None
    """x, y, width, height."""
    channels: str
    """"colour", "gradient" or "laplacian"."""
    kind: str | None
    """Format of the output; by its suffix where this is None."""
    depth: int
    metadata: tuple[str, ...]
    device: str
    exact: bool
    limits: DecodeLimits
    force: bool
    threads: int | None
    shown: bool
    """Whether progress is shown."""

    def __post_init__(self) -> None:
        if self.threads is not None:
            checked(self.threads)
        if self.scale is not None and not (math.isfinite(self.scale) and 0 < self.scale <= 1e6):
            raise RequestError(f"--scale {self.scale}: a number above 0 expected, such as 2 or 0.5")
        if self.channels not in _CHANNELS:
            raise RequestError(f"--channels {self.channels}: none of {', '.join(_CHANNELS)}")

    def __call__(self, task: Task, interrupt: Interrupt, before: str | None = "") -> Outcome:
        """Draw the file and write the picture."""
        kind = self.kind or ("PNG" if task.target == STANDARD else save.kind_of(task.target, ", or --format"))
        files.check_output(task.target, task.source, self.force)
        data = read(task.source, self.limits)
        line = ProgressLine(before or "", quiet=before is None or not self.shown)
        try:
            with naming(task.source):
                asked, report = interrupt.asked, line.draw
                picture = open_bytes(data, self.device, self.exact, self.limits, asked, self.threads, report)
                image, white = self._drawn(picture, kind)
                wanted = self.metadata if self.channels == "colour" else ()
                metadata = families.metadata_of(data, self.limits).only(wanted) if wanted else NO_METADATA
        finally:
            line.clear()
        files.write_output(task.target, save.to_file(image, kind, metadata), task.source, self.force)
        height, width = image.shape[:2]
        facts = {"input": task.source, "output": task.target, "width": width, "height": height}
        if white is None:
            return Outcome(task.source, f"{task.target}: {width}x{height}", facts)
        shown = f"{self.channels}, {white:.4g} is white"
        return Outcome(task.source, f"{task.target}: {width}x{height}, {shown}", {**facts, "white": white})

    def _drawn(self, picture: Picture, kind: str) -> tuple[Codes, float | None]:
        """Pixels, or numbers for NPY; and of a derivative's pixels the value that is white."""
        region = self._region(picture)
        size = self._size(region)
        if self.channels == "colour":
            return picture.render(size, region, self.depth), None
        derivative = picture.render_derivative(self.channels, size, region)
        return (derivative, None) if kind == "NPY" else as_picture(self.channels, derivative, self.depth)

    def _region(self, picture: Picture) -> Region:
        if self.region is None:
            return Region(0, 0, picture.height, picture.width)
        x, y, width, height = self.region
        return Region(y, x, height, width)

    def _size(self, region: Region) -> tuple[int, int]:
        """(height, width) of the output."""
        if self.size is not None:
            return self.size[1], self.size[0]
        scale = 1.0 if self.scale is None else self.scale
        return max(1, round(scale * region.height)), max(1, round(scale * region.width))


def _kind(name: str | None) -> str | None:
    """The kind of picture that --format names."""
    if name is not None and name.lower() not in _KINDS:
        raise RequestError(f"--format {name}: none of {', '.join(_KINDS)}")
    return None if name is None else _KINDS[name.lower()]


def _pair(option: str, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,10}x\d{1,10}", text):
        raise RequestError(f"--{option} {text}: WxH expected, such as 640x480")
    width, height = map(int, text.split("x"))
    return width, height


def _box(text: str | None) -> tuple[int, int, int, int] | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,10}(,\d{1,10}){3}", text):
        raise RequestError(f"--region {text}: x,y,w,h expected, four whole numbers such as 100,50,64,64")
    x, y, width, height = map(int, text.split(","))
    return x, y, width, height
