"""From bytes to pictures: bitstream -> network -> sample -> image, at any size, of any region.

NumPy evaluates the network unless a GPU is asked for; neither torch nor torchao is imported on that path. In float32
where the file says that this is safe, else, or when asked for, in float64: classes M and X of `container.py`.

Work goes through in blocks: bands of output rows, and within them chunks of points that stay in a core's cache, on as
many threads as may be used (`threads.py`). So the memory is that of the output and a few megabytes, and for each thread
half a megabyte or, for the widest networks, four (of derivatives thirty), whatever the size. Samples do not depend on
the number of threads.

Below its native size a picture holds detail finer than the output's pixels. Sampling it at their centres would alias,
so it is sampled on a finer grid, k points along each side of every output pixel, k the least that samples at the native
rate or finer, at most 16; and that is reduced by a Lanczos filter (`resample.py`). At a half or a third of the size it
is the native picture's own pixels that are filtered.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from inrcodec import families, pixels
from inrcodec.compute.backends import (
    JET_WORK,
    EvaluateJet,
    Evaluator,
    Manner,
    NumpyBackend,
    Positions,
    Samples,
    Stopped,
    within_memory,
)
from inrcodec.compute.device import backend_on
from inrcodec.compute.sine import Jet
from inrcodec.compute.threads import count
from inrcodec.decoding import resample
from inrcodec.errors import CorruptError, RequestError, check_type, check_types
from inrcodec.families import StoredPicture
from inrcodec.format.limits import DEFAULT_LIMITS, DecodeLimits
from inrcodec.pixels import DEPTHS, Codes
from inrcodec.progress import Report, never, silent

_BAND = 262_144
"""Points whose float colours are held at once, before they are averaged and rounded."""
_BAND_MACS = 2**34
"""Multiplications of a band, at most, if it has more than a row: a second or so between two reports."""
MAX_SUPERSAMPLING = 16
"""Most points along each side of an output pixel."""


@dataclass(frozen=True)
class Region:
    """A rectangle of the native picture, in native pixels."""

    top: int
    """Rows above it."""
    left: int
    """Columns left of it."""
    height: int
    """Number of rows."""
    width: int
    """Number of columns."""

    def __post_init__(self) -> None:
        check_types(self, "region ")


@dataclass(frozen=True)
class _Frame:
    """What is drawn, and on how fine a grid."""

    region: Region
    height: int
    width: int
    """Size of the output."""
    down: int
    across: int
    """Points along each side of an output pixel."""


class Picture:
    """An opened .inr file: a continuous picture that can be sampled anywhere."""

    def __init__(
        self,
        stored: StoredPicture,
        evaluator: Evaluator,
        limits: DecodeLimits = DEFAULT_LIMITS,
        file_bytes: int = 0,
        jet: Callable[[], EvaluateJet] | None = None,
        report: Report = silent,
    ) -> None:
        """`evaluator` draws its network, and `jet` makes what draws its derivatives, the first time; by default NumPy.

        `file_bytes` are those of its file, 0 where it has none. `report`: see `open_bytes`.
        """
        self.stored = stored
        self._evaluator, self._make_jet = evaluator, jet or (lambda: stored.network.jet_evaluator(NumpyBackend()))
        self._limits, self._file_bytes, self._report = limits, file_bytes, report
        self.opened_as: tuple[object, ...] = ()
        """Arguments of `open_bytes` that open it again, where it was made by that."""

    def __reduce__(self) -> tuple[object, ...]:
        """What a pickle holds is the file: whoever loads it opens that, without `stopped` and `report`."""
        if not self.opened_as:
            raise TypeError("a Picture that was not made by inrcodec.open does not pickle")
        return open_bytes, self.opened_as

    @property
    def height(self) -> int:
        """Native height in pixels."""
        return self.stored.height

    @property
    def width(self) -> int:
        """Native width in pixels."""
        return self.stored.width

    @property
    def channels(self) -> int:
        """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
        return self.stored.network.channels

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
        return (_finite(self._evaluator(self._checked(coords))) + np.float32(1)) / np.float32(2)

    def _checked(self, coords: NDArray[np.floating]) -> NDArray[np.float32]:
        points = np.ascontiguousarray(coords, dtype=np.float32)
        if points.ndim != 2 or points.shape[1] != 2:
            raise RequestError(f"coords: shape {points.shape}, (N, 2) expected")
        if not np.isfinite(points).all():
            raise RequestError("coords: not finite")
        return points

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
        _check_manner(depth, supersampling)
        frame = self._frame(size, region, supersampling)
        out = np.empty((frame.height, frame.width, self.channels), DEPTHS[depth])
        bands = self._bands(frame, lambda rows, columns: _finite(self._evaluator.grid(rows, columns)))
        self._fill(out, (pixels.to_codes(band, depth) for band in bands))
        return out[..., 0] if self.channels == 1 else out

    def jet(self, coords: NDArray[np.floating]) -> Jet:
        """Colours at any points with their exact derivatives by the coordinates, in float64.

        Args and errors as of `sample`. Values are colours, 0 .. 1; a derivative is by the unit of the coordinates, half
        of the longer side: by native pixels it is 2 / (longer side) times as large, squared for the Laplacian.

        Returns:
            value (N, channels), gradient (N, channels, 2) by (y, x), laplacian (N, channels).
        """
        return self._jet(self._checked(coords))

    def gradient(self, coords: NDArray[np.floating]) -> NDArray[np.float64]:
        """The colours' (N, channels, 2) derivatives by (y, x); see `jet`."""
        gradient: NDArray[np.float64] = self.jet(coords).gradient
        return gradient

    def laplacian(self, coords: NDArray[np.floating]) -> NDArray[np.float64]:
        """The colours' (N, channels) second derivatives by y and by x, added; see `jet`."""
        laplacian: NDArray[np.float64] = self.jet(coords).laplacian
        return laplacian

    @cached_property
    def _derive(self) -> EvaluateJet:
        """What draws derivatives, with float64 weights of its own, which nobody needs who asks for no derivatives."""
        return self._make_jet()

    @within_memory()
    @np.errstate(all="ignore")
    def _jet(self, points: NDArray[np.float32]) -> Jet:
        value, gradient, laplacian = self._derive(points)
        if not all(np.isfinite(part).all() for part in (value, gradient, laplacian)):
            raise CorruptError("weights: the network's derivatives are not finite")
        return Jet((value + 1) / 2, gradient / 2, laplacian / 2)

    @within_memory()
    def render_derivative(
        self, kind: str, size: tuple[int, int] | None = None, region: Region | None = None
    ) -> NDArray[np.float32]:
        """The picture's derivative at every pixel, as `render` draws its colours; in the units of `jet`.

        Args:
            kind: "gradient" or "laplacian".
            size, region: as of `render`.

        Returns:
            float32 (H, W, channels, 2) by (y, x), or (H, W, channels).

        Raises as `render` does.
        """
        shapes = {"gradient": (self.channels, 2), "laplacian": (self.channels,)}
        if kind not in shapes:
            raise RequestError(f"channels: {kind!r} is none of {', '.join(shapes)}")
        frame = self._frame(size, region, MAX_SUPERSAMPLING, JET_WORK)
        out = np.empty((frame.height, frame.width, *shapes[kind]), np.float32)
        self._fill(out, self._bands(frame, lambda rows, columns: getattr(self._jet(pixels.grid(rows, columns)), kind)))
        return out

    def _frame(self, size: tuple[int, int] | None, region: Region | None, supersampling: int, work: int = 1) -> _Frame:
        """Where to draw, checked; a point takes `work` times the network's multiplications."""
        check_type("size", size, tuple[int, int] | None)
        check_type("region", region, Region | None)
        region = region or Region(0, 0, self.height, self.width)
        self._check_region(region)
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
        self._check_work(height * down * width * across * work)
        return _Frame(region, height, width, down, across)

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

    def _bands(self, frame: _Frame, draw: Callable[[Positions, Positions], Samples]) -> Iterator[Samples]:
        """(rows, width, values) of successive bands of the output, filtered where that is smaller."""
        longer, region = max(self.height, self.width), frame.region
        rows = pixels.axis_positions(
            self.height, longer, region.top, region.top + region.height, frame.height * frame.down
        )
        columns = pixels.axis_positions(
            self.width, longer, region.left, region.left + region.width, frame.width * frame.across
        )
        most = min(_BAND, _BAND_MACS // self.stored.network.macs)
        step = frame.down * max(1, most // (len(columns) * frame.down))
        parts = (rows[start : start + step] for start in range(0, len(rows), step))
        pieces = (draw(part, columns).reshape(len(part), len(columns), -1) for part in parts)
        fewer = resample.reduce_rows(pieces, frame.down, frame.height)
        return (resample.reduce_columns(rows, frame.across) for rows in fewer)

    def _fill(self, out: Codes, bands: Iterator[Samples]) -> None:
        """Write bands of rows, whose values may lie flat, one below the other."""
        done = 0
        for band in bands:
            out[done : done + len(band)] = band.reshape(len(band), *out.shape[1:])
            done += len(band)
            if len(band):
                self._report(done, len(out))

    def _check_work(self, points: int) -> None:
        work = points * self.stored.network.macs
        what = f"so many pixels take {work:.1e} multiplications"
        self._limits.check("max_macs", work, what)
        if self._file_bytes:
            each = -(-work // self._file_bytes)
            self._limits.check("max_macs_per_byte", each, f"{what}, {each:.1e} for each byte of the file")


def _finite(values: Samples) -> Samples:
    """The values of a network, checked."""
    if not np.isfinite(values).all():
        raise CorruptError("weights: the network's values are not finite")
    return values


def _check_manner(depth: int, supersampling: int) -> None:
    check_type("depth", depth, int)
    check_type("supersampling", supersampling, int)
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
    threads: int | None = None,
    report: Report = silent,
) -> Picture:
    """The picture in the bytes of an .inr file.

    Args:
        data: the whole file.
        device: "cpu" (NumPy), or a torch device such as "cuda", which needs torch.
        exact: draw in float64 (class X).
        limits: what to accept.
        stopped: asked between chunks of points, in the caller's thread; when it says so the rendering ends with
            StoppedError.
        threads: of the CPU, to draw with; by default as many as OMP_NUM_THREADS says, else all cores that this process
            may use. What is drawn does not depend on it.
        report: told (rows drawn, of how many) of a rendering as it goes on, in the caller's thread.

    Raises:
        BitstreamError, LimitError: for the bytes.
        RequestError: there is no such device, or fewer than one thread is asked for.
        ResourceError: there is not enough memory, of the device or of the machine.
    """
    check_type("device", device, str)
    manner = Manner(count(threads), stopped)
    stored, backend = families.read(data, limits), backend_on(device, manner)
    network = stored.network
    evaluator = network.evaluator(backend, stored.precision(exact))
    picture = Picture(stored, evaluator, limits, len(data), lambda: network.jet_evaluator(backend), report)
    picture.opened_as = bytes(data), device, exact, limits, never, threads
    return picture


def decode(
    data: bytes,
    size: tuple[int, int] | None = None,
    region: Region | None = None,
    device: str = "cpu",
    exact: bool = False,
    limits: DecodeLimits = DEFAULT_LIMITS,
    depth: int = 8,
    threads: int | None = None,
) -> Codes:
    """The pixels of an .inr file: `open_bytes` and `Picture.render` in one call, with their arguments and errors."""
    return open_bytes(data, device, exact, limits, threads=threads).render(size, region, depth)
