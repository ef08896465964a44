"""The command `inrcodec`, also as `python -m inrcodec`: nothing that takes time is imported before Ctrl-C is heard."""

import os
import sys


def main() -> int:
    """Run the command line of this process."""
    try:
        from inrcodec import cli

        return cli.main()
    except KeyboardInterrupt:  # before `cli` could hear of it
        os.write(2, b"\ninrcodec: stopped, no file was written\n")
        os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
