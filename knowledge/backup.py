"""A copy of all that is kept, as of one moment, made while it is used; and the way back, which a crash cannot tear.

A backup is a folder that looks like the data folder: the database in one file, the originals that it refers to, and the
test questions with their runs. It appears under its name when it is whole. Nothing of the one that serves is locked: the
copy of the database is one snapshot, and where an original was removed before it could be copied, the snapshot is taken
again. The files of indexes are left out, for they are made from the database.

Restoring puts the checked copy beside what is there, and from one rename on it counts: `finish` ends what a crash cut
off. What was there before is kept in a folder of its own. What rows mean, it does not know.
"""

import contextlib
import os
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from knowledge import store, verify
from knowledge.base import KnowledgeError
from knowledge.disk import flush, told
from knowledge.lock import FolderLock
from knowledge.originals import Originals
from knowledge.verify import Finding

DATABASE, ORIGINALS, EVALUATION, INDEXES = "knowledge.db", "originals", "evaluation", "indexes"
BACKUPS = "backups"
"""Where backups lie that are told no place; they stay out of backups and of what a restore puts away."""

LOCK = "knowledge.lock"
PART, WHOLE = "restore.part-", "restore.whole"
"""A restored folder that is being made, and one that only needs to be put in place."""

_BESIDE = ("-wal", "-shm", "")
"""SQLite's files of a database; the database last, so that it never stands with another one's log."""

TRIES, MOST_TOLD = 20, 20


@dataclass(frozen=True, slots=True)
class Backup:
    """What was copied: how many documents, originals, and bytes of all files together."""

    path: Path
    documents: int
    files: int
    size: int


def write(folder: Path, target: Path) -> Backup:
    """Copy what is kept in the data folder `folder` to the new folder `target`; somebody may be using it meanwhile.

    Raises `KnowledgeError` when there is nothing to copy, when `target` exists, or when an original is missing.
    """
    if not (folder / DATABASE).is_file():
        raise KnowledgeError(f"there is no knowledge base in {folder}")
    with told(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise KnowledgeError(f"{target} exists already: a backup is a new folder")
        part = target.with_name(f"{target.name}.part-{os.getpid()}")
        part.mkdir(mode=0o700)
        try:
            _copy(folder, part)
            made = _facts(part, target)
            part.rename(target)
            flush(target.parent)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return made


def place(folder: Path) -> Path:
    """Return a path for a new backup below the data folder `folder`, named by date and time; makes what is above it."""
    backups = folder / BACKUPS
    with told(folder):
        backups.mkdir(mode=0o700, exist_ok=True)
    return backups / time.strftime("%Y%m%d-%H%M%S")


def _copy(folder: Path, part: Path) -> None:
    source, copy = _originals(folder), _originals(part)
    copy.open()
    for _ in range(TRIES):
        _snapshot(folder / DATABASE, part / DATABASE)
        wanted = _wanted(part / DATABASE)
        missing = [sha256 for sha256 in sorted(wanted) if not _same(source.path(sha256), copy.path(sha256))]
        if not missing:
            break
        if not source.kept():
            raise KnowledgeError(f"the originals of {folder} are missing")
    else:
        raise KnowledgeError(f"the original of {wanted[missing[0]]!r} is missing: see what `knowledge verify` says")
    for sha256 in set(copy.kept()) - wanted.keys():  # of a document that was removed before the last snapshot
        copy.remove(sha256)
    evaluation = part / EVALUATION
    _copy_evaluation(folder / EVALUATION, evaluation)
    for path in (*copy.folder.iterdir(), copy.folder, *evaluation.rglob("*"), evaluation, part):
        flush(path)


def _copy_evaluation(source: Path, target: Path) -> None:
    """Copy test questions and runs to the new folder `target`, which is empty where there are none.

    Each file is replaced as one, so a copy is the old or the new one; drafts, and what is removed meanwhile, are left out.
    """
    target.mkdir(mode=0o700)
    for folder, _, names in os.walk(source, onerror=_not_gone):
        there = target / Path(folder).relative_to(source)
        there.mkdir(mode=0o700, exist_ok=True)
        for name in names:
            path, copy = Path(folder, name), there / name
            if name.startswith(".") or path.is_symlink():
                continue
            try:
                shutil.copyfile(path, copy)
                copy.chmod(0o600)
            except FileNotFoundError:
                copy.unlink(missing_ok=True)


def _not_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _same(source: Path, target: Path) -> bool:
    """Bring the bytes of `source`, which never change, to `target`; False when they are gone."""
    if target.exists():
        return True
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(OSError):  # another disk, or one that knows no second name
        target.hardlink_to(source)
        return True
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)
        return False
    target.chmod(0o600)
    flush(target)
    return True


def _snapshot(database: Path, target: Path) -> None:
    with store.told(database), closing(sqlite3.connect(database, timeout=store.BUSY_SECONDS)) as connection:
        store.copy(connection, target)


def _wanted(database: Path) -> dict[str, str]:
    with store.told(database), closing(sqlite3.connect(database)) as connection:
        return verify.names(connection)


def _facts(part: Path, target: Path) -> Backup:
    with store.told(part), closing(sqlite3.connect(part / DATABASE)) as connection:
        documents = int(connection.execute("SELECT count(*) FROM documents").fetchone()[0])
    size = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    return Backup(target, documents, len(_originals(part).kept()), size)


def restore(source: Path, folder: Path) -> Path | None:
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
        wrong = [finding.text for finding in findings(part) if not finding.harmless]
        if wrong:
            raise KnowledgeError(f"the backup {source} is not whole: " + "; ".join(wrong[:MOST_TOLD]))
        for path in (*part.rglob("*"), part):
            flush(path)
        part.rename(folder / WHOLE)  # from here on it has happened
        flush(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _version(database: Path) -> int:
    with store.told(database), closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _copy_whole(source: Path, part: Path) -> None:
    originals, copy = _originals(source), _originals(part)
    copy.open()
    for path, target in [
        (source / DATABASE, part / DATABASE),
        *((originals.path(sha256), copy.path(sha256)) for sha256 in originals.kept()),
    ]:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(path, target)  # not a second name: what happens to one of them does not happen to the other
        target.chmod(0o600)
    _copy_evaluation(source / EVALUATION, part / EVALUATION)


def finish(folder: Path) -> Path | None:
    """Put a restored folder in place, also one that a crash left half way; returns where what was there before is now.

    Every step may have been done already. Whoever calls it holds the lock of the data folder.
    """
    whole, before = folder / WHOLE, folder / WHOLE / "before"
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


def findings(folder: Path) -> list[Finding]:
    """Return what is not as it should be with a data folder, or a backup, that is not changing."""
    return verify.folder(folder / DATABASE, _originals(folder))


def _originals(folder: Path) -> Originals:
    return Originals(folder / ORIGINALS, 0, lambda point: None)
