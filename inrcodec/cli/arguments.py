"""The arguments of the command line, all that argparse knows of them. What they do: `cli.py` and its commands."""

import argparse
from typing import Any, NoReturn

from inrcodec.cli.terminal import say
from inrcodec.installed import __version__

EXAMPLES = """\
examples:
  inrcodec encode photo.png -o photo.inr               about 0.35 bits per pixel
  inrcodec encode photo.png -q 70 -e 7                 better and slower, to photo.inr
  inrcodec encode photo.png --size 4000                at most 4000 bytes
  inrcodec encode pictures -r -o files -j 4            all pictures of a folder and its folders
  inrcodec decode photo.inr -o back.png                at its own size
  inrcodec decode photo.inr -o big.png --scale 3       three times as large
  inrcodec decode photo.inr -o eye.png --region 100,50,64,64 --size 512x512
  inrcodec decode photo.inr -o edges.png --channels gradient
  inrcodec view photo.inr -o photo.html                a page that zooms, to 4096x
  inrcodec export photo.inr --npz                      the weights, for NumPy
  inrcodec compare photo.png photo.inr                 PSNR and MS-SSIM
  inrcodec info photo.inr --json
  inrcodec verify photo.inr                            is it drawn as it should be
  inrcodec fleet pictures -o files --workers 4         all of them on a Dask cluster of this machine
  eval "$(inrcodec completion bash)"                   let the shell complete all this

exit codes: 0 success, 1 some of several files failed, 2 wrong arguments, 3 bad input file, or a target
not reached, 4 over a limit, 5 output exists or cannot be written, 6 encoder failed, 70 bug,
130 stopped by Ctrl-C, 143 ended by SIGTERM
"""


_INR_FILES = ".inr files, folders of them, or - for standard input"


class _Parser(argparse.ArgumentParser):
    """A wrong command line is one line on stderr too."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, where help is, and exit."""
        say(f"inrcodec: {message} (see {self.prog} --help)")
        self.exit(2)


def parser() -> argparse.ArgumentParser:
    """The whole parser; `options.command` is the name of the command."""
    whole = _Parser(
        prog="inrcodec",
        description="Store a picture as the weights of a small sine network, and draw it at any size.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"inrcodec {__version__}")
    commands = whole.add_subparsers(
        required=True,
        dest="command",
        metavar="encode | decode | view | export | info | verify | compare | fleet | completion",
    )
    _add_encode(commands)
    _add_decode(commands)
    _add_view(commands)
    _add_export(commands)
    _add_reader(commands, "info", "what a file holds", "Say what .inr files hold.")
    _add_reader(commands, "verify", "is it drawn as it should be", "Say whether this machine draws files as it should.")
    _add_compare(commands)
    _add_fleet(commands)
    _add_completion(commands)
    return whole


def _add_encode(commands: Any) -> None:
    command = commands.add_parser("encode", help="pictures -> .inr", description="Encode pictures as .inr files.")
    add = command.add_argument
    add("input", nargs="+", help="picture files, folders of them, or - for standard input")
    add("-o", "--output", help="the .inr file, a folder, or - for standard output; default: next to the input")
    _add_encoding(command)
    add("--frame", type=int, metavar="N", help="of animations and pictures of several pages, from 0 on; default 0")
    add("--resume", action="store_true", help="resume an encode that was ended, if there is one")
    add("--checkpoint-every", type=float, default=60.0, metavar="S", help="seconds between checkpoints; default 60")
    add("-v", "--verbose", action="store_true", help="say what each stage cost and saved")
    _add_threads(command)
    _add_batch(command)


def _add_encoding(command: argparse.ArgumentParser) -> None:
    """What `EncoderConfig` is made of."""
    add, target = command.add_argument, command.add_mutually_exclusive_group()
    target.add_argument("-q", "--quality", type=int, metavar="0..100", help="default 50, about 0.35 bpp")
    target.add_argument("--bpp", type=float, metavar="F", help="bits per pixel of the file, to 2 %%")
    target.add_argument("--size", type=int, metavar="BYTES", help="bytes of the file: never more, at most 2 %% fewer")
    target.add_argument(
        "--psnr", type=float, metavar="DB", help="PSNR, to 0.1 dB in half the raw bytes at most, or exit 3"
    )
    add("-e", "--effort", type=int, default=5, metavar="1..9", help="each level doubles the time; default 5")
    add("--family", default="siren", metavar="NAME", help="what holds the picture: siren, grid or auto; default siren")
    add("--time-limit", type=float, metavar="S", help="seconds for each picture: a longer search is planned shorter")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default auto: CUDA if there is one")
    add("--seed", type=int, default=0, help="of the search; same seed, same bytes; default 0")
    add("--prune", type=float, default=0.0, metavar="FRACTION", help="weights to prune; default 0, as it does not pay")
    add("--metadata", default="icc", metavar="KINDS", help="none, all, or of icc,exif,xmp; default icc, unless sRGB")


def _add_fleet(commands: Any) -> None:
    command = commands.add_parser(
        "fleet", help="many pictures on many machines", description="Encode pictures on a Dask cluster, by URIs."
    )
    add = command.add_argument
    add("input", nargs="+", help="pictures and folders of them: paths, or URIs that fsspec opens")
    add("-o", "--output", required=True, help="folder for the .inr files, path or URI")
    add("--manifest", metavar="FILE", help="a JSON line for each picture; default manifest.jsonl in the output folder")
    add("--workers", type=int, metavar="N", help="processes of this machine; default one for each GPU, or core")
    add("--scheduler", metavar="ADDRESS", help="of a Dask cluster that runs already, such as tcp://host:8786")
    add("--json", action="store_true", help="the manifest's lines on standard output too")
    add("--quiet", action="store_true", help="say nothing but what failed")
    add("--skip-existing", action="store_true", help="take files that the manifest does not know as they are")
    add("-f", "--force", action="store_true", help="replace files that the manifest does not know")
    _add_encoding(command)
    _add_debug(command)


def _add_decode(commands: Any) -> None:
    command = commands.add_parser("decode", help=".inr -> pictures", description="Draw .inr files at any size.")
    add = command.add_argument
    add("input", nargs="+", help=_INR_FILES)
    add("-o", "--output", help="picture file, a folder, or - for standard output; default: next to the input")
    size = command.add_mutually_exclusive_group()
    size.add_argument("--size", metavar="WxH", help="size of the output in pixels")
    size.add_argument("--scale", type=float, metavar="F", help="size relative to the picture, or to the region")
    add("--region", metavar="x,y,w,h", help="draw only this part, in pixels of the original")
    add("--channels", metavar="WHAT", default="colour", help="colour, gradient or laplacian; default colour")
    add("--format", metavar="KIND", help="png, ppm, tiff, npy, jpeg, webp or bmp; default: by the suffix")
    add("--depth", type=int, choices=(8, 16), default=8, help="bits of a sample; default 8")
    add("--metadata", default="all", metavar="KINDS", help="none, all, or of icc,exif,xmp; default all there is")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="default cpu, which needs no torch")
    add("--exact", action="store_true", help="draw in float64: the same samples on every machine")
    _add_threads(command)
    _add_limit(command)
    _add_batch(command)


def _add_view(commands: Any) -> None:
    command = commands.add_parser(
        "view", help=".inr -> web pages", description="Make pages that evaluate the network, enlarged up to 4096 times."
    )
    command.add_argument("input", nargs="+", help=_INR_FILES)
    command.add_argument("-o", "--output", help="page, a folder, or - for standard output; default: next to the input")
    _add_limit(command)
    _add_batch(command)


def _add_export(commands: Any) -> None:
    command = commands.add_parser("export", help="the network itself", description="Write networks for other programs.")
    add, kind = command.add_argument, command.add_mutually_exclusive_group(required=True)
    add("input", nargs="+", help=_INR_FILES)
    add("-o", "--output", help="file, a folder, or - for standard output; default: next to the input")
    kind.add_argument("--glsl", dest="kind", action="store_const", const="glsl", help="a shader, of small networks")
    kind.add_argument("--npz", dest="kind", action="store_const", const="npz", help="the weights as NumPy arrays")
    _add_limit(command)
    _add_batch(command)


def _add_reader(commands: Any, name: str, short: str, long: str) -> None:
    """A command that reads files and writes none."""
    command = commands.add_parser(name, help=short, description=long)
    command.add_argument("input", nargs="+", help=_INR_FILES)
    _add_many(command)
    _add_limit(command)
    _add_debug(command)


def _add_compare(commands: Any) -> None:
    command = commands.add_parser(
        "compare", help="how far two pictures are apart", description="PSNR and MS-SSIM of B against A."
    )
    command.add_argument("a", metavar="A", help="a picture, or an .inr file")
    command.add_argument("b", metavar="B", help="another; an .inr file is drawn at the other's size")
    command.add_argument("-o", "--output", help="write both side by side, and their difference, as a picture")
    command.add_argument("--json", action="store_true", help="as one JSON object")
    command.add_argument("-f", "--force", action="store_true", help="replace the output if it exists")
    _add_limit(command)
    _add_debug(command)


def _add_completion(commands: Any) -> None:
    command = commands.add_parser(
        "completion", help="for a shell", description="Print what lets a shell complete this command line."
    )
    command.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    _add_debug(command)


def _add_many(command: argparse.ArgumentParser) -> None:
    command.add_argument("-r", "--recursive", action="store_true", help="folders with all that are in them")
    command.add_argument("--json", action="store_true", help="one JSON object for each file, on a line of its own")


def _add_batch(command: argparse.ArgumentParser) -> None:
    """What commands that write files have in common."""
    _add_many(command)
    add = command.add_argument
    add("-j", "--jobs", type=int, default=1, metavar="N", help="processes; default 1, with all cores")
    add("--shard", metavar="I/N", help="only every N-th input, from the I-th on, 1 <= I <= N")
    add("--skip-existing", action="store_true", help="pass over inputs whose output exists")
    add("-f", "--force", action="store_true", help="replace outputs that exist")
    add("--quiet", action="store_true", help="say nothing but what failed")
    _add_debug(command)


def _add_threads(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=int, metavar="N", help="of each process; default its share of the cores")


def _add_limit(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--limit", action="append", default=[], metavar="NAME=VALUE", help="accept more: what a refusal names"
    )


def _add_debug(command: argparse.ArgumentParser) -> None:
    command.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
