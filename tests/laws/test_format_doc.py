"""docs/format.md says what the docstrings say, and its example is a real file, read to its last byte."""

import re

from inrcodec.families.grid import prior
from tests.support import independent_decoder
from tools.make import format_doc


def test_the_page_is_what_the_docstrings_make() -> None:
    assert format_doc.PAGE.read_text() == format_doc.page(), "run: python tools/make/format_doc.py"


def test_the_page_names_the_priors_that_a_decoder_knows() -> None:
    (told,) = re.findall(r"GRID +u8 +prior, ([0-9, ]*):", format_doc.page())
    assert [int(number) for number in told.split(",")] == list(prior.PRIORS)


def test_the_example_is_walked_from_its_first_byte_to_its_last() -> None:
    data = format_doc.EXAMPLE.read_bytes()
    fields = list(format_doc.fields(data))
    assert b"".join(part for _, part, _ in fields) == data
    assert [at for at, _, _ in fields] == [sum(len(p) for _, p, _ in fields[:i]) for i in range(len(fields))]


def test_the_example_says_what_a_decoder_reads() -> None:
    spec = independent_decoder.read(format_doc.EXAMPLE.read_bytes())
    assert (spec.height, spec.width, spec.channels, spec.dims, spec.coder) == (5, 7, 1, (4,), 0)
    assert set(spec.symbols) == {1}
    assert spec.content_hash is not None
