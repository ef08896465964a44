"""What several commands need: the bytes of the .inr file that is named, its limits, and errors that name it."""

import argparse
import contextlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import fields, replace

from inrcodec import files
from inrcodec.errors import BitstreamError, InrError, NotInstalledError, RequestError
from inrcodec.format.limits import DEFAULT_LIMITS, DecodeLimits
from inrcodec.pictures.load import Source, load

INR_SUFFIXES = (".inr",)


def read(name: str, limits: DecodeLimits) -> bytes:
    """The bytes of the .inr file to read; "-" is standard input."""
    cure = ": to accept it, --limit max_file_bytes=BYTES"
    return files.read_bounded(name, limits.max_file_bytes, BitstreamError, cure)


def load_picture(name: str, frame: int | None = None) -> Source:
    """A picture file. What Pillow warns of, damaged metadata, is not shown: what matters of it is in the notes."""
    with warnings.catch_warnings():  # of this process, which is the command's own
        warnings.simplefilter("ignore")
        return load(name, frame)


def limits_of(options: argparse.Namespace) -> DecodeLimits:
    """The default limits, with what --limit NAME=VALUE changes."""
    names = [field.name for field in fields(DEFAULT_LIMITS)]
    limits = DEFAULT_LIMITS
    for text in options.limit:
        found = re.fullmatch(r"(\w+)=(\d{1,20})", text)
        if not found or found[1] not in names:
            raise RequestError(f"--limit {text}: NAME=VALUE expected, a whole number, NAME one of {', '.join(names)}")
        limits = replace(limits, **{found[1]: int(found[2])})
    return limits


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Errors of ours from inside, led by the name of the file, unless they are about a request or an installation."""
    try:
        yield
    except (RequestError, NotInstalledError):
        raise
    except InrError as error:
        raise error.about(name) from error
