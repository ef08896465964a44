"""What a picture's file says beside its pixels: colour profile, Exif, XMP. Opaque bytes, but for an orientation.

An .inr file is a few kilobytes, and so are these, so only what changes the picture is kept unless asked: the profile,
and it too is left out where it says sRGB, which is what an .inr file without a profile means.

Pixels are upright wherever they are, so there is no `Metadata` that asks for a turn: not of what is to be encoded, nor
of what a file holds, whoever wrote it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from inrcodec.errors import CorruptError, RequestError, UnsupportedError, check_types
from inrcodec.format import entropy
from inrcodec.format.container import Container, Reader
from inrcodec.format.entropy import varint
from inrcodec.format.icc import is_srgb
from inrcodec.format.limits import DecodeLimits
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
SECTIONS = {"icc": 0x81, "exif": 0x82, "xmp": 0x83}
"""Ids of the sections that hold the kinds."""
_STORED, _COMPRESSED = 0, 1

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


def with_metadata(container: Container, metadata: Metadata) -> Container:
    """The container with these blocks in place of any that it has. `metadata_in` is the inverse."""
    others = [section for section in container.sections if section[0] not in SECTIONS.values()]
    return replace(container, sections=tuple(sorted([*others, *_sections(metadata)])))


def metadata_bytes(metadata: Metadata) -> int:
    """How much longer metadata makes a file, at most: with two bytes for total_length."""
    payloads = [payload for _, payload in _sections(metadata)]
    return sum(1 + len(varint(len(payload))) + len(payload) for payload in payloads) + 2 * bool(payloads)


def _sections(metadata: Metadata) -> Iterator[tuple[int, bytes]]:
    for kind, key in SECTIONS.items():
        if block := getattr(metadata, kind):
            compressed = bytes([_COMPRESSED]) + varint(len(block)) + entropy.compress(block)
            yield key, min(compressed, bytes([_STORED]) + block, key=len)


def metadata_in(container: Container, limits: DecodeLimits) -> Metadata:
    """The blocks in a container: opaque bytes, which may be hostile to whoever parses them, and ask for no turn.

    Raises BitstreamError for a damaged section, LimitError for a block over `limits`.
    """
    sections = dict(container.sections)
    kinds = {kind: key for kind, key in SECTIONS.items() if key in sections}
    return Metadata(**{kind: _block(kind.upper(), sections[key], limits) for kind, key in kinds.items()})


def _block(name: str, payload: bytes, limits: DecodeLimits) -> bytes:
    reader = Reader(payload)
    form = reader.u8(name)
    if form == _STORED:
        return reader.rest()
    if form != _COMPRESSED:
        raise UnsupportedError(f"{name}: form {form} is unknown, a newer decoder may know it")
    length = reader.varint(name)
    limits.check("max_ancillary_bytes", length, f"{name} has {length:,} bytes")
    block = entropy.decompress(reader.rest(), length, name)
    if len(block) != length:
        raise CorruptError(f"{name}: {len(block)} bytes, and not {length}")
    return block
