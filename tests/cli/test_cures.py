"""The library names cures, and the command line has words for each of them."""

import copy
import pickle
import re

import pytest

from inrcodec.cli.cures import _WORDS, worded
from inrcodec.errors import LimitError, OutputError, RequestError
from tests.support.helpers import ROOT

SOURCES = [path for path in (ROOT / "inrcodec").rglob("*.py") if "cli" not in path.relative_to(ROOT).parts]


def test_every_cure_that_is_named_has_words_and_no_other() -> None:
    named = {name for path in SOURCES for name in re.findall(r'cured_by\("([^"]+)"\)', path.read_text())}
    assert named == set(_WORDS)


def test_no_error_of_the_library_names_an_option_of_the_command_line() -> None:
    for path in SOURCES:
        assert not re.findall(r'Error\(\s*f?"[^"]*--[a-z]', path.read_text()), path


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_a_cure_stays_with_its_error(again: object) -> None:
    error = again(OutputError("a.png: exists already").cured_by("overwrite"))  # type: ignore[operator]
    assert worded(error) == "a.png: exists already: choose another name, or add --force"
    assert worded(error.about("it")) == "it: a.png: exists already: choose another name, or add --force"


def test_a_limit_is_cured_by_its_name_and_what_cannot_be_cured_is_said_as_it_is() -> None:
    assert worded(LimitError("wide", "max_side", 9, 8)) == "wide: to accept it, --limit max_side=9"
    assert worded(LimitError("wide")) == "wide"
    assert worded(RequestError("no")) == "no"
