"""The contract between a family of networks and everything else: all that other rooms know of one.

A family is registered under the id of its section (`families.register`). Its decode half is what `Family.read` returns,
a `Network`, in NumPy alone. Its encode half, `training.EncodeHalf`, is a module that is imported when it is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from inrcodec.compute.backends import Backend, EvaluateJet, Evaluator, Precision


class Shape(NamedTuple):
    """What the container says of a picture."""

    height: int
    """Native height in pixels."""
    width: int
    """Native width in pixels."""
    channels: int
    """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""


class SineLayer(NamedTuple):
    """A layer as it is stored: tensors are symbol * step."""

    weight: NDArray[np.int32]
    """(n_out, n_in) symbols."""
    bias: NDArray[np.int32]
    """(n_out,) symbols."""
    weight_step: float
    bias_step: float


@dataclass(frozen=True)
class NetworkFacts:
    """What `info` and the page say of a network."""

    name: str
    """Family and sizes in a word or two."""
    description: str
    """Parts in words: "5 sine layers of 32 neurons"."""
    weights: int
    """Number of weights and biases."""
    zero_weights: int
    """How many of them are 0."""
    layers: list[dict[str, Any]]
    """Facts of each layer, ready for JSON: inputs, outputs, weights, zero, ideal_bits_per_weight; of another part, its
    name as part, and weights, zero, ideal_bits_per_weight, or rows, columns, latents, zero, ideal_bits_per_latent."""
    ideal: dict[str, float]
    """Bytes of weights and latents at ideal code lengths, by the name of the law: order_0, laplace; own, the file's."""
    latents: int = 0
    """Number of integers beside the weights."""
    zero_latents: int = 0
    """How many of them are 0."""


class PageParts(NamedTuple):
    """What a page draws a network from."""

    scripts: tuple[str, ...]
    """Those of `export/web/` that know such networks, in their order; `painters.js` says what they are to define."""
    data: dict[str, Any]
    """What these find in PICTURE beside the picture's height, width and channels; ready for JSON."""


@runtime_checkable
class Network(Protocol):
    """A network as it is stored: frozen, and evaluated without torch."""

    @property
    def section(self) -> int:
        """Id of its family's section."""
        ...

    @property
    def channels(self) -> int:
        """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
        ...

    @property
    def macs(self) -> int:
        """Multiplications of one point, about: what `DecodeLimits` multiply."""
        ...

    def payload(self) -> bytes:
        """The section. The inverse of the family's `read`."""
        ...

    def evaluator(self, backend: Backend, dtype: Precision) -> Evaluator:
        """What evaluates it on a backend, in a precision."""
        ...

    def jet_evaluator(self, backend: Backend) -> EvaluateJet:
        """The same with derivatives, in float64."""
        ...

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """The tensors by name, for whoever takes the network elsewhere."""
        ...

    def sine_layers(self) -> list[SineLayer] | None:
        """All there is to it, where it is layers of sines over the coordinates: shaders are written of such."""
        ...

    def page_parts(self) -> PageParts | None:
        """What a page draws it from; None where no page does."""
        ...

    def facts(self) -> NetworkFacts:
        """What `info` and the page say of it."""
        ...


class Architecture(Protocol):
    """The sizes of a network, without its weights."""

    @property
    def channels(self) -> int:
        """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
        ...

    def param_count(self) -> int:
        """Number of weights and biases."""
        ...

    def latent_count(self) -> int:
        """Integers beside the weights, decoded before anything is drawn."""
        ...


@dataclass(frozen=True)
class Family:
    """A family of networks."""

    section: int
    """Id of its section, 0x01 .. 0x7F: critical; from 0x40 on private."""
    name: str
    """Name in `EncoderConfig.family` and in errors."""
    architecture: Callable[[bytes, Shape], Architecture]
    """(payload, shape of the picture) -> its sizes. Raises BitstreamError."""
    read: Callable[[bytes, Shape], Network]
    """(payload, shape) -> the network; its sizes are within the limits. Raises BitstreamError."""
    parts: Callable[[bytes, Shape], dict[str, int]]
    """(payload, shape) -> bytes of its parts by name, "weights" among them; what is left are its sizes."""
    trainer: str
    """Name of the module of its encode half: see `training.encode_half`."""


@dataclass(frozen=True)
class StoredPicture:
    """A picture as its file holds it."""

    network: Network
    """What draws it."""
    height: int
    """Native height in pixels."""
    width: int
    """Native width in pixels."""
    f32_safe: bool = False
    """Whether a float32 decoder draws it as a float64 one does, as the encoder found (`conformance.py`)."""
    content_hash: int | None = None
    """CRC-32 of the samples that a float64 decoder draws at the native size; None where none is stored."""

    def precision(self, exact: bool = False) -> Precision:
        """float64 if `exact` or if the file asks for it, else float32."""
        return np.float64 if exact or not self.f32_safe else np.float32
