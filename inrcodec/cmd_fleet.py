"""`inrcodec fleet`: many pictures on a Dask cluster, of this machine or of many."""

import argparse
import contextlib
import json
import os
from pathlib import Path
from typing import Any

from inrcodec import extras, fleet
from inrcodec.batch import SOME_FAILED, summary
from inrcodec.cmd_encode import config_of
from inrcodec.errors import RequestError
from inrcodec.terminal import BatchLine, say
from inrcodec.threads import cores


def run(options: argparse.Namespace) -> int:
    """The command; returns its exit code."""
    config, manifest = config_of(options), _manifest(options)
    if options.workers is not None and (options.workers < 1 or options.scheduler):
        raise RequestError(f"--workers {options.workers}: 1 or more expected, and no --scheduler")
    pictures = fleet.find(options.input, options.output)
    line = BatchLine([1.0] * len(pictures), quiet=options.quiet, lines=False)

    def told(facts: dict[str, Any]) -> None:
        failed = "error" in facts
        text = f"inrcodec: {facts['error']}" if failed else _text(facts)
        line.add(facts["source"], 1.0, failed, text if failed or not options.quiet else "")
        if options.json:
            print(json.dumps(facts), flush=True)

    from distributed import Client

    with _cluster(options) as cluster, Client(cluster) as client:
        lines = fleet.run(pictures, config, manifest, client, told)
    line.clear()
    return _sum_up(pictures, lines, manifest)


def _manifest(options: argparse.Namespace) -> Path:
    if options.manifest is not None:
        return Path(options.manifest)
    if "://" in options.output:
        raise RequestError("--manifest FILE: needed where the output is no folder of this machine")
    return Path(options.output, "manifest.jsonl")


def _cluster(options: argparse.Namespace) -> Any:
    if options.scheduler:
        return contextlib.nullcontext(options.scheduler)
    extras.require("fleet", *extras.ENCODER)
    gpus = _gpus() if options.device in ("auto", "cuda") and options.workers is None else []
    return fleet.local_cluster(options.workers or cores(), gpus)


def _gpus() -> list[str]:
    """CUDA's names of the GPUs that this process may use."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]


def _text(facts: dict[str, Any]) -> str:
    seconds = "was there already" if facts["seconds"] is None else f"{facts['seconds']:.0f} s"
    return f"{facts['output']}: {facts['bytes']:,} bytes, {facts['bpp']:.3f} bpp, {facts['psnr']:.2f} dB, {seconds}"


def _sum_up(pictures: list[fleet.Picture], lines: list[dict[str, Any]], manifest: Path) -> int:
    wanted = {picture.source for picture in pictures}
    failed = [facts["source"] for facts in lines if "error" in facts]
    done = sum(facts["source"] in wanted and "error" not in facts for facts in lines)
    say(f"inrcodec: {summary(done, len(pictures), failed)}; {manifest}")
    return SOME_FAILED if failed else 0
