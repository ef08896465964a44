"""Pictures side by side on one sheet, each under its caption, to be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inrcodec.pixels import colour_channels

MARGIN = 8
"""Pixels around every picture and caption."""
SQUARE = 8
"""Side of the squares under what is transparent, in pixels."""
_LIGHT, _DARK = 255, 204
_FONT_SIZE = 14
_MOST_CHARACTERS = 48
"""Most characters of a line of a caption; the middle of a longer one is left out."""


@dataclass(frozen=True)
class Panel:
    """A picture and what stands above it."""

    codes: NDArray[np.uint8]
    """(H, W, C), C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
    caption: tuple[str, ...]
    """Lines of text."""


def sheet(panels: Sequence[Panel]) -> NDArray[np.uint8]:
    """The panels from left to right on white, (H, W, 3); pictures keep their pixels, alpha is shown over squares."""
    font = ImageFont.load_default(_FONT_SIZE)
    texts = ["\n".join(map(_short, panel.caption)) for panel in panels]
    pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [pen.multiline_textbbox((0, 0), text, font=font) for text in texts]
    top = 2 * MARGIN + max(int(np.ceil(box[3])) for box in boxes)
    columns = [max(panel.codes.shape[1], int(np.ceil(box[2]))) for panel, box in zip(panels, boxes, strict=True)]
    size = sum(columns) + MARGIN * (len(panels) + 1), top + max(len(panel.codes) for panel in panels) + MARGIN
    page, left = Image.new("RGB", size, "white"), MARGIN
    for panel, text, width in zip(panels, texts, columns, strict=True):
        ImageDraw.Draw(page).multiline_text((left, MARGIN), text, fill="black", font=font)
        page.paste(Image.fromarray(over_squares(panel.codes)), (left, top))
        left += width + MARGIN
    return np.asarray(page)


def _short(line: str) -> str:
    half = _MOST_CHARACTERS // 2
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: half - 2]} .. {line[-half + 2 :]}"


def over_squares(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, C) as (H, W, 3), over light and dark squares where it is transparent."""
    height, width, channels = codes.shape
    colours = np.broadcast_to(codes[..., : colour_channels(channels)], (height, width, 3))
    if channels % 2:
        return np.ascontiguousarray(colours)
    squares = (np.arange(height)[:, None] // SQUARE + np.arange(width) // SQUARE) % 2
    under, alpha = np.where(squares, _DARK, _LIGHT)[..., None], codes[..., -1:].astype(int)
    return np.asarray((alpha * colours + (255 - alpha) * under + 127) // 255, np.uint8)
