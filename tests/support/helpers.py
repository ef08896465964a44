"""What several tests share: a small model, files put together by hand, right or wrong, and a fresh interpreter."""

import dataclasses
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inrcodec.families import StoredPicture
from inrcodec.families.grid import context
from inrcodec.families.grid.stored import GridNetwork
from inrcodec.families.siren.network import SirenArch, canonical, hidden_biases
from inrcodec.families.siren.stored import SirenNetwork
from inrcodec.format.entropy import CODERS, MAX_SYMBOL

RAW, ALIGNED = 0, 1
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "", "OMP_NUM_THREADS": "1"}
"""Of subprocesses: the package on the path, standard output buffered as a user's is, and one thread."""


def small_model() -> StoredPicture:
    """5x7 pixels, RGB, 71 weights that no coder can shorten; large symbols among the biases. Pinned by test_golden."""
    arch = SirenArch((6, 5), 3)
    i = np.arange(arch.param_count())
    flat = ((29 * i * i + 7 * i) % 127 - 63).astype(np.int32)
    flat[12:16] = 3000, -200, 128, -128
    flat[-3:] = MAX_SYMBOL, -MAX_SYMBOL, 127
    sizes = np.cumsum([int(np.prod(shape)) for shape in arch.param_shapes()])
    parts = np.split(flat, sizes[:-1])
    symbols = tuple(part.reshape(shape) for part, shape in zip(parts, arch.param_shapes(), strict=True))
    return StoredPicture(SirenNetwork(arch, symbols, (181, 80, 165, 131, 147, 3)), 5, 7)


def small_model_for(coder: int) -> StoredPicture:
    """The small model, for coder 1 with its neurons in the order that it asks for: the same function."""
    model = small_model()
    if coder != ALIGNED:
        return model
    return with_symbols(model, canonical(siren_of(model).symbols, half_turns=False))


def siren_of(picture: StoredPicture) -> SirenNetwork:
    assert isinstance(picture.network, SirenNetwork)
    return picture.network


def with_symbols(picture: StoredPicture, symbols: Sequence[np.ndarray]) -> StoredPicture:
    network = dataclasses.replace(siren_of(picture), symbols=tuple(symbols))
    return dataclasses.replace(picture, network=network)


def flat_symbols(model: StoredPicture) -> np.ndarray:
    """All symbols of the file, in their order."""
    network = model.network
    if isinstance(network, GridNetwork):
        latents = context.in_order(network.arch, network.latents)
        return np.concatenate([*(symbols.reshape(-1) for symbols in network.symbols), latents])
    return np.concatenate([symbols.reshape(-1) for symbols in siren_of(model).symbols])


def facts_of(model: StoredPicture) -> dict[str, object]:
    """What a section says beside its symbols, as the second decoder's `Spec` and the golden manifest have it."""
    network = model.network
    if isinstance(network, GridNetwork):
        steps = {"delta_code": network.delta_code, "shifts": network.shifts, "scales": network.scales}
        return {"dims": (), "codes": (), "grid": {"prior": network.prior, **steps}}
    siren = siren_of(model)
    return {"dims": siren.arch.dim_hidden, "codes": siren.q_step_codes, "grid": None}


def same_model(one: StoredPicture, other: StoredPicture) -> bool:
    fields = [(m.height, m.width, m.network.channels, facts_of(m)) for m in (one, other)]
    return fields[0] == fields[1] and np.array_equal(flat_symbols(one), flat_symbols(other))


def varint(value: int) -> bytes:
    groups = [value >> shift & 0x7F for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def reseal(data: bytes) -> bytes:
    """The file with the checksum that its other bytes ask for."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def seal(body: bytes, version: int = 1, flags: int = 0) -> bytes:
    """The file around a header and sections: magic, version, flags, its length before, and the checksum after."""
    start = b"\x89INR" + bytes([version, flags])
    rest = len(start) + len(body) + 4
    length = next(n for n in range(rest, rest + 6) if rest + len(varint(n)) == n)
    return reseal(start + varint(length) + body + bytes(4))


def header(height: int = 5, width: int = 7, pixel: int = 2) -> bytes:
    """The picture fields of the small model, or some that differ."""
    return varint(height) + varint(width) + bytes([pixel])


def section(section_id: int, payload: bytes) -> bytes:
    return bytes([section_id]) + varint(len(payload)) + payload


def siren(depth: int = 2, dims: tuple[int, ...] = (6, 5), codes: bytes | None = None, weights: bytes = b"") -> bytes:
    """The SIREN section of the small model, or one that differs; `weights` are coder and symbols."""
    codes = bytes(siren_of(small_model()).q_step_codes) if codes is None else codes
    return section(1, bytes([depth]) + b"".join(map(varint, dims)) + codes + (weights or weights_by(RAW)))


def weights_by(coder: int) -> bytes:
    """The small model's symbols by one coder, after the coder's number."""
    model = small_model_for(coder)
    sizes = [symbols.size for symbols in siren_of(model).symbols]
    payload = CODERS[coder].encode(flat_symbols(model), sizes, hidden_biases(len(sizes)))
    assert payload is not None
    return bytes([coder]) + payload


def zstd_frame(data: bytes, descriptor: int = 0, fields: bytes = bytes([13 << 3])) -> bytes:
    """A magicless zstd frame of one uncompressed block (RFC 8878, 3.1.1); `fields` follow the frame descriptor.

    By default they are a window descriptor of 8 MiB, 13 octaves above 1 KiB, and nothing else.
    """
    return bytes([descriptor]) + fields + struct.pack("<I", len(data) << 3 | 1)[:3] + data


def png_claiming(width: int, height: int) -> bytes:
    """A PNG with these sizes in its header, and no pixels."""
    chunks = [b"IHDR" + struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0), b"IDAT", b"IEND"]
    framed = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def contents(directory: Path) -> dict[str, bytes]:
    """Every file of a directory."""
    return {path.name: path.read_bytes() if path.is_file() else b"(directory)" for path in directory.iterdir()}


def python(*arguments: str, stdin: bytes = b"", stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
    """A fresh interpreter, run to its end."""
    return subprocess.run(
        [sys.executable, *arguments], input=stdin, stdout=stdout, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
    )
