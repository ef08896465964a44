"""What the tests of pages share: a window, the painters, and how what is in it is compared."""

import contextlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from selenium.webdriver.remote.webdriver import WebDriver

from tools.support import browser

WIDTH, HEIGHT = 300, 200
"""Of the window. The pictures have 36x24 pixels."""
PAINTERS = {"WebGL2": ("&renderer=gl", 2, 0.999), "JavaScript": ("&renderer=js", 1, 1.0)}
"""What the address asks for, codes that samples may be apart, and the fraction that must be within that."""


def apart(found: NDArray[np.uint8], expected: NDArray[np.generic]) -> NDArray[np.int_]:
    expected = expected[..., None] if expected.ndim == 2 else expected
    return np.abs(found.astype(int) - np.broadcast_to(expected, found.shape).astype(int))


def over_checks(image: NDArray[np.uint8], top: int, left: int) -> NDArray[np.float64]:
    """A picture with alpha over the page's squares of 8 pixels; (top, left) is its place on the screen."""
    row, column = np.mgrid[top : top + image.shape[0], left : left + image.shape[1]] // 8
    under = np.where((row + column) % 2, 0.8 * 255, 255.0)[..., None]
    alpha = image[..., -1:] / 255
    return np.rint(alpha * image[..., :-1] + (1 - alpha) * under)


def at_1x(driver: WebDriver) -> NDArray[np.uint8]:
    """The 36x24 pixels in the middle of the screen."""
    return browser.pixels(driver)[HEIGHT // 2 - 12 : HEIGHT // 2 + 12, WIDTH // 2 - 18 : WIDTH // 2 + 18]


@contextlib.contextmanager
def before_pages(driver: WebDriver, source: str) -> Iterator[None]:
    """A script that runs in every page before its own."""
    script = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    yield
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
