"""Section 0x02: exact inverses, and whatever else stands there is refused by name and soon."""

import dataclasses
import random
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrcodec import families
from inrcodec.decoding import describe
from inrcodec.errors import BitstreamError, CorruptError, LimitError, TruncatedError, UnsupportedError
from inrcodec.families.contract import Network, Shape
from inrcodec.families.grid import context, stored
from inrcodec.families.grid.arch import GridArch
from inrcodec.families.grid.delta import DELTA_CODES, USUAL_CODE, delta_code, delta_of
from inrcodec.families.grid.prior import LATEST, PRIORS, octaves, prior
from inrcodec.families.grid.stored import GridNetwork
from inrcodec.format.limits import DecodeLimits
from tests.support.grids import SIZES, grid_network, grid_picture
from tests.support.helpers import header, seal, section

sizes = pytest.mark.parametrize(("height", "width"), SIZES)
every_channels = pytest.mark.parametrize("channels", [1, 2, 3, 4])

SHAPE = Shape(13, 7, 3)
SMALL = grid_network(*SHAPE)
PAYLOAD = SMALL.payload()
TENSORS = len(SMALL.arch.tensors)
STEPS = 3
"""Where the bytes of the tensors' steps begin, after one of the prior and two of delta."""
STREAM = STEPS + TENSORS


def same(one: GridNetwork, other: GridNetwork) -> bool:
    fields = [(n.arch, n.prior, n.delta_code, n.shifts, n.scales) for n in (one, other)]
    pairs = zip((*one.symbols, *one.latents), (*other.symbols, *other.latents), strict=True)
    return fields[0] == fields[1] and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


@sizes
@every_channels
def test_read_inverts_payload(height: int, width: int, channels: int) -> None:
    network = grid_network(height, width, channels)
    assert same(stored.read(network.payload(), Shape(height, width, channels)), network)


@every_channels
def test_read_inverts_payload_at_extremes(channels: int) -> None:
    network, rng = grid_network(13, 7, channels), np.random.default_rng(0)
    latents = tuple(rng.choice([-32767, 0, 32767], each.shape).astype(np.int32) for each in network.latents)
    count = len(network.symbols)
    scales = tuple(rng.integers(0, 16, count).tolist())
    extreme = dataclasses.replace(
        network, latents=latents, scales=scales, delta_code=DELTA_CODES - 1, shifts=(3,) * count
    )
    assert same(stored.read(extreme.payload(), Shape(13, 7, channels)), extreme)


@sizes
@every_channels
def test_a_file_is_read_as_it_was_written(height: int, width: int, channels: int) -> None:
    picture = dataclasses.replace(grid_picture(height, width, channels), content_hash=7, f32_safe=True)
    data = families.write(picture)
    read = families.read(data)
    assert isinstance(read.network, GridNetwork)
    assert same(read.network, picture.network)  # type: ignore[arg-type]
    assert families.write(read) == data
    assert families.read_header(data).arch == picture.network.arch  # type: ignore[attr-defined]
    sizes = families.section_sizes(data)
    assert sum(sizes.values()) == len(data)
    assert sizes["weights"] == len(picture.network.payload()) - STEPS


@every_channels
def test_no_latents_and_the_prior_alone_take_few_bytes(channels: int) -> None:
    network = grid_network(64, 48, channels, spread=0, change=0)
    plain = dataclasses.replace(network, scales=(0,) * len(network.scales))
    assert len(plain.payload()) < 250
    own = prior(plain.arch, plain.prior, plain.delta_code)
    assert all(np.array_equal(plain.whole_tensors[name], tensor) for name, tensor in own.items())


def test_facts_are_those_of_the_network() -> None:
    facts = SMALL.facts()
    assert (facts.weights, facts.latents) == (SMALL.arch.param_count(), SMALL.arch.latent_count())
    assert facts.zero_latents == sum(int((each == 0).sum()) for each in SMALL.latents)
    assert [layer["part"] for layer in facts.layers] == ["networks", "level 1", "level 0"]
    assert facts.ideal["own"] == pytest.approx(len(PAYLOAD) - STREAM, abs=4)
    assert describe.facts(families.write(grid_picture(*SHAPE)))["network"] == "grid of 2 levels"
    assert isinstance(SMALL, Network)
    assert SMALL.sine_layers() is None


def test_exported_tensors_are_those_that_draw() -> None:
    tensors = SMALL.tensors()
    assert {"planes", *SMALL.arch.tensors} == set(tensors)
    assert tensors["planes"].shape == (len(SMALL.arch.planes), 13, 7)
    assert all(tensor.dtype == np.float32 for tensor in tensors.values())


@pytest.mark.parametrize("number", PRIORS)
@pytest.mark.parametrize("code", [0, USUAL_CODE, DELTA_CODES - 1])
@every_channels
def test_a_prior_is_within_the_bounds_of_weights_and_shared_by_all_channels(
    number: int, code: int, channels: int
) -> None:
    own, colours = (prior(GridArch.of(Shape(40, 30, count)), number, code) for count in (channels, 3))
    assert set(own) <= set(colours)
    for name, tensor in own.items():
        assert np.abs(tensor).max(initial=0) <= context.MAX_WEIGHT
        assert set(np.abs(tensor).ravel().tolist()) <= {0, *np.abs(colours[name]).ravel().tolist()}
        assert tensor.any() == (name != "gains")


def test_a_priors_bias_and_neighbours_stay_where_they_are() -> None:
    colours = prior(GridArch.of(Shape(40, 30, 3)), LATEST, 400)
    for channels in (1, 2, 4):
        own = prior(GridArch.of(Shape(40, 30, channels)), LATEST, 400)
        for name in ("synthesis.first", "synthesis.last", "luma.first", "luma.last"):
            rows = min(len(own[name]), len(colours[name]))
            if channels == 2 and name == "synthesis.last":
                rows = 1
            last = 17 if name.startswith("synthesis") else 2
            assert np.array_equal(own[name][:rows, -last:], colours[name][:rows, -last:])
        if channels in (2, 4):
            assert not own["synthesis.last"][-1].any()


def test_a_prior_is_linear_in_the_octaves_of_delta_within_two_of_the_usual_one() -> None:
    arch = GridArch.of(Shape(40, 30, 3))
    assert [octaves(code) for code in (0, USUAL_CODE - 64, USUAL_CODE, USUAL_CODE + 32, 1023)] == [-2, -1, 0, 0.5, 2]
    at = {code: prior(arch, LATEST, USUAL_CODE + code) for code in (-200, -128, -64, 0, 64, 128, 500)}
    for name in arch.tensors:
        assert np.array_equal(at[-200][name], at[-128][name])
        assert np.array_equal(at[500][name], at[128][name])
        assert np.array_equal(at[64][name] - at[0][name], at[0][name] - at[-64][name])
        assert np.array_equal(at[128][name] - at[0][name], 2 * (at[64][name] - at[0][name]))


def test_steps_ascend_sixty_four_an_octave() -> None:
    steps = np.array([delta_of(code) for code in range(DELTA_CODES)])
    assert (steps[0], steps[-1]) == (2.0**-10, 63.5)
    assert (np.diff(steps) > 0).all()
    assert (steps[64:] == 2 * steps[:-64]).all()
    assert [delta_code(step) for step in steps] == list(range(DELTA_CODES))
    assert delta_of(delta_code(0.1)) == pytest.approx(0.1, rel=0.01)


def refusal(payload: bytes, shape: Shape = SHAPE) -> str:
    with pytest.raises(CorruptError) as refused:
        stored.read(payload, shape)
    return str(refused.value)


@pytest.mark.parametrize("number", [0, 1, max(PRIORS) + 1, 255])
def test_another_prior_is_unsupported(number: int) -> None:
    with pytest.raises(UnsupportedError, match=f"prior: {number} is unknown"):
        stored.read(bytes([number]) + PAYLOAD[1:], SHAPE)


def test_an_illegal_start_is_named() -> None:
    assert "prior: 0 bytes left" in refusal(b"")
    assert "delta: 0 bytes left" in refusal(PAYLOAD[:1])
    assert "delta: 1024 is not in 0 .. 1023" in refusal(PAYLOAD[:1] + b"\x80\x08" + PAYLOAD[3:])
    assert "delta: not a canonical varint" in refusal(PAYLOAD[:1] + b"\x81\x00" + PAYLOAD[3:])
    assert f"tensor steps: {TENSORS - 1} bytes left, {TENSORS} needed" in refusal(PAYLOAD[: STREAM - 1])


@pytest.mark.parametrize("tail", [b"\0", b"\1", b"\0\0\0\1", bytes(4) + b"\1", PAYLOAD])
def test_bytes_behind_the_stream_are_refused(tail: bytes) -> None:
    assert refusal(PAYLOAD + tail)


def is_refused(payload: bytes, shape: Shape = SHAPE) -> bool:
    """Or else it is what an encoder would have written of what is read of it: a stream has one reading."""
    try:
        network = stored.read(payload, shape)
    except BitstreamError:
        return True
    assert network.payload() == payload
    return False


def test_a_proper_prefix_is_refused_or_the_section_of_something() -> None:
    """Improbable symbols use up what is left behind a stream's last word: cuts are for the container to find."""
    assert all(is_refused(PAYLOAD[:length]) for length in range(STREAM))
    for length in range(STREAM, len(PAYLOAD), 37):
        is_refused(PAYLOAD[:length])


def test_a_section_that_is_cut_is_refused_by_the_container() -> None:
    data = families.write(grid_picture(*SHAPE))
    for length in range(0, len(data), 29):
        with pytest.raises(TruncatedError):
            families.read(data[:length])


@pytest.mark.parametrize("height", [1, 12, 14, 26])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_section_of_another_shape_is_refused_or_the_section_of_something(height: int, channels: int) -> None:
    is_refused(PAYLOAD, Shape(height, 7, channels))


def test_a_weight_beyond_its_bounds_is_refused() -> None:
    count = len(SMALL.symbols)
    wide = dataclasses.replace(SMALL, shifts=(15,) * count)
    assert "weights: a number is beyond 65536" in refusal(wide.payload())


@pytest.mark.parametrize(("symbol", "fits"), [(16, True), (-16, True), (17, False), (-17, False), (32767, False)])
def test_gains_are_bounded_like_all_tensors(symbol: int, fits: bool) -> None:
    gains = np.full_like(SMALL.symbols[0], symbol)
    one = dataclasses.replace(SMALL, symbols=(gains, *SMALL.symbols[1:]), shifts=(12, *SMALL.shifts[1:]))
    if fits:
        assert same(stored.read(one.payload(), SHAPE), one)
    else:
        assert "beyond 65536" in refusal(one.payload())


@settings(max_examples=300)
@given(st.integers(0, len(PAYLOAD) - 1), st.integers(1, 255))
def test_any_byte_may_change(at: int, by: int) -> None:
    is_refused(PAYLOAD[:at] + bytes([PAYLOAD[at] ^ by]) + PAYLOAD[at + 1 :])


@settings(max_examples=200)
@given(st.binary(max_size=400), st.integers(1, 20), st.integers(1, 20), st.integers(1, 4))
def test_any_bytes_may_pose_as_a_stream(tail: bytes, height: int, width: int, channels: int) -> None:
    shape = Shape(height, width, channels)
    start = PAYLOAD[:3] + bytes(random.Random(tail).choices(range(16), k=len(GridArch.of(shape).tensors)))
    is_refused(start + tail, shape)


def test_a_short_section_of_a_large_picture_is_refused_by_limits_before_anything_is_allocated() -> None:
    data = seal(header(1 << 14, 1 << 14) + section(2, PAYLOAD))
    tracemalloc.start()
    try:
        with pytest.raises(LimitError, match="max_latents"):
            families.read(data, DecodeLimits(max_latents=1 << 20))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_short_stream_takes_no_longer_than_its_latents_do() -> None:
    start = time.process_time()
    is_refused(PAYLOAD[: STREAM + 9], Shape(200, 200, 3))
    assert time.process_time() - start < 5
