"""What is kept of a knowledge base, in three places changed in the order that a crash forgives.

1. The database: one transaction. From its commit on, the change has happened.
2. The index in memory: under its lock from just before the commit, so a search finds the old document or the new one,
   never half of each and never neither, and does not wait while rows are written.
3. The originals: bytes nobody refers to are removed last; what a crash leaves over is removed at the next start.

It does not know how a file becomes chunks, nor who asks.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np

from knowledge import catalog, chunk_rows, entry_rows, file_rows, jobs, term_rows, vector_rows
from knowledge.base import Job, KnowledgeError, UnknownDocument
from knowledge.catalog import Change, NewDocument
from knowledge.file_base import Cut, File
from knowledge.jobs import Jobs
from knowledge.mirror import Mirror
from knowledge.originals import Originals, Received
from knowledge.store import Store

log = logging.getLogger(__name__)

PURPOSE = "assistants"
"""What files are for that were put into a base directly; OpenAI's word."""

NO_VECTORS = np.empty((0, 0), dtype=np.float16)


class Withdrawn(Exception):
    """The job was cancelled, or its base removed, before its document was stored."""


class Shelf:
    """Store, index and originals, changed together; `fault` is told each step's name, for tests that stop there."""

    def __init__(self, store: Store, mirror: Mirror, originals: Originals, fault: Callable[[str], None]) -> None:
        self.jobs = Jobs(store)
        self._store = store
        self._mirror = mirror
        self._originals = originals
        self._fault = fault
        # Between the look whether anybody refers to some bytes and their removal, nobody may begin to.
        self._bytes = threading.Lock()

    def clean(self) -> None:
        """Remove the originals that nothing refers to."""
        with self._bytes:
            self._originals.clean()
            self._remove_unused(self._originals.kept())

    def switch(self, base_id: int, embedder: str, path: str | None) -> bool:
        """Let the vectors of another model count that were made beside the present ones; False when some are missing.

        A search finds by the old ones or by the new ones, never by some of each.
        """
        with ExitStack() as held:
            with self._store.write() as connection:
                if not vector_rows.switch(connection, base_id, embedder, path):
                    return False
                self._fault("switch_rows")
                held.enter_context(self._mirror.of(base_id).lock)
            self._fault("switch_commit")
            self._mirror.drop_file(base_id)
            self._mirror.rebuild(base_id)
        self._fault("switch_index")
        return True

    def receive(self, base_id: int, name: str, parts: Iterable[bytes], limit: int, cut: Cut) -> Job:
        """Take in an uploaded file as a waiting job, or as a skipped one when the base holds just that already.

        Raises `TooLarge` beyond `limit` bytes, and `StorageFull`.
        """
        with self._received(parts, limit) as received, self._bytes:
            with self._store.read() as connection:
                found = catalog.find(connection, base_id, name)
            # While another file of this name waits, what the base holds now is not what this one will meet.
            if found and found.sha256 == received.sha256 and not self.jobs.waits(base_id, name):
                self._originals.drop(received)
                return self.jobs.add_skipped(base_id, name, received.sha256, received.size)
            self._originals.keep(received)
            with self._store.write() as connection:
                facts = (name, received.sha256, received.size)
                file_id = file_rows.add_file(connection, *facts, PURPOSE, uploaded=False)
                entry_rows.add_entry(connection, base_id, file_id, name, cut)
                job = jobs.add(connection, base_id, *facts, file_id)
        self._fault("row_received")
        return job

    def keep(self, name: str, parts: Iterable[bytes], limit: int, purpose: str) -> File:
        """Keep an uploaded file that is in no base yet; when this returns it survives a power cut. Raises as `receive`."""
        with self._received(parts, limit) as received, self._bytes:
            self._originals.keep(received)
            with self._store.write() as connection:
                number = file_rows.add_file(connection, name, received.sha256, received.size, purpose, uploaded=True)
                kept = file_rows.file(connection, number)
        self._fault("row_kept")
        return kept

    @contextmanager
    def _received(self, parts: Iterable[bytes], limit: int) -> Iterator[Received]:
        """Give the uploaded bytes in their temporary file, and forget them where they are not kept after all."""
        received = self._originals.receive(parts, limit)
        try:
            yield received
        except BaseException:
            self._originals.drop(received)
            raise

    def put(self, new: NewDocument, ready: Job) -> None:
        """Store a document and end its job in one transaction; raises `Withdrawn` or `EmbedderMismatch`."""
        index = self._mirror.of(new.base_id)
        self._fault("tx_begin")
        with ExitStack() as held:
            with self._store.write() as connection:
                if not jobs.note(connection, ready):
                    raise Withdrawn
                change = catalog.put(connection, new)
                term_rows.put(connection, change.came, new.terms)
                self._fault("tx_rows")
                held.enter_context(index.lock)
            self._fault("tx_commit")
            try:
                index.swap(change.gone, change.came, new.vectors, new.terms)
            except Exception:  # stored is stored: an index that could not follow (memory, FAISS) is made again
                self._mirror.rebuild(new.base_id)
            self._fault("index_add")
        self._forget(change.hashes)

    def switch_passages(self, base_id: int, name: str, chunks: Sequence[int], off: bool) -> None:
        """Switch passages of a document off, so that no search finds them, or on again; raises `UnknownDocument`."""
        index = self._mirror.of(base_id)
        with ExitStack() as held:
            with self._store.write() as connection:
                changed = chunk_rows.switch(connection, catalog.get(connection, base_id, name).id, chunks, off)
                gone, came = (changed, ()) if off else ((), changed)
                vectors, packed = chunk_rows.vectors_from(connection, came), term_rows.of_chunks(connection, came)
                self._fault("off_rows")
                held.enter_context(index.lock)
            self._fault("off_commit")
            try:
                index.swap(gone, came, vectors, packed)
            except Exception:  # as in `put`
                self._mirror.rebuild(base_id)
            self._fault("off_index")

    def remove(self, base_id: int, name: str) -> set[int]:
        """Remove a document and all jobs of its name, so that nothing brings it back; returns the numbers of the jobs.

        Raises `UnknownDocument` when there is neither.
        """
        index = self._mirror.of(base_id)
        with ExitStack() as held:
            with self._store.write() as connection:
                forgotten = jobs.forget(connection, base_id, name)
                change = _removed(connection, base_id, name, forgotten)
                self._fault("remove_rows")
                held.enter_context(index.lock)
            self._fault("remove_commit")
            index.swap(change.gone, (), NO_VECTORS)
            self._fault("remove_index")
        self._forget(change.hashes)
        return {number for number, _ in forgotten}

    def detach(self, base_id: int, file_id: int) -> set[int]:
        """Take a file out of a base; its document is never found again. Returns the numbers of the jobs that end with it."""
        return self._take(file_id, [base_id], forever=False)

    def delete(self, file_id: int) -> set[int]:
        """Take a file out of all bases and forget it and its bytes; returns as `detach`."""
        return self._take(file_id, None, forever=True)

    def _take(self, file_id: int, base_ids: Sequence[int] | None, forever: bool) -> set[int]:
        gone: dict[int, Change] = {}
        forgotten: set[int] = set()
        with ExitStack() as held:
            with self._store.write() as connection:
                sha256 = file_rows.hash_of(connection, file_id)
                for base_id in entry_rows.bases_of(connection, file_id) if base_ids is None else base_ids:
                    forgotten |= set(jobs.forget_file(connection, base_id, file_id))
                    found = catalog.of_file(connection, base_id, file_id)
                    gone[base_id] = catalog.remove(connection, found) if found else Change()
                    entry_rows.drop_entry(connection, base_id, file_id)
                if forever:
                    file_rows.drop_file(connection, file_id)
                self._fault("take_rows")
                for base_id in gone:
                    held.enter_context(self._mirror.of(base_id).lock)
            self._fault("take_commit")
            for base_id, change in gone.items():
                self._mirror.of(base_id).swap(change.gone, (), NO_VECTORS)
        self._forget([sha256])
        return forgotten

    def clear(self, base_id: int, keep: bool) -> None:
        """Remove all that is in a base, and the base itself unless `keep`."""
        index = self._mirror.of(base_id)
        with ExitStack() as held:
            with self._store.write() as connection:
                change = catalog.clear(connection, base_id, keep)
                self._fault("clear_rows")
                held.enter_context(index.lock)
            self._fault("clear_commit")
            index.rebuild(())
        if not keep:
            self._mirror.drop(base_id)
        self._mirror.drop_file(base_id)
        self._forget(change.hashes)

    def dismiss(self, base_id: int) -> None:
        """Forget the finished jobs of a base, and the bytes kept only to try them again."""
        self._forget(self.jobs.dismiss(base_id))

    def _forget(self, hashes: Iterable[str]) -> None:
        with self._bytes:
            self._remove_unused(hashes)
        self._fault("blob_unlink")

    def _remove_unused(self, hashes: Iterable[str]) -> None:
        with self._store.read() as connection:
            unused = catalog.unused(connection, hashes)
        for sha256 in unused:
            try:
                self._originals.remove(sha256)
            except KnowledgeError as error:  # what referred to it is gone for good; the next start tries again
                log.warning("an original that nothing refers to could not be removed: %s", error)


def _removed(connection: sqlite3.Connection, base_id: int, name: str, forgotten: list[tuple[int, str]]) -> Change:
    found = catalog.find(connection, base_id, name)
    if found is None and not forgotten:
        raise UnknownDocument(f"there is no document {name[:200]!r} in this knowledge base")
    change = catalog.remove(connection, found) if found else Change()
    entry_rows.drop_named(connection, base_id, name)
    return Change(change.gone, (), (*change.hashes, *(sha256 for _, sha256 in forgotten)))
