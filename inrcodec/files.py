"""Files in and out: bounded reads of files and pipes, and writes that leave the whole new file or the old state.

A write goes through a temporary file next to its target, `.NAME-MARK-PID-RANDOM.tmp`. MARK is a hash of the target's
whole name and of the machine's, so that the next write to the same target knows, and removes, what a killed process has
left.
"""

import contextlib
import hashlib
import io
import os
import platform
import re
import secrets
import select
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from inrcodec.errors import InputImageError, InrError, LimitError, OutputError

STANDARD = "-"
"""The name that means standard input or output."""


_PIECE = 1 << 20
"""Bytes that are asked for at once, however many are allowed."""


_STANDARD_INPUTS = (STANDARD, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_PATIENCE = 10.0
"""Seconds for a program to open the other end of a pipe."""


def read_bounded(name: str, limit: int, refusal: type[InrError] = InputImageError, cure: str = "") -> bytes:
    """The bytes of a regular file, of a pipe, or of standard input ("-", /dev/stdin), at most `limit`.

    Raises `refusal` where it cannot be read, which is so of folders, sockets, devices, and of a pipe that nothing has
    written to in ten seconds and nothing is about to; LimitError with the `cure` where it is longer.
    """
    try:
        if name in _STANDARD_INPUTS:
            return read_up_to(sys.stdin.buffer, name, limit, cure)
        mode = os.stat(name).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise refusal(f"{name}: not a regular file or a pipe")
        if stat.S_ISFIFO(mode):
            return _read_pipe(name, limit, refusal, cure)
        with open(name, "rb") as file:
            return read_up_to(file, name, limit, cure)
    except InrError:
        raise
    except (OSError, ValueError) as error:
        raise refusal(f"{name}: {getattr(error, 'strerror', None) or error}") from error


def _read_pipe(name: str, limit: int, refusal: type[InrError], cure: str) -> bytes:
    """A plain open waits for a writer, for ever if none ever comes; this one does not, and what follows does."""
    first: bytes | None = None
    with open(os.open(name, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as pipe:
        if not select.select([pipe], [], [], _PATIENCE)[0]:
            first = pipe.read(1)
            if first == b"":
                raise refusal(f"{name}: a pipe that nothing writes to")
        os.set_blocking(pipe.fileno(), True)
        return (first or b"") + read_up_to(pipe, name, limit, cure)


def read_up_to(file: BinaryIO | io.RawIOBase, name: str, limit: int, cure: str = "") -> bytes:
    """What is left of an open file; memory is that of what is there, not of what is allowed.

    Raises LimitError with the `cure` where that is more than `limit` bytes.
    """
    data = bytearray()
    while len(data) <= limit and (piece := file.read(min(_PIECE, limit + 1 - len(data)))):
        data += piece
    if len(data) > limit:
        raise LimitError(f"{name}: over {limit:,} bytes{cure}")
    return bytes(data)


def check_output(name: str, source: str, force: bool) -> None:
    """Raise OutputError if `name` cannot become a file, before any work is done; `source` must not be it."""
    if name == STANDARD:
        if sys.stdout.isatty():
            raise OutputError("standard output is a terminal: name a file with -o, or redirect")
        return
    try:
        _check_path(Path(name), name, source, force)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{name}: {error.strerror or error}") from error


def _check_path(path: Path, name: str, source: str, force: bool) -> None:
    if not path.parent.is_dir():
        raise OutputError(f"{name}: the directory {path.parent} does not exist")
    if path.exists() or path.is_symlink():
        if path.exists() and source != STANDARD and os.path.exists(source) and os.path.samefile(path, source):
            raise OutputError(f"{name}: is the input itself")
        if not force:
            raise OutputError(f"{name}: exists already").cured_by("overwrite")
        if not path.is_file():
            raise OutputError(f"{name}: is not a regular file")


def write_output(name: str, data: bytes, source: str, force: bool) -> None:
    """Write `data` to a file in one step, or to standard output ("-").

    Where the target is a symbolic link the file takes the place of the link, and what that pointed to stays. Raises
    OutputError; then nothing has changed.
    """
    check_output(name, source, force)
    try:
        if name == STANDARD:
            with open(sys.stdout.fileno(), "wb", closefd=False) as stdout:  # its own buffer: none is left if it fails
                stdout.write(data)
        else:
            write_atomically(Path(name), data)
    except (OutputError, BrokenPipeError):
        raise
    except OSError as error:
        raise OutputError(f"{name}: {error.strerror or error}") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to a file, whatever was there: the bytes are read back and compared before they take its name.

    A regular file that was there hands on its permissions, and its owner and group where that is allowed. Raises
    OSError, of which OutputError is one; then nothing has changed.
    """
    remove_leftovers(path)
    old = os.lstat(path) if os.path.lexists(path) else None
    replaced = old if old is not None and stat.S_ISREG(old.st_mode) else None
    temporary = path.with_name(f"{_mark(path)}{os.getpid()}-{secrets.token_hex(4)}.tmp")
    mode = 0o666 if replaced is None else 0o600  # less the umask
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if temporary.read_bytes() != data:
            raise OutputError(f"{path}: the disk returns other bytes than were written")
        if replaced is not None:
            _take_after(temporary, replaced)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _take_after(path: Path, old: os.stat_result) -> None:
    """Give a file the permissions of another, and its owner and group as far as we may.

    What the old group was allowed is not given to another group.
    """
    mode = stat.S_IMODE(old.st_mode) & 0o777
    if hasattr(os, "chown"):
        for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):
            with contextlib.suppress(OSError):
                os.chown(path, owner, group)
    if os.stat(path).st_gid != old.st_gid:
        mode = mode & ~0o070 | (mode & 0o007) << 3
    os.chmod(path, mode)


def _mark(path: Path) -> str:
    """What the names of all temporary files of a target begin with."""
    whole = os.fsencode(path.name) + b"\0" + os.fsencode(platform.node())
    return f".{path.name[:40]}-{hashlib.sha256(whole).hexdigest()[:8]}-"


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that dead processes left of writes to this target, and nothing else."""
    ours = re.escape(_mark(path)) + r"(\d{1,9})-\w{8}\.tmp"
    for name in os.listdir(path.parent):
        found = re.fullmatch(ours, name)
        if found and not _alive(int(found[1])):
            with contextlib.suppress(OSError):
                os.unlink(path.with_name(name))


def _alive(process: int) -> bool:
    """Whether a process of this number may be running; of other systems than POSIX that is not asked."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True
