"""Families of networks: what the network of a file is. No other room names a family.

A file holds one network, in the section of its family. Here files are read and written whole: the container, its
network, what the encoder found out of it, and metadata.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inrcodec.compute.backends import within_memory
from inrcodec.errors import CorruptError, RequestError
from inrcodec.families.contract import Architecture as Architecture
from inrcodec.families.contract import Family as Family
from inrcodec.families.contract import Network as Network
from inrcodec.families.contract import Shape
from inrcodec.families.contract import StoredPicture as StoredPicture
from inrcodec.families.grid.stored import GRID
from inrcodec.families.siren.stored import SIREN
from inrcodec.format import container
from inrcodec.format.container import ANCILLARY, CRC_BYTES, F32_SAFE, VERSION, Container
from inrcodec.format.limits import DEFAULT_LIMITS, DecodeLimits
from inrcodec.format.metadata import SECTIONS, Metadata, metadata_in
from inrcodec.format.metadata import with_metadata as _with_metadata

FAMILIES: dict[int, Family] = {}
"""Section id -> family."""
_HASH = 0x80
_PRIVATE_OR_PUBLIC = 0x01, 0x7F


def register(family: Family) -> None:
    """Let files of a family be read and written.

    Raises ValueError for an id that is not one of a critical section, or that, or whose name, another family has.
    """
    low, high = _PRIVATE_OR_PUBLIC
    if not low <= family.section <= high:
        raise ValueError(
            f"family {family.name}: section id 0x{family.section:02x} is not in 0x{low:02x} .. 0x{high:02x}"
        )
    for other in FAMILIES.values():
        if other.section == family.section or other.name == family.name:
            raise ValueError(f"family {family.name}, 0x{family.section:02x}: {other.name} has 0x{other.section:02x}")
    FAMILIES[family.section] = family


def named(name: str) -> Family:
    """The family of a name. Raises RequestError."""
    found = {family.name: family for family in FAMILIES.values()}
    if name not in found:
        raise RequestError(f"family: {name!r} is none of {', '.join(found)}")
    return found[name]


register(SIREN)
register(GRID)

AUTO = "auto"
_OF_A_DRAWING = 0.75
"""Part of the pixels that equal the one before in their row: more are rarely a photograph's (docs/experiments.md)."""


def chosen(name: str, codes: NDArray[np.uint8]) -> Family:
    """The family of a name, or, of "auto", what suits a picture (H, W, C): grids, but for drawings. RequestError."""
    if name != AUTO:
        return named(name)
    equal = (codes[:, 1:] == codes[:, :-1]).all(2)
    return SIREN if equal.size and equal.mean() > _OF_A_DRAWING else GRID


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its weights."""

    version: int
    """Version of the format."""
    total_length: int
    """Bytes of the file."""
    height: int
    """Native height in pixels."""
    width: int
    """Native width in pixels."""
    arch: Architecture
    """Sizes of the network; of a SIREN a `SirenArch`."""
    f32_safe: bool
    """Whether float32 draws it within class M."""
    content_hash: int | None
    """CRC-32 of the class X picture's samples, where the file has one."""


def write(picture: StoredPicture) -> bytes:
    """The file of a picture. The inverse of `read`."""
    sections = [(picture.network.section, picture.network.payload())]
    if picture.content_hash is not None:
        sections.append((_HASH, struct.pack("<I", picture.content_hash)))
    flags, pixel = F32_SAFE if picture.f32_safe else 0, picture.network.channels - 1
    return container.serialise(Container(flags, picture.height, picture.width, pixel, tuple(sections)))


@within_memory()
def read(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> StoredPicture:
    """The picture in a file. The inverse of `write`.

    Raises BitstreamError (NotInrError, TruncatedError, ChecksumError, CorruptError, UnsupportedError) for anything that
    is not exactly one valid file, and LimitError for a valid one over `limits`.
    """
    header, family, sections = _read_header(data, limits)
    network = family.read(sections[family.section], _shape(header))
    if not isinstance(network, Network):
        raise TypeError(f"family {family.name}: read gave a {type(network).__name__}, which is no families.Network")
    return StoredPicture(network, header.height, header.width, header.f32_safe, header.content_hash)


def read_header(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> Header:
    """The header of a file; the whole file is checked against its length and CRC, the weights are not decoded."""
    return _read_header(data, limits)[0]


def _read_header(data: bytes, limits: DecodeLimits) -> tuple[Header, Family, dict[int, bytes]]:
    """The header, the family of the network, and all sections by id."""
    found = container.parse(data, FAMILIES, limits)
    sections = dict(found.sections)
    family = _family_in(sections)
    height, width = found.height, found.width
    arch = family.architecture(sections[family.section], Shape(height, width, 1 + (found.pixel & 3)))
    limits.check("max_side", max(height, width), f"the picture is {width}x{height}")
    limits.check("max_weights", arch.param_count(), f"the network has {arch.param_count():,} weights")
    latents = arch.latent_count()
    limits.check("max_latents", latents, f"the network has {latents:,} latents")
    each = -(-latents // len(data))
    limits.check("max_latents_per_byte", each, f"the network has {each:,} latents for each byte of the file")
    f32_safe, content_hash = bool(found.flags & F32_SAFE), _content_hash(sections)
    header = Header(VERSION, len(data), height, width, arch, f32_safe, content_hash)
    return header, family, sections


def _shape(header: Header) -> Shape:
    return Shape(header.height, header.width, header.arch.channels)


def _family_in(sections: dict[int, bytes]) -> Family:
    """The family of a file's network."""
    found = [family for section, family in sorted(FAMILIES.items()) if section in sections]
    if not found:
        raise CorruptError("network: the section is missing")
    if len(found) > 1:
        raise CorruptError(f"{found[1].name}: a second network, after {found[0].name}")
    return found[0]


def _content_hash(sections: dict[int, bytes]) -> int | None:
    if _HASH not in sections:
        return None
    payload = sections[_HASH]
    if len(payload) != 4:
        raise CorruptError(f"HASH: {len(payload)} bytes, not 4")
    return int.from_bytes(payload, "little")


def with_metadata(data: bytes, metadata: Metadata) -> bytes:
    """A valid file with these blocks in place of any that it has. `metadata_of` is the inverse."""
    return container.serialise(_with_metadata(container.parse(data, FAMILIES), metadata))


@within_memory()
def metadata_of(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> Metadata:
    """The metadata in a file: opaque bytes, which may be hostile to whoever parses them, and ask for no turn.

    Errors as of `read`.
    """
    return metadata_in(container.parse(data, FAMILIES, limits), limits)


def section_sizes(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> dict[str, int]:
    """Bytes of each part of a valid file, by name; they add up to the file. "header" holds all framing."""
    header, family, sections = _read_header(data, limits)
    parts = family.parts(sections[family.section], _shape(header))
    names = {_HASH: "hash", **{key: kind for kind, key in SECTIONS.items()}}
    found = ((key, len(block)) for key, block in sections.items() if key >= ANCILLARY)
    ancillary = {names.get(key, f"section 0x{key:02x}"): size for key, size in found}
    framing = len(data) - sum(parts.values()) - sum(ancillary.values()) - CRC_BYTES
    return {"header": framing, **parts, **ancillary, "checksum": CRC_BYTES}
