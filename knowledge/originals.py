"""The bytes that were uploaded, kept by the hash of their content.

A user's file name is never part of a path here. A file appears under its hash only when it is whole and on the disk:
written to a temporary name, flushed, renamed, its folder flushed. Who refers to a hash, this module does not know.
"""

import contextlib
import hashlib
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from knowledge.base import StorageFailed, StorageFull, TooLarge
from knowledge.disk import flush, told

MIB = 1024 * 1024
log = logging.getLogger(__name__)
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Received:
    """Uploaded bytes in a temporary file, not yet kept."""

    path: Path
    sha256: str
    size: int


class Originals:
    """Files by sha256 below `folder`; `fault` is told the name of each step, for tests that stop there."""

    def __init__(self, folder: Path, min_free: int, fault: Callable[[str], None]) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        self._min_free = min_free
        self._fault = fault

    def open(self) -> None:
        """Make the folders; raises `StorageFailed` when that is not possible."""
        with told(self.folder):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._incoming.mkdir(mode=0o700, exist_ok=True)

    def set_aside(self) -> None:
        """Put what is kept into a folder beside: the database is lost that says what it is, and nobody refers to it now."""
        if not self.folder.is_dir() or not self.kept():
            return
        aside = self.folder.with_name(f"{self.folder.name}-without-database-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
        with told(self.folder):
            self.folder.rename(aside)
            flush(aside.parent)
        log.warning("there is no database beside %s, which was put away as %s: add these files again", self.folder, aside)

    def path(self, sha256: str) -> Path:
        """Return where the bytes of this hash are, if they are kept."""
        if not _HASH.fullmatch(sha256):
            raise ValueError(f"not a sha256: {sha256[:80]!r}")
        return self.folder / sha256[:2] / sha256

    def read(self, sha256: str) -> bytes:
        """Return the bytes; raises `StorageFailed` when they are not there or not those any more."""
        with told(self.folder):
            data = self.path(sha256).read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StorageFailed("the stored original is damaged: add the file again")
        return data

    def receive(self, parts: Iterable[bytes], limit: int) -> Received:
        """Write bytes to a temporary file; raises `TooLarge` beyond `limit` bytes, and `StorageFull`."""
        self._refuse_when_full()
        path = self._incoming / secrets.token_hex(16)
        digest, size = hashlib.sha256(), 0
        try:
            with self._create(path) as file:
                for part in parts:
                    size += len(part)
                    if size > limit:
                        raise TooLarge(f"the file is larger than {limit // MIB} MiB (--max-file-size)")
                    digest.update(part)
                    with told(self.folder):
                        file.write(part)
                        file.flush()
                    self._fault("recv_tmp")
        except BaseException:
            _drop(path)
            raise
        return Received(path, digest.hexdigest(), size)

    def keep(self, received: Received) -> None:
        """Put received bytes under their hash, so that they survive a power cut."""
        target = self.path(received.sha256)
        with told(self.folder):
            flush(received.path)
            self._fault("tmp_fsync")
            target.parent.mkdir(mode=0o700, exist_ok=True)
            received.path.replace(target)
            self._fault("blob_rename")
            flush(target.parent)
            flush(self.folder)
            self._fault("dir_fsync")

    def drop(self, received: Received) -> None:
        """Forget received bytes that are not wanted."""
        _drop(received.path)

    def remove(self, sha256: str) -> None:
        """Remove the bytes of a hash; nothing happens when they are gone."""
        with told(self.folder):
            self.path(sha256).unlink(missing_ok=True)

    def kept(self) -> list[str]:
        """Return the hashes of all bytes that are kept."""
        with told(self.folder):
            folders = [folder for folder in self.folder.iterdir() if re.fullmatch("[0-9a-f]{2}", folder.name)]
            return [path.name for folder in folders for path in folder.iterdir() if _HASH.fullmatch(path.name)]

    def incoming(self) -> list[Path]:
        """Return the uploads that are not whole yet, or will never be."""
        with told(self.folder):
            return list(self._incoming.iterdir()) if self._incoming.exists() else []

    def clean(self) -> None:
        """Remove what a process left that died while it received."""
        with told(self.folder):
            for path in self._incoming.iterdir():
                path.unlink()

    def _create(self, path: Path) -> BinaryIO:
        with told(self.folder):
            return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")

    def _refuse_when_full(self) -> None:
        with told(self.folder):
            free = shutil.disk_usage(self.folder).free
        if free < self._min_free:
            raise StorageFull(
                f"only {free // MIB} MiB are free on the disk of {self.folder}, and {self._min_free // MIB} MiB must"
                " stay free (--min-free-disk); documents already stored stay readable"
            )


def _drop(path: Path) -> None:
    """Remove a temporary file; one that the disk does not let go is removed at the next start."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
