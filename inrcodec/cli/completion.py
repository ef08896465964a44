"""`inrcodec completion SHELL`: what lets a shell complete the command line, made by shtab from the parser."""

import argparse

from inrcodec import installed
from inrcodec.cli.arguments import parser


def run(options: argparse.Namespace) -> int:
    """The command; returns its exit code."""
    installed.require("completion", "shtab")
    import shtab

    print(shtab.complete(parser(), options.shell))
    return 0
