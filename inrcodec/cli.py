"""The command line, `inrcodec COMMAND`, see `arguments.py`; the modules of commands are imported late.

Exit codes: 0 success, 1 some of several files failed, 2 wrong arguments, 3 bad input file, a target not reached, or a
time limit too short, 4 over a limit, 5 output exists or cannot be written, 6 the encoder failed, 70 a bug in inrcodec,
130 stopped by Ctrl-C, 143 ended by SIGTERM.
"""

import importlib
import os
import sys
from collections.abc import Sequence

from inrcodec.arguments import parser
from inrcodec.errors import InrError
from inrcodec.terminal import NO_FILE, Terminated, say

_MODULES = {
    "encode": "cmd_encode", "decode": "cmd_decode", "view": "cmd_view", "export": "cmd_view", "info": "cmd_info",
    "verify": "cmd_info", "compare": "cmd_compare", "fleet": "cmd_fleet", "completion": "cmd_completion",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are one line on stderr."""
    options = parser().parse_args(arguments)
    try:
        code = importlib.import_module(f"inrcodec.{_MODULES[options.command]}").run(options)
        sys.stdout.flush()
    except InrError as error:
        return _fail(str(error), error.exit_code, options.debug)
    except KeyboardInterrupt as stop:
        return _fail(f"stopped, {str(stop) or NO_FILE}", 130, debug=False)
    except Terminated as end:
        return _fail(f"ended by SIGTERM, {str(end) or NO_FILE}", 143, debug=False)
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
    say(f"inrcodec: {message}")
    return code


if __name__ == "__main__":
    sys.exit(main())
