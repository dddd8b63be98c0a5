"""Is the machine up to it? GPU, memory and disk, measured against what the settings would load and keep."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from api.settings import ServerSettings
from cli.finding import Finding
from generation.base import ModelUnusable
from generation.machine import GIB, Accelerators, accelerators, memory, nvidia_driver, weight_bytes

SPARE = 1.2
"""Weights are not all that a model takes: keys and values, activations, the libraries."""


def findings(settings: ServerSettings) -> Iterator[Finding]:
    """Yield what there is of GPU, memory and disk, and whether it is enough."""
    try:
        seen = accelerators()
    except ModelUnusable as error:
        yield Finding("GPU", "wrong", str(error), "make clean, then make run: it installs torch anew")
    else:
        yield _gpu(seen)
        yield from _memory(settings, seen)
    yield _disk(settings)


def _gpu(seen: Accelerators) -> Finding:
    if seen.gpus:
        names = ", ".join(f"{gpu.name} ({gpu.free / GIB:.1f} of {gpu.total / GIB:.1f} GiB free)" for gpu in seen.gpus)
        return Finding("GPU", "ok", f"{names}; a model computes in {seen.precision}")
    here = f"none; a model computes on the {seen.device} in {seen.precision}"
    if not nvidia_driver():
        return Finding("GPU", "ok", here)
    if seen.cuda is None:
        return Finding("GPU", "warning", f"{here}; torch is a build for CPUs", "make clean; make run TORCH=torch==2.13.0")
    return Finding("GPU", "warning", f"{here}; torch wants CUDA {seen.cuda}", "`nvidia-smi`: is the driver new enough for it?")


def _memory(settings: ServerSettings, seen: Accelerators) -> Iterator[Finding]:
    """Yield whether the weights of a model in a folder fit, and else how much memory there is."""
    found = memory()
    free, where = (max(gpu.free for gpu in seen.gpus), "GPU memory") if seen.gpus else (found[0] if found else None, "memory")
    needed = _needed(settings, seen)
    if free is None or found is None:
        yield Finding("memory", "warning", "this system does not tell how much is free")
    elif needed is None:
        yield Finding("memory", "ok", f"{found[0] / GIB:.1f} of {found[1] / GIB:.1f} GiB free")
    elif needed > free:
        detail = f"the weights take {needed / GIB:.1f} GiB, and {free / GIB:.1f} GiB of {where} are free"
        yield Finding("memory", "wrong", detail, "end other programs, or take a smaller model or a smaller --precision")
    elif needed * SPARE > free:
        detail = f"the weights take {needed / GIB:.1f} of the {free / GIB:.1f} GiB of {where} that are free; it will be tight"
        yield Finding("memory", "warning", detail, "end other programs, or take a smaller model or a smaller --precision")
    else:
        yield Finding(
            "memory", "ok", f"the weights take {needed / GIB:.1f} of the {free / GIB:.1f} GiB of {where} that are free"
        )


def _needed(settings: ServerSettings, seen: Accelerators) -> int | None:
    """Return the bytes of the weights, or None where there is no folder to look into."""
    folder = Path(settings.model or "").expanduser()
    if settings.backend != "transformers" or not settings.model or not folder.is_dir():
        return None
    try:
        return weight_bytes(folder, settings.precision or seen.precision)
    except (OSError, ValueError):
        return None  # the finding of the model folder says what is wrong with it


def _disk(settings: ServerSettings) -> Finding:
    folder = nearest(settings.data_dir)
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("disk", "wrong", f"{folder} cannot be looked at: {error.strerror}", "choose another --data-dir")
    least = settings.min_free_disk * 2**20
    if free < least:
        detail = f"{folder} has {free / GIB:.1f} GiB free, and uploads stop below {least / GIB:.1f} GiB"
        return Finding("disk", "wrong", detail, "free some, or choose another --data-dir")
    return Finding("disk", "ok", f"{free / GIB:.1f} GiB free at {folder}")


def nearest(folder: Path) -> Path:
    """Return `folder`, or the nearest one above it that exists."""
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)
