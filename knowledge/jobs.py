"""The table of ingest jobs: what was handed in, how far it is, how it ended. Who works on them, it does not know."""

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from knowledge import entry_rows
from knowledge.base import FINAL, Job, KnowledgeError, Stage, TooLarge
from knowledge.file_base import Cut
from knowledge.store import Store

MOST_WAITING = 10_000
"""Files that wait to be read, in all knowledge bases together."""

KEPT = 200
"""Finished jobs of a base that are remembered; older ones are forgotten."""

CRASHES = 3
"""A file during whose ingest the process died this often is not tried again by itself."""


@dataclass(frozen=True, slots=True)
class Task:
    """An unfinished job with what the worker needs to know."""

    job: Job
    base_id: int
    sha256: str
    file_id: int
    cut: Cut | None
    attempts: int
    """How often it was begun before, and not ended by the process itself."""


class Jobs:
    """Rows of `jobs`, in the order of upload."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_skipped(self, base_id: int, name: str, sha256: str, size: int) -> Job:
        """Add a job that is done because the document is there already."""
        with self._store.write(durable=False) as connection:
            job = add(connection, base_id, name, sha256, size, stage="skipped", detail="unchanged")
            _prune(connection, base_id)
            return job

    def get(self, number: int) -> Job:
        """Return a job; raises `KnowledgeError` when there is none of this number."""
        with self._store.read() as connection:
            return _get(connection, number)

    def of(self, base_id: int) -> list[Job]:
        """Return the jobs of a base."""
        with self._store.read() as connection:
            rows = connection.execute("SELECT * FROM job_rows WHERE base_id = ? ORDER BY id", (base_id,))
            return [_job(row) for row in rows]

    def next(self, resting: Collection[int] = (), most: int = 1) -> list[Task]:
        """Return the oldest jobs that are not done, without those that rest and what came after them under their names."""
        query = (
            "SELECT r.*, (SELECT attempts FROM jobs WHERE id = r.id) FROM job_rows r WHERE NOT done AND NOT EXISTS"
            " (SELECT 1 FROM jobs j, json_each(?) AS rests WHERE j.id = rests.value AND j.base_id = r.base_id"
            " AND j.name = r.name AND j.id <= r.id) ORDER BY id LIMIT ?"
        )
        with self._store.read() as connection:
            rows = connection.execute(query, (json.dumps(sorted(resting)), most)).fetchall()
        return [_task(row) for row in rows]

    def unfinished(self) -> int:
        """Return how many files of all bases wait or are worked on."""
        with self._store.read() as connection:
            return int(connection.execute("SELECT count(*) FROM jobs WHERE NOT done").fetchone()[0])

    def refuse_long_queue(self, more: int = 1) -> None:
        """Raise `TooLarge` when no `more` files can wait."""
        if self.unfinished() + more > MOST_WAITING:
            raise TooLarge(f"{MOST_WAITING:,} files are waiting to be read already: try again when some are done")

    def waits(self, base_id: int, name: str) -> bool:
        """Return whether a file of this name waits or is worked on."""
        with self._store.read() as connection:
            query = "SELECT 1 FROM jobs WHERE base_id = ? AND name = ? AND NOT done LIMIT 1"
            return connection.execute(query, (base_id, name)).fetchone() is not None

    def begin(self, number: int) -> None:
        """Count an attempt, before anything of the file is touched."""
        with self._store.write(durable=False) as connection:
            connection.execute("UPDATE jobs SET attempts = attempts + 1 WHERE id = ?", (number,))

    def note(self, job: Job) -> bool:
        """Write how far a job is, or how it ended; False when it was done (cancelled, removed) already."""
        with self._store.write(durable=False) as connection:
            return note(connection, job)

    def again(self, number: int, attempts: int | None = None) -> Job:
        """Put a job back to waiting; `attempts` None: the one that was begun is not counted."""
        with self._store.write() as connection:
            return again(connection, number, attempts)

    def rest(self, number: int, detail: str, code: str) -> bool:
        """Put a job back to waiting, with the reason why its try failed, which is not counted; False when it was done."""
        with self._store.write(durable=False) as connection:
            changed = connection.execute(
                "UPDATE jobs SET stage = 'waiting', part = 0, detail = ?, code = ?, attempts = max(attempts - 1, 0)"
                " WHERE id = ? AND NOT done",
                (detail, code, number),
            )
            return changed.rowcount > 0

    def dismiss(self, base_id: int) -> list[str]:
        """Forget the finished jobs of a base; returns the hashes they referred to."""
        with self._store.write(durable=False) as connection:
            rows = connection.execute("DELETE FROM jobs WHERE base_id = ? AND done RETURNING sha256", (base_id,)).fetchall()
            entry_rows.drop_left(connection, base_id)
            return [sha256 for (sha256,) in rows]

    def resume(self) -> None:
        """Put what a dead process left unfinished back to waiting, or fail it when it was one crash too many."""
        with self._store.write() as connection:
            connection.execute(
                "UPDATE jobs SET stage = 'failed', code = 'interrupted', detail = ? WHERE attempts >= ? AND NOT done",
                (f"the server stopped {CRASHES} times while it worked on this file", CRASHES),
            )
            connection.execute("UPDATE jobs SET stage = 'waiting', part = 0, detail = '', code = '' WHERE NOT done")


def add(
    connection: sqlite3.Connection,
    base_id: int,
    name: str,
    sha256: str,
    size: int,
    file_id: int | None = None,
    stage: Stage = "waiting",
    detail: str = "",
) -> Job:
    """Add a job within a transaction; `file_id`: the file that becomes a document, whose entry is there."""
    values = (base_id, name, sha256, size, file_id, stage, float(stage in FINAL), detail)
    number = connection.execute(
        "INSERT INTO jobs (base_id, name, sha256, size, file_id, stage, part, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values
    ).lastrowid
    return _get(connection, number or 0)


def again(connection: sqlite3.Connection, number: int, attempts: int | None = None) -> Job:
    """Put a job back to waiting within a transaction; `attempts` None: the one that was begun is not counted."""
    connection.execute(
        "UPDATE jobs SET stage = 'waiting', part = 0, chunks = 0, seconds = 0, detail = '', code = '',"
        " attempts = coalesce(?, max(attempts - 1, 0)) WHERE id = ?",
        (attempts, number),
    )
    return _get(connection, number)


def latest(connection: sqlite3.Connection, base_id: int, file_id: int) -> Job | None:
    """Return the latest job of a file in a base within a transaction."""
    query = "SELECT * FROM job_rows WHERE base_id = ? AND file_id = ? ORDER BY id DESC LIMIT 1"
    row = connection.execute(query, (base_id, file_id)).fetchone()
    return _job(row) if row else None


def note(connection: sqlite3.Connection, job: Job) -> bool:
    """Write the state of a job within a transaction; False when it was done already."""
    values: tuple[Any, ...] = (job.stage, job.part, job.chunks, job.seconds, job.detail, job.code, job.id)
    changed = connection.execute(
        "UPDATE jobs SET stage = ?, part = ?, chunks = ?, seconds = ?, detail = ?, code = ?"
        " WHERE id = ? AND NOT done RETURNING base_id",
        values,
    ).fetchall()
    if changed and job.done:
        _prune(connection, changed[0][0])
    return bool(changed)


def forget(connection: sqlite3.Connection, base_id: int, name: str) -> list[tuple[int, str]]:
    """Forget all jobs of a name within a transaction, done or not; returns number and hash of each."""
    rows = connection.execute("DELETE FROM jobs WHERE base_id = ? AND name = ? RETURNING id, sha256", (base_id, name))
    return list(rows.fetchall())


def forget_file(connection: sqlite3.Connection, base_id: int, file_id: int) -> list[int]:
    """Forget all jobs of a file in a base within a transaction, done or not; returns their numbers."""
    rows = connection.execute("DELETE FROM jobs WHERE base_id = ? AND file_id = ? RETURNING id", (base_id, file_id))
    return [number for (number,) in rows.fetchall()]


def _get(connection: sqlite3.Connection, number: int) -> Job:
    row = connection.execute("SELECT * FROM job_rows WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise KnowledgeError(f"there is no job {number}")
    return _job(row)


def _job(row: tuple[Any, ...]) -> Job:
    return Job(*row[:10])


def _task(row: tuple[Any, ...]) -> Task:
    base_id, sha256, _, file_id, tokens, overlap, attempts = row[10:]
    return Task(_job(row), base_id, sha256, file_id, Cut(tokens, overlap) if tokens is not None else None, attempts)


def _prune(connection: sqlite3.Connection, base_id: int) -> None:
    """Forget old finished jobs. Those that say why a file that was uploaded by itself failed stay as long as the file."""
    rows = connection.execute(
        "DELETE FROM jobs WHERE base_id = ? AND done AND id <= (SELECT id FROM jobs"
        " WHERE base_id = ? AND done ORDER BY id DESC LIMIT 1 OFFSET ?) AND (stage IN ('ready', 'skipped')"
        " OR NOT EXISTS (SELECT 1 FROM files f WHERE f.id = jobs.file_id AND f.uploaded)) RETURNING file_id",
        (base_id, base_id, KEPT),
    ).fetchall()
    files = [number for (number,) in rows if number is not None]
    if files:
        entry_rows.drop_left(connection, base_id, files)
