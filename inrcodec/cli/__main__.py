"""`python -m inrcodec.cli`: as `python -m inrcodec`, which hears Ctrl-C a little earlier."""

import sys

from inrcodec.cli import main

sys.exit(main())
