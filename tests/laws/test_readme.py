"""What the README shows, runs."""

import re
import shlex

import numpy as np
import pytest

from inrcodec.cli import arguments
from tests.support.helpers import ROOT

TEXT = (ROOT / "README.md").read_text()


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    exec(code, names)
    assert isinstance(names["data"], bytes)
    for name, shape in (("back", (256, 256, 3)), ("large", (768, 768, 3)), ("eye", (256, 256, 3)), ("colours", (2, 3))):
        value = names[name]
        assert isinstance(value, np.ndarray)
        assert value.shape == shape


def test_every_option_of_the_command_line_that_is_shown_exists() -> None:
    lines = re.findall(r"^    (inrcodec \w+ .*?)(?:#.*)?$", TEXT, re.MULTILINE)
    assert len(lines) >= 6
    parsers = next(action for action in arguments.parser()._actions if action.choices).choices
    for line in lines:
        command = shlex.split(line)[1]
        for option in re.findall(r"(?<![\w-])--?[a-z-]+", line):
            assert re.search(rf"(?<![\w-]){option}\b", parsers[command].format_help()), f"{command} has no {option}"


def test_every_file_that_is_named_exists() -> None:
    for name in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT) + re.findall(
        r"(?:bash|python) (tools/[\w/]+\.\w+)", TEXT
    ):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`(\w+\.py)`", TEXT):
        assert any(path for folder in ("inrcodec", "tools", "tests") for path in (ROOT / folder).rglob(name)), name
