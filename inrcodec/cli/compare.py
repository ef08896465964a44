"""`inrcodec compare A B`: how far two pictures are apart, in numbers and side by side."""

import argparse
import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inrcodec import files, metrics
from inrcodec.cli.commands import limits_of, load_picture, naming, read
from inrcodec.cli.terminal import say
from inrcodec.decoding.decoder import Picture, open_bytes
from inrcodec.errors import RequestError, printable
from inrcodec.format.limits import DecodeLimits
from inrcodec.pictures import save
from inrcodec.pictures.sheets import Panel, sheet
from inrcodec.pixels import colour_channels

_AMPLIFIED = 8
"""What differences are multiplied by to be seen."""


def run(options: argparse.Namespace) -> int:
    """The command; returns its exit code."""
    if options.output is not None:
        if options.output == files.STANDARD:
            raise RequestError("-: standard output holds the numbers: name a file with -o")
        kind = save.kind_of(options.output)
        files.check_output(options.output, options.a, options.force)
    one, other = _pictures(options.a, options.b, limits_of(options))
    psnr, similarity = metrics.psnr(one, other), metrics.ms_ssim(one, other)
    apart = np.abs(one.astype(int) - other).max()
    if options.json:
        numbers = {"psnr": _number(psnr), "ms_ssim": _number(similarity), "most_apart": int(apart)}
        print(json.dumps({"a": options.a, "b": options.b, "width": one.shape[1], "height": one.shape[0], **numbers}))
    else:
        print(f"PSNR            {psnr:.2f} dB" if math.isfinite(psnr) else "PSNR            infinite: they are equal")
        print(f"MS-SSIM         {similarity:.4f}" if math.isfinite(similarity) else "MS-SSIM         needs 176 pixels")
        print(f"most apart      {apart} codes of 255")
    if options.output is not None:
        drawn = sheet(side_by_side(one, other, (options.a, options.b)))
        files.write_output(options.output, save.to_file(drawn, kind), options.a, options.force)
        say(f"{options.output}: A, B, and {_AMPLIFIED} times their difference")
    return 0


def _number(value: float) -> float | None:
    """A number for JSON, which has no infinity and no "not a number"."""
    return round(value, 6) if math.isfinite(value) else None


def _pictures(a: str, b: str, limits: DecodeLimits) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both as (H, W, C) uint8 of one size; an .inr file takes the size of a picture that is none."""
    one, other = _opened(a, limits), _opened(b, limits)
    pixels = [item for item in (one, other) if not isinstance(item, Picture)]
    size = pixels[0].shape[:2] if pixels else (one.height, one.width)  # type: ignore[union-attr]
    drawn = [_drawn(item, name, size) for item, name in ((one, a), (other, b))]
    if drawn[0].shape != drawn[1].shape:
        shapes = " and ".join(f"{d.shape[1]}x{d.shape[0]} with {d.shape[2]} channels" for d in drawn)
        raise RequestError(f"{a}, {b}: pictures of {shapes} cannot be compared")
    return drawn[0], drawn[1]


def _opened(name: str, limits: DecodeLimits) -> Picture | NDArray[np.uint8]:
    """An .inr file as a function, any other as pixels."""
    if Path(name).suffix.lower() != ".inr":
        source = load_picture(name)
        for note in source.notes:
            say(f"inrcodec: {note}")
        return source.codes
    with naming(name):
        return open_bytes(read(name, limits), limits=limits)


def _drawn(item: Picture | NDArray[np.uint8], name: str, size: tuple[int, ...]) -> NDArray[np.uint8]:
    if not isinstance(item, Picture):
        return item
    with naming(name):
        pixels = item.render((size[0], size[1]))
    return pixels.reshape(*pixels.shape[:2], -1)


def side_by_side(one: NDArray[np.uint8], other: NDArray[np.uint8], names: tuple[str, str]) -> list[Panel]:
    """Both pictures (H, W, C) and their differences, amplified around grey; that of alpha by itself."""
    apart = np.clip(128 + _AMPLIFIED * (other.astype(int) - one), 0, 255).astype(np.uint8)
    colours = colour_channels(one.shape[2])
    words = f"B - A, {_AMPLIFIED} times"
    panels = [
        Panel(one, (f"A: {printable(names[0])}",)),
        Panel(other, (f"B: {printable(names[1])}", _numbers(one, other))),
        Panel(apart[..., :colours], (words, "grey where they are equal")),
    ]
    if one.shape[2] % 2 == 0:
        panels.append(Panel(apart[..., -1:], (f"{words}, of alpha", "grey where they are equal")))
    return panels


def _numbers(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> str:
    psnr, similarity = metrics.psnr(one, other), metrics.ms_ssim(one, other)
    told = f"PSNR {psnr:.2f} dB" if math.isfinite(psnr) else "equal"
    return f"{told}, MS-SSIM {similarity:.4f}" if math.isfinite(similarity) else told
