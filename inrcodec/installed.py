"""What is installed: this version, and packages that only some doors need, which ask here first."""

__version__ = "0.2.0"

ENCODER = ("torch", "torchao")
"""What encoding needs."""


def require(what: str, *packages: str) -> None:
    """Raise NotInstalledError, which says how to install them, unless `what` finds its packages; none is imported.

    Each package is installed under the name that it is imported by.
    """
    import importlib.util  # here, as whoever imports inrcodec imports this module

    from inrcodec.errors import NotInstalledError

    if missing := [package for package in packages if importlib.util.find_spec(package) is None]:
        verb = "is" if len(missing) == 1 else "are"
        names = " and ".join(missing)
        raise NotInstalledError(f"{what} needs {names}, which {verb} not installed: pip install {' '.join(missing)}")
