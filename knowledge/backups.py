"""The backups below the data folder: begun, followed, listed, read as one archive, removed. How one is made, `backup.py` knows.

One is made at a time, in a thread of its own. A backup that is whole has its name, by date and time; until then its folder
has another one, so what a crash leaves is never taken for a backup.
"""

import contextlib
import logging
import os
import re
import shutil
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from knowledge import backup, data_folder
from knowledge.base import KnowledgeError, UnknownBackup
from knowledge.disk import told

log = logging.getLogger(__name__)

NAME = re.compile(r"\d{8}-\d{6}")
PART = 1 << 20
BLOCK = 512
"""Bytes to which a tar archive fills up each file; two empty ones end it (POSIX 1003.1, pax interchange format)."""


@dataclass(frozen=True, slots=True)
class BackupState:
    """A backup, or one that is being made or failed: `size` in bytes so far, `begun` in Unix seconds, `error` in words.

    `documents`: how many it holds, where this process has made it.
    """

    name: str
    status: Literal["in_progress", "completed", "failed"]
    begun: float
    size: int
    error: str = ""
    documents: int | None = None


class Backups:
    """Those of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._made: dict[str, BackupState] = {}

    def begin(self) -> BackupState:
        """Begin to copy all that is kept; raises `KnowledgeError` while another one is being made."""
        with self._lock:
            if any(one.status == "in_progress" for one in self._made.values()):
                raise KnowledgeError("a backup is being made already: wait until it is whole")
            target = backup.place(self._folder)
            if target.exists():
                raise KnowledgeError(f"{target.name} exists already: try again in a second")
            self._made[target.name] = BackupState(target.name, "in_progress", time.time(), 0)
        threading.Thread(target=self._make, args=(target,), name="backup", daemon=True).start()
        return self.get(target.name)

    def _make(self, target: Path) -> None:
        begun = self._made[target.name]
        try:
            made = backup.write(self._folder, target)
        except Exception as error:  # whatever it was, whoever asks how far it is is told
            log.exception("the backup %s could not be made", target.name)
            text = str(error) if isinstance(error, KnowledgeError) else f"an error of the server ({type(error).__name__})"
            ended = replace(begun, status="failed", error=text)
        else:
            ended = replace(begun, status="completed", size=made.size, documents=made.documents)
        with self._lock:
            self._made[target.name] = ended

    def all(self) -> list[BackupState]:
        """Return all, the latest first."""
        with self._lock:
            known = dict(self._made)
        found = {path.name: known.get(path.name) or _kept(path) for path in self._paths()}
        made = {name: one for name, one in known.items() if one.status != "completed"}
        return sorted((self._live(one) for one in (found | made).values()), key=lambda one: one.name, reverse=True)

    def get(self, name: str) -> BackupState:
        """Return one; raises `UnknownBackup`."""
        with self._lock:
            known = self._made.get(name)
        if known is not None and known.status != "completed":
            return self._live(known)
        if NAME.fullmatch(name) and _is_whole(path := self.place(name)):
            return known or _kept(path)
        raise UnknownBackup("there is no backup of this name")

    def place(self, name: str) -> Path:
        """Return the folder of a backup."""
        return self._folder / data_folder.BACKUPS / name

    def remove(self, name: str) -> None:
        """Remove one that is whole or failed; raises `UnknownBackup`, and `KnowledgeError` while it is being made."""
        if self.get(name).status == "in_progress":
            raise KnowledgeError("this backup is being made: wait until it is whole")
        with told(self._folder), self._lock:
            self._made.pop(name, None)
            if (path := self.place(name)).is_dir():
                shutil.rmtree(path)

    def archive(self, name: str) -> tuple[int, Iterator[bytes]]:
        """Return the length in bytes and the parts of one as a tar archive of one folder, which `knowledge restore` reads.

        Raises `UnknownBackup`, and `KnowledgeError` when it is not whole.
        """
        if self.get(name).status != "completed":
            raise KnowledgeError("this backup is not whole")
        folder = self.place(name)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        heads = [_head(path, folder) for path in files]
        sizes = [path.stat().st_size for path in files]
        length = sum(len(head) + size + -size % BLOCK for head, size in zip(heads, sizes, strict=True)) + 2 * BLOCK
        return length, _parts(files, heads)

    def _paths(self) -> list[Path]:
        folder = self._folder / data_folder.BACKUPS
        with told(self._folder):
            found = list(folder.iterdir()) if folder.is_dir() else []
        return [path for path in found if NAME.fullmatch(path.name) and _is_whole(path)]

    def _live(self, one: BackupState) -> BackupState:
        """Return one with how much is copied so far."""
        if one.status != "in_progress":
            return one
        parts = (self._folder / data_folder.BACKUPS).glob(f"{one.name}.part-*")
        return replace(one, size=sum(_size(part) for part in parts))


def _is_whole(path: Path) -> bool:
    return (path / data_folder.DATABASE).is_file()


def _kept(path: Path) -> BackupState:
    return BackupState(path.name, "completed", path.stat().st_mtime, _size(path))


def _size(folder: Path) -> int:
    total = 0
    for inner, _, names in os.walk(folder):  # which passes over what goes meanwhile: SQLite's own files, a backup that failed
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(inner, name).stat().st_size
    return total


def _head(path: Path, folder: Path) -> bytes:
    info = tarfile.TarInfo(str(path.relative_to(folder.parent)))
    facts = path.stat()
    info.size, info.mtime, info.mode = facts.st_size, int(facts.st_mtime), 0o600
    return info.tobuf(tarfile.PAX_FORMAT)


def _parts(files: list[Path], heads: list[bytes]) -> Iterator[bytes]:
    for path, head in zip(files, heads, strict=True):
        yield head
        with path.open("rb") as file:
            yield from iter(lambda: file.read(PART), b"")
        yield bytes(-path.stat().st_size % BLOCK)
    yield bytes(2 * BLOCK)
