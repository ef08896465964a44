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

Exit 0 is success; 3 is also, without an exception, that of a file that was written but misses its target; 2 is also
argparse's code for a wrong command line, 6 that of memory that ends anywhere, 130 an interrupt, 143 SIGTERM, 70 a bug
of ours.
"""

import copy
from typing import Self


class InrError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 70

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

    exit_code = 130
