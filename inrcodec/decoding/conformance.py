"""Does this machine draw a file as the specification says? The two classes of `container.py`, measured.

Class X evaluates in float64, and what it draws is what HASH is taken of. Class M evaluates in float32: how far the two
are apart depends on the weights, so the encoder measures it of every file and sets F32_SAFE where class M holds.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inrcodec import families, metrics, pixels
from inrcodec.compute.backends import DEFAULT_MANNER, Manner, NumpyBackend, Precision
from inrcodec.compute.threads import count
from inrcodec.decoding.decoder import Picture
from inrcodec.families import StoredPicture
from inrcodec.format.limits import DEFAULT_LIMITS, DecodeLimits

MOST_DIFFERING = 1e-4
"""Class M: largest fraction of samples that are not those of class X; and none is more than one code away."""
MOST_POINTS = 2**20
"""Points of a grid that the encoder compares, evenly spread, at most."""


@dataclass(frozen=True)
class Agreement:
    """How one evaluation of a picture compares with another, in codes of 8 bits."""

    samples: int
    """Compared."""
    differing: int
    """How many of them differ."""
    most_apart: int
    """Codes between the two that differ most."""

    @property
    def within_class_m(self) -> bool:
        """Whether one may stand for the other in float32."""
        return self.most_apart <= 1 and self.differing <= MOST_DIFFERING * self.samples


def compare(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Agreement:
    """Two pictures of one shape, sample by sample."""
    apart = metrics.code_distance(one, other)
    return Agreement(apart.size, int(np.count_nonzero(apart)), int(apart.max(initial=0)))


def content_hash(drawn: NDArray[np.uint8]) -> int:
    """The HASH of a native picture that class X has drawn, (H, W) or (H, W, C) uint8."""
    return zlib.crc32(np.ascontiguousarray(drawn).data)


def is_f32_safe(picture: StoredPicture, manner: Manner = DEFAULT_MANNER) -> bool:
    """Whether class M holds of float32 at the native size, and at twice that."""
    return all(_agreement(picture, scale, manner).within_class_m for scale in (1, 2))


def _agreement(picture: StoredPicture, scale: int, manner: Manner = DEFAULT_MANNER) -> Agreement:
    """float32 against float64 at a multiple of the native size."""
    index = pixels.spread(scale * picture.height, scale * picture.width, MOST_POINTS)
    coords, backend = pixels.pixel_points(picture.height, picture.width, index, scale), NumpyBackend(manner)
    drawn = (picture.network.evaluator(backend, dtype)(coords) for dtype in (np.float32, np.float64))
    single, double = map(pixels.to_codes, drawn)
    return compare(single, double)


def certify(picture: StoredPicture, threads: int | None = None) -> StoredPicture:
    """The picture with what the encoder has to find out of it: F32_SAFE and HASH; on so many threads, or by default."""
    manner = Manner(count(threads))
    drawn = Picture(picture, picture.network.evaluator(NumpyBackend(manner), np.float64)).render()
    return replace(picture, f32_safe=is_f32_safe(picture, manner), content_hash=content_hash(drawn))


@dataclass(frozen=True)
class Verdict:
    """What `verify` finds of a file on this machine."""

    hashed: bool
    """Whether the file has a HASH to compare with."""
    exact: bool
    """Whether float64 draws the samples that HASH is of."""
    default: Agreement
    """What this decoder draws by default, against float64."""

    @property
    def text(self) -> str:
        """The verdict in a few words: exact, within class M, or wrong."""
        if not self.hashed:
            return "without a hash to compare with"
        if not (self.exact and self.default.within_class_m):
            return "wrong"
        return "within class M" if self.default.differing else "exact"


def verify(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS, threads: int | None = None) -> Verdict:
    """Draw a file in both classes, and compare with each other and with its HASH.

    `threads` and errors as of `decoder.open_bytes`.
    """
    stored, backend = families.read(data, limits), NumpyBackend(Manner(count(threads)))

    def drawn(dtype: Precision) -> NDArray[np.uint8]:
        return Picture(stored, stored.network.evaluator(backend, dtype), limits, len(data)).render()

    exact = drawn(np.float64)
    default = drawn(np.float32) if stored.f32_safe else exact
    same = stored.content_hash == content_hash(exact)
    return Verdict(stored.content_hash is not None, same, compare(default, exact))
