"""Rate and distortion of inrcodec against JPEG, WebP, JPEG 2000 and AVIF, from real files.

    python tools/measure/rd_curve.py  # the photographs of sample_data, default quality
    python tools/measure/rd_curve.py DIR/kodim15.png DIR/kodim23.png --scale 0.5 -q 30 50 70
    python tools/measure/rd_curve.py DIR --bpp 0.15 0.3 0.45 0.65 0.9 --published curves.json --out out/kodak
    python tools/measure/rd_curve.py --jobs 1 --threads 2  # times of encodes that have two cores to themselves

A rate is that of a whole file, PSNR is over all samples of the decoded uint8 pictures. The baselines are Pillow's, each
at its best settings (baselines.py), compared at equal bytes, linear in log bytes between two neighbouring files.

Everything is kept in the folder --out, and a run that was stopped goes on from there when it is started again:

    index.html         tables, plot, and every picture next to JPEG and WebP at the same bytes
    NAME.json          the means in CompressAI's schema; such a file may be the --published one of another run
    per_picture.json   every figure, and the baselines' curves;  rd.csv: the same without the curves
    rd.png             the plot (needs matplotlib: the extra "eval")
    rows/ files/       what was measured, and the .inr files
    baselines/         the baselines' curves
    pictures/          what the page shows
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import PIL

import inrcodec
from inrcodec.cli.pool import Failure, run_all
from inrcodec.cli.terminal import BatchLine
from inrcodec.compute.torch_backend import choose_device
from inrcodec.errors import InrError
from tools import ROOT
from tools.measure.rate_distortion import baselines, rd_page, rd_report, rd_tables
from tools.measure.rate_distortion.rd_summary import Published, Results, read_published
from tools.measure.rate_distortion.rd_work import BaselineJob, EncodeJob, Picture, Settings, Target, load_picture

SAMPLES = [ROOT / "sample_data" / "astronaut.png", ROOT / "sample_data" / "camera.png"]
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".ppm", ".pgm", ".tif", ".tiff"}
"""Files of a folder that are taken for pictures."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all was measured; 1: something failed, the rest is there; 2: wrong arguments; 130: stopped by Ctrl-C."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        settings = Settings(
            options.effort, choose_device(options.device).type, options.seed, options.threads, options.family
        )
        targets = targets_of(options, settings)
        published = _published(options)
        options.out.mkdir(parents=True, exist_ok=True)
    except (InrError, ValueError, OSError) as error:
        parser.error(str(error))
    pictures, failed = find_pictures(options.pictures, options.scale)
    results = Results(pictures, targets, options.codecs, tuple(sorted(options.range)), published=published)
    try:
        failed += measure(results, settings, options)
        if pictures:
            report(results, settings, options)
    except KeyboardInterrupt:
        print(f"\nstopped: what was finished is in {options.out}; the same command goes on from there", file=sys.stderr)
        return 130
    return told(failed)


def told(failed: list[str]) -> int:
    """Say what failed; the exit status of that."""
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if failed else 0


def targets_of(options: argparse.Namespace, settings: Settings) -> list[Target]:
    """All that were asked for, each once and known to be possible; quality 50 where none was."""
    kinds = ("quality", "bpp", "size", "psnr")
    asked = [Target(kind, value) for kind in kinds for value in getattr(options, kind) or []]
    targets = list(dict.fromkeys(asked)) or [Target("quality", 50)]
    for target in targets:
        settings.config(target)
    return targets


def _published(options: argparse.Namespace) -> list[Published]:
    """The published curves that were asked for."""
    curves = [curve for path in options.published for curve in read_published(path, options.published_names)]
    missing = set(options.published_names) - {curve.name for curve in curves}
    if missing:
        raise ValueError(f"--published-names: no curve is called {', '.join(sorted(missing))}")
    return curves


def find_pictures(paths: Sequence[Path], scale: float) -> tuple[list[Picture], list[str]]:
    """The pictures of files and folders, and a line for each file that is none."""
    found = list(dict.fromkeys(file for path in paths for file in (_files(path) if path.is_dir() else [path])))
    stems = [path.stem for path in found]
    pictures, unreadable = [], []
    for path in found:
        try:
            pictures.append(load_picture(path, path.stem if stems.count(path.stem) == 1 else str(path), scale))
        except InrError as error:
            print(error, file=sys.stderr)
            unreadable.append(str(error))
    return pictures, unreadable


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def measure(results: Results, settings: Settings, options: argparse.Namespace) -> list[str]:
    """Fill the results, from what is kept or by work; returns a line for each piece of work that failed."""
    folder = options.baselines or options.out / "baselines"
    work = [
        *((results.rows, target, EncodeJob(picture, target, settings, options.out))
          for picture in results.pictures for target in results.targets),
        *((results.curves, codec, BaselineJob(picture, codec, folder))
          for picture in results.pictures for codec in results.codecs),
    ]  # fmt: skip
    for place, key, job in work:
        if (result := job.load()) is not None:
            place[job.picture.name, key] = result
    missing = [(place, key, job) for place, key, job in work if (job.picture.name, key) not in place]
    jobs, failed = [job for *_, job in missing], []
    if jobs:
        line = BatchLine([job.cost for job in jobs])
        for index, result in run_all(jobs, _processes(options, settings, len(jobs)), settings.threads):
            place, key, job = missing[index]
            reason = f"{job.label}: {result.reason}" if isinstance(result, Failure) else ""
            line.add(job.label, job.cost, bool(reason), reason)
            if reason:
                failed.append(reason)
            else:
                place[job.picture.name, key] = result
        line.clear()
    return failed


def _processes(options: argparse.Namespace, settings: Settings, jobs: int) -> int:
    """--jobs, or as many as there are cores for; a GPU is not shared unless asked."""
    cores = max(1, (os.cpu_count() or 1) // settings.threads)
    default = 1 if settings.device == "cuda" else cores
    return min(jobs, default if options.jobs is None else options.jobs)


def report(results: Results, settings: Settings, options: argparse.Namespace) -> None:
    """All files, and the tables on standard output."""
    written = rd_report.write_all(results, settings, options.name, options.out)
    scale = "" if options.scale == 1 else f" at {options.scale:g} of their size"
    conditions = (
        f"{len(results.pictures)} pictures{scale}. inrcodec {inrcodec.__version__}, "
        f"family {settings.family}, effort {settings.effort}, {settings.device}, threads of an encode: "
        f"{settings.threads}, seed {settings.seed}. Bytes are whole files, "
        f"PSNR is over all samples of the decoded 8-bit pictures; the baselines are Pillow {PIL.__version__}'s."
    )
    page = rd_page.write_page(results, f"{options.name}: rate and distortion", conditions, options.out)
    print(*rd_tables.tables(results), f"{page}; beside it {', '.join(written)}", sep="\n\n", flush=True)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("pictures", nargs="*", type=Path, default=SAMPLES, help="files, or folders of them")
    add("--scale", type=_above(0, float), default=1.0, help="reduce the pictures first")
    add("-q", "--quality", type=int, nargs="+", help="targets: qualities, default 50")
    add("--bpp", type=float, nargs="+", help="targets: rates in bits per pixel")
    add("--size", type=int, nargs="+", metavar="BYTES", help="targets: sizes of the file")
    add("--psnr", type=float, nargs="+", metavar="DB", help="targets: PSNRs in dB")
    add("-e", "--effort", type=int, default=5)
    add("--family", default="siren")
    add("--device", default="auto", help="auto, cpu or cuda")
    add("--seed", type=int, default=0)
    add(
        "--jobs",
        type=_above(-1, int),
        help="processes; default: one for each core, on a GPU one; 0: all in this one, to debug",
    )
    add("--threads", type=_above(0, int), default=1, help="of each process; default 1")
    add("--codecs", nargs="*", default=list(baselines.CODECS), choices=list(baselines.CODECS))
    add("--range", type=_above(0, float), nargs=2, default=(0.15, 0.8), help="rates of a baseline in bpp for BD-rates")
    add("--published", type=Path, nargs="+", default=[], metavar="FILE", help="JSON files of curves to draw with ours")
    add("--published-names", nargs="+", default=[], metavar="NAME", help="only these curves of them")
    add("--name", default="inrcodec", help="of our curve, and of its file")
    add("--out", type=Path, default=ROOT / "out" / "rd")
    add("--baselines", type=Path, metavar="DIR", help="keep the baselines' curves there, to share them between runs")
    return parser


def _above(low: int, number: Callable[[str], float]) -> Callable[[str], float]:
    """A type of argument."""

    def parse(text: str) -> float:
        if not low < number(text) < math.inf:
            raise ValueError
        return number(text)

    parse.__name__ = f"number above {low}"  # what argparse says of a wrong one
    return parse


if __name__ == "__main__":
    sys.exit(main())
