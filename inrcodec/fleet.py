"""Many pictures on many machines: Dask spreads them, fsspec reads and writes them, a manifest says what became of each.

A source and the output folder are anything that fsspec opens: paths, or URIs such as s3://bucket/key. The manifest is a
local file of one JSON object a line, in the order in which pictures were finished:

    source, output   URIs
    bytes, bpp, psnr, width, height
    seconds          of the encode; null where the output was there already, whole, and was only looked at
    worker           the process that did it
    error, kind      in place of all this, where it failed

Nothing is lost: Dask gives a picture whose worker dies to another. Nothing is encoded twice: an output appears whole or
not at all, and whoever finds it there, in this run or a later one, does not make it again. So a fleet that was stopped
goes on when it is started again, and pictures that failed are tried again.
"""

import contextlib
import json
import logging
import os
import posixpath
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inrcodec import bitstream, decoder, extras, files, images, metrics
from inrcodec.config import EncoderConfig
from inrcodec.errors import InputImageError, InrError, OutputError, RequestError


@dataclass(frozen=True)
class Picture:
    """One picture of a fleet's work."""

    source: str
    output: str


def find(sources: Sequence[str], out: str, suffixes: Sequence[str] = images.SUFFIXES) -> list[Picture]:
    """The pictures of files and folders (with all that is in them), and where their files go below `out`.

    Raises InputImageError for a source that is not there, RequestError where two would have the same output.
    """
    found: dict[str, str] = {}
    for source in sources:
        for uri, below in _expand(source, suffixes):
            output = posixpath.join(out, posixpath.splitext(below)[0] + ".inr")
            if found.setdefault(output, uri) != uri:
                raise RequestError(f"{uri}: would have the output of {found[output]}: give them folders of their own")
    return [Picture(uri, output) for output, uri in found.items()]


def _expand(source: str, suffixes: Sequence[str]) -> Iterator[tuple[str, str]]:
    fsspec = _fsspec()
    try:
        system, path = fsspec.core.url_to_fs(source)
        if not system.isdir(path):
            yield source, posixpath.basename(path)
            return
        for name in sorted(system.find(path)):
            if posixpath.splitext(name)[1].lower() in suffixes:
                yield system.unstrip_protocol(name), posixpath.relpath(name, path)
    except (OSError, ValueError, ImportError) as error:
        raise InputImageError(f"{source}: {error}") from error


def encode_one(picture: Picture, config: EncoderConfig) -> dict[str, Any]:
    """Encode one picture, in whatever process, unless its file is there; its line of the manifest."""
    facts: dict[str, Any] = {"source": picture.source, "output": picture.output}
    start = time.monotonic()
    try:
        source = images.load_bytes(_read(picture.source), picture.source)
        data = _existing(picture.output)
        fresh = data is None
        if data is None:
            extras.require("encoding", *extras.ENCODER)
            from inrcodec.encoder import encode_with_report

            encoded = encode_with_report(source, config)
            data, psnr = encoded.data, encoded.psnr
            _write(picture.output, data)
        else:
            psnr = metrics.psnr(source.codes, decoder.decode(data).reshape(source.codes.shape))
        height, width, _ = source.codes.shape
        facts |= {"bytes": len(data), "bpp": round(metrics.bpp(len(data), height, width), 4), "psnr": round(psnr, 3)}
        facts |= {"width": width, "height": height, "seconds": round(time.monotonic() - start, 2) if fresh else None}
    except InrError as error:
        facts |= {"error": str(error), "kind": type(error).__name__}
    return facts | {"worker": os.getpid()}


def _read(uri: str) -> bytes:
    try:
        with _fsspec().open(uri, "rb") as file:
            return files.read_up_to(file, uri, images.MAX_FILE_BYTES)
    except InrError:
        raise
    except (OSError, ValueError, ImportError) as error:
        raise InputImageError(f"{uri}: {error}") from error


def _existing(uri: str) -> bytes | None:
    """The output, if it is there and is a whole file."""
    system, path = _fsspec().core.url_to_fs(uri)
    with contextlib.suppress(OSError, InrError):
        data: bytes = system.cat_file(path)
        bitstream.read_header(data)
        return data
    return None


def _write(uri: str, data: bytes) -> None:
    """The whole file or none: by a rename where that is a file system, by one request where it is a store."""
    system, path = _fsspec().core.url_to_fs(uri)
    try:
        if "file" in (system.protocol if isinstance(system.protocol, tuple) else (system.protocol,)):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(Path(path), data)
        else:
            system.makedirs(posixpath.dirname(path), exist_ok=True)
            system.pipe_file(path, data)
    except OSError as error:
        raise OutputError(f"{uri}: {error}") from error


def run(
    pictures: Sequence[Picture],
    config: EncoderConfig,
    manifest: Path,
    client: Any,
    told: Callable[[dict[str, Any]], None] = lambda facts: None,
) -> list[dict[str, Any]]:
    """Encode all pictures on a `distributed.Client` but those that the manifest has; all its lines, old and new.

    `told` hears of each new one. Raises OutputError where the manifest cannot be written.
    """
    from distributed import as_completed

    lines = _finished_earlier(manifest)
    done = {facts["source"] for facts in lines}
    waiting = [picture for picture in pictures if picture.source not in done]
    futures = {client.submit(encode_one, picture, config, pure=False): picture for picture in waiting}
    with _appending(manifest, lines) as append:
        for future in as_completed(futures):
            facts = _result(future, futures[future])
            append(facts)
            lines.append(facts)
            told(facts)
    return lines


def _result(future: Any, picture: Picture) -> dict[str, Any]:
    """What came of a picture; a failure too where it has ended one worker after the other."""
    error = future.exception()
    if error is None:
        facts: dict[str, Any] = future.result()
        return facts
    reason = " ".join(str(error).split())
    return {**asdict(picture), "error": reason, "kind": type(error).__name__, "worker": None}


def _finished_earlier(manifest: Path) -> list[dict[str, Any]]:
    """The manifest's lines of pictures that were finished; one cut short by a crash is none."""
    lines = []
    if manifest.exists():
        for line in manifest.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, TypeError):
                facts = json.loads(line)
                if "source" in facts and "error" not in facts:
                    lines.append(facts)
    return lines


@contextlib.contextmanager
def _appending(manifest: Path, lines: Sequence[dict[str, Any]]) -> Iterator[Callable[[dict[str, Any]], None]]:
    """The manifest, with these lines to begin with, and a way to add one that survives a crash."""
    try:
        manifest.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(manifest, "".join(json.dumps(facts) + "\n" for facts in lines).encode())
        with open(manifest, "a", encoding="utf-8") as file:

            def append(facts: dict[str, Any]) -> None:
                file.write(json.dumps(facts) + "\n")
                file.flush()
                os.fsync(file.fileno())

            yield append
    except OSError as error:
        raise OutputError(f"{manifest}: {error.strerror or error}") from error


def local_cluster(workers: int, gpus: Sequence[str] = ()) -> Any:
    """A Dask cluster of this machine: a process with one thread for each core that is to work, or for each GPU.

    A process that dies is started again. Nothing listens but on 127.0.0.1. `gpus` are CUDA's names of devices.
    """
    from distributed import Nanny, Scheduler, SpecCluster

    environments = [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus] or [{} for _ in range(workers)]
    options = [{"nthreads": 1, "memory_limit": 0, "env": environment} for environment in environments]
    return SpecCluster(
        scheduler={"cls": Scheduler, "options": {"dashboard": False, "host": "127.0.0.1", "port": 0}},
        workers={number: {"cls": Nanny, "options": option} for number, option in enumerate(options)},
        silence_logs=logging.CRITICAL,
    )


def _fsspec() -> Any:
    extras.require("a fleet", "distributed", "fsspec")
    import fsspec

    return fsspec
