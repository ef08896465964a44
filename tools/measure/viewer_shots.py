"""Look at the viewer in headless Chromium, GL in software: how fast, how near to the decoder, and how it looks.

    python tools/measure/viewer_shots.py sample_data/astronaut.inr [--out docs/figures]

Prints the page's bytes, the time to its first and to all pixels, and samples within 2 codes (WebGL2) or 1 (JavaScript)
of the decoder at 1x and 8x. Screenshots of the whole and at 16x, on a desktop and on a phone.
"""

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from selenium.webdriver.remote.webdriver import WebDriver

from inrcodec.decoding import decoder, derivatives
from inrcodec.export.page import page, whites
from tools.support import browser

SIDE = 512
"""Of the window that agreement is measured in, and of the region at 8x on the screen."""
DESKTOP, PHONE = (1000, 640, 1.0, False), (360, 640, 2.0, True)


def first_pixels(driver: WebDriver, page: Path) -> None:
    browser.resize(driver, *DESKTOP)
    print(f"page: {page.stat().st_size:,} bytes")
    for renderer in ("gl", "js", "faster"):
        whole = browser.show(driver, page, f"renderer={renderer}")
        first = int(browser.state(driver, "first") or 0) / 1000
        drawn = f"{browser.state(driver, 'painter')} on {DESKTOP[0]}x{DESKTOP[1]}"
        print(f"renderer {renderer}, {drawn}: first pixels after {first:.2f} s, all after {whole:.1f} s")


def expected(picture: decoder.Picture, zoom: int, kind: str, white: dict[str, float]) -> np.ndarray:
    """What the upper left corner of the picture is to be at `zoom`, at most SIDE wide and high."""
    height, width = (min(side, SIDE // zoom) for side in (picture.height, picture.width))
    size, region = (zoom * height, zoom * width), decoder.Region(0, 0, height, width)
    if kind == "colour":
        return picture.render(size, region)
    shown = derivatives.shown_values(kind, picture.render_derivative(kind, size, region))
    return derivatives.shown_codes(kind, shown, white[kind])


def agreement(driver: WebDriver, page: Path, picture: decoder.Picture, white: dict[str, float]) -> None:
    """Print how near both painters are to the decoder; a picture with alpha has squares under it and is left out."""
    browser.resize(driver, SIDE, SIDE)
    for kind in ("colour", *derivatives.DERIVATIVES):
        for zoom in (1, 8):
            truth = expected(picture, zoom, kind, white)
            truth = np.broadcast_to(truth if truth.ndim == 3 else truth[..., None], (*truth.shape[:2], 3))
            for renderer, within in (("gl", 2), ("js", 1)):
                centre = SIDE / 2 / zoom
                browser.show(driver, page, f"x={centre}&y={centre}&zoom={zoom}&show={kind}&renderer={renderer}")
                found = browser.pixels(driver)[: truth.shape[0], : truth.shape[1]]
                apart = np.abs(found.astype(int) - truth.astype(int))
                share, painter = 100 * (apart <= within).mean(), browser.state(driver, "painter")
                print(f"{kind} at {zoom}x, {painter}: {share:.4f} % within {within}, the farthest {apart.max()}")


def shots(driver: WebDriver, page: Path, picture: decoder.Picture, place: tuple[float, float], out: Path) -> None:
    """Save what a person sees."""
    views = {"whole": "", "16x": f"x={place[0] * picture.width}&y={place[1] * picture.height}&zoom=16"}
    for screen, metrics in (("desktop", DESKTOP), ("phone", PHONE)):
        browser.resize(driver, *metrics)
        for name, view in views.items():
            browser.show(driver, page, view)
            image = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
            path = out / f"viewer-{screen}-{name}.webp"
            image.resize(metrics[:2], Image.Resampling.LANCZOS).save(path, quality=80, method=6)
            print(f"{path}: {path.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, help="folder for screenshots; without it there are none")
    parser.add_argument(
        "--at", type=float, nargs=2, default=(0.4845, 0.199), help="middle of the region, fractions x y"
    )
    options = parser.parse_args()
    data = options.file.read_bytes()
    picture = decoder.open_bytes(data)
    with tempfile.TemporaryDirectory() as folder, browser.started() as driver:
        path = Path(folder, "page.html")
        path.write_bytes(page(data, options.file.name))
        first_pixels(driver, path)
        agreement(driver, path, picture, whites(picture))
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            shots(driver, path, picture, options.at, options.out)


if __name__ == "__main__":
    main()
