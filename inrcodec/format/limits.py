"""What a decoder accepts of foreign bytes, beyond what the format forbids: checked before anything is allocated.

Every limit is on what would be held or computed, so a file that is too large to draw whole may still be drawn small.
"""

from dataclasses import dataclass

from inrcodec.errors import LimitError, RequestError, check_types
from inrcodec.pixels import MAX_PIXELS, MAX_SIDE

_MOST = 2**60
"""No limit is higher, so that no array is larger than NumPy can count."""


@dataclass(frozen=True)
class DecodeLimits:
    """Limits of one decode; a value at a limit passes. `--limit NAME=VALUE` on the command line."""

    max_file_bytes: int = 64 << 20
    """A longer file is refused before it is read whole."""
    max_side: int = MAX_SIDE
    """Pixels on a native side, and on a side of the output."""
    max_weights: int = 4_194_304
    """Weights and biases of the network: 16 MiB as float32."""
    max_latents: int = 150_000_000
    """Integers of the network beside its weights, decoded before anything is drawn, 2 microseconds each: as many as the
    largest picture in colours has."""
    max_latents_per_byte: int = 1 << 18
    """The same for each byte of the file, so that a small file cannot ask for long work: 31 bytes buy 15 seconds."""
    max_sections: int = 64
    """Sections of a file."""
    max_ancillary_bytes: int = 8 << 20
    """Payloads of all sections that are not needed for the picture."""
    max_output_pixels: int = MAX_PIXELS
    """Pixels of one rendering; Pillow's own warning level."""
    max_macs: int = 2**44
    """Multiplications of one rendering, points times weights: about an hour on a CPU core."""
    max_macs_per_byte: int = 2**30
    """The same for each byte of the file, so that a small file cannot ask for long work: 1 KiB buys four minutes. A
    picture drawn at its native size takes about 1.5 a pixel."""

    def __post_init__(self) -> None:
        check_types(self, "limit ")
        for name, value in vars(self).items():
            if not 0 <= value <= _MOST:
                raise RequestError(f"limit {name}: {value} is not in 0 .. 2^60")

    def check(self, name: str, value: int, what: str) -> None:
        """Raise LimitError if `value` is over the limit `name`; `what` says of whom, in words."""
        limit: int = getattr(self, name)
        if value > limit:
            raise LimitError(f"{what}, {limit:,} allowed by {name}", name, value, limit)


DEFAULT_LIMITS = DecodeLimits()
