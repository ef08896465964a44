"""Make the README's picture: a photograph, and JPEG, WebP, AVIF and inrcodec at equal bytes, whole and enlarged.

    python tools/make/figure.py [--effort 5]    encode anew: writes docs/figure.inr, figure.json, figure.webp
    python tools/make/figure.py --redraw        the same from the docs/figure.inr that is there
    python tools/make/figure.py --check         encode anew and compare with figure.json; writes nothing

No rival has more bytes than our file: of all settings in `baselines.py` each gets those of the best PSNR within them.
Where even its smallest file is larger, it gets the picture reduced, and what it decodes to is enlarged again, which its
caption says. Enlargements: a rival's pixels interpolated (bicubic), the .inr file drawn at that size.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass

import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageFont, features

from inrcodec import metrics
from inrcodec.decoding import decoder
from inrcodec.encoding.encoder import EncoderConfig, encode_with_report
from inrcodec.pictures.load import to_array
from tools import ROOT
from tools.measure.rate_distortion import baselines

PICTURE = ROOT / "sample_data" / "astronaut.png"
FILE, NUMBERS, FIGURE = (ROOT / "docs" / f"figure.{suffix}" for suffix in ("inr", "json", "webp"))
RIVALS = ("JPEG", "WebP", "AVIF")
SIDE = 256
"""Of the picture."""
REDUCED = (1.0, 0.875, 0.75, 0.625, 0.5)
"""Sides of the picture that a rival is given, of its own; a smaller one only where none larger fits."""
REGION = decoder.Region(top=8, left=84, height=64, width=64)
ZOOM, GAP, CAPTION = 4, 12, 66
INTERPOLATION = Image.Resampling.BICUBIC


@dataclass(frozen=True)
class Column:
    """What the caption above one picture says, and what it takes to make that picture again."""

    codec: str
    file_bytes: int
    psnr: float
    """Against the original, in dB."""
    side: int
    """Of the picture that was encoded, in pixels; it is a square."""
    options: baselines.Options
    """Of Pillow's `Image.save`; none for ours."""

    def caption(self) -> str:
        reduced = f" of {self.side}x{self.side}, enlarged" if self.side != SIDE else ""
        return f"{self.codec}{reduced}\n{self.file_bytes:,} bytes\n{self.psnr:.2f} dB"


def resized(image: np.ndarray, side: int, how: Image.Resampling) -> np.ndarray:
    return image if side == len(image) else np.asarray(Image.fromarray(image).resize((side, side), how))


def rival(codec: str, image: np.ndarray, most: int) -> Column:
    """The best file of at most so many bytes, of the largest picture that has one."""
    for scale in REDUCED:
        side = round(scale * len(image))
        given = resized(image, side, Image.Resampling.LANCZOS)
        within = [point for point in baselines.curve(codec, given) if point.file_bytes <= most]
        if within:
            column = Column(codec, within[-1].file_bytes, 0.0, side, within[-1].options)
            return Column(**{**vars(column), "psnr": psnr_of(column, image)})
    raise SystemExit(f"no {codec} file of {most:,} bytes")


def decoded(column: Column, image: np.ndarray) -> tuple[int, np.ndarray]:
    """A rival's file, made again: its bytes, and its pixels as they are in it."""
    given = resized(image, column.side, Image.Resampling.LANCZOS)
    data = baselines.encode(column.codec, given, column.options)
    return len(data), baselines.decode(data, given)


def psnr_of(column: Column, image: np.ndarray) -> float:
    return round(metrics.psnr(image, resized(decoded(column, image)[1], len(image), INTERPOLATION)), 3)


def ours(data: bytes, image: np.ndarray) -> Column:
    """The column of an .inr file of a square picture."""
    return Column("inrcodec", len(data), round(metrics.psnr(image, decoder.decode(data)), 3), len(image), {})


def versions() -> dict[str, str | None]:
    """Of the rivals' libraries: another one may write other files."""
    return {codec: features.version(baselines.CODECS[codec].feature) for codec in RIVALS}


def enlarged(image: np.ndarray) -> np.ndarray:
    """The region of a picture (side, side, 3), which may be a reduced one, at ZOOM times its size."""
    scale = len(image) / SIDE
    left, top = REGION.left * scale, REGION.top * scale
    box = (left, top, left + REGION.width * scale, top + REGION.height * scale)
    return np.asarray(Image.fromarray(image).resize((ZOOM * REGION.width, ZOOM * REGION.height), INTERPOLATION, box))


def pictures(columns: list[Column], data: bytes, image: np.ndarray) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Captions, whole pictures, enlarged parts."""
    made = [(f"original\n{SIDE}x{SIDE} pixels", image, enlarged(image))]
    for column in columns[:-1]:
        pixels = decoded(column, image)[1]
        made.append((column.caption(), resized(pixels, len(image), INTERPOLATION), enlarged(pixels)))
    picture = decoder.open_bytes(data)
    zoomed = picture.render((REGION.height * ZOOM, REGION.width * ZOOM), REGION)
    return [*made, (columns[-1].caption(), picture.render(), zoomed)]


def sheet(columns: list[tuple[str, np.ndarray, np.ndarray]]) -> Image.Image:
    """Columns of a caption, a picture, and a part of it enlarged below, which is outlined on the first."""
    side = len(columns[0][1])
    page = Image.new("RGB", (len(columns) * (side + GAP) + GAP, 2 * side + CAPTION + 3 * GAP), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(19)
    for number, (caption, whole, part) in enumerate(columns):
        left, top = GAP + number * (side + GAP), CAPTION + GAP
        pen.multiline_text((left, GAP - 6), caption, fill="black", font=font, spacing=3)
        page.paste(Image.fromarray(whole), (left, top))
        page.paste(Image.fromarray(part), (left, top + side + GAP))
        if number == 0:
            corner = left + REGION.left, top + REGION.top
            pen.rectangle((*corner, corner[0] + REGION.width, corner[1] + REGION.height), outline="white", width=2)
    return page


def measure(data: bytes, image: np.ndarray) -> list[Column]:
    """The rivals', and ours last."""
    return [*(rival(codec, image, len(data)) for codec in RIVALS), ours(data, image)]


def described(columns: list[Column]) -> str:
    """What the figure's own Exif block says."""
    return "; ".join(column.caption().replace("\n", ", ") for column in columns)


def write(data: bytes, columns: list[Column], image: np.ndarray) -> None:
    text = json.dumps({"columns": list(map(asdict, columns)), "versions": versions()}, indent=1)
    FILE.write_bytes(data)
    NUMBERS.write_text(text + "\n")
    note = Image.Exif()
    note[ExifTags.Base.ImageDescription] = described(columns)
    page = sheet(pictures(columns, data, image))
    page.save(FIGURE, quality=92, method=6, exif=note)
    print(f"{FIGURE.relative_to(ROOT)}: {page.width}x{page.height}, {FIGURE.stat().st_size:,} bytes")


def stored() -> list[Column]:
    """The columns of the figure that is there."""
    return [Column(**column) for column in json.loads(NUMBERS.read_text())["columns"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-e", "--effort", type=int, default=5)
    parser.add_argument("--redraw", action="store_true", help="do not encode")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if it is another file now")
    options = parser.parse_args()
    image = to_array(str(PICTURE))
    if options.redraw:
        return write(FILE.read_bytes(), measure(FILE.read_bytes(), image), image)
    encoded = encode_with_report(image, EncoderConfig(effort=options.effort, device="cpu"))
    print(f"encoded: {len(encoded.data):,} bytes, {encoded.psnr:.2f} dB")
    if not options.check:
        return write(encoded.data, measure(encoded.data, image), image)
    shown = stored()[-1]
    print(f"figure:  {shown.file_bytes:,} bytes, {shown.psnr:.2f} dB")
    sys.exit(len(encoded.data) != shown.file_bytes or round(encoded.psnr, 2) != round(shown.psnr, 2))


if __name__ == "__main__":
    main()
