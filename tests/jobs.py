"""Pieces of work for the pool of tools/rd_pool.py, in a module that a fresh process loads at once."""

import os
import time
from dataclasses import dataclass


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
