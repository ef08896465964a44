"""Evaluation of a network at points: in NumPy, the reference, or in torch; in float32 or float64; in chunks.

float32 where the file says that this is safe, else, or when asked for, float64: classes M and X of `bitstream.py`.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inrcodec import extras, siren
from inrcodec.errors import RequestError, StoppedError
from inrcodec.limits import prepare_products
from inrcodec.model import QuantizedModel
from inrcodec.progress import never

CHUNK = 4096
"""Points evaluated at once in NumPy: activations of 4096 x 64 float32 are 1 MiB."""
CHUNK_MACS = 2**30
"""Multiplications between two questions whether to stop, at most: a fraction of a second on a CPU core."""
_GPU_CHUNK = 262_144
"""Points evaluated at once on a GPU."""

Samples = NDArray[np.floating]
"""float32, or float64 where the picture is drawn in that."""
Precision = type[np.float32] | type[np.float64]
Stopped = Callable[[], bool]
"""Asked between chunks of points whether the work is to end."""


class Backend(Protocol):
    """Evaluates a network at coordinates."""

    def __call__(self, coords: NDArray[np.float32]) -> Samples:
        """(N, 2) float32 -> (N, values), float32 or float64."""
        ...


def precision(model: QuantizedModel, exact: bool = False) -> Precision:
    """float64 if `exact` or if the file asks for it, else float32."""
    return np.float64 if exact or not model.f32_safe else np.float32


def numpy_backend(model: QuantizedModel, dtype: Precision, stopped: Stopped = never) -> Backend:
    """The reference evaluation in a precision, on the CPU without torch."""
    prepare_products()
    params = [value.astype(dtype) for value in model.dequantize()]

    def evaluate(coords: NDArray[np.float32]) -> Samples:
        values: Samples = siren.forward(model.arch, params, coords.astype(dtype), np)
        return values

    return _in_chunks(evaluate, model.arch, CHUNK, dtype, stopped)


def _in_chunks(evaluate: Backend, arch: siren.SirenArch, most: int, dtype: Precision, stopped: Stopped) -> Backend:
    """The same backend, asked for at most so many points at once, and not any more once it is to stop."""
    chunk = min(most, max(1, CHUNK_MACS // arch.param_count()))

    def evaluate_all(coords: NDArray[np.float32]) -> Samples:
        out = np.empty((len(coords), arch.channels), dtype)
        for start in range(0, len(coords), chunk):
            if stopped():
                raise StoppedError("stopped while the picture was being drawn")
            out[start : start + chunk] = evaluate(coords[start : start + chunk])
        return out

    return evaluate_all


def torch_backend(model: QuantizedModel, device: str, dtype: Precision, stopped: Stopped = never) -> Backend:
    """The same in torch on `device`, without TF32 or autocast whatever the host program has switched on."""
    extras.require(f"device {device}", "torch")
    import torch

    try:
        params = [torch.from_numpy(value.astype(dtype)).to(device) for value in model.dequantize()]
    except (RuntimeError, AssertionError) as error:
        raise RequestError(f"device: {device} is not available: use the cpu") from error

    def evaluate(coords: NDArray[np.float32]) -> Samples:
        matmul = torch.backends.cuda.matmul
        allowed, matmul.allow_tf32 = matmul.allow_tf32, False
        try:
            with torch.inference_mode(), torch.autocast(torch.device(device).type, enabled=False):
                values = siren.forward(model.arch, params, torch.from_numpy(coords.astype(dtype)).to(device), torch)
                return values.cpu().numpy()  # type: ignore[no-any-return]
        finally:
            matmul.allow_tf32 = allowed

    return _in_chunks(evaluate, model.arch, CHUNK if device == "cpu" else _GPU_CHUNK, dtype, stopped)
