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


@dataclass(frozen=True)
class Monitor:
    """What a caller may hand to `encode`: a listener, and a switch that ends the search with the best so far."""

    report: Callable[[Progress], None] = lambda progress: None
    stopped: Callable[[], bool] = lambda: False


SILENT = Monitor()
"""Listens to nothing and never stops."""
