"""How long an encode will take, before it begins: a little of each of its parts is timed, and multiplied.

A step costs as much as the network has weights times the pixels of a batch, whatever the size of the picture. The
evaluations of the picture and the draws of the file, for its hash, its flag and its check, walk over all of it, in
float64 as in float32; what a rounding takes its family knows. An estimate is for a search that is not ended early.
"""

import math
import time
from dataclasses import replace

import numpy as np

from inrcodec.compute import threads
from inrcodec.compute.backends import Backend, Manner, NumpyBackend, Precision
from inrcodec.compute.torch_backend import TorchBackend
from inrcodec.decoding.conformance import MOST_POINTS
from inrcodec.encoding.config import LEAST_PSNR, EncoderConfig
from inrcodec.families.training import Candidate, Plan, Timing, Trainer
from inrcodec.fitting.loop import FitConfig
from inrcodec.fitting.timing import Clock, least_spent
from inrcodec.progress import SILENT, Estimate

LEAST_STEPS, MOST_STEPS, ENOUGH_SECONDS = 2, 20, 0.5
"""Steps to time: as many as fit in so many seconds, but never fewer or more than these. SOAP refreshes its bases every
ten steps, which 20 hold twice."""
LONG = 20.0 * 60
"""Seconds; an encode that takes longer is announced with what to lower."""
_DB_OF_DOUBLING = 1.5
"""About what twice the weights gain on a photograph, in dB."""
_POINTS = 8192
"""Points of a timed draw."""


def measure_fit(
    candidate: Candidate, config: FitConfig, clock: Clock = time.perf_counter, enough: float = ENOUGH_SECONDS
) -> Timing:
    """Time steps of the fit that `config` describes, and an evaluation, on a copy of the candidate."""
    copy = candidate.copy()
    now, search = _waiting_for(copy, clock), copy.search(replace(config, steps=MOST_STEPS + 2), SILENT.note)
    with search.working():
        search.evaluate()
        for step in range(2):  # the first sets up SOAP, the second is the first of its kind
            search.step(step)
        start, count = now(), 0
        while count < LEAST_STEPS or (count < MOST_STEPS and now() - start < enough):
            search.step(2 + count)
            count += 1
        middle = now()
        search.evaluate()
        return Timing((middle - start) / count, now() - middle, count)


def measure(
    candidate: Candidate, config: FitConfig, clock: Clock = time.perf_counter, enough: float = ENOUGH_SECONDS
) -> Timing:
    """As `measure_fit`, and some of all else."""
    timing, copy = measure_fit(candidate, config, clock, enough), candidate.copy()
    now = _waiting_for(copy, clock)
    rounding = copy.rounding_timing(now)
    return replace(timing, rounding=rounding, check=_of_check(copy, now))


def _waiting_for(candidate: Candidate, clock: Clock) -> Clock:
    """The clock, read once the candidate's device has done all that it was given."""

    def now() -> float:
        candidate.wait()
        return clock()

    return now


def _of_check(candidate: Candidate, now: Clock) -> float:
    """Seconds of all draws of the file: by `conformance.certify`, and `encoder.verified_psnr` in the slower class."""
    network, pixels = candidate.stored().network, len(candidate.target)
    coords = np.random.default_rng(0).uniform(-1, 1, (_POINTS, 2)).astype(np.float32)
    manner = Manner(threads.count())

    def drawn(backend: Backend, dtype: Precision) -> float:
        evaluate = network.evaluator(backend, dtype)
        return least_spent(lambda: evaluate(coords), now)

    single, double = (drawn(NumpyBackend(manner), dtype) for dtype in (np.float32, np.float64))
    torch = drawn(TorchBackend(str(candidate.device), manner), np.float64)
    twice = min(MOST_POINTS, 4 * pixels)
    compared = min(MOST_POINTS, pixels) + twice
    return (compared * (single + double) + pixels * (2 * double + torch)) / _POINTS


def seconds(timing: Timing, plan: Plan, weights: int, steps: int | None = None) -> float:
    """Seconds of the whole encode: steps (by default the plan's), evaluations, roundings, and the draws of the file."""
    count = sum(plan.steps) if steps is None else steps
    evaluations = count / plan.fit.evaluate_every
    rounding = plan.rounding_seconds(timing, weights)
    return timing.step * count + timing.evaluation * evaluations + rounding + timing.check


def announcement(candidate: Candidate, plan: Plan, timing: Timing, config: EncoderConfig, trainer: Trainer) -> Estimate:
    """How long an encode will take, by a few timed steps, and how much memory."""
    target, count = candidate.target, candidate.weights
    needed = seconds(timing, plan, count)
    ways = what_to_lower(config, needed, trainer.quality_of(count * LONG / needed))
    return Estimate(target.height, target.width, count, needed, ways, plan.memory(count))


def what_to_lower(config: EncoderConfig, seconds: float, quality: int) -> tuple[tuple[str, float, float], ...]:
    """(option, value, seconds) that would each bring an encode of so many seconds down to about `LONG`.

    Time goes as two to the effort, and as the weights; `quality` is the one with few enough, negative if none has.
    """
    if seconds <= LONG:
        return ()
    factor = seconds / LONG
    halvings = math.ceil(math.log2(factor))
    ways = [("effort", config.effort - halvings, seconds / 2**halvings)] if halvings < config.effort else []
    if config.bpp is not None:
        return (*ways, ("bpp", float(f"{config.bpp / factor:.2g}"), LONG))
    if config.size is not None:
        return (*ways, ("size", int(config.size / factor), LONG))
    if config.psnr is not None:
        psnr = math.floor(config.psnr - _DB_OF_DOUBLING * math.log2(factor))
        return (*ways, ("psnr", psnr, LONG)) if psnr >= LEAST_PSNR else tuple(ways)
    return (*ways, ("quality", quality, LONG)) if quality >= 0 else tuple(ways)
