"""The pages of docs/ say what is there: made ones are up to date, what they name exists, and the tutorial runs."""

import ast
import dataclasses
import re
from pathlib import Path

import pytest

import inrcodec
from inrcodec import errors
from inrcodec.cli import arguments
from tests.support.helpers import ROOT, python
from tools.make import api_doc

DOCS = ROOT / "docs"


def test_the_page_of_the_api_is_what_the_docstrings_make() -> None:
    assert api_doc.PAGE.read_text() == api_doc.page()


def test_the_page_of_the_api_has_every_public_name() -> None:
    named = [name for names in api_doc.CHAPTERS.values() for name in names]
    assert sorted(named) == sorted(inrcodec.__all__)


def test_the_page_of_the_api_says_of_every_field_what_it_is_and_its_default() -> None:
    page = api_doc.page()
    for name in inrcodec.__all__:
        thing = getattr(inrcodec, name)
        for field in dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ():
            declared, text = api_doc.field_docs(thing)[field.name]
            assert text, f"{name}.{field.name}"
            assert (" = " in declared) == (field.default is not dataclasses.MISSING)
            assert f"- `{declared}`: " in page


PLAIN = {"NDArray", "Callable", "Mapping", "Any", "Self", "Tensor", "Image", "Array", "PathLike"}
"""Types of NumPy, Pillow, torch and Python."""


def test_every_type_that_a_public_name_takes_or_returns_is_public() -> None:
    for text in re.findall(r"```\n(\w+(?:\(| = ).*)\n```|^- `(.*?)`: ", api_doc.page(), re.MULTILINE):
        kinds = re.findall(r"(?<![\w'])[A-Z]\w+", re.sub(r"'.*?'| = [^=]*?\(.*?\)", "", text[0] or text[1]))
        assert set(kinds) - {"None", "False", "True", "FORGETFUL"} <= PLAIN | set(inrcodec.__all__), text


def test_every_error_is_public_and_on_the_page_with_its_exit_code() -> None:
    ours = {name for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, Exception)}
    assert ours == set(api_doc.CHAPTERS["Errors"])
    for name in ours:
        code = getattr(inrcodec, name).exit_code
        assert re.search(rf"### inrcodec.{name}\n\n\*.*; exit code {code}\*\n", api_doc.page())


def test_the_tutorial_runs_and_leaves_its_pictures(tmp_path: Path) -> None:
    process = python(str(DOCS / "tutorial.py"), str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert b"verify: " in process.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"astronaut.inr", "thumbnail.png", "large.png", "part.png"}


def test_every_test_that_proves_a_feature_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (DOCS / "features.md").read_text())
    assert len(named) > 20
    for file, function in named:
        tree = ast.parse((ROOT / file).read_text())
        assert not function or function in {getattr(node, "name", "") for node in tree.body}, f"{file}::{function}"


COMMANDS = re.findall(r"^    (inrcodec \w+ .*)$", (DOCS / "cli.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_option_that_is_shown_exists(line: str) -> None:
    command = line.split()[1]
    parsers = next(action for action in arguments.parser()._actions if action.choices).choices
    for option in re.findall(r"(?<![\w-])--?[a-z-]+", line):
        assert option in parsers[command].format_help(), f"{command} has no {option}"


def test_every_option_there_is_is_shown() -> None:
    page = (DOCS / "cli.md").read_text()
    parsers = next(action for action in arguments.parser()._actions if action.choices).choices
    for parser in parsers.values():
        for action in parser._actions:
            if action.option_strings and action.help != "==SUPPRESS==" and action.dest != "help":
                assert any(option in page for option in action.option_strings), action.option_strings


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_every_link_leads_somewhere(page: str) -> None:
    for name in re.findall(r"\]\((?!https?:)([^)#]+)\)", (DOCS / page).read_text()):
        assert (DOCS / name).exists(), name
