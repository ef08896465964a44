"""The tables of a rate-distortion run, as strings: the terminal and the page show the same."""

import math
from dataclasses import dataclass

from inrcodec import metrics
from tools.measure.rate_distortion import rd_summary
from tools.measure.rate_distortion.rd_summary import Results
from tools.measure.rate_distortion.rd_work import Picture, Target

NONE = "-"


@dataclass(frozen=True)
class Table:
    """The first column names the rows, the others are figures."""

    title: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = [
            row[0].ljust(widths[0])
            + "".join(cell.rjust(width + 2) for cell, width in zip(row[1:], widths[1:], strict=True))
            for row in (self.head, *self.rows)
        ]
        return "\n".join([self.title, *lines, *filter(None, [self.note])])


def tables(results: Results) -> list[Table]:
    """All that have something to say."""
    made = [files_table(results)]
    if results.complete():
        made.append(means_table(results))
    if results.complete() and len(results.targets) > 1:
        made += [bd_table(results)] if results.codecs else []
        made += [published_table(results)] if results.published else []
    return made


def files_table(results: Results) -> Table:
    """A row for each picture and target."""
    head = ["picture", "size", "target", "bytes", "bpp", "PSNR", "MS-SSIM", *_over(results), "encode", "decode"]
    rows = [_file_row(results, picture, target) for picture in results.pictures for target in results.targets]
    note = f"dB over a baseline's files at equal bytes; {NONE}: it has no file so small, or so large"
    return Table("Files", head, rows, note if results.codecs else "")


def _over(results: Results) -> list[str]:
    return [f"over {codec}" for codec in results.codecs]


def _file_row(results: Results, picture: Picture, target: Target) -> list[str]:
    name, (height, width) = picture.name, picture.image.shape[:2]
    start, row = [name, f"{width}x{height}", str(target)], results.rows.get((picture.name, target))
    if row is None:
        return [*start, "failed", *[NONE] * (5 + len(results.codecs))]
    gains = [decibels(rd_summary.gain(results, name, target, codec)) for codec in results.codecs]
    return [*start, f"{row.file_bytes:,}", f"{row.bpp:.3f}", f"{row.psnr:.2f}", similarity(row.ms_ssim), *gains,
            seconds(row.encode_seconds), seconds(row.decode_seconds)]  # fmt: skip


def means_table(results: Results) -> Table:
    """A row for each target."""
    complete = len(results.complete())
    rows = [
        [str(mean.target), f"{mean.bpp:.3f}", f"{mean.psnr:.2f}", similarity(mean.ms_ssim),
         *(decibels(mean.gains[codec]) for codec in results.codecs),
         seconds(mean.encode_seconds), seconds(mean.decode_seconds)]
        for mean in rd_summary.means(results)
    ]  # fmt: skip
    head = ["target", "bpp", "PSNR", "MS-SSIM", *_over(results), "encode", "decode"]
    return Table(f"Means of {complete} of {len(results.pictures)} pictures", head, rows)


def bd_table(results: Results) -> Table:
    """A row for each picture, for the mean of them, and for the mean curves."""
    rows = [[name, *map(percent, values)] for name, values in rd_summary.bd_rates(results)]
    low, high = results.rates
    note = (
        f"bits over the baseline's at equal PSNR, for its rates {low:g} to {high:g} bpp; in brackets how much of its\n"
        "PSNR range there our curve covers. Mean curves: our mean PSNR over our mean rate at each target (only --bpp\n"
        "makes the rates of the pictures equal), the baseline's mean PSNR at equal rates."
    )
    return Table("BD-rate", ["picture", *results.codecs], rows, note)


def published_table(results: Results) -> Table:
    """A row for each published curve."""
    ours = rd_summary.our_mean_curve(results)
    rows = [[str(curve), percent(rd_summary.bd_rate(results, curve.points, ours))] for curve in results.published]
    note = "published means are of the pictures that their authors took: compare only where these are ours"
    if len(results.published) > rd_summary.MOST_PUBLISHED:
        note += f"\nthe plot shows the first {rd_summary.MOST_PUBLISHED}: choose with --published-names"
    return Table("BD-rate of our mean curve over published ones", ["curve", "BD-rate"], rows, note)


def decibels(gain: float | None) -> str:
    return NONE if gain is None or not math.isfinite(gain) else f"{gain:+.2f}"


def similarity(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.4f}"


def seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 10 else f"{value:.2g} s"


def percent(value: metrics.BDRate) -> str:
    return NONE if math.isnan(value.percent) else f"{value.percent:+.1f} % ({value.overlap:.0%})"
