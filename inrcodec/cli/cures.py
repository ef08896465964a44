"""What helps against an error, in the words of the command line: the library names a cure, and knows no options."""

from inrcodec.errors import InrError, LimitError

_WORDS = {
    "overwrite": "choose another name, or add --force",
    "replace": "--force replaces it",
    "replace or take": "--force replaces it, --skip-existing takes it as it is",
    "manifest": "name another by --manifest",
    "smaller network": "encode to fewer bytes (--size), or make a page of it (inrcodec view)",
}
"""`InrError.cure` -> options."""


def cured(text: str, cure: str) -> str:
    """A text with the words of a cure, if there is one."""
    return f"{text}: {_WORDS[cure]}" if cure else text


def worded(error: InrError) -> str:
    """An error, and what helps against it."""
    if isinstance(error, LimitError) and error.name:
        return f"{error}: to accept it, --limit {error.name}={error.value}"
    return cured(str(error), error.cure)
