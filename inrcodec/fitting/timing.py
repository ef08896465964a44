"""Seconds of a piece of work, by a clock that may wait for a device."""

from collections.abc import Callable

Clock = Callable[[], float]


def spent(work: Callable[[], object], now: Clock) -> float:
    """Seconds of one run."""
    start = now()
    work()
    return now() - start


def least_spent(work: Callable[[], object], now: Clock) -> float:
    """Seconds of the faster of two runs: what comes once, such as page faults, would count a thousandfold."""
    return min(spent(work, now) for _ in range(2))
