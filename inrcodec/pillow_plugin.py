"""Pillow reads and writes .inr files once this is registered: `inrcodec.register_pillow()`, or import this module.

Opening reads the file and its header alone; the pixels are drawn when they are asked for. `draft` draws them at a small
size at once, and so does `thumbnail`, which costs what the thumbnail costs. `save` takes the options of `EncoderConfig`
as keywords, and `icc_profile`, `exif` and `xmp` as other formats do.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import IO, Any, BinaryIO, cast

from PIL import Image, ImageFile

from inrcodec import families, files, installed
from inrcodec.decoding import decoder
from inrcodec.encoding.config import EncoderConfig
from inrcodec.errors import InrError, RequestError
from inrcodec.format.container import MAGIC
from inrcodec.format.limits import DEFAULT_LIMITS
from inrcodec.format.metadata import KINDS
from inrcodec.format.orientation import EXIF_PREFIX
from inrcodec.pictures import load

FORMAT = "INR"
MIME_TYPE = "image/x-inr"
_MODES = ("L", "LA", "RGB", "RGBA")
"""Pillow's modes by channels."""
_DRAFT_SUPERSAMPLING = 4
"""Most points along each side of a pixel of a draft or a thumbnail: who asks for one wants speed."""
_INFO_KEYS = {"icc": "icc_profile", "exif": "exif", "xmp": "xmp"}


class InrImageFile(ImageFile.ImageFile):
    """An .inr file as a PIL image. Raises OSError, as Pillow's readers do, where it is damaged or over a limit."""

    format = FORMAT
    format_description = "neural picture (inrcodec)"

    def _open(self) -> None:
        self._supersampling = decoder.MAX_SUPERSAMPLING
        with _pillows_errors():
            self._file = files.read_up_to(cast("BinaryIO", self.fp), "the file", DEFAULT_LIMITS.max_file_bytes)
            header = families.read_header(self._file)
        self._size = (header.width, header.height)
        self._mode = _MODES[header.arch.channels - 1]
        with contextlib.suppress(InrError):  # a damaged block of metadata spoils no picture
            metadata = families.metadata_of(self._file)
            blocks = {"icc": metadata.icc, "exif": metadata.exif and EXIF_PREFIX + metadata.exif, "xmp": metadata.xmp}
            self.info.update({_INFO_KEYS[kind]: block for kind, block in blocks.items() if block})

    def verify(self) -> None:
        """Check the whole file without drawing it. Raises OSError; as with other formats, open it again to draw."""
        with _pillows_errors():
            families.read(self._file)
        super().verify()

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> tuple[str, tuple[int, int, float, float]] | None:
        """Have the picture drawn at the least size of its proportions that covers `size`; the mode stays as it is."""
        if size is None or self._im is not None:
            return None
        scale = max(asked / own for asked, own in zip(size, self.size, strict=True))
        if not 0 < scale < 1:
            return None
        width, height = (min(own, max(asked, round(own * scale))) for asked, own in zip(size, self.size, strict=True))
        self._size, self._supersampling = (width, height), _DRAFT_SUPERSAMPLING
        return self.mode, (0, 0, width, height)

    def thumbnail(
        self,
        size: tuple[float, float],
        resample: Image.Resampling = Image.Resampling.BICUBIC,
        reducing_gap: float | None = 2.0,
    ) -> None:
        """As Pillow's, drawn at its own size at once where the pixels have not been drawn yet."""
        if self._im is None and (fitted := _fitted(self.size, size)):
            self._size, self._supersampling = fitted, _DRAFT_SUPERSAMPLING
            self.load()
        super().thumbnail(size, resample, reducing_gap)

    def load(self) -> Any:
        """Draw the pixels, the first time."""
        if self._im is None:
            with _pillows_errors():
                picture = decoder.open_bytes(self._file)
                codes = picture.render((self.height, self.width), supersampling=self._supersampling)
            self.im = Image.fromarray(codes).im.copy()  # its own memory, so that it may be drawn on
            self.readonly = 0
            if self.fp is not None and self._exclusive_fp:
                self.fp.close()
            self.fp = None
        return Image.Image.load(self)


def _fitted(own: tuple[int, int], asked: tuple[float, float]) -> tuple[int, int] | None:
    """The size that Pillow's `thumbnail` comes to, to the pixel; None where it makes the picture no smaller."""
    aspect, (x, y) = own[0] / own[1], map(math.floor, asked)
    if min(x, y) < 1 or (x >= own[0] and y >= own[1]):
        return None
    if x / y >= aspect:
        return max(1, min(math.floor(y * aspect), math.ceil(y * aspect), key=lambda n: abs(aspect - n / y))), y
    heights = {math.floor(x / aspect), math.ceil(x / aspect)} - {0}
    return x, min(sorted(heights), key=lambda n: abs(aspect - x / n))


@contextlib.contextmanager
def _pillows_errors() -> Iterator[None]:
    """Errors of ours as the one that callers of Pillow expect of a bad file."""
    try:
        yield
    except InrError as error:
        raise OSError(str(error)) from error


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    """What `Image.save` calls; keywords that `EncoderConfig` does not know are ignored, as other formats do.

    The pixels are turned as the blocks that are given ask for, as whoever opens another format would see them with
    these blocks in it; where none is given, as the image's own do. The file holds no orientation.
    """
    installed.require("writing .inr files", *installed.ENCODER)
    from inrcodec.encoding.encoder import encode

    given: dict[str, Any] = image.encoderinfo
    names = {field.name for field in fields(EncoderConfig)}
    config = EncoderConfig(**{name: value for name, value in given.items() if name in names})
    blocks = {kind: _block(key, given[key]) for kind, key in _INFO_KEYS.items() if key in given}
    source = load.load(_described(image, blocks))
    source = replace(source, metadata=replace(source.metadata, **blocks))
    kept = tuple(kind for kind in KINDS if kind in config.metadata or kind in blocks)
    file.write(encode(source, replace(config, metadata=kept)))


def _block(key: str, value: Image.Exif | bytes | str | None) -> bytes:
    """What a caller of `save` gives as metadata, None for none."""
    value = value.tobytes() if isinstance(value, Image.Exif) else value
    block = value.encode() if isinstance(value, str) else b"" if value is None else value
    if not isinstance(block, bytes | bytearray | memoryview):
        raise RequestError(f"{key}: a {type(value).__name__} is no block of metadata: bytes expected")
    return bytes(block)


def _described(image: Image.Image, blocks: dict[str, bytes]) -> Image.Image:
    """The image with the blocks that are given, and say something, in place of its own."""
    described = {_INFO_KEYS[kind]: block for kind, block in blocks.items() if block and kind != "icc"}
    if not described:
        return image
    copied = image.copy()
    others = ("Raw profile type exif", *load.XMP_KEYS) if "exif" in described else load.XMP_KEYS
    for key in others:  # which would say how it is to be turned in place of what is given
        copied.info.pop(key, None)
    copied.info.update(described)
    return copied


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def register() -> None:
    """Make `PIL.Image.open` and `save` know .inr files; doing it again changes nothing."""
    Image.register_open(FORMAT, InrImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, ".inr")
    Image.register_mime(FORMAT, MIME_TYPE)


register()
