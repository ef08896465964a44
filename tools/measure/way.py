"""The way of a picture through the package: the longest chain of modules that call each other, seen while it runs.

    python tools/measure/way.py

One small encode and one decode, from the API. A hop is a call from one module into another; it climbs where the other
stands in a room of a higher rank, as when a loop asks the objective that it was given.
"""

import itertools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

import inrcodec
from tests.laws.test_layers import RANKS

Chain = tuple[str, ...]
"""Modules, the caller first; none twice in a row."""


class Watch:
    """Every chain of calls inside the package."""

    def __init__(self) -> None:
        self.chains: set[Chain] = set()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and _module(frame):
            self.chains.add(_chain(frame))


def _module(frame: FrameType | None) -> str:
    """Its name inside the package; empty for others, and for code that runs at import."""
    name = str(frame.f_globals.get("__name__", "")) if frame else ""
    is_ours = name.startswith("inrcodec.") and frame is not None and frame.f_code.co_name != "<module>"
    return name.removeprefix("inrcodec.") if is_ours else ""


def _chain(frame: FrameType | None) -> Chain:
    found: list[str] = []
    while frame:
        module = _module(frame)
        if module and (not found or found[-1] != module):
            found.append(module)
        frame = frame.f_back
    return tuple(reversed(found))


def watched(work: Callable[[], object]) -> set[Chain]:
    """The chains of a piece of work, on one thread, after a run that imports what it needs."""
    work()
    watch = Watch()
    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(None)
    return watch.chains


def climbs(chain: Chain) -> int:
    """How many hops go to a room of a higher rank."""
    ranks = [next(rank for rank, rooms in RANKS.items() if module.split(".")[0] in rooms) for module in chain]
    return sum(after > before for before, after in itertools.pairwise(ranks))


def chains() -> dict[str, set[Chain]]:
    """Of an encode, and of two decodes."""
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    config = inrcodec.EncoderConfig(effort=1, device="cpu", threads=1)
    data = inrcodec.encode(image, config)
    ways = {
        "encode": lambda: inrcodec.encode(image, config),
        "decode": lambda: inrcodec.decode(data, threads=1),
        "decode to another size": lambda: inrcodec.decode(data, (5, 40), threads=1),
    }
    return {name: watched(work) for name, work in ways.items()}


def main() -> None:
    for name, found in chains().items():
        longest = max(found, key=lambda chain: (len(chain), chain))
        print(f"{name}: {len(longest)} modules deep, {max(map(climbs, found))} climbs at most: {' > '.join(longest)}")


if __name__ == "__main__":
    main()
