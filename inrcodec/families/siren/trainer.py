"""The encode half of the SIREN family: from a picture to networks that are fitted and rounded. See `training.py`."""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from inrcodec import pixels
from inrcodec.families.contract import StoredPicture
from inrcodec.families.siren import ladder
from inrcodec.families.siren.gradients import PixelSums
from inrcodec.families.siren.network import SirenArch, constant, init, q_step_code
from inrcodec.families.siren.plan import RoundingTiming, SirenPlan, plan, time_rounding
from inrcodec.families.siren.quantize import Quantizer, prune
from inrcodec.families.siren.stored import SirenNetwork
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.families.training import OperatingPoint, TrainerOptions
from inrcodec.fitting.loop import BatchSearch, FitConfig
from inrcodec.fitting.target import Target
from inrcodec.progress import Monitor, Stage

_SCALE = 1 / 512
"""Any step: to draw what is not fitted yet."""


def as_torch(network: SirenNetwork, device: torch.device) -> FloatNetwork:
    """A stored network as a module: (.., 2) coordinates -> (.., channels) values near [-1, 1]."""
    return FloatNetwork(network.arch, network.dequantize(), device)


class Trainer:
    """One picture, and networks of any size for it."""

    def __init__(self, codes: NDArray[np.uint8], options: TrainerOptions, device: torch.device) -> None:
        """`codes` is (H, W, C) uint8."""
        self._codes, self._options, self._device = codes, options, device
        self._target = Target(codes, device)
        self._shape: tuple[int, int, int] = (self._target.height, self._target.width, self._target.channels)

    def warm(self, note: Callable[[str], None], seconds: float) -> None:
        """There is nothing to wait for."""

    def sizes(self) -> tuple[int, int]:
        """Bytes of the smallest file, and about of the largest that a decoder accepts."""
        return ladder.smallest_bytes(*self._shape), ladder.largest_bytes(*self._shape[:2])

    def at_quality(self, quality: int | None) -> OperatingPoint:
        """The operating point of a quality, by default the codec's."""
        return ladder.point_of_quality(ladder.DEFAULT_QUALITY if quality is None else quality)

    def at_bytes(self, size: float) -> OperatingPoint:
        """The operating point whose file has about `size` bytes; never one larger than the plain samples."""
        return ladder.point_of_bytes(size, *self._shape)

    def at_psnr(self, psnr: float) -> None:
        """How large a network a PSNR takes only fits of the picture say."""
        return None

    def weights_at(self, point: OperatingPoint) -> int:
        """Weights of the network of a point."""
        return ladder.choose_arch(*self._shape, point.weights_per_pixel).param_count()

    def quality_of(self, weights: float) -> int:
        """The highest quality whose networks have at most so many weights; negative if none."""
        most = weights / len(self._target)
        return sum(ladder.point_of_quality(quality).weights_per_pixel <= most for quality in range(101)) - 1

    def start(self, point: OperatingPoint) -> "Candidate":
        """What a fit begins with; the answer already, if the picture has one colour."""
        height, width, channels = self._shape
        if (self._codes == self._codes[0, 0]).all():
            arch = ladder.choose_arch(1, 1, channels, point.weights_per_pixel)
            params = constant(arch, pixels.to_unit(self._codes[0, 0]))
        else:
            arch = ladder.choose_arch(height, width, channels, point.weights_per_pixel)
            params = init(arch, self._options.seed, ladder.init_config(height, width))
        return Candidate(FloatNetwork(arch, params, self._device), self._target, point, self._options)

    def constant(self, colour: NDArray[np.uint8]) -> StoredPicture:
        """The smallest network that draws one colour (channels,) exactly."""
        return StoredPicture(ladder.constant(pixels.to_unit(colour)), *self._shape[:2])


class Candidate:
    """A float network for the picture, on its way into a file."""

    def __init__(self, network: FloatNetwork, target: Target, point: OperatingPoint, options: TrainerOptions) -> None:
        self.network, self.target, self.point, self._options = network, target, point, options
        self.device = network.device
        self.weights = network.arch.param_count()
        self.file_bytes = ladder.bytes_of_weights(point, self.weights)
        self.kind: Hashable = network.arch

    @property
    def arch(self) -> SirenArch:
        """The architecture."""
        return self.network.arch

    def copy(self) -> "Candidate":
        """Another one with the same weights."""
        return Candidate(self.network.on(self.device), self.target, self.point, self._options)

    def wait(self) -> None:
        """Return once the device has done all that it was given."""
        float(self.network.values[0].detach().sum())  # a GPU has finished when this number is here

    def arrays(self) -> list[NDArray[np.float32]]:
        """Copies of its tensors."""
        return self.network.arrays()

    def load(self, arrays: Sequence[NDArray[np.float32]]) -> None:
        """Overwrite its tensors. The inverse of `arrays`."""
        self.network.load([torch.tensor(array) for array in arrays])

    def plan(self) -> SirenPlan:
        """The searches that its options ask for."""
        return plan(self._options, self.point, self.arch)

    def search(self, config: FitConfig, note: Callable[[str], None]) -> BatchSearch:
        """The search of a fit, which ends in its tensors; `note` is told where memory runs out."""
        return BatchSearch(PixelSums(self.network, self.target, config.chunk, note), config)

    def stored(self) -> StoredPicture:
        """Any rounding of it, to time how long it takes to draw."""
        symbols = tuple(np.rint(value / _SCALE).astype(np.int32) for value in self.arrays())
        network = SirenNetwork(self.arch, symbols, (q_step_code(_SCALE),) * len(symbols))
        return StoredPicture(network, self.target.height, self.target.width)

    def rounding_timing(self, now: Callable[[], float]) -> RoundingTiming:
        """A little of each part of a rounding, timed by a clock that waits for the device."""
        return time_rounding(self.network, self.target, now)

    def prepare(self, plan: SirenPlan, psnr: float, monitor: Monitor) -> tuple[float, list[Stage]]:
        """Bring the neurons in order, and prune: the PSNR after it in dB, and its stages."""
        self.network.canonicalize()
        self._masks = [torch.ones_like(value) for value in self.network.values]
        if not plan.prune.fraction or monitor.stopped():
            off = "off: a smaller dense network is better at equal bytes"
            why = "left out: stopped" if plan.prune.fraction else off
            return psnr, [Stage("prune", psnr, 4 * self.weights, why)]
        self._masks, psnr = prune(self.network, self.target, plan.prune, monitor)
        kept = int(sum(mask.sum() for mask in self._masks))
        return psnr, [Stage("prune", psnr, 4 * kept + -(-self.weights // 8), f"{kept} weights left")]

    def rounder(self, plan: SirenPlan, psnr: float) -> Quantizer:
        """What rounds it once it is prepared; `psnr` in dB is that of its float weights."""
        return Quantizer(self.network, self.target, psnr, self._masks, plan.quantize)
