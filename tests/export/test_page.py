"""Pages and shaders made of pictures: what they hold, and what they refuse. What they draw: `test_browser.py`."""

import base64
import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from inrcodec import families, pixels
from inrcodec.cli.cures import worded
from inrcodec.decoding import derivatives
from inrcodec.decoding.decoder import open_bytes
from inrcodec.errors import BitstreamError, LimitError, RequestError
from inrcodec.export import glsl
from inrcodec.export.page import page
from inrcodec.families.siren.network import SirenArch
from inrcodec.format.limits import DecodeLimits
from inrcodec.format.metadata import Metadata
from tests.cli.test_main import run
from tests.decoding.test_conformance import model_of
from tests.support.helpers import ROOT, flat_symbols, small_model


def data_of(channels: int = 3, *dims: int) -> bytes:
    """24x36 pixels."""
    return families.write(model_of(1.0, SirenArch(dims or (12, 10, 8), channels)))


def network_of(page: bytes) -> dict[str, object]:
    found = re.search(r"const PICTURE = (\{.*\});\n", page.decode())
    assert found
    return json.loads(found[1])


def unpacked(text: str) -> list[int]:
    """Zigzag varints in base64, read one byte after the other."""
    numbers, number, place = [], 0, 0
    for byte in base64.b64decode(text):
        number |= (byte & 127) << place
        place += 7
        if byte < 128:
            numbers.append(number // 2 if number % 2 == 0 else -(number + 1) // 2)
            number = place = 0
    return numbers


def test_a_page_holds_the_symbols_and_the_steps(data: bytes) -> None:
    network = network_of(page(data, "x"))
    model = small_model()
    assert unpacked(str(network["symbols"])) == flat_symbols(model).tolist()
    weights = model.network.symbols[0][0, 0] * network["steps"][0]  # type: ignore[index]
    assert np.float32(weights) == model.network.dequantize()[0][0, 0] == weights
    assert (network["height"], network["width"], network["hidden"]) == (5, 7, [6, 5])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_white_is_that_of_the_derivatives_picture(channels: int) -> None:
    data = data_of(channels)
    picture = open_bytes(data)
    for kind, white in network_of(page(data, "x"))["white"].items():  # type: ignore[attr-defined]
        assert white == pytest.approx(derivatives.as_picture(kind, picture.render_derivative(kind))[1], rel=1e-6)


def test_of_a_large_picture_white_is_found_from_some_of_its_pixels() -> None:
    model = dataclasses.replace(model_of(1.0, SirenArch((12, 10, 8), 1)), height=600, width=900)
    whites = network_of(page(families.write(model), "x"))["white"]
    shown = np.abs(open_bytes(families.write(model)).laplacian(pixels.pixel_centres(600, 900)))
    assert whites["laplacian"] == pytest.approx(np.percentile(shown, 99.5), rel=0.05)  # type: ignore[index]


class Outline(HTMLParser):
    """Tags and texts of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_a_page_fetches_nothing() -> None:
    outline = Outline(page(data_of(), "photo.inr"))
    assert not [attrs for _, attrs in outline.tags if {"src", "href"} & set(attrs)]
    policy = next(str(attrs["content"]) for _, attrs in outline.tags if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'; ")
    assert [tag for tag, _ in outline.tags].count("script") == 1


@pytest.mark.parametrize("name", ["</title><script>alert(1)</script>", '"><b>', "a\nb\x1b[31m", "$title", "\udcff.inr"])
def test_a_hostile_name_is_only_text(name: str) -> None:
    outline = Outline(page(data_of(), name))
    assert [tag for tag, _ in outline.tags].count("script") == 1
    assert [tag for tag, _ in outline.tags].count("b") == 0
    assert not re.search("[\x00-\x09\x0b-\x1f]", "".join(outline.texts[:5]))


def test_the_page_of_a_512x512_photograph_is_under_60_kb() -> None:
    data = (ROOT / "sample_data" / "astronaut.inr").read_bytes()
    assert b"512 x 512, RGB" in page(data, "astronaut.inr")
    assert len(page(data, "astronaut.inr")) < 60_000


def test_a_page_says_what_the_file_is() -> None:
    data = data_of(4)
    texts = Outline(page(data, "photo.inr")).texts
    assert {"36 x 24, RGBA", "SIREN 2-12-10-8-4", "photo.inr"} <= set(texts)
    assert any(text.startswith(f"{len(data):,} bytes") for text in texts)
    profiled = families.with_metadata(data, Metadata(icc=b"a profile"))
    assert b"ICC profile is not applied" in page(profiled, "x")


@pytest.mark.parametrize("make", [lambda data, limits: page(data, "x", limits), glsl.shader])
def test_a_bad_file_is_refused_as_decode_does(make: object) -> None:
    with pytest.raises(BitstreamError):
        make(data_of()[:-1], DecodeLimits())  # type: ignore[operator]
    with pytest.raises(LimitError, match="max_weights"):
        make(data_of(), DecodeLimits(max_weights=9))  # type: ignore[operator]


def test_a_shader_of_many_weights_is_refused() -> None:
    assert "vec4 picture(vec2 p)" in glsl.shader(data_of(3, 84, 84))
    with pytest.raises(RequestError, match=r"at most 8,192 are written out$") as refusal:
        glsl.shader(data_of(3, 88, 88))
    assert worded(refusal.value).endswith("encode to fewer bytes (--size), or make a page of it (inrcodec view)")


def test_the_command_lines_write_pages_shaders_and_weights(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("view good.inr") == 0
    assert Path("good.html").read_bytes() == page(Path("good.inr").read_bytes(), "good.inr")
    assert run("export --glsl good.inr -o small.glsl") == 0
    assert Path("small.glsl").read_text() == glsl.shader(Path("good.inr").read_bytes())
    assert run("export --npz good.inr") == 0
    with np.load("good.npz") as arrays:
        assert list(arrays) == ["weight_1", "bias_1", "weight_2", "bias_2", "weight_3", "bias_3", "size"]
        for found, expected in zip(
            arrays.values(), [*small_model().network.dequantize(), np.array([5, 7])], strict=True
        ):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ("view cut.inr", 3, "cut.inr"),
        ("view good.inr -o taken.png", 5, "--force"),
        ("view deep.inr --limit max_weights=5", 4, "max_weights"),
        ("view missing.inr", 3, "missing.inr"),
        ("export good.inr", 2, "--glsl"),
        ("export --glsl --npz good.inr", 2, "not allowed"),
        ("export --glsl flipped.inr", 3, "flipped.inr"),
        ("view good.inr --channels x", 2, "unrecognized"),
    ],
)
def test_what_cannot_be_is_one_line(
    workdir: Path, capsys: pytest.CaptureFixture[str], arguments: str, code: int, reason: str
) -> None:
    assert run(arguments) == code
    told = capsys.readouterr().err
    assert reason in told
    assert told.count("\n") == 1
