"""What a file becomes: its text read, cut into passages, and these embedded, within the limits.

Tells the job in work how far it is, and stops when that is to be given up. When and in which order files are taken, and
where a document is kept, it does not know.
"""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from knowledge import catalog, terms
from knowledge.base import EmbedderFailed, KnowledgeError, TooLarge, UnreadableFile
from knowledge.catalog import NewDocument
from knowledge.chunking import Chunk, Size, split
from knowledge.embedders import Embedders
from knowledge.embeddings import Embedding, checked
from knowledge.jobs import Task
from knowledge.loaders.base import Extract, PageReport
from knowledge.originals import Originals
from knowledge.settings import KnowledgeSettings
from knowledge.store import Store
from knowledge.work import Stopped, Work

log = logging.getLogger(__name__)

Read = Callable[[Path, str, KnowledgeSettings, PageReport, threading.Event], Extract]
"""Reads a file: where it is, its name, the limits, who is told the page, what stops it. `sandbox.read`, or a test's."""

MOST_OF_DOCUMENT = 20_000
MOST_OF_BASE = 500_000
"""Passages. Half a million vectors of 384 numbers take 0.4 GB of memory, and a search through them 0.1 s."""

_READ_UNTIL, _CHUNKED_AT = 0.1, 0.12
"""Parts of the work, measured: embedding takes nine tenths of the time or more."""


class Pipeline:
    """From an original to a document about to be stored; `fault` is told each step's name, for tests that stop there."""

    def __init__(
        self,
        settings: KnowledgeSettings,
        store: Store,
        originals: Originals,
        embedders: Embedders,
        read: Read,
        fault: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._originals = originals
        self._embedders = embedders
        self._read = read
        self._fault = fault

    def run(self, task: Task, work: Work) -> NewDocument:
        """Return the document that the file of a task becomes.

        Raises `UnreadableFile`, `TooLarge`, `EmbedderFailed`, and `Stopped` when the work is to be given up.
        """
        extract = self._extract(task, work)
        self._fault("parse_done")
        model = self.model(task.base_id)
        chunks = self._chunks(task, extract, model, work)
        self._fault("chunked")
        vectors = self._vectors(chunks, model, work)
        return NewDocument(
            base_id=task.base_id,
            file_id=task.file_id,
            name=task.job.name,
            sha256=task.sha256,
            size=task.job.size,
            characters=sum(len(block.text) for block in extract.blocks),
            pages=extract.pages,
            warnings=extract.warnings,
            chunks=chunks,
            vectors=vectors,
            terms=[terms.pack(terms.of_passage(task.job.name, chunk.locator.headings, chunk.text)) for chunk in chunks],
            embedder=model.identity,
            added=time.time(),
            embedder_path=self._embedders.path_of(model.identity),
        )

    def model(self, base_id: int) -> Embedding:
        """Return the model that a base's vectors are made by: the present one, unless an older one's are still there."""
        with self._store.read() as connection:
            made_by = catalog.made_by(connection, base_id)
        return (made_by and self._embedders.of(made_by)) or self._embedders.present

    def _extract(self, task: Task, work: Work) -> Extract:
        work.to("reading", 0.0, "")
        self._fault("parse_start")

        def report(page: int, pages: int) -> None:
            work.at(_READ_UNTIL * page / max(pages, 1), f"page {page:,} of {pages:,}")

        try:
            extract = self._read(self._originals.path(task.sha256), task.job.name, self._settings, report, work.stop)
        except Exception as error:  # a reader that was told to stop may say so in its own way
            if work.stop.is_set():
                raise Stopped from error
            raise
        characters = sum(len(block.text) for block in extract.blocks)
        if not any(block.text.strip() for block in extract.blocks):
            raise UnreadableFile("empty", "the file holds no text")
        if characters > self._settings.max_characters:
            raise UnreadableFile(
                "too_large",
                f"its text has {characters:,} characters, and {self._settings.max_characters:,} are allowed (--max-characters)",
            )
        return extract

    def _chunks(self, task: Task, extract: Extract, model: Embedding, work: Work) -> list[Chunk]:
        work.to("chunking", _READ_UNTIL, "")
        cut = task.cut or self._settings.cut
        size = Size(cut.tokens, cut.overlap, model.max_tokens)
        chunks = split(extract.blocks, task.job.name, model, size, work.check)
        if len(chunks) > MOST_OF_DOCUMENT:
            raise TooLarge(f"the file makes {len(chunks):,} passages, and {MOST_OF_DOCUMENT:,} are allowed: split it")
        with self._store.read() as connection:
            total = len(chunks) + catalog.chunks_of_others(connection, task.base_id, task.job.name)
        if total > MOST_OF_BASE:
            raise TooLarge(
                f"with this file the knowledge base would hold {total:,} passages, and {MOST_OF_BASE:,} are allowed: remove"
                " documents, or add it to another knowledge base"
            )
        return chunks

    def _vectors(self, chunks: list[Chunk], model: Embedding, work: Work) -> catalog.Halves:
        work.job = dataclasses.replace(work.job, chunks=len(chunks))
        work.to("embedding", _CHUNKED_AT, f"0 of {len(chunks):,} passages")

        def step(done: int) -> None:
            self._fault("embed_batch")
            work.at(_CHUNKED_AT + (1 - _CHUNKED_AT) * done / len(chunks), f"{done:,} of {len(chunks):,} passages")

        texts = [chunk.embedded for chunk in chunks]
        try:
            return checked(model.encode(texts, step), len(texts), model.dimension).astype(np.float16)
        except Stopped:
            raise
        except Exception as error:  # whatever the model's library raises, and what is no vector
            told = isinstance(error, KnowledgeError)
            log.warning("the passages of %r could not be embedded", work.job.name, exc_info=not told)
            text = (
                str(error) if told else f"the embedding model failed ({type(error).__name__}); the log of the server tells more"
            )
            raise EmbedderFailed(text) from error
