"""Hostile grids: what section 0x02 holds once it is decoded, changed, coded again and drawn at 8x8; and its stream.

A byte changed within a stream changes all symbols behind it at random; changed before they are coded, just a few.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inrcodec import families
from inrcodec.decoding import decoder
from inrcodec.families.contract import Shape
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.stored import GridNetwork
from inrcodec.format.limits import DecodeLimits
from tests.support.helpers import header, seal, section
from tools.attack.fuzz_bytes import below, noise

LIMITS = DecodeLimits(max_latents=1 << 13)
"""A second of decoding, at most. What the default ones let through takes minutes: there fuzzers would learn no more."""
LARGEST = 32767
_LONGEST_SIDE = 80


@dataclass(frozen=True)
class Seed:
    """A grid, and bytes to change others' streams with."""

    network: GridNetwork
    payload: bytes

    @property
    def weight(self) -> float:
        """Seeds are taken so that each takes about as much of the time: what a mutation takes grows with latents."""
        return 1 / (50 + self.network.arch.latent_count())


def seeds(files: Sequence[bytes]) -> Iterator[Seed]:
    """The files that hold grids."""
    for data in files:
        network = families.read(data).network
        if isinstance(network, GridNetwork):
            yield Seed(network, network.payload())


def mutate(rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """A file whose numbers are changed, or whose section's bytes are."""
    one, other = rng.choices(seeds, [seed.weight for seed in seeds], k=2)
    network, how = one.network, rng.random()
    if how < 0.3:
        payload = noise(rng, one.payload, other.payload)
    else:
        network = changed(rng, reshaped(rng, network) if how < 0.35 else network)
        payload = network.payload()
        if how > 0.9:
            payload = noise(rng, payload, other.payload)
    arch = network.arch
    height, width, pixel = arch.height, arch.width, arch.channels - 1
    if rng.random() < 0.05:
        height, width, pixel = 1 + below(rng, _LONGEST_SIDE), 1 + below(rng, _LONGEST_SIDE), below(rng, 4)
    return seal(header(height, width, pixel) + section(2, payload))


def changed(rng: random.Random, network: GridNetwork) -> GridNetwork:
    """One to four changes."""
    for _ in range(1 + below(rng, 4)):
        how = below(rng, 5)
        if how == 0:
            network = replace(network, delta_code=(0, 1023, below(rng, 1024))[below(rng, 3)])
        elif how == 1:
            network = replace(network, shifts=other_nibble(rng, network.shifts))
        elif how == 2:
            network = replace(network, scales=other_nibble(rng, network.scales))
        elif how == 3:
            network = replace(network, symbols=other_numbers(rng, network.symbols))
        else:
            network = replace(network, latents=other_numbers(rng, network.latents))
    return network


def other_nibble(rng: random.Random, nibbles: tuple[int, ...]) -> tuple[int, ...]:
    """One of them set to any."""
    at = below(rng, len(nibbles))
    return (*nibbles[:at], below(rng, 16), *nibbles[at + 1 :])


def other_numbers(rng: random.Random, arrays: tuple[NDArray[np.int32], ...]) -> tuple[NDArray[np.int32], ...]:
    """All of an array set to a number, or some, or moved."""
    at, how = below(rng, len(arrays)), below(rng, 4)
    array = arrays[at].copy()
    flat = array.reshape(-1)
    number = (0, 1, -1, 15, LARGEST, -LARGEST, below(rng, 99), below(rng, LARGEST))[below(rng, 8)]
    if how == 0:
        flat[:] = number
    elif how == 1:
        flat[below(rng, flat.size) :: 1 + below(rng, 9)] = number
    elif how == 2:
        flat[below(rng, flat.size)] = number
    else:
        flat[:] = np.clip(-flat.astype(np.int64) + number, -LARGEST, LARGEST)
    return (*arrays[:at], array, *arrays[at + 1 :])


def reshaped(rng: random.Random, network: GridNetwork) -> GridNetwork:
    """The networks' symbols with another size of picture, no latents."""
    shape = Shape(1 + below(rng, _LONGEST_SIDE), 1 + below(rng, _LONGEST_SIDE), network.channels)
    arch = GridArch.of(shape)
    gains = np.zeros(arch.tensors["gains"], np.int32)
    latents = tuple(np.zeros(size, np.int32) for size in arch.shapes)
    return replace(network, arch=arch, symbols=(gains, *network.symbols[1:]), latents=latents)


def check(data: bytes, rng: random.Random) -> None:
    """Draw the file; at times look at it in every other way."""
    picture = decoder.open_bytes(data, limits=LIMITS)
    picture.render((8, 8))
    if rng.random() < 0.1:
        families.write(picture.stored)
        picture.stored.network.facts()
        picture.jet(np.zeros((1, 2)))
        picture.sample(np.array([[-1.0, 1.0], [1e30, -1e30]]))
