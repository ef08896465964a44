"""What a picture's file says beside its pixels: colour profile, Exif, XMP. Opaque bytes, but for an orientation.

An .inr file is a few kilobytes, and so are these, so only what changes the picture is kept unless asked: the profile,
and it too is left out where it says sRGB, which is what an .inr file without a profile means.

Pixels are upright wherever they are, so there is no `Metadata` that asks for a turn: not of what is to be encoded, nor
of what a file holds, whoever wrote it.
"""

from dataclasses import dataclass, fields

from inrcodec.checks import check_types
from inrcodec.errors import RequestError
from inrcodec.format.icc import is_srgb
from inrcodec.format.orientation import upright_exif, upright_xmp


@dataclass(frozen=True)
class Metadata:
    """Blocks of metadata; empty where there is none."""

    icc: bytes = b""
    """A colour profile of the samples as they are stored."""
    exif: bytes = b""
    """An Exif block from its "II" or "MM" on, without an orientation, which is applied to the pixels. Given with the
    prefix that JPEG has, or with an orientation, it is stored without."""
    xmp: bytes = b""
    """An XMP packet, UTF-8; an orientation in it is 1."""

    def __post_init__(self) -> None:
        check_types(self, "metadata: ")
        object.__setattr__(self, "exif", upright_exif(self.exif))
        object.__setattr__(self, "xmp", upright_xmp(self.xmp))

    def only(self, kinds: tuple[str, ...]) -> "Metadata":
        """The same with the blocks of other kinds left out."""
        return Metadata(**{kind: getattr(self, kind) for kind in kinds})


NO_METADATA = Metadata()
KINDS = tuple(field.name for field in fields(Metadata))
DEFAULT_KINDS = ("icc",)

_COLOUR_SPACES = {1: b"GRAY", 2: b"GRAY", 3: b"RGB ", 4: b"RGB "}
"""What a profile says in its bytes 16 to 19, by the channels of a picture (ICC.1:2022, table 18)."""


def profile_of(block: bytes, channels: int) -> bytes:
    """A picture's ICC block if it is to be stored: it is of the colour space stored, and is not that of sRGB."""
    return b"" if block[16:20] != _COLOUR_SPACES[channels] or is_srgb(block) else block


def parse_kinds(text: str) -> tuple[str, ...]:
    """The kinds in "none", "all", or names with commas such as "icc,exif". Raises RequestError."""
    if text in ("none", "all"):
        return KINDS if text == "all" else ()
    kinds = tuple(text.split(","))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise RequestError(f"metadata: {unknown[0]!r} is none of none, all, {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in kinds)
