"""What pages and shaders draw, in headless Chromium with GL in software, against the decoder."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from inrcodec import families, pixels
from inrcodec.decoding.decoder import open_bytes
from inrcodec.decoding.derivatives import shown_values
from inrcodec.export import glsl
from inrcodec.families.siren.network import SirenArch
from tests.decoding.test_conformance import model_of
from tests.export.screen import HEIGHT, PAINTERS, WIDTH, apart, at_1x, before_pages, over_checks
from tests.export.test_page import data_of, network_of
from tests.support.helpers import ROOT
from tools.support import browser

pytestmark = pytest.mark.skipif(not browser.INSTALLED, reason="needs chromium and chromedriver")


@pytest.mark.parametrize("painter", PAINTERS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_at_1x_it_is_the_decoders_picture(
    driver: WebDriver, page_of: Callable[[bytes], Path], channels: int, painter: str
) -> None:
    asked, most, share = PAINTERS[painter]
    browser.show(driver, page_of(data_of(channels)), f"x=18&y=12&zoom=1{asked}")
    assert browser.state(driver, "painter") == painter
    top, left = HEIGHT // 2 - 12, WIDTH // 2 - 18
    expected = open_bytes(data_of(channels)).render()
    if channels % 2 == 0:
        expected = over_checks(expected, top, left)
        most += 1  # the expected picture was rounded before it was laid over the squares
    assert (apart(at_1x(driver), expected) <= most).mean() >= share
    assert (browser.pixels(driver)[:top] == (0x16, 0x18, 0x1B)).all()  # around the picture is the page


@pytest.mark.parametrize("painter", PAINTERS)
def test_at_8x_it_is_the_decoders_region(driver: WebDriver, page_of: Callable[[bytes], Path], painter: str) -> None:
    asked, most, share = PAINTERS[painter]
    browser.show(driver, page_of(data_of(3)), f"x=18.25&y=12.5&zoom=8{asked}")  # its corner is at x -0.5, y 0
    expected = open_bytes(data_of(3)).render((24 * 8, 36 * 8))
    found = browser.pixels(driver)[: 24 * 8, 4 : 4 + 36 * 8]
    assert (apart(found, expected) <= most).mean() >= share


@pytest.mark.parametrize("painter", PAINTERS)
@pytest.mark.parametrize("kind", ["gradient", "laplacian"])
@pytest.mark.parametrize("channels", [1, 4])
def test_derivatives_are_the_decoders(
    driver: WebDriver, page_of: Callable[[bytes], Path], channels: int, kind: str, painter: str
) -> None:
    asked, most, share = PAINTERS[painter]
    page = page_of(data_of(channels))
    browser.show(driver, page, f"x=18&y=12&zoom=1&show={kind}{asked}")
    picture = open_bytes(data_of(channels))
    white = network_of(page.read_bytes())["white"][kind]  # type: ignore[index]
    shown = shown_values(kind, getattr(picture.jet(pixels.pixel_centres(24, 36)), kind)) / white
    codes = np.clip(np.rint(255 * shown if kind == "gradient" else 128 + 127.5 * shown), 0, 255)
    assert (apart(at_1x(driver), codes.reshape(24, 36, -1)) <= most).mean() >= share


def test_smaller_than_it_is_it_is_a_mean_of_points(driver: WebDriver, page_of: Callable[[bytes], Path]) -> None:
    data = data_of(3)
    browser.show(driver, page_of(data), "x=18&y=12&zoom=0.5&renderer=js")
    native = open_bytes(data).render().astype(float)
    expected = native.reshape(12, 2, 18, 2, 3).mean((1, 3))
    found = browser.pixels(driver)[HEIGHT // 2 - 6 : HEIGHT // 2 + 6, WIDTH // 2 - 9 : WIDTH // 2 + 9]
    assert (apart(found, np.rint(expected)) <= 1).all()


def test_without_webgl2_the_page_says_so_and_draws(page_of: Callable[[bytes], Path]) -> None:
    with browser.started(*browser.NO_GL) as driver:
        browser.resize(driver, WIDTH, HEIGHT)
        browser.show(driver, page_of(data_of(3)), "x=18&y=12&zoom=1")
        assert browser.state(driver, "painter") == "JavaScript"
        assert "no WebGL2" in driver.find_element("id", "notice").text
        found = at_1x(driver)
    assert (apart(found, open_bytes(data_of(3)).render()) <= 1).all()


def test_a_network_too_wide_for_a_shader_is_drawn_without(driver: WebDriver, page_of: Callable[[bytes], Path]) -> None:
    browser.show(driver, page_of(data_of(1, 260, 4)), "x=18&y=12&zoom=1")
    assert browser.state(driver, "painter") == "JavaScript"
    assert "too large for a shader" in driver.find_element("id", "notice").text


def test_of_both_painters_the_faster_is_taken(driver: WebDriver, page_of: Callable[[bytes], Path]) -> None:
    slow = "const now = performance.now.bind(performance); let extra = 0; performance.now = () => now() + extra;"
    hook = "const f = WebGL2RenderingContext.prototype; const read = f.readPixels;"
    slower = "f.readPixels = function (...a) { extra += 1e5; return read.apply(this, a); };"
    faster = "f.readPixels = function (...a) { extra -= 1e5; return read.apply(this, a); };"
    for change, painter in ((slower, "JavaScript"), (faster, "WebGL2")):
        with before_pages(driver, slow + hook + change):
            driver.get("about:blank")
            driver.get(page_of(data_of(3)).as_uri())
        assert browser.state(driver, "painter") == painter


LOSE_CONTEXT = """
const context = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  const found = context.call(this, kind, options);
  if (kind === "webgl2") window.lose = () => found.getExtension("WEBGL_lose_context").loseContext();
  return found;
};
"""


def test_a_lost_context_is_said_and_the_view_drawn_without(driver: WebDriver, page_of: Callable[[bytes], Path]) -> None:
    with before_pages(driver, LOSE_CONTEXT):
        browser.show(driver, page_of(data_of(3)), "x=18&y=12&zoom=1&renderer=gl")
    assert browser.state(driver, "painter") == "WebGL2"
    driver.execute_script("lose(); document.getElementById('in').click()")
    browser.wait(driver)
    assert browser.state(driver, "painter") == "JavaScript"
    assert "context was lost" in driver.find_element("id", "notice").text


def address(driver: WebDriver) -> dict[str, str]:
    """The view that the page's address names."""
    return dict(part.split("=") for part in driver.current_url.partition("#")[2].split("&"))


KEYS = "document.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))"


def test_keys_and_buttons_move_the_view(driver: WebDriver, page_of: Callable[[bytes], Path]) -> None:
    browser.show(driver, page_of(data_of(3)), "x=18&y=12&zoom=4&renderer=js")
    for press, expected in [
        (lambda: driver.execute_script(KEYS, "+"), {"zoom": "8"}),
        (lambda: driver.execute_script(KEYS, "ArrowRight"), {"x": "28"}),
        (lambda: driver.find_element("id", "gradient").click(), {"show": "gradient"}),
        (lambda: driver.find_element("id", "out").click(), {"zoom": "4"}),
        (lambda: driver.find_element("id", "whole").click(), {"x": "18", "renderer": "js"}),
        (lambda: driver.execute_script(KEYS, "l"), {"show": "laplacian"}),
    ]:
        press()
        browser.wait(driver)
        assert address(driver).items() >= expected.items()
    assert driver.find_element("id", "laplacian").get_attribute("aria-pressed") == "true"


SCREENS = {"desktop": (1000, 640, 1, False), "phone": (360, 640, 2, True), "low": (700, 300, 1, False)}


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("shape", [(24, 36), (40, 8), (4, 60)])
def test_the_whole_picture_is_free_of_the_toolbar_and_as_large_as_can_be(
    driver: WebDriver, page_of: Callable[[bytes], Path], shape: tuple[int, int], screen: str
) -> None:
    (width, _, ratio, _), (rows, columns) = SCREENS[screen], shape
    model = dataclasses.replace(model_of(1.0, SirenArch((12, 10, 8), 3)), height=rows, width=columns)
    browser.resize(driver, *SCREENS[screen])
    try:
        browser.show(driver, page_of(families.write(model)), "renderer=js")
        drawn = (browser.pixels(driver) != (0x16, 0x18, 0x1B)).any(2)
        toolbar = driver.find_element("id", "toolbar").rect
    finally:
        browser.resize(driver, WIDTH, HEIGHT)
    down, across = (np.flatnonzero(drawn.any(axis)) for axis in (1, 0))
    free = round(ratio * toolbar["y"])
    assert down[-1] < free
    assert len(across) / len(down) == pytest.approx(columns / rows, rel=0.05)
    assert len(across) >= ratio * width - 2 or len(down) >= free - 8 * ratio - 2
    assert abs(down[0] + down[-1] - (free - 8 * ratio)) <= 4
    assert abs(across[0] + across[-1] - ratio * width) <= 4


def test_the_whole_picture_stays_whole_where_the_window_changes(
    driver: WebDriver, page_of: Callable[[bytes], Path]
) -> None:
    browser.show(driver, page_of(data_of(3)), "renderer=js")
    for width, height in ((500, 400), (WIDTH, HEIGHT)):
        before = address(driver)["zoom"]
        browser.resize(driver, width, height)
        WebDriverWait(driver, 30, 0.02).until(lambda driver, before=before: address(driver)["zoom"] != before)
        browser.wait(driver)
        free = driver.find_element("id", "toolbar").rect["y"] - 8
        assert float(address(driver)["zoom"]) == pytest.approx(min(width / 36, free / 24), rel=0.02)


def test_the_zoom_ends_where_the_page_and_the_manual_say(driver: WebDriver, page_of: Callable[[bytes], Path]) -> None:
    page = page_of(data_of(3))
    browser.show(driver, page, "x=18&y=12&zoom=3000&renderer=js")
    driver.find_element("id", "in").click()
    browser.wait(driver)
    (most,) = re.findall(r"to zoom, up to (\d+)\W", page.read_text())
    assert address(driver)["zoom"] == most
    assert not driver.find_element("id", "in").is_enabled()
    assert f"{int(most):,} pixels of the screen" in " ".join((ROOT / "docs" / "cli.md").read_text().split())


PAUSED = "window.requestAnimationFrame = (draw) => (window.pending = draw);"


def test_the_address_follows_before_the_view_is_drawn_and_keeps_the_painter(
    driver: WebDriver, page_of: Callable[[bytes], Path]
) -> None:
    with before_pages(driver, PAUSED):
        driver.get("about:blank")
        driver.get(page_of(data_of(3)).as_uri() + "#x=18&y=12&zoom=4&renderer=js")
    for press, expected in [("+", "8"), ("+", "16"), ("-", "8")]:
        driver.execute_script(KEYS, press)
        WebDriverWait(driver, 30, 0.02).until(lambda driver, zoom=expected: address(driver).get("zoom") == zoom)
        assert address(driver)["renderer"] == "js"
    assert browser.state(driver, "state") == "drawing"


def test_an_address_that_asks_for_another_painter_gets_it(driver: WebDriver, page_of: Callable[[bytes], Path]) -> None:
    browser.show(driver, page_of(data_of(3)), "x=18&y=12&zoom=1&renderer=js")
    driver.execute_script("location.hash = location.hash.replace('=js', '=gl')")
    WebDriverWait(driver, 60, 0.02).until(lambda driver: browser.state(driver, "painter") == "WebGL2")
    browser.wait(driver)
    assert address(driver)["renderer"] == "gl"


DRAG = """
const screen = document.getElementById("screen");
const at = (kind, id, x, y) => screen.dispatchEvent(
  new PointerEvent(kind, {pointerId: id, clientX: x, clientY: y, pointerType: "touch", bubbles: true}));
screen.setPointerCapture = () => {};
for (const [kind, id, x, y] of arguments[0]) at(kind, id, x, y);
"""


def test_two_fingers_zoom_about_their_middle(driver: WebDriver, page_of: Callable[[bytes], Path]) -> None:
    browser.show(driver, page_of(data_of(3)), "x=18&y=12&zoom=4&renderer=js")
    fingers = [("pointerdown", 1, 140, 100), ("pointerdown", 2, 160, 100)]
    driver.execute_script(DRAG, [*fingers, ("pointermove", 1, 130, 100), ("pointermove", 2, 170, 100)])
    browser.wait(driver)
    assert float(address(driver)["zoom"]) == pytest.approx(8)
    assert float(address(driver)["x"]) == pytest.approx(18, abs=0.01)


def test_on_a_phone_all_of_it_is_within_reach(driver: WebDriver, page_of: Callable[[bytes], Path]) -> None:
    browser.resize(driver, 360, 640, ratio=2, phone=True)
    try:
        browser.show(driver, page_of(data_of(3)), "renderer=js")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 360
        for button in driver.find_elements("css selector", "button, summary"):
            box = button.rect
            assert 0 <= box["x"] <= box["x"] + box["width"] <= 360
            assert 0 <= box["y"] <= box["y"] + box["height"] <= 640
            assert min(box["width"], box["height"]) >= 44
        assert browser.pixels(driver).shape == (1280, 720, 3)
    finally:
        browser.resize(driver, WIDTH, HEIGHT)


def test_the_page_logs_nothing_and_loads_nothing(driver: WebDriver, page_of: Callable[[bytes], Path]) -> None:
    driver.get_log("browser")
    browser.show(driver, page_of(data_of(3)))
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_an_address_that_is_nonsense_is_passed_over(driver: WebDriver, page_of: Callable[[bytes], Path]) -> None:
    browser.show(driver, page_of(data_of(1)), "x=NaN&y=1e999&zoom=-3&show=__proto__&renderer=js")
    view = address(driver)
    assert view["show"] == "colour"
    assert float(view["zoom"]) == pytest.approx(0.5)
    assert view["x"] == "18"


SHADERTOY = """<canvas id="toy" width="36" height="24"></canvas><script>
const gl = document.getElementById("toy").getContext("webgl2", {preserveDrawingBuffer: true, alpha: false});
const program = gl.createProgram();
const head = "#version 300 es\\nprecision highp float; uniform vec3 iResolution; out vec4 o;\\n";
const corners = "vec4(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1, 0, 1)";
const sources = ["#version 300 es\\nvoid main() { gl_Position = " + corners + "; }",
  head + SHADER + "\\nvoid main() { mainImage(o, gl_FragCoord.xy); }"];
sources.forEach((source, i) => {
  const shader = gl.createShader([gl.VERTEX_SHADER, gl.FRAGMENT_SHADER][i]);
  gl.shaderSource(shader, source); gl.compileShader(shader); gl.attachShader(program, shader);
  document.title += gl.getShaderInfoLog(shader);
});
gl.linkProgram(program); gl.useProgram(program);
gl.uniform3f(gl.getUniformLocation(program, "iResolution"), 36, 24, 1);
gl.drawArrays(gl.TRIANGLES, 0, 3);
</script>"""


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_exported_shader_draws_the_picture(driver: WebDriver, tmp_path: Path, channels: int) -> None:
    page = tmp_path / "toy.html"
    page.write_text(SHADERTOY.replace("SHADER", json.dumps(glsl.shader(data_of(channels))), 1))
    driver.get(page.as_uri())
    assert driver.title == ""
    expected = open_bytes(data_of(channels)).render()
    if channels == 4:
        expected = np.rint(expected[..., :3] * (expected[..., 3:] / 255.0))
    assert (apart(browser.pixels(driver, "toy"), expected) <= 2).mean() >= 0.999
