"""Any command line, and any name of a file: a stated exit code, one clean line, and nothing written elsewhere."""

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inrcodec import cli, families, files
from tests.support.helpers import header, seal, siren, small_model

EXAMPLES = int(os.environ.get("INRCODEC_CLI_EXAMPLES", "300"))
CODES = {0, 1, 2, 3, 4, 5, 6}
GOOD = families.write(small_model())
CONTENTS = {
    "good.inr": GOOD,
    "cut.inr": GOOD[:-1],
    "text.inr": b"hello",
    "empty.inr": b"",
    "wide.inr": seal(header(height=2**31 - 1, width=2**31 - 1) + siren()),
    "-leading.inr": GOOD,
    "--size.inr": GOOD,
    "new\nline\x1b[31m.inr": GOOD,
    "right-to-left\u202e.inr": b"bad",
    os.fsdecode(b"\xff\xfe.inr"): GOOD,
    os.fsdecode(b"bad\xff.inr"): b"bad",
    "x" * 200 + ".inr": GOOD,
    "taken.png": b"mine",
}
NAMES = [*CONTENTS, "missing.inr", "directory", "fifo", "link", "/dev/zero", "/dev/full", "/", ".", "..", "", "-",
         "nul\0.inr", "x" * 5000, "a/" * 3000, "~", "file:///etc/passwd", "new\rline.inr"]  # fmt: skip
OUTPUTS = [*(name for name in NAMES if name not in ("/", "..")),
           "new.png", "new.jpg", "new.tif", "new.svg", "new.html", "directory/new.png", "missing/new.png",
           ".png", "\n.png",
           os.fsdecode(b"\xff.png"), "x" * 300 + ".png", "x" * 250 + ".png"]  # fmt: skip

names = st.sampled_from(NAMES) | st.text(max_size=8)
numbers = st.sampled_from(["0", "1", "-1", "7", "30", "nan", "inf", "1e-9", "1e999", "9" * 30, "٣", "", "0x10"])
sizes = st.tuples(numbers, st.sampled_from(["x", ",", "X"]), numbers).map("".join)
limits = st.sampled_from(
    ["max_side", "max_weights", "max_latents", "max_file_bytes", "max_output_pixels", "max_macs", "none", "name"]
)
OPTIONS = (
    st.tuples(st.sampled_from(["-o", "--output"]), st.sampled_from(OUTPUTS)),
    st.tuples(st.just("--size"), sizes | numbers),
    st.tuples(st.just("--scale"), numbers),
    st.tuples(st.just("--region"), st.lists(numbers, max_size=5).map(",".join)),
    st.tuples(st.just("--limit"), st.tuples(limits, numbers).map("=".join)),
    st.tuples(
        st.sampled_from(["--exact", "--force", "-f", "--json", "--", "--help", "--version", "--debugging", "-r"])
    ),
    st.tuples(st.sampled_from(["--quiet", "--skip-existing", "--shard=2/3", "--depth=16", "--format=npy", "--jobs=1"])),
    st.tuples(st.sampled_from(["--glsl", "--npz", "--channels=gradient", "--channels=laplacian"])),
    st.tuples(
        st.sampled_from(["--shard", "--format", "--depth", "--jobs", "--metadata"]), numbers | st.text(max_size=6)
    ),
    st.tuples(st.text(max_size=6)),
)
command_lines = st.tuples(
    st.sampled_from(["decode", "decode", "decode", "view", "export", "info", "verify", "", "dec"]),
    st.lists(names, min_size=1, max_size=2) | st.just(["good.inr"]),
    st.lists(st.one_of(OPTIONS), max_size=4),
).map(lambda parts: [parts[0], *parts[1], *(word for option in parts[2] for word in option)])


@dataclass
class Ran:
    """What became of a command line."""

    code: int
    out: bytes
    err: bytes


@contextlib.contextmanager
def streams() -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """Standard streams that are files, as a shell gives them: strict on the way out, lenient on stderr."""
    before = sys.stdin, sys.stdout, sys.stderr
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        io.TextIOWrapper(out, encoding="utf-8", errors="strict") as stdout,
        io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace") as stderr,
    ):
        sys.stdin, sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO(GOOD)), stdout, stderr
        try:
            yield stdout, stderr
        finally:
            sys.stdin, sys.stdout, sys.stderr = before


def content(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    stream.buffer.seek(0)
    return stream.buffer.read()


def ran(arguments: list[str]) -> Ran:
    """The command line, run in this process."""
    with streams() as (stdout, stderr):
        try:
            code = cli.main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        return Ran(code, content(stdout), content(stderr))


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture(autouse=True, scope="module")
def _impatience() -> Iterator[None]:
    """Nothing writes to the pipe here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_PATIENCE", 0.01)
        yield


@contextlib.contextmanager
def sandbox() -> Iterator[Path]:
    """A directory to work in, within one that must stay as it is."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as outer:
        inner = Path(outer, "inner")
        (inner / "directory").mkdir(parents=True)
        for name, data in CONTENTS.items():
            (inner / name).write_bytes(data)
        os.mkfifo(inner / "fifo")
        (inner / "link").symlink_to("good.inr")
        Path(outer, "other.txt").write_bytes(GOOD)
        os.chdir(inner)
        try:
            yield inner
        finally:
            os.chdir(before)


def check(arguments: list[str]) -> None:
    """Run a command line in a fresh directory, and hold what became of it against the laws."""
    with sandbox() as inner:
        before, root = listing(inner), set(os.listdir("/"))
        result = ran(arguments)
        assert result.code in CODES, result.err
        assert b"Traceback" not in result.err
        several = b" done" in result.err
        assert result.err.count(b"\n") <= (len(before) + 1 if several else 1), "more than a line"
        assert result.err.replace(b"\n", b"").decode().isprintable() or "usage" in result.out.decode(errors="replace")
        assert result.err or result.code == 0
        shown = b"" if result.out.startswith((b"\x89PNG", b"usage")) else result.out
        assert shown.replace(b"\n", b"").decode().isprintable()
        assert {path.name for path in inner.parent.iterdir()} == {"inner", "other.txt"}
        assert set(os.listdir("/")) == root
        assert not [name for name in listing(inner) - before if name.endswith(".tmp")]
        assert result.code in (0, 1) or listing(inner) == before
        for name, data in CONTENTS.items():
            if result.code > 1 or not {"-f", "--force"} & set(arguments):
                assert (inner / name).read_bytes() == data


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(command_lines)
def test_any_command_line_ends_with_a_stated_code_and_one_line(arguments: list[str]) -> None:
    check(arguments)


@pytest.mark.parametrize("command", ["decode", "info", "verify"])
@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:30])
def test_any_name_may_be_given(command: str, name: str) -> None:
    check([command, name])
    check([command, "--", name])


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda name: ascii(name)[:30])
def test_any_output_may_be_asked_for(output: str) -> None:
    check(["decode", "good.inr", f"--output={output}", "--size", "3x2"])
    check(["decode", "good.inr", "--output", output, "-f", "--size", "3x2"])


def test_an_output_outside_is_written_only_where_it_is_named() -> None:
    with sandbox() as inner:
        assert ran(["decode", "good.inr", "-o", "../new.png"]).code == 0
        assert listing(inner.parent) - listing(inner) >= {"new.png"}
