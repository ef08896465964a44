"""How long work reports its progress, and how it is asked to finish early. The library itself prints nothing."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One report from a running stage."""

    stage: str
    step: int
    steps: int
    psnr: float
    """PSNR of the network's current picture in dB, before rounding to codes."""
    begun: int = 0
    """Step at which this process took the search up from another."""


@dataclass(frozen=True)
class Estimate:
    """What an encode is about to take."""

    height: int
    width: int
    weights: int
    seconds: float
    lower: tuple[tuple[str, float, float], ...] = ()
    """Where that is over 20 minutes: what to lower, as (option, value, seconds that it would about take)."""


def never() -> bool:
    """What `stopped` is where nobody wants to stop."""
    return False


def early() -> float:
    """What `due` is where there is no hurry."""
    return 0.0


@dataclass(frozen=True)
class Monitor:
    """What a caller may hand to `encode`: listeners, and a switch that ends the search with the best so far."""

    report: Callable[[Progress], None] = lambda progress: None
    stopped: Callable[[], bool] = never
    announce: Callable[[Estimate], None] | None = None
    """Told once, before the fit, how long it will take; without it nothing is measured."""
    note: Callable[[str], None] = lambda text: None
    """Told in a sentence what a user should know: that memory ran out, and what is done about it."""
    due: Callable[[], float] = early
    """How much of the running search, 0 .. 1, is to be over by now: it leaves out steps of its schedule to keep up."""


SILENT = Monitor()
"""Listens to nothing and never stops."""
