"""What the commands make, where it goes, and what they load."""

import dataclasses
import io
import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inrcodec import cli, families, metrics
from inrcodec.cli import info
from inrcodec.cli.arguments import parser
from inrcodec.decoding import decoder
from inrcodec.families import StoredPicture
from inrcodec.families.siren.network import hidden_biases
from inrcodec.format import codelength
from inrcodec.pictures.load import to_array
from tests.cli.test_main import run
from tests.support.helpers import python


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What standard input will give."""
    source = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
    return source


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ("", (7, 5)),
        ("--scale 3", (21, 15)),
        ("--scale 0.5", (4, 2)),
        ("--scale 1e-9", (1, 1)),
        ("--size 10x4", (10, 4)),
        ("--region 1,2,4,3", (4, 3)),
        ("--region 1,2,4,3 --scale 2", (8, 6)),
        ("--region 6,4,1,1 --size 3x2", (3, 2)),
    ],
)
def test_decode_makes_the_size_that_was_asked_for(workdir: Path, options: str, size: tuple[int, int]) -> None:
    assert run(f"decode good.inr {options}") == 0
    with Image.open("good.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", size)


def test_decode_draws_what_the_library_draws(workdir: Path, data: bytes) -> None:
    assert run("decode good.inr -o new.png --region 1,2,4,3 --scale 2") == 0
    drawn = decoder.decode(data, (6, 8), decoder.Region(top=2, left=1, height=3, width=4))
    np.testing.assert_array_equal(to_array("new.png"), drawn)


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        (".png", "PNG"),
        (".PNG", "PNG"),
        (".jpg", "JPEG"),
        (".webp", "WEBP"),
        (".tif", "TIFF"),
        (".bmp", "BMP"),
        (".ppm", "PPM"),
    ],
)
def test_the_suffix_chooses_the_kind_of_picture(workdir: Path, suffix: str, kind: str) -> None:
    assert run(f"decode good.inr -o new{suffix}") == 0
    with Image.open(f"new{suffix}") as image:
        assert image.format == kind


@pytest.mark.parametrize("name", ["-", "good.inr"])
def test_decode_writes_a_png_to_standard_output(
    workdir: Path, stdin: io.BytesIO, data: bytes, capfdbinary: pytest.CaptureFixture[bytes], name: str
) -> None:
    stdin.write(data)
    stdin.seek(0)
    assert run(f"decode {name} -o -") == 0
    with Image.open(io.BytesIO(capfdbinary.readouterr().out)) as image:
        np.testing.assert_array_equal(np.asarray(image), decoder.decode(data))


def test_force_replaces_the_output(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("decode good.inr -o taken.png --force") == 0
    assert to_array("taken.png").shape == (5, 7, 3)
    assert capfd.readouterr().err == "taken.png: 7x5\n"


def test_encode_makes_a_file_beside_the_input_that_decodes(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("encode photo.png -e 1") == 0
    data, photo = Path("photo.inr").read_bytes(), to_array("photo.png")
    assert metrics.psnr(photo, decoder.decode(data)) > 20
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"photo.inr: {len(data)} bytes, {len(data) / 32:.3f} bpp, ")


def test_encode_with_force_replaces_the_output(workdir: Path) -> None:
    assert run("encode photo.png -e 1 -o taken.inr -f") == 0
    assert families.read(Path("taken.inr").read_bytes()).width == 16


def test_encode_goes_from_standard_input_to_standard_output(
    workdir: Path, stdin: io.BytesIO, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    stdin.write(Path("photo.png").read_bytes())
    stdin.seek(0)
    files = sorted(os.listdir())
    assert run("encode - -e 1") == 0
    assert families.read(capfdbinary.readouterr().out).width == 16
    assert sorted(os.listdir()) == files


def test_verbose_names_every_stage(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("encode photo.png -e 1 -v --prune 0.2 -q 90") == 0
    lines = capfd.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines[1:-1]] == ["fit", "prune", "round to nearest", "compensated"]


def test_info_is_for_reading(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("info good.inr") == 0
    out, err = capfd.readouterr()
    assert out.splitlines()[:5] == [
        "good.inr: 7x5 pixels, RGB, 106 bytes, 24.23 bits per pixel; format version 1.",
        "A network of 2 sine layers of 6, 5 neurons (SIREN 2-6-5-3): 71 weights, "
        "0 of them 0, 11.94 bits of the file for each.",
        "It is drawn in float64, as float32 would differ. It has no hash to check the drawing by.",
        "",
        "layer 1         2 -> 6: 18 weights, 0 of them 0, 4.17 bits each",
    ]
    assert err == ""


@pytest.mark.parametrize("name", ["new\nline.inr", "\x1b[31m.inr", os.fsdecode(b"\xff\xfe.inr")])
def test_info_shows_any_name(workdir: Path, data: bytes, capfd: pytest.CaptureFixture[str], name: str) -> None:
    Path(name).write_bytes(data)
    assert cli.main(["info", name]) == 0
    first = capfd.readouterr().out.splitlines()[0]
    assert first.isprintable()
    assert first.endswith(": 7x5 pixels, RGB, 106 bytes, 24.23 bits per pixel; format version 1.")


def test_info_says_how_a_file_is_drawn_and_checked(
    workdir: Path, model: StoredPicture, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("safe.inr").write_bytes(families.write(dataclasses.replace(model, f32_safe=True, content_hash=0xABC)))
    assert run("info safe.inr") == 0
    assert capfd.readouterr().out.splitlines()[2] == (
        "It is drawn in float32. `inrcodec verify` checks the drawing by the hash 00000abc."
    )


def test_info_json_is_one_object(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("info good.inr --json") == 0
    facts = json.loads(capfd.readouterr().out)
    assert {key: facts[key] for key in ("file", "version", "width", "height", "channels", "bytes")} == {
        "file": "good.inr", "version": 1, "width": 7, "height": 5, "channels": 3, "bytes": 106
    }  # fmt: skip
    assert facts["bpp"] == round(8 * 106 / 35, 4)
    assert facts["weights"] == 71
    assert facts["zero_weights"] == int((families.read(Path("good.inr").read_bytes()).network.symbols[0] == 0).sum())
    assert sum(facts["parts"].values()) == 106


def test_info_says_how_far_the_weights_are_from_their_ideal_lengths(
    workdir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tensors = families.read(Path("good.inr").read_bytes()).network.symbols
    order_0 = codelength.order_0_bits(np.concatenate([tensor.reshape(-1) for tensor in tensors])) / 8
    laplace = codelength.model_bits(tensors, hidden_biases(len(tensors))) / 8
    assert run("info good.inr --json") == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["ideal"] == {
        "weights_bytes": facts["parts"]["weights"],
        "order_0_bytes": math.ceil(order_0),
        "order_0_percent": round(100 * (81 - order_0) / 106, 2),
        "laplace_bytes": math.ceil(laplace),
        "laplace_percent": round(100 * (81 - laplace) / 106, 2),
    }
    assert run("info good.inr") == 0
    entropy_line, laplace_line = capfd.readouterr().out.splitlines()[-2:]
    assert entropy_line == f"order-0 entropy {math.ceil(order_0)} bytes: the weights take 26.8 % of the file more"
    assert (
        laplace_line == f"Laplace/tensor  {math.ceil(laplace)} bytes: an arithmetic coder would lose 4.3 % of the file"
    )


@pytest.mark.parametrize("size", [0, 1_000, 99_999_999])
@pytest.mark.parametrize("percent", [-99.99, 0.0, 99.99])
def test_info_of_any_size_fits_100_columns(capsys: pytest.CaptureFixture[str], size: int, percent: float) -> None:
    info._print_ideal(
        {"order_0_bytes": size, "order_0_percent": percent, "laplace_bytes": size, "laplace_percent": percent}
    )
    lines = capsys.readouterr().out.splitlines()
    assert [len(line) <= 100 for line in lines] == [True, True]


@pytest.mark.parametrize("arguments", ["info good.inr", "decode good.inr -o -", "decode good.inr -o - --scale 99"])
def test_a_reader_that_leaves_is_no_failure(workdir: Path, arguments: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = python("-m", "inrcodec.cli", *arguments.split(), stdout=write_end)
    os.close(write_end)
    assert (process.returncode, b"Broken" in process.stderr) == (0, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_an_output_error(workdir: Path) -> None:
    with open("/dev/full", "wb") as full:
        process = python("-m", "inrcodec.cli", "decode", "good.inr", "-o", "-", stdout=full.fileno())
    assert process.returncode == 5
    assert process.stderr == b"inrcodec: -: No space left on device\n"


def test_standard_input_is_named_in_messages(stdin: io.BytesIO, capfd: pytest.CaptureFixture[str]) -> None:
    stdin.write(b"not a picture")
    stdin.seek(0)
    assert cli.main(["decode", "-", "-o", "new.png"]) == 3
    assert capfd.readouterr().err.startswith("inrcodec: -: not an .inr file")


def loaded(arguments: list[str], before: str = "") -> set[str]:
    """Which of torch and torchao a fresh interpreter has loaded after one command."""
    process = python(
        "-c",
        f"{before}\nimport sys, contextlib, inrcodec.cli\n"
        f"with contextlib.suppress(SystemExit): assert inrcodec.cli.main({arguments!r}) == 0\n"
        "print('loaded', *{'torch', 'torchao'} & set(sys.modules), file=sys.stderr)",
    )
    assert process.returncode == 0, process.stderr
    return set(process.stderr.decode().splitlines()[-1].split()) - {"loaded"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["encode", "--help"], ["info", "good.inr"], ["decode", "good.inr"]]
)
def test_a_command_that_needs_no_torch_loads_none(workdir: Path, arguments: list[str]) -> None:
    assert loaded(arguments) == set()


def test_the_check_for_torch_can_fail(workdir: Path) -> None:
    assert loaded(["info", "good.inr"], before="import torch") == {"torch"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_names_every_command(capfd: pytest.CaptureFixture[str], shell: str) -> None:
    assert run(f"completion {shell}") == 0
    script = capfd.readouterr().out
    for word in ("encode", "decode", "fleet", "time-limit", "shard"):
        assert word in script


def test_python_m_inrcodec_is_the_command(workdir: Path) -> None:
    module, script = (python("-m", name, "info", "nothing.inr") for name in ("inrcodec", "inrcodec.cli"))
    assert (module.returncode, module.stderr) == (script.returncode, script.stderr)
    assert module.returncode == 3
    assert python("-m", "inrcodec", "--help").stdout.startswith(b"usage: inrcodec ")
    assert python("-m", "inrcodec").stderr.startswith(b"inrcodec: ")


def test_help_names_every_command_and_shows_each() -> None:
    page = parser().format_help()
    commands = next(action for action in parser()._actions if action.choices).choices
    usage, examples = page.split("\n\n")[0].split(), page.split("examples:")[1]
    for command in commands:
        assert command in usage
        assert f"inrcodec {command} " in examples
