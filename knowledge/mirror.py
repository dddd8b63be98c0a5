"""The indexes in memory as what the database holds: filled from it, compared with it, and kept in files for the next start.

What changes in both at once, `shelf.py` changes; how vectors and words are searched, `index.py` knows.
"""

from collections.abc import Callable

from knowledge import catalog, chunk_rows, term_rows
from knowledge.data_folder import INDEXES
from knowledge.index import Index, Indexes
from knowledge.index_cache import IndexCache
from knowledge.store import Store

ADVICE = "the server makes it again at its next start, from the database, if the folder indexes is removed from its data folder"


class Mirror:
    """The indexes of all bases in a database, by the ids of the bases."""

    def __init__(self, store: Store, indexes: Indexes) -> None:
        self._store = store
        self._indexes = indexes
        self._cache = IndexCache(store.path.parent / INDEXES)

    def of(self, base_id: int) -> Index:
        """Return the index of a base; an empty one when there is none yet."""
        return self._indexes.of(base_id)

    def drop(self, base_id: int) -> None:
        """Forget the index of a base that is gone."""
        self._indexes.drop(base_id)

    def drop_file(self, base_id: int) -> None:
        """Forget the file of an index whose base is gone, or has its rows made anew."""
        self._cache.drop(base_id)

    def rebuild(self, base_id: int) -> None:
        """Fill the index of a base from the database."""
        index = self.of(base_id)
        with index.lock, self._store.read() as connection:
            made_by = catalog.made_by(connection, base_id)
            if made_by is None:
                index.rebuild(())
            else:
                self._cache.fill(index, connection, base_id, made_by)

    def compare(self, base_id: int) -> str:
        """Return in what the index of a base differs from the database, by vectors and by words; "" when in nothing."""
        index = self.of(base_id)
        with index.lock, self._store.read() as connection:
            stored, worded = chunk_rows.ids(connection, base_id), term_rows.chunk_ids(connection, base_id)
            held, by_word = index.ids(), index.word_ids()
        said = [
            f"{what} lacks {len(wanted - there)} passages and has {len(there - wanted)} too many"
            for what, wanted, there in (("the index", stored, held), ("the word index", worded, by_word))
            if wanted != there
        ]
        return f"of knowledge base {base_id} {' and '.join(said)}: {ADVICE}" if said else ""

    def keep_all(self) -> None:
        """Write the files of large indexes that changed much, so that the next start is fast."""
        with self._store.read() as connection:
            numbers = catalog.base_ids(connection)
        for number in numbers:
            self.keep(number)

    def keep(self, base_id: int) -> None:
        """Write the file of one index, as `keep_all`."""
        index = self.of(base_id)
        with index.lock, self._store.read() as connection:
            embedder = catalog.made_by(connection, base_id)
            if embedder is not None and index.words == index.size:  # else the next start reads the database, and is right
                self._cache.keep(index, connection, base_id, embedder)

    def fill_terms(self, report: Callable[[float], None]) -> None:
        """Make the terms of chunks that an older version stored without, or others; `report` hears the part done in [0, 1]."""
        with self._store.read() as connection:
            total = term_rows.missing(connection)
        done, last = 0, 0
        while done < total:
            report(done / total)
            with self._store.write() as connection:
                some = term_rows.fill(connection, last)
            if not some:
                break
            done, last = done + len(some), some[-1]
