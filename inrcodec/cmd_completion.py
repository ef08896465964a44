"""`inrcodec completion SHELL`: what lets a shell complete the command line, made by shtab from the parser."""

import argparse

from inrcodec.arguments import parser
from inrcodec.errors import RequestError


def run(options: argparse.Namespace) -> int:
    """The command; returns its exit code."""
    try:
        import shtab
    except ImportError as error:
        raise RequestError('completion needs shtab: pip install "inrcodec[completion]"') from error
    print(shtab.complete(parser(), options.shell))
    return 0
