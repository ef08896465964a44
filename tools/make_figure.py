"""Make docs/figure.png, the README's picture: a photograph, JPEG and inrcodec at equal bytes, and both enlarged.

    python tools/make_figure.py [--effort 5]

The enlargements: the JPEG's pixels interpolated (bicubic), the .inr file drawn at that size.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inrcodec import decoder, images, metrics
from inrcodec.encoder import EncoderConfig, encode_with_report

ROOT = Path(__file__).resolve().parent.parent
REGION = decoder.Region(top=8, left=84, height=64, width=64)
ZOOM, GAP, CAPTION = 4, 12, 42


def jpeg_of_size(image: np.ndarray, file_bytes: int) -> tuple[np.ndarray, int]:
    """The best JPEG of at most `file_bytes`, or the smallest there is: pixels and bytes."""
    best = None
    for quality in range(1, 96):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        if best is None or len(buffer.getvalue()) <= file_bytes:
            best = buffer.getvalue()
    return np.asarray(Image.open(io.BytesIO(best))), len(best)


def crop(image: np.ndarray) -> Image.Image:
    part = image[REGION.top : REGION.top + REGION.height, REGION.left : REGION.left + REGION.width]
    size = REGION.width * ZOOM, REGION.height * ZOOM
    return Image.fromarray(part).resize(size, Image.Resampling.BICUBIC)


def sheet(columns: list[tuple[str, Image.Image, Image.Image]]) -> Image.Image:
    """Columns of a caption, a picture, and its enlargement below."""
    width, height = columns[0][1].size
    page = Image.new("RGB", (len(columns) * (width + GAP) + GAP, 2 * height + CAPTION + 3 * GAP), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for number, (caption, picture, enlarged) in enumerate(columns):
        left = GAP + number * (width + GAP)
        pen.multiline_text((left, GAP - 4), caption, fill="black", font=font)
        page.paste(picture, (left, CAPTION + GAP))
        page.paste(enlarged, (left, CAPTION + height + 2 * GAP))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-e", "--effort", type=int, default=5)
    options = parser.parse_args()
    image = images.to_array(str(ROOT / "sample_data" / "astronaut.png"))
    encoded = encode_with_report(image, EncoderConfig(effort=options.effort, device="cpu"))
    picture = decoder.open_bytes(encoded.data)
    jpeg, jpeg_bytes = jpeg_of_size(image, len(encoded.data))
    zoomed = picture.render((REGION.height * ZOOM, REGION.width * ZOOM), REGION)
    page = sheet(
        [
            ("original\n", Image.fromarray(image), crop(image)),
            (f"JPEG, {jpeg_bytes:,} bytes\n{metrics.psnr(image, jpeg):.2f} dB", Image.fromarray(jpeg), crop(jpeg)),
            (
                f"inrcodec, {len(encoded.data):,} bytes\n{encoded.psnr:.2f} dB",
                Image.fromarray(picture.render()),
                Image.fromarray(zoomed),
            ),
        ]
    )
    page.save(ROOT / "docs" / "figure.png", optimize=True)
    print(f"docs/figure.png: {page.width}x{page.height}")


if __name__ == "__main__":
    main()
