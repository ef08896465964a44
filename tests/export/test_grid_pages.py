"""Pages of grid pictures: JavaScript decodes the integers that Python does, and draws within a code of the decoder."""

import base64
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from inrcodec import families, pixels
from inrcodec.decoding.decoder import Region, open_bytes
from inrcodec.decoding.derivatives import shown_values
from inrcodec.errors import RequestError
from inrcodec.export import glsl
from inrcodec.export.page import _asset, page
from inrcodec.families import StoredPicture
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.colour import components
from inrcodec.families.grid.delta import delta_code, delta_of
from inrcodec.families.grid.prior import LATEST
from inrcodec.families.grid.start import SparseStart
from inrcodec.families.grid.stored import GridNetwork
from inrcodec.format import ans
from tests.export.screen import HEIGHT, WIDTH, apart, at_1x, before_pages, over_checks
from tests.export.test_page import network_of
from tests.support.pictures import waves
from tools.support import browser

with_browser = pytest.mark.skipif(not browser.INSTALLED, reason="needs chromium and chromedriver")
every_channels = pytest.mark.parametrize("channels", [1, 2, 3, 4])
painters = pytest.mark.parametrize("renderer", ["gl", "js"])


def network_like(codes: NDArray[np.uint8], scale: int = 5) -> GridNetwork:
    """Latents whose plain sum is near a picture, and tensors that are off the prior's by noise."""
    arch, code, rng = GridArch(*codes.shape), delta_code(0.06), np.random.default_rng(0)
    target = components(codes).astype(np.float32)
    start = SparseStart(arch, target, delta_of(code), np, lambda *shape: np.empty(shape, np.float32))
    latents = tuple(np.rint(each).astype(np.int32) for each in start.run())
    symbols = tuple(rng.integers(-3, 4, shape, np.int32) for shape in arch.tensors.values())
    count = len(symbols)
    return GridNetwork(arch, LATEST, code, (6,) * count, (scale,) * count, symbols, latents)


def data_of(channels: int) -> bytes:
    """24x36 pixels, with edges."""
    codes = waves(24, 36, channels)
    codes[5:15, 9:30] = 255 - codes[5:15, 9:30]
    return families.write(StoredPicture(network_like(codes), 24, 36))


def wild(network: GridNetwork) -> GridNetwork:
    """The same with latents of all sizes, for laws of all bands, and escapes; and tensors under the widest laws."""
    rng = np.random.default_rng(1)
    latents = tuple(np.rint(rng.standard_cauchy(each.shape) * 30).clip(-32767, 32767) for each in network.latents)
    for each in latents:
        each.reshape(-1)[:2] = (32767, -32767)[: each.size]
    scales = tuple(number % 16 for number in range(len(network.scales)))
    return dataclasses.replace(network, latents=tuple(each.astype(np.int32) for each in latents), scales=scales)


def test_a_page_holds_the_section_and_says_what_it_is() -> None:
    data = data_of(3)
    network = families.read(data).network
    html = page(data, "x")
    assert base64.b64decode(str(network_of(html)["section"])) == network.payload()
    assert b"grid of 3 levels" in html
    assert f"and {network.facts().latents:,} latents".encode() in html


def test_a_page_of_a_small_picture_is_a_little_larger_than_its_file() -> None:
    data = data_of(4)
    assert len(page(data, "x")) < 80_000 + 4 * len(data) / 3


def test_a_shader_of_it_is_refused_in_a_line() -> None:
    with pytest.raises(
        RequestError, match=r"^a shader is written of layers of sines, and this is a grid of 3 levels: "
    ):
        glsl.shader(data_of(3))


def run(driver: WebDriver, network: GridNetwork, code: str) -> Any:
    """What code returns that runs behind the scripts that know the network."""
    parts, (height, width, channels) = network.page_parts(), dataclasses.astuple(network.arch)
    picture = json.dumps({"height": height, "width": width, "channels": channels, **parts.data})
    scripts = "\n".join(_asset(name) for name in parts.scripts)
    driver.get("about:blank")
    return driver.execute_script(f"const PICTURE = {picture};\n{scripts}\n{code}")


LATENTS = """
const start = readStart(), tensors = readTensors(start), latents = [];
const told = [...readLatents(tensors, start.decoder, latents)];
return {
  delta: start.delta, empty: start.decoder.isEmpty, told,
  tensors: Object.values(tensors).map(({ weight }) => Array.from(weight)),
  latents: latents.map((level, number) => PICTURE.levels[number].components.map((one) => Array.from(level[one]))),
};
"""


@with_browser
@pytest.mark.parametrize("change", [lambda network: network, wild], ids=["tame", "wild"])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 40), (23, 35), (50, 31)])
@every_channels
def test_javascript_decodes_the_same_integers(
    driver: WebDriver, size: tuple[int, int], channels: int, change: Callable[[GridNetwork], GridNetwork]
) -> None:
    network = change(network_like(waves(*size, channels)))
    found = run(driver, network, LATENTS)
    assert found["delta"] == delta_of(network.delta_code)
    for own, tensor in zip(found["tensors"], network.whole_tensors.values(), strict=True):
        np.testing.assert_array_equal(own, tensor.reshape(-1))
    for level, latents in zip(found["latents"], network.latents, strict=True):
        np.testing.assert_array_equal(level, latents.reshape(len(latents), -1))
    assert found["empty"]
    assert found["told"] == sorted(found["told"])
    assert found["told"][-1] == 1


@with_browser
def test_all_laws_are_the_coders(driver: WebDriver) -> None:
    code = "return [...Array(1024).keys()].map((law) => Array.from(lawOf(law >> 4, (law & 15) - 8)))"
    laws = run(driver, network_like(waves(3, 2, 1)), code)
    expected = [1 + row.astype(np.int64) for band in ans.BANDS for row in ans.counts(band)]
    for found, frequencies in zip(laws, expected, strict=True):
        np.testing.assert_array_equal(np.diff(found), frequencies)


VALUES = """
for (const _ of prepare());
return arguments[0].map(([y, x]) => Array.from(valuesAt(y, x)));
"""


@with_browser
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (23, 35)])
@every_channels
def test_javascript_draws_the_decoders_values(driver: WebDriver, size: tuple[int, int], channels: int) -> None:
    network = network_like(waves(*size, channels))
    points = pixels.grid(*pixels.axes(*size, 4))
    height, width = size
    places = (points.astype(np.float64) * max(size) + size) / 2
    expected = open_bytes(families.write(StoredPicture(network, height, width))).sample(points)
    found = np.array(run(driver, network, VALUES.replace("arguments[0]", json.dumps(places.tolist()))))
    np.testing.assert_allclose((found + 1) / 2, expected, atol=2e-5)


@with_browser
@painters
@every_channels
def test_at_1x_it_is_the_decoders_picture(
    driver: WebDriver, page_of: Callable[[bytes], Path], channels: int, renderer: str
) -> None:
    data = data_of(channels)
    browser.show(driver, page_of(data), f"x=18&y=12&zoom=1&renderer={renderer}")
    assert browser.state(driver, "painter") == {"gl": "WebGL2", "js": "JavaScript"}[renderer]
    expected, most = open_bytes(data).render(), 1
    if channels % 2 == 0:
        expected = over_checks(expected, HEIGHT // 2 - 12, WIDTH // 2 - 18)
        most = 2  # the expected picture was rounded before it was laid over the squares
    assert (apart(at_1x(driver), expected) <= most).all()


@with_browser
@painters
@pytest.mark.parametrize("channels", [1, 3])
def test_a_part_of_it_at_4x_is_the_decoders(
    driver: WebDriver, page_of: Callable[[bytes], Path], channels: int, renderer: str
) -> None:
    data = data_of(channels)
    browser.show(driver, page_of(data), f"x=18&y=13.5&zoom=4&renderer={renderer}")
    region = Region(3, 2, 20, 32)  # the window's upper edge is at y -11.5, its left one at x -19.5
    expected = open_bytes(data).render((20 * 4, 32 * 4), region)
    top, left = round((3 + 11.5) * 4), round((2 + 19.5) * 4)
    assert (apart(browser.pixels(driver)[top : top + 80, left : left + 128], expected) <= 1).all()


@with_browser
@painters
@pytest.mark.parametrize("kind", ["gradient", "laplacian"])
@pytest.mark.parametrize("channels", [1, 4])
def test_derivatives_are_the_decoders(
    driver: WebDriver, page_of: Callable[[bytes], Path], channels: int, kind: str, renderer: str
) -> None:
    page, picture = page_of(data_of(channels)), open_bytes(data_of(channels))
    browser.show(driver, page, f"x=18&y=12&zoom=1&show={kind}&renderer={renderer}")
    white = network_of(page.read_bytes())["white"][kind]  # type: ignore[index]
    shown = shown_values(kind, getattr(picture.jet(pixels.pixel_centres(24, 36)), kind)) / white
    codes = np.clip(np.rint(255 * shown if kind == "gradient" else 128 + 127.5 * shown), 0, 255)
    assert (apart(at_1x(driver), codes.reshape(24, 36, -1)) <= 1).all()


@with_browser
def test_a_picture_too_large_for_a_texture_is_drawn_without(
    driver: WebDriver, page_of: Callable[[bytes], Path]
) -> None:
    small = "const f = WebGL2RenderingContext.prototype, get = f.getParameter;"
    small += "f.getParameter = function (name) { return name === this.MAX_TEXTURE_SIZE ? 32 : get.call(this, name); };"
    with before_pages(driver, small):
        browser.show(driver, page_of(data_of(3)), "x=18&y=12&zoom=1")
    assert browser.state(driver, "painter") == "JavaScript"
    assert "too large for a texture" in driver.find_element("id", "notice").text
    assert (apart(at_1x(driver), open_bytes(data_of(3)).render()) <= 1).all()


@with_browser
def test_what_decodes_for_long_says_so_and_leaves_the_page_alive(
    driver: WebDriver, page_of: Callable[[bytes], Path]
) -> None:
    slow = "let now = 0; performance.now = () => (now += 1000); window.later = [];"
    slow += "const timer = window.setTimeout; window.setTimeout = (...a) => (later ? later.push(a[0]) : timer(...a));"
    with before_pages(driver, slow):
        driver.get("about:blank")
        driver.get(page_of(data_of(3)).as_uri() + "#renderer=gl")
    notice = driver.find_element("id", "notice")
    assert notice.text == "Decoding, 0 %"
    for _ in range(20):
        driver.execute_script("later.shift()()")
    assert 0 < int(notice.text.split()[1]) < 100
    driver.execute_script("const [next] = later; later = null; next()")
    WebDriverWait(driver, 60, 0.02).until(lambda driver: browser.state(driver, "state") == "done")
    assert notice.text == ""
