"""Files that fsspec opens: paths, and URIs such as s3://bucket/key. What is read, written and known of one."""

import inspect
import os
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from inrcodec import files, installed
from inrcodec.errors import InputImageError, InrError, NotInstalledError, OutputError

_MARKS = (
    "mtime", "LastModified", "last_modified", "updated", "modified", "ETag", "etag", "md5Hash", "content_md5",
    "checksum", "created",
)  # fmt: skip
"""What the stores call a file's time, or else what changes with its content; the first one there is counts."""


def is_local(uri: str) -> bool:
    """Whether it is a path of this machine."""
    return "://" not in uri or uri.startswith("file://") or os.path.lexists(uri)


def _locate(uri: str) -> tuple[Any, str]:
    """The file system, and the name there. "::" chains URLs only where the first is of a file within a file."""
    fsspec = _fsspec()
    if is_local(uri):
        path = uri if os.path.lexists(uri) else uri.removeprefix("file://")
        return fsspec.filesystem("file"), os.path.abspath(path)
    scheme = uri.partition("://")[0]
    kind = None if "::" in scheme else fsspec.get_filesystem_class(scheme)
    if kind is None or {"fo", "target_protocol"} & set(inspect.signature(kind.__init__).parameters):
        system, path = fsspec.core.url_to_fs(uri)
        return system, str(path)
    return kind(**kind._get_kwargs_from_urls(uri)), kind._strip_protocol(uri)


def expand(source: str, suffixes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(URI, its name below the folder) of a file, or of all files with one of the suffixes in a folder, in order.

    Of this machine the URI is the whole path, without a scheme. Names that begin with a dot are passed over. Raises
    InputImageError for a folder that cannot be read or has none.
    """
    try:
        system, path = _locate(source)
        if not system.isdir(path):
            yield path if is_local(source) else source, posixpath.basename(path)
            return
        names = [name for name in sorted(system.find(path)) if _is_one(name, suffixes)]
    except NotInstalledError:
        raise
    except (OSError, ValueError, ImportError) as error:
        raise InputImageError(f"{source}: {error}") from error
    if not names:
        raise InputImageError(f"{source}: no picture file in this folder")
    for name in names:
        yield name if is_local(source) else system.unstrip_protocol(name), posixpath.relpath(name, path)


def _is_one(name: str, suffixes: Sequence[str]) -> bool:
    return posixpath.splitext(name)[1].lower() in suffixes and not posixpath.basename(name).startswith(".")


def read(uri: str, limit: int) -> bytes:
    """The bytes of a file, at most `limit`. Raises InputImageError where it cannot be read, LimitError if longer."""
    try:
        system, path = _locate(uri)
        with system.open(path, "rb") as file:
            return files.read_up_to(file, uri, limit)
    except InrError:
        raise
    except (OSError, ValueError, ImportError) as error:
        raise InputImageError(f"{uri}: {error}") from error


def existing(uri: str) -> bytes | None:
    """The bytes of an output, None where there is none. Raises OutputError where that cannot be found out."""
    try:
        system, path = _locate(uri)
        data: bytes = system.cat_file(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ImportError) as error:
        raise OutputError(f"{uri}: {error}") from error
    return data


def stamp(uri: str) -> list[Any] | None:
    """[bytes, time or checksum] of a file, which change with it; None where the store knows neither, or no file."""
    try:
        system, path = _locate(uri)
        facts = system.info(path)
    except (OSError, ValueError, ImportError):
        return None
    marks = [str(facts[name]) for name in _MARKS if facts.get(name) is not None]
    return [facts.get("size"), marks[0]] if marks else None


def write(uri: str, data: bytes) -> None:
    """The whole file or none: by a rename where that is a file system, by one request where it is a store.

    Raises OutputError.
    """
    try:
        system, path = _locate(uri)
        if is_local(uri):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(Path(path), data)
        else:
            system.makedirs(posixpath.dirname(path), exist_ok=True)
            system.pipe_file(path, data)
    except (OSError, ValueError, ImportError) as error:
        raise OutputError(f"{uri}: {getattr(error, 'strerror', None) or error}") from error


def _fsspec() -> Any:
    installed.require("a fleet", "distributed", "fsspec")
    import fsspec

    return fsspec
