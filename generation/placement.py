"""On which device a model runs, and in which number format. Knows no model."""

import contextlib
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from generation.base import ModelUnusable

_FORMATS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_QUANTIZED = ("int8", "int4")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how the weights lie. If `quantized` ("int8", "int4"), `dtype` is the format of the activations."""

    device: torch.device
    dtype: torch.dtype
    quantized: str | None = None


def choose(precision: str | None) -> Placement:
    """Return the best device of this machine and `precision`, or the format it computes fastest in.

    Raises `ModelUnusable` for a precision that this machine cannot compute in.
    """
    device = _device()
    if precision in _QUANTIZED:
        _check_quantization(str(precision), device)
        return Placement(device, _natural_format(device), precision)
    return Placement(device, _FORMATS[precision] if precision else _natural_format(device))


def free_bytes(device: torch.device) -> int:
    """Return how much memory of `device` is free at this moment, as far as the system tells."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    limits = [_memory_of_the_machine()]
    with contextlib.suppress(OSError, ValueError):  # no limit ("max"), or no control groups
        limits.append(
            int(Path("/sys/fs/cgroup/memory.max").read_text()) - int(Path("/sys/fs/cgroup/memory.current").read_text())
        )
    return max(0, min(limits))


def _memory_of_the_machine() -> int:
    """Return the bytes that could be had without swapping; half of all where only the whole is known."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _natural_format(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "mps":
        return torch.float16
    # Without these instructions bfloat16 on a CPU is emulated and slower than fp32.
    fast_bf16 = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast_bf16 else torch.float32


def _check_quantization(precision: str, device: torch.device) -> None:
    if device.type != "cuda":
        raise ModelUnusable(
            f"--precision {precision} needs an NVIDIA GPU, and this machine computes on {device.type}. Leave --precision out."
        )
    absent = [name for name in ("bitsandbytes", "accelerate") if find_spec(name) is None]
    if absent:
        raise ModelUnusable(
            f"--precision {precision} needs {' and '.join(absent)}: `pip install {' '.join(absent)}`, or leave --precision out."
        )
