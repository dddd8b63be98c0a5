"""Is this model folder safe and whole? Answered before anything of it is loaded.

Looks at names, JSON and safetensors headers only; imports neither torch nor transformers, and runs nothing from the
folder. Refused are all ways in which a model folder has run code although remote code was off (CVE-2026-4372,
CVE-2026-5241, CVE-2025-32434: code files, pickles, keys that name code). It does not know whether the weights are good:
`generation.weights` finds that out at load.

Symbolic links are followed: a snapshot in the hub cache consists of them.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from generation.base import ModelUnusable, Report
from generation.safetensors_header import BrokenSafetensors, tensor_names

CODE_AND_PICKLES = frozenset({".py", ".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
FORBIDDEN_KEYS = frozenset(
    {
        "auto_map",
        "_attn_implementation_internal",
        "_experts_implementation_internal",
        "trust_remote_code",
        "custom_pipelines",
    }
)
WEIGHTS, INDEX, CHECKSUMS = "model.safetensors", "model.safetensors.index.json", "SHA256SUMS"
MAX_FILES = 10_000
"""More files than any model has: the path is a home directory or a disk, not a model."""


def check(folder: Path) -> None:
    """Raise `ModelUnusable`, naming file, key and next step, unless `folder` is a safe and whole model folder."""
    try:
        _check_folder(folder)
        if missing := missing_parts(folder):
            raise ModelUnusable(f"{folder} is not a whole model folder: {missing[0]}")
        for path in _files(folder):
            _check_file(path)
        _check_weights(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error


def check_files(folder: Path) -> None:
    """Raise `ModelUnusable` unless `folder` is safe; it need not be whole (a tokenizer alone)."""
    try:
        _check_folder(folder)
        for path in _files(folder):
            _check_file(path)
    except OSError as error:
        raise _unreadable(folder, error) from error


def check_adapter(folder: Path) -> int:
    """Return the rank of the LoRA adapter in `folder`; raises `ModelUnusable` unless it is safe and whole."""
    try:
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            if not (folder / name).is_file():
                raise ModelUnusable(
                    f"{folder} is not a LoRA adapter: it has no {name}. Save the adapter again, as safetensors."
                )
        for path in _files(folder):
            _check_file(path)
    except OSError as error:
        raise ModelUnusable(f"{error.filename or folder} cannot be read: {error.strerror or error}.") from error
    config = _json(folder / "adapter_config.json")
    rank = config.get("r") if isinstance(config, dict) else None
    if not isinstance(rank, int) or rank < 1:
        raise ModelUnusable(f"{folder / 'adapter_config.json'} names no rank (r). Save the adapter again.")
    _tensors(folder / "adapter_model.safetensors")
    return rank


def missing_parts(folder: Path) -> list[str]:
    """Return one sentence per part that a model needs and `folder` lacks; empty when it has all."""
    missing = []
    if not (folder / "config.json").is_file():
        missing.append("it has no config.json. Point --model-path to the folder that holds config.json and the weights.")
    if not _has_tokenizer(folder):
        missing.append("it has no tokenizer (tokenizer.json or tokenizer.model). Copy the tokenizer files of the model there.")
    return missing + _missing_weights(folder)


def verify_checksums(folder: Path, report: Report) -> None:
    """Compare the files that SHA256SUMS names, if there is one, with their digests; raises `ModelUnusable`."""
    listing = folder / CHECKSUMS
    if not listing.is_file():
        return
    try:
        lines = [line for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]
        for number, line in enumerate(lines):
            digest, _, name = line.strip().partition(" ")
            report(f"checking {name.strip()}", number / len(lines))
            _verify(folder, digest.lower(), name.strip().removeprefix("*"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelUnusable(f"{listing} cannot be checked: {error}. Download the model again.") from error


def _unreadable(folder: Path, error: OSError) -> ModelUnusable:
    return ModelUnusable(
        f"{error.filename or folder} cannot be read: {error.strerror or error}. "
        "Give the user who runs the server read permission on the whole model folder."
    )


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise ModelUnusable(f"{folder} does not exist. Give --model-path the folder of a Hugging Face model.")
    if not folder.is_dir():
        raise ModelUnusable(f"{folder} is a file. Give --model-path the folder that holds config.json and the weights.")
    with os.scandir(folder):
        """Opened only to learn whether it may be."""


def _has_tokenizer(folder: Path) -> bool:
    def has(*names: str) -> bool:
        return all((folder / name).is_file() for name in names)

    return has("tokenizer.json") or has("tokenizer.model") or has("vocab.json", "merges.txt")


def _missing_weights(folder: Path) -> list[str]:
    if (folder / INDEX).is_file():
        absent = sorted({name for name in _weight_map(folder).values() if not (folder / name).is_file()})
        return [f"{INDEX} names {name}, which is not there. Download it again." for name in absent]
    if (folder / WEIGHTS).is_file():
        return []
    if (folder / "adapter_config.json").is_file():
        return ["it is an adapter (adapter_config.json), not a model. Merge it into its base model and save that."]
    return [
        f"it has no weights ({WEIGHTS}, or {INDEX} and its shards). "
        "Only safetensors are loaded; pickled weights can run code, so convert them with `save_pretrained` elsewhere."
    ]


def _weight_map(folder: Path) -> dict[str, str]:
    """Return tensor name -> shard name of a model in several files."""
    index = folder / INDEX
    found = _json(index)
    shards = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise ModelUnusable(f"{index} has no weight_map. Download it again.")
    for name in shards.values():
        if not isinstance(name, str) or PurePath(name).name != name or "\\" in name:
            raise ModelUnusable(f"{index}: {name!r} is not the name of a file beside it. Do not use this model.")
    return shards


def _files(folder: Path) -> Iterator[Path]:
    seen = 0
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            seen += 1
            if seen > MAX_FILES:
                raise ModelUnusable(f"{folder} holds more than {MAX_FILES} files; it is no model folder.")
            yield Path(parent, name)


def _check_file(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in CODE_AND_PICKLES:
        kind = "Python code" if suffix == ".py" else "a pickle, or looks like one,"
        raise ModelUnusable(
            f"{path} is {kind} which a model folder must not hold, because it could run on this machine. "
            "Move it out of the folder; the safetensors weights are enough."
        )
    if suffix == ".json":
        key = _forbidden_key(path, _json(path))
        if key:
            raise ModelUnusable(
                f"{path} has the key {key!r}, which can make the loader run foreign code. "
                "Use a model that the library supports by itself, or remove the key if you know that it is not needed."
            )
    if suffix == ".safetensors":
        _tensors(path)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelUnusable(f"{path} is not JSON ({error}). Download it again.") from error


def _forbidden_key(path: Path, document: Any) -> str | None:
    """Return the first forbidden key at any depth. Vocabularies are left out: their keys are tokens, not settings."""
    if path.name == "vocab.json":
        return None
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            for key, child in value.items():
                if key in FORBIDDEN_KEYS:
                    return str(key)
                if not (path.name == "tokenizer.json" and key == "vocab"):
                    waiting.append(child)
    return None


def _check_weights(folder: Path) -> None:
    if not (folder / INDEX).is_file():
        return
    shards = _weight_map(folder)
    held = {shard: _tensors(folder / shard) for shard in set(shards.values())}
    for name, shard in shards.items():
        if name not in held[shard]:
            raise ModelUnusable(f"{folder / shard} lacks the tensor {name!r} that {INDEX} promises. Download it again.")


def _tensors(path: Path) -> frozenset[str]:
    try:
        return tensor_names(path)
    except BrokenSafetensors as error:
        raise ModelUnusable(f"{path} {error}. Download it again.") from error


def _verify(folder: Path, digest: str, name: str) -> None:
    path = folder / name
    if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        raise ModelUnusable(f"{folder / CHECKSUMS} names {name!r}, which is outside the folder. Do not use this model.")
    if not path.is_file():
        raise ModelUnusable(f"{folder / CHECKSUMS} names {name}, which is not there. Download it again.")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise ModelUnusable(f"{path} is damaged or was changed: its SHA-256 is not the one in {CHECKSUMS}. Download it again.")
