"""The classic results for SIREN, made again with our network: figures under docs/figures/, numbers on standard output.

    python tools/measure/siren_figures.py [--steps 1500] [--out docs/figures] [--only activations ...]

A few minutes on a CPU. What is measured, and how: `siren_study.py`; what came out: docs/siren.md. Needs matplotlib.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from tools import ROOT

mpl.use("Agg")
import numpy as np
import torch
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from PIL import Image

from inrcodec.compute.sine import Jet
from inrcodec.decoding import decoder
from inrcodec.encoding import encoder
from inrcodec.encoding.config import EncoderConfig
from inrcodec.families.siren.network import SirenArch, init_classic
from inrcodec.pictures.sheets import Panel, sheet
from tools.measure import siren_study as study

SAMPLES = ROOT / "sample_data"
SIDE = 128
"""Of the picture that networks are fitted to."""
NAMES = {"value": "value", "gradient": "gradient", "laplacian": "Laplacian"}


def save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=80, bbox_inches="tight", pil_kwargs={"quality": 82, "method": 6})
    plt.close(figure)
    print(f"{path}: {path.stat().st_size:,} bytes\n", flush=True)


def activations(options: argparse.Namespace) -> None:
    """Sums before the sines against N(0, 1), sines against the arcsine law, layer by layer at the classic start."""
    sums = study.activations(width=512, depth=6, points=2000, seed=0)
    figure, axes = plt.subplots(2, len(sums), figsize=(16, 4.8), sharey="row", layout="constrained")
    print("layer  deviation  KS to N(0, 1)  KS of the sines to the arcsine law")
    z, s = np.linspace(-4, 4, 200), np.linspace(-0.995, 0.995, 300)
    normal, arcsine = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), 1 / (np.pi * np.sqrt(1 - s**2))
    for layer, found in enumerate(sums):
        before, after = study.ks_distance(found, study.normal_cdf), study.ks_distance(np.sin(found), study.arcsine_cdf)
        print(f"{layer + 1:5}  {found.std():9.3f}  {before:13.4f}  {after:.4f}")
        histogram(axes[0, layer], found, (z, normal), "N(0, 1)")
        axes[0, layer].set(title=f"layer {layer + 1}: KS {before:.3f}", xlabel="sum before the sine")
        histogram(axes[1, layer], np.sin(found), (s, arcsine), "arcsine law")
        axes[1, layer].set(title=f"layer {layer + 1}: KS {after:.3f}", xlabel="sine", ylim=(0, 3))
    for row in axes:
        row[0].set_ylabel("density")
        row[-1].legend(loc="upper left", bbox_to_anchor=(1.03, 1), frameon=False)
    save(figure, options.out / "siren-activations.webp")


def histogram(axis: plt.Axes, found: NDArray[np.float64], law: tuple[np.ndarray, np.ndarray], name: str) -> None:
    """The density of what was found, which may reach beyond the axis, and of a law."""
    bins, reach = 80, float(np.rint(law[0][-1]))
    weights = np.full(found.size, bins / (2 * reach * found.size))
    axis.hist(found.reshape(-1), bins, (-reach, reach), weights=weights, color="#8fb8de", label="of all neurons")
    axis.plot(*law, color="#c0392b", label=name)


def target() -> study.Truth:
    picture = Image.open(SAMPLES / "camera.png").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return study.truth_of(np.asarray(picture))


def shown(kind: str, values: torch.Tensor) -> NDArray[np.float64]:
    """Values as a picture; of a gradient its length."""
    flat = values.norm(dim=-1) if kind == "gradient" else values
    return flat.reshape(SIDE, SIDE).double().numpy()


Column = tuple[str, "Jet | study.Truth", list[str]]
"""Its name, what it shows, and a note for each row."""


def panels(networks: Sequence[Column], truth: study.Truth, path: Path) -> None:
    """Rows of values, gradients and Laplacians, each in the range of the truth, which is the first column."""
    columns: list[Column] = [("truth", truth, ["", "", ""]), *networks]
    figure, axes = plt.subplots(3, len(columns), figsize=(3 * len(columns), 9.6))
    for row, kind in enumerate(NAMES):
        true = shown(kind, getattr(truth, kind))
        low, high = (0.0, np.percentile(true, 99)) if kind == "gradient" else np.percentile(true, (1, 99))
        if kind == "laplacian":
            low, high = -max(-low, high), max(-low, high)
        for column, (name, jet, notes) in enumerate(columns):
            axis = axes[row, column]
            axis.imshow(shown(kind, getattr(jet, kind)), "gray", vmin=low, vmax=high)
            axis.set_title(f"{name if row == 0 else ''}\n{NAMES[kind]} {notes[row]}".strip("\n"), fontsize=10)
            axis.axis("off")
    figure.tight_layout()
    save(figure, path)


def notes_of(jet: Jet, truth: study.Truth) -> list[str]:
    return [f"{study.snr(getattr(jet, kind), getattr(truth, kind)):.1f} dB" for kind in NAMES]


def nonlinearities(options: argparse.Namespace) -> None:
    """Three networks of equal sizes, fitted to the values of a picture; their values, gradients and Laplacians."""
    truth = target()
    nets = {
        "SIREN": study.Sines(0), "ReLU, positional encoding": study.Rectifiers(0, True),
        "ReLU": study.Rectifiers(0, False),
    }  # fmt: skip
    columns: list[Column] = []
    print(f"signal-to-noise ratio after {options.steps} steps on the values; weights, seconds")
    for name, net in nets.items():
        start = time.perf_counter()
        jet = study.fit(net, truth, "value", options.steps)
        notes = notes_of(jet, truth)
        columns.append((name, jet, notes))
        count = sum(p.numel() for p in net.parameters())
        found = ", ".join(f"{kind} {note}" for kind, note in zip(NAMES.values(), notes, strict=True))
        psnr = study.psnr_up_to_constant(jet.value, truth.value)
        print(f"{name:26} {found}; PSNR {psnr:.1f} dB; {count:,}, {time.perf_counter() - start:.0f} s", flush=True)
    panels(columns, truth, options.out / "siren-relu.webp")


def poisson(options: argparse.Namespace) -> None:
    """A picture recovered from its gradient alone, and from its Laplacian alone, through jets."""
    truth = target()
    columns: list[Column] = []
    for kind in ("gradient", "laplacian"):
        start = time.perf_counter()
        jet = study.fit(study.Sines(0), truth, kind, options.steps)
        nearest = study.harmonic_part_removed(jet.value, truth.value, truth.coords)
        psnr, freed = (study.psnr_up_to_constant(value, truth.value) for value in (jet.value, nearest))
        print(f"from the {NAMES[kind]} alone, {options.steps} steps, {time.perf_counter() - start:.0f} s:")
        print(f"    PSNR {psnr:.2f} dB up to a constant, {freed:.2f} dB up to a harmonic polynomial of degree 8")
        value, *rest = notes_of(jet, truth)
        print(f"    {', '.join(f'{name} {note}' for name, note in zip(NAMES.values(), (value, *rest), strict=True))}")
        level = truth.value.mean() - jet.value.mean()
        shifted = jet._replace(value=jet.value + level)
        columns.append((f"from its {NAMES[kind]}", shifted, [f"{psnr:.1f} dB PSNR", *rest]))
        if kind == "laplacian":
            harmless = jet._replace(value=nearest)
            columns.append(("the same, harmonic part removed", harmless, [f"{freed:.1f} dB PSNR", *rest]))
    panels(columns, truth, options.out / "siren-poisson.webp")


def camera(options: argparse.Namespace) -> None:
    """Parts of the 256x256 photograph through the codec: its pixels as squares, interpolated, and the function."""
    encoded = encoder.encode_with_report(str(SAMPLES / "camera.png"), EncoderConfig(effort=options.effort, bpp=0.8))
    picture = decoder.open_bytes(encoded.data)
    print(f"camera.png: {len(encoded.data):,} bytes, {encoded.psnr:.2f} dB at its own 256x256")
    native = Image.fromarray(picture.render())
    rows = []
    for region in (decoder.Region(40, 90, 64, 64), decoder.Region(54, 108, 32, 32)):
        scale = 256 // region.width
        box = (region.left, region.top, region.left + region.width, region.top + region.height)
        squares, bicubic = (
            np.asarray(native.resize((256, 256), how, box))
            for how in (Image.Resampling.NEAREST, Image.Resampling.BICUBIC)
        )
        drawn = picture.render((256, 256), region)
        shown = (("its pixels, as squares", squares), ("its pixels, bicubic", bicubic), ("the function, drawn", drawn))
        rows.append(sheet([Panel(image[..., None], (f"{how}, {scale}x",)) for how, image in shown]))
    path = options.out / "siren-camera.webp"
    Image.fromarray(np.concatenate(rows)).save(path, quality=90, method=6)
    print(f"{path}: {path.stat().st_size:,} bytes\n", flush=True)


def descent(options: argparse.Namespace) -> None:
    """A SIREN trained by plain gradient descent in NumPy, and the same by autograd."""
    arch, rng = SirenArch((24, 24), 1), np.random.default_rng(0)
    coords = rng.uniform(-1, 1, (400, 2))
    target = np.sin(5 * coords[:, :1]) * np.cos(4 * coords[:, 1:])
    start = [p.astype(np.float64) for p in init_classic(arch, 0, w0=8.0)]
    ours, losses = study.descend(arch, coords, target, 0.05, 200, start)
    theirs, expected = study.descend_by_autograd(arch, coords, target, 0.05, 200, start)
    apart = max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))
    loss = float(np.abs(np.array(losses) - expected).max())
    print(f"200 steps of gradient descent in NumPy: loss {losses[0]:.4f} -> {losses[-1]:.6f}")
    print(f"    from autograd's: weights at most {apart:.1e} apart, losses {loss:.1e}\n")


def derivatives(options: argparse.Namespace) -> None:
    """How far the derivatives of a real file are from autograd's, and from differences of samples."""
    found = study.derivative_errors((SAMPLES / "astronaut.inr").read_bytes(), 2000)
    print("largest difference at 2,000 points of sample_data/astronaut.inr, relative to the largest derivative")
    for kind, (autograd, differences) in found.items():
        print(f"{NAMES[kind]}: autograd {autograd:.1e}, differences {differences:.1e}")
    print()


PARTS = {part.__name__: part for part in (derivatives, descent, activations, camera, nonlinearities, poisson)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500, help="of every fit")
    parser.add_argument("-e", "--effort", type=int, default=3, help="of the encode")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    for part in options.only:
        PARTS[part](options)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
