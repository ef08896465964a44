"""Ways to round the weights of one fitted network, compared at several quantizer scales, from real files.

    python tools/measure/rounding.py DIR/kodim15.png DIR/kodim08.png --scale 0.5 --out out/rounding.json
    python tools/measure/rounding.py DIR --bpp 0.3 --noise 0.1 0.4 1.6 -e 4
    python tools/measure/rounding.py --curvature 5000 10000 20000 40000    # time and memory on untrained networks

    nearest     torchao's rounding to nearest, nothing more
    fine-tuned  then fine-tuned through fake-quantized weights, gradients straight through: the selectable baseline
    at once     compensated by the whole network's curvature, no re-fit
    staged      compensated in stages, with re-fits between them: the codec's default

Each picture is fitted once. Bits per weight are of the whole file; "ideal" are a discrete Laplace law's per tensor
(`codelength.model_bits`). PSNR is over all pixels after rounding to codes, and a loss is against the float network's,
measured in the same way. No way is ever worse than nearest: `Quantizer.run` then takes that. Seconds are those of the
rounding, with the curvature's, on a machine that may have other work.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from inrcodec import families
from inrcodec.cli.pool import Failure, run_all
from inrcodec.encoding import goals
from inrcodec.encoding.config import EncoderConfig
from inrcodec.errors import InrError
from inrcodec.families.siren.network import hidden_biases
from inrcodec.families.siren.quantize import QuantizeConfig, Quantizer, affine_rounding
from inrcodec.families.siren.trainer import Trainer
from inrcodec.families.training import TrainerOptions
from inrcodec.format import codelength
from inrcodec.pictures.load import to_array
from inrcodec.progress import Monitor
from tools.measure.rate_distortion.rd_work import Picture, write
from tools.measure.rd_curve import SAMPLES, find_pictures
from tools.measure.rounding_tables import Compared, Row, as_json, tables
from tools.measure.trial import CPU, at_once, curvature_megabytes, curvature_seconds, drawn_psnr, fit, keep_all


def _nearest(config: QuantizeConfig) -> QuantizeConfig:
    return replace(config, compensated=False, refit=replace(config.refit, steps=0))


METHODS: dict[str, Callable[[QuantizeConfig], QuantizeConfig]] = {
    "nearest": _nearest,
    "fine-tuned": lambda config: replace(config, compensated=False),
    "at once": at_once,
    "staged": lambda config: config,
}
"""Name -> what it makes of the encoder's options."""


@dataclass(frozen=True)
class Job:
    """One picture, fitted once and rounded in all ways."""

    picture: Picture
    config: EncoderConfig
    noises: tuple[float, ...]
    methods: tuple[str, ...]
    threads: int

    @property
    def label(self) -> str:
        return self.picture.name

    @property
    def cost(self) -> float:
        """In pixels: enough to begin with the largest."""
        return self.picture.pixels

    def run(self) -> Compared:
        torch.set_num_threads(self.threads)
        codes = to_array(self.picture.image)
        trainer = Trainer(codes, TrainerOptions(self.config.effort, self.config.seed), CPU)
        goal = goals.choose_goal(self.config, codes.shape, trainer.sizes())
        candidate = trainer.start(goals.Search(codes, self.config, goal, trainer, Monitor()).begin().point)
        network, picture, searches = candidate.network, candidate.target, candidate.plan()
        psnr, fit_seconds = timed(lambda: fit(network, picture, searches.fit))
        count, before = candidate.weights, drawn_psnr(network, codes)
        self._tell(f"{count} weights, {before:.2f} dB float in {fit_seconds:.0f} s")
        affine_rounding()  # torchao's import is nobody's time
        quantizer = Quantizer(network, picture, psnr, keep_all(network), searches.quantize)
        curvature = self._curvature_seconds(quantizer)
        rows = [
            self._row(quantizer, METHODS[method](searches.quantize), method, noise, before, curvature)
            for noise in self.noises
            for method in self.methods
        ]
        return Compared(self.picture.name, count, before, fit_seconds, curvature, curvature_megabytes(count), rows)

    def _curvature_seconds(self, quantizer: Quantizer) -> float:
        """Round once for nothing, so that the quantizer has its curvature and no row alone pays for it."""
        quantizer.config = at_once(quantizer.config)
        with curvature_seconds() as spent:
            quantizer.run(self.noises[0])
        self._tell(f"curvature in {sum(spent):.1f} s")
        return sum(spent)

    def _row(
        self, quantizer: Quantizer, config: QuantizeConfig, method: str, noise: float, before: float, curvature: float
    ) -> Row:
        quantizer.config = config
        (model, _), seconds = timed(lambda: quantizer.run(noise))
        symbols = model.network.symbols
        count, size = model.network.macs, len(families.write(model))
        psnr = drawn_psnr(quantizer.network, to_array(self.picture.image))
        ideal = codelength.model_bits(symbols, hidden_biases(len(symbols))) / count
        row = Row(
            self.picture.name, method, noise, count, size, 8 * size / count, ideal,
            psnr, before - psnr, seconds + (curvature if config.compensated else 0),
        )  # fmt: skip
        self._tell(f"noise {noise:g}, {method}: {row.bits_per_weight:.2f} bits a weight, {row.loss:.2f} dB lost")
        return row

    def _tell(self, text: str) -> None:
        print(f"{self.label}: {text}", file=sys.stderr, flush=True)


def timed(work: Callable[[], object]) -> tuple[object, float]:
    """The result, and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all was measured; 1: something failed; 2: wrong arguments; 130: stopped by Ctrl-C."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.curvature:
        return measure_curvature(options.pictures[0], options.curvature)
    try:
        config = EncoderConfig(quality=options.quality, bpp=options.bpp, effort=options.effort, seed=options.seed)
    except InrError as error:
        parser.error(str(error))
    pictures, failed = find_pictures(options.pictures, options.scale)
    ways = tuple(name for name in METHODS if name in options.methods)
    jobs = [Job(picture, config, tuple(options.noise), ways, options.threads) for picture in pictures]
    compared: list[Compared] = []
    try:
        for index, result in run_all(jobs, min(options.jobs, len(jobs)), options.threads):
            if isinstance(result, Failure):
                failed.append(f"{jobs[index].label}: {result.reason}")
                continue
            compared.append(result)
            if options.out:
                write(options.out, as_json(compared, ways))
    except KeyboardInterrupt:
        return 130
    print(*(tables(compared, ways) if compared else []), sep="\n\n")
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if failed else 0


def measure_curvature(picture: Path, counts: Sequence[int]) -> int:
    """Time and memory, each in a process that has done nothing else."""
    script = Path(__file__).with_name("curvature_memory.py")
    return max(subprocess.run([sys.executable, script, picture, str(count)]).returncode for count in counts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("pictures", nargs="*", type=Path, default=SAMPLES, help="files, or folders of them")
    add("--scale", type=float, default=1.0, help="reduce the pictures first")
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument("-q", "--quality", type=int, help="size of the network, as in `inrcodec encode`; default 50")
    rate.add_argument("--bpp", type=float, help="size of the network: about this rate at noise 0.4")
    add("-e", "--effort", type=int, default=5)
    add("--seed", type=int, default=0)
    add("--noise", type=float, nargs="+", default=[0.05, 0.1, 0.2, 0.4, 0.8, 1.6], help="quantizer scales")
    add("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    add("--jobs", type=int, default=os.cpu_count() or 1, help="processes, each with a picture; 0: all in this one")
    add("--threads", type=int, default=1, help="of each process; default 1")
    add("--curvature", type=int, nargs="+", metavar="WEIGHTS", help="only time and memory, on the first picture")
    add("--out", type=Path, metavar="FILE", help="keep all figures as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
