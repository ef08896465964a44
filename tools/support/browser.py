"""Headless Chromium, for the tests and the screenshots of the viewer. Needs Debian's chromium and chromium-driver."""

import base64
import contextlib
import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webdriver import WebDriver

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
INSTALLED = bool(CHROMIUM and DRIVER)
"""Whether this machine has what is needed."""
SOFTWARE_GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
NO_GL = ("--disable-gpu", "--disable-3d-apis")
_QUIET = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--force-color-profile=srgb",
)  # fmt: skip


@contextlib.contextmanager
def started(*gl: str) -> Iterator[WebDriver]:
    """A browser of 900x700, with GL in software unless told otherwise."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*_QUIET, *(gl or SOFTWARE_GL), "--window-size=900,700"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def resize(driver: WebDriver, width: int, height: int, ratio: float = 1.0, phone: bool = False) -> None:
    """The window's inner size in CSS pixels, device pixels in each of them, and whether it has a touch screen."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": phone}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})


def show(driver: WebDriver, page: Path, place: str = "", limit: float = 240.0) -> float:
    """Open a page of `inrcodec view` at a place ("x=1&y=2&zoom=3&show=gradient"); seconds until it is drawn whole."""
    driver.get("about:blank")
    start = time.perf_counter()
    driver.get(f"{page.resolve().as_uri()}#{place}")
    wait(driver, limit)
    return time.perf_counter() - start


def wait(driver: WebDriver, limit: float = 240.0) -> None:
    """Until the view is drawn."""
    start = time.perf_counter()
    while state(driver, "state") != "done":
        if time.perf_counter() - start > limit:
            raise TimeoutError(f"the page is not drawn after {limit:.0f} s: {driver.get_log('browser')}")
        time.sleep(0.02)


def state(driver: WebDriver, name: str) -> str | None:
    """What the page says of itself: "state", "painter", or "first", the milliseconds to its first pixels."""
    return driver.execute_script(f"return document.documentElement.dataset.{name}")


def pixels(driver: WebDriver, canvas: str = "screen") -> NDArray[np.uint8]:
    """(H, W, 3) of a canvas."""
    url = driver.execute_script(f"return document.getElementById('{canvas}').toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))
