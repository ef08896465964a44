"""From pictures to bytes: image -> fit -> compress (prune, quantize) -> bitstream, and a check of what was written.

A family of networks (`families/`) is asked for one of a quality, or of a number of bytes; for a PSNR the one that fits
of the picture lead to (`goals.py`). It is fitted, prepared and rounded; for a target the noise of rounding is searched
so that the file meets it (`targets.py`).

No file is worse than the picture's mean colour everywhere: where a search ends below that, this is the file.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inrcodec import families, metrics
from inrcodec.compute import threads
from inrcodec.compute.backends import Manner
from inrcodec.compute.torch_backend import TorchBackend, choose_device, shortage_is_an_error
from inrcodec.decoding import conformance, decoder
from inrcodec.encoding import targets
from inrcodec.encoding.config import EncoderConfig as EncoderConfig
from inrcodec.encoding.deadline import Deadline, Timetable, narrowed, shortened
from inrcodec.encoding.estimate import announcement
from inrcodec.encoding.goals import Fit, Search, choose_goal
from inrcodec.encoding.resume import Course, Session
from inrcodec.errors import BitstreamError, LimitError, VerifyError, check_type
from inrcodec.families import StoredPicture
from inrcodec.families.training import Trainer, TrainerOptions, encode_half
from inrcodec.fitting.loop import optimize
from inrcodec.fitting.state import FORGETFUL, Keeper
from inrcodec.format.metadata import Metadata, metadata_bytes
from inrcodec.pictures.load import ImageLike, load
from inrcodec.progress import SILENT, Monitor, Stage, within


@dataclass(frozen=True)
class Encoded:
    """A file, and how it came about."""

    data: bytes
    """The file."""
    height: int
    """Height of the picture in pixels."""
    width: int
    """Width of the picture in pixels."""
    psnr: float
    """PSNR of the decoded uint8 picture in dB."""
    stages: tuple[Stage, ...]
    """Stages in the order in which they were done."""
    met: bool = True
    """Whether the target was met; always, where a quality was chosen."""

    @property
    def bpp(self) -> float:
        """Rate of the whole file in bits per pixel."""
        return metrics.bpp(len(self.data), self.height, self.width)


def encode(image: ImageLike, config: EncoderConfig = EncoderConfig(), monitor: Monitor = SILENT) -> bytes:
    """A picture (array, PIL image, or path: `load.py` says which and what becomes of them) as an .inr file's bytes.

    Raises InputImageError or LimitError for the picture, RequestError for the options, EncodeError where the search or
    the check of its result fails, ResourceError where memory ends.
    """
    return encode_with_report(image, config, monitor).data


@shortage_is_an_error()
def encode_with_report(
    image: ImageLike,
    config: EncoderConfig = EncoderConfig(),
    monitor: Monitor = SILENT,
    keeper: Keeper = FORGETFUL,
    begun: float | None = None,
) -> Encoded:
    """As `encode`, with what each stage cost and saved; `keeper` gets the state, and gives it to another process.

    A time limit counts from `begun` on, a time of `time.monotonic`; by default from now. Also raises CheckpointError
    where what `keeper` has kept is damaged, or is not of this picture and these options.
    """
    check_type("config", config, EncoderConfig)
    count = config.threads or threads.chosen() or threads.torch_count()
    with threads.using(count), threads.single_torch(), threads.single_blas():
        return _encoded(image, config, monitor, keeper, Deadline(config.time_limit, begun))


def _encoded(image: ImageLike, config: EncoderConfig, monitor: Monitor, keeper: Keeper, deadline: Deadline) -> Encoded:
    source = load(image)
    for text in source.notes:
        monitor.note(text)
    codes, metadata = source.codes, source.metadata.only(config.metadata)
    trainer = trainer_for(codes, config)
    height, width, channels = codes.shape
    goal = choose_goal(config, (height, width, channels), trainer.sizes(), metadata_bytes(metadata))
    trainer.warm(monitor.note, deadline.left())
    session = Session(keeper, codes, config, choose_device(config.device).type)
    search = Search(codes, config, goal, trainer, monitor, deadline.piloting)
    fit = _fitted(search, config, monitor, session, deadline)
    rounded, stages, met = _compressed(fit, goal, codes, monitor, deadline)
    data = families.write(conformance.certify(rounded.stored))
    psnr = verified_psnr(data, codes, rounded.stored, str(fit.candidate.device))
    found = Encoded(data, height, width, psnr, tuple(stages), met)
    better = better_than_one_colour(found, codes, goal, trainer)
    if better is not found:
        monitor.note("one colour is closer to the picture than what the search ended with: the file is that colour")
    return with_metadata(better, metadata)


def trainer_for(codes: NDArray[np.uint8], config: EncoderConfig) -> Trainer:
    """The encode half of the family that `config` names, for a picture (H, W, C)."""
    options = TrainerOptions(config.effort, config.seed, config.prune, 1 if config.psnr is None else 2)
    half = encode_half(families.chosen(config.family, codes))
    return half.Trainer(codes, options, choose_device(config.device))


def with_metadata(found: Encoded, metadata: Metadata) -> Encoded:
    """The same with these blocks in the file."""
    if not any(vars(metadata).values()):
        return found
    data = families.with_metadata(found.data, metadata)
    note = ", ".join(f"{kind} {len(block):,} bytes" for kind, block in vars(metadata).items() if block)
    return replace(found, data=data, stages=(*found.stages, Stage("metadata", found.psnr, len(data), note)))


def better_than_one_colour(found: Encoded, codes: NDArray[np.uint8], goal: targets.Goal, trainer: Trainer) -> Encoded:
    """`found`; or, where that is worse than the mean colour of the picture (H, W, C) everywhere, the file of this."""
    height, width, _ = codes.shape
    colour = np.rint(codes.mean((0, 1))).astype(np.uint8)
    if found.psnr >= metrics.psnr(codes, np.full_like(codes, colour)):
        return found
    stored = conformance.certify(trainer.constant(colour))
    data = families.write(stored)
    if isinstance(goal, targets.BytesGoal) and len(data) > goal.high:
        return found
    psnr = verified_psnr(data, codes, stored, "cpu")
    met = found.met or (isinstance(goal, targets.PsnrGoal) and psnr >= goal.psnr - targets.PSNR_TOLERANCE)
    stage = Stage("one colour", psnr, len(data), "instead, as the search ended below it")
    return Encoded(data, height, width, psnr, (*found.stages, stage), met)


def _fitted(search: Search, config: EncoderConfig, monitor: Monitor, session: Session, deadline: Deadline) -> Fit:
    """The best network on the way to the goal; where the search was stopped in a pilot, that of this."""
    course = session.course(lambda: _in_time(search, config, deadline))
    found = [fit for fit in [search.restored(session.best)] if fit]
    while True:
        fit = _fit(search, course, config, monitor, session, deadline)
        found += [fit, search.trial] if search.trial and monitor.stopped() else [fit]
        best = search.best(found)
        further = search.further(course, fit)
        if further is None:
            session.finish()
            return best
        course = session.go_on(further, best.state())


def _in_time(search: Search, config: EncoderConfig, deadline: Deadline) -> Course:
    """Where to begin, with a smaller network where the time is too short for it; TimeLimitError where for any."""
    course = search.begin()
    if config.time_limit is None:
        return course
    candidate = search.trainer.start(course.point)
    plan = candidate.plan()
    timing = deadline.measure(candidate, plan)
    return replace(course, point=narrowed(course.point, plan, timing, candidate.weights, deadline))


def _fit(
    search: Search, course: Course, config: EncoderConfig, monitor: Monitor, keeper: Keeper, deadline: Deadline
) -> Fit:
    """One fit, announced before."""
    candidate = search.trainer.start(course.point)
    plan = candidate.plan()
    if monitor.announce or config.time_limit is not None:
        timing = deadline.measure(candidate, plan)
        plan = shortened(plan, timing, candidate.weights, deadline)
        if monitor.announce:
            told = announcement(candidate, plan, timing, config, search.trainer)
            longest = search.longest(told.seconds, Fit(candidate, plan, 0.0), course)
            monitor.announce(replace(told, longest=longest))
    listener = within(Timetable(deadline, plan, candidate).fitting(monitor), 0, sum(plan.steps))
    psnr = optimize(candidate.search(plan.fit, listener.note), monitor=listener, keeper=keeper)
    return Fit(candidate, plan, psnr)


def _compressed(
    fit: Fit, goal: targets.Goal, codes: NDArray[np.uint8], monitor: Monitor, deadline: Deadline
) -> tuple[targets.Rounded, list[Stage], bool]:
    """Prepare, round and write; an interrupted search is cut short, not left out. Also whether `goal` is met."""
    candidate, plan = fit.candidate, fit.plan
    (fit_steps, between, round_steps), total = plan.steps, sum(plan.steps)
    stages = [Stage("fit", fit.psnr, 4 * candidate.weights, f"{candidate.weights} weights")]
    timetable = Timetable(deadline, plan, candidate)
    psnr, prepared = candidate.prepare(plan, fit.psnr, within(timetable.preparing(monitor), fit_steps, total))
    chosen, listener = timetable.rounding(within(monitor, fit_steps + between, total))
    rounder = candidate.rounder(chosen, psnr)
    drawn = targets.Fitted(rounder, psnr, listener, round_steps, lambda data: _psnr(codes, decoder.decode(data)))
    rounded, met = targets.meet(goal, drawn)
    return rounded, [*stages, *prepared, *rounded.stages], met


_MOST_DIFFERING = 1e-4
"""Largest fraction of samples that decoders may round more than one code apart."""


def verified_psnr(data: bytes, original: NDArray[np.uint8], stored: StoredPicture, device: str) -> float:
    """Decode `data` as a user would and return the PSNR of that picture against `original`, (H, W, C) uint8.

    Raises VerifyError unless the file holds exactly the network of `stored`, and unless torch and NumPy draw it alike:
    at most 1 sample in 10,000 more than one code apart.
    """
    try:
        read = families.read(data)
        if read.network.payload() != stored.network.payload():
            raise VerifyError("the file just written holds other weights than the fitted network")
        decoded = decoder.decode(data)
        backend = TorchBackend(device, Manner(threads.count()))
        drawn = decoder.Picture(read, read.network.evaluator(backend, read.precision())).render()
    except (BitstreamError, LimitError) as error:
        raise VerifyError(f"the file just written does not decode: {error}") from error
    apart = np.mean(metrics.code_distance(decoded, drawn) > 1)
    if apart > _MOST_DIFFERING:
        raise VerifyError(f"{apart:.2%} of the samples of the file just written differ between NumPy and torch")
    return _psnr(original, decoded)


def _psnr(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    return metrics.psnr(original, decoded.reshape(original.shape))
