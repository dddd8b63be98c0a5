"""The table of chunks as an index is filled from it: their ids, their vectors, and which of them are switched off.

Every function reads or writes within one connection's transaction. Texts it does not know.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from knowledge.base import UnknownDocument

ROWS = 4096


def ids(connection: sqlite3.Connection, number: int) -> set[int]:
    """Return the ids of all chunks of a base that are not switched off: what its index holds."""
    query = "SELECT c.id FROM chunks c JOIN documents d ON d.id = c.document_id WHERE d.base_id = ?"
    return {chunk for (chunk,) in connection.execute(query, (number,))} - switched_off(connection, number)


def switched_off(connection: sqlite3.Connection, number: int) -> frozenset[int]:
    """Return the ids of the chunks of a base that are switched off."""
    query = "SELECT c.id FROM documents d JOIN chunks c ON c.document_id = d.id WHERE d.base_id = ? AND c.switched_off"
    return frozenset(chunk for (chunk,) in connection.execute(query, (number,)))


def switch(connection: sqlite3.Connection, document_id: int, chunks: Iterable[int], off: bool) -> tuple[int, ...]:
    """Switch chunks of a document off or on, and return the ids, in order, of those that were not so already.

    Raises `UnknownDocument` when one of them is not the document's, or not any more.
    """
    wanted = json.dumps(sorted(set(chunks)))
    query = "SELECT id, switched_off FROM chunks WHERE id IN (SELECT value FROM json_each(?)) AND document_id = ? ORDER BY id"
    found = connection.execute(query, (wanted, document_id)).fetchall()
    if len(found) != len(set(chunks)):
        raise UnknownDocument("this passage is not in the document (any more): it was cut again, or removed")
    changed = tuple(chunk for chunk, before in found if bool(before) != off)
    query = "UPDATE chunks SET switched_off = ? WHERE id IN (SELECT value FROM json_each(?))"
    connection.execute(query, (off, json.dumps(changed)))
    return changed


def vectors(connection: sqlite3.Connection, number: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float16]]]:
    """Yield ids and vectors of the chunks of a base that are not switched off, some thousands at a time."""
    cursor = connection.execute(
        "SELECT c.id, c.vector FROM documents d JOIN chunks c ON c.document_id = d.id"
        " WHERE d.base_id = ? AND NOT c.switched_off",
        (number,),
    )
    while rows := cursor.fetchmany(ROWS):
        ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        yield ids, np.frombuffer(b"".join(row[1] for row in rows), dtype=np.float16).reshape(len(rows), -1)


def stamps(connection: sqlite3.Connection, number: int) -> dict[int, tuple[str, float, int, int, int]]:
    """Return of each document in a base what changes whenever its chunks do: hash, time, chunks, first and last id.

    Chunks are written once and never changed but for being switched off, which `switched_off` tells; so documents of equal
    stamps have equal chunks. Within a document the ids follow one another.
    """
    rows = connection.execute(
        "SELECT d.id, d.sha256, d.added, count(c.id), coalesce(min(c.id), 0), coalesce(max(c.id), -1) FROM documents d"
        " LEFT JOIN chunks c ON c.document_id = d.id WHERE d.base_id = ? GROUP BY d.id",
        (number,),
    )
    return {row[0]: row[1:] for row in rows}


def vectors_from(connection: sqlite3.Connection, chunks: Sequence[int]) -> npt.NDArray[np.float16]:
    """Return the vectors of chunks in the order of their ids, shape (chunks, dimension); (0, 0) of none."""
    query = "SELECT vector FROM chunks WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
    rows = connection.execute(query, (json.dumps(list(chunks)),)).fetchall()
    if not rows:
        return np.empty((0, 0), dtype=np.float16)
    return np.frombuffer(b"".join(row[0] for row in rows), dtype=np.float16).reshape(len(rows), -1)
