"""Rate and distortion of inrcodec beside JPEG, WebP and AVIF, from real files.

    python tools/rd_curve.py                                   # the photographs of sample_data, default quality
    python tools/rd_curve.py DIR/kodim15.png DIR/kodim23.png --scale 0.5
    python tools/rd_curve.py PICTURE... -q 30 40 50 60 70 --out out/rd      # a curve: also rd.json and rd.png there

Rates are whole files. PSNR is over all samples of the decoded uint8 pictures. The baselines are Pillow's: every
quality 1 .. 95, JPEG with optimize and the better of baseline and progressive, WebP method 6, AVIF speed 4 and the
better of 4:2:0 and 4:4:4; they are compared at equal bytes, linear in log bytes between two neighbouring files.
"""

import argparse
import json
import time
from itertools import repeat
from pathlib import Path

import baselines
import numpy as np
from PIL import Image

from inrcodec import images
from inrcodec.encoder import EncoderConfig, encode_with_report

SAMPLES = Path(__file__).resolve().parent.parent / "sample_data"


def load(path: Path, scale: float) -> np.ndarray:
    """uint8 (H, W) or (H, W, 3), reduced with a Lanczos filter; transparency is not compared."""
    picture = Image.fromarray(images.read_image(str(path)).squeeze())
    picture = picture if picture.mode == "L" else picture.convert("RGB")
    if scale != 1:
        size = round(picture.width * scale), round(picture.height * scale)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(picture)


def measure(name: str, image: np.ndarray, options: argparse.Namespace) -> dict[str, object]:
    """All points of one picture, printed as they come."""
    curves = {codec: baselines.curve(codec, image) for codec in options.codecs}
    points = []
    for quality in options.quality:
        start = time.perf_counter()
        encoded = encode_with_report(image, EncoderConfig(quality, options.effort, options.device, options.seed))
        seconds = time.perf_counter() - start
        others = {codec: baselines.psnr_at(points, len(encoded.data)) for codec, points in curves.items()}
        points.append({"quality": quality, "bytes": len(encoded.data), "bpp": encoded.bpp, "psnr": encoded.psnr,
                       "seconds": seconds, **others})  # fmt: skip
        print(
            f"{name:<16}{image.shape[1]:>4}x{image.shape[0]:<5}{quality:>3}{len(encoded.data):>8}{encoded.bpp:>7.3f}"
            f"{encoded.psnr:>8.2f}"
            + "".join(map(compared, others.values(), repeat(encoded.psnr)))
            + f"{seconds:>7.0f} s",
            flush=True,
        )
    pixels = image.shape[0] * image.shape[1]
    return {
        "name": name,
        "points": points,
        "baselines": {
            codec: [[8 * point.file_bytes / pixels, point.psnr] for point in points] for codec, points in curves.items()
        },
    }


def compared(baseline: float | None, ours: float) -> str:
    """A baseline's PSNR and our gain over it; dashes where it has no file so small."""
    return f"{'-':>8}{'-':>7}" if baseline is None else f"{baseline:>8.2f}{ours - baseline:>+7.2f}"


def plot(rows: list[dict], path: Path) -> None:
    """One panel a picture, PSNR over rate."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(rows), figsize=(4.6 * len(rows), 4), squeeze=False, layout="constrained")
    for axis, row in zip(axes[0], rows, strict=True):
        ours = sorted((point["bpp"], point["psnr"]) for point in row["points"])
        low, high = 0.7 * ours[0][0], 1.3 * ours[-1][0]
        for codec, points in row["baselines"].items():
            inside = [(rate, psnr) for rate, psnr in points if low <= rate <= high]
            axis.plot(*zip(*inside, strict=True), label=codec, linewidth=1.2)
        axis.plot(*zip(*ours, strict=True), "o-", color="black", label="inrcodec")
        axis.set(title=row["name"], xlabel="bits per pixel, whole file", ylabel="PSNR (dB)")
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path, default=[SAMPLES / "astronaut.png", SAMPLES / "camera.png"])
    parser.add_argument("--scale", type=float, default=1.0, help="reduce the pictures first")
    parser.add_argument("-q", "--quality", type=int, nargs="+", default=[50])
    parser.add_argument("-e", "--effort", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--codecs", nargs="+", default=list(baselines.VARIANTS), choices=list(baselines.VARIANTS))
    parser.add_argument("--out", type=Path, help="folder for rd.json and rd.png (needs matplotlib)")
    options = parser.parse_args()
    head = "".join(f"{codec:>8}{'ours+':>7}" for codec in options.codecs)
    print(f"{'picture':<16}{'size':<10}{'q':>3}{'bytes':>8}{'bpp':>7}{'PSNR':>8}{head}{'time':>7}")
    rows = [measure(path.stem, load(path, options.scale), options) for path in options.pictures]
    gains = [point["psnr"] - point["JPEG"] for row in rows for point in row["points"] if point.get("JPEG")]
    if gains:
        print(f"least gain over JPEG at equal bytes: {min(gains):+.2f} dB")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "rd.json").write_text(json.dumps(rows, indent=1))
        plot(rows, options.out / "rd.png")


if __name__ == "__main__":
    main()
