"""The index of a base filled at the start: from its file where that fits the database, and from the database.

The file is brought up to what the database says, document by document: those whose stamp differs are taken out and read
anew, so a file of yesterday saves all but today's work, and one that is of another database saves nothing but does no
harm either. Which lock is held meanwhile, the caller knows.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from knowledge import chunk_rows, index_file, term_rows
from knowledge.catalog import Change
from knowledge.index import Index
from knowledge.index_file import Content

WORTH = 2000
"""Chunks: less is read from the database in no time."""

PART = 10
"""A file is written anew when a tenth of the chunks is not in it."""

Stamps = dict[int, tuple[str, float, int, int, int]]


@dataclass(frozen=True, slots=True)
class _Held:
    """What an index holds: the stamps of documents, without those of their chunks that are switched `off`."""

    stamps: Stamps = field(default_factory=dict)
    off: frozenset[int] = frozenset()

    @property
    def chunks(self) -> int:
        return sum(count for _, _, count, _, _ in self.stamps.values()) - len(self.off)


class IndexCache:
    """Files of indexes in a folder, by the id of the base."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[int, _Held] = {}
        self._lists: dict[int, int] = {}

    def fill(self, index: Index, connection: sqlite3.Connection, base_id: int, embedder: str) -> None:
        """Make the index what the database says of the base; raises what `Index.rebuild` raises."""
        now = _held(connection, base_id)
        before = self._restored(index, base_id, embedder) if now.chunks >= WORTH else _Held()
        change = _change(before, now)
        if _serves(before, now, change):
            self._kept[base_id] = before
            if change.gone or change.came:
                vectors = chunk_rows.vectors_from(connection, change.came)
                index.swap(change.gone, change.came, vectors, term_rows.of_chunks(connection, change.came))
        else:
            self._kept[base_id] = _Held()
            index.rebuild(chunk_rows.vectors(connection, base_id), term_rows.batches(connection, base_id))

    def _restored(self, index: Index, base_id: int, embedder: str) -> _Held:
        """Fill the index from its file; returns what is in it, nothing where the file does not serve."""
        content = index_file.read(self._path(base_id))
        if content is None or content.facts["embedder"] != embedder:
            return _Held()
        stamps: Stamps = {row[0]: tuple(row[1:]) for row in content.facts["documents"]}
        off = frozenset(content.facts.get("switched_off", ()))  # files from before there was this have none
        try:
            index.restore(content.arrays)
        except Exception:  # what FAISS or numpy say of numbers that do not fit: the database has better ones
            index_file.drop(self._path(base_id))
            return _Held()
        self._lists[base_id] = index.lists
        return _Held(stamps, off)

    def keep(self, index: Index, connection: sqlite3.Connection, base_id: int, embedder: str) -> None:
        """Write the file of an index that is what the database says, where that saves the next start enough."""
        now = _held(connection, base_id)
        change = _change(self._kept.get(base_id, _Held()), now)
        changed = PART * (len(change.came) + len(change.gone)) >= now.chunks or index.lists != self._lists.get(base_id)
        if now.chunks < WORTH or not changed or index.size != now.chunks:
            return
        documents = [[number, *stamp] for number, stamp in now.stamps.items()]
        facts = {"embedder": embedder, "documents": documents, "switched_off": sorted(now.off)}
        index_file.write(self._path(base_id), Content(facts, index.arrays()))
        self._kept[base_id], self._lists[base_id] = now, index.lists

    def drop(self, base_id: int) -> None:
        """Forget the file of a base that is gone, or whose rows are made anew in place."""
        self._kept.pop(base_id, None)
        self._lists.pop(base_id, None)
        index_file.drop(self._path(base_id))

    def _path(self, base_id: int) -> Path:
        return self._folder / f"{base_id}.index"


def _held(connection: sqlite3.Connection, base_id: int) -> _Held:
    return _Held(chunk_rows.stamps(connection, base_id), chunk_rows.switched_off(connection, base_id))


def _change(before: _Held, now: _Held) -> Change:
    """Return the ids of chunks that are gone and that came, in order."""
    gone = set(_ids(stamp for number, stamp in before.stamps.items() if now.stamps.get(number) != stamp))
    came = set(_ids(stamp for number, stamp in now.stamps.items() if before.stamps.get(number) != stamp))
    came |= before.off - gone
    return Change(tuple(sorted(gone | now.off - before.off - came)), tuple(sorted(came - now.off)))


def _ids(stamps: Iterable[tuple[str, float, int, int, int]]) -> Iterable[int]:
    return (number for *_, first, last in stamps for number in range(first, last + 1))


def _serves(before: _Held, now: _Held, change: Change) -> bool:
    """Return whether reading the change only is right, and less work."""
    if not before.stamps or 2 * len(change.came) > now.chunks:
        return False
    return all(count == last - first + 1 for *_, count, first, last in now.stamps.values())
