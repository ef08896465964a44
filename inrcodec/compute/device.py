"""Which backend a device has."""

from inrcodec import installed
from inrcodec.compute.backends import DEFAULT_MANNER, Backend, Manner, NumpyBackend


def backend_on(device: str, manner: Manner = DEFAULT_MANNER) -> Backend:
    """The backend of a device: "cpu" is NumPy, all others are torch's.

    Raises NotInstalledError where that is not installed, RequestError where it has no such device.
    """
    if device == "cpu":
        return NumpyBackend(manner)
    installed.require(f"device {device}", "torch")
    from inrcodec.compute.torch_backend import TorchBackend

    return TorchBackend(device, manner)
