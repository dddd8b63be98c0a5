"""Files by themselves and in bases: uploaded once, put into any number of bases, taken out, deleted for real.

The second face of the room, beside `Library`: for clients that name what they mean by ids. A document of a base is always
that of a file; one that was added to a base directly has a file that lives and ends with it. All methods block.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from knowledge import catalog, entry_rows, file_rows, jobs, names
from knowledge.base import KnowledgeError, Passage, TooLarge, UnknownDocument
from knowledge.file_base import Batch, Cut, Entry, File, Part, Value, Window, Wish
from knowledge.ingest import Ingest
from knowledge.loaders import target_for
from knowledge.originals import MIB, Originals
from knowledge.shelf import Shelf
from knowledge.store import Store

if TYPE_CHECKING:
    import sqlite3

    from knowledge.settings import KnowledgeSettings

MOST_FILES = 100_000
"""Files that are kept, in bases or not."""

MOST_OF_BATCH = 500
"""Files put into a base at once."""


class Files:
    """The files of a library."""

    def __init__(self, settings: "KnowledgeSettings", store: Store, shelf: Shelf, originals: Originals, ingest: Ingest) -> None:
        self._settings = settings
        self._store = store
        self._shelf = shelf
        self._originals = originals
        self._ingest = ingest

    @property
    def largest(self) -> int:
        """Most bytes of one file."""
        return self._settings.max_file_size * MIB

    def upload(self, name: str, parts: Iterable[bytes], purpose: str) -> File:
        """Keep a file; when this returns it survives a power cut, until `delete`.

        Raises `BadName`, `UnsupportedFormat`, `TooLarge`, `StorageFull`.
        """
        plain = names.document_name(name)
        target_for(plain)
        with self._store.read() as connection:
            if file_rows.file_count(connection) >= MOST_FILES:
                raise TooLarge(f"{MOST_FILES:,} files are kept already: delete some")
        return self._shelf.keep(plain, parts, self.largest, purpose)

    def get(self, file: str) -> File:
        """Return the file of an id; raises `UnknownDocument`."""
        with self._store.read() as connection:
            return file_rows.file(connection, file_rows.file_number(connection, file))

    def part(self, window: Window, purpose: str = "") -> Part[File]:
        """Return a part of all files, by the time of their upload; `purpose` "": of any."""
        with self._store.read() as connection:
            return file_rows.file_list(connection, window, purpose)

    def content(self, file: str) -> bytes:
        """Return the bytes of a file as they were uploaded."""
        return self._originals.read(self.get(file).sha256)

    def delete(self, file: str) -> None:
        """Delete a file, its bytes, and its documents in all bases."""
        with self._store.read() as connection:
            number = file_rows.file_number(connection, file)
        self._ingest.stop(self._shelf.delete(number))

    def check_cut(self, cut: Cut | None) -> None:
        """Raise `KnowledgeError` for passages longer than the embedding model reads."""
        if cut is not None and cut.tokens > (longest := self._ingest.longest()):
            raise KnowledgeError(
                f"max_chunk_size_tokens: the embedding model of this server reads at most {longest} tokens at once"
            )

    def put(self, base: str, wishes: Sequence[Wish]) -> Sequence[Entry]:
        """Put files into a base, all or none. They are there when their status is completed.

        A file that is there already stays, with the wished attributes; one that failed is tried again.
        Raises `UnknownBase`, `UnknownDocument`, `TooLarge`, `KnowledgeError`.
        """
        with self._adding(base, wishes) as (connection, number, _):
            entries = [entry_rows.entry(connection, number, wish.file) for wish in wishes]
        self._ingest.wake()
        return entries

    def put_together(self, base: str, wishes: Sequence[Wish]) -> Batch:
        """Put files into a base as `put` does, and return the batch that they are from now on."""
        with self._adding(base, wishes) as (connection, number, files):
            batch = entry_rows.add_batch(connection, number)
            for file_id in files:
                entry_rows.set_batch(connection, number, file_id, batch)
            made = entry_rows.batch(connection, batch)
        self._ingest.wake()
        return made

    @contextlib.contextmanager
    def _adding(self, base: str, wishes: Sequence[Wish]) -> Iterator[tuple["sqlite3.Connection", int, Sequence[int]]]:
        """Give the transaction in which the files were put, the number of the base, and those of the files."""
        if len(wishes) > MOST_OF_BATCH:
            raise TooLarge(f"{MOST_OF_BATCH} files can be put into a knowledge base at once")
        for wish in wishes:
            self.check_cut(wish.cut)
        self._shelf.jobs.refuse_long_queue(len(wishes))
        with self._store.write() as connection:
            number = catalog.base_id(connection, base)
            files = [file_rows.file_number(connection, wish.file) for wish in wishes]
            for wish, file_id in zip(wishes, files, strict=True):
                self._put(connection, number, wish, file_id)
            yield connection, number, files

    def _put(self, connection: "sqlite3.Connection", base_id: int, wish: Wish, file_id: int) -> None:
        entry = entry_rows.find_entry(connection, base_id, file_id)
        if entry is None:
            self._add(connection, base_id, file_id, wish.cut)
        else:
            self._again(connection, base_id, file_id, entry, wish.cut)
        if wish.attributes is not None:
            entry_rows.set_attributes(connection, base_id, file_id, wish.attributes)

    def _add(self, connection: "sqlite3.Connection", base_id: int, file_id: int, cut: Cut | None) -> None:
        if entry_rows.entry_count(connection, base_id) >= self._settings.max_documents:
            raise TooLarge(
                f"the knowledge base holds {self._settings.max_documents} files, which is the most (--max-documents)"
            )
        file = file_rows.file(connection, file_id)
        name = entry_rows.free_name(connection, base_id, file.name)
        entry_rows.add_entry(connection, base_id, file_id, name, cut or self._settings.cut)
        jobs.add(connection, base_id, name, file.sha256, file.size, file_id)

    def _again(self, connection: "sqlite3.Connection", base_id: int, file_id: int, entry: Entry, cut: Cut | None) -> None:
        if entry.status in ("failed", "cancelled"):
            entry_rows.set_cut(connection, base_id, file_id, cut or entry.cut or self._settings.cut)
            job = jobs.latest(connection, base_id, file_id)
            if job is None:  # forgotten, but for the file's own row
                file = file_rows.file(connection, file_id)
                jobs.add(connection, base_id, entry.document, file.sha256, file.size, file_id)
            else:
                jobs.again(connection, job.id, attempts=0)
        elif cut not in (None, entry.cut):
            raise KnowledgeError(
                "chunking_strategy: this file is in the knowledge base already, cut otherwise: take it out first"
            )

    def entry(self, base: str, file: str) -> Entry:
        """Return how a file is in a base; raises `UnknownBase`, `UnknownDocument`."""
        with self._store.read() as connection:
            return entry_rows.entry(connection, catalog.base_id(connection, base), file)

    def entries(self, base: str, window: Window, status: str = "", batch: str = "") -> Part[Entry]:
        """Return a part of the files in a base, by the time they were put there; of one status or batch, if given."""
        with self._store.read() as connection:
            number = catalog.base_id(connection, base)
            batch_id = entry_rows.batch_number(connection, number, batch) if batch else None
            return entry_rows.entry_list(connection, number, window, status, batch_id)

    def set_attributes(self, base: str, file: str, attributes: Mapping[str, Value]) -> Entry:
        """Replace the attributes of a file in a base."""
        with self._store.write() as connection:
            number = catalog.base_id(connection, base)
            entry_rows.entry(connection, number, file)
            entry_rows.set_attributes(connection, number, file_rows.file_number(connection, file), attributes)
            return entry_rows.entry(connection, number, file)

    def take(self, base: str, file: str) -> None:
        """Take a file out of a base; when this returns it is never found there again. The file itself stays, if uploaded."""
        with self._store.read() as connection:
            number = catalog.base_id(connection, base)
            entry_rows.entry(connection, number, file)
            file_id = file_rows.file_number(connection, file)
        self._ingest.stop(self._shelf.detach(number, file_id))

    def batch(self, base: str, batch: str) -> Batch:
        """Return how far a batch is; raises `UnknownBase`, `UnknownDocument`."""
        with self._store.read() as connection:
            number = catalog.base_id(connection, base)
            return entry_rows.batch(connection, entry_rows.batch_number(connection, number, batch))

    def cancel(self, base: str, batch: str) -> Batch:
        """Give up the files of a batch that are not in the base yet; those that are stay."""
        with self._store.write() as connection:
            number = catalog.base_id(connection, base)
            waiting = entry_rows.cancel_batch(connection, entry_rows.batch_number(connection, number, batch))
        for job in waiting:
            with contextlib.suppress(KnowledgeError):  # gone meanwhile, with its file
                self._ingest.cancel(job)
        return self.batch(base, batch)

    def text(self, base: str, file: str) -> list[Passage]:
        """Return the passages of a file in a base, those that are switched off too; none while it is not there yet."""
        with self._store.read() as connection:
            number = catalog.base_id(connection, base)
            entry_rows.entry(connection, number, file)
            found = catalog.of_file(connection, number, file_rows.file_number(connection, file))
            return catalog.passages(connection, found.id) if found else []

    def switch_passage(self, base: str, file: str, passage: int, off: bool) -> Passage:
        """Switch a passage of a file in a base off, so that no search finds it, or on again, and return it.

        Raises `UnknownBase`, `UnknownDocument`.
        """
        with self._store.read() as connection:
            number = catalog.base_id(connection, base)
            document = entry_rows.entry(connection, number, file).document
        self._shelf.switch_passages(number, document, [passage], off)
        found = next((one for one in self.text(base, file) if one.chunk_id == passage), None)
        if found is None:
            raise UnknownDocument("this passage is not in the document any more: it was cut again, or removed")
        return found

    def of_documents(self, documents: Collection[int]) -> dict[int, Entry]:
        """Return the entries of documents by the documents' ids; what is gone is left out."""
        with self._store.read() as connection:
            return entry_rows.entries_of(connection, documents)

    def matching(self, base: str, wanted: Callable[[Mapping[str, Value]], bool]) -> frozenset[int]:
        """Return the ids of the documents of a base whose attributes are wanted."""
        with self._store.read() as connection:
            number = catalog.base_id(connection, base)
            rows = entry_rows.attributes_of(connection, number)
        return frozenset(document for document, attributes in rows if wanted(attributes))
