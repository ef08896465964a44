"""From pictures to bytes: image -> fit -> compress (prune, quantize) -> bitstream, and a check of what was written.

A quality chooses the network and the noise of rounding from `ladder.py`. A number of bytes chooses the network that has
about as many at the ladder's noise, and a PSNR the one that fits of the picture lead to (`goals.py`); the noise is then
searched so that the file meets the target (`targets.py`).

No file is worse than the picture's mean colour everywhere: where a search ends below that, this is the file.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from inrcodec import metrics, pixels
from inrcodec.checks import check_type
from inrcodec.compute import backends, threads
from inrcodec.compute.memory import shortage_is_an_error
from inrcodec.decoding import conformance, decoder
from inrcodec.encoding import targets
from inrcodec.encoding.config import EncoderConfig as EncoderConfig
from inrcodec.encoding.deadline import Deadline, Timetable, narrowed, shortened
from inrcodec.encoding.goals import Fit, Search, choose_goal
from inrcodec.encoding.plan import announcement, plan
from inrcodec.encoding.resume import Course, Session
from inrcodec.errors import BitstreamError, LimitError, RequestError, VerifyError
from inrcodec.families.siren import ladder
from inrcodec.families.siren.quantize import Quantizer, Stage, prune, within
from inrcodec.families.siren.trainer import Network
from inrcodec.fitting.loop import Picture, optimize
from inrcodec.fitting.state import FORGETFUL, Keeper
from inrcodec.format import container
from inrcodec.format.metadata import Metadata
from inrcodec.pictures.load import ImageLike, load
from inrcodec.progress import SILENT, Monitor


def choose_device(name: str) -> torch.device:
    """The torch device of an `EncoderConfig.device`."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise RequestError("device: no CUDA device is available: use --device cpu")
    if name not in ("cpu", "cuda"):
        raise RequestError(f"device: {name!r} is none of auto, cpu, cuda")
    return torch.device(name)


@dataclass(frozen=True)
class Encoded:
    """A file, and how it came about."""

    data: bytes
    """The file."""
    height: int
    """Of the picture, in pixels."""
    width: int
    """Of the picture, in pixels."""
    psnr: float
    """Of the decoded uint8 picture, in dB."""
    stages: tuple[Stage, ...]
    """In the order in which they were done."""
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
    height, width, channels = codes.shape
    goal = choose_goal(config, height, width, channels, container.metadata_bytes(metadata))
    device = choose_device(config.device)
    session = Session(keeper, codes, config, device.type)
    search = Search(codes, config, goal, device, monitor, deadline.piloting)
    fit = _fitted(search, config, monitor, session, deadline)
    network = fit.network
    rounded, stages, met = _compressed(fit, search.picture, goal, codes, monitor, deadline)
    network.load(rounded.values)
    data = container.write(conformance.certify(rounded.model))
    found = Encoded(data, height, width, verify(data, codes, network), tuple(stages), met)
    better = better_than_one_colour(found, codes, goal)
    if better is not found:
        monitor.note("one colour is closer to the picture than what the search ended with: the file is that colour")
    return with_metadata(better, metadata)


def with_metadata(found: Encoded, metadata: Metadata) -> Encoded:
    """The same with these blocks in the file."""
    if not any(vars(metadata).values()):
        return found
    data = container.with_metadata(found.data, metadata)
    note = ", ".join(f"{kind} {len(block):,} bytes" for kind, block in vars(metadata).items() if block)
    return replace(found, data=data, stages=(*found.stages, Stage("metadata", found.psnr, len(data), note)))


def better_than_one_colour(found: Encoded, codes: NDArray[np.uint8], goal: targets.Goal) -> Encoded:
    """`found`; or, where that is worse than the mean colour of the picture (H, W, C) everywhere, the file of this."""
    height, width, _ = codes.shape
    colour = np.rint(codes.mean((0, 1))).astype(np.uint8)
    if found.psnr >= metrics.psnr(codes, np.full_like(codes, colour)):
        return found
    model = conformance.certify(ladder.one_colour(height, width, pixels.to_unit(colour)))
    data = container.write(model)
    if isinstance(goal, targets.BytesGoal) and len(data) > goal.high:
        return found
    psnr = verify(data, codes, Network(model.arch, model.dequantize(), torch.device("cpu")))
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
    network = search.start(course.point)
    searches = plan(config, course.point, network.arch)
    timing = deadline.measure(network, search.picture, searches)
    return replace(course, point=narrowed(course.point, searches, timing, network.arch.param_count(), deadline))


def _fit(
    search: Search, course: Course, config: EncoderConfig, monitor: Monitor, keeper: Keeper, deadline: Deadline
) -> Fit:
    """One fit, announced before."""
    network, picture = search.start(course.point), search.picture
    searches = plan(config, course.point, network.arch)
    if monitor.announce or config.time_limit is not None:
        timing = deadline.measure(network, picture, searches)
        searches = shortened(searches, timing, network.arch.param_count(), deadline)
        if monitor.announce:
            told = announcement(network, picture, searches, timing, config)
            longest = search.longest(told.seconds, Fit(course.point, network, searches, 0.0), course)
            monitor.announce(replace(told, longest=longest))
    listener = Timetable(deadline, searches, network, picture).fitting(monitor)
    psnr = optimize(network, picture, searches.fit, monitor=within(listener, 0, sum(searches.steps)), keeper=keeper)
    return Fit(course.point, network, searches, psnr)


def _compressed(
    fit: Fit, picture: Picture, goal: targets.Goal, codes: NDArray[np.uint8], monitor: Monitor, deadline: Deadline
) -> tuple[targets.Rounded, list[Stage], bool]:
    """Prune, quantize and write; an interrupted search is cut short, not left out. Also whether `goal` is met."""
    network, searches, psnr = fit.network, fit.searches, fit.psnr
    fit_steps, prune_steps, round_steps = searches.steps
    total = sum(searches.steps)
    network.sort()
    count = network.arch.param_count()
    stages = [Stage("fit", psnr, 4 * count, f"{count} weights")]
    masks = [torch.ones_like(value) for value in network.values]
    timetable = Timetable(deadline, searches, network, picture)
    if searches.prune.fraction and not monitor.stopped():
        masks, psnr = prune(network, picture, searches.prune, within(timetable.pruning(monitor), fit_steps, total))
        kept = int(sum(mask.sum() for mask in masks))
        stages.append(Stage("prune", psnr, 4 * kept + -(-count // 8), f"{kept} weights left"))
    else:
        why = (
            "left out: stopped" if searches.prune.fraction else "off: a smaller dense network is better at equal bytes"
        )
        stages.append(Stage("prune", psnr, 4 * count, why))
    quantize, listener = timetable.rounding(within(monitor, fit_steps + prune_steps, total))
    quantizer = Quantizer(network, picture, psnr, masks, quantize)
    fitted = targets.Fitted(quantizer, psnr, listener, round_steps, lambda data: _psnr(codes, decoder.decode(data)))
    rounded, met = targets.meet(goal, fitted)
    return rounded, [*stages, *rounded.stages], met


_MOST_DIFFERING = 1e-4
"""Largest fraction of samples that decoders may round more than one code apart."""


def verify(data: bytes, original: NDArray[np.uint8], network: Network) -> float:
    """Decode `data` as a user would and return the PSNR of that picture against `original`, (H, W, C) uint8.

    Raises VerifyError unless the file holds exactly the weights of `network`, and unless torch and NumPy draw it alike:
    at most 1 sample in 10,000 more than one code apart.
    """
    try:
        model = container.read(data)
        stored = model.dequantize()
        if not all(np.array_equal(a, b.detach().cpu()) for a, b in zip(stored, network.values, strict=True)):
            raise VerifyError("the file just written holds other weights than the fitted network")
        decoded = decoder.decode(data)
        manner, dtype = backends.Manner(threads.count()), backends.precision(model)
        drawn = decoder.Picture(model, backends.torch_backend(model, str(network.device), dtype, manner)).render()
    except (BitstreamError, LimitError) as error:
        raise VerifyError(f"the file just written does not decode: {error}") from error
    apart = np.mean(np.maximum(decoded, drawn) - np.minimum(decoded, drawn) > 1)
    if apart > _MOST_DIFFERING:
        raise VerifyError(f"{apart:.2%} of the samples of the file just written differ between NumPy and torch")
    return _psnr(original, decoded)


def _psnr(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    return metrics.psnr(original, decoded.reshape(original.shape))
