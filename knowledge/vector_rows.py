"""The table of vectors by the next embedding model, until there is one for every chunk of a base and they take the place
of the present ones. Every function works within one connection's transaction; who makes vectors, it does not know.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SCHEMA = """
ALTER TABLE bases ADD COLUMN embedder_path TEXT;
ALTER TABLE bases ADD COLUMN next_embedder TEXT NOT NULL DEFAULT '';
CREATE TABLE next_vectors (
    chunk_id INTEGER PRIMARY KEY REFERENCES chunks(id) ON DELETE CASCADE,
    vector BLOB NOT NULL
);
"""
"""`embedder_path`: where the model of the vectors was loaded from, '' the packaged one, NULL where that is not known."""


@dataclass(frozen=True, slots=True)
class Made:
    """By which model a base's vectors are made, where that was loaded from, and which are wanted, "" for no others."""

    base_id: int
    name: str
    embedder: str
    path: str | None
    next: str


def bases(connection: sqlite3.Connection) -> list[Made]:
    """Return all bases that hold documents."""
    rows = connection.execute(
        "SELECT id, name, embedder, embedder_path, next_embedder FROM bases"
        " WHERE EXISTS (SELECT 1 FROM documents WHERE base_id = bases.id) ORDER BY folded"
    )
    return [Made(*row) for row in rows]


def counts(connection: sqlite3.Connection, base_id: int) -> tuple[int, int]:
    """Return how many chunks a base has, and how many next vectors."""
    chunks = connection.execute("SELECT coalesce(sum(chunks), 0) FROM documents WHERE base_id = ?", (base_id,))
    done = connection.execute(
        "SELECT count(*) FROM next_vectors n JOIN chunks c ON c.id = n.chunk_id JOIN documents d ON d.id = c.document_id"
        " WHERE d.base_id = ?",
        (base_id,),
    )
    return chunks.fetchone()[0], done.fetchone()[0]


def begin(connection: sqlite3.Connection, base_id: int, embedder: str) -> None:
    """Want vectors of a model for a base; what there is of them already counts, of another model's it goes."""
    if wanted(connection, base_id) != embedder:
        stop(connection, base_id)
        connection.execute("UPDATE bases SET next_embedder = ? WHERE id = ?", (embedder, base_id))


def stop(connection: sqlite3.Connection, base_id: int) -> None:
    """Want no other vectors for a base than it has."""
    connection.execute(
        "DELETE FROM next_vectors WHERE chunk_id IN"
        " (SELECT c.id FROM chunks c JOIN documents d ON d.id = c.document_id WHERE d.base_id = ?)",
        (base_id,),
    )
    connection.execute("UPDATE bases SET next_embedder = '' WHERE id = ?", (base_id,))


def wanted(connection: sqlite3.Connection, base_id: int) -> str:
    """Return the model whose vectors a base shall get, "" for none; so too for a base that is gone."""
    row = connection.execute("SELECT next_embedder FROM bases WHERE id = ?", (base_id,)).fetchone()
    return str(row[0]) if row else ""


def waiting(
    connection: sqlite3.Connection, base_id: int, many: int, after: int = 0
) -> list[tuple[int, str, tuple[str, ...], str]]:
    """Return id, document's name, headings and text of some chunks, of ids above `after`, that have no next vector yet."""
    rows = connection.execute(
        # CROSS JOIN: in the order of the chunks' ids, so that it ends after `many` of them.
        "SELECT c.id, d.name, c.headings, c.text FROM chunks c CROSS JOIN documents d ON d.id = c.document_id"
        " WHERE c.id > ? AND d.base_id = ? AND NOT EXISTS (SELECT 1 FROM next_vectors WHERE chunk_id = c.id)"
        " ORDER BY c.id LIMIT ?",
        (after, base_id, many),
    )
    return [(number, name, tuple(json.loads(headings)), text) for number, name, headings, text in rows]


def put(connection: sqlite3.Connection, ids: Sequence[int], vectors: npt.NDArray[np.float16]) -> None:
    """Store next vectors of those of these chunks that still exist."""
    rows = ((vector.tobytes(), number) for number, vector in zip(ids, vectors, strict=True))
    connection.executemany("INSERT OR REPLACE INTO next_vectors SELECT id, ? FROM chunks WHERE id = ?", rows)


def switch(connection: sqlite3.Connection, base_id: int, embedder: str, path: str | None) -> bool:
    """Let the next vectors be the present ones; False when these are not wanted any more, or some are not there yet."""
    if wanted(connection, base_id) != embedder or waiting(connection, base_id, 1):
        return False
    connection.execute(
        "UPDATE chunks SET vector = (SELECT vector FROM next_vectors WHERE chunk_id = chunks.id)"
        " WHERE document_id IN (SELECT id FROM documents WHERE base_id = ?)",
        (base_id,),
    )
    connection.execute(
        "UPDATE documents SET bytes = (SELECT coalesce(sum(length(CAST(text AS BLOB)) + length(vector)), 0) FROM chunks"
        " WHERE document_id = documents.id) WHERE base_id = ?",
        (base_id,),
    )
    stop(connection, base_id)
    connection.execute("UPDATE bases SET embedder = ?, embedder_path = ? WHERE id = ?", (embedder, path, base_id))
    return True
