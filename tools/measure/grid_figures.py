"""What the grid family takes: a step of its search, reading and drawing a file, and whether every kernel agrees.

    python tools/measure/grid_figures.py PICTURE [--scale 0.5] [--effort 1] [--large 4096]
    python tools/measure/grid_figures.py PICTURE --device cpu cuda  # steps and whole encodes, side by side

Encodes the picture, and prints milliseconds of a step and of the start; bytes by part; seconds to read the file and to
draw it, at its own size and large; and then, in fresh processes, by NumPy and by torch, on one thread and two, and
under other kernels of OpenBLAS (OPENBLAS_CORETYPE): whether latents are identical, and how many codes samples differ.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PIL import Image

import inrcodec
from inrcodec import EncoderConfig, families

KERNELS = ("", "Haswell", "SkylakeX", "Zen")
WAYS = [("cpu", 1), ("cpu", 2), ("torch", 1)]


def seconds(work: Callable[[], Any], times: int = 3) -> float:
    """The least of several."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return min(found)


def of_search(codes: np.ndarray, device: str) -> None:
    """A step, and the start."""
    import torch

    from inrcodec.compute import threads
    from inrcodec.families.grid.trainer import Trainer
    from inrcodec.families.training import TrainerOptions

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    trainer = Trainer(codes, TrainerOptions(), torch.device(device))
    candidate = trainer.start(trainer.at_quality(None))
    with threads.using(threads.count()), threads.single_torch(), threads.single_blas():
        start = seconds(lambda: [candidate.search(candidate.plan().fit, print), wait()], 1)
        search = candidate.search(candidate.plan().fit, print)
        with search.working():
            search.evaluate()
            step = seconds(lambda: [search.step(search.next), wait()], 12)
    name = torch.cuda.get_device_name() if device == "cuda" else f"{threads.count()} threads"
    size = f"{codes.shape[0] * codes.shape[1]:,} pixels on {device} ({name})"
    print(f"{size}: a step {1000 * step:.1f} ms, the sparse start {start:.2f} s")


def encoded(codes: np.ndarray, effort: int, device: str) -> bytes:
    """The file, told of with its time and PSNR."""
    begun = time.perf_counter()
    found = inrcodec.encode_with_report(codes, EncoderConfig(effort=effort, device=device, family="grid"))
    told = f"{time.perf_counter() - begun:.1f} s: {len(found.data):,} bytes, {found.psnr:.2f} dB"
    print(f"encoded at effort {effort} on {device} in {told}", flush=True)
    return found.data


def drawn(path: str, backend: str, threads: int) -> None:
    """In a process of its own: CRC of the latents, and the picture, as JSON and a file."""
    from inrcodec.compute.backends import Manner, NumpyBackend
    from inrcodec.decoding.decoder import Picture

    stored = families.read(Path(path).read_bytes())
    manner = Manner(threads)
    if backend == "torch":
        from inrcodec.compute.torch_backend import TorchBackend

        own: Any = TorchBackend("cpu", manner)
    else:
        own = NumpyBackend(manner)
    picture = Picture(stored, stored.network.evaluator(own, stored.precision())).render()
    np.save(f"{path}.npy", picture)
    crc = 0
    for level in stored.network.latents:  # type: ignore[attr-defined]
        crc = zlib.crc32(level.tobytes(), crc)
    print(json.dumps({"crc": crc}))


def agreement(path: Path) -> None:
    """All ways to draw, against the first."""
    first: Any = None
    for kernel in KERNELS:
        for backend, threads in WAYS:
            environment = {**os.environ, **({"OPENBLAS_CORETYPE": kernel} if kernel else {})}
            command = [sys.executable, __file__, "--drawn", str(path), backend, str(threads)]
            out = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
            found = json.loads(out)["crc"], np.load(f"{path}.npy").astype(int)
            first = first or found
            apart = np.abs(found[1] - first[1])
            same = "identical" if found[0] == first[0] else "OTHER LATENTS"
            print(
                f"{kernel or 'own kernel':12s} {backend:6s} {threads} threads: latents {same}, "
                f"samples at most {apart.max()} apart, {(apart > 0).mean():.1e} of them"
            )


def main() -> None:
    if sys.argv[1:2] == ["--drawn"]:
        drawn(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("--large", type=int, default=4096)
    parser.add_argument("--device", nargs="+", choices=("cpu", "cuda"), default=["cpu"])
    args = parser.parse_args()
    image = Image.open(args.picture).convert("RGB")
    size = round(image.width * args.scale), round(image.height * args.scale)
    codes = np.asarray(image.resize(size, Image.Resampling.LANCZOS) if args.scale != 1 else image)
    for device in args.device:
        of_search(codes, device)
        data = encoded(codes, args.effort, device)
    picture = inrcodec.open(data)
    reading, drawing = seconds(lambda: families.read(data)), seconds(lambda: picture.render())
    large = seconds(lambda: picture.render((args.large, args.large)), 1)
    print(f"read {reading:.2f} s, drawn {drawing:.2f} s; {args.large}x{args.large} {large:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.inr"
        path.write_bytes(data)
        agreement(path)


if __name__ == "__main__":
    main()
