"""Files in and out: a write leaves the whole new file or the old state, and reads are bounded."""

import io
import os
import shlex
import socket
import stat
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inrcodec import files
from inrcodec.errors import BitstreamError, InputImageError, LimitError, OutputError
from tests.support.helpers import ENVIRONMENT, contents, python


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory but for the input `source`."""
    monkeypatch.chdir(tmp_path)
    Path("source").write_bytes(b"source")
    return tmp_path


def test_a_new_file_is_written_whole(here: Path) -> None:
    files.write_output("new", b"data", "source", force=False)
    assert contents(here) == {"source": b"source", "new": b"data"}


def test_an_existing_file_is_kept(here: Path) -> None:
    Path("old").write_bytes(b"old")
    with pytest.raises(OutputError, match="old: exists already"):
        files.write_output("old", b"data", "source", force=False)
    assert contents(here) == {"source": b"source", "old": b"old"}


def test_force_replaces_an_existing_file(here: Path) -> None:
    Path("old").write_bytes(b"old")
    files.write_output("old", b"data", "source", force=True)
    assert contents(here) == {"source": b"source", "old": b"data"}


@pytest.mark.parametrize("name", ["source", "./source", "hard link", "soft link"])
def test_the_input_is_never_the_output(here: Path, name: str) -> None:
    Path("hard link").hardlink_to("source")
    Path("soft link").symlink_to("source")
    with pytest.raises(OutputError, match="is the input itself"):
        files.write_output(name, b"data", "source", force=True)
    assert Path("source").read_bytes() == b"source"


@pytest.mark.parametrize("source", ["-", "missing"])
def test_an_output_may_replace_a_file_whatever_the_input_is(here: Path, source: str) -> None:
    Path("old").write_bytes(b"old")
    files.write_output("old", b"data", source, force=True)
    assert Path("old").read_bytes() == b"data"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("missing/new", "missing/new: the directory missing does not exist"),
        ("source/new", "source/new: the directory source does not exist"),
        ("directory", "directory: is not a regular file"),
        ("pipe", "pipe: is not a regular file"),
        ("dangling", "dangling: is not a regular file"),
        ("n" * 256, "nnn: File name too long"),
    ],
)
def test_what_cannot_become_a_file_is_refused(here: Path, name: str, complaint: str) -> None:
    Path("directory").mkdir()
    os.mkfifo("pipe")
    Path("dangling").symlink_to("nowhere")
    with pytest.raises(OutputError, match=complaint):
        files.check_output(name, "source", force=True)


def test_a_link_is_replaced_and_not_followed(here: Path) -> None:
    Path("target").write_bytes(b"target")
    Path("link").symlink_to("target")
    files.write_output("link", b"data", "source", force=True)
    assert contents(here) == {"source": b"source", "target": b"target", "link": b"data"}


@pytest.mark.parametrize("name", ["n" * 255, "\N{GRINNING FACE}" * 63 + "xyz"], ids=["letters", "four-byte letters"])
def test_a_name_may_be_as_long_as_the_file_system_allows(here: Path, name: str) -> None:
    files.write_output(name, b"data", "source", force=False)
    assert Path(name).read_bytes() == b"data"


@pytest.mark.parametrize("step", ["replace", "fsync", "chmod"])
def test_a_failed_write_changes_nothing(here: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    Path("old").write_bytes(b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OutputError, match="old: No space left on device"):
        files.write_output("old", b"data", "source", force=True)
    assert contents(here) == {"source": b"source", "old": b"old"}


def test_an_interrupted_write_changes_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_output("new", b"data", "source", force=False)
    assert contents(here) == {"source": b"source"}


def test_bytes_that_the_disk_changed_are_noticed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"dat\0")
    with pytest.raises(OutputError, match="new: the disk returns other bytes"):
        files.write_output("new", b"data", "source", force=False)
    assert os.listdir(here) == ["source"]


@pytest.mark.parametrize("damage", [lambda data: data[:-1] + b"\0", lambda data: data[:1], lambda data: b""])
def test_a_temporary_file_that_is_damaged_before_it_is_checked_never_takes_the_name(
    here: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    def lose(handle: int) -> None:
        (temporary,) = here.glob(".*.tmp")
        temporary.write_bytes(damage(temporary.read_bytes()))

    Path("old").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lose)
    with pytest.raises(OutputError, match="old: the disk returns other bytes"):
        files.write_output("old", b"data", "source", force=True)
    assert contents(here) == {"source": b"source", "old": b"old"}


def dead_process() -> int:
    """The number of a process that has just ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def leftover(target: str, process: int) -> str:
    """The name of the temporary file of a write by another process."""
    return f"{files._mark(Path(target))}{process}-abcd_123.tmp"


def test_a_write_removes_what_dead_processes_left_of_writes_to_its_target(here: Path) -> None:
    for name in ("new", "n" * 255):
        Path(leftover(name, dead_process())).write_bytes(b"half")
        files.write_output(name, b"data", "source", force=False)
    assert set(contents(here)) == {"source", "new", "n" * 255}


def test_a_write_removes_nothing_else(here: Path) -> None:
    dead, mark = dead_process(), files._mark(Path("new"))
    kept = [
        leftover("new", os.getppid()),
        leftover("newer", dead),
        leftover("n" * 50, dead),
        f"{mark}{dead}-abcd_123.tmp.bak",
        f"{mark}{dead}-abcd_1234.tmp",
        f"{mark}{dead}.tmp",
        f"{mark}x{dead}-abcd_123.tmp",
        f".new-{dead}-abcd_123.tmp",
        f"new-{dead}.tmp",
    ]
    for name in kept:
        Path(name).write_bytes(b"not ours")
    Path(leftover("new", dead) + "d").mkdir()
    files.write_output("new", b"data", "source", force=False)
    files.write_output("n" * 51, b"data", "source", force=False)
    assert set(contents(here)) == {"source", "new", "n" * 51, leftover("new", dead) + "d", *kept}


def test_a_leftover_that_cannot_be_removed_does_no_harm(here: Path) -> None:
    Path(leftover("new", dead_process())).mkdir()
    files.write_output("new", b"data", "source", force=False)
    assert Path("new").read_bytes() == b"data"


@pytest.mark.parametrize(("limit", "code"), [(0, 5), (100, 5), (1 << 20, 0)])
def test_a_disk_that_is_full_leaves_the_old_file(workdir: Path, limit: int, code: int) -> None:
    before = contents(workdir)
    process = python(
        "-c",
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "from inrcodec.cli import main; sys.exit(main(['decode', 'good.inr', '-o', 'taken.png', '--force']))",
    )
    assert process.returncode == code
    if code:
        assert process.stderr == b"inrcodec: taken.png: File too large\n"
        assert contents(workdir) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written_to_is_an_output_error(here: Path) -> None:
    Path("closed").mkdir(0o555)
    with pytest.raises(OutputError, match="closed/new: Permission denied"):
        files.write_output("closed/new", b"data", "source", force=False)
    assert not list(Path("closed").iterdir())


@pytest.mark.parametrize("device", ["/dev/full", "/dev/null", "/dev/zero"])
def test_a_device_is_no_output(device: str) -> None:
    if not Path(device).exists():
        pytest.skip(f"no {device} here")
    with pytest.raises(OutputError, match=f"{device}: is not a regular file"):
        files.write_output(device, b"data", "source", force=True)
    assert not Path(device).is_file()


@pytest.fixture(params=[0o022, 0o077, 0o000])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    previous = os.umask(request.param)
    yield request.param
    os.umask(previous)


def test_permissions_follow_the_umask(here: Path, umask: int) -> None:
    files.write_output("new", b"data", "source", force=False)
    assert stat.S_IMODE(os.stat("new").st_mode) == 0o666 & ~umask
    assert os.umask(umask) == umask


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o755, 0o400, 0o222])
def test_a_file_that_is_replaced_hands_on_its_permissions(here: Path, umask: int, mode: int) -> None:
    Path("old").write_bytes(b"old")
    os.chmod("old", mode)
    before = os.stat("old")
    files.write_output("old", b"data", "source", force=True)
    after = os.stat("old")
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


def test_a_private_file_is_private_while_it_is_being_replaced(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(handle: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(handle).st_mode))

    seen: list[int] = []
    Path("old").write_bytes(b"old")
    os.chmod("old", 0o600)
    monkeypatch.setattr(os, "fsync", look)
    files.write_output("old", b"data", "source", force=True)
    assert seen == [0o600]


def test_what_a_group_was_allowed_is_not_given_to_another(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, owner: int, group: int) -> None:
        raise PermissionError(1, "Operation not permitted", path)

    Path("old").write_bytes(b"old")
    os.chmod("old", 0o664)
    with monkeypatch.context() as patch:
        patch.setattr(os, "chown", refuse)
        files.write_output("old", b"data", "source", force=True)
        assert stat.S_IMODE(os.stat("old").st_mode) == 0o664  # it is of our own group
        lstat = os.lstat
        patch.setattr(os, "lstat", lambda path: os.stat_result((*lstat(path)[:5], 4711, *lstat(path)[6:])))
        files.write_output("old", b"data", "source", force=True)
    assert stat.S_IMODE(os.stat("old").st_mode) == 0o644


def test_the_file_that_takes_the_place_of_a_link_is_a_new_one(here: Path, umask: int) -> None:
    os.chmod("source", 0o640)
    Path("link").symlink_to("source")
    files.write_output("link", b"data", files.STANDARD, force=True)
    assert stat.S_IMODE(os.lstat("link").st_mode) == 0o666 & ~umask
    assert stat.S_IMODE(os.stat("source").st_mode) == 0o640


def test_standard_output_gets_the_bytes(here: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    files.write_output("-", b"\x89data", "source", force=False)
    assert capfdbinary.readouterr().out == b"\x89data"
    assert contents(here) == {"source": b"source"}


def test_a_terminal_gets_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(OutputError, match="terminal"):
        files.check_output("-", "source", force=True)


@pytest.mark.parametrize("limit", [6, 7, 1 << 30])
def test_a_file_up_to_the_limit_is_read(here: Path, limit: int) -> None:
    assert files.read_bounded("source", limit) == b"source"


@pytest.mark.parametrize("limit", [0, 5])
def test_a_longer_file_is_over_the_limit(here: Path, limit: int) -> None:
    with pytest.raises(LimitError, match=f"source: over {limit} bytes"):
        files.read_bounded("source", limit)


def test_a_vast_file_is_not_read(here: Path) -> None:
    os.truncate("source", 1 << 30)
    tracemalloc.start()
    with pytest.raises(LimitError):
        files.read_bounded("source", 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_memory_is_that_of_the_file_whatever_is_allowed(here: Path) -> None:
    tracemalloc.start()
    assert files.read_bounded("source", 1 << 60) == b"source"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_files_of_whole_pieces_are_read_whole(here: Path, extra: int) -> None:
    data = os.urandom(2 * files._PIECE + extra)
    Path("source").write_bytes(data)
    assert files.read_bounded("source", len(data)) == data


def test_standard_input_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"source")))
    assert files.read_bounded("-", 6) == b"source"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"source")))
    with pytest.raises(LimitError):
        files.read_bounded("-", 5)


@pytest.mark.parametrize("refusal", [InputImageError, BitstreamError])
@pytest.mark.parametrize("name", ["missing", "directory", "pipe", "socket", "nul\0", "n" * 256, "", "/dev/null"])
def test_what_is_no_file_and_no_pipe_that_is_written_to_is_refused(
    here: Path, name: str, refusal: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PATIENCE", 0.1)
    Path("directory").mkdir()
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(refusal, match=f"^{name}: "):
            files.read_bounded(name, 9, refusal)


@pytest.mark.parametrize("size", [0, 5, 200_000])
def test_a_pipe_is_waited_for_until_something_opens_its_other_end(here: Path, size: int) -> None:
    data = os.urandom(size)
    os.mkfifo("pipe")
    writer = threading.Timer(0.2, lambda: Path("pipe").write_bytes(data))
    writer.start()
    assert files.read_bounded("pipe", size) == data
    writer.join()


def test_a_pipe_whose_other_end_is_open_is_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PATIENCE", 0.05)
    reading, writing = os.pipe()
    writer = threading.Timer(0.3, lambda: (os.write(writing, b"source"), os.close(writing)))
    writer.start()
    assert files.read_bounded(f"/dev/fd/{reading}", 6) == b"source"
    writer.join()
    os.close(reading)


def test_a_pipe_is_bounded(here: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"source")
    os.close(writing)
    with pytest.raises(LimitError, match=f"/dev/fd/{reading}: over 5 bytes"):
        files.read_bounded(f"/dev/fd/{reading}", 5)
    os.close(reading)


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0", "<(cat source)"])
def test_the_names_that_shells_give_to_pipes_are_read(here: Path, name: str) -> None:
    code = "import sys; from inrcodec import files; sys.stdout.buffer.write(files.read_bounded(sys.argv[1], 9))"
    line = f"cat source | {shlex.quote(sys.executable)} -c {shlex.quote(code)} {name}"
    process = subprocess.run(["bash", "-c", line], capture_output=True, env=ENVIRONMENT, check=False)
    assert (process.stdout, process.stderr) == (b"source", b"")
