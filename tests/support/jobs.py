"""Pieces of work for `inrcodec.cli.pool`, in a module that a fresh process loads at once."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from inrcodec.cli.terminal import Interrupt


@dataclass(frozen=True)
class Job:
    """Waits, then answers with its name and what it inherited."""

    label: str
    cost: float = 1.0
    seconds: float = 0.0

    def run(self) -> object:
        time.sleep(self.seconds)
        return self.label, os.environ.get("OMP_NUM_THREADS"), os.getpid()


@dataclass(frozen=True)
class Failing(Job):
    def run(self) -> object:
        raise ValueError("over\ntwo lines")


@dataclass(frozen=True)
class Dying(Job):
    def run(self) -> object:
        os._exit(9)


@dataclass(frozen=True)
class DyingOnce(Job):
    """Its label is a file that says whether it has died yet."""

    def run(self) -> object:
        if not Path(self.label).exists():
            Path(self.label).touch()
            os._exit(9)
        return super().run()


@dataclass(frozen=True)
class Heeding(Job):
    """Finishes early when it is asked to."""

    def run(self) -> object:
        end = time.monotonic() + self.seconds
        with Interrupt(answer="") as interrupt:
            while time.monotonic() < end:
                if interrupt.asked():
                    return "early"
                time.sleep(0.05)
        return "late"
