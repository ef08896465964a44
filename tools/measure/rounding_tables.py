"""What `rounding.py` makes of its files: bits per weight at a given loss, gains at equal bytes, tables and JSON."""

import itertools
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tools.measure.rate_distortion import baselines
from tools.measure.rate_distortion.rd_tables import NONE, Table

LOSS = 0.3
"""In dB: bits per weight are reported at this loss."""
_LEAST_LOSS = 1e-3
"""In dB: a smaller loss, or a gain, counts as this one, for the logarithm."""


Figures = dict[str, dict[str, list[float | None]]]
"""Picture or "mean" -> method -> bits per weight at `LOSS`, and dB over nearest at equal bytes."""


@dataclass(frozen=True)
class Row:
    """One file."""

    picture: str
    method: str
    noise: float
    weights: int
    file_bytes: int
    bits_per_weight: float
    """8 * file_bytes / weights."""
    ideal_bits_per_weight: float
    psnr: float
    """In dB."""
    loss: float
    """In dB, against the float network."""
    seconds: float


@dataclass(frozen=True)
class Compared:
    """All files of a picture."""

    picture: str
    weights: int
    float_psnr: float
    fit_seconds: float
    curvature_seconds: float
    """Part of the seconds of the compensated rows."""
    curvature_megabytes: float
    rows: list[Row]


def bits_at(points: Sequence[tuple[float, float]], loss: float = LOSS) -> float | None:
    """Bits per weight at a loss in dB, from (bits, loss) of files: linear in the loss's logarithm, from the fine end.

    None where no two files next to each other lie on either side.
    """
    for (fine, low), (coarse, high) in itertools.pairwise(sorted(points, reverse=True)):
        if low <= loss < high:
            low = max(low, _LEAST_LOSS)
            return fine + (coarse - fine) * math.log(loss / low) / math.log(high / low)
    return None


def gain_over_nearest(rows: Sequence[Row], method: str) -> float | None:
    """Mean over a method's files of its dB above nearest at equal bytes; None where nearest has none so small or large.

    `rows` are those of one picture.
    """
    nearest = [baselines.Point(row.file_bytes, row.psnr, {}) for row in rows if row.method == "nearest"]
    nearest.sort(key=lambda point: point.file_bytes)
    if not nearest:
        return None
    others = [(row.psnr, baselines.psnr_at(nearest, row.file_bytes)) for row in rows if row.method == method]
    return mean([psnr - other for psnr, other in others if other is not None])


def mean(values: Sequence[float | None]) -> float | None:
    """None where there are none, or where one is unknown: means over different pictures do not compare."""
    return None if not values or None in values else statistics.fmean(values)


def summary(compared: Sequence[Compared], methods: Sequence[str]) -> Figures:
    """Of every picture, and in the mean."""
    made = {
        one.picture: {
            method: [
                bits_at([(row.bits_per_weight, row.loss) for row in one.rows if row.method == method]),
                gain_over_nearest(one.rows, method),
            ]
            for method in methods
        }
        for one in compared
    }
    means = {method: [mean([made[name][method][i] for name in made]) for i in (0, 1)] for method in methods}
    return {**made, "mean": means}


def tables(compared: Sequence[Compared], methods: Sequence[str]) -> list[Table]:
    """The files of each picture, and the two comparisons."""
    figures = summary(compared, methods)
    return [
        *(_files_table(one) for one in compared),
        _comparison(f"Bits per weight at {LOSS} dB loss from rounding", figures, methods, 0, ".2f"),
        _comparison("Mean dB over nearest at equal bytes", figures, methods, 1, "+.2f"),
    ]


def _files_table(one: Compared) -> Table:
    head = ["noise", "way", "bytes", "bits/weight", "ideal", "PSNR", "loss", "seconds"]
    rows = [
        [f"{row.noise:g}", row.method, str(row.file_bytes), f"{row.bits_per_weight:.2f}",
         f"{row.ideal_bits_per_weight:.2f}", f"{row.psnr:.2f}", f"{row.loss:.2f}", f"{row.seconds:.1f}"]
        for row in one.rows
    ]  # fmt: skip
    title = (
        f"{one.picture}: {one.weights:,} weights, {one.float_psnr:.2f} dB float, fitted in {one.fit_seconds:.0f} s; "
        f"curvature {one.curvature_seconds:.1f} s, {one.curvature_megabytes:.0f} MB"
    )
    return Table(title, head, rows)


def _comparison(title: str, figures: Figures, methods: Sequence[str], index: int, form: str) -> Table:
    rows = [
        [name, *(NONE if (value := of[method][index]) is None else format(value, form) for method in methods)]
        for name, of in figures.items()
    ]
    return Table(title, ["picture", *methods], rows, f"{NONE}: the files do not reach so far, see --noise")


def as_json(compared: Sequence[Compared], methods: Sequence[str]) -> bytes:
    """All rows, and the summary."""
    content = {"pictures": [asdict(one) for one in compared], "summary": summary(compared, methods)}
    return json.dumps(content, indent=1).encode()
