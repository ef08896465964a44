"""Which way up a picture is: its orientation applied to the pixels, and taken out of its metadata.

An orientation (Exif 2.32, tag 0x0112: 1 .. 8) says how a picture is to be turned to be seen. Pixels here are upright,
so no block that goes with them may ask for a turn. The tag is taken out in place: all offsets in the block stay valid,
those of maker notes too, which nobody can rewrite.
"""

import re
import struct

import numpy as np
from numpy.typing import NDArray

EXIF_PREFIX = b"Exif\0\0"
"""What JPEG, and Pillow with it, has before an Exif block; "II" or "MM" follow."""
TAG = 0x0112
_ENTRY = 12
"""Bytes of an entry of an IFD (TIFF 6.0, section 2)."""

_TURNS = {2: (False, False, True), 3: (False, True, True), 4: (False, True, False), 5: (True, False, False),
          6: (True, False, True), 7: (True, True, True), 8: (True, True, False)}  # fmt: skip
"""Orientation -> whether rows and columns are exchanged, and then whether rows, and columns, are reversed."""


def turned(codes: NDArray[np.generic], orientation: object) -> NDArray[np.generic]:
    """Pixels (H, W, C) as they are to be seen; as they are where the orientation is none of 2 .. 8."""
    known = isinstance(orientation, int) and orientation in _TURNS
    exchanged, rows, columns = _TURNS[orientation] if known else (False, False, False)  # type: ignore[index]
    codes = codes.swapaxes(0, 1) if exchanged else codes
    return codes[:: -1 if rows else 1, :: -1 if columns else 1]


def upright_exif(block: bytes) -> bytes:
    """An Exif block from its "II" or "MM" on, without an orientation of the picture; empty where nothing else is left.

    A block that is damaged stays as it is: who reads it finds no orientation either.
    """
    block = block.removeprefix(EXIF_PREFIX)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 10:
        return block
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    if not 8 <= start <= len(block) - 2:
        return block
    (count,) = struct.unpack_from(f"{order}H", block, start)
    begin, end = start + 2, min(start + 2 + count * _ENTRY, len(block))
    entries = [block[at : at + _ENTRY] for at in range(begin, end, _ENTRY)]
    kept = [entry for entry in entries if entry[:2] != struct.pack(f"{order}H", TAG)]
    gone = len(entries) - len(kept)
    if not gone:
        return block
    following = block[end : end + 4]
    if not kept and not any(following):
        return b""
    directory = struct.pack(f"{order}H", max(0, count - gone)) + b"".join(kept) + following
    return block[:start] + directory.ljust(end + len(following) - start, b"\0") + block[end + len(following) :]


_TIFF_PREFIXES = re.compile(rb"xmlns:([\w.-]{1,40})\s{0,9}=\s{0,9}[\"']http://ns\.adobe\.com/tiff/1\.0/[\"']")


def upright_xmp(packet: bytes) -> bytes:
    """An XMP packet whose tiff:Orientation, be it an attribute or an element, by whatever prefix, is 1: as it is."""
    for prefix in {b"tiff", *_TIFF_PREFIXES.findall(packet)}:
        name = re.escape(prefix) + rb":Orientation"
        before = name + rb"(?:\s{0,9}=\s{0,9}[\"']|(?:\s[^<>]{0,200})?>)\s{0,9}"
        packet = re.sub(rb"(" + before + rb")\d+", rb"\g<1>1", packet)
    return packet
