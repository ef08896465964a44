"""The whole codec: every size and kind of picture comes back, the same bytes each time, and bad files are caught."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import inrcodec
from inrcodec import families, metrics
from inrcodec.compute.torch_backend import choose_device
from inrcodec.encoding.encoder import EncoderConfig, encode_with_report
from inrcodec.errors import InputImageError, RequestError, VerifyError
from inrcodec.families.siren import ladder
from inrcodec.families.siren.stored import SirenNetwork
from inrcodec.format.limits import DEFAULT_LIMITS
from inrcodec.progress import Monitor, Progress
from tests.support.pictures import waves

FAST = EncoderConfig(effort=1, device="cpu")
SIZES = [(1, 1), (1, 17), (17, 1), (3, 5), (64, 64)]
CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}


@pytest.mark.parametrize("mode", CHANNELS)
@pytest.mark.parametrize("size", SIZES)
def test_every_size_and_mode_comes_back_in_its_shape(size: tuple[int, int], mode: str) -> None:
    image = waves(*size, CHANNELS[mode]).squeeze(2) if mode == "L" else waves(*size, CHANNELS[mode])
    back = inrcodec.decode(inrcodec.encode(image, FAST))
    assert back.shape == image.shape
    assert back.dtype == np.uint8
    assert Image.fromarray(back).mode == mode


@given(
    st.tuples(st.integers(1, 17), st.integers(1, 17)), st.sampled_from([1, 3, 4]), st.integers(0, 2**32), st.booleans()
)
@settings(max_examples=20)
def test_any_picture_comes_back_in_its_shape(size: tuple[int, int], channels: int, seed: int, noise: bool) -> None:
    shape = (*size, channels)
    image = np.random.default_rng(seed).integers(0, 256, shape, np.uint8) if noise else waves(*shape, seed)
    back = inrcodec.decode(inrcodec.encode(image, FAST))
    assert back.shape == (size if channels == 1 else shape)
    assert back.dtype == np.uint8
    flat = np.full_like(image, image.mean((0, 1)).round().astype(np.uint8))
    assert metrics.psnr(image, back.reshape(shape)) >= metrics.psnr(image, flat)


@pytest.mark.parametrize("size", [(1, 4096), (4096, 1), (3, 8191), (127, 31)])
def test_narrow_pictures_come_back_in_their_shape(size: tuple[int, int]) -> None:
    assert inrcodec.decode(inrcodec.encode(waves(*size), FAST)).shape == (*size, 3)


@pytest.mark.parametrize("mode", CHANNELS)
def test_a_picture_comes_back_at_a_useful_quality(mode: str) -> None:
    image = waves(64, 64, CHANNELS[mode])
    encoded = encode_with_report(image, EncoderConfig(quality=90, effort=3, device="cpu"))
    assert encoded.psnr > 30
    back = inrcodec.decode(encoded.data).reshape(image.shape)
    assert encoded.psnr == metrics.psnr(image, back)


@pytest.mark.parametrize("colour", [(0,), (255,), (77,), (0, 0, 0), (255, 255, 255), (200, 13, 90), (9, 8, 7, 128)])
@pytest.mark.parametrize("size", [(1, 1), (16, 9)])
def test_constant_pictures_are_exact_to_one_code(size: tuple[int, int], colour: tuple[int, ...]) -> None:
    image = np.full((*size, len(colour)), colour, np.uint8)
    back = inrcodec.decode(inrcodec.encode(image, FAST)).reshape(image.shape)
    assert np.abs(back.astype(int) - image).max() <= 1


def test_same_input_seed_and_threads_give_the_same_bytes() -> None:
    image = waves(24, 40)
    one, same = inrcodec.encode(image, FAST), inrcodec.encode(image, FAST)
    assert one == same
    assert inrcodec.encode(image, dataclasses.replace(FAST, seed=1)) != one


def test_arrays_pil_images_and_paths_are_the_same_picture(tmp_path) -> None:
    image = waves(8, 8)
    Image.fromarray(image).save(tmp_path / "a.png")
    data = inrcodec.encode(image, FAST)
    assert inrcodec.encode(Image.fromarray(image), FAST) == data
    assert inrcodec.encode(tmp_path / "a.png", FAST) == data


def test_encoding_changes_neither_the_picture_nor_torchs_threads() -> None:
    image = waves(8, 8)
    before, threads = image.copy(), torch.get_num_threads()
    inrcodec.encode(image, FAST)
    assert np.array_equal(image, before)
    assert torch.get_num_threads() == threads


def test_more_quality_makes_larger_files_and_better_pictures() -> None:
    image = waves(96, 96)
    low, high = (encode_with_report(image, EncoderConfig(q, 2, "cpu")) for q in (20, 70))
    assert len(low.data) < len(high.data)
    assert low.psnr < high.psnr


def test_the_ladder_grows_with_quality() -> None:
    weights = [ladder.point_of_quality(quality).weights_per_pixel for quality in range(101)]
    assert all(a < b for a, b in itertools.pairwise(weights))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (64, 64), (256, 384), (2000, 3000)])
def test_the_network_keeps_to_its_budget(height: int, width: int) -> None:
    arch = ladder.choose_arch(height, width, 3, 0.06)
    smallest = ladder.choose_arch(1, 1, 3, 0.06).param_count()
    assert arch.param_count() <= max(smallest, 0.06 * height * width)
    assert arch.param_count() > 0.85 * min(0.06 * height * width, 300_000) or arch.param_count() < 200


@pytest.mark.parametrize(("height", "width"), [(9459, 9459), (4000, 6000), (1, 131_072)])
def test_the_largest_pictures_get_networks_that_the_decoder_accepts(height: int, width: int) -> None:
    count = ladder.choose_arch(height, width, 4, ladder.point_of_quality(100).weights_per_pixel).param_count()
    assert count <= DEFAULT_LIMITS.max_weights
    assert count * height * width <= DEFAULT_LIMITS.max_macs


@pytest.mark.parametrize(("prune", "note"), [(0.0, "off"), (0.2, "weights left")])
def test_the_report_names_each_stage_with_its_price_and_says_which_is_off(prune: float, note: str) -> None:
    encoded = encode_with_report(waves(32, 32), dataclasses.replace(FAST, prune=prune))
    assert [stage.name for stage in encoded.stages] == ["fit", "prune", "round to nearest", "compensated"]
    assert note in encoded.stages[1].note
    assert (encoded.stages[1].file_bytes < encoded.stages[0].file_bytes) == (prune > 0)
    assert encoded.stages[-1].file_bytes == len(encoded.data)
    assert families.read(encoded.data).network.macs * 4 == encoded.stages[0].file_bytes


def test_progress_counts_up_to_all_steps() -> None:
    seen: list[Progress] = []
    inrcodec.encode(waves(32, 32), FAST, Monitor(report=seen.append))
    assert [p.step for p in seen] == sorted(p.step for p in seen)
    assert {p.stage for p in seen} == {"fit", "round"}
    assert seen[-1].step <= seen[-1].steps


def test_a_stopped_search_still_gives_a_valid_file() -> None:
    asked = iter(range(10**9))
    monitor = Monitor(stopped=lambda: next(asked) > 20)
    encoded = encode_with_report(waves(32, 32), EncoderConfig(effort=9, device="cpu"), monitor)
    assert inrcodec.decode(encoded.data).shape == (32, 32, 3)
    assert encoded.psnr > 10


def test_a_file_that_differs_from_the_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def altered(stored: families.StoredPicture) -> bytes:
        network = stored.network
        assert isinstance(network, SirenNetwork)
        symbols = (network.symbols[0] + 1, *network.symbols[1:])
        return original(dataclasses.replace(stored, network=dataclasses.replace(network, symbols=symbols)))

    original = families.write
    monkeypatch.setattr(families, "write", altered)
    with pytest.raises(VerifyError, match="other weights"):
        inrcodec.encode(waves(8, 8), FAST)


def test_a_file_that_does_not_decode_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    original = families.write
    monkeypatch.setattr(families, "write", lambda model: original(model)[:-1])
    with pytest.raises(VerifyError, match="does not decode"):
        inrcodec.encode(waves(8, 8), FAST)


@pytest.mark.parametrize(
    "options", [{"quality": -1}, {"quality": 101}, {"effort": 0}, {"effort": 10}, {"seed": -1}, {"prune": 1.0}]
)
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(RequestError, match=next(iter(options))):
        EncoderConfig(**options)


def test_a_missing_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError, match="no CUDA device"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"
    with pytest.raises(RequestError, match="none of"):
        choose_device("tpu")


def test_an_array_of_floats_is_refused() -> None:
    with pytest.raises(InputImageError, match="dtype"):
        inrcodec.encode(np.zeros((4, 4)), FAST)
