"""Ideal code lengths: closed forms, sums done another way, and laws that are laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inrcodec.families.siren.network import hidden_biases
from inrcodec.format import codelength
from inrcodec.format.codelength import PARAMETER_BITS, SCALES
from inrcodec.format.entropy import MAX_SYMBOL

tensors = arrays(np.int32, st.integers(1, 60), elements=st.integers(-MAX_SYMBOL, MAX_SYMBOL))
EVERYTHING = np.arange(200_000)


def cdf(x: float, location: float, scale: float) -> float:
    tail = math.exp(-abs(x - location) / scale) / 2
    return tail if x < location else 1 - tail


@pytest.mark.parametrize("bits", range(9))
def test_uniform_symbols_of_2_to_the_k_values_have_k_bits_each(bits: int) -> None:
    symbols = np.tile(np.arange(2**bits) - 2 ** max(bits - 1, 0), 5)
    assert codelength.order_0_bits(symbols.astype(np.int32)) == bits * len(symbols)


@given(tensors)
def test_order_0_entropy_ignores_the_order_and_the_names_of_symbols(symbols: np.ndarray) -> None:
    bits = codelength.order_0_bits(symbols)
    assert codelength.order_0_bits(np.sort(7 * symbols.astype(np.int64))) == pytest.approx(bits)
    assert -1e-9 <= bits <= len(symbols) * math.log2(len(symbols)) + 1e-9


@pytest.mark.parametrize("scale", [1 / 16, 0.3, 1.0, 7.5, 400.0])
def test_laplace_costs_are_differences_of_its_cdf(scale: float) -> None:
    costs = codelength.laplace_costs(np.abs(np.arange(-3, 9) - 2), scale)
    for symbol, cost in zip(range(-3, 9), costs, strict=True):
        probability = cdf(symbol + 0.5, 2, scale) - cdf(symbol - 0.5, 2, scale)
        if probability > 1e-9:  # a smaller one drowns in the rounding of the cdf near 1
            assert 2.0**-cost == pytest.approx(probability, rel=1e-6)


@pytest.mark.parametrize("scale", SCALES[::15])
def test_probabilities_sum_to_1(scale: float) -> None:
    laplace = 2.0 ** -codelength.laplace_costs(EVERYTHING, scale)
    assert laplace[0] + 2 * laplace[1:].sum() == pytest.approx(1)
    assert (2.0 ** -codelength.geometric_costs(EVERYTHING, scale)).sum() == pytest.approx(1)


@given(arrays(np.int32, st.integers(1, 12), elements=st.integers(-300, 300)))
def test_the_length_under_laplaces_law_is_the_sum_at_the_best_scale(symbols: np.ndarray) -> None:
    location = min(127, max(-128, round(float(np.median(symbols)))))
    distances = [abs(int(symbol) - location) for symbol in symbols]
    best = math.inf
    for scale in map(float, SCALES):
        at, beyond = 1 - math.exp(-0.5 / scale), (1 - math.exp(-1 / scale)) / 2
        nats = sum(-math.log(beyond) + (d - 0.5) / scale if d else -math.log(at) for d in distances)
        best = min(best, nats / math.log(2))
    assert codelength.laplace_bits(symbols) == pytest.approx(best + PARAMETER_BITS)


@pytest.mark.parametrize("scale", [3.0, 20.0, 300.0])
def test_symbols_of_a_law_cost_its_entropy(scale: float) -> None:
    rng = np.random.default_rng(0)
    laplace = np.rint(rng.laplace(5, scale, 20_000)).astype(np.int32)
    assert codelength.laplace_bits(laplace) / 20_000 == pytest.approx(math.log2(2 * math.e * scale), rel=0.01)
    q = math.exp(-1 / scale)
    geometric = (rng.geometric(1 - q, 20_000) - 1).astype(np.int32)
    entropy = -math.log2(1 - q) - q / (1 - q) * math.log2(q)
    assert codelength.geometric_bits(geometric) / 20_000 == pytest.approx(entropy, rel=0.01)


@pytest.mark.parametrize("value", [-128, -1, 0, 127])
def test_a_constant_tensor_costs_little_but_its_parameters(value: int) -> None:
    constant = np.full((20, 50), value, np.int32)
    assert PARAMETER_BITS < codelength.laplace_bits(constant) < PARAMETER_BITS + 0.001 * constant.size
    assert codelength.order_0_bits(constant) == 0


def test_ascending_hidden_biases_are_measured_by_their_differences_and_no_other_tensor() -> None:
    up, down = np.array([0, 3, 3, 9], np.int32), np.array([9, 3, 3, 0], np.int32)
    laplace = codelength.laplace_bits

    def model(tensors: list[np.ndarray]) -> float:
        return codelength.model_bits(tensors, hidden_biases(len(tensors)))

    differences = np.array([0, 3, 0, 6])
    assert model([up, up, up, up]) == pytest.approx(3 * laplace(up) + codelength.geometric_bits(differences))
    assert model([up, down, up, up]) == pytest.approx(3 * laplace(up) + laplace(down))
    assert model([up, up - 1, up, up]) == pytest.approx(3 * laplace(up) + laplace(up - 1))
    assert model([up, up]) == 2 * laplace(up)


def test_a_tensor_may_hold_every_symbol() -> None:
    every = np.arange(-MAX_SYMBOL, MAX_SYMBOL + 1, dtype=np.int32)
    assert 15 * len(every) < codelength.laplace_bits(every) < 20 * len(every)
