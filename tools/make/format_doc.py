"""docs/format.md: the specification for people, made from the docstrings that are the specification.

    python tools/make/format_doc.py

A golden file is walked through byte by byte at the end. A test compares the page with what this makes.
"""

import ast
import sys
import textwrap
from collections.abc import Iterator

from tools import ROOT

PAGE = ROOT / "docs" / "format.md"
EXAMPLE = ROOT / "tests" / "golden" / "valid" / "grey.inr"

INTRODUCTION = """\
# The .inr bitstream, version 1

Made by `python tools/make/format_doc.py` from the docstrings of the package, which are the specification. The tests
hold a second decoder that was written from them alone (`tests/support/independent_*.py`, 500 lines of NumPy), and
golden files, valid and bad (`tests/golden/`). What a prior holds is in `families/grid/prior_3.bin`.
"""
CHAPTERS = (
    ("Container", "format/container"),
    ("The SIREN section", "families/siren/stored"),
    ("Entropy coders of weights", "format/entropy"),
    ("The GRID section", "families/grid/stored"),
    ("Sizes of a grid picture", "families/grid/arch"),
    ("Steps", "families/grid/delta"),
    ("Priors", "families/grid/prior"),
    ("Laws of latents", "families/grid/context"),
    ("The entropy coder of latents", "format/ans"),
    ("Levels of a grid picture", "compute/pyramid"),
    ("Drawing a grid picture", "families/grid/drawing"),
    ("Planes at any position", "compute/spline"),
    ("Components", "families/grid/colour"),
    ("Coordinates and samples", "pixels"),
)


def docstring(module: str) -> str:
    """Of a module of the package, without importing it."""
    return ast.get_docstring(ast.parse((ROOT / "inrcodec" / f"{module}.py").read_text())) or ""


def fields(data: bytes) -> Iterator[tuple[int, bytes, str]]:
    """(offset, bytes, meaning) of every field of a file of one SIREN section, with coder 0, and perhaps a HASH."""
    at = 0

    def take(count: int, meaning: str) -> tuple[int, bytes, str]:
        nonlocal at
        at += count
        return at - count, data[at - count : at], meaning

    yield take(4, "magic")
    yield take(1, "version")
    yield take(1, f"flags: F32_SAFE is {'set' if data[5] else 'not set'}")
    yield take(1, f"total_length {data[6]}")
    yield take(1, f"height {data[7]}")
    yield take(1, f"width {data[8]}")
    yield take(1, f"pixel: {1 + (data[9] & 3)} channel, 8 bits, sRGB")
    yield take(1, "section id: SIREN")
    yield take(1, f"length of its payload, {data[11]}")
    depth = data[12]
    yield take(1, f"depth {depth}: one sine layer")
    yield take(1, f"dim_hidden {data[13]}")
    yield take(2 * (depth + 1), "q_step codes of W_1, b_1, W, b")
    yield take(1, "coder 0, raw")
    for name, count in (("W_1 (4, 2)", 8), ("b_1 (4)", 4), ("W (1, 4)", 4), ("b (1)", 1)):
        yield take(count, f"symbols of {name}, zigzag: 2 is +1")
    yield take(1, "section id: HASH, ancillary")
    yield take(1, "length of its payload")
    yield take(4, f"CRC-32 of the {data[7] * data[8]} samples as class X draws them, low byte first")
    yield take(4, "CRC-32 of all bytes before, low byte first")


def walk(data: bytes) -> str:
    """The example as a table."""
    rows = [f"| {at} | `{part.hex(' ')}` | {meaning} |" for at, part, meaning in fields(data)]
    return "\n".join(["| offset | bytes | field |", "|---|---|---|", *rows])


def page() -> str:
    """The text of docs/format.md."""
    chapters = [f"## {title} (`{name}.py`)\n\n```text\n{docstring(name)}\n```\n" for title, name in CHAPTERS]
    name = EXAMPLE.relative_to(ROOT)
    example = textwrap.dedent(f"""\
        ## A file, byte by byte

        `{name}`: a grey picture of 7x5 pixels, one sine layer of four neurons, all symbols 1.

        """)
    return "\n".join([INTRODUCTION, *chapters, example]) + walk(EXAMPLE.read_bytes()) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(PAGE, file=sys.stderr)
