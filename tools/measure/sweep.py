"""Trials of fit settings: each fits every picture once, and is scored at equal bytes.

    python tools/measure/sweep.py DIR/kodim15.png --scale 0.5 --set fit.rate=4e-2,9e-2 --set fit.batch=4096
    python tools/measure/sweep.py DIR --one-at-a-time --set init.w_max=60,130 --set seed=1,2 --out out/sweep.jsonl
    python tools/measure/sweep.py --set shape=1.5,1.25,1,1,1 --set shape=1,1,1 --set weights=0.05,0.07

Settings: the fields of FitConfig (fit.rate ..) and of siren.InitConfig (init.w_max ..), weights per pixel, seed, and
shape, the neurons of the sine layers relative to each other. A setting takes several values with commas, a shape is one
value; what is said twice adds. fit.rate and init.w_max mean what the defaults mean: the encoder's rules for a network's
width and a picture's side still apply to them. fit.steps is taken as it is, whatever the effort.

Trials are all combinations, or with --one-at-a-time one change each; the defaults are always among them. The bytes are
those of a real file, rounded to nearest at --noise: within 0.3 % of the tuned one's, and made in no time. The score

    PSNR of the float network - slope * log2(bytes / bytes of the defaults on that picture)

lets settings that trade PSNR for compressibility compete; --slope is what a doubling of the bytes is worth in dB. The
noise is relative to a network's own error, so rounding costs all of them alike. A seed is worth about 0.05 dB.
"""

import argparse
import itertools
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch

from inrcodec import families
from inrcodec.cli.pool import Failure, run_all
from inrcodec.cli.terminal import BatchLine
from inrcodec.encoding.config import EncoderConfig
from inrcodec.errors import InrError
from inrcodec.families.siren import ladder
from inrcodec.families.siren.network import InitConfig, SirenArch, init
from inrcodec.families.siren.plan import plan
from inrcodec.families.siren.quantize import QuantizeConfig, Quantizer
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.families.training import TrainerOptions
from inrcodec.fitting import target
from inrcodec.fitting.loop import FitConfig
from inrcodec.pictures.load import to_array
from tools.measure.rate_distortion.rd_tables import NONE, Table
from tools.measure.rate_distortion.rd_work import Picture, write
from tools.measure.rd_curve import SAMPLES, find_pictures
from tools.measure.trial import CPU, drawn_psnr, fit, keep_all

Value = int | float | tuple[float, ...]
Settings = tuple[tuple[str, Value], ...]
"""(name, value) of all that differs from the defaults."""


def defaults(config: EncoderConfig) -> dict[str, Value]:
    """Name -> default of every setting, at the effort, quality and seed of `config`."""
    point = ladder.point_of_quality(50 if config.quality is None else config.quality)
    starts = {f"init.{field.name}": getattr(InitConfig(), field.name) for field in fields(InitConfig)}
    fits = {f"fit.{field.name}": getattr(FitConfig(), field.name) for field in fields(FitConfig)}
    del fits["fit.seed"]  # one seed for the start and the batches, as in the encoder
    fits["fit.steps"] = plan(TrainerOptions(config.effort), point, SirenArch((4,))).fit.steps
    return {**fits, **starts, "shape": ladder.SHAPE, "weights": point.weights_per_pixel, "seed": config.seed}


def parse_levers(texts: Sequence[str], known: Mapping[str, Value]) -> dict[str, list[Value]]:
    """Arguments of --set -> name -> values. Raises ValueError."""
    levers: dict[str, list[Value]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            raise ValueError(f"--set {text}: not NAME=VALUE with a NAME of {', '.join(known)}")
        parts = [value] if isinstance(known[name], tuple) else value.split(",")
        try:
            levers.setdefault(name, []).extend(_value(part, known[name]) for part in parts)
        except (ValueError, OverflowError):
            raise ValueError(f"--set {text}: {value!r} is not a value of {name}") from None
    return levers


def _value(text: str, like: Value) -> Value:
    """A positive number, or a seed, or several numbers; a whole one where the default is, also as 1e4."""
    if isinstance(like, tuple):
        return tuple(float(_value(part, 1.0)) for part in text.split(","))
    number = float(text)
    if not 0 <= number < math.inf or (isinstance(like, int) and number != int(number)):
        raise ValueError
    return int(number) if isinstance(like, int) else number


def product(levers: Mapping[str, Sequence[Value]], known: Mapping[str, Value]) -> list[Settings]:
    """The defaults, and all combinations."""
    combined = itertools.product(*([(name, value) for value in values] for name, values in levers.items()))
    return _distinct([(), *combined], known)


def one_at_a_time(levers: Mapping[str, Sequence[Value]], known: Mapping[str, Value]) -> list[Settings]:
    """The defaults, and each change of one setting."""
    return _distinct([(), *(((name, value),) for name, values in levers.items() for value in values)], known)


def _distinct(settings: Sequence[Settings], known: Mapping[str, Value]) -> list[Settings]:
    """Each once, and without values that are the default."""
    return list(dict.fromkeys(tuple((name, value) for name, value in one if value != known[name]) for one in settings))


def spelled(settings: Settings) -> str:
    """As on the command line."""
    return " ".join(f"{name}={_spelled(value)}" for name, value in settings) or "defaults"


def _spelled(value: Value) -> str:
    return ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else f"{value:g}"


@dataclass(frozen=True)
class Row:
    """One fit."""

    picture: str
    settings: str
    dim_hidden: tuple[int, ...]
    weights: int
    psnr: float
    """Of the float network in dB, rounded to codes, over all pixels."""
    file_bytes: int
    bits_per_weight: float
    seconds: float
    """Of the fit, beside those of the other processes."""


@dataclass(frozen=True)
class Job:
    """One picture at one of the settings."""

    picture: Picture
    settings: Settings
    known: Mapping[str, Value]
    config: EncoderConfig
    noise: float

    @property
    def label(self) -> str:
        return f"{self.picture.name}, {spelled(self.settings)}"

    @property
    def cost(self) -> float:
        """Seconds on a core, roughly: 0.4 ns a weight and pixel of a batch."""
        chosen = self._chosen
        pixels = min(chosen["fit.batch"], self.picture.pixels)
        return 1 + chosen["fit.steps"] * (1e-3 + 4e-10 * pixels * chosen["weights"] * self.picture.pixels)

    @property
    def _chosen(self) -> dict[str, Value]:
        return {**self.known, **dict(self.settings)}

    def run(self) -> Row:
        torch.set_num_threads(1)
        codes, chosen = to_array(self.picture.image), self._chosen
        arch = ladder.choose_arch(*codes.shape, chosen["weights"], chosen["shape"])
        network = FloatNetwork(arch, init(arch, chosen["seed"], self._init(codes.shape)), CPU)
        picture, start = target.Target(codes, CPU), time.perf_counter()
        psnr = fit(network, picture, self._fit(arch))
        seconds, drawn = time.perf_counter() - start, drawn_psnr(network, codes)
        quantizer = Quantizer(network, picture, psnr, keep_all(network), QuantizeConfig(self.noise))
        size, count = len(families.write(quantizer.nearest(self.noise))), arch.param_count()
        return Row(
            self.picture.name, spelled(self.settings), arch.dim_hidden, count, drawn, size, 8 * size / count, seconds
        )

    def _fit(self, arch: SirenArch) -> FitConfig:
        """The encoder's, with what is changed; its factor on the rate stays."""
        chosen, planned = self._chosen, plan(TrainerOptions(self.config.effort), ladder.point_of_quality(50), arch).fit
        changed = {field.name: chosen[f"fit.{field.name}"] for field in fields(FitConfig) if field.name != "seed"}
        changed["rate"] *= planned.rate / FitConfig().rate
        return replace(planned, **changed, seed=chosen["seed"])

    def _init(self, shape: tuple[int, ...]) -> InitConfig:
        """The encoder's, with what is changed; its factor on the highest frequency stays."""
        chosen, ruled = self._chosen, ladder.init_config(*shape[:2])
        changed = {field.name: chosen[f"init.{field.name}"] for field in fields(InitConfig)}
        changed["w_max"] *= ruled.w_max / InitConfig().w_max
        return replace(ruled, **changed)


def score(row: Row, reference_bytes: float, slope: float) -> float:
    """In dB, see above."""
    return row.psnr - slope * math.log2(row.file_bytes / reference_bytes)


def scores(rows: Sequence[Row], slope: float) -> list[float | None]:
    """Of each row; None while the defaults have not been measured on its picture."""
    reference = {row.picture: row.file_bytes for row in rows if row.settings == spelled(())}
    return [score(row, reference[row.picture], slope) if row.picture in reference else None for row in rows]


def table(rows: Sequence[Row], slope: float, title: str) -> Table:
    """Means over the pictures of each of the settings, the best score first."""
    marks = dict(zip(rows, scores(rows, slope), strict=True))
    groups = {one: [row for row in rows if row.settings == one] for one in dict.fromkeys(row.settings for row in rows)}
    whole = max(map(len, groups.values()))
    lines = []
    for name, group in groups.items():
        known = [marks[row] for row in group]
        mark = None if None in known or len(group) < whole else statistics.fmean(known)
        figures = [statistics.fmean(getattr(row, column) for row in group) for column in COLUMNS]
        lines.append((mark, [name, NONE if mark is None else f"{mark:.3f}", *map(format, figures, COLUMNS.values())]))
    lines.sort(key=lambda line: -math.inf if line[0] is None else line[0], reverse=True)
    head = ["settings", "score", "PSNR", "bytes", "weights", "bits/weight", "seconds"]
    return Table(title, head, [line for _, line in lines])


COLUMNS = {"psnr": ".3f", "file_bytes": ".0f", "weights": ".0f", "bits_per_weight": ".2f", "seconds": ".1f"}
"""Figures of a row, and how they are printed."""


def tables(rows: Sequence[Row], slope: float) -> list[Table]:
    """One of each picture, and one of the means where there are several."""
    names = sorted({row.picture for row in rows})
    made = [table([row for row in rows if row.picture == name], slope, name) for name in names]
    return [*made, *([table(rows, slope, f"Means of {len(names)} pictures")] if len(names) > 1 else [])]


def json_lines(rows: Sequence[Row], slope: float) -> bytes:
    """A row a line, with its score."""
    pairs = zip(rows, scores(rows, slope), strict=True)
    return "".join(json.dumps({**asdict(row), "score": mark}) + "\n" for row, mark in pairs).encode()


def measure(jobs: Sequence[Job], options: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """The rows, kept as they come, and a line for each trial that failed."""
    rows: list[Row] = []
    failed: list[str] = []
    line = BatchLine([job.cost for job in jobs])
    for index, result in run_all(jobs, min(options.jobs, len(jobs)), 1):
        job = jobs[index]
        reason = f"{job.label}: {result.reason}" if isinstance(result, Failure) else ""
        line.add(job.label, job.cost, bool(reason), reason)
        if reason:
            failed.append(reason)
            continue
        rows.append(result)
        if options.out:
            write(options.out, json_lines(rows, options.slope))
    line.clear()
    return rows, failed


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all was measured; 1: something failed; 2: wrong arguments; 130: stopped by Ctrl-C."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        config = EncoderConfig(quality=options.quality, effort=options.effort, seed=options.seed)
        known = defaults(config)
        levers = parse_levers(options.set, known)
    except (InrError, ValueError) as error:
        parser.error(str(error))
    trials = (one_at_a_time if options.one_at_a_time else product)(levers, known)
    pictures, failed = find_pictures(options.pictures, options.scale)
    jobs = [Job(picture, one, known, config, options.noise) for one in trials for picture in pictures]
    try:
        rows, more = measure(jobs, options)
    except KeyboardInterrupt:
        return 130
    print(*tables(rows, options.slope), sep="\n\n")
    for line in [*failed, *more]:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if failed or more else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("pictures", nargs="*", type=Path, default=SAMPLES, help="files, or folders of them")
    add("--set", action="append", default=[], metavar="NAME=VALUE,..", help="values of a setting to try")
    add("--one-at-a-time", action="store_true", help="change one setting at a time, in place of all combinations")
    add("--scale", type=float, default=1.0, help="reduce the pictures first")
    add("-q", "--quality", type=int, help="default of the setting weights, as in `inrcodec encode`; default 50")
    add("-e", "--effort", type=int, default=5, help="default of the setting fit.steps")
    add("--seed", type=int, default=0, help="default of the setting seed")
    add("--noise", type=float, default=0.4, help="quantizer scale of the files; default 0.4")
    add("--slope", type=float, default=1.5, help="dB that a doubling of the bytes is worth; default 1.5")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="processes of one thread each; 0: all in this one")
    add("--out", type=Path, metavar="FILE", help="keep the rows as JSON lines")
    return parser


if __name__ == "__main__":
    sys.exit(main())
