"""How much memory of each GPU is in use. Imports no torch: where no engine has, there is nothing to tell."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """Memory of one GPU in bytes, that of other processes included."""

    index: int
    used: int
    total: int


def gpu_memory() -> list[GpuMemory]:
    """Return the GPUs that this process computes on; none before an engine has begun to. Takes microseconds."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    # Asking a GPU that is not in use yet would take hundreds of megabytes of it.
    if cuda is None or not cuda.is_initialized():
        return []
    return [_memory(index, *cuda.mem_get_info(index)) for index in range(cuda.device_count())]


def _memory(index: int, free: int, total: int) -> GpuMemory:
    return GpuMemory(index, total - free, total)
