"""Single points that others have published of a picture, beside our curve of it and the baselines'.

    python tools/measure/beside_points.py docs/results/grid_full_size.json kodim15:0.282:35.28 kodim23:0.223:37.34

The file is the per_picture.json of rd_curve.py, a point is picture:bpp:PSNR. Printed are the rates that codecs take for
a PSNR of a point, by the interpolation that BD-rates are computed of, and how many bits more that is than its own.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from inrcodec import metrics


def curves(picture: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Rates and PSNRs of a picture, ours first."""
    ours = [(row["bpp"], row["psnr"]) for row in picture["inrcodec"]]
    return {"inrcodec": ours, **{codec: [*map(tuple, points)] for codec, points in picture["baselines"].items()}}


def cell(curve: list[tuple[float, float]], bpp: float, psnr: float) -> str:
    """The rate of a curve at a PSNR, over that of a point."""
    rate = float(metrics.rate_at(curve, np.array([psnr]))[0])
    return "beyond its ends" if np.isnan(rate) else f"{rate:.3f} bpp, {100 * (rate / bpp - 1):+.0f} %"


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("points", nargs="+", metavar="PICTURE:BPP:PSNR")
    options = parser.parse_args()
    pictures = {name: curves(picture) for name, picture in json.loads(options.file.read_text()).items()}
    codecs = list(next(iter(pictures.values())))
    print(f"| published | {' | '.join(codecs)} |\n|{'---|' * (1 + len(codecs))}")
    for point in options.points:
        name, bpp, psnr = point.split(":")
        cells = [cell(pictures[name][codec], float(bpp), float(psnr)) for codec in codecs]
        print(f"| {name}, {psnr} dB at {bpp} bpp | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
