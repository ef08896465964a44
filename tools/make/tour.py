"""Make docs/figures/tour.webp: what the function behind a picture gives, from a file of ten kilobytes.

python tools/make/tour.py [FILE.inr]
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inrcodec.decoding import decoder
from inrcodec.decoding.derivatives import as_picture
from tools import ROOT

SIDE, GAP, CAPTION = 300, 10, 24
ZOOMS = (4, 16)
AT = (0.4845, 0.199)
"""Middle of what is enlarged, as fractions of width and height."""


def around(picture: decoder.Picture, zoom: int) -> decoder.Region:
    """What fills a panel at `zoom`."""
    side = SIDE // zoom
    top, left = (
        round(at * size) - side // 2 for at, size in zip(AT[::-1], (picture.height, picture.width), strict=True)
    )
    return decoder.Region(top, left, side, side)


def derivative(picture: decoder.Picture, kind: str, region: decoder.Region | None = None) -> np.ndarray:
    return as_picture(kind, picture.render_derivative(kind, (SIDE, SIDE), region))[0]


def outlined(picture: decoder.Picture) -> np.ndarray:
    """The whole, with a frame around each part that another panel enlarges."""
    whole = Image.fromarray(picture.render((SIDE, SIDE))).convert("RGB")
    pen = ImageDraw.Draw(whole)
    for zoom in ZOOMS:
        region, (across, down) = around(picture, zoom), (SIDE / picture.width, SIDE / picture.height)
        left, top = region.left * across, region.top * down
        right, bottom = left + region.width * across, top + region.height * down
        for margin, colour in ((3, "black"), (2, "white"), (1, "white")):
            pen.rectangle((left - margin, top - margin, right + margin, bottom + margin), outline=colour)
    return np.asarray(whole)


def panels(picture: decoder.Picture) -> list[tuple[str, np.ndarray]]:
    zoomed = [(f"a part at {zoom}x", picture.render((SIDE, SIDE), around(picture, zoom))) for zoom in ZOOMS]
    return [
        (f"the whole, {picture.width}x{picture.height}, and both parts", outlined(picture)),
        *zoomed,
        ("length of the gradient", derivative(picture, "gradient")),
        ("Laplacian", derivative(picture, "laplacian")),
        ("gradient at 16x", derivative(picture, "gradient", around(picture, 16))),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=ROOT / "sample_data" / "astronaut.inr")
    options = parser.parse_args()
    page = Image.new("RGB", (3 * (SIDE + GAP) + GAP, 2 * (SIDE + CAPTION + GAP) + GAP), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for number, (caption, image) in enumerate(panels(decoder.open_bytes(options.file.read_bytes()))):
        left, top = GAP + number % 3 * (SIDE + GAP), GAP + number // 3 * (SIDE + CAPTION + GAP)
        pen.text((left, top), caption, fill="black", font=font)
        page.paste(Image.fromarray(image).convert("RGB"), (left, top + CAPTION))
    path = ROOT / "docs" / "figures" / "tour.webp"
    page.save(path, quality=85, method=6)
    print(f"{path.relative_to(ROOT)}: {page.width}x{page.height}, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
