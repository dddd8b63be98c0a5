"""What this machine has for a model: GPUs, memory, and what the weights of a folder need of it. Loads nothing.

GPUs are asked in a process that ends, because looking at one opens it and keeps hundreds of MB of it.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from generation.base import ModelUnusable
from generation.safetensors_header import elements

GIB = 2**30
_LOOK = """
import json, torch
from generation.placement import choose
placement = choose(None)
gpus = [[torch.cuda.get_device_name(i), *torch.cuda.mem_get_info(i)] for i in range(torch.cuda.device_count())]
print(json.dumps([torch.version.cuda, placement.device.type, str(placement.dtype).removeprefix("torch."), gpus]))
"""
_BYTES = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "int8": 1.0, "int4": 0.5, "float32": 4.0, "float16": 2.0, "bfloat16": 2.0}


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU that this process may use; memory in bytes."""

    name: str
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Accelerators:
    """What torch makes of the machine: the CUDA it is built for (None: none), where and how a model would run."""

    cuda: str | None
    device: str
    precision: str
    gpus: tuple[Gpu, ...]


def accelerators() -> Accelerators:
    """Return what torch sees; raises `ModelUnusable` if it cannot be asked. Takes seconds."""
    root = Path(__file__).resolve().parent.parent
    line = [sys.executable, "-c", _LOOK]
    try:
        answer = subprocess.run(line, cwd=root, capture_output=True, text=True, timeout=120, check=True)
        cuda, device, precision, gpus = json.loads(answer.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        last = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
        raise ModelUnusable(f"torch does not work here: {''.join(last)[:300]}") from error
    return Accelerators(cuda, device, precision, tuple(Gpu(*gpu) for gpu in gpus))


def memory() -> tuple[int, int] | None:
    """Return the bytes of memory that are free for a new program, and all; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if rest}
        free, total = kib["MemAvailable"] * 1024, kib["MemTotal"] * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return None
    limit = _limit()
    return (free, total) if limit is None else (min(free, limit[0]), min(total, limit[1]))


def weight_bytes(folder: Path, precision: str) -> int:
    """Return the bytes that the weights in `folder` take in `precision`; raises as `safetensors_header` does."""
    numbers = other = 0.0
    for path in folder.glob("*.safetensors"):
        for kind, count in elements(path):
            floating = kind.startswith(("F", "BF"))
            numbers += count if floating else 0
            other += 0 if floating else count
    return int(numbers * _BYTES[precision] + other)


def _limit(group: Path = Path("/sys/fs/cgroup")) -> tuple[int, int] | None:
    """Return what a container may still take and may take in all, if its control group has a limit (cgroup 2)."""
    try:
        most = int((group / "memory.max").read_text(encoding="ascii"))  # "max", which is no number: no limit
        used = int((group / "memory.current").read_text(encoding="ascii"))
        kinds = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
        kept = int(kinds.get("inactive_file", 0))  # files that the system forgets as soon as memory is wanted
    except (OSError, ValueError):
        return None
    return max(0, most - used + kept), most


def nvidia_driver() -> bool:
    """Return whether the system has a driver for NVIDIA's GPUs, whatever torch makes of it."""
    return Path("/proc/driver/nvidia/version").exists() or any(
        Path(folder, "nvidia-smi").exists() for folder in os.get_exec_path()
    )
