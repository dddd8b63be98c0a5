"""The tables of bases, documents and their passages. Every function reads or writes within one connection's transaction.

What an index, an original or a job's worker is, it does not know; `shelf.py` changes them together with these rows. What an
index is filled from is in `chunk_rows.py` and `term_rows.py`.
"""

import functools
import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge import base_rows, entry_rows, names, tokens
from knowledge.base import (
    BadName,
    BaseInfo,
    Document,
    EmbedderMismatch,
    Locator,
    Passage,
    Source,
    UnknownBase,
    UnknownDocument,
)
from knowledge.chunking import Chunk
from knowledge.embeddings import short_name

Halves = npt.NDArray[np.float16]
"""Vectors as they are stored: float16 keeps the cosine to 0.0005, in half the space."""

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document about to be stored: its facts, its chunks, their vectors and packed terms, in the same order."""

    base_id: int
    file_id: int
    name: str
    sha256: str
    size: int
    characters: int
    pages: int | None
    warnings: tuple[str, ...]
    chunks: Sequence[Chunk]
    vectors: Halves
    terms: Sequence[bytes]
    embedder: str
    added: float
    embedder_path: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a transaction did: ids of chunks that are gone and that came, and the hashes that may be unused now."""

    gone: tuple[int, ...] = ()
    came: tuple[int, ...] = ()
    hashes: tuple[str, ...] = ()


def bases(connection: sqlite3.Connection, embedder: str | None) -> list[BaseInfo]:
    """Return all bases by name; `embedder` is the identity of the present one, None while it is not known."""
    rows = connection.execute(
        "SELECT b.name, count(d.id), coalesce(sum(d.chunks), 0), b.embedder FROM bases b"
        " LEFT JOIN documents d ON d.base_id = b.id GROUP BY b.id ORDER BY b.folded"
    )
    return [
        BaseInfo(name, documents, chunks, short_name(made_by), bool(embedder and made_by != embedder))
        if documents
        else BaseInfo(name, 0, 0, "")
        for name, documents, chunks, made_by in rows
    ]


def base_id(connection: sqlite3.Connection, name: str) -> int:
    """Return the id of a base, whose name may be in any Unicode form; raises `UnknownBase`."""
    row = connection.execute("SELECT id FROM bases WHERE name = ?", (names.same(name),)).fetchone()
    if row is None:
        raise UnknownBase("there is no knowledge base of this name")
    return int(row[0])


def base_named(connection: sqlite3.Connection, given: str) -> str:
    """Return the name of the base whose id ("vs_...") or name is `given`; raises `UnknownBase`, which does not repeat it."""
    row = connection.execute(
        "SELECT name FROM bases WHERE token = :given OR name = :given ORDER BY token = :given DESC",
        {"given": names.same(given)},
    ).fetchone()
    if row is None:
        raise UnknownBase("there is no knowledge base (vector store) of this id or name")
    return str(row[0])


def base_ids(connection: sqlite3.Connection) -> list[int]:
    """Return the ids of all bases."""
    return [number for (number,) in connection.execute("SELECT id FROM bases ORDER BY id")]


def create(connection: sqlite3.Connection, name: str) -> None:
    """Add a base; raises `BadName` when there is one that differs at most in case."""
    row = connection.execute("SELECT name FROM bases WHERE folded = ?", (name.casefold(),)).fetchone()
    if row is not None:
        raise BadName("there is a knowledge base of this name already, or of one that differs in case only")
    connection.execute(
        "INSERT INTO bases (name, folded, token, created) VALUES (?, ?, ?, ?)",
        (name, name.casefold(), tokens.base(), time.time()),
    )


def made_by(connection: sqlite3.Connection, number: int) -> str | None:
    """Return the identity of the embedding model of a base; None when it holds no documents."""
    row = connection.execute(
        "SELECT embedder FROM bases WHERE id = ? AND EXISTS (SELECT 1 FROM documents WHERE base_id = bases.id)",
        (number,),
    ).fetchone()
    return str(row[0]) if row else None


def dimension(connection: sqlite3.Connection, number: int) -> int:
    """Return the length of the vectors of a base that holds documents."""
    query = "SELECT length(c.vector) FROM chunks c JOIN documents d ON d.id = c.document_id WHERE d.base_id = ? LIMIT 1"
    return int(connection.execute(query, (number,)).fetchone()[0]) // 2


def documents(connection: sqlite3.Connection, number: int) -> list[Document]:
    """Return the documents of a base by name."""
    rows = connection.execute("SELECT * FROM document_rows WHERE base_id = ? ORDER BY name", (number,))
    return [_document(row) for row in rows]


def of_file(connection: sqlite3.Connection, number: int, file_id: int) -> Document | None:
    """Return the document of a file, if it is there."""
    query = "SELECT r.* FROM documents d JOIN document_rows r ON r.id = d.id WHERE d.base_id = ? AND d.file_id = ?"
    row = connection.execute(query, (number, file_id)).fetchone()
    return _document(row) if row else None


def find(connection: sqlite3.Connection, number: int, name: str) -> Document | None:
    """Return the document of a name, if it is there."""
    row = connection.execute("SELECT * FROM document_rows WHERE base_id = ? AND name = ?", (number, name)).fetchone()
    return _document(row) if row else None


def _document(row: tuple[Any, ...]) -> Document:
    *facts, warnings, switched_off, _ = row
    return Document(*facts, warnings=tuple(json.loads(warnings)), switched_off=switched_off)  # type: ignore[misc]  # the star's last


def get(connection: sqlite3.Connection, number: int, name: str) -> Document:
    """Return the document of a name; raises `UnknownDocument`."""
    found = find(connection, number, name)
    if found is None:
        raise UnknownDocument(f"there is no document {name[:200]!r} in this knowledge base")
    return found


def others(connection: sqlite3.Connection, number: int, name: str) -> int:
    """Return how many documents of other names a base holds or is about to hold."""
    row = connection.execute(
        "SELECT count(*) FROM (SELECT name FROM documents WHERE base_id = :base UNION SELECT name FROM jobs WHERE"
        " base_id = :base AND NOT done) WHERE name != :name",
        {"base": number, "name": name},
    ).fetchone()
    return int(row[0])


def chunks_of_others(connection: sqlite3.Connection, number: int, names: Iterable[str]) -> int:
    """Return how many chunks the documents of other names in a base have."""
    query = "SELECT coalesce(sum(chunks), 0) FROM documents WHERE base_id = ? AND name NOT IN (SELECT value FROM json_each(?))"
    return int(connection.execute(query, (number, json.dumps(list(names)))).fetchone()[0])


def chunks_of(connection: sqlite3.Connection, documents: Iterable[int]) -> frozenset[int]:
    """Return the ids of all chunks of some documents."""
    query = "SELECT id FROM chunks WHERE document_id IN (SELECT value FROM json_each(?))"
    return frozenset(number for (number,) in connection.execute(query, (json.dumps(list(documents)),)))


def passages(connection: sqlite3.Connection, document_id: int) -> list[Passage]:
    """Return all passages of a document in order, with score 0, those that are switched off among them."""
    rows = connection.execute("SELECT * FROM passage_rows WHERE document_id = ? ORDER BY id", (document_id,))
    return [_passage(row, {}) for row in rows]


def fetch(connection: sqlite3.Connection, scores: Mapping[int, Mapping[str, float]]) -> list[Passage]:
    """Return the passages of these ids that exist and are not switched off, in the given order; their score is "fused"."""
    query = "SELECT * FROM passage_rows WHERE id IN (SELECT value FROM json_each(?)) AND NOT switched_off"
    rows = connection.execute(query, (json.dumps(list(scores)),)).fetchall()
    found = {row[0]: _passage(row, scores[row[0]]) for row in rows}
    return [found[number] for number in scores if number in found]


def _passage(
    row: tuple[int, str, str, int, str, int | None, str, int | None, int | None, int, str, int], scores: Mapping[str, float]
) -> Passage:
    number, text, base, document_id, name, page, headings, first, last, count, file, off = row
    where = Locator(page, _headings(headings), first, last)
    source = Source(base, document_id, name, file)
    return Passage(number, text, source, where, scores.get("fused", 0.0), scores, count, bool(off))


@functools.lru_cache(4096)
def _headings(text: str) -> tuple[str, ...]:
    """Return the headings that a row keeps; those of one section are the same text, and are often read."""
    return tuple(json.loads(text))


def put(connection: sqlite3.Connection, new: NewDocument) -> Change:
    """Store a document in place of the one of its name; raises `EmbedderMismatch` beside vectors of another model."""
    old = find(connection, new.base_id, new.name)
    change = _delete(connection, old, keep_entry_of=new.file_id) if old else Change()
    present = made_by(connection, new.base_id)
    if present is not None and present != new.embedder:
        raise mismatch(present, new.embedder)
    if present is None:
        values = (new.embedder, new.embedder_path, new.base_id)
        connection.execute("UPDATE bases SET embedder = ?, embedder_path = ?, next_embedder = '' WHERE id = ?", values)
    stored = sum(len(chunk.text.encode()) for chunk in new.chunks) + new.vectors.nbytes
    facts = (new.base_id, new.name, new.sha256, new.size, new.characters, len(new.chunks), new.pages)
    document_id = connection.execute(
        "INSERT INTO documents (base_id, name, sha256, size, characters, chunks, pages, version, added, warnings,"
        " file_id, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(*facts, old.version + 1 if old else 1, new.added, json.dumps(new.warnings, ensure_ascii=False)),
            *(new.file_id, stored),
        ),
    ).lastrowid
    rows = ((document_id, *_row(chunk), vector.tobytes()) for chunk, vector in zip(new.chunks, new.vectors, strict=True))
    connection.executemany(
        "INSERT INTO chunks (document_id, text, page, headings, first_line, last_line, tokens, vector)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    return Change(change.gone, _chunk_ids(connection, document_id or 0), change.hashes)


def _row(chunk: Chunk) -> tuple[str, int | None, str, int | None, int | None, int]:
    where = chunk.locator
    headings = json.dumps(where.headings, ensure_ascii=False)
    return chunk.text, where.page, headings, where.first_line, where.last_line, chunk.tokens


def remove(connection: sqlite3.Connection, document: Document) -> Change:
    """Remove a document and its chunks."""
    return _delete(connection, document)


def clear(connection: sqlite3.Connection, number: int, keep: bool) -> Change:
    """Remove all documents and jobs of a base, and the base itself unless `keep`."""
    rows = connection.execute(
        "SELECT sha256 FROM documents WHERE base_id = ? UNION SELECT sha256 FROM jobs WHERE base_id = ?",
        (number, number),
    )
    change = Change(hashes=tuple(sha256 for (sha256,) in rows.fetchall()))
    connection.execute("DELETE FROM documents WHERE base_id = ?", (number,))
    connection.execute("DELETE FROM jobs WHERE base_id = ?", (number,))
    connection.execute("DELETE FROM entries WHERE base_id = ?", (number,))
    connection.execute("DELETE FROM batches WHERE base_id = ?", (number,))
    if keep:
        base_rows.start_over(connection, number)
    else:
        connection.execute("DELETE FROM bases WHERE id = ?", (number,))
    return change


def unused(connection: sqlite3.Connection, hashes: Iterable[str]) -> list[str]:
    """Return those hashes that no file has, no document, and no job that may still be read or tried again."""
    rows = connection.execute(
        "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM files WHERE sha256 = value)"
        " AND NOT EXISTS (SELECT 1 FROM documents WHERE sha256 = value) AND NOT EXISTS"
        " (SELECT 1 FROM jobs WHERE sha256 = value AND stage NOT IN ('ready', 'skipped'))",
        (json.dumps(sorted(set(hashes))),),
    )
    return [sha256 for (sha256,) in rows]


def mismatch(made: str, present: str) -> EmbedderMismatch:
    """Return the error for vectors of one model beside another."""
    before, now = short_name(made), short_name(present)
    if before == now:  # other weights of the same name: only the identities tell them apart
        before, now = made, present
    return EmbedderMismatch(
        f"this knowledge base was made with the embedding model {before}, but the server now uses {now}: rebuild the"
        " knowledge base, or set --embedding-path back"
    )


def _delete(connection: sqlite3.Connection, document: Document, keep_entry_of: int | None = None) -> Change:
    """Remove a document, and the file it is of from its base unless that is the one to keep."""
    change = Change(gone=_chunk_ids(connection, document.id), hashes=(document.sha256,))
    rows = connection.execute("DELETE FROM documents WHERE id = ? RETURNING base_id, file_id", (document.id,)).fetchall()
    for base_id, file_id in rows:
        if file_id != keep_entry_of:
            entry_rows.drop_entry(connection, base_id, file_id)
    return change


def _chunk_ids(connection: sqlite3.Connection, document_id: int) -> tuple[int, ...]:
    rows = connection.execute("SELECT id FROM chunks WHERE document_id = ? ORDER BY id", (document_id,))
    return tuple(number for (number,) in rows)
