"""A model brought into a folder of its own, whole and with checksums, so that it can be served without a network.

Takes it from the hub, from the hub's cache or from another folder; only files that a model folder may hold are taken.
Does not know whether the model is any good: a backend's `load` finds that out, and compares the checksums again.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from generation import hub, preflight
from generation.base import ModelUnusable, Report


def bring(model_path: str, to: Path, hub_cache: Path | None, report: Report) -> Path:
    """Return `to` after the model that `model_path` names, a folder or a hub id, was put there; raises `ModelUnusable`."""
    source = hub.locate(model_path, hub_cache)
    try:
        to.mkdir(parents=True, exist_ok=True)
        if source is None:
            digests = hub.download_to(model_path, to, report)
        elif source.resolve() != to.resolve():
            preflight.check(source)
            preflight.verify_checksums(source, report)
            digests = _copy(source, to, report)
        elif (to / preflight.CHECKSUMS).is_file():
            return to  # what is written there is older than this check, and therefore better
        else:
            digests = {}
        _write_checksums(to, digests, report)
    except OSError as error:
        raise ModelUnusable(f"{error.filename or to} cannot be written: {error.strerror or error}.") from error
    return to


def _copy(source: Path, to: Path, report: Report) -> dict[str, str]:
    """Copy what belongs to the model, and return the digest of each file as it was read."""
    files = sorted(path for path in source.iterdir() if path.is_file() and hub.wanted(path.name))
    hub.check_space(to, sum(path.stat().st_size for path in files))
    for number, path in enumerate(files):
        report(f"copying {path.name}", number / len(files))
        shutil.copyfile(path, to / path.name)
    return {path.name: _digest(path) for path in files}


def _write_checksums(folder: Path, known: Mapping[str, str], report: Report) -> None:
    """Write SHA256SUMS of `folder`; `known` are digests that come from the source, which the files must still match."""
    report("writing checksums")
    lines = []
    for path in sorted(path for path in folder.iterdir() if path.is_file() and hub.wanted(path.name)):
        lines.append(f"{known.get(path.name) or _digest(path)}  {path.name}\n")
    (folder / preflight.CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
