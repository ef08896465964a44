"""Train the prior of the grid family: networks that every picture begins with, and that cost no bits.

    python tools/make/prior.py FOLDER --minutes 30 --out prior.bin

FOLDER holds photographs, of which crops and reductions of several sizes are taken, each with latents and a step of its
own; all share the networks, whose numbers are linear in the logarithm of the step (`prior.py`). The search is that of a
picture, annealed up to `--until`: networks of a search that has ended are too sharp to begin another with. Writes OUT,
[numbers, slopes] in int16, units of 2^-12, and beside it OUT with .npz, which holds the networks as they were on the
way, in floats. Prints the mean J of the pictures (`objective.py`) as it falls.
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from inrcodec.families.contract import Shape
from inrcodec.families.grid import anneal, colour
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.delta import delta_code
from inrcodec.families.grid.kit import Kit
from inrcodec.families.grid.objective import GridObjective
from inrcodec.families.grid.prior import octaves
from inrcodec.families.grid.start import SparseStart
from inrcodec.families.grid.sums import sums
from inrcodec.families.grid.tensors import UNIT, init, levels_of, rates, tensors_of

REDUCTIONS = (1.0, 1.7, 2.9)
SIDES = (96, 128, 192)
DELTAS = (0.12, 1.2)
BATCH = 4
LATENT_RATE = 0.15
CLIP = 1.0
CPU = torch.device("cpu")
KIT = Kit(CPU, 0, is_compiled=True)
SUMS = sums(True)


@dataclass
class Item:
    arch: GridArch
    target: NDArray[np.float32]
    delta: float
    latents: NDArray[np.float32]
    adam: anneal.Adam
    noise: Kit

    @property
    def objective(self) -> GridObjective:
        return GridObjective(self.arch, self.target, self.delta, KIT)


def item_of(codes: NDArray[np.uint8], delta: float, number: int) -> Item:
    arch, target = GridArch.of(Shape(*codes.shape)), colour.components(codes)
    start = SparseStart(arch, target, delta, np, KIT.empty, SUMS.pyramid).run()
    latents = np.concatenate([q.reshape(-1) for q in start]).astype(np.float32)
    return Item(arch, target, delta, latents, SUMS.adam(latents, np), Kit(CPU, number))


def items_of(folder: Path, crops: int, rng: np.random.Generator) -> list[Item]:
    """Crops of the pictures at several reductions, and each picture once as a whole, small."""
    pictures = [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.png"))]
    found: list[NDArray[np.uint8]] = []
    for number, picture in enumerate(pictures):
        side = (256, 384)[number % 2]
        small = picture.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        found.append(np.asarray(small))
    reduced = [
        np.asarray(one.resize((round(one.width / by), round(one.height / by)), Image.Resampling.LANCZOS))
        for one in pictures
        for by in REDUCTIONS
    ]
    while len(found) < len(pictures) + crops:
        whole, side = reduced[rng.integers(len(reduced))], int(rng.choice(SIDES))
        if min(whole.shape[:2]) < side:
            continue
        top, left = (int(rng.integers(length - side + 1)) for length in whole.shape[:2])
        crop = whole[top : top + side, left : left + side]
        if crop.std() > 8 or rng.random() < 0.2:
            found.append(np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop))
    deltas = np.exp(rng.uniform(*np.log(DELTAS), len(found)))
    return [item_of(*each, number) for number, each in enumerate(zip(found, map(float, deltas), strict=True))]


def step(item: Item, flat: NDArray[np.float32], p: float) -> tuple[float, Any]:
    """One step of an item's latents: J a pixel, and the networks' gradient of it."""
    seen, slope = SUMS.seen(item.latents, p, item.noise.normal(item.adam.steps), np)
    objective = item.objective
    found = objective.gradient(levels_of(item.arch, seen), flat)
    gradient = slope * np.concatenate([part.reshape(-1) for part in found.by_latents])
    item.adam.step(item.latents, gradient, LATENT_RATE * anneal.cosine(p, anneal.LEAST_RATE))
    pixels = item.arch.height * item.arch.width
    j = objective.total(found.error, found.bits)
    by_tensors = found.by_tensors / pixels
    tensors_of(item.arch, by_tensors)["gains"][...] = 0
    return j / pixels, by_tensors


def shared(both: NDArray[np.float32], one: Item) -> NDArray[np.float32]:
    """A picture's tensors, gains before, from [numbers, slopes] of the networks."""
    gains = math.prod(one.arch.tensors["gains"])
    numbers, slopes = both
    return np.concatenate([np.zeros(gains, np.float32), numbers + np.float32(octaves(delta_code(one.delta))) * slopes])


def train(items: list[Item], args: argparse.Namespace, rng: np.random.Generator) -> None:
    """Until the time is over; the networks are saved as they go."""
    arch = items[0].arch
    gains = math.prod(arch.tensors["gains"])
    factors, numbers = rates(arch)[gains:], init(arch, args.seed)[gains:]
    flat = np.stack([numbers, np.zeros_like(numbers)])
    if args.start:
        flat = [*np.load(args.start).values()][-1]
    adam, begun, epoch = anneal.Adam(flat, np), time.monotonic(), 0
    snapshots: list[NDArray[np.float32]] = []
    while (done := (time.monotonic() - begun) / 60 / args.minutes) < 1:
        if len(snapshots) <= args.snapshots * done:
            snapshots.append(flat.copy())
            np.savez(args.out.with_suffix(".npz"), *snapshots)
        total = 0.0
        for batch in np.array_split(rng.permutation(len(items)), len(items) // BATCH):
            done = (time.monotonic() - begun) / 60 / args.minutes
            gradient = np.zeros_like(flat)
            for number in batch:
                one = items[number]
                j, by_tensors = step(one, shared(flat, one), args.until * min(done, 1))
                own = by_tensors[-len(factors) :] / len(batch)
                gradient += np.stack([own, np.float32(octaves(delta_code(one.delta))) * own])
                total += j
            gradient *= min(1.0, CLIP / max(1e-12, float(np.linalg.norm(gradient))))
            adam.step(flat, gradient, factors * (args.rate * anneal.cosine(min(done, 1), 0.1)))
        epoch += 1
        if epoch % 5 == 0:
            print(f"{epoch} epochs  {time.monotonic() - begun:.0f} s  J {total / len(items):.4f}", flush=True)
    np.savez(args.out.with_suffix(".npz"), *snapshots, flat)
    args.out.write_bytes(np.rint(UNIT * flat).astype("<i2").tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("prior.bin"))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--crops", type=int, default=120)
    parser.add_argument("--until", type=float, default=0.6, help="progress of the annealing to end at")
    parser.add_argument("--rate", type=float, default=6e-3, help="of the networks, at first")
    parser.add_argument("--snapshots", type=int, default=10)
    parser.add_argument("--start", type=Path, help="a .npz of another training of the same sizes: go on from its last")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    train(items_of(args.folder, args.crops, rng), args, rng)


if __name__ == "__main__":
    main()
