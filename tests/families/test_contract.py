"""The seam between families and everything else: a second one, in a file of its own, goes all the way."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import inrcodec
from inrcodec import EncoderConfig, cli, families
from inrcodec.encoding.encoder import encode_with_report
from inrcodec.errors import CorruptError, RequestError, UnsupportedError
from inrcodec.families import FAMILIES, StoredPicture
from inrcodec.families.contract import Family
from inrcodec.families.training import EncodeHalf, encode_half
from inrcodec.progress import Estimate, Monitor
from tests.families import toy
from tests.support.helpers import header, seal, section, siren, small_model
from tests.support.pictures import waves

FAST = EncoderConfig(effort=1, device="cpu", family="toy")
GREY = np.clip(np.random.default_rng(0).normal(90, 3, (12, 17, 3)).mean(2, keepdims=True), 0, 255).astype(np.uint8)
DATA = families.write(StoredPicture(toy.Level(90, 3), 12, 17, f32_safe=True))


@pytest.fixture
def registered() -> Iterator[None]:
    families.register(toy.TOY)
    yield
    del FAMILIES[toy.SECTION]


pytestmark = pytest.mark.usefixtures("registered")


@pytest.mark.parametrize("target", [{}, {"quality": 80}, {"size": 40}, {"psnr": 30.0}, {"time_limit": 60.0}])
def test_it_encodes_and_decodes(target: dict[str, float]) -> None:
    encoded = encode_with_report(GREY, dataclasses.replace(FAST, **target))  # type: ignore[arg-type]
    assert families.read(encoded.data).network == toy.Level(round(GREY.mean()), 1)
    assert (inrcodec.decode(encoded.data) == round(GREY.mean())).all()
    assert inrcodec.verify(encoded.data).text == "exact"


def test_its_encodes_are_announced_and_stopped_as_any_others() -> None:
    told: list[Estimate] = []
    monitor = Monitor(announce=told.append, stopped=lambda: True)
    assert inrcodec.decode(inrcodec.encode(GREY, FAST, monitor)).shape == (12, 17)
    assert told[0].weights == 1


@pytest.mark.parametrize("size", [None, (1, 1), (5, 40), (24, 34)])
def test_it_is_drawn_at_any_size(size: tuple[int, int] | None) -> None:
    assert inrcodec.decode(DATA, size).shape == (*(size or (12, 17)), 3)
    assert (inrcodec.decode(DATA, size) == 90).all()


def test_what_is_read_is_what_was_written() -> None:
    assert families.write(families.read(DATA)) == DATA
    assert inrcodec.read_header(DATA).arch == toy.Arch(3)
    assert sum(families.section_sizes(DATA).values()) == len(DATA)


def test_it_has_derivatives_and_a_torch_module() -> None:
    picture = inrcodec.open(DATA)
    assert not picture.render_derivative("gradient").any()
    assert picture.laplacian(np.zeros((2, 2))).shape == (2, 3)
    module = inrcodec.as_module(DATA)
    np.testing.assert_allclose(module(torch.zeros(2, 2)).numpy(), picture.sample(np.zeros((2, 2))), atol=1e-6)


def test_info_tells_of_it(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("toy.inr").write_bytes(DATA)
    assert cli.main(["info", "toy.inr"]) == 0
    assert "A network of one level (toy): 1 weights" in capfd.readouterr().out
    assert cli.main(["info", "--json", "toy.inr"]) == 0
    assert json.loads(capfd.readouterr().out)["network"] == "toy"


def test_pillow_opens_it(tmp_path: Path) -> None:
    inrcodec.register_pillow()
    (tmp_path / "toy.inr").write_bytes(DATA)
    with Image.open(tmp_path / "toy.inr") as image:
        assert (image.mode, image.size, image.getpixel((3, 3))) == ("RGB", (17, 12), (90, 90, 90))


@pytest.mark.parametrize("export", [lambda: inrcodec.html_page(DATA, "toy"), lambda: inrcodec.glsl_shader(DATA)])
def test_what_draws_layers_of_sines_says_that_it_is_none(export: object) -> None:
    with pytest.raises(RequestError, match="layers of sines, and this is a toy"):
        export()  # type: ignore[operator]


def test_its_modules_are_what_the_contract_asks_for() -> None:
    half: EncodeHalf = encode_half(toy.TOY)
    assert half.Trainer is toy.Trainer
    assert isinstance(toy.Level(1, 1), families.Network)


def test_where_it_is_unknown_its_files_are_refused_by_number() -> None:
    del FAMILIES[toy.SECTION]
    try:
        with pytest.raises(UnsupportedError, match="section 0x41 is critical and unknown"):
            inrcodec.decode(DATA)
        with pytest.raises(RequestError, match="family: 'toy' is none of siren, grid"):
            inrcodec.encode(waves(4, 4), FAST)
    finally:
        families.register(toy.TOY)


def test_a_file_holds_one_network() -> None:
    both = seal(header() + siren() + section(toy.SECTION, b"\x05"))
    with pytest.raises(CorruptError, match="toy: a second network, after siren"):
        families.read(both)


def other(**changes: object) -> Family:
    return dataclasses.replace(toy.TOY, **{"section": 0x42, "name": "other", **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("family", "complaint"),
    [
        (toy.TOY, "toy has 0x41"),
        (other(section=toy.SECTION), "other, 0x41: toy has 0x41"),
        (other(name="siren"), "siren, 0x42: siren has 0x01"),
        (other(section=0x80), "section id 0x80 is not in 0x01 .. 0x7f"),
        (other(section=0), "section id 0x00 is not in"),
    ],
)
def test_no_two_families_have_one_number_or_name(family: Family, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        families.register(family)
    assert sorted(FAMILIES) == [1, 2, toy.SECTION]


@pytest.mark.parametrize("found", [None, b"level", small_model()])
def test_a_reader_that_gives_no_network_is_named(monkeypatch: pytest.MonkeyPatch, found: object) -> None:
    monkeypatch.setitem(FAMILIES, toy.SECTION, dataclasses.replace(toy.TOY, read=lambda *_: found))
    with pytest.raises(TypeError, match=rf"family toy: read gave a {type(found).__name__}, which is no families.Netwo"):
        families.read(DATA)
