"""A copy of an index on the disk, so that a large base opens without sorting its words again.

Never the truth: a file that is missing, damaged, older than the database or of another make is not used, and what it
lacks is read from the database (`shelf.py`). Numbers only, no pickle and no format of a library. It is checked before
anything of it is used: its length against what its head promises, then SHA-256 of the whole. Written under another
name and then renamed, not flushed: after a power cut the checksum fails, and the database is read. What a vector or a
posting is, it does not know.

Layout: SHA-256 of all that follows (32 bytes), length of the head (8 bytes, little-endian), the head (JSON), then the
arrays one after the other as the head lists them.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

VERSION = 5
"""Of this layout and of the terms of a passage: a change to either needs another number."""

KINDS = frozenset({"<i8", "<i4", "<u4", "<f4", "|u1", "|b1"})
DIGEST, LENGTH = 32, 8

Array = npt.NDArray[Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: facts (anything JSON can say) that tell whether it fits the database, and arrays."""

    facts: Mapping[str, Any]
    arrays: Sequence[Array]


def write(path: Path, content: Content) -> None:
    """Write the file, as nobody's but this user's; a disk that refuses is logged, for nothing is lost."""
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with open(new, "wb", opener=_private) as file:  # `Path.open` takes no opener
            _write(file, content)
        new.replace(path)
    except OSError as error:
        log.warning("%s cannot be written (%s): the next start reads the database instead", path, error.strerror)
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write(file: BinaryIO, content: Content) -> None:
    arrays = [np.ascontiguousarray(array) for array in content.arrays]
    shapes = [[array.dtype.str, list(array.shape)] for array in arrays]
    head = json.dumps({"version": VERSION, "facts": content.facts, "arrays": shapes}).encode()
    digest = hashlib.sha256()
    file.write(bytes(DIGEST))
    parts: list[memoryview] = [array.reshape(-1).view(np.uint8).data for array in arrays]
    for part in (memoryview(len(head).to_bytes(LENGTH, "little")), memoryview(head), *parts):
        digest.update(part)
        file.write(part)
    file.seek(0)
    file.write(digest.digest())


def read(path: Path) -> Content | None:
    """Return what the file holds; None when there is none or it cannot be trusted, in which case it is removed."""
    try:
        with path.open("rb") as file:
            return _read(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, MemoryError) as error:
        log.warning("%s is damaged or of another version (%s): the database is read instead", path, error)
        drop(path)
        return None


def drop(path: Path) -> None:
    """Remove the file, if it is there."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _read(file: BinaryIO) -> Content:
    left = os.fstat(file.fileno()).st_size - DIGEST - LENGTH
    expected, length = file.read(DIGEST), file.read(LENGTH)
    size = int.from_bytes(length, "little")
    if left < size:
        raise ValueError("it is cut off")
    text = file.read(size)
    head = json.loads(text)
    if head["version"] != VERSION:
        raise ValueError("another version")
    arrays = _empty(head["arrays"], left - size)
    digest = hashlib.sha256(length + text)
    for array in arrays:
        view = array.reshape(-1).view(np.uint8).data
        if file.readinto(view) != len(view):  # type: ignore[attr-defined]  # a buffered file has it
            raise ValueError("it is cut off")
        digest.update(view)
    if digest.digest() != expected:
        raise ValueError("its checksum is wrong")
    return Content(head["facts"], arrays)


def _empty(shapes: Sequence[tuple[str, Sequence[int]]], size: int) -> list[Array]:
    """Return arrays to read into; raises `ValueError` unless they are of `size` bytes together."""
    total = 0
    for kind, shape in shapes:
        if kind not in KINDS or not all(isinstance(side, int) and 0 <= side <= size for side in shape) or len(shape) > 2:
            raise ValueError("an array of no known kind")
        count = shape[0] * (shape[1] if len(shape) == 2 else 1) if shape else 1
        total += np.dtype(kind).itemsize * count
    if total != size:
        raise ValueError("its length is not what it says")
    return [np.empty(shape, dtype=kind) for kind, shape in shapes]
