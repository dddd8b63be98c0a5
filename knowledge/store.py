"""The database file: the only truth about what is kept; everything else is made from it again.

Opens it, makes its tables, hands out connections, and says in the room's own errors what SQLite says in its own. It
does not know what the rows mean: `catalog.py` and `jobs.py` do.

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

from knowledge import term_rows
from knowledge.base import KnowledgeError, StorageFull, StoreInUse

BUSY_SECONDS = 10

SCHEMA = """
CREATE TABLE bases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,
    embedder TEXT NOT NULL DEFAULT ''
);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    base_id INTEGER NOT NULL REFERENCES bases(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    characters INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    pages INTEGER,
    version INTEGER NOT NULL,
    added REAL NOT NULL,
    warnings TEXT NOT NULL,
    UNIQUE (base_id, name)
);
CREATE INDEX documents_sha256 ON documents(sha256);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    page INTEGER,
    headings TEXT NOT NULL,
    first_line INTEGER,
    last_line INTEGER,
    tokens INTEGER NOT NULL,
    vector BLOB NOT NULL
);
CREATE INDEX chunks_document ON chunks(document_id);
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    base_id INTEGER NOT NULL REFERENCES bases(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    stage TEXT NOT NULL,
    part REAL NOT NULL DEFAULT 0,
    chunks INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    detail TEXT NOT NULL DEFAULT '',
    code TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL AS (stage IN ('ready', 'skipped', 'failed', 'cancelled'))
);
CREATE INDEX jobs_base ON jobs(base_id, id);
CREATE INDEX jobs_sha256 ON jobs(sha256);
CREATE VIEW job_rows AS
    SELECT j.id, b.name AS base, j.name, j.size, j.stage, j.part, j.chunks, j.seconds, j.detail, j.code,
        j.base_id, j.sha256, j.done
    FROM jobs j JOIN bases b ON b.id = j.base_id;
CREATE VIEW document_rows AS
    SELECT d.id, b.name AS base, d.name, d.sha256, d.size, d.characters, d.chunks, d.pages, d.version, d.added,
        d.warnings, d.base_id
    FROM documents d JOIN bases b ON b.id = d.base_id;
CREATE VIEW passage_rows AS
    SELECT c.id, c.text, b.name AS base, c.document_id, d.name, c.page, c.headings, c.first_line, c.last_line, c.tokens
    FROM chunks c JOIN documents d ON d.id = c.document_id JOIN bases b ON b.id = d.base_id;
"""

STEPS = (SCHEMA, term_rows.SCHEMA)
"""What each version of the schema adds to the one before, in one transaction each."""

VERSION = len(STEPS)


class Store:
    """A SQLite file, used by any number of threads of one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()
        self._lending = threading.Lock()  # another one, so that readers do not wait for a transaction
        self._writer: sqlite3.Connection | None = None
        self._readers: list[sqlite3.Connection] = []

    def open(self) -> None:
        """Open or make the file; raises `KnowledgeError` when it is damaged, or newer than this program."""
        with _told(self.path):
            # Made here, so that it is nobody else's to read; SQLite gives its other files the same rights.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            writer = self._connect()
            try:
                self._prepare(writer)
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

    def _prepare(self, writer: sqlite3.Connection) -> None:
        version = writer.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise KnowledgeError(
                f"{self.path} was written by a newer version of this program (schema {version}, not {VERSION}): update"
                " the program, or use another --data-dir; the file was not touched"
            )
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("PRAGMA synchronous=FULL")
        for number, step in enumerate(STEPS[version:], version + 1):
            writer.executescript(f"BEGIN IMMEDIATE;{step}PRAGMA user_version={number};COMMIT;")

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
        with _told(self.path):
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
        with self._writing, _told(self.path):
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


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
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
        return KnowledgeError(f"{path} cannot be read or written ({error}): check the disk and the file's rights")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return KnowledgeError(
            f"{path} is damaged ({error}); it was not changed: restore it from a backup, or move it away to start empty"
        )
    return KnowledgeError(f"{path} could not be used: {error}")
