"""A wheel with nothing but the decoder's dependencies beside it: it decodes, and all else says what to install."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inrcodec import cli, families, installed
from inrcodec.decoding.decoder import decode
from inrcodec.errors import NotInstalledError
from inrcodec.families.grid.prior import PRIORS
from inrcodec.pictures import save
from tests.support.grids import grid_picture
from tests.support.helpers import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
Run = Callable[..., subprocess.CompletedProcess[str]]


def name_of(requirement: str) -> str:
    return re.split(r"[<>=~!\[ ]", requirement)[0]


def closed(names: set[str]) -> set[str]:
    """Extras of ours, with those that they take in."""
    more = {
        part
        for name in names
        for requirement in PROJECT["optional-dependencies"][name]
        if requirement.startswith("inrcodec[")
        for part in requirement.removeprefix("inrcodec[").rstrip("]").split(",")
    }
    return names if more <= names else closed(names | more)


def packages_of(extra: str) -> set[str]:
    """The distributions that an extra installs."""
    requirements = [r for name in closed({extra}) for r in PROJECT["optional-dependencies"][name]]
    return {name_of(requirement) for requirement in requirements} - {"inrcodec"}


def bare_environment(folder: Path) -> Path:
    """A virtual environment with a wheel of the project and, by links, its dependencies; its bin folder."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    binaries = folder / "venv" / "bin"
    (wheel,) = folder.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(binaries / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    for requirement in PROJECT["dependencies"]:
        for top, place in top_levels(name_of(requirement)):
            (packages / top).symlink_to(place)
    return binaries


def top_levels(distribution: str) -> Iterator[tuple[str, Path]]:
    """Names and places of what an installed distribution has beside others in site-packages."""
    found = importlib.metadata.distribution(distribution)
    tops = {Path(file).parts[0] for file in found.files or ()} - {"..", "__pycache__"}
    yield from ((top, Path(str(found.locate_file(top)))) for top in sorted(tops))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> Run:
    """Runs a command of the bare environment, in a folder with a file and a picture."""
    for module in ("hatchling", "pip"):
        pytest.importorskip(module, reason=f"building the wheel takes {module}, of the extra dev")
    folder = tmp_path_factory.mktemp("install")
    binaries = bare_environment(folder)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    (folder / "good.inr").write_bytes(data)
    (folder / "grid.inr").write_bytes(families.write(grid_picture(13, 7, 3)))
    (folder / "photo.png").write_bytes(save.to_file(decode(data), "PNG"))

    def call(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(binaries / program), *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    return call


DECODER = [
    "decode good.inr -o small.png --size 64x64",
    "decode good.inr -o small.tiff --size 64x64 --depth 16",
    "decode good.inr -o edges.png --size 64x64 --channels gradient",
    "view good.inr",
    "export --npz good.inr",
    "info good.inr",
    "verify good.inr",
    "compare photo.png good.inr -o sheet.png",
    "decode grid.inr -o grid.png --size 31x17",
    "export --npz grid.inr",
    "info grid.inr",
    "verify grid.inr",
]


@pytest.mark.parametrize("line", DECODER)
def test_the_decoders_commands_work_with_its_dependencies_alone(run: Run, line: str) -> None:
    process = run("inrcodec", *line.split())
    assert process.returncode == 0, process.stderr


REST = {
    "encode photo.png": "encode needs torch and torchao, which are not installed: pip install torch torchao",
    "fleet photo.png -o out": "a fleet needs distributed and fsspec, which are not installed: "
    "pip install distributed fsspec",
    "completion bash": "completion needs shtab, which is not installed: pip install shtab",
    "decode good.inr -o x.png --device cuda": "device cuda needs torch, which is not installed: pip install torch",
}


@pytest.mark.parametrize("line", REST)
def test_all_else_says_in_a_line_what_to_install(run: Run, line: str) -> None:
    process = run("inrcodec", *line.split())
    assert process.returncode == NotInstalledError.exit_code
    assert process.stdout == ""
    assert process.stderr == f"inrcodec: {REST[line]}\n"


EVERY_NAME = """
import json, inrcodec
from PIL import Image
missing = []
for name in inrcodec.__all__:
    try:
        getattr(inrcodec, name)
    except inrcodec.NotInstalledError:
        missing.append(name)
inrcodec.register_pillow()
with Image.open("good.inr") as image:
    image.thumbnail((32, 32))
try:
    image.save("x.inr")
except inrcodec.NotInstalledError:
    missing.append("save")
print(json.dumps(missing))
"""


def test_of_the_api_only_encoding_and_torch_modules_are_missing(run: Run) -> None:
    process = run("python", "-c", EVERY_NAME)
    assert process.returncode == 0, process.stderr
    classes, functions = ["Encoded", "PictureModule"], ["as_module", "encode", "encode_with_report"]
    assert json.loads(process.stdout) == [*classes, *functions, "save"]


def test_wheel_and_sources_hold_the_priors(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="building takes hatchling, of the extra dev")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)], cwd=ROOT, check=True)
    (wheel,), (sources,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as in_wheel, tarfile.open(sources) as in_sources:
        names = [*in_wheel.namelist(), *in_sources.getnames()]
    for prior in PRIORS.values():
        assert sum(name.endswith(f"inrcodec/families/grid/{prior}") for name in names) == 2


def test_the_bare_environment_has_no_torch(run: Run) -> None:
    assert "No module named 'torch'" in run("python", "-c", "import torch").stderr


@pytest.mark.parametrize("missing", ["torch", "torchao"])
@pytest.mark.parametrize("command", ["encode photo.png cut.png", "fleet photo.png -o out"])
def test_a_command_that_encodes_asks_once_before_it_begins(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert cli.main(command.split()) == NotInstalledError.exit_code
    told = f"inrcodec: {command.split()[0]} needs {missing}, which is not installed: pip install {missing}\n"
    assert capsys.readouterr() == ("", told)
    assert not Path("out").exists()


def test_the_extra_all_is_every_extra_of_a_user_and_dev_has_all() -> None:
    users = set(PROJECT["optional-dependencies"]) - {"all", "dev"}
    assert packages_of("all") == set.union(*map(packages_of, users))
    assert packages_of("all") < packages_of("dev")


def test_what_is_asked_for_is_installed_by_an_extra_under_the_same_name() -> None:
    asked = set(installed.ENCODER)
    for path in (ROOT / "inrcodec").rglob("*.py"):
        for call in re.findall(r"installed\.require\((.*)\)", path.read_text()):
            asked |= set(re.findall(r'"(\w+)"', call.partition(",")[2]))
    assert asked <= packages_of("all") | {name_of(requirement) for requirement in PROJECT["dependencies"]}
    assert {"torch", "torchao", "shtab", "distributed", "fsspec"} <= asked


def test_every_requirement_is_tested_at_a_version_of_its_own() -> None:
    pinned = {name_of(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    wanted = packages_of("dev") | {name_of(requirement) for requirement in PROJECT["dependencies"]}
    assert wanted <= pinned


def test_a_package_that_is_missing_is_named_and_one_that_is_there_is_not() -> None:
    installed.require("decoding", "numpy")
    with pytest.raises(NotInstalledError, match=r"^it needs no_such_package, which is not installed: pip install no_"):
        installed.require("it", "numpy", "no_such_package")
    with pytest.raises(ImportError):
        installed.require("it", "no_such_package")
