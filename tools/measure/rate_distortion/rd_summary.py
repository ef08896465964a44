"""What came of a rate-distortion run: gains over the baselines, means over the pictures, BD-rates."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from inrcodec import metrics
from tools.measure.rate_distortion import baselines
from tools.measure.rate_distortion.rd_work import Picture, Row, Target

Points = list[tuple[float, float]]
"""(bpp, PSNR in dB) of a curve, ascending."""


@dataclass(frozen=True)
class Published:
    """A curve from a file: means over pictures that need not be ours."""

    name: str
    points: Points
    pictures: int | None
    """Over how many; None if the file does not say."""

    def __str__(self) -> str:
        return f"{self.name} (published)" if self.pictures is None else f"{self.name} (mean of {self.pictures})"


@dataclass(frozen=True)
class Results:
    """All measured figures of a run; what failed is missing."""

    pictures: list[Picture]
    targets: list[Target]
    codecs: list[str]
    rates: tuple[float, float]
    """The baseline's rates in bpp over which BD-rates are taken."""
    rows: dict[tuple[str, Target], Row] = field(default_factory=dict)
    """Under a picture's name and a target."""
    curves: dict[tuple[str, str], list[baselines.Point]] = field(default_factory=dict)
    """Under a picture's name and a codec's."""
    published: list[Published] = field(default_factory=list)

    def complete(self) -> list[Picture]:
        """The pictures that have all their rows: means are over these."""
        return [p for p in self.pictures if all((p.name, target) in self.rows for target in self.targets)]


@dataclass(frozen=True)
class Mean:
    """One target, averaged over the pictures."""

    target: Target
    bpp: float
    psnr: float
    """The mean of the pictures' PSNRs, as in CompressAI, not the PSNR of their mean error."""
    ms_ssim: float
    encode_seconds: float
    decode_seconds: float
    gains: dict[str, float | None]
    """Codec: mean gain in dB at equal bytes; None where a picture has none."""


def read_published(path: Path, wanted: Sequence[str]) -> list[Published]:
    """The curves of a JSON file, all or those named, in either layout:

    CompressAI's {"name": ..., "results": {"bpp": [...], "psnr-rgb" or "psnr": [...]}}, with "images", the names of the
    pictures, where this tool has written it; or {name: {"bpp": [...], "psnr": [...]}, ...}.

    Raises OSError, or ValueError where there is no such thing in it.
    """
    try:
        content = json.loads(path.read_text())
        entries = {content["name"]: content} if "results" in content else content
        return [_published(name, entry) for name, entry in entries.items() if not wanted or name in wanted]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: no rate-distortion curves ({type(error).__name__}: {error})") from error


def _published(name: str, entry: dict) -> Published:
    values = entry.get("results", entry)
    quality = values["psnr-rgb"] if "psnr-rgb" in values else values["psnr"]
    points = sorted((float(rate), float(psnr)) for rate, psnr in zip(values["bpp"], quality, strict=True))
    if not points or not all(rate > 0 and math.isfinite(rate + psnr) for rate, psnr in points):
        raise ValueError(f"{name}: no points, or some that are no rate and PSNR")
    return Published(name, points, len(entry["images"]) if "images" in entry else None)


def gain(results: Results, picture: str, target: Target, codec: str) -> float | None:
    """Our PSNR over a baseline's at equal bytes, in dB; None where one is missing or has no file of that size."""
    row, curve = results.rows.get((picture, target)), results.curves.get((picture, codec))
    theirs = baselines.psnr_at(curve, row.file_bytes) if row and curve else None
    return None if theirs is None else row.psnr - theirs


def means(results: Results) -> list[Mean]:
    """One for each target, over the complete pictures, ascending in rate; none if there is no such picture."""
    names = [picture.name for picture in results.complete()]
    found = []
    for target in results.targets if names else []:
        rows = [results.rows[name, target] for name in names]
        gains = {codec: [gain(results, name, target, codec) for name in names] for codec in results.codecs}
        found.append(
            Mean(
                target,
                *(
                    float(np.mean([getattr(row, figure) for row in rows]))
                    for figure in ("bpp", "psnr", "ms_ssim", "encode_seconds", "decode_seconds")
                ),
                {codec: None if None in each else float(np.mean(each)) for codec, each in gains.items()},
            )
        )
    return sorted(found, key=lambda mean: mean.bpp)


def our_curve(results: Results, picture: str) -> Points:
    """Our points on a picture."""
    rows = (results.rows.get((picture, target)) for target in results.targets)
    return sorted((row.bpp, row.psnr) for row in rows if row and math.isfinite(row.psnr))


def baseline_curve(results: Results, picture: Picture, codec: str) -> Points:
    """A baseline's points on a picture."""
    curve = results.curves.get((picture.name, codec), [])
    return [(8 * point.file_bytes / picture.pixels, point.psnr) for point in curve if math.isfinite(point.psnr)]


def our_mean_curve(results: Results) -> Points:
    """Mean PSNR over mean rate, a point for each target."""
    return [(mean.bpp, mean.psnr) for mean in means(results) if math.isfinite(mean.psnr)]


def mean_baseline_curve(results: Results, codec: str, count: int = 100) -> Points:
    """The mean over the complete pictures of a baseline's PSNR at equal rates, where every picture has a file."""
    curves = [np.array(baseline_curve(results, picture, codec)) for picture in results.complete()]
    if not curves or not all(map(len, curves)):
        return []
    low, high = max(curve[0, 0] for curve in curves), min(curve[-1, 0] for curve in curves)
    if low >= high:
        return []
    rates = np.geomspace(low, high, count)
    psnrs = [np.interp(np.log(rates), np.log(curve[:, 0]), curve[:, 1]) for curve in curves]
    return list(zip(rates.tolist(), np.mean(psnrs, 0).tolist(), strict=True))


MOST_PUBLISHED = 10
"""Published curves that a plot can show and still be read."""
NOT_KNOWN = metrics.BDRate(math.nan, 0.0)


def bd_rate(results: Results, anchor: Points, ours: Points) -> metrics.BDRate:
    """`metrics.bd_rate` within the run's rates; not known where a curve is missing."""
    return metrics.bd_rate(anchor, ours, results.rates) if anchor and ours else NOT_KNOWN


def bd_rates(results: Results) -> list[tuple[str, list[metrics.BDRate]]]:
    """(name, one for each codec): of every complete picture, their mean, and of the mean curves."""
    each = []
    for picture in results.complete():
        ours, theirs = our_curve(results, picture.name), (baseline_curve(results, picture, c) for c in results.codecs)
        each.append((picture.name, [bd_rate(results, curve, ours) for curve in theirs]))
    ours, theirs = our_mean_curve(results), (mean_baseline_curve(results, codec) for codec in results.codecs)
    of_means = [bd_rate(results, curve, ours) for curve in theirs]
    mean = [_mean_bd_rate(of_codec) for of_codec in zip(*(values for _, values in each), strict=True)]
    return [*each, ("mean", mean), ("mean curve", of_means)]


def _mean_bd_rate(values: Sequence[metrics.BDRate]) -> metrics.BDRate:
    """Of all pictures: not known where it is not for one of them."""
    return metrics.BDRate(*(float(np.mean([getattr(v, name) for v in values])) for name in ("percent", "overlap")))
