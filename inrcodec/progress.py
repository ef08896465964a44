"""How long work reports its progress, and how it is asked to finish early. The library itself prints nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """One report from a running stage."""

    stage: str
    """Name, such as "fit"."""
    step: int
    """Steps done, of `steps`."""
    steps: int
    """Steps of this stage."""
    psnr: float
    """PSNR of the network's current picture in dB, before rounding to codes."""
    begun: int = 0
    """Step at which this process took the search up from another."""


@dataclass(frozen=True)
class Estimate:
    """What an encode is about to take."""

    height: int
    """Height of the picture in pixels."""
    width: int
    """Width of the picture in pixels."""
    weights: int
    """Weights of the network, biases included."""
    seconds: float
    """Seconds until the file is there, on this machine as busy as it is."""
    lower: tuple[tuple[str, float, float], ...] = ()
    """What to lower where that is over 20 minutes, as (option, value, seconds that it would about take)."""
    memory: int = 0
    """Bytes that it takes at once, about; 0: not told."""
    longest: float = 0.0
    """Seconds, with all the larger networks and the roundings that a PSNR may take; 0: it is no PSNR."""
    trial: bool = False
    """Whether this is a pilot, which says how large a network a PSNR takes."""


@dataclass(frozen=True)
class Stage:
    """What a stage did to the picture and to the file."""

    name: str
    """Such as "fit"."""
    psnr: float
    """PSNR after the stage in dB, before rounding to codes."""
    file_bytes: int
    """Bytes of the .inr file after the stage; before quantization of the weights as float32, and of a mask."""
    note: str = ""
    """What else is to be said of it."""


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


def within(monitor: Monitor, done: int, total: int) -> Monitor:
    """The monitor of one part of a search: its steps are reported as steps of the whole."""
    return replace(
        monitor, report=lambda progress: monitor.report(replace(progress, step=done + progress.step, steps=total))
    )


def part_due(due: Callable[[], float], start: float, share: float) -> Callable[[], float]:
    """How much of a part of a search is to be over: of the one that begins at `start` of the whole and is `share`."""
    return lambda: min(1.0, max(0.0, (due() - start) / share))
