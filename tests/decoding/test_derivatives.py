"""Derivatives of pictures: those of the colours, at any points and as pictures."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inrcodec import families, pixels
from inrcodec.compute import backends
from inrcodec.compute.sine import Jet, jet
from inrcodec.decoding import decoder, derivatives, resample
from inrcodec.errors import CorruptError, LimitError, RequestError, StoppedError
from inrcodec.families.siren import network
from inrcodec.format.limits import DecodeLimits
from inrcodec.pictures.load import to_array
from tests.cli.test_main import run
from tests.decoding.test_conformance import model_of

CHANNELS = [1, 2, 3, 4]
POINTS = np.random.default_rng(0).uniform(-0.9, 0.9, (30, 2))


def picture(channels: int = 3, **options: object) -> decoder.Picture:
    """24x36 pixels."""
    data = families.write(model_of(1.0, network.SirenArch((12, 10, 8), channels)))
    return decoder.open_bytes(data, exact=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", CHANNELS)
def test_they_are_the_limits_of_differences_of_samples(channels: int) -> None:
    drawn, h, points = picture(channels), 2.0**-12, np.float64(np.float32(np.round(POINTS * 2**10) / 2**10))

    def at(*shift: float) -> NDArray[np.floating]:
        return drawn.sample(points + h * np.array(shift))  # all of them are float32 exactly

    slopes = np.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], -1) / (2 * h)
    bends = (at(1, 0) + at(-1, 0) + at(0, 1) + at(0, -1) - 4 * at(0, 0)) / h**2
    assert drawn.gradient(points).shape == (30, channels, 2)
    assert drawn.laplacian(points).shape == (30, channels)
    np.testing.assert_allclose(drawn.gradient(points), slopes, atol=1e-4 * np.abs(slopes).max())
    np.testing.assert_allclose(drawn.laplacian(points), bends, atol=1e-4 * np.abs(bends).max())
    np.testing.assert_allclose(drawn.jet(points).value, at(0, 0), atol=1e-12)


@pytest.mark.parametrize("kind", ["gradient", "laplacian"])
@pytest.mark.parametrize("channels", CHANNELS)
def test_at_the_native_size_they_are_those_of_the_pixels(channels: int, kind: str) -> None:
    drawn = picture(channels)
    expected = getattr(drawn, kind)(pixels.pixel_centres(24, 36))
    found = drawn.render_derivative(kind)
    assert found.dtype == np.float32
    assert found.shape == ((24, 36, channels, 2) if kind == "gradient" else (24, 36, channels))
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-6, atol=1e-6)


def test_smaller_they_are_filtered_as_colours_are() -> None:
    drawn = picture(1)
    native = drawn.render_derivative("laplacian").astype(float)
    narrow = resample.reduce_columns(native, 2)
    expected = np.concatenate(list(resample.reduce_rows(iter([narrow]), 2, 12)))
    np.testing.assert_allclose(drawn.render_derivative("laplacian", (12, 18)), expected, rtol=1e-5, atol=1e-3)


def test_chunks_and_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = picture().render_derivative("gradient", (20, 30))
    monkeypatch.setattr(decoder, "_BAND", 70)
    monkeypatch.setattr(backends, "CHUNK", 7)
    np.testing.assert_allclose(picture().render_derivative("gradient", (20, 30)), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "coords",
    [np.zeros(2), np.zeros((3, 3)), np.zeros((2, 2, 2)), np.array([[0, np.nan]]), np.array([[np.inf, 0]])],
)
@pytest.mark.parametrize("kind", ["gradient", "laplacian", "jet"])
def test_coordinates_that_are_none_are_a_value_error(coords: np.ndarray, kind: str) -> None:
    with pytest.raises(ValueError, match="coords"):
        getattr(picture(), kind)(coords)


def test_no_points_have_no_derivatives() -> None:
    assert picture().gradient(np.zeros((0, 2))).shape == (0, 3, 2)


def test_limits_hold_and_work_counts_four_times() -> None:
    work = 24 * 36 * picture().stored.network.arch.param_count()
    picture(limits=DecodeLimits(max_macs=4 * work)).render_derivative("gradient")
    with pytest.raises(LimitError, match="max_macs"):
        picture(limits=DecodeLimits(max_macs=4 * work - 1)).render_derivative("gradient")
    picture(limits=DecodeLimits(max_macs=work)).render()


def test_drawing_ends_when_it_is_asked_to() -> None:
    with pytest.raises(StoppedError):
        picture(stopped=lambda: True).render_derivative("laplacian")


def test_derivatives_that_are_not_finite_are_a_corrupt_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def infinite(*at: Any) -> Jet:
        found = jet(*at)
        return found._replace(laplacian=np.full_like(found.laplacian, np.inf))

    monkeypatch.setattr(backends, "jet", infinite)
    with pytest.raises(CorruptError, match="derivatives are not finite"):
        picture().laplacian(POINTS)


@pytest.mark.parametrize("kind", ["", "colour", "hessian"])
def test_other_derivatives_are_refused(kind: str) -> None:
    with pytest.raises(RequestError, match="none of gradient, laplacian"):
        picture().render_derivative(kind)
    with pytest.raises(RequestError, match="none of gradient, laplacian"):
        derivatives.as_picture(kind, np.zeros((2, 2, 3), np.float32))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", CHANNELS)
def test_as_pictures_nothing_is_black_or_the_middle_and_the_most_is_white(channels: int, depth: int) -> None:
    top, colours = 2**depth - 1, 1 if channels < 3 else 3
    gradient = np.zeros((20, 20, channels, 2), np.float32)
    gradient[:, 10:, 0, 1] = 3
    image, white = derivatives.as_picture("gradient", gradient, depth)
    assert (image.shape, white) == ((20, 20), 3)
    assert (image[0, 0], image[0, 15]) == (0, top)
    bend = np.zeros((20, 20, channels), np.float32)
    bend[:, 10:, 0], bend[:, :5, 0] = 3, -3
    image, white = derivatives.as_picture("laplacian", bend, depth)
    shown = image.reshape(20, 20, colours)[..., 0]
    assert white == 3
    assert (shown[0, 15], shown[0, 7]) == (top, (top + 1) // 2)
    assert shown[0, 0] <= 1


@pytest.mark.parametrize("kind", ["gradient", "laplacian"])
def test_of_one_colour_everything_is_shown_as_nothing(kind: str) -> None:
    zero = np.zeros((4, 5, 3, 2) if kind == "gradient" else (4, 5, 3), np.float32)
    image, _ = derivatives.as_picture(kind, zero)
    assert np.ptp(image) == 0


@pytest.mark.parametrize("kind", ["gradient", "laplacian"])
def test_the_command_line_draws_them(workdir: Path, capfd: pytest.CaptureFixture[str], data: bytes, kind: str) -> None:
    derivative = decoder.open_bytes(data).render_derivative(kind, (10, 14))
    image, white = derivatives.as_picture(kind, derivative)
    assert run(f"decode good.inr -o new.png --channels {kind} --scale 2") == 0
    assert np.array_equal(to_array("new.png").squeeze(), image)
    assert capfd.readouterr().err == f"new.png: 14x10, {kind}, {white:.4g} is white\n"
    assert run(f"decode good.inr -o new.npy --channels {kind} --scale 2") == 0
    assert np.array_equal(np.load(io.BytesIO(Path("new.npy").read_bytes())), derivative)


def test_the_command_line_refuses_others(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("decode good.inr --channels hessian") == 2
    assert "--channels hessian: none of colour, gradient, laplacian" in capfd.readouterr().err
