from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

from inrcodec.export.page import page
from tests.export.screen import HEIGHT, WIDTH
from tools.support import browser


@pytest.fixture(scope="package")
def browser_once() -> Iterator[WebDriver]:
    with browser.started() as driver:
        browser.resize(driver, WIDTH, HEIGHT)
        yield driver


@pytest.fixture
def driver(browser_once: WebDriver) -> WebDriver:
    return browser_once


@pytest.fixture
def page_of(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "picture.html"
        path.write_bytes(page(data, "picture.inr"))
        return path

    return write
