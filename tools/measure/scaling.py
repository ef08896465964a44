"""How well pictures scale: larger, against interpolation of their pixels; smaller, against Pillow's filter.

    python tools/measure/scaling.py                                  # the photographs of sample_data
    python tools/measure/scaling.py DIR --bpp 0.5 -e 5 --family grid --out out/scaling

Larger: each picture is reduced to a half and a quarter (Lanczos) and encoded; the file drawn at the full size, and its
native picture enlarged by Pillow's bicubic and Lanczos filters, are compared with the full size, which is the truth.
Smaller: the files drawn at 1/2, 3/10 and 1/4 are compared with their native picture reduced by Pillow's Lanczos filter.
Also how long a thumbnail takes against a full decode. What is encoded is kept in --out.
"""

import argparse
import hashlib
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import inrcodec
from inrcodec import families, files, metrics
from inrcodec.cli import batch
from inrcodec.decoding import decoder
from inrcodec.encoding.config import EncoderConfig
from inrcodec.families import StoredPicture
from inrcodec.families.siren.network import InitConfig, SirenArch, init, q_step, q_step_code
from inrcodec.families.siren.stored import SirenNetwork
from inrcodec.format.limits import DecodeLimits
from inrcodec.pictures.load import SUFFIXES, to_array
from tools import ROOT
from tools.measure.rate_distortion.rd_work import source_digest

SAMPLES = [str(ROOT / "sample_data" / name) for name in ("astronaut.png", "camera.png")]
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "Lanczos": Image.Resampling.LANCZOS}
SMALLER = (0.5, 0.3, 0.25)
SIDE, THUMBNAIL = 4096, 128


def resized(codes: NDArray[np.uint8], height: int, width: int, way: Image.Resampling) -> NDArray[np.uint8]:
    """(H, W, C) or (H, W) by Pillow, as it came."""
    return np.asarray(Image.fromarray(codes.squeeze()).resize((width, height), way)).reshape(height, width, -1)


def encoded(codes: NDArray[np.uint8], config: EncoderConfig, out: Path) -> bytes:
    """The file of a picture, from an earlier run of the same encoder where there is one."""
    key = hashlib.sha256(codes.tobytes() + repr((codes.shape, config, source_digest())).encode()).hexdigest()[:16]
    path = out / f"{key}.inr"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        files.write_atomically(path, inrcodec.encode(codes, config))
    return path.read_bytes()


def larger(truth: NDArray[np.uint8], factor: int, config: EncoderConfig, out: Path) -> tuple[list[float], bytes]:
    """PSNR at the full size of the function, of bicubic, of Lanczos; and the file."""
    height, width = truth.shape[0] // factor * factor, truth.shape[1] // factor * factor
    truth = truth[:height, :width]
    data = encoded(resized(truth, height // factor, width // factor, FILTERS["Lanczos"]), config, out)
    native = decoder.decode(data)
    ways = [decoder.decode(data, (height, width)).reshape(truth.shape)]
    ways += [resized(native, height, width, way) for way in FILTERS.values()]
    return [metrics.psnr(truth, way) for way in ways], data


def smaller(data: bytes) -> list[float]:
    """PSNR of the file drawn smaller against its native picture reduced, for each of SMALLER."""
    native = decoder.decode(data)
    sizes = [(max(1, round(native.shape[0] * s)), max(1, round(native.shape[1] * s))) for s in SMALLER]
    drawn = [decoder.decode(data, size) for size in sizes]
    return [metrics.psnr(resized(native, *d.shape[:2], FILTERS["Lanczos"]), d.reshape(*d.shape[:2], -1)) for d in drawn]


def thumbnail_times() -> tuple[float, float, float]:
    """Seconds of opening a file of 4096x4096 by Pillow, and of its thumbnail, medians of nine; of decoding it, of 3."""
    inrcodec.register_pillow()
    arch, code = SirenArch((32, 28, 24), 3), q_step_code(1 / 64)
    params = init(arch, 0, InitConfig(w_max=60))
    symbols = tuple(np.rint(p / q_step(code)).astype(np.int32) for p in params)
    data = families.write(StoredPicture(SirenNetwork(arch, symbols, (code,) * len(symbols)), SIDE, SIDE, f32_safe=True))
    opens, thumbnails = [], []
    for _ in range(9):
        start = time.perf_counter()
        image = Image.open(io.BytesIO(data))
        opens.append(time.perf_counter() - start)
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        thumbnails.append(time.perf_counter() - start)
    whole = []
    for _ in range(3):
        start = time.perf_counter()
        decoder.decode(data, limits=DecodeLimits(max_macs_per_byte=2**60))
        whole.append(time.perf_counter() - start)
    return float(np.median(opens)), float(np.median(thumbnails)), float(np.median(whole))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", default=SAMPLES, help="files or folders")
    parser.add_argument("--bpp", type=float, default=0.5)
    parser.add_argument("-e", "--effort", type=int, default=5)
    parser.add_argument("--family", default="siren")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "scaling")
    options = parser.parse_args(arguments)
    config = EncoderConfig(bpp=options.bpp, effort=options.effort, device="cpu", family=options.family)
    rows: dict[int, list[list[float]]] = {2: [], 4: []}
    reduced = []
    print("| picture | times | function | bicubic | Lanczos | drawn at " + " / ".join(map(str, SMALLER)) + " |")
    print("|---|---|---|---|---|---|")
    for name, _ in batch.find_inputs(options.pictures, SUFFIXES, recursive=False):
        for factor in (2, 4):
            found, data = larger(to_array(name), factor, config, options.out)
            rows[factor].append(found)
            reduced.append(smaller(data))
            print(f"| {Path(name).stem} | {factor} | {' | '.join(f'{v:.2f} dB' for v in found)} | ", end="")
            print(f"{' / '.join(f'{v:.1f}' for v in reduced[-1])} dB |", flush=True)
    for factor, found in rows.items():
        print(f"| **mean** | {factor} | {' | '.join(f'{v:.2f} dB' for v in np.mean(found, 0))} | |")
    print(f"\nleast of all drawn smaller: {np.min(reduced):.1f} dB")
    opened, shown, whole = thumbnail_times()
    print(f"{SIDE}x{SIDE} by Pillow: open {1000 * opened:.1f} ms, thumbnail {THUMBNAIL}x{THUMBNAIL} ", end="")
    print(f"{1000 * shown:.0f} ms, decoded whole {whole:.1f} s: {whole / shown:.0f} times")
    return 0


if __name__ == "__main__":
    sys.exit(main())
