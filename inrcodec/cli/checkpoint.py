"""The file that an unfinished encode leaves next to its output, `.NAME.ckpt`, and that another process resumes.

An .npz as NumPy has it: a ZIP of stored, uncompressed .npy arrays. It is read back as bytes from outside are,
without pickle: bounded, every array as long as its own header says, and nothing in it is believed before its reader has
looked at names, dtypes, shapes and numbers (`state.py`).
"""

import contextlib
import enum
import io
import math
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrcodec import files
from inrcodec.errors import CheckpointError, LimitError, OutputError, RequestError
from inrcodec.fitting.state import State

MAX_FILE_BYTES = 1 << 30
"""Longest checkpoint to read: several times that of the largest network."""

_COUNT = slice(-12, -10)
"""Offset from the end at which a ZIP without a comment says how many members it has."""


def write(state: State) -> bytes:
    """A state as the bytes of an .npz, as `numpy.savez` would, but by code that cannot pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in state.items():
            archive.writestr(f"{name}.npy", _member(np.array(array, order="C")))
    return file.getvalue()


def read(data: bytes) -> State:
    """The inverse of `write`; raises CheckpointError for bytes that are no such thing."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if int.from_bytes(data[_COUNT], "little") != len(members):  # a damaged entry may swallow those behind it
                raise CheckpointError("its list of arrays is damaged")
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise CheckpointError("its arrays are compressed")
            if sum(member.file_size for member in members) > len(data):
                raise CheckpointError("its arrays overlap")
            return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}
    except CheckpointError:
        raise
    except Exception as error:  # zipfile and NumPy raise anything from BadZipFile to SyntaxError on foreign bytes
        raise CheckpointError(f"not a checkpoint ({str(error)[:80] or type(error).__name__})") from error


def _member(array: NDArray[Any]) -> bytes:
    """An array as the bytes of an .npy."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    return file.getvalue() + array.tobytes()


def _array(member: bytes) -> NDArray[Any]:
    """The inverse of `_member`: exactly as many bytes as the header asks for."""
    file = io.BytesIO(member)
    if np.lib.format.read_magic(file) != (1, 0):
        raise CheckpointError("an array has another version of NumPy's format")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    if by_columns and len(shape) > 1:
        raise CheckpointError("an array lies by columns")
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(member) - file.tell():
        raise CheckpointError("an array is not what its header says")
    return np.frombuffer(member, dtype, offset=file.tell()).reshape(shape)


def path_for(output: str) -> Path | None:
    """Where the encode of `output` leaves its checkpoint; nowhere for standard output."""
    return None if output == files.STANDARD else Path(output).with_name(f".{Path(output).name}.ckpt")


class Resume(enum.Enum):
    """Whether an encode goes on from what an earlier one has left."""

    NO = "no"
    YES = "yes"
    """And it is an error if that is not of the same encode."""
    IF_IT_CAN = "if it can"
    """Or begins anew, and says why."""


class Checkpoint:
    """The `Keeper` that writes a file: every so many seconds, and once more when the encode is told to end."""

    def __init__(
        self,
        path: Path | None,
        resume: Resume,
        every: float,
        note: Callable[[str], None],
        settled: Callable[[], None],
    ) -> None:
        """Without a path nothing is kept; `every` is in seconds. `note` is told what a user should know.

        `settled` is told that no step follows.
        """
        if not every >= 0:
            raise RequestError(f"--checkpoint-every {every}: a number of seconds expected, 0 or more")
        self.path, self._resume, self._every = path, resume, every
        self._note, self._settled = note, settled
        self._found: State | None = None
        self._state: Callable[[], State] | None = None
        self._saved = time.monotonic()
        self._warned = False

    def open(self, force: bool) -> None:
        """Read the file, if it is to be resumed; before any work is done.

        Raises OutputError where an unfinished encode would be lost, CheckpointError and LimitError where it is bad.
        """
        if self._resume is Resume.NO and self.exists() and not force:
            raise OutputError(
                f"{self.path}: holds an unfinished encode: add --resume to go on, or --force to begin anew"
            )
        if self._resume is Resume.YES and not self.exists():
            self._note("there is no checkpoint: beginning at the start")
        elif self.exists() and (self._resume is Resume.YES or (self._resume is Resume.IF_IT_CAN and not force)):
            self._read()

    def _read(self) -> None:
        try:
            data = files.read_bounded(str(self.path), MAX_FILE_BYTES, CheckpointError)
        except (CheckpointError, LimitError) as error:
            if self._resume is Resume.YES:
                raise
            self._note(f"{error}: beginning anew")
            return
        try:
            self._found = read(data)
        except CheckpointError as error:
            self.refuse(error)
        else:
            self._note(f"going on from {self.path}")

    def refuse(self, error: CheckpointError) -> None:
        """A reader of the state has raised this: say so and hold nothing from now on.

        Raises the same, with the file's name and the cure, where it has to be resumed.
        """
        if self._resume is Resume.YES:
            raise CheckpointError(f"{self.path}: {error}; to begin anew use --force instead of --resume") from error
        self._note(f"{self.path}: {error}: beginning anew")
        self._found = None

    def exists(self) -> bool:
        """Whether there is a file, of this encode or of an earlier one."""
        return self.path is not None and os.path.lexists(self.path)

    def load(self) -> State | None:
        """What the file holds, if it is to be resumed."""
        return self._found

    def keep(self, state: Callable[[], State]) -> None:
        """Save the state where it is time."""
        self._state = state
        if self._due():
            self.save()

    def settle(self, state: Callable[[], State]) -> None:
        """The state stays this one: save it, unless the encode is a short one."""
        self._state = state
        if self._due() or self.exists():
            self.save()
        self._settled()

    def _due(self) -> bool:
        return time.monotonic() - self._saved >= self._every

    def save(self) -> None:
        """Write the file; where that fails say so, once, for the encode can do without."""
        if self.path is None or self._state is None:
            return
        try:
            files.write_atomically(self.path, write(self._state()))
        except (OSError, MemoryError) as error:
            if not self._warned:
                reason = getattr(error, "strerror", None) or error
                self._note(f"warning: the encode goes on, but without a checkpoint: {self.path}: {reason}")
            self._warned = True
        self._saved = time.monotonic()

    def discard(self) -> None:
        """Remove the file, if it can be: its encode is finished."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                files.remove_leftovers(self.path)
                self.path.unlink(missing_ok=True)
