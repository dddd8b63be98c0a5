"""On which device a model runs, and in which number format. Knows no model."""

from dataclasses import dataclass
from importlib.util import find_spec

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
