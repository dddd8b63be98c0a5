"""A data folder for a program that asks once and ends: its bases listed and searched, no document or job of it changed.

Beside a server that has the folder, too. Only the base that is searched is read, by a model that needs no torch where that
can be (`numpy_encoder.py`); while the folder is nobody else's, what makes the next start faster is kept. How documents come
in, it does not know.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge import catalog, data_folder, names, restore, vector_rows
from knowledge.base import BaseInfo, Document, Job, KnowledgeError, StoreInUse
from knowledge.embedders import At, Embedders, for_a_question
from knowledge.index import Indexes
from knowledge.jobs import Jobs
from knowledge.lock import FolderLock
from knowledge.mirror import Mirror
from knowledge.ranking import Mode
from knowledge.reranker import Reranker
from knowledge.search import Found
from knowledge.searches import Searches
from knowledge.store import Store

if TYPE_CHECKING:
    from knowledge.settings import KnowledgeSettings

log = logging.getLogger(__name__)


def _ignore(what: str, part: float | None) -> None:
    """Nobody watches."""


class ReadOnly:
    """What is kept in `folder`, the absolute `settings.data_dir`; open, then ask, then close, from one thread."""

    def __init__(self, settings: "KnowledgeSettings", folder: Path, embedder_at: At = for_a_question) -> None:
        self._settings = settings
        self._folder = folder
        self._embedder_at = embedder_at
        self._lock = FolderLock(folder / data_folder.LOCK)
        self._store = Store(folder / data_folder.DATABASE)
        self._indexes = Indexes()
        self._mirror = Mirror(self._store, self._indexes)
        self._ours = False

    def open(self) -> None:
        """Open what is kept; raises `KnowledgeError` when there is nothing, or it is damaged or of another version.

        Raises `StoreInUse` while another process restores it.
        """
        if not self._folder.is_dir():
            raise self._nothing()
        try:
            self._lock.acquire()
            self._ours = True
        except StoreInUse:
            if (self._folder / data_folder.RESTORED).is_dir():
                raise
        try:
            if self._ours:
                restore.finish(self._folder)
            if not self._store.path.is_file():
                raise self._nothing()
            self._store.open(update=self._ours)
        except BaseException:
            self._lock.release()
            raise

    def _nothing(self) -> KnowledgeError:
        return KnowledgeError(f"there is no knowledge base in {self._folder}")

    def close(self) -> None:
        """Give the folder up."""
        self._store.close()
        self._lock.release()

    def bases(self) -> list[BaseInfo]:
        """Return all knowledge bases by name."""
        with self._store.read() as connection:
            return catalog.bases(connection, None)

    def documents(self, base: str) -> list[Document]:
        """Return the documents of a base by name; raises `UnknownBase`."""
        with self._store.read() as connection:
            return catalog.documents(connection, catalog.base_id(connection, base))

    def jobs(self, base: str) -> list[Job]:
        """Return the unfinished jobs of a base and the latest finished ones, as they are stored; raises `UnknownBase`."""
        with self._store.read() as connection:
            number = catalog.base_id(connection, base)
        return Jobs(self._store).of(number)

    def find(self, base: str, query: str, top_k: int, mode: Mode = "hybrid") -> Found:
        """Return what `Library.find` finds, and raise what it raises; reads the models and the base first."""
        return self.searches(base).find(names.same(base), query, top_k, (), None, mode)

    def searches(self, base: str) -> Searches:
        """Read the models and a base, and return what searches this base as it is now; raises as `Library.find`."""
        settings = self._settings
        present = self._embedder_at(settings.embedding_path)
        present.load(_ignore)
        reranker = None if settings.reranker_path is None else Reranker(settings.reranker_path)
        if reranker is not None:
            reranker.load(_ignore)
        embedders = Embedders(present, settings.embedding_path, self._embedder_at)
        self._fill(names.same(base), embedders)
        return Searches(self._store, self._indexes, embedders, reranker, settings.document_share)

    def _fill(self, base: str, embedders: Embedders) -> None:
        with self._store.read() as connection:
            number = catalog.base_id(connection, base)
            made = [one for one in vector_rows.bases(connection) if one.base_id == number]
        embedders.take_up(made, _ignore)
        if self._ours:
            self._mirror.fill_terms(lambda part: None)
        try:
            self._mirror.rebuild(number)
            if self._ours:
                self._mirror.keep(number)
        except (KnowledgeError, ValueError):  # its rows are damaged, which the search says, or the disk is full
            log.exception("the index of a knowledge base could not be read or kept")
