"""A backup put in the place of what a data folder holds, in a way that a crash cannot tear.

The checked copy is put beside what is there, and from one rename on it counts: `finish` ends what a crash cut off. What was
there before is kept in a folder of its own. What rows mean, it does not know.
"""

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from knowledge import store, verify
from knowledge.backup import copy_evaluation
from knowledge.base import KnowledgeError
from knowledge.data_folder import DATABASE, EVALUATION, INDEXES, LOCK, ORIGINALS, RESTORED, originals
from knowledge.disk import flush, told
from knowledge.lock import FolderLock

PART = "restore.part-"
"""A restored folder that is being made."""

_BESIDE = ("-wal", "-shm", "")
"""SQLite's files of a database; the database last, so that it never stands with another one's log."""

MOST_TOLD = 20


def put(source: Path, folder: Path) -> Path | None:
    """Put the backup `source` in the place of what is in the data folder `folder`.

    Returns the folder in which is kept what was there before, None when nothing was. Raises `StoreInUse`, and
    `KnowledgeError` when the backup is not whole: then nothing was changed.
    """
    if not (source / DATABASE).is_file():
        raise KnowledgeError(f"{source} is no backup: there is no {DATABASE} in it")
    with told(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FolderLock(folder / LOCK)
    lock.acquire()
    try:
        finish(folder)
        with told(folder):
            _bring(source, folder)
        return finish(folder)
    finally:
        lock.release()


def _bring(source: Path, folder: Path) -> None:
    """Copy a backup into the folder under the name that `finish` looks for, if it is whole."""
    part = folder / f"{PART}{os.getpid()}"
    part.mkdir(mode=0o700)
    try:
        _copy_whole(source, part)
        if not _version(part / DATABASE):
            raise KnowledgeError(f"{source} is no backup: its {DATABASE} is empty, or of another program")
        wrong = [finding.text for finding in verify.findings(part) if not finding.harmless]
        if wrong:
            raise KnowledgeError(f"the backup {source} is not whole: " + "; ".join(wrong[:MOST_TOLD]))
        for path in (*part.rglob("*"), part):
            flush(path)
        part.rename(folder / RESTORED)  # from here on it has happened
        flush(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _version(database: Path) -> int:
    with store.told(database), closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _copy_whole(source: Path, part: Path) -> None:
    kept, copy = originals(source), originals(part)
    copy.open()
    for path, target in [
        (source / DATABASE, part / DATABASE),
        *((kept.path(sha256), copy.path(sha256)) for sha256 in kept.kept()),
    ]:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(path, target)  # not a second name: what happens to one of them does not happen to the other
        target.chmod(0o600)
    copy_evaluation(source / EVALUATION, part / EVALUATION)


def finish(folder: Path) -> Path | None:
    """Put a restored folder in place, also one that a crash left half way; returns where what was there before is now.

    Every step may have been done already. Whoever calls it holds the lock of the data folder.
    """
    whole, before = folder / RESTORED, folder / RESTORED / "before"
    with told(folder):
        for left in folder.glob(f"{PART}*"):
            shutil.rmtree(left, ignore_errors=True)
        if not whole.is_dir():
            return None
        before.mkdir(mode=0o700, exist_ok=True)
        for name in (ORIGINALS, EVALUATION):
            if (whole / name).exists():
                _put_away(folder / name, before / name)
                (whole / name).rename(folder / name)
        if (folder / INDEXES).exists():  # of the database that goes
            shutil.rmtree(folder / INDEXES)
        if (whole / DATABASE).exists():
            for beside in _BESIDE:
                _put_away(folder / f"{DATABASE}{beside}", before / f"{DATABASE}{beside}")
            (whole / DATABASE).rename(folder / DATABASE)
        flush(folder)
        kept = None
        if any(before.iterdir()):
            kept = folder / f"before-restore-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
            before.rename(kept)
        shutil.rmtree(whole)
        flush(folder)
    return kept


def _put_away(path: Path, target: Path) -> None:
    if path.exists():
        path.rename(target)
