"""Laws of the network's forward and backward pass written out by hand."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inrcodec.compute.sine import Tape, forward
from inrcodec.families.siren.network import InitConfig, Params, SirenArch, init

CASES = list(itertools.product(range(1, 5), (1, 3, 4), ((1, 1), (7, 7), (7, 64), (64, 64))))
"""Depth, channels, (pixels, room on the tape)."""


def arch_of(depth: int, channels: int) -> SirenArch:
    return SirenArch((8, 5, 6, 4)[:depth], channels)


def params_of(arch: SirenArch) -> Params:
    """The codec's start, with a bias at the output too."""
    params = init(arch, 1, InitConfig(w_max=5))
    params[-1] += np.float32(0.3)
    return params


def pairs_of(tensors: list[Any]) -> list[tuple[Any, Any]]:
    """Weight and bias of each layer."""
    return list(zip(tensors[::2], tensors[1::2], strict=True))


def matrices_of(params: list[NDArray[Any]]) -> list[NDArray[Any]]:
    return [np.column_stack(pair) for pair in pairs_of(params)]


def coords_of(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)


def delta_of(channels: int, count: int) -> NDArray[np.float32]:
    """d objective / d output, of an objective linear in the outputs."""
    return np.random.default_rng(9).normal(size=(channels, count)).astype(np.float32)


def tape_of(
    arch: SirenArch, room: int, empty: Callable[..., NDArray[Any]] = lambda *s: np.empty(s, np.float32)
) -> Tape:
    return Tape(arch.sizes, room, np, empty)


def gradient(tape: Tape, matrices: list[Any], coords: Any, delta: Any) -> list[Any]:
    """d sum(delta * output) / d [W | b], the first layer first."""
    tape.forward(matrices, coords)
    return [slope @ inputs.T for slope, inputs in tape.backward(matrices, delta)][::-1]


def close(one: NDArray[Any], other: NDArray[Any], tolerance: float = 1e-5) -> bool:
    return bool(np.linalg.norm(one - other) <= tolerance * np.linalg.norm(other))


@pytest.mark.parametrize(("depth", "channels", "sizes"), CASES)
def test_the_outputs_are_those_of_the_family(depth: int, channels: int, sizes: tuple[int, int]) -> None:
    arch, (count, room) = arch_of(depth, channels), sizes
    params, coords = params_of(arch), coords_of(count)
    outputs = tape_of(arch, room).forward(matrices_of(params), coords)
    assert outputs.shape == (channels, count)
    assert close(outputs, forward(params, coords, np).T)


@pytest.mark.parametrize(("depth", "channels", "sizes"), CASES)
def test_the_gradient_is_that_of_autograd(depth: int, channels: int, sizes: tuple[int, int]) -> None:
    arch, (count, room) = arch_of(depth, channels), sizes
    params, coords, delta = params_of(arch), coords_of(count), delta_of(channels, count)
    leaves = [torch.tensor(param, dtype=torch.float64, requires_grad=True) for param in params]
    outputs = forward(leaves, torch.from_numpy(coords).double(), torch)
    (outputs * torch.from_numpy(delta).T).sum().backward()
    found = gradient(tape_of(arch, room), matrices_of(params), coords, delta)
    for matrix, (weight, bias) in zip(found, pairs_of(leaves), strict=True):
        assert close(matrix[:, :-1], weight.grad.numpy())
        assert close(matrix[:, -1], bias.grad.numpy())


@pytest.mark.parametrize("depth", range(1, 5))
def test_the_gradient_is_that_of_finite_differences_in_float64(depth: int) -> None:
    arch, count, h = arch_of(depth, 3), 5, 1e-5
    matrices = [matrix.astype(np.float64) for matrix in matrices_of(params_of(arch))]
    coords, delta = coords_of(count).astype(np.float64), delta_of(3, count).astype(np.float64)
    tape = tape_of(arch, count, lambda *shape: np.empty(shape))
    found = gradient(tape, matrices, coords, delta)

    def objective() -> float:
        return float((delta * tape.forward(matrices, coords)).sum())

    for matrix, derivative in zip(matrices, found, strict=True):
        for place in np.ndindex(matrix.shape):
            value = matrix[place]
            matrix[place] = value + h
            up = objective()
            matrix[place] = value - h
            down = objective()
            matrix[place] = value
            assert (up - down) / (2 * h) == pytest.approx(derivative[place], rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(("depth", "channels", "sizes"), CASES)
def test_numpy_and_torch_agree(depth: int, channels: int, sizes: tuple[int, int]) -> None:
    arch, (count, room) = arch_of(depth, channels), sizes
    matrices, coords, delta = matrices_of(params_of(arch)), coords_of(count), delta_of(channels, count)
    in_torch = [torch.from_numpy(array) for array in (coords, delta, *matrices)]
    one, other = tape_of(arch, room), Tape(arch.sizes, room, torch, lambda *shape: torch.empty(shape))
    assert close(other.forward(in_torch[2:], in_torch[0]).numpy(), one.forward(matrices, coords))
    expected = gradient(one, matrices, coords, delta)
    for a, b in zip(gradient(other, in_torch[2:], in_torch[0], in_torch[1]), expected, strict=True):
        assert close(a.numpy(), b)


def test_a_tape_used_again_for_fewer_pixels_or_filled_with_anything_gives_what_a_fresh_one_gives() -> None:
    arch, room = arch_of(3, 3), 64
    matrices, coords, delta = matrices_of(params_of(arch)), coords_of(7), delta_of(3, 7)
    expected = gradient(tape_of(arch, room, lambda *s: np.zeros(s, np.float32)), matrices, coords, delta)
    used = tape_of(arch, room, lambda *s: np.full(s, np.nan, np.float32))
    gradient(used, [matrix * np.float32(np.nan) for matrix in matrices], coords_of(room), delta_of(3, room))
    for a, b in zip(gradient(used, matrices, coords, delta), expected, strict=True):
        assert np.array_equal(a, b)


def test_a_backward_pass_leaves_the_forward_pass_and_its_own_arguments_as_they_are() -> None:
    arch = arch_of(3, 3)
    matrices, coords, delta = matrices_of(params_of(arch)), coords_of(9), delta_of(3, 9)
    before = [array.copy() for array in (*matrices, coords, delta)]
    tape = tape_of(arch, 16)
    first = gradient(tape, matrices, coords, delta)
    again = [slope @ inputs.T for slope, inputs in tape.backward(matrices, delta)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(before, (*matrices, coords, delta), strict=True))


def test_the_pairs_are_of_every_layer_the_last_first_with_a_row_of_ones_for_the_bias() -> None:
    arch = arch_of(3, 4)
    tape = tape_of(arch, 16)
    matrices = matrices_of(params_of(arch))
    tape.forward(matrices, coords_of(9))
    shapes = []
    for delta, inputs in tape.backward(matrices, delta_of(4, 9)):
        shapes.append((delta.shape, inputs.shape))
        assert (inputs[-1] == 1).all()
    assert shapes == [((4, 9), (7, 9)), ((6, 9), (6, 9)), ((5, 9), (9, 9)), ((8, 9), (3, 9))]


def test_nothing_is_allocated_after_the_start() -> None:
    arch, made = arch_of(3, 3), []

    def counting(*shape: int) -> NDArray[np.float32]:
        made.append(shape)
        return np.empty(shape, np.float32)

    tape = tape_of(arch, 16, counting)
    before = len(made)
    outputs = [tape.forward(matrices_of(params_of(arch)), coords_of(count)) for count in (16, 3)]
    assert len(made) == before
    assert np.shares_memory(*outputs)
