"""What became of each picture of a fleet: a local file of one JSON object a line.

A line is about one output, and the last one counts:

    source, output   URIs
    stamp            bytes of the source, and its time or checksum, as its store has them
    config           digest of the options; null where a file was taken as it was found
    begun            true, in place of the rest, when the work on it began and no output was there
    bytes, bpp, psnr, width, height
    crc              of the file, as its last bytes have it
    seconds          of the encode; null where the output was there already, whole, and was only looked at
    worker           the process that did it
    notes            sentences on what was left out of the picture or came up in its encode, where there are any
    error, kind      in place of all this, where it failed
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from inrcodec import files
from inrcodec.errors import OutputError

Facts = dict[str, Any]
"""A line."""
_START = '{"source"'
"""What all of them start with."""


def read(path: Path) -> dict[str, Facts]:
    """The last line of each output that is no failure; one that a crash has cut short is none.

    Raises OutputError for a file that cannot be read or is no manifest, which would be lost.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if os.path.lexists(path) else ""
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
    if not text.startswith(_START) and not _START.startswith(text):
        raise OutputError(f"{path}: exists and is no manifest of a fleet").cured_by("manifest")
    found: dict[str, Facts] = {}
    for line in text.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            facts = json.loads(line)
            if isinstance(facts["output"], str) and isinstance(facts["source"], str) and "error" not in facts:
                found[facts["output"]] = facts
    return found


def write(path: Path, lines: Sequence[Facts]) -> None:
    """The whole manifest anew; raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(path, "".join(json.dumps(facts) + "\n" for facts in lines).encode())
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


@contextlib.contextmanager
def appending(path: Path) -> Iterator[Callable[[Facts], None]]:
    """A way to add a line that survives a crash; raises OutputError."""
    try:
        with open(path, "a", encoding="utf-8") as file:

            def append(facts: Facts) -> None:
                file.write(json.dumps(facts) + "\n")
                file.flush()
                os.fsync(file.fileno())

            yield append
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
