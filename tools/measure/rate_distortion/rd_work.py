"""The work of a rate-distortion run: encodes, and searches of baselines, each with its result in a file of its own.

A result is kept under a key of all that determines it. So a run that was stopped goes on where it was, one that is
repeated reads what is there, and one with another encoder measures again. A file that is damaged, or that has another
key, counts as missing.
"""

import ast
import functools
import hashlib
import json
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image, features

from inrcodec import files, metrics
from inrcodec.decoding import decoder
from inrcodec.encoding.encoder import Encoded, EncoderConfig, encode_with_report
from inrcodec.pictures.load import to_array
from tools.measure.rate_distortion import baselines

PACKAGE = Path(files.__file__).parent
FRONT_DOORS = {"__init__.py", "__main__.py", "cli/__init__.py", "cli/terminal.py"}
"""Modules of the package that no byte of a file depends on."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it is compared: uint8 (H, W) or (H, W, 3)."""

    name: str
    image: np.ndarray

    @functools.cached_property
    def digest(self) -> str:
        return hashlib.sha256(repr(self.image.shape).encode() + self.image.tobytes()).hexdigest()

    @property
    def pixels(self) -> int:
        return self.image.shape[0] * self.image.shape[1]


def load_picture(path: Path, name: str, scale: float) -> Picture:
    """A picture file, reduced with a Lanczos filter; transparency is not compared. Raises InrError."""
    codes = to_array(str(path))
    codes = codes[..., 0] if codes.shape[2] == 1 else codes[..., :3]
    if scale != 1:
        size = max(1, round(codes.shape[1] * scale)), max(1, round(codes.shape[0] * scale))
        codes = np.asarray(Image.fromarray(np.ascontiguousarray(codes)).resize(size, Image.Resampling.LANCZOS))
    return Picture(name, np.ascontiguousarray(codes))


@dataclass(frozen=True)
class Target:
    """What a file is asked for: one field of `EncoderConfig`."""

    kind: str
    """quality, bpp, size (bytes) or psnr (dB)."""
    value: float

    def __str__(self) -> str:
        return {"quality": "q {:g}", "bpp": "{:g} bpp", "size": "{:g} B", "psnr": "{:g} dB"}[self.kind].format(
            self.value
        )

    def expected_bpp(self, pixels: int) -> float:
        """A rough guess."""
        guesses: dict[str, Callable[[float], float]] = {
            "quality": lambda quality: 0.36 * 2 ** ((quality - 50) / 20),
            "bpp": lambda rate: rate,
            "size": lambda size: 8 * size / pixels,
            "psnr": lambda decibels: 0.36 * 2 ** ((decibels - 29) / 3),
        }
        return guesses[self.kind](self.value)


@dataclass(frozen=True)
class Settings:
    """What all encodes of a run have in common."""

    effort: int
    device: str
    """"cpu" or "cuda": what "auto" has become."""
    seed: int
    threads: int
    family: str = "siren"

    def config(self, target: Target) -> EncoderConfig:
        """Raises RequestError for values that the encoder refuses."""
        chosen = {"effort": self.effort, "device": self.device, "seed": self.seed, "family": self.family}
        return EncoderConfig(**chosen, **{target.kind: target.value})


@dataclass(frozen=True)
class Row:
    """One file of ours, measured."""

    width: int
    height: int
    file_bytes: int
    bpp: float
    psnr: float
    """In dB; inf for a picture that comes back as it was."""
    ms_ssim: float
    """nan for pictures that are too small for it."""
    encode_seconds: float
    """Of an encode in a process that has encoded before, so without imports; other processes are at work too."""
    decode_seconds: float
    """With NumPy, the median of three."""
    file: str
    """The .inr file in the folder of files."""
    sha256: str


@dataclass(frozen=True)
class EncodeJob:
    """One picture at one target."""

    picture: Picture
    target: Target
    settings: Settings
    folder: Path

    @property
    def label(self) -> str:
        return f"{self.picture.name} at {self.target}"

    @property
    def cost(self) -> float:
        """Seconds on a core, roughly: 1.2 ms a bit at effort 5."""
        bits = self.picture.pixels * self.target.expected_bpp(self.picture.pixels)
        return 2 + 1.2e-3 * bits * 2 ** (self.settings.effort - 5)

    def load(self) -> Row | None:
        """The result, if it is there."""
        try:
            row = Row(**stored(self._path, self._key)["row"])
            data = (self.folder / "files" / row.file).read_bytes()
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return row if hashlib.sha256(data).hexdigest() == row.sha256 else None

    def run(self) -> Row:
        """Encode, measure, and keep the file and the result."""
        encoded, encode_seconds = timed_encode(self.picture.image, self.target, self.settings)
        decoded, decode_seconds = timed_decode(encoded.data)
        name = f"{self._path.stem}.inr"
        write(self.folder / "files" / name, encoded.data)
        row = Row(
            encoded.width,
            encoded.height,
            len(encoded.data),
            encoded.bpp,
            metrics.psnr(self.picture.image, decoded),
            metrics.ms_ssim(self.picture.image, decoded),
            encode_seconds,
            decode_seconds,
            name,
            hashlib.sha256(encoded.data).hexdigest(),
        )
        store(self._path, self._key, row=asdict(row))
        return row

    @property
    def _key(self) -> dict[str, object]:
        libraries = {name: version(name) for name in ("torch", "torchao", "numpy", "zstandard")}
        return {"picture": self.picture.digest, **asdict(self.target), **asdict(self.settings),
                "inrcodec": source_digest(), **libraries}  # fmt: skip

    @property
    def _path(self) -> Path:
        return self.folder / "rows" / f"{slug(self.picture.name, str(self.target), digest(self._key)[:12])}.json"


@dataclass(frozen=True)
class BaselineJob:
    """The best files of one codec on one picture."""

    picture: Picture
    codec: str
    folder: Path

    @property
    def label(self) -> str:
        return f"{self.picture.name} in {self.codec}"

    @property
    def cost(self) -> float:
        """Seconds on a core, roughly."""
        return 1 + baselines.CODECS[self.codec].seconds_per_pixel * self.picture.pixels

    def load(self) -> list[baselines.Point] | None:
        """The result, if it is there."""
        try:
            return [baselines.Point(*point) for point in stored(self._path, self._key)["points"]] or None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def run(self) -> list[baselines.Point]:
        """Search, and keep the result."""
        points = baselines.curve(self.codec, self.picture.image)
        store(self._path, self._key, points=[[point.file_bytes, point.psnr, point.options] for point in points])
        return points

    @property
    def _key(self) -> dict[str, object]:
        codec = baselines.CODECS[self.codec]
        return {
            "picture": self.picture.digest,
            "codec": self.codec,
            "pillow": version("pillow"),
            "library": features.version(codec.feature),
            "settings": digest(list(codec.settings(self.picture.image.shape))),
        }

    @property
    def _path(self) -> Path:
        return self.folder / f"{slug(self.picture.name, self.codec, digest(self._key)[:12])}.json"


def timed_encode(image: np.ndarray, target: Target, settings: Settings) -> tuple[Encoded, float]:
    """The file, and the seconds that the encoder took."""
    torch.set_num_threads(settings.threads)
    warm_up(settings.device)
    start = time.perf_counter()
    encoded = encode_with_report(image, settings.config(target))
    return encoded, time.perf_counter() - start


@functools.cache
def warm_up(device: str) -> None:
    """Load, once a process, what the first encode loads: torchao alone takes seconds."""
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8)
    encode_with_report(ramp, EncoderConfig(quality=0, effort=1, device=device))


def timed_decode(data: bytes) -> tuple[np.ndarray, float]:
    """The pixels, and the median of three times in seconds."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        decoded = decoder.decode(data)
        times.append(time.perf_counter() - start)
    return decoded, statistics.median(times)


@functools.cache
def source_digest() -> str:
    """Of the package's code, without comments: another one may write other bytes."""
    modules = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
    return digest(
        [(name, ast.dump(ast.parse(path.read_text()))) for name, path in modules.items() if name not in FRONT_DOORS]
    )


def digest(value: object) -> str:
    """SHA-256 of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def slug(*parts: str) -> str:
    """A file's name without its suffix: readable, and safe on any system."""
    return "-".join(re.sub(r"[^\w.]+", "_", part) for part in parts)


def stored(path: Path, key: dict[str, object]) -> dict[str, object]:
    """What `store` wrote under this key. Raises OSError or ValueError where there is no such thing."""
    record = json.loads(path.read_text())
    if not isinstance(record, dict) or record.get("key") != key:
        raise ValueError(f"{path}: another key")
    return record


def store(path: Path, key: dict[str, object], **result: object) -> None:
    """Write a result with its key; the inverse of `stored`."""
    write(path, json.dumps({"key": key, **result}, indent=1).encode())


def write(path: Path, data: bytes) -> None:
    """Write a file in one step, whatever was there before. Raises OutputError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_output(str(path), data, files.STANDARD, force=True)
