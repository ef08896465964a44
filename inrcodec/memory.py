"""Out of memory, on a GPU or on the CPU: how it is recognised, and what a user is told where nothing helps."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from inrcodec.errors import ResourceError

_CPU_ALLOCATOR = "DefaultCPUAllocator"
"""In the text of the plain RuntimeError that torch raises where the CPU's memory ends."""


def ran_out(error: BaseException) -> bool:
    """Whether an exception says that memory could not be had."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and _CPU_ALLOCATOR in str(error)
    )


@contextmanager
def shortage_is_an_error() -> Iterator[None]:
    """Raise ResourceError where memory ends inside."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        elsewhere = ", or use --device cpu" if isinstance(error, torch.OutOfMemoryError) else ""
        raise ResourceError(f"out of memory: ask for a smaller file{elsewhere}, or close other programs") from error
