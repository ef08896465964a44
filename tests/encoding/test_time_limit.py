"""A time limit: the best plan that fits, held to by the clock; where none fits that is said, and nothing is begun."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import inrcodec
from inrcodec import metrics
from inrcodec.encoding import deadline, encoder, estimate
from inrcodec.encoding.config import EncoderConfig
from inrcodec.encoding.deadline import (
    LEAST_STEPS,
    Deadline,
    Pace,
    Timetable,
    choices,
    narrowed,
    shortened,
)
from inrcodec.errors import RequestError, TimeLimitError
from inrcodec.families.siren import ladder
from inrcodec.families.siren.gradients import PixelSums
from inrcodec.families.siren.network import InitConfig, SirenArch, init
from inrcodec.families.siren.plan import MANNERS, Manner, RoundingTiming, SirenPlan, plan
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.families.siren.trainer import Candidate, Trainer
from inrcodec.families.training import Plan, Timing, TrainerOptions
from inrcodec.fitting.loop import BatchSearch, FitConfig, optimize
from inrcodec.fitting.target import Target
from inrcodec.progress import Monitor, Progress, part_due
from tests.cli.test_main import run
from tests.encoding.test_resume import Resuming, ended
from tests.support.pictures import waves

CPU = torch.device("cpu")
POINT = ladder.point_of_quality(50)
ARCH = ladder.choose_arch(256, 256, 3, POINT.weights_per_pixel)
WEIGHTS = ARCH.param_count()
SEARCHES = plan(TrainerOptions(), POINT, ARCH)
TIMING = Timing(0.005, 0.01, 20, RoundingTiming(row=1e-4, square=2e-11, factor=1e-10, weight=1e-4), check=0.7)
"""Of astronaut.png at the default quality, about, on two cores."""
PROGRESSION = [1.5, 2, 3, 5, 10, 20, 30, 45, 60, 120]


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time

    def tick(self, seconds: float) -> None:
        self.time += seconds


class Looked(Clock):
    """Time that passes by a second at every look."""

    def __call__(self) -> float:
        self.tick(1.0)
        return self.time


def within(left: float, searches: Plan = SEARCHES) -> list[deadline.Choice]:
    return list(choices(searches, TIMING, WEIGHTS, left, [1, 0.5, 0.25, 0.125]))


@pytest.mark.parametrize("left", PROGRESSION)
def test_every_plan_that_is_weighed_fits_and_has_no_more_steps_than_the_effort_asks_for(left: float) -> None:
    found = within(left)
    assert found
    for choice in found:
        count = round(choice.fraction * WEIGHTS)
        taken = estimate.seconds(TIMING.of(choice.fraction, WEIGHTS), choice.plan, count)
        assert taken <= left + TIMING.step  # the fine-tuning's steps are rounded, not cut
        assert LEAST_STEPS <= choice.plan.fit.steps <= SEARCHES.fit.steps


def test_more_time_promises_no_worse_a_picture() -> None:
    losses = [min(choice.loss for choice in within(left)) for left in PROGRESSION]
    assert all(later < earlier for earlier, later in pairwise(losses[:-1]))
    assert losses[-1] <= losses[-2]


@pytest.mark.parametrize("effort", range(1, 6))
def test_what_is_chosen_promises_at_least_what_the_highest_effort_that_fits_does(effort: int) -> None:
    plain = plan(TrainerOptions(effort), POINT, ARCH)
    best = min(choice.loss for choice in within(estimate.seconds(TIMING, plain, WEIGHTS)))
    assert best <= deadline.deficit(plain.fit.steps) + MANNERS[0].loss + 1e-9


def test_a_plan_that_fits_is_the_plain_one_but_for_what_torchao_takes_to_import() -> None:
    clock = Clock()
    found = shortened(SEARCHES, TIMING, WEIGHTS, Deadline(1e6, clock=clock))
    assert found == replace(SEARCHES, quantize=replace(SEARCHES.quantize, affine=False))
    assert shortened(SEARCHES, TIMING, WEIGHTS, Deadline(None, clock=clock)) is SEARCHES


def test_a_limit_that_is_far_changes_nothing() -> None:
    image = waves(12, 10)
    config = EncoderConfig(effort=1, device="cpu")
    assert inrcodec.encode(image, replace(config, time_limit=1e6)) == inrcodec.encode(image, config)


@pytest.mark.parametrize("weights", [4_000, 250_000])
def test_the_network_is_the_whole_one_where_that_can_be_fitted_and_a_smaller_one_of_a_large_picture(
    weights: int,
) -> None:
    timing = replace(TIMING, step=TIMING.step * weights / WEIGHTS, rounding=TIMING.rounding.of(weights / WEIGHTS))
    point = narrowed(POINT, SEARCHES, timing, weights, Deadline(30, clock=Clock()))
    if weights == 4_000:
        assert point == POINT
    else:
        assert point.weights_per_pixel < POINT.weights_per_pixel


def test_where_nothing_can_be_done_in_time_it_says_what_time_it_takes_and_that_time_is_enough() -> None:
    clock = Clock()
    clock.tick(2.5)  # it was busy before
    with pytest.raises(TimeLimitError, match="2 s: too few") as told:
        narrowed(POINT, SEARCHES, TIMING, WEIGHTS, Deadline(2, 0.0, clock))
    least = int(str(told.value).split("it takes ")[1].split(" s at least")[0])
    assert 2 < least < 6
    assert narrowed(POINT, SEARCHES, TIMING, WEIGHTS, Deadline(least, 0.0, clock)).weights_per_pixel > 0


def test_the_command_line_says_so_exits_with_3_and_writes_nothing(
    workdir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("encode photo.png --time-limit 1e-9") == 3
    assert "time_limit: 1e-09 s: too few for this picture" in capfd.readouterr().err
    assert not Path("photo.inr").exists()


def test_the_clock_counts_from_when_the_picture_was_begun() -> None:
    assert Deadline(100, begun=3.0, clock=lambda: 50.0).left() == pytest.approx(100 * 0.97 - 0.4 - 47)
    assert math.isinf(Deadline(None).left())


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Steps of a search that take the time of `clock`, 10 ms, and nothing else does."""
    clock, step = Clock(), BatchSearch.step

    def slow(self: BatchSearch, number: int) -> None:
        clock.tick(0.01)
        step(self, number)

    monkeypatch.setattr(BatchSearch, "step", slow)
    return clock


def fitted(due: Callable[[], float], steps: int = 400) -> list[Progress]:
    arch = SirenArch((8, 6), 3)
    network = FloatNetwork(arch, init(arch, 0, InitConfig(w_max=10)), CPU)
    seen: list[Progress] = []
    config = FitConfig(steps=steps, evaluate_every=20)
    search = BatchSearch(PixelSums(network, Target(waves(24, 32), CPU)), config)
    optimize(search, monitor=Monitor(report=seen.append, due=due))
    return seen


@pytest.mark.parametrize("slowness", [1.0, 2.0, 10.0])
def test_a_fit_ends_on_time_with_its_whole_schedule_however_slow_the_machine_becomes(
    timed: Clock, slowness: float
) -> None:
    limit = Deadline(5.0, 0.0, timed)
    reserve = 0.05
    seen = fitted(Pace(limit, 0.01 / slowness, reserve))
    left = limit.left()
    assert slowness * reserve - 0.011 <= left
    assert seen[-1].step >= 380  # whose rate is that of the end


def test_a_fit_that_is_early_leaves_out_nothing(timed: Clock) -> None:
    fitted(Pace(Deadline(1e3, 0.0, timed), 0.01, 1.0))
    assert timed.time == pytest.approx(400 * 0.01)


def test_a_fit_without_any_time_takes_no_step(timed: Clock) -> None:
    assert fitted(lambda: 1.0) == []
    assert timed.time == 0


def test_parts_of_a_search_are_due_one_after_the_other() -> None:
    for whole, parts in ((0.0, (0, 0)), (0.25, (0.5, 0)), (0.5, (1, 0)), (0.75, (1, 0.5)), (1.0, (1, 1))):
        assert tuple(part_due(lambda at=whole: at, start, 0.5)() for start in (0.0, 0.5)) == parts  # type: ignore[misc]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, Clock, Plan], Timetable]:
    """A timetable of a limit, on a machine that `TIMING` is of."""
    monkeypatch.setattr(Deadline, "measure", lambda *arguments: TIMING)
    network = FloatNetwork(ARCH, init(ARCH, 0, InitConfig(w_max=10)), CPU)
    candidate = Candidate(network, Target(waves(8, 8), CPU), POINT, TrainerOptions())
    return lambda limit, clock, searches: Timetable(Deadline(limit, 0.0, clock), searches, candidate)


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize(("left", "curved"), [(60.0, 16_384), (3.5, 4096), (1.2, 0)])
def test_rounding_is_the_planned_one_or_as_good_as_there_is_time_for_when_it_begins(
    held: Callable[[float, Clock, Plan], Timetable], left: float, curved: int, manner: Manner
) -> None:
    clock, planned = Clock(), manner.of(SEARCHES)
    chosen, monitor = held((left + 0.4) / 0.97, clock, planned).rounding(Monitor())
    assert isinstance(chosen, SirenPlan)
    quantize = chosen.quantize
    assert (quantize.pixels if quantize.compensated else 0) == min(curved, manner.pixels)
    if left == 60:
        assert quantize == planned.quantize
    assert not monitor.stopped()
    clock.tick(left - TIMING.check + 0.001)
    assert monitor.stopped()
    assert monitor.due() == 1


def test_the_stages_after_the_fit_have_the_time_that_was_set_aside(
    held: Callable[[float, Clock, Plan], Timetable],
) -> None:
    clock, limit = Clock(), 60
    searches = shortened(SEARCHES, TIMING, WEIGHTS, Deadline(limit, 0.0, clock))
    monitor = held(limit, clock, searches).fitting(Monitor())
    while monitor.due() < 1:
        clock.tick(TIMING.step)
    rest = estimate.seconds(TIMING, searches, WEIGHTS, searches.steps[2])
    assert 0.97 * limit - 0.4 - clock.time == pytest.approx(rest, abs=0.1)


def test_what_is_timed_of_an_encode_is_all_of_it() -> None:
    image = waves(64, 64)
    candidate = Trainer(image, TrainerOptions(), CPU).start(POINT)
    timing, weights = estimate.measure(candidate, candidate.plan().fit, Looked()), candidate.weights
    # Each part is timed from one look at the clock to the next but one, and what it then is of is divided by.
    assert (timing.rounding.row, timing.rounding.weight) == (1 / 1024, 1 / min(32, weights))
    assert timing.rounding.square == 1 / 1024 / min(512, weights) ** 2
    assert timing.rounding.factor == 1 / weights**3
    # float32 and float64 at once and twice the size, then twice by NumPy and once by torch; 8,192 points a second.
    assert timing.check == ((1 + 4) * 2 + 3) / 2


@pytest.mark.parametrize("target", [{}, {"psnr": 24.0}, {"size": 400}, {"prune": 0.2}])
def test_what_is_reported_of_a_short_search_is_true_and_its_bytes_are_kept_to(
    target: dict[str, float],
) -> None:
    image = waves(40, 48)
    config = EncoderConfig(effort=9, device="cpu", time_limit=4, **target)  # type: ignore[arg-type]
    encoded = encoder.encode_with_report(image, config)
    assert encoded.psnr == metrics.psnr(image, inrcodec.decode(encoded.data))
    if "size" in target:
        assert len(encoded.data) <= 400


def test_one_colour_in_place_of_the_search_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "optimize", lambda *arguments, **options: 0.0)
    noise, said = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8), []
    config = EncoderConfig(effort=1, device="cpu")
    encoded = encoder.encode_with_report(noise, config, Monitor(note=said.append))
    assert [stage.name for stage in encoded.stages][-1] == "one colour"
    assert said == ["one colour is closer to the picture than what the search ended with: the file is that colour"]


def test_a_search_under_a_limit_is_gone_on_with_in_another_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    image, config = waves(24, 32), EncoderConfig(quality=100, effort=5, device="cpu", time_limit=1e6)
    state = ended(200, config, image)
    assert (int(state["fit.next"]), int(state["fit.steps"])) == (200, 10_000)
    seen: list[Progress] = []
    monkeypatch.setattr(encoder, "shortened", lambda plan, *rest: plan.with_fit_steps(500))
    monkeypatch.setattr(encoder, "Timetable", lambda limit, *rest: Timetable(Deadline(None), *rest))
    encoder.encode_with_report(image, config, Monitor(report=seen.append), Resuming(state))
    assert (seen[0].begun, seen[0].step) == (10, 200)  # as much of it is over: a fiftieth


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_no_time_is_refused(limit: float) -> None:
    with pytest.raises(RequestError, match="time_limit"):
        EncoderConfig(time_limit=limit)
