"""The table of the terms of each chunk, for lexical search. Every function works within one connection's transaction.

A row goes with its chunk. Chunks of an older database have none (it is older than this table, or its terms were others):
`missing` counts them and `fill` makes theirs.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence

from knowledge import terms

SCHEMA = """
CREATE TABLE chunk_terms (
    chunk_id INTEGER PRIMARY KEY REFERENCES chunks(id) ON DELETE CASCADE,
    terms BLOB NOT NULL
);
"""

ANEW = "DELETE FROM chunk_terms;"
"""The step of a version whose terms differ from those before it: `fill` makes them all again."""

ROWS = 4096


def put(connection: sqlite3.Connection, ids: Sequence[int], packed: Sequence[bytes]) -> None:
    """Store the packed terms of chunks that have none."""
    connection.executemany("INSERT INTO chunk_terms (chunk_id, terms) VALUES (?, ?)", zip(ids, packed, strict=True))


def batches(connection: sqlite3.Connection, base_id: int) -> Iterator[tuple[list[int], list[bytes]]]:
    """Yield ids, in order, and packed terms of the chunks of a base that are not switched off, some thousands at a time."""
    cursor = connection.execute(
        "SELECT t.chunk_id, t.terms FROM chunk_terms t JOIN chunks c ON c.id = t.chunk_id"
        " JOIN documents d ON d.id = c.document_id WHERE d.base_id = ?"
        # By the index of those that are off, which are few: no row of a chunk is read.
        " AND t.chunk_id NOT IN (SELECT id FROM chunks WHERE switched_off) ORDER BY t.chunk_id",
        (base_id,),
    )
    while rows := cursor.fetchmany(ROWS):
        yield [row[0] for row in rows], [row[1] for row in rows]


def of_chunks(connection: sqlite3.Connection, chunks: Sequence[int]) -> list[bytes]:
    """Return the packed terms of chunks in the order of their ids."""
    query = "SELECT terms FROM chunk_terms WHERE chunk_id IN (SELECT value FROM json_each(?)) ORDER BY chunk_id"
    return [row[0] for row in connection.execute(query, (json.dumps(list(chunks)),))]


def chunk_ids(connection: sqlite3.Connection, base_id: int) -> set[int]:
    """Return the ids of the chunks of a base that have terms and are not switched off."""
    query = (
        "SELECT t.chunk_id FROM chunk_terms t JOIN chunks c ON c.id = t.chunk_id"
        " JOIN documents d ON d.id = c.document_id WHERE d.base_id = ? AND NOT c.switched_off"
    )
    return {row[0] for row in connection.execute(query, (base_id,))}


def missing(connection: sqlite3.Connection) -> int:
    """Return how many chunks have no terms yet."""
    return int(connection.execute("SELECT (SELECT count(*) FROM chunks) - (SELECT count(*) FROM chunk_terms)").fetchone()[0])


def fill(connection: sqlite3.Connection, after: int) -> list[int]:
    """Make the terms of some thousand chunks that have none, of ids above `after`; return their ids, in order."""
    rows = connection.execute(
        "SELECT c.id, c.text, c.headings, d.name FROM chunks c JOIN documents d ON d.id = c.document_id"
        " WHERE c.id > ? AND NOT EXISTS (SELECT 1 FROM chunk_terms WHERE chunk_id = c.id) ORDER BY c.id LIMIT ?",
        (after, ROWS),
    ).fetchall()
    packed = [terms.pack(terms.of_passage(name, json.loads(headings), text)) for _, text, headings, name in rows]
    ids = [row[0] for row in rows]
    put(connection, ids, packed)
    return ids
