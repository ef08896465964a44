"""The canonical network: the same function, its neurons in one order and with one sign."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inrcodec.compute.sine import forward
from inrcodec.families.siren.network import SirenArch, canonical
from inrcodec.families.siren.stored import SirenNetwork

Tensors = list[np.ndarray]

ARCHS = [SirenArch((1,), 1), SirenArch((7,), 3), SirenArch((1, 1, 1), 4), SirenArch((12, 9, 5), 3), SirenArch((4,) * 8)]
every_arch = pytest.mark.parametrize("arch", ARCHS, ids=lambda arch: "-".join(map(str, arch.dim_hidden)))
turned = pytest.mark.parametrize("half_turns", [True, False], ids=["half turns", "no half turns"])
COORDS = np.random.default_rng(5).uniform(-1, 1, (40, 2))


def network(arch: SirenArch, seed: int) -> Tensors:
    """Weights as float64, and biases over several turns."""
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 6 if len(shape) == 1 else 1, shape) for shape in arch.param_shapes()]


def quantized(arch: SirenArch, seed: int, largest: int = 300) -> SirenNetwork:
    rng = np.random.default_rng(seed)
    symbols = tuple(rng.integers(-largest, largest + 1, shape, np.int32) for shape in arch.param_shapes())
    codes = tuple(int(code) for code in rng.integers(100, 130, len(symbols)))
    return SirenNetwork(arch, symbols, codes)


def hidden_biases(tensors: Tensors) -> Tensors:
    return tensors[1:-1:2]


@every_arch
@turned
@given(st.integers(0, 2**32))
def test_the_function_is_the_same(arch: SirenArch, half_turns: bool, seed: int) -> None:
    params = network(arch, seed)
    before, after = (forward(p, COORDS, np) for p in (params, canonical(params, half_turns=half_turns)))
    np.testing.assert_allclose(after, before, atol=1e-8)


@every_arch
@turned
@given(st.integers(0, 2**32))
def test_what_is_canonical_stays(arch: SirenArch, half_turns: bool, seed: int) -> None:
    once = canonical(network(arch, seed), half_turns=half_turns)
    for one, two in zip(once, canonical(once, half_turns=half_turns), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_bias_of_a_right_angle_is_canonical_in_one_way(sign: int, dtype: type) -> None:
    bias = np.array([sign * np.pi / 2], dtype)
    params = [np.array([[2.0, -1.0]], dtype), bias, np.array([[3.0]], dtype), np.zeros(1, dtype)]
    once = canonical(params)
    assert all(map(np.array_equal, once, canonical(once)))
    assert once[1] == pytest.approx(np.pi / 2)


@every_arch
@given(st.integers(0, 2**32))
def test_hidden_biases_ascend_within_a_quarter_turn(arch: SirenArch, seed: int) -> None:
    for bias in hidden_biases(canonical(network(arch, seed))):
        assert np.all(np.diff(bias) >= 0)
        assert bias.min() >= 0
        assert bias.max() <= np.pi / 2 + 1e-12


@every_arch
@turned
def test_the_output_bias_the_shapes_the_types_and_the_arguments_are_left_alone(
    arch: SirenArch, half_turns: bool
) -> None:
    params = [tensor.astype(np.float32) for tensor in network(arch, 3)]
    kept = [tensor.copy() for tensor in params]
    after = canonical(params, half_turns=half_turns)
    assert [(t.shape, t.dtype) for t in after] == [(t.shape, t.dtype) for t in params]
    np.testing.assert_array_equal(after[-1], params[-1])
    assert all(map(np.array_equal, params, kept))


@every_arch
@given(st.integers(0, 2**32), st.sampled_from([1, 3, 300]))
def test_symbols_keep_their_absolute_values(arch: SirenArch, seed: int, largest: int) -> None:
    model = quantized(arch, seed, largest)
    after = canonical(model.symbols, half_turns=False)
    for one, two in zip(model.symbols, after, strict=True):
        assert two.dtype == np.int32
        np.testing.assert_array_equal(np.sort(np.abs(one), axis=None), np.sort(np.abs(two), axis=None))
    for bias in hidden_biases(after):
        assert bias[0] >= 0
        assert np.all(np.diff(bias) >= 0)


@every_arch
@given(st.integers(0, 2**32), st.sampled_from([1, 3, 300]))
def test_dequantized_symbols_are_the_same_function(arch: SirenArch, seed: int, largest: int) -> None:
    model = quantized(arch, seed, largest)
    after = dataclasses.replace(model, symbols=tuple(canonical(model.symbols, half_turns=False)))
    draw = [forward([p.astype(float) for p in m.dequantize()], COORDS, np) for m in (model, after)]
    np.testing.assert_allclose(draw[1], draw[0], rtol=0, atol=1e-10 * np.abs(draw[0]).max())


def test_equal_biases_keep_their_order() -> None:
    weight = np.array([[1, 10], [2, 20], [3, 30], [4, 40], [5, 50]], np.int32)
    bias = np.array([2, -1, 2, 1, -2], np.int32)
    after = canonical([weight, bias, weight.T.copy(), bias[:2]], half_turns=False)
    assert after[0].tolist() == [[-2, -20], [4, 40], [1, 10], [3, 30], [-5, -50]]
    assert after[1].tolist() == [1, 1, 2, 2, 2]
    assert after[2].tolist() == [[-2, 4, 1, 3, -5], [-20, 40, 10, 30, -50]]


def test_neurons_without_bias_keep_their_signs() -> None:
    weight = np.array([[-1, 1], [1, -1]], np.int32)
    params = [weight, np.zeros(2, np.int32), weight, np.zeros(2, np.int32)]
    assert all(map(np.array_equal, canonical(params, half_turns=False), params))
