"""The scripts say what they do, and what has failed with the command to see it; nothing is installed here."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.helpers import ROOT

STUB = """#!/bin/bash
echo "$*" >>called
case "$*" in {failing}) echo "  WARNING: noise" >&2; echo "the reason" >&2; exit 3 ;; esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The scripts, with a .venv of which nothing is real."""
    (tmp_path / "tools").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    for name in ("tools/demo.sh", "tools/test.sh", "tools/venv.sh", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def start(project: Path, script: str, *arguments: str, failing: str) -> tuple[int, list[str], list[str]]:
    """(exit code, lines on stderr, what was called) of a script while commands that match `failing` fail."""
    for name in ("python", "inrcodec", "ruff", "mypy"):
        (project / ".venv" / "bin" / name).write_text(STUB.format(failing=failing))
        (project / ".venv" / "bin" / name).chmod(0o755)
    command = ["bash", str(project / "tools" / script), *arguments]
    process = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    return process.returncode, process.stderr.splitlines(), (project / "called").read_text().splitlines()


def test_each_step_is_said_before_it_is_done(project: Path) -> None:
    code, said, called = start(project, "demo.sh", "my picture.png", failing="nothing")
    assert code == 0
    assert [line.split()[0] for line in called] == ["-m", "encode", "decode", "decode", "view", "info"]
    steps = [line for line in said if line.startswith("== ")]
    assert steps[0].startswith("== installing inrcodec")
    assert len(steps) == len(called)
    again = start(project, "demo.sh", failing="nothing")[2]
    assert [line.split()[0] for line in again[len(called) :]] == ["encode", "decode", "decode", "view", "info"]


def test_the_picture_is_no_part_of_what_is_installed(project: Path) -> None:
    pip = start(project, "demo.sh", "my picture.png", failing="nothing")[2][0]
    assert "picture" not in pip
    assert "--require-virtualenv" in pip


@pytest.mark.parametrize(
    ("script", "failing", "step"),
    [
        ("demo.sh", '"-m pip"*', "installing inrcodec"),
        ("demo.sh", "encode*", "encoding"),
        ("demo.sh", "*--scale*", "drawing it three times as large"),
        ("test.sh", '"-m pip"*', "installing inrcodec"),
        ("test.sh", '"-m pytest"*', "running the tests"),
    ],
)
def test_what_failed_is_said_with_the_command_to_see_it(project: Path, script: str, failing: str, step: str) -> None:
    code, said, called = start(project, script, *(["my picture.png"] if script == "demo.sh" else []), failing=failing)
    assert code == 3
    assert said[-2].startswith(f"failed while {step}")
    assert " ".join(shlex.split(said[-1])).endswith(called[-1])
    assert "the reason" in said
    assert len([line for line in said if line.startswith("failed while")]) == 1
    assert ("  WARNING: noise" in said) == ("pip" not in failing)
