"""The files of a rate-distortion run: CompressAI's JSON, every row as JSON and as CSV, and the plot."""

import csv
import io
import itertools
import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import inrcodec
from inrcodec import installed, metrics
from inrcodec.errors import NotInstalledError
from tools.measure.rate_distortion import rd_summary
from tools.measure.rate_distortion.rd_summary import Points, Results
from tools.measure.rate_distortion.rd_work import Settings, slug, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"JPEG": "#d55e00", "WebP": "#0072b2", "JPEG2000": "#cc9900", "AVIF": "#009e73"}
"""Okabe and Ito's, which most people can tell apart."""


def write_all(results: Results, settings: Settings, name: str, folder: Path) -> list[str]:
    """Write every file that the results allow; returns their names. Without matplotlib no plot, which it says."""
    texts = {"per_picture.json": as_json(per_picture(results)), "rd.csv": as_csv(results)}
    if results.complete():
        texts[f"{slug(name)}.json"] = as_json(compressai(results, settings, name))
    for file, text in texts.items():
        write(folder / file, text.encode())
    try:
        installed.require("the plot, rd.png,", "matplotlib")
    except NotInstalledError as error:
        print(error, file=sys.stderr)
        return list(texts)
    plot(results, name, folder / "rd.png")
    return [*texts, "rd.png"]


def as_json(value: object) -> str:
    """Strict JSON: what is not finite becomes null."""
    return json.dumps(_finite(value), indent=1, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def compressai(results: Results, settings: Settings, name: str) -> dict[str, object]:
    """The mean curve in the schema of CompressAI's results, with the names of the pictures and targets beside it."""
    means = rd_summary.means(results)
    columns = {
        "bpp": [mean.bpp for mean in means],
        "psnr-rgb": [mean.psnr for mean in means],
        "ms-ssim-rgb": [mean.ms_ssim for mean in means],
        "encoding_time": [mean.encode_seconds for mean in means],
        "decoding_time": [mean.decode_seconds for mean in means],
    }
    return {
        "name": name,
        "description": f"inrcodec {inrcodec.__version__}, effort {settings.effort}, {settings.device}, "
        f"seed {settings.seed}; means of {len(results.complete())} pictures, whole files",
        "results": {key: values for key, values in columns.items() if all(map(math.isfinite, values))},
        "images": [picture.name for picture in results.complete()],
        "targets": [str(mean.target) for mean in means],
    }


def per_picture(results: Results) -> dict[str, object]:
    """Everything measured: our rows, and the baselines' curves."""
    return {
        picture.name: {
            "inrcodec": [
                {**asdict(target), **asdict(results.rows[picture.name, target])}
                for target in results.targets
                if (picture.name, target) in results.rows
            ],
            "baselines": {
                codec: [list(point) for point in rd_summary.baseline_curve(results, picture, codec)]
                for codec in results.codecs
            },
        }
        for picture in results.pictures
    }


def as_csv(results: Results) -> str:
    """A line for each of our files."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    figures = ("width", "height", "file_bytes", "bpp", "psnr", "ms_ssim", "encode_seconds", "decode_seconds", "file")
    table.writerow(["picture", "target", "value", *figures, *(f"over_{codec}" for codec in results.codecs)])
    for picture, target in itertools.product(results.pictures, results.targets):
        if row := results.rows.get((picture.name, target)):
            gains = [rd_summary.gain(results, picture.name, target, codec) for codec in results.codecs]
            values = [getattr(row, figure) for figure in figures]
            table.writerow([picture.name, target.kind, target.value, *values, *gains])
    return text.getvalue()


@dataclass(frozen=True)
class Panel:
    """What one pair of axes shows."""

    title: str
    ours: Points
    baselines: dict[str, Points]
    published: list[rd_summary.Published]


def panels(results: Results) -> list[Panel]:
    """The mean curves with the published ones, and then every picture."""
    made = []
    if results.complete():
        title = f"mean of {len(results.complete())} pictures"
        theirs = {codec: rd_summary.mean_baseline_curve(results, codec) for codec in results.codecs}
        published = results.published[: rd_summary.MOST_PUBLISHED]
        made.append(Panel(title, rd_summary.our_mean_curve(results), theirs, published))
    for picture in results.pictures:
        theirs = {codec: rd_summary.baseline_curve(results, picture, codec) for codec in results.codecs}
        made.append(Panel(picture.name, rd_summary.our_curve(results, picture.name), theirs, []))
    return made


def plot(results: Results, name: str, path: Path) -> None:
    """All panels of a run, as a PNG."""
    draw_all(panels(results), name, path)


def draw_all(shown: list[Panel], name: str, path: Path) -> None:
    """The first panel over the whole width, the pictures' below it."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    first, *others = shown
    columns = max(1, min(4, len(others)))
    rows = -(-len(others) // columns)
    figure = pyplot.figure(figsize=(max(8.0, 3.2 * columns), 5.4 + 2.8 * rows), layout="constrained")
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[5.4] + [2.8] * rows)
    draw(figure.add_subplot(grid[0, :]), first, name)
    figure.axes[0].legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, frameon=False)
    for index, panel in enumerate(others):
        draw(figure.add_subplot(grid[1 + index // columns, index % columns]), panel, name)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def draw(axes: "Axes", panel: Panel, name: str) -> None:
    """The curves where ours is, and a little beyond; those of few points as BD-rate sees them, their points marked."""
    rates = [rate for rate, _ in panel.ours] or [rate for curve in panel.baselines.values() for rate, _ in curve]
    low, high = (0.6 * min(rates), 1.25 * max(rates)) if rates else (0.0, 1.0)
    for codec, points in panel.baselines.items():
        axes.plot(*_within(points, low, high), color=COLOURS[codec], linewidth=1.4, label=codec)
    for index, curve in enumerate(panel.published):
        style = {"color": f"C{index}", "linewidth": 1.1, "linestyle": "--", "marker": "."}
        _draw_through(axes, _between(curve.points, low, high), str(curve), style)
    _draw_through(axes, panel.ours, name, {"color": "black", "linewidth": 1.8, "marker": "o", "markersize": 4})
    axes.set_title(panel.title, loc="left", fontsize=10)
    axes.set(xlabel="bits per pixel, whole file", ylabel="PSNR (dB)", xlim=(low, high))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def smooth(points: Points, count: int = 200) -> tuple[list[float], list[float]]:
    """Rates and PSNRs along the curve that BD-rates are computed of, the points on it among them."""
    psnrs = np.array([psnr for _, psnr in points])
    along = np.union1d(np.linspace(psnrs.min(), psnrs.max(), count), psnrs)
    rates = metrics.rate_at(points, along)
    known = np.isfinite(rates)
    return rates[known].tolist(), along[known].tolist()


def _draw_through(axes: "Axes", points: Points, name: str, style: dict[str, Any]) -> None:
    """A curve, and marks where it was measured."""
    if not points:
        return
    axes.plot(*smooth(points), label=name, markevery=[], **style)  # its key has the mark
    axes.plot(*zip(*points, strict=True), **{**style, "linestyle": "none"})


def _within(points: Points, low: float, high: float) -> tuple[list[float], list[float]]:
    """The rates and the PSNRs of the points in a range of rates, and of the next ones outside it."""
    kept = _between(points, low, high)
    return [rate for rate, _ in kept], [psnr for _, psnr in kept]


def _between(points: Points, low: float, high: float) -> Points:
    """The points in a range of rates, and the next ones outside it."""
    inside = [index for index, (rate, _) in enumerate(points) if low <= rate <= high]
    return points[max(0, inside[0] - 1) : inside[-1] + 2] if inside else []
