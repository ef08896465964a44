"""Whole encodes of the grid family, small and short."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

import inrcodec
from inrcodec import EncoderConfig, families, metrics
from inrcodec.encoding.encoder import encode_with_report
from inrcodec.errors import RequestError
from inrcodec.families.grid.delta import delta_of
from inrcodec.families.grid.settle import descended
from inrcodec.families.grid.stored import GridNetwork
from inrcodec.families.grid.trainer import Trainer
from inrcodec.families.training import TrainerOptions
from inrcodec.progress import Monitor
from tests.support.helpers import ROOT
from tests.support.pictures import waves

FAST = EncoderConfig(effort=1, device="cpu", family="grid")


def picture(height: int, width: int, channels: int) -> np.ndarray:
    rgb = waves(height, width)
    alpha = np.linspace(0, 255, height * width).reshape(height, width, 1).astype(np.uint8)
    return {1: rgb[..., :1], 2: np.dstack([rgb[..., :1], alpha]), 3: rgb, 4: np.dstack([rgb, alpha])}[channels]


def network_of(data: bytes) -> GridNetwork:
    network = families.read(data).network
    assert isinstance(network, GridNetwork)
    return network


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_picture_comes_back_near(channels: int) -> None:
    codes = picture(37, 52, channels)
    encoded = encode_with_report(codes, FAST)
    drawn = inrcodec.decode(encoded.data).reshape(codes.shape)
    assert metrics.psnr(codes, drawn) == pytest.approx(encoded.psnr, abs=1e-6)
    assert encoded.psnr > 25
    assert network_of(encoded.data).channels == channels
    assert inrcodec.verify(encoded.data).text in ("exact", "within class M")


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 2), (3, 64)])
def test_the_smallest_pictures_are_encoded(shape: tuple[int, int]) -> None:
    data = inrcodec.encode(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8), FAST)
    assert inrcodec.decode(data).shape == (*shape, 3)


def test_equal_options_give_equal_bytes() -> None:
    assert inrcodec.encode(picture(20, 30, 3), FAST) == inrcodec.encode(picture(20, 30, 3), FAST)


def test_a_higher_quality_takes_more_bytes_and_is_nearer() -> None:
    low, high = (
        encode_with_report(picture(48, 64, 3), dataclasses.replace(FAST, quality=quality)) for quality in (30, 70)
    )
    assert len(low.data) < len(high.data)
    assert low.psnr < high.psnr
    assert delta_of(network_of(low.data).delta_code) > delta_of(network_of(high.data).delta_code)


def test_one_colour_is_exact_and_tiny() -> None:
    codes = np.full((40, 30, 3), (12, 200, 90), np.uint8)
    data = inrcodec.encode(codes, FAST)
    assert (inrcodec.decode(data) == codes).all()
    assert len(data) < 120


def test_a_number_of_bytes_is_kept() -> None:
    noise = np.random.default_rng(1).normal(0, 25, (64, 80, 3))
    codes = np.clip(picture(64, 80, 3) + noise, 0, 255).astype(np.uint8)
    encoded = encode_with_report(codes, dataclasses.replace(FAST, size=1500))
    assert encoded.met
    assert 0.98 * 1500 <= len(encoded.data) <= 1500


@pytest.mark.parametrize("psnr", [25.0, 32.0])
def test_a_psnr_is_met(psnr: float) -> None:
    with Image.open(ROOT / "sample_data" / "astronaut.png") as image:
        codes = np.asarray(image.convert("RGB").crop((90, 30, 186, 110)))
    encoded = encode_with_report(codes, dataclasses.replace(FAST, psnr=psnr))
    assert encoded.met
    assert abs(encoded.psnr - psnr) <= 0.1


def test_an_encode_that_is_stopped_gives_the_best_so_far() -> None:
    asked = iter(range(10**6))
    encoded = encode_with_report(
        picture(64, 80, 3), dataclasses.replace(FAST, effort=7), Monitor(stopped=lambda: next(asked) > 20)
    )
    assert encoded.psnr > 22


def test_no_bytes_are_no_target() -> None:
    with pytest.raises(RequestError, match="files of a 52x37 picture have"):
        inrcodec.encode(picture(37, 52, 3), dataclasses.replace(FAST, size=10))


def test_a_time_limit_is_kept() -> None:
    encoded = encode_with_report(picture(64, 80, 3), dataclasses.replace(FAST, effort=8, time_limit=12.0))
    assert encoded.psnr > 25


def test_auto_takes_grids_but_for_drawings() -> None:
    drawing = np.repeat(picture(24, 4, 3), 8, 1)
    sections = [families.chosen("auto", codes).section for codes in (picture(12, 12, 1), drawing, drawing[:, :1])]
    assert sections == [2, 1, 2]
    assert families.read(inrcodec.encode(drawing, dataclasses.replace(FAST, family="auto"))).network.section == 1


def test_steps_are_found_where_the_cost_is_least() -> None:
    for least in range(12):
        assert descended(lambda at, least=least: abs(at - least), 5, 0, 11) == least  # type: ignore[misc]


def test_a_finer_step_is_asked_for_more_bytes() -> None:
    trainer = Trainer(picture(64, 80, 3), TrainerOptions(), torch.device("cpu"))
    noises = [trainer.at_bytes(size).rounding_noise for size in (400, 800, 1600)]
    assert noises == sorted(noises, reverse=True)
