"""What a user chooses of an encode, checked as far as it can be without the picture."""

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np

from inrcodec.compute import threads
from inrcodec.errors import RequestError, check_types
from inrcodec.format.metadata import DEFAULT_KINDS, KINDS

LEAST_PSNR, MOST_PSNR = 5, 60
"""Bounds of a target in dB. Below, no picture is recognised; above, 8-bit codes are all but exact."""


@dataclass(frozen=True)
class EncoderConfig:
    """What a user chooses."""

    quality: int | None = None
    """0 .. 100: the size of the network and the quantization steps, see `LADDER`. 50, the default, is about 0.35 bpp.
    At most one of this, `bpp`, `size` and `psnr` may be chosen."""
    effort: int = 5
    """1 .. 9: steps of the search; each level doubles them."""
    device: str = "auto"
    """"cpu", "cuda", or "auto": CUDA where there is one."""
    seed: int = 0
    """Seed of the start and of the batches. Same picture, seed and device: same bytes."""
    prune: float = 0.0
    """Fraction of the weights to prune, see `PruneConfig`."""
    bpp: float | None = None
    """Target: bits per pixel of the file, to 2 %; fewer where the picture needs no more."""
    size: int | None = None
    """Target: bytes of the file, never more, and at most 2 % fewer; still fewer where the picture needs no more."""
    psnr: float | None = None
    """Target: PSNR of the decoded picture in dB, 5 .. 60, to 0.1 dB, in at most half as many bytes as the picture has
    samples, or 512; see `Encoded.met`."""
    family: str = "siren"
    """Family of networks: the name of one that is registered, or "auto": grids, but for drawings."""
    metadata: tuple[str, ...] = DEFAULT_KINDS
    """Blocks to keep, of "icc", "exif", "xmp": see `metadata.py`."""
    time_limit: float | None = None
    """Seconds: where the whole encode would take longer, the plan that promises the best picture in this time is made
    in its place, and held to it by the clock. The file then depends on how fast the machine is. TimeLimitError where
    there is no time for any."""
    threads: int | None = field(default=None, repr=False)
    """Threads of the CPU; by default as many as torch uses: OMP_NUM_THREADS, or all cores. The file does not depend on
    it, so `repr`, which decides whether a checkpoint is resumed, leaves it out."""

    def digest(self, *more: str) -> bytes:
        """32 bytes that stand for all that was chosen, and for what `more` decides the result."""
        return hashlib.sha256(repr((self, *more)).encode()).digest()

    def __post_init__(self) -> None:
        check_types(self)
        for name, value in vars(self).items():
            if isinstance(value, np.generic):  # equal options have equal texts, which checkpoints compare
                object.__setattr__(self, name, value.item())
        targets = [name for name in ("quality", "bpp", "size", "psnr") if getattr(self, name) is not None]
        if len(targets) > 1:
            raise RequestError(f"{' and '.join(targets)}: choose one of them")
        for name, value, low, high in (("quality", self.quality, 0, 100), ("effort", self.effort, 1, 9)):
            if value is not None and not low <= value <= high:
                raise RequestError(f"{name}: {value} is not in {low} .. {high}")
        numbers = ("bpp", self.bpp), ("size", self.size), ("psnr", self.psnr), ("time_limit", self.time_limit)
        for name, target in numbers:
            if target is not None and not (math.isfinite(target) and target > 0):
                raise RequestError(f"{name}: {target} is not a number above 0")
        if self.psnr is not None and not LEAST_PSNR <= self.psnr <= MOST_PSNR:
            raise RequestError(
                f"psnr: {self.psnr} dB is not in {LEAST_PSNR} .. {MOST_PSNR}: above, 8-bit codes are all but exact, "
                "use a lossless codec"
            )
        if unknown := [kind for kind in self.metadata if kind not in KINDS]:
            raise RequestError(f"metadata: {unknown[0]!r} is none of {', '.join(KINDS)}")
        if not 0 <= self.prune < 1:
            raise RequestError(f"prune: {self.prune} is not in 0 .. 1")
        if self.threads is not None:
            threads.checked(self.threads)
        if not 0 <= self.seed < 2**32:
            raise RequestError(f"seed: {self.seed} is not in 0 .. 2^32 - 1")
