"""The tensors of a grid picture as one flat array, and where a search begins."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrcodec.families.grid.arch import CHROMA_WIDTH, LUMA_WIDTH, WIDTH, GridArch

UNIT = 1 << 12
"""Stored numbers are in units of 1 / UNIT."""
Array = Any
"""A NumPy array or a torch tensor."""


def levels_of(arch: GridArch, latents: Array) -> list[Array]:
    """Views (components, rows, columns) of each level in a flat array."""
    found, at = [], 0
    for shape in arch.shapes:
        size = math.prod(shape)
        found.append(latents[at : at + size].reshape(shape))
        at += size
    return found


def tensors_of(arch: GridArch, flat: Array) -> dict[str, Array]:
    """Views of the tensors in a flat array."""
    found, at = {}, 0
    for name, shape in arch.tensors.items():
        size = math.prod(shape)
        found[name] = flat[at : at + size].reshape(shape)
        at += size
    return found


def network(tensors: dict[str, Array], name: str) -> list[Array]:
    """The layers of a network."""
    return [tensors[f"{name}.{layer}"] for layer in ("first", "second", "last")]


def init(arch: GridArch, seed: int) -> NDArray[np.float32]:
    """Random tensors to train a prior from: (count,)."""
    rng = np.random.default_rng(seed)
    flat = np.zeros(arch.param_count(), np.float32)
    for name, tensor in tensors_of(arch, flat).items():
        if name == "gains":
            continue
        network, layer = name.split(".")
        if network == "synthesis":
            _init_synthesis(layer, tensor, rng)
        else:
            _init_context(layer, tensor, rng)
    return flat


def _init_synthesis(layer: str, tensor: NDArray[np.float32], rng: np.random.Generator) -> None:
    inputs = tensor.shape[1] - 1
    if layer == "first":
        tensor[:, :-1] = rng.normal(0, inputs**-0.5, (len(tensor), inputs))
        tensor[:, -1] = rng.uniform(-math.pi, math.pi, len(tensor))
    elif layer == "second":
        tensor[:, :-1] = rng.normal(0, math.sqrt(2 / inputs), (len(tensor), inputs))
        tensor[:, -1] = rng.uniform(-0.25, 0.25, len(tensor))
    else:
        tensor[:, :WIDTH] = rng.uniform(-0.006, 0.006, (len(tensor), WIDTH))


def _init_context(layer: str, tensor: NDArray[np.float32], rng: np.random.Generator) -> None:
    inputs = tensor.shape[1] - 1
    bound = inputs**-0.5
    if layer == "last":
        tensor[len(tensor) // 2 :, -1] = -1.5
        width = LUMA_WIDTH if len(tensor) == 2 else CHROMA_WIDTH
        tensor[:, :width] = rng.uniform(-0.1 * width**-0.5, 0.1 * width**-0.5, (len(tensor), width))
        return
    tensor[:, :-1] = rng.uniform(-bound, bound, (len(tensor), inputs)) * (0.5 if layer == "second" else 1.0)
    tensor[:, -1] = rng.uniform(-bound, bound, len(tensor))


def rates(arch: GridArch) -> NDArray[np.float32]:
    """(count,): factors on the rate of each tensor's numbers."""
    flat = np.ones(arch.param_count(), np.float32)
    tensors_of(arch, flat)["synthesis.last"][:, :WIDTH] = 0.3
    return flat


def usual_shift(name: str) -> int:
    """The logarithm of a tensor's usual step, in units of 2^-12: what leads to colours directly has to be exact."""
    return {"gains": 6, "synthesis.last": 3}.get(name, 7)


def usual_steps(arch: GridArch) -> NDArray[np.float32]:
    """(count,): the usual step of each number."""
    return steps_of(arch, {name: usual_shift(name) for name in arch.tensors})


def steps_of(arch: GridArch, shifts: Mapping[str, int]) -> NDArray[np.float32]:
    """(count,): the step of each number, by the shifts of the tensors."""
    counts = [math.prod(shape) for shape in arch.tensors.values()]
    steps = np.array([2.0 ** shifts[name] / UNIT for name in arch.tensors], np.float32)
    return np.repeat(steps, counts)
