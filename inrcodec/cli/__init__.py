"""The command line, `inrcodec COMMAND`, see `arguments.py`; the modules of commands are imported late.

Exit codes are those of `errors.py`.
"""

import importlib
import os
import signal
import sys
from collections.abc import Sequence

from inrcodec.cli.arguments import parser
from inrcodec.cli.cures import worded
from inrcodec.cli.terminal import NO_FILE, Interrupt, Terminated, say
from inrcodec.errors import BUG, ENDED, STOPPED, InrError, ResourceError

_MODULES = {
    "encode": "encode", "decode": "decode", "view": "view", "export": "view", "info": "info", "verify": "info",
    "compare": "compare", "fleet": "fleet", "completion": "completion",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are one line on stderr.

    Without `arguments` it is the whole of a process, which then ends here where it was told to, whatever still runs.
    """
    with Interrupt(answer=None):
        code = _code_of(arguments)
    if arguments is None and code in (STOPPED, ENDED):
        sys.stderr.flush()
        os._exit(code)
    return code


def _code_of(arguments: Sequence[str] | None) -> int:
    debug = False
    try:
        options = parser().parse_args(arguments)
        debug = options.debug
        code = importlib.import_module(f"inrcodec.cli.{_MODULES[options.command]}").run(options)
        sys.stdout.flush()
    except InrError as error:
        return _fail(worded(error), error.exit_code, debug)
    except KeyboardInterrupt as stop:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is heard
        return _fail(f"stopped, {str(stop) or NO_FILE}", STOPPED, debug=False)
    except Terminated as end:
        return _fail(f"ended by SIGTERM, {str(end) or NO_FILE}", ENDED, debug=False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more at its exit
        return 0
    except MemoryError:
        return _fail(
            "out of memory: ask for something smaller, or close other programs", ResourceError.exit_code, debug
        )
    except Exception as error:
        return _fail(f"internal error, please report it: {type(error).__name__}: {error}", BUG, debug)
    return int(code)


def _fail(message: str, code: int, debug: bool) -> int:
    if debug:
        raise
    say(f"inrcodec: {message}")
    return code
