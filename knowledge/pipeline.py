"""What a file becomes: its text read, cut into passages, and these embedded, within the limits.

Tells the job in work how far it is, and stops when that is to be given up. When and in which order files are taken, and
where a document is kept, it does not know.
"""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from knowledge import catalog, terms
from knowledge.base import EmbedderFailed, KnowledgeError, TooLarge, UnreadableFile
from knowledge.catalog import NewDocument
from knowledge.chunking import Chunk, Size, split
from knowledge.embedders import Embedders
from knowledge.embeddings import Embedding, checked
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


@dataclasses.dataclass(frozen=True, slots=True)
class Draft:
    """A document that is read and cut for a model, and waits for its vectors."""

    work: Work
    extract: Extract
    model: Embedding
    chunks: list[Chunk]


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

    def read(self, work: Work, beside: Sequence[Draft] = ()) -> Draft:
        """Return the text of a task's file, cut; `beside`: others that will be stored with it, under other names.

        Raises `UnreadableFile`, `TooLarge`, and `Stopped` when the work is to be given up.
        """
        extract = self._extract(work)
        self._fault("parse_done")
        model = self.model(work.task.base_id)
        chunks = self._chunks(work, extract, model, beside)
        self._fault("chunked")
        return Draft(work, extract, model, chunks)

    def embed(self, drafts: Sequence[Draft]) -> list[NewDocument]:
        """Return the documents that drafts become. Those of one model only, which is given all their passages together.

        Raises `EmbedderFailed`, and `Stopped` when one of them is to be given up.
        """
        model = drafts[0].model
        if any(draft.model is not model for draft in drafts):
            raise ValueError("these drafts were made for several models")
        for draft in drafts:
            draft.work.job = dataclasses.replace(draft.work.job, chunks=len(draft.chunks))
        vectors = self._vectors(drafts, model)
        ends = np.cumsum([len(draft.chunks) for draft in drafts])
        return [self._document(draft, part) for draft, part in zip(drafts, np.split(vectors, ends[:-1]), strict=True)]

    def _document(self, draft: Draft, vectors: catalog.Halves) -> NewDocument:
        task, extract, identity = draft.work.task, draft.extract, draft.model.identity
        return NewDocument(
            base_id=task.base_id,
            file_id=task.file_id,
            name=task.job.name,
            sha256=task.sha256,
            size=task.job.size,
            characters=sum(len(block.text) for block in extract.blocks),
            pages=extract.pages,
            warnings=extract.warnings,
            chunks=draft.chunks,
            vectors=vectors,
            terms=[terms.pack(terms.of_passage(task.job.name, chunk.locator.headings, chunk.text)) for chunk in draft.chunks],
            embedder=identity,
            added=time.time(),
            embedder_path=self._embedders.path_of(identity),
        )

    def model(self, base_id: int) -> Embedding:
        """Return the model that a base's vectors are made by: the present one, unless an older one's are still there."""
        with self._store.read() as connection:
            made_by = catalog.made_by(connection, base_id)
        return (made_by and self._embedders.of(made_by)) or self._embedders.present

    def _extract(self, work: Work) -> Extract:
        task = work.task
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

    def _chunks(self, work: Work, extract: Extract, model: Embedding, beside: Sequence[Draft]) -> list[Chunk]:
        task = work.task
        work.to("chunking", _READ_UNTIL, "")
        cut = task.cut or self._settings.cut
        size = Size(cut.tokens, cut.overlap, model.max_tokens)
        chunks = split(extract.blocks, task.job.name, model, size, work.check)
        if len(chunks) > MOST_OF_DOCUMENT:
            raise TooLarge(f"the file makes {len(chunks):,} passages, and {MOST_OF_DOCUMENT:,} are allowed: split it")
        new = {draft.work.job.name: len(draft.chunks) for draft in beside} | {task.job.name: len(chunks)}
        with self._store.read() as connection:
            total = sum(new.values()) + catalog.chunks_of_others(connection, task.base_id, new)
        if total > MOST_OF_BASE:
            raise TooLarge(
                f"with this file the knowledge base would hold {total:,} passages, and {MOST_OF_BASE:,} are allowed: remove"
                " documents, or add it to another knowledge base"
            )
        return chunks

    def _vectors(self, drafts: Sequence[Draft], model: Embedding) -> catalog.Halves:
        texts = [chunk.embedded for draft in drafts for chunk in draft.chunks]

        def told(done: int) -> Iterator[tuple[Work, float, str]]:
            part = done / max(len(texts), 1)
            for draft in drafts:
                many = len(draft.chunks)
                yield draft.work, _CHUNKED_AT + (1 - _CHUNKED_AT) * part, f"{int(many * part):,} of {many:,} passages"

        def step(done: int) -> None:
            self._fault("embed_batch")
            for work, part, detail in told(done):
                work.at(part, detail)

        for work, part, detail in told(0):
            work.to("embedding", part, detail)
        try:
            return checked(model.encode(texts, step), len(texts), model.dimension).astype(np.float16)
        except Stopped:
            raise
        except Exception as error:  # whatever the model's library raises, and what is no vector
            known = isinstance(error, KnowledgeError)
            names = ", ".join(repr(draft.work.job.name) for draft in drafts)
            log.warning("the passages of %s could not be embedded", names, exc_info=not known)
            text = (
                str(error)
                if known
                else f"the embedding model failed ({type(error).__name__}); the log of the server tells more"
            )
            raise EmbedderFailed(text) from error
