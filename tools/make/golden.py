"""Write the golden files that are missing, and their manifest. A file that is there is never changed.

    python tools/make/golden.py

valid/, error/ and metadata/ hold what `golden_cases.py` builds by hand; valid/real_*.inr are encodes of small
pictures, made once, on whatever machine that was. golden.json says of each valid file its hashes and fields, as the
second decoder reads and draws it, and of each bad one the error and a part of its text.
"""

import hashlib
import json
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inrcodec.encoding.config import EncoderConfig
from inrcodec.encoding.encoder import encode
from tests.support import golden_cases, independent_decoder, independent_grid
from tools import ROOT

GOLDEN = ROOT / "tests" / "golden"
MOST_DRAWN = 4096
"""Pixels; of a larger picture no samples are hashed."""


def facts(data: bytes, shows: str) -> dict[str, Any]:
    """What the manifest says of a valid file."""
    spec = independent_decoder.read(data)
    drawn = [independent_decoder.draw(spec, scale) for scale in (1, 2)] if is_drawn_alike(spec) else []
    return {
        "shows": shows,
        "sha256": hashlib.sha256(data).hexdigest(),
        "height": spec.height, "width": spec.width, "channels": spec.channels,
        "dims": spec.dims, "codes": spec.codes, "coder": spec.coder,
        "symbols_sha256": hashlib.sha256(np.array(spec.symbols, "<i4").tobytes()).hexdigest(),
        **({"grid": independent_grid.facts(spec.grid)} if spec.grid else {}),
        "f32_safe": spec.f32_safe, "content_hash": spec.content_hash, "ancillary": sorted(spec.ancillary),
        "crc_of_samples": [zlib.crc32(picture.tobytes()) for picture in drawn],
    }  # fmt: skip


def is_drawn_alike(spec: independent_decoder.Spec) -> bool:
    """Whether another machine's sines cannot matter: small enough to find out, and float32 is all but exact."""
    if spec.height * spec.width > MOST_DRAWN:
        return False
    exact, single = (independent_decoder.draw(spec, 2, dtype).astype(int) for dtype in (np.float64, np.float32))
    return bool(np.abs(exact - single).max() <= 1)


def real_files(family: str) -> dict[str, bytes]:
    """Encodes of the sample pictures, in grey, colour and with transparency."""
    made, start = {}, "real" if family == "siren" else f"real_{family}"
    for path in sorted((ROOT / "sample_data").glob("*.png")):
        for mode, size in (("L", (24, 16)), ("RGB", (40, 24)), ("RGBA", (17, 23))):
            with Image.open(path) as image:
                picture = image.convert(mode).resize(size, Image.Resampling.LANCZOS)
            config = EncoderConfig(effort=1, device="cpu", family=family)
            made[f"{start}_{path.stem}_{mode.lower()}"] = encode(picture, config)
    return made


def put(path: Path, data: bytes) -> bytes:
    """Write a file unless it is there; what is there afterwards."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"new: {path.relative_to(ROOT)}, {len(data)} bytes", file=sys.stderr)
    return path.read_bytes()


def main() -> None:
    valid: dict[str, Any] = {}
    refused: dict[str, Any] = {"error": {}, "metadata": {}}
    for case in golden_cases.valid():
        valid[case.name] = facts(put(GOLDEN / "valid" / f"{case.name}.inr", case.data), case.shows)
    for family, files in (("siren", "real_[!g]*.inr"), ("grid", "real_grid_*.inr")):
        if not list((GOLDEN / "valid").glob(files)):
            for name, data in real_files(family).items():
                put(GOLDEN / "valid" / f"{name}.inr", data)
    for path in sorted((GOLDEN / "valid").glob("real_*.inr")):
        valid[path.stem] = facts(path.read_bytes(), "an encode of a picture")
    for kind, cases in (("error", golden_cases.bad()), ("metadata", golden_cases.bad_metadata())):
        for bad in cases:
            put(GOLDEN / kind / f"{bad.name}.inr", bad.data)
            refused[kind][bad.name] = {"shows": bad.shows, "error": bad.error, "says": bad.says}
    manifest = json.dumps({"valid": valid, **refused}, indent=1)
    (GOLDEN / "golden.json").write_text(manifest + "\n")
    print(f"{len(valid)} valid files, {len(refused['error'])} bad ones, {len(refused['metadata'])} of bad metadata")


if __name__ == "__main__":
    main()
