"""The command line: `inrcodec encode | decode | info | verify`. Arguments and file I/O; the codec is imported late.

Exit codes: 0 success, 2 wrong arguments, 3 bad input file, or a target not reached, 4 over a limit, 5 output exists or
cannot be written, 6 the encoder failed, 70 a bug in inrcodec, 130 stopped by Ctrl-C, 143 ended by SIGTERM.
"""

import argparse
import contextlib
import functools
import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from inrcodec import __version__
from inrcodec.errors import BitstreamError, CheckpointError, InrError, RequestError

if TYPE_CHECKING:
    from inrcodec.checkpoint import Checkpoint
    from inrcodec.decoder import Picture, Region
    from inrcodec.encoder import Encoded
    from inrcodec.limits import DecodeLimits

_EXAMPLES = """\
examples:
  inrcodec encode photo.png -o photo.inr               about 0.35 bits per pixel
  inrcodec encode photo.png -q 70 -e 7                 better and slower, to photo.inr
  inrcodec encode photo.png --size 4000                at most 4000 bytes
  inrcodec decode photo.inr -o back.png                at its own size
  inrcodec decode photo.inr -o big.png --scale 3       three times as large
  inrcodec decode photo.inr -o eye.png --region 100,50,64,64 --size 512x512
  inrcodec info photo.inr --json
  inrcodec verify photo.inr                            is it drawn as it should be

exit codes: 0 success, 2 wrong arguments, 3 bad input file, or a target not reached, 4 over a limit,
5 output exists or cannot be written, 6 encoder failed, 70 bug, 130 stopped by Ctrl-C, 143 ended by SIGTERM
"""
_PICTURE_SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF",
                     ".bmp": "BMP", ".ppm": "PPM", ".pgm": "PPM"}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        code = options.run(options)
        sys.stdout.flush()
    except InrError as error:
        return _fail(str(error), error.exit_code, options.debug)
    except KeyboardInterrupt:
        return _fail("stopped, no file was written", 130, debug=False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more at its exit
        return 0
    except MemoryError:
        return _fail("out of memory: ask for something smaller, or close other programs", 6, options.debug)
    except Exception as error:
        return _fail(f"internal error, please report it: {type(error).__name__}: {error}", 70, options.debug)
    return int(code)


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        raise
    _say(f"inrcodec: {message}")
    return code


def _say(message: str) -> None:
    """One line on stderr."""
    print(_printable(message), file=sys.stderr)


def _printable(text: str) -> str:
    """One line that a terminal only shows, whatever characters a file's name holds."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class _Parser(argparse.ArgumentParser):
    """A wrong command line is one line on stderr too."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, where help is, and exit."""
        _say(f"inrcodec: {message} (see {self.prog} --help)")
        self.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="inrcodec",
        description="Store a picture as the weights of a small sine network, and draw it at any size.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"inrcodec {__version__}")
    commands = parser.add_subparsers(required=True, metavar="encode | decode | info | verify")
    _add_encode(commands)
    _add_decode(commands)
    _add_info(commands)
    _add_verify(commands)
    return parser


def _add_encode(commands: Any) -> None:
    command = commands.add_parser("encode", help="picture -> .inr", description="Encode a picture as an .inr file.")
    command.add_argument("input", help="picture file, or - for standard input")
    command.add_argument("-o", "--output", help="the .inr file, or - for standard output; default: beside the input")
    target = command.add_mutually_exclusive_group()
    target.add_argument("-q", "--quality", type=int, metavar="0..100", help="default 50, about 0.35 bpp")
    target.add_argument("--bpp", type=float, metavar="F", help="bits per pixel of the file, to 2 %%")
    target.add_argument("--size", type=int, metavar="BYTES", help="bytes of the file: never more, at most 2 %% fewer")
    target.add_argument("--psnr", type=float, metavar="DB", help="PSNR of the decoded picture, to 0.1 dB, or exit 3")
    command.add_argument(
        "-e", "--effort", type=int, default=5, metavar="1..9", help="each level doubles the time; default 5"
    )
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default auto: CUDA if there is one"
    )
    command.add_argument("--seed", type=int, default=0, help="of the search; same seed, same bytes; default 0")
    command.add_argument(
        "--prune", type=float, default=0.0, metavar="FRACTION", help="weights to prune; default 0, as it does not pay"
    )
    command.add_argument("--resume", action="store_true", help="go on with an encode that was ended, if there is one")
    command.add_argument(
        "--checkpoint-every", type=float, default=60.0, metavar="S", help="seconds between checkpoints; default 60"
    )
    command.add_argument("-v", "--verbose", action="store_true", help="say what each stage cost and saved")
    _add_common(command, _encode)


def _add_decode(commands: Any) -> None:
    command = commands.add_parser("decode", help=".inr -> picture", description="Draw an .inr file at any size.")
    command.add_argument("input", help=".inr file, or - for standard input")
    command.add_argument(
        "-o", "--output", help="picture file, or - for a PNG on standard output; default: a .png beside the input"
    )
    size = command.add_mutually_exclusive_group()
    size.add_argument("--size", metavar="WxH", help="size of the output in pixels")
    size.add_argument(
        "--scale", type=float, metavar="F", help="size of the output relative to the picture, or to the region"
    )
    command.add_argument("--region", metavar="x,y,w,h", help="draw only this part, in pixels of the original")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu, which needs no torch")
    command.add_argument("--exact", action="store_true", help="draw in float64: the same samples on every machine")
    _add_limit(command)
    _add_common(command, _decode)


def _add_info(commands: Any) -> None:
    command = commands.add_parser("info", help="what a file holds", description="Say what an .inr file holds.")
    command.add_argument("input", help=".inr file, or - for standard input")
    command.add_argument("--json", action="store_true", help="as one JSON object")
    _add_limit(command)
    command.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    command.set_defaults(run=_info)


def _add_verify(commands: Any) -> None:
    command = commands.add_parser(
        "verify", help="is it drawn as it should be", description="Say whether this machine draws a file as it should."
    )
    command.add_argument("input", help=".inr file, or - for standard input")
    _add_limit(command)
    command.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    command.set_defaults(run=_verify)


def _add_limit(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--limit", action="append", default=[], metavar="NAME=VALUE", help="accept more: what a refusal names"
    )


def _add_common(command: argparse.ArgumentParser, run: Any) -> None:
    command.add_argument("-f", "--force", action="store_true", help="replace the output if it exists")
    command.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    command.set_defaults(run=run)


def _encode(options: argparse.Namespace) -> int:
    from inrcodec import checkpoint, files
    from inrcodec.terminal import Interrupt, ProgressLine, Terminated

    output = options.output or _beside(options.input, ".inr")
    files.check_output(output, options.input, options.force)
    start, line, interrupt = time.monotonic(), ProgressLine(), Interrupt()

    @functools.cache
    def note(text: str) -> None:
        """Say something once."""
        line.clear()
        _say(f"inrcodec: {text}")

    path, every = checkpoint.path_for(output), options.checkpoint_every
    keeper = checkpoint.Checkpoint(path, options.resume, every, note, interrupt.settled)
    keeper.open(options.force)
    try:
        with interrupt:
            try:
                encoded = _encoded(options, interrupt, line, note, keeper)
            finally:
                line.clear()
            files.write_output(output, encoded.data, options.input, options.force)
    except KeyboardInterrupt:
        return _fail(f"stopped, no file was written{_way_on(keeper)}", 130, debug=False)
    except Terminated:
        keeper.save()
        return _fail(f"ended by SIGTERM, no file was written{_way_on(keeper)}", 143, debug=False)
    keeper.discard()
    if options.verbose:
        _print_stages(encoded)
    _say(
        f"{output}: {len(encoded.data):,} bytes, {encoded.bpp:.3f} bpp, {encoded.psnr:.2f} dB, "
        f"{encoded.width}x{encoded.height}, {time.monotonic() - start:.0f} s"
    )
    if not encoded.met:
        _say(f"inrcodec: {output}: written, but the target is not reached: {_missed(options, encoded)}")
    return 0 if encoded.met else 3


def _way_on(keeper: "Checkpoint") -> str:
    return f"; {keeper.path} stays: add --resume to go on" if keeper.exists() else ""


def _missed(options: argparse.Namespace, encoded: "Encoded") -> str:
    if options.psnr is not None:
        return f"{encoded.psnr:.2f} dB instead of {options.psnr:g}"
    return f"{len(encoded.data):,} bytes, {encoded.bpp:.4g} bpp"


def _encoded(options: argparse.Namespace, interrupt: Any, line: Any, note: Any, keeper: "Checkpoint") -> "Encoded":
    from inrcodec import images
    from inrcodec.config import EncoderConfig
    from inrcodec.progress import Monitor

    names = ("quality", "effort", "device", "seed", "prune", "bpp", "size", "psnr")
    config = EncoderConfig(*(getattr(options, name) for name in names))
    image = images.load(options.input)
    from inrcodec.encoder import encode_with_report

    try:
        return encode_with_report(image, config, Monitor(line.show, interrupt.asked, line.announce, note), keeper)
    except CheckpointError as error:
        raise keeper.refused(error) from error


def _print_stages(encoded: "Encoded") -> None:
    """A table on stderr: what each stage cost in dB and saved in bytes."""
    before = encoded.stages[0]
    print(f"{'stage':<18}{'PSNR':>9}{'change':>9}{'bytes':>10}{'saved':>10}", file=sys.stderr)
    for stage in encoded.stages:
        print(
            f"{stage.name:<18}{stage.psnr:>6.2f} dB{stage.psnr - before.psnr:>+9.2f}{stage.file_bytes:>10,}"
            f"{before.file_bytes - stage.file_bytes:>10,}  {stage.note}",
            file=sys.stderr,
        )
        before = stage


def _decode(options: argparse.Namespace) -> int:
    from inrcodec import files, rasters
    from inrcodec.decoder import open_bytes

    output = options.output or _beside(options.input, ".png")
    kind = _picture_format(output)
    files.check_output(output, options.input, options.force)
    data, limits = _read(options), _limits(options)
    with _naming(options.input):
        picture = open_bytes(data, options.device, options.exact, limits)
        region = _region(options.region, picture)
        size = _size(options, region)
        image = picture.render(size, region)
    files.write_output(output, rasters.to_file(image, kind), options.input, options.force)
    _say(f"{output}: {image.shape[1]}x{image.shape[0]}")
    return 0


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Errors of ours from inside, with the name of the file that they are about; requests are not about a file."""
    try:
        yield
    except RequestError:
        raise
    except InrError as error:
        raise error.about(name) from error


def _beside(name: str, suffix: str) -> str:
    """The default output: the input's name with another suffix, or standard output for standard input."""
    if name == "-":
        return name
    if not Path(name).name:
        raise RequestError(f"{name!r}: not the name of a file")
    return str(Path(name).with_suffix(suffix))


def _picture_format(name: str) -> str:
    """Pillow's name of the picture format that a file's suffix asks for."""
    suffix = Path(name).suffix.lower()
    if name == "-":
        return "PNG"
    if suffix not in _PICTURE_SUFFIXES:
        raise RequestError(f"{name}: unknown kind of picture: use one of {' '.join(_PICTURE_SUFFIXES)}")
    return _PICTURE_SUFFIXES[suffix]


def _region(text: str | None, picture: "Picture") -> "Region":
    """x,y,w,h in native pixels; by default all of the picture."""
    from inrcodec.decoder import Region

    if text is None:
        return Region(0, 0, picture.height, picture.width)
    if not re.fullmatch(r"\d{1,10}(,\d{1,10}){3}", text):
        raise RequestError(f"--region {text}: x,y,w,h expected, four whole numbers such as 100,50,64,64")
    x, y, width, height = map(int, text.split(","))
    return Region(y, x, height, width)


def _size(options: argparse.Namespace, region: "Region") -> tuple[int, int]:
    """(height, width) of the output from --size, --scale or neither."""
    if options.size is not None:
        if not re.fullmatch(r"\d{1,10}x\d{1,10}", options.size):
            raise RequestError(f"--size {options.size}: WxH expected, such as 640x480")
        width, height = map(int, options.size.split("x"))
        return height, width
    scale = 1.0 if options.scale is None else options.scale
    if not (math.isfinite(scale) and 0 < scale <= 1e6):
        raise RequestError(f"--scale {scale}: a number above 0 expected, such as 2 or 0.5")
    return max(1, round(scale * region.height)), max(1, round(scale * region.width))


def _info(options: argparse.Namespace) -> int:
    from inrcodec import describe

    data = _read(options)
    with _naming(options.input):
        facts = describe.facts(data, _limits(options))
    if options.json:
        print(json.dumps({"file": options.input, **facts}))
        return 0
    ideal = facts.pop("ideal")
    for name, value in facts.items():
        shown = ", ".join(f"{part} {size}" for part, size in value.items()) if isinstance(value, dict) else value
        print(f"{name.replace('_', ' '):<16}{shown}")
    _print_ideal(ideal)
    return 0


def _verify(options: argparse.Namespace) -> int:
    from inrcodec import conformance

    data = _read(options)
    with _naming(options.input):
        verdict = conformance.verify(data, _limits(options))
    by_default = verdict.default
    print(
        f"{_printable(options.input)}: {verdict.text}; by default {by_default.differing} of {by_default.samples} "
        f"samples differ from those in float64, by at most {by_default.most_apart}"
    )
    return BitstreamError.exit_code if verdict.text == "wrong" else 0


def _read(options: argparse.Namespace) -> bytes:
    """The bytes of the .inr file to read."""
    from inrcodec import files

    cure = ": to accept it, --limit max_file_bytes=BYTES"
    return files.read_bounded(options.input, _limits(options).max_file_bytes, BitstreamError, cure)


def _limits(options: argparse.Namespace) -> "DecodeLimits":
    """The default limits, with what --limit NAME=VALUE changes."""
    from dataclasses import fields, replace

    from inrcodec.limits import DEFAULT_LIMITS

    names = [field.name for field in fields(DEFAULT_LIMITS)]
    limits = DEFAULT_LIMITS
    for text in options.limit:
        found = re.fullmatch(r"(\w+)=(\d{1,20})", text)
        if not found or found[1] not in names:
            raise RequestError(f"--limit {text}: NAME=VALUE expected, a whole number, NAME one of {', '.join(names)}")
        limits = replace(limits, **{found[1]: int(found[2])})
    return limits


def _print_ideal(ideal: dict[str, Any]) -> None:
    """How far the weights section is from its ideal lengths, in percent of the file."""
    above, saved = ideal["order_0_percent"], ideal["laplace_percent"]
    print(
        f"order-0 entropy {ideal['order_0_bytes']:,} bytes: the weights take {abs(above):.1f} % of the file "
        f"{'more' if above >= 0 else 'less'}"
    )
    print(
        f"Laplace/tensor  {ideal['laplace_bytes']:,} bytes: an arithmetic coder would "
        f"{'save' if saved >= 0 else 'lose'} {abs(saved):.1f} % of the file"
    )


if __name__ == "__main__":
    sys.exit(main())
