"""How long work reports its progress, and how it is asked to finish early. The library itself prints nothing."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One report from a running stage."""

    stage: str
    """Its name, such as "fit"."""
    step: int
    """Done, of `steps`."""
    steps: int
    """Of this stage."""
    psnr: float
    """PSNR of the network's current picture in dB, before rounding to codes."""
    begun: int = 0
    """Step at which this process took the search up from another."""


@dataclass(frozen=True)
class Estimate:
    """What an encode is about to take."""

    height: int
    """Of the picture, in pixels."""
    width: int
    """Of the picture, in pixels."""
    weights: int
    """Of the network, biases included."""
    seconds: float
    """Until the file is there, on this machine as busy as it is."""
    lower: tuple[tuple[str, float, float], ...] = ()
    """Where that is over 20 minutes: what to lower, as (option, value, seconds that it would about take)."""
    memory: int = 0
    """Bytes that it takes at once, about; 0: not told."""
    longest: float = 0.0
    """Seconds, with all the larger networks and the roundings that a PSNR may take; 0: it is no PSNR."""
    trial: bool = False
    """Whether this is a pilot, which says how large a network a PSNR takes."""


def never() -> bool:
    """What `stopped` is where nobody wants to stop."""
    return False


def early() -> float:
    """What `due` is where there is no hurry."""
    return 0.0


Report = Callable[[int, int], None]
"""Told how much of how much is done."""


def silent(done: int, whole: int) -> None:
    """What a `Report` is where nobody listens."""


@dataclass(frozen=True)
class Monitor:
    """What a caller may hand to `encode`: listeners, and a switch that ends the search with the best so far."""

    report: Callable[[Progress], None] = lambda progress: None
    """Told of the progress now and then."""
    stopped: Callable[[], bool] = never
    """Asked between any two steps whether the search is to end, with the best so far."""
    announce: Callable[[Estimate], None] | None = None
    """Told before the fit how long it will take; for a PSNR before each. Without it nothing is measured."""
    note: Callable[[str], None] = lambda text: None
    """Told in a sentence what a user should know: that a picture's 16 bits are rounded, that memory ran out."""
    due: Callable[[], float] = early
    """How much of the running search, 0 .. 1, is to be over by now: it leaves out steps of its schedule to keep up."""


SILENT = Monitor()
"""Listens to nothing and never stops."""
