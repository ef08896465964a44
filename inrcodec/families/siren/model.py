"""The record that both sides share: a quantized network."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inrcodec.families.siren.network import Params, SirenArch

Q_STEP_CODES = 256


def q_step(code: int) -> float:
    """Quantization step of a code 0 .. 255: (16 + code % 16) * 2^(code // 16 - 20), from 2^-16 to 31/32.

    Sixteen steps per octave at most 6.25 % apart, and five significant bits: symbol * step is exact in float32.
    """
    return (16 + code % 16) * 2.0 ** (code // 16 - 20)


def q_step_code(step: float) -> int:
    """The code whose step is nearest in ratio to `step` > 0. The inverse of `q_step`."""
    steps = np.array([q_step(code) for code in range(Q_STEP_CODES)])
    return int(np.argmin(np.abs(np.log(steps / step))))


@dataclass(frozen=True)
class QuantizedModel:
    """A picture as it is stored: `symbols[t] * q_step(q_step_codes[t])` is tensor t of the network."""

    arch: SirenArch
    height: int
    """Native height in pixels."""
    width: int
    """Native width in pixels."""
    symbols: tuple[NDArray[np.int32], ...]
    """One int32 array per tensor, in the order and shapes of `arch.param_shapes()`."""
    q_step_codes: tuple[int, ...]
    """One code per tensor, see `q_step`."""
    f32_safe: bool = False
    """Whether a float32 decoder draws it as a float64 one does, as the encoder found (`conformance.py`)."""
    content_hash: int | None = None
    """CRC-32 of the samples that a float64 decoder draws at the native size; None where none is stored."""

    def dequantize(self) -> Params:
        """The network's float32 tensors; exact, so the same on every machine."""
        return [
            symbols.astype(np.float32) * np.float32(q_step(code))
            for symbols, code in zip(self.symbols, self.q_step_codes, strict=True)
        ]
