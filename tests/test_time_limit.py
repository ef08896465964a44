"""A time limit: the search is planned to end within it, and ended when it is over; the file is a good one still."""

from pathlib import Path

import numpy as np
import pytest

import inrcodec
from inrcodec import encoder, estimate, metrics
from inrcodec.config import EncoderConfig
from inrcodec.errors import RequestError
from inrcodec.estimate import Timing, Work
from inrcodec.fit import FitConfig
from inrcodec.progress import Monitor
from tests.pictures import waves
from tests.test_cli import run

TIMING, WORK, PIXELS = Timing(step=0.01, look=0.02, steps=20), Work(steps=5000, roundings=1, weights=900), 9000


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_so_many_steps_are_planned_as_take_the_limit(part: float) -> None:
    planned = Work(round(part * WORK.steps), WORK.roundings, WORK.weights)
    limit = estimate.seconds(TIMING, planned, PIXELS, FitConfig())
    assert estimate.fraction_within(TIMING, WORK, PIXELS, FitConfig(), limit) == pytest.approx(part)


def test_no_step_is_planned_where_there_is_no_time_and_none_more_than_all() -> None:
    assert estimate.fraction_within(TIMING, WORK, PIXELS, FitConfig(), 0.001) == 0
    assert estimate.fraction_within(TIMING, WORK, PIXELS, FitConfig(), 1e6) == 1


def test_a_limit_that_is_far_changes_nothing() -> None:
    image = waves(12, 10)
    free = inrcodec.encode(image, EncoderConfig(effort=1, device="cpu"))
    assert inrcodec.encode(image, EncoderConfig(effort=1, device="cpu", time_limit=1e6)) == free


def test_a_long_search_is_planned_shorter_and_keeps_its_schedule() -> None:
    reports: list[int] = []
    monitor = Monitor(report=lambda progress: reports.append(progress.steps))
    image = waves(40, 48)
    encoded = encoder.encode_with_report(image, EncoderConfig(effort=9, device="cpu", time_limit=6), monitor)
    assert max(reports) < 100_000  # of 208,000
    assert encoded.psnr == metrics.psnr(image, inrcodec.decode(encoded.data))
    assert encoded.psnr > 25


def test_a_limit_that_is_over_before_it_begins_still_makes_a_file() -> None:
    image = waves(12, 10)
    encoded = encoder.encode_with_report(image, EncoderConfig(effort=9, device="cpu", time_limit=1e-9))
    flat = np.full_like(image, np.rint(image.mean((0, 1))).astype(np.uint8))
    assert encoded.psnr >= metrics.psnr(image, flat)


def test_the_command_line_has_it(workdir: Path) -> None:
    assert run("encode photo.png -e 9 --time-limit 1e-9") == 0
    assert inrcodec.decode(Path("photo.inr").read_bytes()).shape == (16, 16, 3)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_no_time_is_refused(limit: float) -> None:
    with pytest.raises(RequestError, match="time_limit"):
        EncoderConfig(time_limit=limit)
