"""A SIREN as a file stores it: section 0x01. This docstring is a part of the specification in `container.py`.

    part           field
    0x01  SIREN    u8       depth, sine layers, 1 .. 32
                   varint   dim_hidden, neurons of a sine layer, 1 .. 1024; depth of them
                   u8       q_step code of a tensor; 2 (depth + 1) of them
                   u8       coder
                   ...      to the section's end: the symbols as that coder wrote them

Tensors. With sizes 2, dim_hidden..., channels, layer l has a weight (sizes[l+1], sizes[l]) and a bias (sizes[l+1]).
The order is weight, bias, layer by layer, each in row-major order, and the symbols of all tensors form one stream.
A weight is symbol * step, step = (16 + code % 16) * 2^(code // 16 - 20) of its tensor's q_step code (`network.py`).
Coders and their layouts are specified in `entropy.py`; the sizes of the tensors follow from depth and dim_hidden, and
the tensors that ascend are the biases of all layers but the last.

Picture. With a_0 = (y, x), a_{l+1} = sin(W_l a_l + b_l) for all layers but the last, which has no sine; its outputs are
channel values, and `pixels.py` specifies the coordinates of pixels and the rounding of values to codes.
"""

import base64
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from inrcodec.compute.backends import Backend, EvaluateJet, Evaluator, Precision
from inrcodec.errors import UnsupportedError
from inrcodec.families.contract import Family, NetworkFacts, PageParts, Shape, SineLayer
from inrcodec.families.siren.network import Params, SirenArch, hidden_biases, q_step
from inrcodec.format import codelength, entropy
from inrcodec.format.container import Reader, in_range

SECTION = 0x01


@dataclass(frozen=True)
class SirenNetwork:
    """A network as it is stored: `symbols[t] * q_step(q_step_codes[t])` is its tensor t. See `families.Network`."""

    arch: SirenArch
    """The architecture."""
    symbols: tuple[NDArray[np.int32], ...]
    """One int32 array per tensor, in the order and shapes of `arch.param_shapes()`."""
    q_step_codes: tuple[int, ...]
    """One code per tensor, see `q_step`."""

    @property
    def section(self) -> int:
        """Id of its family's section."""
        return SECTION

    @property
    def channels(self) -> int:
        """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
        return self.arch.channels

    @property
    def macs(self) -> int:
        """Multiplications of one point: about the weights and biases."""
        return self.arch.param_count()

    def dequantize(self) -> Params:
        """The network's float32 tensors; exact, so the same on every machine."""
        return [
            symbols.astype(np.float32) * np.float32(q_step(code))
            for symbols, code in zip(self.symbols, self.q_step_codes, strict=True)
        ]

    def payload(self) -> bytes:
        """The section, with the entropy coder that makes it smallest. The inverse of `read`."""
        return self._payload

    @cached_property
    def _payload(self) -> bytes:
        """It is asked for on several floors of an encode, and takes a while."""
        stream = np.concatenate([symbols.reshape(-1) for symbols in self.symbols])
        sizes = [symbols.size for symbols in self.symbols]
        coder_id, weights = entropy.encode(stream, sizes, hidden_biases(len(sizes)))
        start = [bytes([self.arch.depth]), *map(entropy.varint, self.arch.dim_hidden), bytes(self.q_step_codes)]
        return b"".join([*start, bytes([coder_id]), weights])

    def evaluator(self, backend: Backend, dtype: Precision) -> Evaluator:
        """What evaluates it on a backend, in a precision."""
        return backend.sine(self.dequantize(), dtype)

    def jet_evaluator(self, backend: Backend) -> EvaluateJet:
        """The same with derivatives, in float64."""
        return backend.sine_jet(self.dequantize())

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """weight_1, bias_1, .. in the order of the layers."""
        names = [f"{kind}_{layer}" for layer in range(1, self.arch.depth + 2) for kind in ("weight", "bias")]
        return dict(zip(names, self.dequantize(), strict=True))

    def sine_layers(self) -> list[SineLayer]:
        """All there is to it."""
        steps = [q_step(code) for code in self.q_step_codes]
        parts = self.symbols[::2], self.symbols[1::2], steps[::2], steps[1::2]
        return [SineLayer(*layer) for layer in zip(*parts, strict=True)]

    def page_parts(self) -> PageParts:
        """What a page draws it from: the symbols, and the steps, so that weights are exact there too."""
        stream = np.concatenate([symbols.reshape(-1) for symbols in self.symbols])
        # the raw coder takes all symbols, so there are bytes
        symbols = entropy.CODERS[0].encode(stream, [tensor.size for tensor in self.symbols], ())
        return PageParts(
            ("layers.js", "network.js"),
            {
                "hidden": self.arch.dim_hidden,
                "steps": [q_step(code) for code in self.q_step_codes],
                "symbols": base64.b64encode(cast("bytes", symbols)).decode(),
            },
        )

    def facts(self) -> NetworkFacts:
        """What `info` and the page say of it."""
        return self._facts

    @cached_property
    def _facts(self) -> NetworkFacts:
        """Ideal lengths take a while."""
        arch, stream = self.arch, np.concatenate([symbols.reshape(-1) for symbols in self.symbols])
        sizes = str(arch.dim_hidden[0]) if len(set(arch.dim_hidden)) == 1 else ", ".join(map(str, arch.dim_hidden))
        plural = "s" * (arch.depth > 1), "s" * (sizes != "1")
        return NetworkFacts(
            f"SIREN 2-{'-'.join(map(str, arch.dim_hidden))}-{arch.channels}",
            f"{arch.depth} sine layer{plural[0]} of {sizes} neuron{plural[1]}",
            arch.param_count(),
            int((stream == 0).sum()),
            [_layer_facts(weight, bias) for weight, bias in zip(self.symbols[::2], self.symbols[1::2], strict=True)],
            {
                "order_0": codelength.order_0_bits(stream) / 8,
                "laplace": codelength.model_bits(self.symbols, hidden_biases(len(self.symbols))) / 8,
            },
        )


def _layer_facts(weight: NDArray[np.int32], bias: NDArray[np.int32]) -> dict[str, Any]:
    """A layer's sizes, sparsity, and bits of a weight by its own order-0 entropy."""
    symbols = np.concatenate([weight.reshape(-1), bias])
    return {
        "inputs": weight.shape[1],
        "outputs": weight.shape[0],
        "weights": symbols.size,
        "zero": int((symbols == 0).sum()),
        "ideal_bits_per_weight": round(codelength.order_0_bits(symbols) / symbols.size, 3),
    }


def architecture(payload: bytes, shape: Shape) -> SirenArch:
    """The architecture in a section. Raises CorruptError."""
    return _architecture(payload, shape.channels)[0]


def _architecture(payload: bytes, channels: int) -> tuple[SirenArch, Reader]:
    """The architecture, and a reader of what follows it."""
    reader = Reader(payload)
    depth = in_range("depth", reader.u8("depth"), 1, 32)
    dim_hidden = tuple(in_range("dim_hidden", reader.varint("dim_hidden"), 1, 1024) for _ in range(depth))
    return SirenArch(dim_hidden, channels), reader


def read(payload: bytes, shape: Shape) -> SirenNetwork:
    """The network in a section. The inverse of `payload`. Raises CorruptError, UnsupportedError for another coder."""
    arch, reader = _architecture(payload, shape.channels)
    shapes = arch.param_shapes()
    codes, coder_id = reader.take(len(shapes), "q_step codes"), reader.u8("coder")
    if coder_id not in entropy.CODERS:
        raise UnsupportedError(f"coder: {coder_id} is unknown, a newer decoder may know it")
    sizes = [math.prod(shape) for shape in shapes]
    stream = entropy.CODERS[coder_id].decode(reader.rest(), sizes, hidden_biases(len(sizes)))
    parts = np.split(stream, np.cumsum(sizes)[:-1])
    symbols = tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
    return SirenNetwork(arch, symbols, tuple(codes))


def parts(payload: bytes, shape: Shape) -> dict[str, int]:
    """Bytes of the parts of a section; those of the weights with the number of their coder."""
    arch, reader = _architecture(payload, shape.channels)
    q_steps = len(arch.param_shapes())
    return {"q_steps": q_steps, "weights": len(reader.rest()) - q_steps}


SIREN = Family(SECTION, "siren", architecture, read, parts, "inrcodec.families.siren.trainer")
