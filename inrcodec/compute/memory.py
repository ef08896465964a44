"""Out of memory, on a GPU or on the CPU: how it is recognised, and what a user is told where nothing helps.

And devices that are not there, which torch tells by the same exceptions.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from inrcodec.errors import RequestError, ResourceError

_CPU_ALLOCATOR = "DefaultCPUAllocator"
"""In the text of the plain RuntimeError that torch raises where the CPU's memory ends."""


def ran_out(error: BaseException) -> bool:
    """Whether an exception says that memory could not be had."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and _CPU_ALLOCATOR in str(error)
    )


@contextmanager
def shortage_is_an_error(cure: str = "ask for a smaller file") -> Iterator[None]:
    """Raise ResourceError where memory ends inside; `cure` says in words what would need less."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        elsewhere = ", or use --device cpu" if isinstance(error, torch.OutOfMemoryError) else ""
        raise ResourceError(f"out of memory: {cure}{elsewhere}, or close other programs") from error


@contextmanager
def loading(device: str, cure: str) -> Iterator[None]:
    """While tensors go to a torch device: RequestError where it cannot take them, ResourceError where memory ends."""
    with shortage_is_an_error(cure):
        try:
            yield
        except (RuntimeError, AssertionError, TypeError) as error:
            if ran_out(error):
                raise
            raise RequestError(f"device: {device} is not available: use the cpu") from error
