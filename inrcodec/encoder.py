"""From pictures to bytes: image -> fit -> compress (prune, quantize) -> bitstream, and a check of what was written."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from inrcodec import bitstream, decoder, images, metrics, pixels, siren
from inrcodec.compress import PruneConfig, QuantizeConfig, Quantizer, Stage, prune, within
from inrcodec.errors import BitstreamError, LimitError, RequestError, VerifyError
from inrcodec.fit import FitConfig, Picture, optimize
from inrcodec.network import Network
from inrcodec.progress import SILENT, Monitor


@dataclass(frozen=True)
class EncoderConfig:
    """What a user chooses."""

    quality: int = 50
    """0 .. 100: the size of the network and the quantization steps, see `LADDER`. 50 is about 0.35 bpp."""
    effort: int = 5
    """1 .. 9: steps of the search; each level doubles them."""
    device: str = "auto"
    """"cpu", "cuda", or "auto": CUDA where there is one."""
    seed: int = 0
    """Of the start and of the batches. Same picture, seed, device and thread count: same bytes."""
    prune: float = 0.0
    """Fraction of the weights to prune, see `PruneConfig`."""

    def __post_init__(self) -> None:
        for name, value, low, high in (("quality", self.quality, 0, 100), ("effort", self.effort, 1, 9)):
            if not low <= value <= high:
                raise RequestError(f"{name}: {value} is not in {low} .. {high}")
        if not 0 <= self.prune < 1:
            raise RequestError(f"prune: {self.prune} is not in 0 .. 1")
        if not 0 <= self.seed < 2**32:
            raise RequestError(f"seed: {self.seed} is not in 0 .. 2^32 - 1")


@dataclass(frozen=True)
class Rung:
    """A measured operating point of the encoder."""

    quality: int
    weights_per_pixel: float
    noise: float
    """`QuantizeConfig.noise`."""


LADDER = (
    Rung(0, 0.010, 0.4),
    Rung(25, 0.024, 0.4),
    Rung(50, 0.059, 0.4),
    Rung(75, 0.137, 0.4),
    Rung(100, 0.330, 0.4),
)

SHAPE = (1.5, 1.25, 1.0, 1.0, 0.875, 0.75, 0.625)
"""Neurons of the sine layers, relative to the third: wide at the coordinates, tapering to the colours."""
_LANES = 4
"""Neurons come in multiples of this, the least of a layer: matrix products are faster so (docs/experiments.md)."""
_SIDE_OF_W_MAX = 384
"""`InitConfig.w_max` is for this longer side, in pixels."""


def rung(quality: int) -> Rung:
    """The operating point of a quality: log-linear between the rungs of `LADDER`."""
    at = [step.quality for step in LADDER]
    weights = np.interp(quality, at, [math.log(step.weights_per_pixel) for step in LADDER])
    noise = np.interp(quality, at, [math.log(step.noise) for step in LADDER])
    return Rung(quality, math.exp(weights), math.exp(noise))


def choose_arch(height: int, width: int, channels: int, weights_per_pixel: float) -> siren.SirenArch:
    """The widest network of the codec's shape with at most that many weights; shallower where that is very few.

    Never one that the decoder would refuse to read, or to draw at the native size.
    """
    pixel_count = height * width
    budget = min(
        weights_per_pixel * pixel_count,
        bitstream.DEFAULT_LIMITS.max_params,
        decoder.MAX_MULTIPLICATIONS // pixel_count,
    )
    best = siren.SirenArch((_LANES,), channels)
    for depth in (2, 3, 5, len(SHAPE)):
        for quarters in range(4, 4 * 1024):
            lanes = [max(1, round(quarters / 4 * share / _LANES)) for share in SHAPE[:depth]]
            dims = tuple(min(1024, _LANES * count) for count in lanes)
            arch = siren.SirenArch(dims, channels)
            if arch.param_count() > budget:
                break
            best = arch
    return best


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
    height: int
    width: int
    psnr: float
    """Of the decoded uint8 picture, in dB."""
    stages: tuple[Stage, ...]

    @property
    def bpp(self) -> float:
        """Rate of the whole file in bits per pixel."""
        return metrics.bpp(len(self.data), self.height, self.width)


def encode(image: images.ImageLike, config: EncoderConfig = EncoderConfig(), monitor: Monitor = SILENT) -> bytes:
    """A picture (uint8 array (H, W) or (H, W, C), PIL image, or path) as the bytes of an .inr file.

    Raises InputImageError or LimitError for the picture, RequestError for the options, EncodeError where the search or
    the check of its result fails.
    """
    return encode_with_report(image, config, monitor).data


def encode_with_report(
    image: images.ImageLike,
    config: EncoderConfig = EncoderConfig(),
    monitor: Monitor = SILENT,
) -> Encoded:
    """As `encode`, with what each stage cost and saved."""
    codes = images.to_array(image)
    height, width, _ = codes.shape
    device, point = choose_device(config.device), rung(config.quality)
    network, picture = start(codes, point, config.seed, device), Picture(codes, device)
    data, stages = _search(network, picture, plan(config, point, network.arch), monitor)
    return Encoded(data, height, width, verify(data, codes, network), tuple(stages))


def start(codes: NDArray[np.uint8], point: Rung, seed: int, device: torch.device) -> Network:
    """The network that the search for a picture (H, W, C) begins with; the answer already, if it has one colour."""
    height, width, channels = codes.shape
    if (codes == codes[0, 0]).all():
        arch = choose_arch(1, 1, channels, point.weights_per_pixel)
        return Network(arch, siren.one_colour(arch, pixels.to_unit(codes[0, 0])), device)
    arch = choose_arch(height, width, channels, point.weights_per_pixel)
    return Network(arch, siren.init(arch, seed, init_config(height, width)), device)


@dataclass(frozen=True)
class Plan:
    """The searches of one encode."""

    fit: FitConfig
    prune: PruneConfig
    quantize: QuantizeConfig

    @property
    def steps(self) -> tuple[int, int, int]:
        """Steps of the three stages."""
        return self.fit.steps, self.prune.refit.steps if self.prune.fraction else 0, self.quantize.refit.steps


_WIDTH_OF_RATE = 28
"""`FitConfig.rate` is for networks of this mean width; the rate goes as 1 / width (docs/experiments.md)."""
_FASTEST = 1.5
"""Largest factor by which a narrow network's rate is raised."""


def plan(config: EncoderConfig, point: Rung, arch: siren.SirenArch) -> Plan:
    """The searches of an encode: steps from the effort, noise from the quality, rates from the network's width."""
    width = math.sqrt(arch.param_count() / arch.depth)
    longer, faster = 2.0 ** (config.effort - 5), min(_FASTEST, _WIDTH_OF_RATE / width)

    def scaled(fit: FitConfig) -> FitConfig:
        return replace(fit, steps=max(1, round(longer * fit.steps)), rate=faster * fit.rate, seed=config.seed)

    pruning, quantizing = PruneConfig(config.prune), QuantizeConfig(point.noise)
    return Plan(
        scaled(FitConfig()),
        replace(pruning, refit=scaled(pruning.refit)),
        replace(quantizing, refit=scaled(quantizing.refit)),
    )


def init_config(height: int, width: int) -> siren.InitConfig:
    """The start for a picture: its highest frequency grows with the longer side (docs/experiments.md)."""
    base = siren.InitConfig()
    return replace(base, w_max=max(2 * base.w_min, base.w_max * max(height, width) / _SIDE_OF_W_MAX))


def _search(network: Network, picture: Picture, searches: Plan, monitor: Monitor) -> tuple[bytes, list[Stage]]:
    """Fit, prune, quantize and write; an interrupted search is cut short, not left out."""
    fit_steps, prune_steps, _ = searches.steps
    total = sum(searches.steps)
    psnr = optimize(network, picture, searches.fit, monitor=within(monitor, 0, total))
    network.load([torch.from_numpy(value) for value in siren.canonical([v.cpu().numpy() for v in network.snapshot()])])
    count = network.arch.param_count()
    stages = [Stage("fit", psnr, 4 * count, f"{count} weights")]
    masks = [torch.ones_like(value) for value in network.values]
    if searches.prune.fraction and not monitor.stopped():
        masks, psnr = prune(network, picture, searches.prune, within(monitor, fit_steps, total))
        kept = int(sum(mask.sum() for mask in masks))
        stages.append(Stage("prune", psnr, 4 * kept + -(-count // 8), f"{kept} weights left"))
    else:
        why = (
            "left out: stopped" if searches.prune.fraction else "off: a smaller dense network is better at equal bytes"
        )
        stages.append(Stage("prune", psnr, 4 * count, why))
    rounding, listener = searches.quantize, within(monitor, fit_steps + prune_steps, total)
    if monitor.stopped():
        rounding = replace(rounding, refit=replace(rounding.refit, steps=rounding.refit.steps // 10))
        listener = replace(listener, stopped=lambda: False)
    model, rounds = Quantizer(network, picture, psnr, masks, rounding).run(rounding.noise, listener)
    return bitstream.write(model), stages + rounds


_MOST_DIFFERING = 1e-4
"""Largest fraction of samples that decoders may round more than one code apart."""


def verify(data: bytes, original: NDArray[np.uint8], network: Network) -> float:
    """Decode `data` as a user would and return the PSNR of that picture against `original`, (H, W, C) uint8.

    Raises VerifyError unless the file holds exactly the weights of `network`, and unless torch and NumPy draw it alike:
    at most 1 sample in 10,000 more than one code apart.
    """
    try:
        model = bitstream.read(data)
        stored = model.dequantize()
        if not all(np.array_equal(a, b.detach().cpu()) for a, b in zip(stored, network.values, strict=True)):
            raise VerifyError("the file just written holds other weights than the fitted network")
        decoded = decoder.decode(data)
        drawn = decoder.Picture(model, decoder.torch_backend(model, str(network.device))).render()
    except (BitstreamError, LimitError) as error:
        raise VerifyError(f"the file just written does not decode: {error}") from error
    apart = np.mean(np.maximum(decoded, drawn) - np.minimum(decoded, drawn) > 1)
    if apart > _MOST_DIFFERING:
        raise VerifyError(f"{apart:.2%} of the samples of the file just written differ between NumPy and torch")
    return metrics.psnr(original, decoded.reshape(original.shape))
