"""BD-rates against encode seconds, for families and efforts: what more time buys, and when to use which family.

    python tools/measure/effort_table.py DIR --scale 0.5 -q 22 36 50 --families grid siren --efforts 1 2 3 4 5

All other arguments are those of rd_curve.py, but for -e, --family and those of its reports. Its rows are kept in --out,
so that a run that was stopped goes on. A line is printed as soon as it is known: mean seconds of an encode, beside as
many others as --jobs says, and BD-rates against each codec, of every picture, averaged.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from inrcodec.compute.torch_backend import choose_device
from inrcodec.errors import InrError
from tools.measure import rd_curve
from tools.measure.rate_distortion import rd_summary
from tools.measure.rate_distortion.rd_summary import Results
from tools.measure.rate_distortion.rd_tables import percent, seconds
from tools.measure.rate_distortion.rd_work import Settings


def line(results: Results) -> str:
    """Cells of a row in Markdown: rates, PSNRs and seconds from the lowest target to the highest, and BD-rates."""
    means, names = rd_summary.means(results), dict(rd_summary.bd_rates(results))
    rates = " / ".join(f"{mean.bpp:.3f}" for mean in means)
    psnrs = " / ".join(f"{mean.psnr:.2f}" for mean in means)
    taken = " / ".join(seconds(mean.encode_seconds) for mean in means)
    return " | ".join([taken, rates, psnrs, *map(percent, names["mean"])])


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all was measured; 1: something failed, the rest is there; 2: wrong arguments; 130: stopped by Ctrl-C."""
    parser = rd_curve.make_parser()
    parser.description = __doc__
    parser.add_argument("--families", nargs="+", default=["grid", "siren"])
    parser.add_argument("--efforts", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    options = parser.parse_args(arguments)
    try:
        device = choose_device(options.device).type
        runs = [
            Settings(effort, device, options.seed, options.threads, family)
            for family in options.families
            for effort in options.efforts
        ]
        targets = [rd_curve.targets_of(options, settings) for settings in runs]
        options.out.mkdir(parents=True, exist_ok=True)
    except (InrError, ValueError, OSError) as error:
        parser.error(str(error))
    pictures, failed = rd_curve.find_pictures(options.pictures, options.scale)
    codecs = " | ".join(options.codecs)
    print(f"| family | effort | an encode | bpp | PSNR, dB | {codecs} |\n|{'---|' * (5 + len(options.codecs))}")
    try:
        for settings, asked in zip(runs, targets, strict=True):
            results = Results(pictures, asked, options.codecs, tuple(sorted(options.range)))
            failed += rd_curve.measure(results, settings, options)
            if results.complete():
                print(f"| {settings.family} | {settings.effort} | {line(results)} |", flush=True)
    except KeyboardInterrupt:
        print(f"\nstopped: the same command goes on from what is in {options.out}", file=sys.stderr)
        return 130
    return rd_curve.told(failed)


if __name__ == "__main__":
    sys.exit(main())
