"""What is not part of the decoder, and so may not be installed: every door that needs it asks here first."""

import importlib.util

from inrcodec.errors import NotInstalledError

ENCODER = ("torch", "torchao")
"""What encoding needs."""


def require(what: str, *packages: str) -> None:
    """Raise NotInstalledError, which says how to install them, unless `what` finds its packages; none is imported.

    Each package is installed under the name that it is imported by.
    """
    if missing := [package for package in packages if importlib.util.find_spec(package) is None]:
        verb = "is" if len(missing) == 1 else "are"
        names = " and ".join(missing)
        raise NotInstalledError(f"{what} needs {names}, which {verb} not installed: pip install {' '.join(missing)}")
