"""docs/api.md: every public name of the package, made from the docstrings.

    python tools/make_api_doc.py

A test compares the page with what this makes.
"""

import ast
import inspect
import itertools
import sys
import textwrap
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import inrcodec  # noqa: E402

PAGE = ROOT / "docs" / "api.md"
CHAPTERS = {
    "Encode": ["encode", "encode_with_report", "EncoderConfig", "load", "Source", "Monitor", "Progress", "Estimate"],
    "Decode": ["decode", "open", "Picture", "Region", "DecodeLimits"],
    "Files": ["read_header", "metadata_of", "Metadata", "verify", "Verdict"],
    "Pillow and torch": ["register_pillow", "as_module", "PictureModule"],
    "Errors": ["InrError", "BitstreamError", "LimitError"],
}
INTRODUCTION = """\
# The Python API

Made by `python tools/make_api_doc.py` from the docstrings. `import inrcodec` loads neither torch nor NumPy; each name
is resolved when it is first used. [tutorial.py](tutorial.py) is a tour.
"""


def docstring(thing: Any) -> str:
    """As it stands in the source."""
    return inspect.cleandoc(thing.__doc__ or "")


def field_docs(record: type) -> dict[str, str]:
    """What the string below each field of a dataclass says."""
    body = ast.parse(textwrap.dedent(inspect.getsource(record))).body[0].body  # type: ignore[attr-defined]
    found = {}
    for node, after in itertools.pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[ast.unparse(node.target)] = inspect.cleandoc(after.value.value)
    return found


def code(text: str) -> str:
    return f"```\n{text}\n```"


def signature(name: str, thing: Any) -> str:
    """How it is called, a line for each argument where there are many."""
    source: Any = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(thing)))).body[0]
    arguments = ast.unparse(source.args).removeprefix("self, ").removeprefix("self")
    returns = f" -> {ast.unparse(source.returns)}" if source.returns else ""
    return f"{name}({arguments}){returns}"


def entry(name: str) -> str:
    """One public name: a function, a record, or a class."""
    thing = getattr(inrcodec, name)
    parts = [f"### inrcodec.{name}"]
    if not inspect.isclass(thing):
        return "\n\n".join([*parts, code(signature(name, thing)), code(docstring(thing))])
    parts.append(docstring(thing))
    if is_dataclass(thing):
        docs = field_docs(thing)
        lines = [f"- `{f.name}`: {' '.join(docs.get(f.name, '').split())}".removesuffix(": ") for f in fields(thing)]
        parts.append("\n".join(lines))
    names = {f.name for f in fields(thing)} if is_dataclass(thing) else set()
    for key, member in vars(thing).items():
        if key not in names and inspect.isfunction(inspect.unwrap(member)) and not key.startswith("_"):
            plain = inspect.unwrap(member)
            parts += [f"#### {name}.{key}", code(signature(key, plain)), code(docstring(plain))]
        elif isinstance(member, property):
            parts.append(f"`{name}.{key}`: {docstring(member)}")
    return "\n\n".join(parts)


def page() -> str:
    """The whole page."""
    chapters = [f"## {title}\n\n" + "\n\n".join(map(entry, names)) for title, names in CHAPTERS.items()]
    return "\n\n".join([INTRODUCTION.rstrip(), *chapters]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(PAGE)
