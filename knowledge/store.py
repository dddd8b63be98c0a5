"""The database file: the only truth about what is kept; everything else is made from it again.

Opens it, brings its tables up to date (`schema.py`; the file as it was is kept beside it), hands out connections, and
says in the room's own errors what SQLite says in its own. It does not know what the rows mean: `catalog.py`,
`file_rows.py` and `jobs.py` do.

Durability: write-ahead log, `synchronous=FULL`, so a transaction that returned survives a power cut. A transaction that
need not (the progress of a job) is written with NORMAL: it survives the death of the process, and costs no wait for the
disk. One writer at a time, any number of readers, each reader on one snapshot.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from knowledge import disk
from knowledge.base import KnowledgeError, StorageFailed, StorageFull, StoreInUse
from knowledge.schema import STEPS

VERSION = len(STEPS)
BUSY_SECONDS = 10


class Store:
    """A SQLite file, used by any number of threads of one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()
        self._lending = threading.Lock()  # another one, so that readers do not wait for a transaction
        self._writer: sqlite3.Connection | None = None
        self._readers: list[sqlite3.Connection] = []

    def open(self, update: bool = True) -> None:
        """Open or make the file; raises `KnowledgeError` when it is damaged, or newer than this program.

        `update` False: another process has it, so its tables stay as they are, and one that is older is refused too.
        """
        with told(self.path), disk.told(self.path.parent):
            # Made here, so that it is nobody else's to read; SQLite gives its other files the same rights.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            writer = self._connect()
            try:
                self._prepare(writer, update)
            except BaseException:
                writer.close()
                raise
            self._writer = writer

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def _prepare(self, writer: sqlite3.Connection, update: bool) -> None:
        version = writer.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise KnowledgeError(
                f"{self.path} was written by a newer version of this program (schema {version}, not {VERSION}): update"
                " the program, or use another --data-dir; the file was not touched"
            )
        if not version and writer.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
            raise KnowledgeError(f"{self.path} is a database of another program: use another --data-dir; it was not touched")
        if version < VERSION and not update:
            raise KnowledgeError(
                f"{self.path} is in use by an older version of this program (schema {version}, not {VERSION}): stop that first"
            )
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("PRAGMA synchronous=FULL")
        if 0 < version < VERSION:
            copy(writer, self.path.with_name(f"{self.path.name}.schema-{version}"))
        if version < VERSION:
            _update(writer, version)

    def is_new(self) -> bool:
        """Whether nothing was ever stored: there is no file, or an empty one."""
        with contextlib.suppress(FileNotFoundError):
            return not self.path.stat().st_size
        return True

    def close(self) -> None:
        """Close all connections; one that is being read closes when it is given back."""
        with self._writing, self._lending:
            writer, self._writer = self._writer, None
            readers, self._readers = self._readers, []
            for connection in [*readers, *([writer] if writer else [])]:
                connection.close()

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for reading, on one snapshot of the file."""
        with told(self.path):
            connection = self._lend()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                self._take_back(connection)

    def _lend(self) -> sqlite3.Connection:
        with self._lending:
            if self._writer is None:
                raise KnowledgeError("the knowledge store is closed")
            if self._readers:
                return self._readers.pop()
        return self._connect()

    def _take_back(self, connection: sqlite3.Connection) -> None:
        connection.rollback()
        with self._lending:
            if self._writer is not None:
                self._readers.append(connection)
                return
        connection.close()

    @contextlib.contextmanager
    def write(self, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Lend the writing connection in a transaction: committed at the end, rolled back by an exception."""
        with self._writing, told(self.path):
            if self._writer is None:
                raise KnowledgeError("the knowledge store is closed")
            self._writer.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # a full disk ends the transaction by itself
                    self._writer.execute("ROLLBACK")
                raise


def copy(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the database as it is at one moment to a file of its own, whole and on the disk or not there at all.

    What is at `target` is replaced. Others read and write the database meanwhile. Raises `sqlite3.Error`, `OSError`.
    """
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copied:
            connection.backup(copied)
            copied.execute("PRAGMA journal_mode=DELETE")  # one file is all there is
        disk.flush(part)
        part.replace(target)
        disk.flush(target.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _update(writer: sqlite3.Connection, version: int) -> None:
    """Bring a file of `version` (0: an empty one) to the present one, in one transaction: all of it or nothing."""
    try:
        writer.executescript(f"BEGIN IMMEDIATE;{''.join(STEPS[version:])}PRAGMA user_version={VERSION};COMMIT;")
    except sqlite3.Error:
        if writer.in_transaction:
            writer.rollback()
        raise


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into the room's."""
    try:
        yield
    except sqlite3.Error as error:
        raise _error(path, error) from error


def _error(path: Path, error: sqlite3.Error) -> KnowledgeError:
    # Extended codes keep the primary one in their low byte. A misuse of the module has no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(f"the disk of {path.parent} is full; documents already stored stay readable")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreInUse(f"another program is writing to {path}")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return StorageFailed(f"{path} cannot be read or written ({error}): check the disk and the file's rights")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StorageFailed(
            f"{path} is damaged ({error}); it was not changed: restore it from a backup, or move it away to start empty"
        )
    return StorageFailed(f"{path} could not be used: {error}")
