"""Laws of drawing a grid picture: one function of the place, however it is asked, and the derivatives of that."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inrcodec import families, pixels
from inrcodec.compute.backends import Backend, Manner, NumpyBackend
from inrcodec.compute.torch_backend import TorchBackend
from inrcodec.decoding import conformance, decoder
from inrcodec.decoding.decoder import Region
from inrcodec.families import StoredPicture
from inrcodec.families.grid.arch import AROUND, WIDTH
from inrcodec.families.grid.colour import components, matrix
from inrcodec.families.grid.drawing import native
from inrcodec.families.grid.stored import GridNetwork
from tests.support.grids import SIZES, grid_network, grid_picture
from tests.support.pictures import waves

Floats = NDArray[Any]

sizes = pytest.mark.parametrize(("height", "width"), SIZES)
every_channels = pytest.mark.parametrize("channels", [1, 2, 3, 4])
backends = pytest.mark.parametrize("backend", [NumpyBackend(), TorchBackend("cpu")], ids=["numpy", "torch"])


def axes(height: int, width: int, scale: float) -> tuple[Floats, Floats]:
    """Rows and columns of the whole picture at a scale."""
    longer = max(height, width)
    rows, columns = (
        pixels.axis_positions(side, longer, 0, side, max(1, round(scale * side))) for side in (height, width)
    )
    return rows, columns


def points(height: int, width: int, count: int = 60) -> Floats:
    """In the frame, on a raster of 2^-12 of the longer side's half, so that float32 holds steps from them."""
    longer, rng = max(height, width), np.random.default_rng(height)
    inside = rng.uniform(-0.95, 0.95, (count, 2)) * (height / longer, width / longer)
    return (np.round(inside * 2**12) / 2**12).astype(np.float32)


@sizes
@every_channels
def test_the_native_grid_is_its_points_bit_for_bit(height: int, width: int, channels: int) -> None:
    evaluate = grid_network(height, width, channels).evaluator(NumpyBackend(), np.float64)
    grid = evaluate.grid(*axes(height, width, 1))
    assert grid.shape == (height * width, channels)
    assert np.array_equal(grid, evaluate(pixels.pixel_centres(height, width)))


@sizes
@every_channels
@pytest.mark.parametrize("scale", [0.4, 1, 2, 3, 3.7])
def test_a_grid_is_its_points_at_any_size(height: int, width: int, channels: int, scale: float) -> None:
    rows, columns = axes(height, width, scale)
    for dtype, tolerance in ((np.float32, 2e-5), (np.float64, 1e-13)):
        evaluate = grid_network(height, width, channels).evaluator(NumpyBackend(), dtype)  # type: ignore[arg-type]
        grid, at = evaluate.grid(rows, columns), evaluate(pixels.grid(rows, columns))
        assert grid.dtype == at.dtype == dtype
        np.testing.assert_allclose(grid, at, rtol=0, atol=tolerance)


@sizes
@every_channels
def test_native_pixels_are_the_synthesis_of_the_planes(height: int, width: int, channels: int) -> None:
    """By the docstrings, in a few lines of their own."""
    network = grid_network(height, width, channels)
    planes, (first, second, last) = network.planes(np.float64), network.synthesis(np.float64)
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)), "edge")
    scale = np.array([6, 6, 6, 2, *[4] * (4 if channels > 2 else 0), *[4, 2] * (channels % 2 == 0)], float)
    around = [
        6 * padded[plane, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for plane in (0, 1) for dy, dx in AROUND
    ]
    x = np.concatenate([scale[:, None, None] * planes, around, np.ones((1, height, width))]).reshape(-1, height * width)
    h = np.sin(second @ np.concatenate([np.sin(first @ x), x[-1:]]))
    owners = np.array([0, 0, 0, 0, *([1, 2, 1, 2] if channels > 2 else []), *[len(last) - 1] * 2 * (channels % 2 == 0)])
    plain = [planes[owners == one].sum(0).reshape(-1) for one in range(len(last))]
    out = last[:, :WIDTH] @ h + last[:, WIDTH:] @ x + plain
    expected = 2 * out.T @ matrix(channels)
    found = network.evaluator(NumpyBackend(), np.float64).grid(*axes(height, width, 1))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


@every_channels
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_region_is_a_part_of_the_whole(channels: int, scale: int) -> None:
    picture = decoder.open_bytes(families.write(grid_picture(64, 48, channels)), exact=True)
    whole = picture.render((scale * 64, scale * 48))
    part = picture.render((scale * 20, scale * 11), Region(9, 30, 20, 11))
    assert np.array_equal(part, whole[scale * 9 : scale * 29, scale * 30 : scale * 41])


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 48), (65, 47), (200, 3)])
@every_channels
def test_it_is_drawn_at_any_size(channels: int, size: tuple[int, int]) -> None:
    drawn = decoder.decode(families.write(grid_picture(64, 48, channels)), size)
    assert drawn.shape == (size if channels == 1 else (*size, channels))


@sizes
@every_channels
def test_derivatives_are_the_limits_of_differences(height: int, width: int, channels: int) -> None:
    network, at, h = grid_network(height, width, channels), points(height, width), 2.0**-9 / max(height, width)
    h = 2.0 ** np.floor(np.log2(h))
    evaluate, jet = network.evaluator(NumpyBackend(), np.float64), network.jet_evaluator(NumpyBackend())(at)

    def moved(y: float, x: float) -> Floats:
        return evaluate(at + np.float32(h) * np.array([y, x], np.float32))

    slopes = np.stack([moved(1, 0) - moved(-1, 0), moved(0, 1) - moved(0, -1)], -1) / (2 * h)
    bends = (moved(1, 0) + moved(-1, 0) + moved(0, 1) + moved(0, -1) - 4 * moved(0, 0)) / h**2
    np.testing.assert_allclose(jet.value, moved(0, 0), rtol=0, atol=1e-13)
    np.testing.assert_allclose(jet.gradient, slopes, rtol=0, atol=1e-4 * max(1, np.abs(slopes).max()))
    np.testing.assert_allclose(jet.laplacian, bends, rtol=0, atol=1e-2 * max(1, np.abs(bends).max()))


@every_channels
def test_derivatives_at_pixels_are_those_of_the_picture_as_drawn(channels: int) -> None:
    picture = decoder.open_bytes(families.write(grid_picture(13, 7, channels)), exact=True)
    jet = picture.jet(pixels.pixel_centres(13, 7))
    for kind in ("gradient", "laplacian"):
        drawn = picture.render_derivative(kind)
        np.testing.assert_allclose(drawn.reshape(getattr(jet, kind).shape), getattr(jet, kind), rtol=1e-6, atol=1e-6)


@sizes
@every_channels
def test_numpy_and_torch_draw_the_same(height: int, width: int, channels: int) -> None:
    network, at = grid_network(height, width, channels), points(height, width)
    both: list[Callable[[], Backend]] = [NumpyBackend, lambda: TorchBackend("cpu")]
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-13)):
        one, other = (network.evaluator(make(), dtype) for make in both)  # type: ignore[arg-type]
        np.testing.assert_allclose(one(at), other(at), rtol=0, atol=tolerance)
        for scale in (1, 2, 2.3):
            grids = axes(height, width, scale)
            np.testing.assert_allclose(one.grid(*grids), other.grid(*grids), rtol=0, atol=tolerance)
    jets = [network.jet_evaluator(make())(at) for make in both]
    for one_part, other_part in zip(*jets, strict=True):
        np.testing.assert_allclose(one_part, other_part, rtol=0, atol=1e-12 * max(1, np.abs(one_part).max()))


@every_channels
@pytest.mark.parametrize("scale", [1, 2, 3.7])
def test_threads_change_no_bit(channels: int, scale: float) -> None:
    network = grid_network(64, 48, channels)
    for dtype in (np.float32, np.float64):
        one, other = (
            network.evaluator(NumpyBackend(Manner(threads)), dtype).grid(*axes(64, 48, scale))  # type: ignore[arg-type]
            for threads in (1, 3)
        )
        assert np.array_equal(one, other)


def photographic(channels: int) -> StoredPicture:
    """Latents of sizes as they occur: what is drawn is within the range of codes."""
    return grid_picture(64, 48, channels, delta=0.02, spread=0.7)


@every_channels
@backends
def test_float32_is_within_class_m(channels: int, backend: Backend) -> None:
    picture = photographic(channels)
    apart, samples = 0, 0
    for scale in (1, 2, 3):
        drawn = [
            decoder.Picture(picture, picture.network.evaluator(made, dtype)).render((64 * scale, 48 * scale))  # type: ignore[arg-type]
            for made, dtype in ((backend, np.float32), (NumpyBackend(), np.float64))
        ]
        agreement = conformance.compare(*drawn)
        apart, samples = apart + agreement.differing, samples + agreement.samples
        assert agreement.most_apart <= 1
    assert apart <= max(1, conformance.MOST_DIFFERING * samples)


@every_channels
def test_two_decoders_in_float64_draw_the_same_codes(channels: int) -> None:
    picture = photographic(channels)
    for size in ((64, 48), (128, 96), (77, 31)):
        one, other = (
            decoder.Picture(picture, picture.network.evaluator(backend, np.float64)).render(size)
            for backend in (NumpyBackend(), TorchBackend("cpu"))
        )
        assert np.array_equal(one, other)


def test_a_certified_file_verifies() -> None:
    data = families.write(conformance.certify(photographic(3)))
    assert conformance.verify(data).text in ("exact", "within class M")


@pytest.mark.parametrize(("side", "longer"), [(1, 1), (7, 13), (48, 64), (64, 64), (1000, 1000), (333, 131_072)])
def test_pixel_centres_are_whole_positions(side: int, longer: int) -> None:
    found = native(pixels.axis_positions(side, longer, 0, side, side), side, longer)
    assert np.array_equal(found, np.arange(side))


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize(("side", "longer"), [(7, 13), (48, 64), (1000, 1000), (333, 4096)])
def test_enlarged_grids_are_regular(side: int, longer: int, scale: int) -> None:
    found = native(pixels.axis_positions(side, longer, 0, side, scale * side), side, longer)
    assert np.array_equal(found, (np.arange(scale * side) + 0.5) / scale - 0.5)


@every_channels
def test_components_are_orthonormal_and_come_back(channels: int) -> None:
    codes = waves(9, 7, channels)
    back = np.einsum("ij,ihw->hwj", matrix(channels), components(codes).astype(np.float64)) + 0.5
    np.testing.assert_allclose(back * 255, codes, rtol=0, atol=1e-4)
    np.testing.assert_allclose(matrix(channels) @ matrix(channels).T, np.eye(channels), rtol=0, atol=1e-15)


def test_zero_latents_are_mid_grey_but_for_the_networks() -> None:
    network = grid_network(13, 7, 3, spread=0)
    assert not network.planes(np.float64).any()
    drawn = network.evaluator(NumpyBackend(), np.float64).grid(*axes(13, 7, 3))
    assert (np.ptp(drawn, axis=0) < 1e-14).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_an_evaluator_may_be_used_again_and_by_several_at_once(threads: int) -> None:
    network: GridNetwork = grid_network(64, 48, 3)
    evaluate = network.evaluator(NumpyBackend(Manner(threads)), np.float64)
    first = evaluate.grid(*axes(64, 48, 2)).copy()
    evaluate(points(64, 48))
    evaluate.grid(*axes(64, 48, 1))
    assert np.array_equal(evaluate.grid(*axes(64, 48, 2)), first)
