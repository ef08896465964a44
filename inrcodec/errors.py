"""The error taxonomy: every failure that a caller can cause has a class, and every class its exit code.

    InrError                      exit
      BitstreamError               3    the .inr file is bad
        NotInrError                     it does not start with the magic
        TruncatedError                  it ends before its own total length
        ChecksumError                   its CRC-32 does not match
        CorruptError                    its fields are illegal or contradict each other
        UnsupportedError                it needs a newer decoder
      InputImageError              3    the picture to encode cannot be read
      CheckpointError              3    what `encode --resume` is to go on from is damaged, or of another encode
      TargetError                  3    the picture cannot be stored in so few bytes; known only after the fit
      TimeLimitError               3    there is no time for any file of the picture; known before the fit
      LimitError                   4    legal, but larger than what this decoder accepts
      RequestError                 2    the caller asked for something impossible
      NotInstalledError            2    the caller asked for what takes a package that is not installed
      OutputError                  5    the output exists, or cannot be written
      EncodeError                  6    the encoder failed
        VerifyError                     the written bytes do not decode to the fitted picture
      ResourceError                6    memory ended, whatever was tried
      StoppedError               130    the caller asked for an end

Exit 0 is success; 1 is that of several files of which some failed; 3 is also, without an exception, that of a file that
was written but misses its target; 2 is also argparse's code for a wrong command line, 6 that of memory that ends
anywhere, 130 an interrupt, 143 SIGTERM, 70 a bug of ours.

And whether options are of the types that their dataclass states: one check for all fields of all of them.
"""

import copy
import numbers
from dataclasses import fields
from types import UnionType
from typing import Any, Self, Union, get_args, get_origin, get_type_hints

SOME_FAILED, MISSED, BUG, STOPPED, ENDED = 1, 3, 70, 130, 143
"""Exit codes without an exception: of several files, of a target, of ours, of an interrupt, of SIGTERM."""


class InrError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = BUG
    cure = ""
    """Name of what helps, where that is an option of the caller's: a command line has words for it."""

    def cured_by(self, cure: str) -> Self:
        """The error, with the name of what helps."""
        self.cure = cure
        return self

    def about(self, name: str) -> Self:
        """The same error, its text led by the name of the file that it is about."""
        named = copy.copy(self)
        named.args = (f"{name}: {self}",)
        return named


class BitstreamError(InrError, ValueError):
    """The bytes are not a valid .inr file."""

    exit_code = 3


class NotInrError(BitstreamError):
    """The bytes do not start with the .inr magic."""


class TruncatedError(BitstreamError):
    """The file is shorter than its own total length."""


class ChecksumError(BitstreamError):
    """The CRC-32 at the end does not match the bytes before it."""


class CorruptError(BitstreamError):
    """The checksum holds, but a field is illegal or contradicts another."""


class UnsupportedError(BitstreamError):
    """The file uses a version or a feature that this decoder does not know."""


class LimitError(InrError, ValueError):
    """A legal file or picture that is larger than a stated limit."""

    exit_code = 4

    def __init__(self, message: str, name: str = "", value: int = 0, limit: int = 0) -> None:
        super().__init__(message)
        self.name, self.value, self.limit = name, value, limit
        """For a decoder's limit: the field of `DecodeLimits`, what the file has, and what was allowed."""


class TargetError(InrError):
    """No file of the picture is as small as was asked for."""

    exit_code = 3


class TimeLimitError(InrError):
    """The time limit is too short for any file of the picture."""

    exit_code = 3


class InputImageError(InrError, ValueError):
    """The picture to encode is missing, unreadable or of an unsupported kind."""

    exit_code = 3


class CheckpointError(InrError, ValueError):
    """The state of an unfinished encode is damaged, or it is that of another encode."""

    exit_code = 3


class RequestError(InrError, ValueError):
    """An argument is out of range: a size, a scale, a region, an option."""

    exit_code = 2


class NotInstalledError(InrError, ImportError):
    """It takes a package that is not installed; decoding takes none of these."""

    exit_code = 2

    __str__ = Exception.__str__
    """ImportError's own passes over what `about` adds."""


class OutputError(InrError, OSError):
    """The output exists already, or cannot be written."""

    exit_code = 5


class EncodeError(InrError):
    """The encoder could not produce a valid file."""

    exit_code = 6


class VerifyError(EncodeError):
    """What the bytes decode to differs from what the encoder fitted."""


class ResourceError(InrError):
    """There is not enough memory, even for the smallest chunks of pixels."""

    exit_code = 6


class StoppedError(InrError):
    """The work ended early because its caller asked for it."""

    exit_code = STOPPED


def printable(text: str) -> str:
    """One line that a terminal only shows, whatever characters a file's name holds."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


_NAMES = {int: "a whole number", float: "a number", str: "a string", bool: "True or False", type(None): "None"}


def check_types(options: Any, prefix: str = "") -> None:
    """Raise RequestError, the field's name after `prefix` in it, unless each field of a dataclass is of its type.

    NumPy's scalars are numbers, but no bool is one.
    """
    hints = get_type_hints(type(options))
    for field in fields(options):
        check_type(f"{prefix}{field.name}", getattr(options, field.name), hints[field.name])


def check_type(name: str, value: object, hint: Any) -> None:
    """Raise RequestError unless a value is of a type: a class, a tuple of numbers or of strings, or a union of such."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if not any(_is(value, kind) for kind in kinds):
        expected = " or ".join(_name(kind) for kind in kinds)
        raise RequestError(f"{name}: {_shown(value)} is not {expected}")


def _is(value: object, kind: Any) -> bool:
    if get_origin(kind) is tuple:
        inner, *more = get_args(kind)
        long_enough = isinstance(value, tuple | list) and (more == [...] or len(value) == 1 + len(more))
        return long_enough and all(_is(item, inner) for item in value)  # type: ignore[attr-defined]
    if kind in (int, float):
        number = numbers.Integral if kind is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, _class_of(kind))


def _class_of(kind: Any) -> Any:
    """The class of a hint, also behind an alias (PEP 695), as NumPy's NDArray is one from 2.5 on."""
    origin = get_origin(kind) or kind
    return _class_of(origin.__value__) if hasattr(origin, "__value__") else origin


def _name(kind: Any) -> str:
    if get_origin(kind) is tuple:
        inner, *more = get_args(kind)
        many = "" if more == [...] else f"{1 + len(more)} "
        return f"a tuple of {many}{'strings' if inner is str else 'whole numbers'}"
    return _NAMES.get(kind) or str(_class_of(kind).__name__)


def _shown(value: object) -> str:
    """A value in a few characters of one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
