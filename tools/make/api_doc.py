"""docs/api.md: every public name of the package, made from the docstrings.

    python tools/make/api_doc.py

A test compares the page with what this makes.
"""

import ast
import importlib
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import inrcodec
from tools import ROOT

PAGE = ROOT / "docs" / "api.md"
CHAPTERS = {
    "Encode": [
        "encode",
        "encode_with_report",
        "EncoderConfig",
        "Encoded",
        "Stage",
        "load",
        "ImageLike",
        "Source",
        "Monitor",
        "Progress",
        "Estimate",
        "Keeper",
        "State",
    ],
    "Decode": ["decode", "open", "Picture", "Jet", "Region", "DecodeLimits", "Codes", "Samples", "Stopped", "Report"],
    "Files": [
        "read_header",
        "Header",
        "Architecture",
        "SirenArch",
        "metadata_of",
        "Metadata",
        "verify",
        "Verdict",
        "Agreement",
    ],
    "Pages, shaders, Pillow, torch": ["html_page", "glsl_shader", "register_pillow", "as_module", "PictureModule"],
    "Errors": [
        "InrError",
        "BitstreamError",
        "NotInrError",
        "TruncatedError",
        "ChecksumError",
        "CorruptError",
        "UnsupportedError",
        "InputImageError",
        "CheckpointError",
        "TargetError",
        "TimeLimitError",
        "LimitError",
        "RequestError",
        "NotInstalledError",
        "OutputError",
        "EncodeError",
        "VerifyError",
        "ResourceError",
        "StoppedError",
    ],
}
INTRODUCTION = """\
# The Python API

Made by `python tools/make/api_doc.py` from the docstrings. `import inrcodec` loads neither torch nor NumPy; each name
is resolved when it is first used. [tutorial.py](tutorial.py) is a tour. Many pictures on many machines, `from inrcodec
import fleet`: [fleet.md](fleet.md).
"""


def docstring(thing: Any) -> str:
    """As it stands in the source."""
    return inspect.cleandoc(thing.__doc__ or "")


def source_of(thing: Any) -> Any:
    """The syntax tree of a class or a function."""
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def documented(body: list[ast.stmt]) -> Iterator[tuple[ast.Assign | ast.AnnAssign, str]]:
    """The assignments among statements, each with what the string below it says."""
    for node, after in itertools.pairwise([*body, ast.Pass()]):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            text = after.value if isinstance(after, ast.Expr) else None
            yield node, inspect.cleandoc(text.value) if isinstance(text, ast.Constant) else ""


def field_docs(record: type) -> dict[str, tuple[str, str]]:
    """Of each field of a dataclass or a named tuple: how it is declared, its default as a value, and what it is."""
    found = {}
    for node, text in documented(source_of(record).body):
        if isinstance(node, ast.AnnAssign):
            name = ast.unparse(node.target)
            default = f" = {value_of(node.value, vars(inspect.getmodule(record)))}" if node.value else ""
            found[name] = f"{name}: {ast.unparse(node.annotation)}{default}", text
    return found


def value_of(default: ast.expr, names: dict[str, Any]) -> str:
    """A default as a caller would write it: of a constant's name its value, where that can be written."""
    value = names.get(default.id) if isinstance(default, ast.Name) else None
    if isinstance(value, int | float | str | tuple):
        return repr(value)
    if is_dataclass(value) and value == type(value)():
        return f"{type(value).__name__}()"
    return ast.unparse(default)


def code(text: str) -> str:
    return f"```\n{text}\n```"


def signature(name: str, thing: Any) -> str:
    """How it is called, with its defaults as values."""
    function = inspect.unwrap(thing)
    source = source_of(function)
    arguments: ast.arguments = source.args
    defaults = [value_of(default, function.__globals__) for default in arguments.defaults]
    arguments.defaults = [ast.parse(default, mode="eval").body for default in defaults]
    listed = ast.unparse(arguments).removeprefix("self, ").removeprefix("self")
    return f"{name}({listed})" + (f" -> {ast.unparse(source.returns)}" if source.returns else "")


def entry(name: str) -> str:
    """One public name: a function, a record, an error, another class, or the name of a type."""
    thing, title = getattr(inrcodec, name), f"### inrcodec.{name}"
    if inspect.isfunction(thing):
        return "\n\n".join([title, code(signature(name, thing)), code(docstring(thing))])
    if not inspect.isclass(thing):
        return "\n\n".join([title, *alias(name)])
    kinds = [ancestry(thing)] if issubclass(thing, Exception) else []
    return "\n\n".join([title, *kinds, docstring(thing), *members(thing)])


def alias(name: str) -> tuple[str, str]:
    """What the name of a type stands for, and what that is."""
    home, attribute = inrcodec._HOMES[name]
    module = importlib.import_module(f"inrcodec.{home}")
    for node, text in documented(ast.parse(inspect.getsource(module)).body):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == attribute:
            return code(f"{name} = {ast.unparse(node.value)}"), text
    raise LookupError(name)


def ancestry(error: type[inrcodec.InrError]) -> str:
    """What else an error is, and the exit code of the command line that it ends."""
    kinds = ", ".join(kind.__name__ for kind in error.__bases__)
    return f"*{kinds}; exit code {error.exit_code}*"


def members(thing: type) -> Iterator[str]:
    """Fields, methods and properties of a class."""
    names: dict[str, tuple[str, str]] = {}
    if is_dataclass(thing) or hasattr(thing, "_fields"):
        names = field_docs(thing)
        yield "\n".join(f"- `{declared}`: {' '.join(text.split())}" for declared, text in names.values())
    for key, member in vars(thing).items():
        if key not in names and inspect.isfunction(inspect.unwrap(member)) and not key.startswith("_"):
            plain = inspect.unwrap(member)
            yield f"#### {thing.__name__}.{key}"
            yield code(signature(key, plain))
            yield code(docstring(plain))
        elif isinstance(member, property):
            yield f"`{thing.__name__}.{key}`: {docstring(member)}"


def page() -> str:
    """The whole page."""
    chapters = [f"## {title}\n\n" + "\n\n".join(map(entry, names)) for title, names in CHAPTERS.items()]
    return "\n\n".join([INTRODUCTION.rstrip(), *chapters]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(PAGE)
