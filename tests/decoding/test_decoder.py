"""Laws of drawing: sizes nest, regions are crops, small sizes do not alias, backends agree."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inrcodec import families, pixels
from inrcodec.compute import backends
from inrcodec.compute.backends import NumpyBackend, Pointwise
from inrcodec.compute.torch_backend import TorchBackend
from inrcodec.decoding import decoder, resample
from inrcodec.decoding.decoder import Region
from inrcodec.errors import CorruptError, RequestError
from inrcodec.families import StoredPicture
from inrcodec.families.siren.network import InitConfig, Params, SirenArch, init, q_step, q_step_code
from inrcodec.families.siren.stored import SirenNetwork

ARCH = SirenArch((12, 10, 8), 3)


def model_of(params: Params, arch: SirenArch, height: int, width: int) -> StoredPicture:
    code = q_step_code(1 / 256)
    symbols = tuple(np.rint(p / q_step(code)).astype(np.int32) for p in params)
    return StoredPicture(SirenNetwork(arch, symbols, (code,) * len(symbols)), height, width)


def picture(height: int = 24, width: int = 36, arch: SirenArch = ARCH) -> decoder.Picture:
    params = init(arch, 0, InitConfig(w_max=30))
    return decoder.open_bytes(families.write(model_of(params, arch, height, width)))


def test_decode_opens_and_renders() -> None:
    data = families.write(picture().stored)
    assert np.array_equal(decoder.decode(data, (10, 15)), picture().render((10, 15)))


@pytest.mark.parametrize(("channels", "shape"), [(1, (24, 36)), (2, (24, 36, 2)), (3, (24, 36, 3)), (4, (24, 36, 4))])
def test_native_size_is_the_samples_at_the_pixel_centres(channels: int, shape: tuple[int, ...]) -> None:
    drawn = picture(arch=SirenArch((6, 5), channels))
    values = 2 * drawn.sample(pixels.pixel_centres(24, 36)) - 1
    assert drawn.render().shape == shape
    expected = pixels.to_codes(values).reshape(shape).astype(int)
    assert np.abs(drawn.render() - expected).max() <= 1


@pytest.mark.parametrize("size", [(12, 18), (8, 12), (24, 6), (3, 36), (2, 3)])
def test_at_a_whole_fraction_of_the_size_the_native_pixels_are_filtered(size: tuple[int, int]) -> None:
    drawn, (down, across) = picture(), (24 // size[0], 36 // size[1])
    native = (2 * drawn.sample(pixels.pixel_centres(24, 36)) - 1).reshape(24, 36, 3)
    (*rows,) = resample.reduce_rows(iter([resample.reduce_columns(native, across)]), down, size[0])
    expected = pixels.to_codes(np.concatenate(rows))
    assert np.abs(drawn.render(size).astype(int) - expected).max() <= 1


def test_a_picture_finer_than_the_output_becomes_its_mean_and_not_an_alias() -> None:
    native = 64
    frequency = np.pi * native / 2 * 0.9
    params = [np.array([[0, frequency]], np.float32), np.zeros(1, np.float32),
              np.ones((1, 1), np.float32), np.zeros(1, np.float32)]  # fmt: skip
    stripes = decoder.open_bytes(families.write(model_of(params, SirenArch((1,), 1), native, native)))
    assert stripes.render().std() > 80
    assert stripes.render((8, 8)).std() < 12


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_region_is_a_crop_of_the_whole_at_the_same_scale(factor: int) -> None:
    drawn = picture()
    whole = drawn.render((24 * factor, 36 * factor))
    part = drawn.render((8 * factor, 10 * factor), Region(5, 7, 8, 10))
    expected = whole[5 * factor : 13 * factor, 7 * factor : 17 * factor]
    assert np.mean(part != expected) < 0.001
    assert np.abs(part.astype(int) - expected).max() <= 1


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = picture().render((50, 20))
    monkeypatch.setattr(decoder, "_BAND", 60)
    monkeypatch.setattr(backends, "CHUNK", 7)
    banded = picture().render((50, 20))
    assert np.mean(whole != banded) < 0.001
    assert np.abs(whole.astype(int) - banded).max() <= 1


def test_numpy_and_torch_agree_to_one_code() -> None:
    model = picture(64, 96).stored
    one, other = (
        decoder.Picture(model, model.network.evaluator(backend, np.float32)).render()
        for backend in (NumpyBackend(), TorchBackend("cpu"))
    )
    apart = np.abs(one.astype(int) - other)
    assert np.mean(apart <= 1) >= 0.9999
    assert np.mean(apart == 0) >= 0.99


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (7, 3), (100, 2)])
def test_any_size_comes_out_as_asked(size: tuple[int, int]) -> None:
    assert picture().render(size).shape == (*size, 3)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(RequestError, match="size"):
        picture().render(size)


@pytest.mark.parametrize("region", [(0, 0, 25, 5), (0, 32, 5, 5), (-1, 0, 5, 5), (0, 0, 0, 5), (24, 0, 1, 1)])
def test_regions_outside_the_picture_are_refused(region: tuple[int, int, int, int]) -> None:
    with pytest.raises(RequestError, match="region"):
        picture().render(region=Region(*region))


def test_samples_are_colours_from_zero_to_one() -> None:
    params = [np.zeros((1, 2), np.float32), np.zeros(1, np.float32),
              np.zeros((1, 1), np.float32), np.array([-1.0], np.float32)]  # fmt: skip
    black = decoder.open_bytes(families.write(model_of(params, SirenArch((1,), 1), 4, 4)))
    assert black.sample(np.zeros((3, 2))).tolist() == [[0.0]] * 3


@pytest.mark.parametrize("coords", [np.zeros(2), np.zeros((2, 3)), np.array([[0, np.nan]]), np.array([[0, np.inf]])])
def test_bad_coords_are_refused(coords: np.ndarray) -> None:
    with pytest.raises(RequestError, match="coords"):
        picture().sample(coords)


def test_values_that_are_not_finite_are_a_corrupt_file() -> None:
    drawn = decoder.Picture(picture().stored, Pointwise(lambda coords: np.full((len(coords), 3), np.nan, np.float32)))
    with pytest.raises(CorruptError, match="finite"):
        drawn.render()


class Rows:
    """Draws the rows of a grid in shades of its own, and points in black."""

    def __call__(self, coords: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full((len(coords), 3), -1, np.float32)

    def grid(self, rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.repeat(rows, 3 * len(columns)).reshape(-1, 3)


def test_a_rendering_is_drawn_by_grids_and_samples_are_by_points(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, (rows, _) = decoder.Picture(picture(32, 24).stored, Rows()), pixels.axes(32, 24)
    shades = np.broadcast_to(pixels.to_codes(rows)[:, None, None], (32, 24, 3))
    assert np.array_equal(drawn.render(), shades)
    assert np.array_equal(drawn.render(region=Region(5, 7, 10, 9)), shades[5:15, 7:16])
    monkeypatch.setattr(decoder, "_BAND", 60)
    assert np.array_equal(drawn.render(), shades)
    assert not drawn.sample(np.ones((5, 2))).any()


def test_a_missing_device_is_a_request_error() -> None:
    with pytest.raises(RequestError, match="device"):
        decoder.open_bytes(families.write(picture().stored), device="no-such-device")
