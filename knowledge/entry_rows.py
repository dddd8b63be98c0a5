"""The tables of entries, which are files in a base, and of batches. Every function works within one transaction.

What an index or the worker is, it does not know; `shelf.py` changes them together with these rows.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from knowledge import tokens
from knowledge.base import UnknownDocument
from knowledge.file_base import Batch, Counts, Cut, Entry, Part, Value, Window
from knowledge.listing import part


def add_entry(connection: sqlite3.Connection, base_id: int, file_id: int, name: str, cut: Cut) -> None:
    """Put a file into a base as the document `name`."""
    connection.execute(
        "INSERT INTO entries (base_id, file_id, name, chunk_tokens, chunk_overlap, added) VALUES (?, ?, ?, ?, ?, ?)",
        (base_id, file_id, name, cut.tokens, cut.overlap, time.time()),
    )


def free_name(connection: sqlite3.Connection, base_id: int, name: str) -> str:
    """Return `name`, or `name (2)` and so on, so that no other file of the base has a document of it."""
    path, wanted, number = PurePath(name), name, 1
    while connection.execute("SELECT 1 FROM entries WHERE base_id = ? AND name = ?", (base_id, wanted)).fetchone():
        number += 1
        wanted = f"{path.stem} ({number}){path.suffix}"
    return wanted


def entry_count(connection: sqlite3.Connection, base_id: int) -> int:
    """Return how many files are in a base, whatever became of them."""
    return int(connection.execute("SELECT count(*) FROM entries WHERE base_id = ?", (base_id,)).fetchone()[0])


def find_entry(connection: sqlite3.Connection, base_id: int, file_id: int) -> Entry | None:
    """Return the entry of a file in a base, if it is there."""
    row = connection.execute("SELECT * FROM entry_rows WHERE base_id = ? AND file_id = ?", (base_id, file_id)).fetchone()
    return _entry(row) if row else None


def entry(connection: sqlite3.Connection, base_id: int, token: str) -> Entry:
    """Return the entry of the file of an id; raises `UnknownDocument`."""
    row = connection.execute("SELECT * FROM entry_rows WHERE base_id = ? AND token = ?", (base_id, token)).fetchone()
    if row is None:
        raise UnknownDocument("there is no file of this id in this knowledge base (vector store)")
    return _entry(row)


def entry_list(
    connection: sqlite3.Connection, base_id: int, window: Window, status: str = "", batch_id: int | None = None
) -> Part[Entry]:
    """Return a part of the files in a base; `status` "": of any, `batch_id` None: of any batch or none."""
    query = (
        "SELECT * FROM entry_rows WHERE base_id = :base AND (:status = '' OR status = :status)"
        " AND (:batch IS NULL OR batch_id = :batch)"
    )
    values = {"base": base_id, "status": status, "batch": batch_id}
    place = "SELECT id FROM entry_rows WHERE token = :token AND base_id = :base"
    return part(connection, query, values, window, _entry, place)


def _entry(row: tuple[Any, ...]) -> Entry:
    token, base, name, document, added, attributes, size, overlap, status, stored, code, detail = row[:12]
    cut = Cut(size, overlap) if size is not None else None
    return Entry(token, base, name, document, added, json.loads(attributes), cut, status, stored, code, detail)


def attributes_of(connection: sqlite3.Connection, base_id: int) -> list[tuple[int, Mapping[str, Value]]]:
    """Return the ids of the documents of a base and their attributes."""
    rows = connection.execute(
        "SELECT d.id, e.attributes FROM documents d JOIN entries e ON e.base_id = d.base_id AND e.file_id = d.file_id"
        " WHERE d.base_id = ?",
        (base_id,),
    )
    return [(number, json.loads(attributes)) for number, attributes in rows]


def entries_of(connection: sqlite3.Connection, documents: Iterable[int]) -> dict[int, Entry]:
    """Return the entries of documents by the documents' ids; one that is gone is left out."""
    rows = connection.execute(
        "SELECT r.*, r.document_id FROM documents d JOIN entry_rows r ON r.base_id = d.base_id AND r.file_id = d.file_id"
        " WHERE d.id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(set(documents))),),
    )
    return {row[-1]: _entry(row) for row in rows}


def set_attributes(connection: sqlite3.Connection, base_id: int, file_id: int, attributes: Mapping[str, Value]) -> None:
    """Replace the attributes of a file in a base."""
    text = json.dumps(dict(attributes), ensure_ascii=False)
    connection.execute("UPDATE entries SET attributes = ? WHERE base_id = ? AND file_id = ?", (text, base_id, file_id))


def set_cut(connection: sqlite3.Connection, base_id: int, file_id: int, cut: Cut) -> None:
    """Write down how the document of a file is cut."""
    connection.execute(
        "UPDATE entries SET chunk_tokens = ?, chunk_overlap = ? WHERE base_id = ? AND file_id = ?",
        (cut.tokens, cut.overlap, base_id, file_id),
    )


def adopt(connection: sqlite3.Connection, base_id: int, document_id: int, file_id: int) -> None:
    """Let a document be that of another file, which has the same bytes; the entry of the one before goes."""
    row = connection.execute("SELECT file_id FROM documents WHERE id = ?", (document_id,)).fetchone()
    if row is None or row[0] == file_id or find_entry(connection, base_id, file_id) is None:
        return
    connection.execute(
        "UPDATE entries SET (chunk_tokens, chunk_overlap) = (SELECT chunk_tokens, chunk_overlap FROM entries"
        " WHERE base_id = :base AND file_id = :old) WHERE base_id = :base AND file_id = :new",
        {"base": base_id, "old": row[0], "new": file_id},
    )
    connection.execute("UPDATE documents SET file_id = ? WHERE id = ?", (file_id, document_id))
    drop_entry(connection, base_id, row[0])


def drop_entry(connection: sqlite3.Connection, base_id: int, file_id: int | None) -> None:
    """Take a file out of a base; one that was not uploaded by itself goes with its last entry."""
    connection.execute("DELETE FROM entries WHERE base_id = ? AND file_id = ?", (base_id, file_id))


def drop_named(connection: sqlite3.Connection, base_id: int, name: str) -> None:
    """Take the files of a document's name out of a base, those too that did not become it."""
    connection.execute("DELETE FROM entries WHERE base_id = ? AND name = ?", (base_id, name))


def bases_of(connection: sqlite3.Connection, file_id: int) -> list[int]:
    """Return the numbers of the bases that a file is in."""
    rows = connection.execute("SELECT base_id FROM entries WHERE file_id = ? ORDER BY base_id", (file_id,))
    return [number for (number,) in rows.fetchall()]


def drop_left(connection: sqlite3.Connection, base_id: int, file_ids: Iterable[int] | None = None) -> None:
    """Drop those entries of a base that neither a document nor a job stands for; `file_ids`: look at these only."""
    connection.execute(
        "DELETE FROM entries WHERE base_id = :base AND (:all OR file_id IN (SELECT value FROM json_each(:files)))"
        " AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.file_id = entries.file_id AND d.base_id = :base)"
        " AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.file_id = entries.file_id AND j.base_id = :base)",
        {"base": base_id, "all": file_ids is None, "files": json.dumps(list(file_ids or ()))},
    )


def add_batch(connection: sqlite3.Connection, base_id: int) -> int:
    """Add a batch; returns its number."""
    values = (tokens.batch(), base_id, time.time())
    return connection.execute("INSERT INTO batches (token, base_id, created) VALUES (?, ?, ?)", values).lastrowid or 0


def set_batch(connection: sqlite3.Connection, base_id: int, file_id: int, batch_id: int) -> None:
    """Count a file of a base among those of a batch."""
    connection.execute("UPDATE entries SET batch_id = ? WHERE base_id = ? AND file_id = ?", (batch_id, base_id, file_id))


def batch(connection: sqlite3.Connection, number: int) -> Batch:
    """Return the batch of a number."""
    token, base, created, cancelled = connection.execute(
        "SELECT c.token, b.token, c.created, c.cancelled FROM batches c JOIN bases b ON b.id = c.base_id WHERE c.id = ?",
        (number,),
    ).fetchone()
    return Batch(token, base, created, bool(cancelled), counts_of_batch(connection, number))


def batch_number(connection: sqlite3.Connection, base_id: int, token: str) -> int:
    """Return the number of the batch of an id; raises `UnknownDocument`."""
    row = connection.execute("SELECT id FROM batches WHERE token = ? AND base_id = ?", (token, base_id)).fetchone()
    if row is None:
        raise UnknownDocument("there is no file batch of this id in this knowledge base (vector store)")
    return int(row[0])


def cancel_batch(connection: sqlite3.Connection, number: int) -> list[int]:
    """Mark a batch as cancelled, unless all of it is done; returns the numbers of its jobs that are not."""
    rows = connection.execute(
        "SELECT j.id FROM entries e JOIN jobs j ON j.base_id = e.base_id AND j.file_id = e.file_id WHERE e.batch_id = ?"
        " AND NOT j.done",
        (number,),
    ).fetchall()
    if rows:
        connection.execute("UPDATE batches SET cancelled = 1 WHERE id = ?", (number,))
    return [job for (job,) in rows]


def counts_of_base(connection: sqlite3.Connection, base_id: int) -> Counts:
    """Return how many files of each status are in a base."""
    rows = connection.execute("SELECT status, count(*) FROM entry_rows WHERE base_id = ? GROUP BY status", (base_id,))
    return Counts(**dict(rows.fetchall()))


def counts_of_batch(connection: sqlite3.Connection, batch_id: int) -> Counts:
    """Return how many files of each status are left of a batch."""
    rows = connection.execute("SELECT status, count(*) FROM entry_rows WHERE batch_id = ? GROUP BY status", (batch_id,))
    return Counts(**dict(rows.fetchall()))
