"""Where a model lies: a folder on this machine, or a snapshot of the Hugging Face hub.

Translates every error of the hub library into a sentence. Downloads safetensors, JSON and tokenizer files only, never a
pickle or code, and only for a model id that the settings name. Does not know whether the model is any good
(`generation.preflight`).
"""

import os
import re
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from generation import preflight
from generation.base import ModelUnusable, Report

ALLOWED = ("*.safetensors", "*.json", "tokenizer.model", "*.txt", "*.jinja")
REACH_SECONDS = 10.0
GIB = 2**30
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}|[A-Za-z0-9][\w.-]{0,95}")


def locate(model_path: str, hub_cache: Path | None = None) -> Path | None:
    """Return the folder of the model, or None for a hub id that is reachable but not downloaded yet.

    Raises `ModelUnusable` for a path that is not there, for something that is neither path nor id, and for an id that
    is neither cached nor reachable; takes about ten seconds at most.
    """
    path = Path(model_path).expanduser()
    if path.exists() or _looks_like_path(model_path):
        if not path.is_dir():
            what = "is a file, not a folder" if path.exists() else "does not exist"
            raise ModelUnusable(
                f"--model-path {model_path} {what}. Give the folder of a Hugging Face model, or a hub id like Qwen/Qwen3-0.6B."
            )
        return path
    if not _HUB_ID.fullmatch(model_path):
        raise ModelUnusable(
            f"--model-path {model_path!r} is neither an existing folder nor a hub id. "
            "Give the folder of a Hugging Face model, or a hub id like Qwen/Qwen3-0.6B."
        )
    cached = _cached(model_path, hub_cache)
    if cached is None:
        _information(model_path)
    return cached


def download(model_id: str, hub_cache: Path | None, report: Report) -> Path:
    """Return the folder of the snapshot of `model_id`, after downloading what is missing of it. Blocks, for long."""
    information = _information(model_id)
    return _fetch(model_id, information.sha, _files(model_id, information), report, cache_dir=hub_cache)


def download_to(model_id: str, folder: Path, report: Report) -> dict[str, str]:
    """Put the model into `folder`, and return the SHA-256 of each file of which the hub knows it. Blocks, for long."""
    information = _information(model_id)
    files = _files(model_id, information)
    check_space(folder, sum(entry.size or 0 for entry in files))
    _fetch(model_id, information.sha, files, report, local_dir=folder)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # notes of the hub library, of use only for the next download
    return {entry.rfilename: str(entry.lfs.sha256) for entry in files if getattr(entry, "lfs", None)}


def check_space(folder: Path, needed: int) -> None:
    """Raise `ModelUnusable` if `needed` bytes do not fit on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ModelUnusable(
            f"The model has {needed / GIB:.1f} GiB, and the disk of {folder} has {free / GIB:.1f} GiB free. "
            "Free some, or name a folder on another disk."
        )


def wanted(name: str) -> bool:
    """Return whether a file of a model is one that this program uses and may hold."""
    # Only the top level: subfolders hold other formats. `consolidated*` is the same weights a second time.
    return "/" not in name and not name.startswith("consolidated") and any(fnmatch(name, like) for like in ALLOWED)


def _files(model_id: str, information: Any) -> list[Any]:
    files = [entry for entry in information.siblings or [] if wanted(entry.rfilename)]
    if "config.json" not in {entry.rfilename for entry in files}:
        raise ModelUnusable(f"The hub's {model_id} has no config.json; it is no model that this program can run.")
    return files


def _fetch(model_id: str, revision: str, files: list[Any], report: Report, **place: Any) -> Path:
    from huggingface_hub import hf_hub_download

    total, done, folder = sum(entry.size or 0 for entry in files) or 1, 0, Path()
    for entry in files:
        report(f"downloading {entry.rfilename}", done / total)
        try:
            got = hf_hub_download(model_id, entry.rfilename, revision=revision, **place)
        except Exception as error:  # the hub library raises its own, its transport's and the system's errors
            raise ModelUnusable(_unreachable(model_id, error)) from error
        done, folder = done + (entry.size or 0), Path(got).parent
    return folder


def _looks_like_path(model_path: str) -> bool:
    separators = model_path.count("/") + (model_path.count(os.sep) if os.sep != "/" else 0)
    return model_path.startswith((".", "/", "~")) or separators > 1


def _cached(model_id: str, hub_cache: Path | None) -> Path | None:
    """Return the snapshot in the cache if it is whole; half of one is as good as none."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model_id, "config.json", cache_dir=hub_cache)
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    return None if preflight.missing_parts(folder) else folder


def _information(model_id: str) -> Any:
    """Return what the hub knows of the model: `sha`, and `siblings` with `rfilename` and `size` in bytes."""
    from huggingface_hub import HfApi

    try:
        return HfApi().model_info(model_id, timeout=REACH_SECONDS, files_metadata=True)
    except Exception as error:  # the hub library raises its own, its transport's and the system's errors
        raise ModelUnusable(_unreachable(model_id, error)) from error


def _unreachable(model_id: str, error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return (
            f"{model_id} asks for its licence to be accepted: do so on https://huggingface.co/{model_id}, "
            "run `hf auth login`, and start again."
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"The hub has no model {model_id}, or it is private. "
            "Check the spelling, or run `hf auth login`; a folder on this machine needs a path like ./folder."
        )
    folder = model_id.rpartition("/")[2]
    return (
        f"{model_id} is not on this machine and the Hugging Face hub cannot be reached ({type(error).__name__}). "
        f"Download it on a machine with network with `hf download {model_id} --local-dir {folder} "
        "--include '*.safetensors' '*.json' '*.model' '*.txt' '*.jinja'`, "
        f"copy the folder here, and start with --model-path {folder}."
    )
