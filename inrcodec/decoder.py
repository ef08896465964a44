"""From bytes to pictures: bitstream -> network -> sample -> image, at any size, of any region.

NumPy evaluates the network unless a GPU is asked for; neither torch nor torchao is imported on that path.

Work goes through in blocks: bands of output rows, and within them chunks of points that stay in the processor's cache.
So the memory is that of the output and a few megabytes, whatever the size.

Below its native size a picture holds detail finer than the output's pixels. Sampling it at their centres would alias,
so every output pixel is the mean over a k x k grid of points within it, k the least that samples at the native rate
or finer, at most 16. At half size in both directions that is exactly the mean of the native picture's 2 x 2 pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inrcodec import bitstream, pixels
from inrcodec.errors import CorruptError, LimitError, RequestError
from inrcodec.model import FAMILIES, SIREN, QuantizedModel
from inrcodec.siren import Params

_CHUNK = 4096
"""Points evaluated at once in NumPy: activations of 4096 x 64 float32 are 1 MiB."""
_BAND = 262_144
"""Points whose float colours are held at once, before they are averaged and rounded."""
_MAX_SUPERSAMPLING = 16
"""Most points along each side of an output pixel."""
MAX_MULTIPLICATIONS = 2**44
"""Largest work of one rendering, points times weights: about an hour on a CPU core."""

Samples = NDArray[np.float32]


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
        """(N, 2) float32 -> (N, channels) float32."""
        ...


def numpy_backend(model: QuantizedModel) -> Backend:
    """The reference evaluation, on the CPU without torch."""
    params: Params = model.dequantize()
    family = FAMILIES[SIREN]

    def evaluate(coords: NDArray[np.float32]) -> Samples:
        values: Samples = family.forward(model.arch, params, coords, np)
        return values

    return _in_chunks(evaluate, model.arch.channels, _CHUNK)


def _in_chunks(evaluate: Backend, channels: int, chunk: int) -> Backend:
    """The same backend, asked for at most `chunk` points at once."""

    def evaluate_all(coords: NDArray[np.float32]) -> Samples:
        out = np.empty((len(coords), channels), np.float32)
        for start in range(0, len(coords), chunk):
            out[start : start + chunk] = evaluate(coords[start : start + chunk])
        return out

    return evaluate_all


def torch_backend(model: QuantizedModel, device: str) -> Backend:
    """The same in torch on `device`, in full float32 (no TF32) whatever the host program has switched on."""
    import torch

    family = FAMILIES[SIREN]
    try:
        params = [torch.from_numpy(value).to(device) for value in model.dequantize()]
    except (RuntimeError, AssertionError) as error:
        raise RequestError(f"device: {device} is not available: use the cpu") from error

    def evaluate(coords: NDArray[np.float32]) -> Samples:
        matmul = torch.backends.cuda.matmul
        allowed, matmul.allow_tf32 = matmul.allow_tf32, False
        try:
            with torch.inference_mode(), torch.autocast(torch.device(device).type, enabled=False):
                values = family.forward(model.arch, params, torch.from_numpy(coords).to(device), torch)
                return values.cpu().numpy()  # type: ignore[no-any-return]
        finally:
            matmul.allow_tf32 = allowed

    return _in_chunks(evaluate, model.arch.channels, _CHUNK if device == "cpu" else _BAND)


class Picture:
    """An opened .inr file: a continuous picture that can be sampled anywhere."""

    def __init__(self, model: QuantizedModel, evaluate: Backend) -> None:
        """`evaluate` is the backend of `model`."""
        self.model = model
        self._evaluate = evaluate

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
        """1 grey, 3 RGB, 4 RGBA."""
        return self.model.arch.channels

    def sample(self, coords: NDArray[np.floating]) -> Samples:
        """Colours at any points.

        Args:
            coords: (N, 2) floats, rows (y, x), in the convention of `pixels.py`: the longer side spans [-1, 1], the
                other keeps the same unit. Points outside the frame are extrapolated, and mean nothing.

        Returns:
            (N, channels) float32, 0 (black, transparent) .. 1 (full), not clipped: the network may overshoot.

        Raises:
            RequestError: coords has another shape, or is not finite.
            CorruptError: the network's values are not finite.
        """
        points = np.ascontiguousarray(coords, dtype=np.float32)
        if points.ndim != 2 or points.shape[1] != 2:
            raise RequestError(f"coords: shape {points.shape}, (N, 2) expected")
        if not np.isfinite(points).all():
            raise RequestError("coords: not finite")
        return (self._finite(points) + np.float32(1)) / np.float32(2)

    def render(self, size: tuple[int, int] | None = None, region: Region | None = None) -> NDArray[np.uint8]:
        """The picture, or a region of it, as pixels.

        Args:
            size: (height, width) of the output in pixels; by default the region's own.
            region: the part to render, in native pixels; by default all. Rendering a region at s times its size gives
                the crop of the whole picture at s times its size, for integer s.

        Returns:
            uint8 (H, W) for a grey picture, (H, W, 3) for RGB, (H, W, 4) for RGBA.

        Raises:
            RequestError: an empty or excessive size, or a region outside the picture.
            CorruptError: the network's values are not finite.
        """
        region = region or Region(0, 0, self.height, self.width)
        self._check(region)
        height, width = size or (region.height, region.width)
        if height < 1 or width < 1:
            raise RequestError(f"size: {width}x{height} pixels make no picture")
        if height * width > pixels.MAX_PIXELS:
            raise RequestError(f"size: {width}x{height} is over {pixels.MAX_PIXELS} pixels: render regions of it")
        out = np.empty((height, width, self.channels), np.uint8)
        for start, band in self._bands(region, height, width):
            out[start : start + len(band)] = pixels.to_uint8(band)
        return out[..., 0] if self.channels == 1 else out

    def _check(self, region: Region) -> None:
        inside = (
            0 <= region.top < region.top + region.height <= self.height
            and 0 <= region.left < region.left + region.width <= self.width
        )
        if not inside:
            raise RequestError(
                f"region: {region.width}x{region.height} at x {region.left}, y {region.top} is not inside "
                f"the {self.width}x{self.height} picture"
            )

    def _bands(self, region: Region, height: int, width: int) -> Iterator[tuple[int, Samples]]:
        """(first row, (rows, width, channels) values) of successive bands of the output, averaged where smaller."""
        longer = max(self.height, self.width)
        down = min(-(-region.height // height), _MAX_SUPERSAMPLING)
        across = min(-(-region.width // width), _MAX_SUPERSAMPLING)
        work = height * down * width * across * self.model.arch.param_count()
        if work > MAX_MULTIPLICATIONS:
            raise LimitError(
                f"size: {width}x{height} takes {work:.1e} multiplications of this file, over {MAX_MULTIPLICATIONS:.1e}"
            )
        top, left = region.top, region.left
        rows = pixels.axis_positions(self.height, longer, top, top + region.height, height * down)
        columns = pixels.axis_positions(self.width, longer, left, left + region.width, width * across)
        step = max(1, _BAND // (len(columns) * down))
        for start in range(0, height, step):
            part = rows[start * down : (start + step) * down]
            values = self._grid_values(part, columns)
            yield start, values.reshape(-1, down, width, across, self.channels).mean((1, 3))

    def _grid_values(self, rows: NDArray[np.float32], columns: NDArray[np.float32]) -> Samples:
        return self._finite(pixels.grid(rows, columns)).reshape(len(rows), len(columns), self.channels)

    def _finite(self, points: NDArray[np.float32]) -> Samples:
        values = self._evaluate(points)
        if not np.isfinite(values).all():
            raise CorruptError("weights: the network's values are not finite")
        return values


def open_bytes(data: bytes, device: str = "cpu") -> Picture:
    """The picture in the bytes of an .inr file.

    `device` is "cpu" (NumPy), or a torch device such as "cuda", which needs torch.
    Raises BitstreamError or LimitError for the bytes, RequestError where there is no such device.
    """
    model = bitstream.read(data)
    return Picture(model, numpy_backend(model) if device == "cpu" else torch_backend(model, device))


def decode(
    data: bytes, size: tuple[int, int] | None = None, region: Region | None = None, device: str = "cpu"
) -> NDArray[np.uint8]:
    """The pixels of an .inr file: `open_bytes` and `Picture.render` in one call, with their arguments and errors."""
    return open_bytes(data, device).render(size, region)
