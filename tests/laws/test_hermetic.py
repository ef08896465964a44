"""Decoding touches nothing but its bytes, and no module of the package can execute what a file says."""

import ast
from pathlib import Path

import pytest

from inrcodec import families
from tests.support.helpers import ROOT, python, small_model

PACKAGE = ROOT / "inrcodec"

WATCHED = """
import sys
from inrcodec.decoding import decoder
from inrcodec.errors import ChecksumError
data, bad = bytes.fromhex(sys.argv[1]), bytes.fromhex(sys.argv[2])
decoder.decode(data, (9, 9))
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event))
picture = decoder.open_bytes(data)
for size in ((9, 9), (3, 2), (40, 50), (1, 1)):
    picture.render(size)
decoder.decode(data, exact=True)
try:
    decoder.decode(bad)
except ChecksumError:
    pass
{extra}
print(*seen)
"""
"""Every audit event, https://docs.python.org/3/library/audit_events.html, of a decode after a first one."""


def events(extra: str = "") -> set[str]:
    """The events of decoding good and bad bytes, and of `extra`."""
    data = families.write(small_model())
    process = python("-c", WATCHED.format(extra=extra), data.hex(), (data[:-1] + b"\0").hex())
    assert process.returncode == 0, process.stderr
    return set(process.stdout.decode().split())


def test_decoding_opens_imports_and_starts_nothing() -> None:
    assert events() == set()


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("open('/dev/null')", "open"),
        ("import wave", "import"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        ("import pickle; pickle.loads(pickle.dumps(print))", "pickle.find_class"),
        ("import socket; socket.socket()", "socket.__new__"),
        ("exec('1')", "exec"),
    ],
)
def test_the_watch_can_fail(code: str, event: str) -> None:
    assert event in events(code)


MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "yaml", "runpy", "code", "ctypes", "imp", "subprocess",
           "socket", "urllib", "http"}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
METHODS = {("os", "system"), ("os", "popen"), ("torch", "load"), ("torch", "save"), ("np", "load"), ("np", "fromfile"),
           ("os", "execv"), ("tempfile", "mktemp"), ("numpy", "load")}  # fmt: skip
KEYWORDS = {"shell", "allow_pickle"}


def faults(source: str) -> set[str]:
    """What a module does that none may: executing data, and checking by `assert`, which `python -O` leaves out."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {name.name.split(".")[0] for name in names} & MODULES
            case ast.ImportFrom(module=str(module)):
                found |= {module.split(".")[0]} & MODULES
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                found.add(name)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (module, name) in METHODS:
                found.add(f"{module}.{name}")
            case ast.keyword(arg=str(name), value=value) if name in KEYWORDS:
                if not (isinstance(value, ast.Constant) and value.value is False):
                    found.add(name)
            case ast.Assert():
                found.add("assert")
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_executes_data_or_checks_by_assert(path: Path) -> None:
    assert not faults(path.read_text())


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from marshal import loads",
        "eval(x)",
        "exec(x)",
        "compile(x, '', 'exec')",
        "subprocess.run(x, shell=True)",
        "subprocess.run(x, shell=yes)",
        "os.system(x)",
        "torch.load(x)",
        "np.load(x, allow_pickle=True)",
        "assert x",
        "def f():\n    import ctypes",
    ],
)
def test_the_scan_can_fail(source: str) -> None:
    assert faults(source)


@pytest.mark.parametrize("source", ["re.compile(x)", "model.eval()", "f(allow_pickle=False)", "import zlib"])
def test_the_scan_does_not_cry_wolf(source: str) -> None:
    assert not faults(source)
