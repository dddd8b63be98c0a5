"""The index of a base filled at the start: from its file where that fits the database, and from the database.

The file is brought up to what the database says, document by document: those whose stamp differs are taken out and read
anew, so a file of yesterday saves all but today's work, and one that is of another database saves nothing but does no
harm either. Which lock is held meanwhile, the caller knows.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from knowledge import catalog, index_file, term_rows
from knowledge.catalog import Change
from knowledge.index import Index
from knowledge.index_file import Content

WORTH = 2000
"""Chunks: less is read from the database in no time."""

PART = 10
"""A file is written anew when a tenth of the chunks is not in it."""

Stamps = dict[int, tuple[str, float, int, int, int]]


class IndexCache:
    """Files of indexes in a folder, by the id of the base."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[int, Stamps] = {}
        self._lists: dict[int, int] = {}

    def fill(self, index: Index, connection: sqlite3.Connection, base_id: int, embedder: str) -> None:
        """Make the index what the database says of the base; raises what `Index.rebuild` raises."""
        stamps = catalog.stamps(connection, base_id)
        before = self._restored(index, base_id, embedder) if _chunks(stamps) >= WORTH else {}
        change = _change(before, stamps)
        if _serves(before, stamps, change):
            self._kept[base_id] = before
            if change.gone or change.came:
                vectors = catalog.vectors_from(connection, change.came)
                index.swap(change.gone, change.came, vectors, term_rows.of_chunks(connection, change.came))
        else:
            self._kept[base_id] = {}
            index.rebuild(catalog.vectors(connection, base_id), term_rows.batches(connection, base_id))

    def _restored(self, index: Index, base_id: int, embedder: str) -> Stamps:
        """Fill the index from its file; returns the stamps of what is in it, none where the file does not serve."""
        content = index_file.read(self._path(base_id))
        if content is None or content.facts["embedder"] != embedder:
            return {}
        stamps: Stamps = {row[0]: tuple(row[1:]) for row in content.facts["documents"]}
        try:
            index.restore(content.arrays)
        except Exception:  # what FAISS or numpy say of numbers that do not fit: the database has better ones
            index_file.drop(self._path(base_id))
            return {}
        self._lists[base_id] = index.lists
        return stamps

    def keep(self, index: Index, connection: sqlite3.Connection, base_id: int, embedder: str) -> None:
        """Write the file of an index that is what the database says, where that saves the next start enough."""
        stamps = catalog.stamps(connection, base_id)
        change = _change(self._kept.get(base_id, {}), stamps)
        changed = PART * (len(change.came) + len(change.gone)) >= _chunks(stamps) or index.lists != self._lists.get(base_id)
        if _chunks(stamps) < WORTH or not changed or index.size != _chunks(stamps):
            return
        facts = {"embedder": embedder, "documents": [[number, *stamp] for number, stamp in stamps.items()]}
        index_file.write(self._path(base_id), Content(facts, index.arrays()))
        self._kept[base_id], self._lists[base_id] = stamps, index.lists

    def drop(self, base_id: int) -> None:
        """Forget the file of a base that is gone, or whose rows are made anew in place."""
        self._kept.pop(base_id, None)
        self._lists.pop(base_id, None)
        index_file.drop(self._path(base_id))

    def _path(self, base_id: int) -> Path:
        return self._folder / f"{base_id}.index"


def _chunks(stamps: Stamps) -> int:
    return sum(count for _, _, count, _, _ in stamps.values())


def _change(before: Stamps, now: Stamps) -> Change:
    """Return the ids of chunks that are gone and that came, in order."""
    gone = [stamp for number, stamp in before.items() if now.get(number) != stamp]
    came = [stamp for number, stamp in now.items() if before.get(number) != stamp]
    return Change(_ids(gone), _ids(came))


def _ids(stamps: Iterable[tuple[str, float, int, int, int]]) -> tuple[int, ...]:
    return tuple(number for first, last in sorted(stamp[3:] for stamp in stamps) for number in range(first, last + 1))


def _serves(before: Stamps, now: Stamps, change: Change) -> bool:
    """Return whether reading the change only is right, and less work: what came must follow what stays."""
    if not before or 2 * len(change.came) > _chunks(now):
        return False
    if any(count != last - first + 1 for *_, count, first, last in now.values()):
        return False
    last = max((stamp[4] for number, stamp in now.items() if before.get(number) == stamp), default=0)
    return not change.came or change.came[0] > last
