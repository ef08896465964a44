"""Make the pictures of sample_data/: two photographs, a drawing with text, and a gradient with noise.

    python tools/make/sample_data.py            # needs scikit-image, for its photographs; the pictures are committed

Sources and licences are in sample_data/README.md. Running this again makes the same pixels.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tools import ROOT

FOLDER = ROOT / "sample_data"
INK, PAPER, RED, BLUE = (24, 24, 28), (250, 247, 240), (200, 52, 40), (36, 84, 160)


def photographs() -> dict[str, Image.Image]:
    from skimage import data

    astronaut = Image.fromarray(data.astronaut()).resize((256, 256), Image.Resampling.LANCZOS)
    camera = Image.fromarray(data.camera()).resize((256, 256), Image.Resampling.LANCZOS)
    return {"astronaut.png": astronaut, "camera.png": camera}


def drawing() -> Image.Image:
    """A poster with letters in three sizes, straight and round shapes; drawn large and reduced, for smooth edges."""
    scale = 4
    picture = Image.new("RGB", (384 * scale, 256 * scale), PAPER)
    pen = ImageDraw.Draw(picture)

    def box(x: int, y: int, w: int, h: int) -> tuple[int, int, int, int]:
        return x * scale, y * scale, (x + w) * scale, (y + h) * scale

    pen.rectangle(box(0, 212, 384, 44), fill=BLUE)
    pen.ellipse(box(236, 40, 112, 112), fill=RED)
    pen.ellipse(box(264, 68, 56, 56), fill=PAPER)
    pen.polygon([(x * scale, y * scale) for x, y in ((40, 190), (96, 96), (152, 190))], outline=INK, width=5 * scale)
    wave = [(x * scale, (172 + 14 * np.sin(x / 12)) * scale) for x in range(172, 372)]
    pen.line(wave, fill=BLUE, width=4 * scale)
    for text, at, size, colour in (
        ("sine", (32, 18), 64, INK),
        ("a picture is a function", (32, 222), 22, PAPER),
        ("of two coordinates", (250, 194), 13, INK),
    ):
        pen.text((at[0] * scale, at[1] * scale), text, fill=colour, font=ImageFont.load_default(size * scale))
    return picture.resize((384, 256), Image.Resampling.LANCZOS)


def gradient() -> Image.Image:
    """A slow change of colour with Gaussian noise of 4 codes: nothing to predict but the gradient."""
    y, x = np.mgrid[0:256, 0:256] / 255
    colour = np.stack([40 + 180 * x, 60 + 120 * y * x, 200 - 140 * y], -1)
    noise = np.random.default_rng(0).normal(0, 4, colour.shape)
    return Image.fromarray(np.clip(np.rint(colour + noise), 0, 255).astype(np.uint8))


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, picture in {**photographs(), "drawing.png": drawing(), "gradient.png": gradient()}.items():
        picture.save(FOLDER / name, optimize=True)
        print(f"{name}: {picture.width}x{picture.height} {picture.mode}")


if __name__ == "__main__":
    main()
