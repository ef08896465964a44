"""From bytes to pictures: bitstream -> network -> sample -> image, at any size, of any region.

NumPy evaluates the network unless a GPU is asked for; neither torch nor torchao is imported on that path. In float32
where the file says that this is safe, else, or when asked for, in float64: classes M and X of `bitstream.py`.

Work goes through in blocks: bands of output rows, and within them chunks of points that stay in the processor's cache.
So the memory is that of the output and a few megabytes, whatever the size.

Below its native size a picture holds detail finer than the output's pixels. Sampling it at their centres would alias,
so it is sampled on a finer grid, k points along each side of every output pixel, k the least that samples at the native
rate or finer, at most 16; and that is reduced by a Lanczos filter (`resample.py`). At a half or a third of the size it
is the native picture's own pixels that are filtered.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inrcodec import bitstream, pixels, resample, siren
from inrcodec.errors import CorruptError, RequestError, StoppedError
from inrcodec.limits import DEFAULT_LIMITS, DecodeLimits, prepare_products, within_memory
from inrcodec.model import QuantizedModel
from inrcodec.pixels import Codes

_CHUNK = 4096
"""Points evaluated at once in NumPy: activations of 4096 x 64 float32 are 1 MiB."""
_CHUNK_MACS = 2**30
"""Multiplications between two questions whether to stop, at most: a fraction of a second on a CPU core."""
_BAND = 262_144
"""Points whose float colours are held at once, before they are averaged and rounded."""
MAX_SUPERSAMPLING = 16
"""Most points along each side of an output pixel."""
DEPTHS = {8: np.uint8, 16: np.uint16}
"""Types of samples by their bits."""

Samples = NDArray[np.floating]
"""float32, or float64 where the picture is drawn in that."""
Precision = type[np.float32] | type[np.float64]
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class Region:
    """A rectangle of the native picture, in native pixels."""

    top: int
    left: int
    height: int
    width: int


class Backend(Protocol):
    """Evaluates a network at coordinates."""

    def __call__(self, coords: NDArray[np.float32]) -> Samples:
        """(N, 2) float32 -> (N, channels), float32 or float64."""
        ...


def never() -> bool:
    """What `stopped` is where nobody wants to stop."""
    return False


def precision(model: QuantizedModel, exact: bool = False) -> Precision:
    """float64 if `exact` or if the file asks for it, else float32."""
    return np.float64 if exact or not model.f32_safe else np.float32


def numpy_backend(model: QuantizedModel, dtype: Precision, stopped: Stopped = never) -> Backend:
    """The reference evaluation in a precision, on the CPU without torch."""
    prepare_products()
    params = [value.astype(dtype) for value in model.dequantize()]

    def evaluate(coords: NDArray[np.float32]) -> Samples:
        values: Samples = siren.forward(model.arch, params, coords.astype(dtype), np)
        return values

    return _in_chunks(evaluate, model.arch, _CHUNK, dtype, stopped)


def _in_chunks(evaluate: Backend, arch: siren.SirenArch, most: int, dtype: Precision, stopped: Stopped) -> Backend:
    """The same backend, asked for at most so many points at once, and not any more once it is to stop."""
    chunk = min(most, max(1, _CHUNK_MACS // arch.param_count()))

    def evaluate_all(coords: NDArray[np.float32]) -> Samples:
        out = np.empty((len(coords), arch.channels), dtype)
        for start in range(0, len(coords), chunk):
            if stopped():
                raise StoppedError("stopped while the picture was being drawn")
            out[start : start + chunk] = evaluate(coords[start : start + chunk])
        return out

    return evaluate_all


def torch_backend(model: QuantizedModel, device: str, dtype: Precision, stopped: Stopped = never) -> Backend:
    """The same in torch on `device`, without TF32 or autocast whatever the host program has switched on."""
    import torch

    try:
        params = [torch.from_numpy(value.astype(dtype)).to(device) for value in model.dequantize()]
    except (RuntimeError, AssertionError) as error:
        raise RequestError(f"device: {device} is not available: use the cpu") from error

    def evaluate(coords: NDArray[np.float32]) -> Samples:
        matmul = torch.backends.cuda.matmul
        allowed, matmul.allow_tf32 = matmul.allow_tf32, False
        try:
            with torch.inference_mode(), torch.autocast(torch.device(device).type, enabled=False):
                values = siren.forward(model.arch, params, torch.from_numpy(coords.astype(dtype)).to(device), torch)
                return values.cpu().numpy()  # type: ignore[no-any-return]
        finally:
            matmul.allow_tf32 = allowed

    return _in_chunks(evaluate, model.arch, _CHUNK if device == "cpu" else _BAND, dtype, stopped)


class Picture:
    """An opened .inr file: a continuous picture that can be sampled anywhere."""

    def __init__(
        self, model: QuantizedModel, evaluate: Backend, limits: DecodeLimits = DEFAULT_LIMITS, file_bytes: int = 0
    ) -> None:
        """`evaluate` is the backend of `model`; `file_bytes` are those of its file, 0 where it has none."""
        self.model = model
        self._evaluate = evaluate
        self._limits, self._file_bytes = limits, file_bytes

    @property
    def height(self) -> int:
        """Native height in pixels."""
        return self.model.height

    @property
    def width(self) -> int:
        """Native width in pixels."""
        return self.model.width

    @property
    def channels(self) -> int:
        """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
        return self.model.arch.channels

    @within_memory()
    @np.errstate(all="ignore")  # the host program may raise at underflow, of which tiny weights are full
    def sample(self, coords: NDArray[np.floating]) -> Samples:
        """Colours at any points.

        Args:
            coords: (N, 2) floats, rows (y, x), in the convention of `pixels.py`: the longer side spans [-1, 1], the
                other keeps the same unit. Points outside the frame are extrapolated, and mean nothing.

        Returns:
            (N, channels) float32, or float64 where the picture is drawn in that; 0 (black, transparent) .. 1 (full),
            not clipped: the network may overshoot.

        Raises:
            RequestError: coords has another shape, or is not finite.
            CorruptError: the network's values are not finite.
            ResourceError: there is not enough memory.
        """
        points = np.ascontiguousarray(coords, dtype=np.float32)
        if points.ndim != 2 or points.shape[1] != 2:
            raise RequestError(f"coords: shape {points.shape}, (N, 2) expected")
        if not np.isfinite(points).all():
            raise RequestError("coords: not finite")
        return (self._finite(points) + np.float32(1)) / np.float32(2)

    @within_memory()
    @np.errstate(all="ignore")
    def render(
        self,
        size: tuple[int, int] | None = None,
        region: Region | None = None,
        depth: int = 8,
        supersampling: int = MAX_SUPERSAMPLING,
    ) -> Codes:
        """The picture, or a region of it, as pixels.

        Args:
            size: (height, width) of the output in pixels; by default the region's own.
            region: the part to render, in native pixels; by default all. Rendering a region at s times its size gives
                the crop of the whole picture at s times its size, for integer s.
            depth: bits of a sample of the output, 8 or 16. The network has no depth of its own.
            supersampling: most points along each side of an output pixel, 1 .. 16. Fewer are faster, and may alias
                where the output is much smaller than the picture.

        Returns:
            uint8, or uint16 at depth 16: (H, W) for a grey picture, else (H, W, C): C = 2 grey and alpha, 3 RGB, 4
            RGBA.

        Raises:
            RequestError: an empty size, a region outside the picture, another depth or supersampling.
            LimitError: more pixels or work than `DecodeLimits` allow.
            ResourceError: there is not enough memory.
            CorruptError: the network's values are not finite.
            StoppedError: `stopped` asked for it.
        """
        region = region or Region(0, 0, self.height, self.width)
        self._check_region(region)
        _check_manner(depth, supersampling)
        height, width = size or (region.height, region.width)
        if height < 1 or width < 1:
            raise RequestError(f"size: {width}x{height} pixels make no picture")
        what = f"the output is to be {width}x{height}"
        self._limits.check("max_side", max(height, width), what)
        self._limits.check("max_output_pixels", height * width, f"{what}, {height * width:,} pixels")
        down, across = (
            min(-(-native // count), supersampling)
            for native, count in ((region.height, height), (region.width, width))
        )
        self._check_work(height * down * width * across)
        out = np.empty((height, width, self.channels), DEPTHS[depth])
        start = 0
        for band in self._bands(region, height, width, down, across):
            out[start : start + len(band)] = pixels.to_codes(band, depth)
            start += len(band)
        return out[..., 0] if self.channels == 1 else out

    def _check_region(self, region: Region) -> None:
        inside = (
            0 <= region.top < region.top + region.height <= self.height
            and 0 <= region.left < region.left + region.width <= self.width
        )
        if not inside:
            raise RequestError(
                f"region: {region.width}x{region.height} at x {region.left}, y {region.top} is not inside "
                f"the {self.width}x{self.height} picture"
            )

    def _bands(self, region: Region, height: int, width: int, down: int, across: int) -> Iterator[Samples]:
        """(rows, width, channels) values of successive bands of the output, filtered where that is smaller."""
        longer = max(self.height, self.width)
        top, left = region.top, region.left
        rows = pixels.axis_positions(self.height, longer, top, top + region.height, height * down)
        columns = pixels.axis_positions(self.width, longer, left, left + region.width, width * across)
        step = down * max(1, _BAND // (len(columns) * down))
        pieces = (self._grid_values(rows[start : start + step], columns) for start in range(0, len(rows), step))
        narrow = (resample.reduce_columns(piece, across) for piece in pieces)
        return resample.reduce_rows(narrow, down, height)

    def _check_work(self, points: int) -> None:
        work = points * self.model.arch.param_count()
        what = f"so many pixels take {work:.1e} multiplications"
        self._limits.check("max_macs", work, what)
        if self._file_bytes:
            each = -(-work // self._file_bytes)
            self._limits.check("max_macs_per_byte", each, f"{what}, {each:.1e} for each byte of the file")

    def _grid_values(self, rows: NDArray[np.float32], columns: NDArray[np.float32]) -> Samples:
        return self._finite(pixels.grid(rows, columns)).reshape(len(rows), len(columns), self.channels)

    def _finite(self, points: NDArray[np.float32]) -> Samples:
        values = self._evaluate(points)
        if not np.isfinite(values).all():
            raise CorruptError("weights: the network's values are not finite")
        return values


def _check_manner(depth: int, supersampling: int) -> None:
    if depth not in DEPTHS:
        raise RequestError(f"depth: {depth} is none of {', '.join(map(str, DEPTHS))}")
    if not 1 <= supersampling <= MAX_SUPERSAMPLING:
        raise RequestError(f"supersampling: {supersampling} is not in 1 .. {MAX_SUPERSAMPLING}")


@within_memory()
def open_bytes(
    data: bytes,
    device: str = "cpu",
    exact: bool = False,
    limits: DecodeLimits = DEFAULT_LIMITS,
    stopped: Stopped = never,
) -> Picture:
    """The picture in the bytes of an .inr file.

    `device` is "cpu" (NumPy), or a torch device such as "cuda", which needs torch. `exact` draws in float64 (class X).
    `stopped` is asked between chunks of points; when it says so the rendering ends with StoppedError.
    Raises BitstreamError or LimitError for the bytes, RequestError where there is no such device.
    """
    model = bitstream.read(data, limits)
    dtype = precision(model, exact)
    if device == "cpu":
        return Picture(model, numpy_backend(model, dtype, stopped), limits, len(data))
    return Picture(model, torch_backend(model, device, dtype, stopped), limits, len(data))


def decode(
    data: bytes,
    size: tuple[int, int] | None = None,
    region: Region | None = None,
    device: str = "cpu",
    exact: bool = False,
    limits: DecodeLimits = DEFAULT_LIMITS,
    depth: int = 8,
) -> Codes:
    """The pixels of an .inr file: `open_bytes` and `Picture.render` in one call, with their arguments and errors."""
    return open_bytes(data, device, exact, limits).render(size, region, depth)
