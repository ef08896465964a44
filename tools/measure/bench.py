"""Benchmarks of inrcodec: each prints its figures, and ratios come from one run on one machine.

    python tools/measure/bench.py  # all of them, about 10 minutes on two CPU cores
    python tools/measure/bench.py steps --picture P.png  # to the PSNR of the published COIN loop, on the middle 128x128
    python tools/measure/bench.py step --picture P.png  # time of a fit step against the reference's, on 384x256
    python tools/measure/bench.py encode decode startup  # whole commands; decoding idle and under load
    python tools/measure/bench.py --device cuda  # fit steps, encodes and decoding on the GPU against the CPU

Times are medians of interleaved repetitions. Memory is the peak resident set of a process of its own.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from inrcodec import families
from inrcodec.compute import threads
from inrcodec.compute.backends import Manner
from inrcodec.compute.torch_backend import TorchBackend
from inrcodec.decoding import decoder
from inrcodec.encoding import encoder
from inrcodec.families.siren import ladder
from inrcodec.families.siren.gradients import PixelSums
from inrcodec.families.siren.network import SirenArch, init
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.fitting.loop import BatchSearch, FitConfig, optimize
from inrcodec.fitting.target import Target
from inrcodec.pictures.load import to_array
from tools import ROOT
from tools.measure import bench_load, reference_coin

SAMPLE = ROOT / "sample_data" / "astronaut.png"
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", choices=[*BENCHES, []], help="default: all for the device")
    parser.add_argument("--picture", type=Path, default=SAMPLE, help="default: the 256x256 sample photograph")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--reference-steps", type=int, default=50_000, help="of the COIN loop; published: 50000")
    options = parser.parse_args()
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {os.cpu_count()} cores, numpy {np.__version__}"
    )
    default = ["cuda"] if options.device == "cuda" else ["startup", "decode", "encode", "step", "steps"]
    for name in options.which or default:
        print(f"\n{name}: {BENCHES[name].__doc__.splitlines()[0]}", flush=True)
        BENCHES[name](options)


def rgb(path: Path) -> Image.Image:
    """A picture file in colour."""
    return Image.fromarray(to_array(str(path)).squeeze()).convert("RGB")


def crop(path: Path, height: int, width: int) -> np.ndarray:
    """The middle of a picture as (H, W, 3), enlarged first where it is smaller."""
    picture = rgb(path)
    scale = max(1.0, height / picture.height, width / picture.width)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return np.asarray(picture.crop((left, top, left + width, top + height)))


def reduced(path: Path) -> np.ndarray:
    """The picture at 384x256, reduced or enlarged, (256, 384, 3)."""
    return np.asarray(rgb(path).resize((384, 256), Image.Resampling.LANCZOS))


def milliseconds(works: dict[str, Callable[[], object]], device: torch.device, repeats: int) -> dict[str, float]:
    """Median time of each piece of work, taken in turn; each turn begins with one that is not timed.

    That one takes what the other's turn left behind: cold caches, and torch threads that still spin.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            work()
            synchronize(device)
            start = time.perf_counter()
            work()
            synchronize(device)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def bench_steps(options: argparse.Namespace) -> None:
    """steps to the PSNR that the published COIN loop ends with: same network, same 128x128 crop, full batches."""
    image, device = crop(options.picture, 128, 128), torch.device(options.device)
    dim_hidden = (20, 20, 20, 20)
    target = torch.tensor(image / 255, dtype=torch.float32, device=device)
    start = time.perf_counter()
    loop = reference_coin.Loop(target, dim_hidden, options.reference_steps)
    goal = loop.run(lambda step, psnr: print(f"  reference {step:>6} steps {psnr:6.2f} dB", flush=True))
    print(f"  reference: {goal:.2f} dB in {options.reference_steps} steps, {time.perf_counter() - start:.0f} s")
    arch = SirenArch(dim_hidden, 3)
    for steps in (500, 750, 1000, 1500, 2000, 3000, 5000):
        network = FloatNetwork(arch, init(arch, 0, ladder.init_config(128, 128)), device)
        start = time.perf_counter()
        sums = PixelSums(network, Target(image, device))
        psnr = optimize(BatchSearch(sums, FitConfig(steps=steps, batch=128 * 128)))
        print(f"  ours: {psnr:.2f} dB in {steps} steps, {time.perf_counter() - start:.0f} s", flush=True)
        if psnr >= goal:
            print(f"  {options.reference_steps / steps:.1f} times fewer steps to {goal:.2f} dB (target: 10)")
            return
    print("  the PSNR of the reference was not reached")


@contextmanager
def step_works(image: np.ndarray, device: torch.device) -> Iterator[dict[str, Callable[[], object]]]:
    """One step of the reference, and of the encoder at the reference's batch and at its own, all on one network."""
    height, width, channels = image.shape
    arch = ladder.choose_arch(height, width, channels, ladder.point_of_quality(50).weights_per_pixel)
    target = torch.tensor(image / 255, dtype=torch.float32, device=device)
    loop, picture = reference_coin.Loop(target, arch.dim_hidden, 10**9), Target(image, device)
    works: dict[str, Callable[[], object]] = {"reference, all pixels": lambda: loop.step(0)}
    with ExitStack() as working:
        for name, batch in (("ours, as many pixels", height * width), ("ours, its own batch", FitConfig().batch)):
            sums = PixelSums(FloatNetwork(arch, init(arch, 0, ladder.init_config(height, width)), device), picture)
            search = BatchSearch(sums, FitConfig(batch=batch))
            working.enter_context(search.working())
            works[name] = lambda search=search: search.step(1000)
        yield works


def bench_step(options: argparse.Namespace) -> None:
    """time of one fit step on 384x256, the default network, against the reference's."""
    with step_works(reduced(options.picture), CPU) as works:
        print_ratios(milliseconds(works, CPU, 15))


def print_ratios(times: dict[str, float]) -> None:
    first = next(iter(times.values()))
    for name, value in times.items():
        print(f"  {name:<24}{value:8.2f} ms   reference / this {first / value:6.1f}")


LAUNCHER = """
import resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""
"""Runs a command from a small process: a child's peak memory counts what its parent held when it forked."""


def whole_process(*arguments: str) -> tuple[float, float]:
    """Wall seconds, and peak resident MB, of `inrcodec ...` in a process of its own."""
    command = [sys.executable, "-c", LAUNCHER, sys.executable, "-m", "inrcodec.cli", *arguments]
    code, seconds, megabytes = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split()
    if int(code):
        raise SystemExit(f"inrcodec {' '.join(arguments)} failed")
    return float(seconds), float(megabytes)


def bench_startup(options: argparse.Namespace) -> None:
    """whole commands that must feel instant (target: 0.3 s)."""
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "a.inr"))
        Path(file).write_bytes(encoder.encode(crop(options.picture, 64, 64), encoder.EncoderConfig(effort=1)))
        for arguments in (["--help"], ["info", file]):
            seconds = statistics.median(whole_process(*arguments)[0] for _ in range(7))
            print(f"  inrcodec {arguments[0]:<8}{seconds:6.2f} s")


def bench_encode(options: argparse.Namespace) -> None:
    """the whole command `inrcodec encode` of a 256x256 photograph (targets: 60 s, 1 GB)."""
    with tempfile.TemporaryDirectory() as folder:
        source, file = str(Path(folder, "a.png")), str(Path(folder, "a.inr"))
        Image.fromarray(crop(options.picture, 256, 256)).save(source)
        seconds, megabytes = whole_process("encode", source, "-o", file, "--device", "cpu")
        print(f"  {seconds:.1f} s, peak {megabytes:.0f} MB")


def bench_decode(options: argparse.Namespace) -> None:
    """384x256 after imports (target: 0.5 s), NumPy against torch (99.99 % within a code); 4096x4096 (400 MB); load."""
    image = reduced(options.picture)
    data = encoder.encode(image, encoder.EncoderConfig(effort=1, device="cpu"))
    model = families.read(data)
    backend = TorchBackend("cpu", Manner(threads.count()))
    torch_picture = decoder.Picture(model, model.network.evaluator(backend, model.precision()))
    works = {"NumPy": lambda: decoder.decode(data), "torch": torch_picture.render}
    for name, value in milliseconds(works, CPU, 7).items():
        print(f"  {name}: 384x256 in {value / 1e3:.3f} s")
    print_agreement(decoder.decode(data), torch_picture.render())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.inr")
        file.write_bytes(data)
        sys.stdout.flush()
        subprocess.run([sys.executable, Path(__file__).with_name("decode_memory.py"), file], check=True)
    bench_load.report(data)


def print_agreement(one: np.ndarray, other: np.ndarray) -> None:
    apart = np.abs(one.astype(int) - other)
    print(f"  samples within 1 code {np.mean(apart <= 1):.4%}, identical {np.mean(apart == 0):.4%}, most {apart.max()}")


def bench_cuda(options: argparse.Namespace) -> None:
    """fit steps, a default encode and decoding on the GPU, against the CPU."""
    if not torch.cuda.is_available():
        raise SystemExit("  no CUDA device here")
    image = reduced(options.picture)
    print(f"  {torch.cuda.get_device_name()}")
    for name in ("cpu", "cuda"):
        device = torch.device(name)
        print(f"  fit step on {name}, 384x256:")
        with step_works(image, device) as works:
            print_ratios(milliseconds(works, device, 15))
        start = time.perf_counter()
        encoded = encoder.encode_with_report(image, encoder.EncoderConfig(device=name))
        seconds = time.perf_counter() - start
        print(f"  encode on {name}: {seconds:.1f} s, {encoded.psnr:.2f} dB, {encoded.bpp:.3f} bpp")
        print_agreement(decoder.decode(encoded.data), decoder.decode(encoded.data, device="cuda"))
    bench_steps(options)


BENCHES = {
    "startup": bench_startup,
    "decode": bench_decode,
    "encode": bench_encode,
    "step": bench_step,
    "steps": bench_steps,
    "cuda": bench_cuda,
}


if __name__ == "__main__":
    main()
