"""The worker that turns uploaded files into stored documents: one thread, one file at a time, in the order of upload.

Whatever a file does, its job ends with a reason in words and the next file's turn comes. What may pass by itself (a full
disk, a model that failed) is tried again after a pause, while others have their turn (`retries.py`). A job that the end of
the process cut off begins again at the next start. How files are read, cut, embedded and stored, other modules know.
"""

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from knowledge import catalog, entry_rows, terms
from knowledge.base import (
    EmbedderFailed,
    EmbedderMismatch,
    EmbedderNotReady,
    Job,
    KnowledgeError,
    StorageFull,
    StoreInUse,
    TooLarge,
    UnreadableFile,
)
from knowledge.catalog import NewDocument
from knowledge.chunking import Chunk, Size, split
from knowledge.embedders import Embedders
from knowledge.embeddings import Embedding, checked
from knowledge.file_base import Cut
from knowledge.jobs import Jobs, Task
from knowledge.loaders.base import Extract, PageReport
from knowledge.originals import Originals
from knowledge.retries import Retries, may_pass
from knowledge.settings import KnowledgeSettings
from knowledge.shelf import Shelf, Withdrawn
from knowledge.store import Store
from knowledge.work import Stopped, Work

log = logging.getLogger(__name__)

Read = Callable[[Path, str, KnowledgeSettings, PageReport, threading.Event], Extract]
"""Reads a file: where it is, its name, the limits, who is told the page, what stops it. `sandbox.read`, or a test's."""

MOST_OF_DOCUMENT = 20_000
MOST_OF_BASE = 500_000
"""Passages. Half a million vectors of 384 numbers take 0.4 GB of memory, and a search through them 0.1 s."""

CLOSE_SECONDS = 10.0
PAUSE_SECONDS = 2.0
"""Between two tries to use the database when it refuses (a full disk)."""

_READ_UNTIL, _CHUNKED_AT = 0.1, 0.12
"""Parts of the work, measured: embedding takes nine tenths of the time or more."""

_CODES: dict[type[KnowledgeError], str] = {
    StorageFull: "storage_full",
    StoreInUse: "storage_busy",
    EmbedderFailed: "embedder_failed",
    EmbedderMismatch: "embedder_mismatch",
    TooLarge: "too_large",
}


class Ingest:
    """The worker thread and what it is doing."""

    def __init__(
        self,
        settings: KnowledgeSettings,
        store: Store,
        shelf: Shelf,
        originals: Originals,
        embedders: Embedders,
        read: Read,
        fault: Callable[[str], None],
        retries: Retries,
    ) -> None:
        self._settings = settings
        self._store = store
        self._shelf = shelf
        self._jobs: Jobs = shelf.jobs
        self._originals = originals
        self._embedders = embedders
        self._read = read
        self._fault = fault
        self._retries = retries
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._changed = threading.Condition()
        self._ready = False
        self._closing = False
        self._now: Work | None = None

    def start(self) -> None:
        """Take up what an earlier process left, and begin to work."""
        self._jobs.resume()
        self._thread.start()

    def allow(self) -> None:
        """Say that the embedding model is loaded: until then jobs wait."""
        with self._changed:
            self._ready = True
            self._changed.notify_all()

    def wake(self) -> None:
        """Say that there is a new job."""
        with self._changed:
            self._changed.notify_all()

    def await_end(self, seconds: float) -> None:
        """Wait until the work on some job has ended, or so long."""
        with self._changed:
            self._changed.wait(seconds)

    def close(self) -> None:
        """Stop within seconds; the job in work will begin again at the next start."""
        with self._changed:
            self._closing = True
            if self._now:
                self._now.stop.set()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)

    def longest(self) -> int:
        """Return how many tokens the embedding model reads at once; raises `EmbedderNotReady`."""
        if not self._ready:
            raise EmbedderNotReady("the embedding model is still loading")
        return self._embedders.present.max_tokens

    def live(self, job: Job) -> Job:
        """Return the job as it is at this moment: its row is written only when its stage changes."""
        now = self._now
        if job.done:
            return job
        if now is not None and now.job.id == job.id:
            return dataclasses.replace(now.job, seconds=now.seconds())
        if resting := self._retries.of(job.id):
            why, code = resting.why, resting.code
            return dataclasses.replace(job, stage="waiting", part=0, detail=why, code=code, retry=resting.retry)
        return job if self._ready else dataclasses.replace(job, detail="waiting for the embedding model")

    def cancel(self, number: int) -> Job:
        """Give up a job, waiting or in work; nothing happens to one that is done."""
        job = self._jobs.get(number)
        if not job.done:
            job = dataclasses.replace(self.live(job), stage="cancelled", detail="", code="", retry=None)
            self._jobs.note(job)
            self.stop({number})
        return self._jobs.get(number)

    def hurry(self, number: int) -> None:
        """Try a job now that rests until a further try."""
        self._retries.wake(number)
        self.wake()

    def again(self, number: int) -> None:
        """Take up a job that had ended and waits again, with all its tries before it."""
        self._retries.forget({number})
        self.wake()

    def stop(self, numbers: set[int]) -> None:
        """Stop the work on these jobs, whose rows say already that they are done or are gone."""
        self._retries.forget(numbers)
        now = self._now
        if now is not None and now.job.id in numbers:
            now.stop.set()

    def stop_base(self, base_id: int) -> None:
        """Stop the work on a job of a base whose rows are gone."""
        self._retries.forget_base(base_id)
        now = self._now
        if now is not None and now.base_id == base_id:
            now.stop.set()

    def _run(self) -> None:
        while task := self._next():
            try:
                self._work(task)
            except Exception:  # the database refused what nobody above expected: the jobs are there when it works again
                log.exception("the ingest of %r could not be recorded", task.job.name)
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, timeout=PAUSE_SECONDS)
            finally:
                with self._changed:
                    self._now = None
                    self._changed.notify_all()

    def _next(self) -> Task | None:
        """Wait for the oldest job; None when it is time to stop."""
        with self._changed:
            while not self._closing:
                task = self._task() if self._ready else None
                if task is not None:
                    self._now = Work(task, self._note)
                    return task
                self._changed.wait(None if not self._ready else self._retries.wait(PAUSE_SECONDS))
        return None

    def _task(self) -> Task | None:
        try:
            return self._jobs.next(self._retries.not_due())
        except KnowledgeError:
            log.exception("the jobs cannot be read")
            return None

    def _note(self, job: Job) -> None:
        if not self._jobs.note(job):
            raise Stopped

    def _work(self, task: Task) -> None:
        work = self._now
        if work is None:
            return
        self._retries.wake(task.job.id)
        try:
            self._jobs.begin(task.job.id)
            self._ingest(task, work)
        except (Withdrawn, Stopped):
            self._give_up(work)
        except UnreadableFile as error:
            self._fail(work, error.code, str(error))
        except KnowledgeError as error:
            self._fail(work, _CODES.get(type(error), "failed"), str(error), may_pass(error))
        except MemoryError:
            self._fail(work, "out_of_memory", "there was not enough memory for this file")
        except Exception as error:  # a bug of ours or of a library costs this file, not the ones behind it
            log.exception("the ingest of %r failed", task.job.name)
            self._fail(work, "crashed", f"an error of the server ({type(error).__name__}); its log tells more")

    def _ingest(self, task: Task, work: Work) -> None:
        with self._store.read() as connection:
            found = catalog.find(connection, task.base_id, task.job.name)
        if found and found.sha256 == task.sha256:
            with self._store.write() as connection:
                entry_rows.adopt(connection, task.base_id, found.id, task.file_id)
            work.to("skipped", 1.0, "unchanged")
            return
        extract = self._extract(task, work)
        self._fault("parse_done")
        model = self._model(task.base_id)
        chunks = self._chunks(task, extract, model, work)
        self._fault("chunked")
        vectors = self._vectors(chunks, model, work)
        new = NewDocument(
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
        try:
            self._shelf.put(new, work.as_ready())
        except EmbedderMismatch:
            if self._model(task.base_id) is model:
                raise
            self._jobs.again(task.job.id)  # the base was rebuilt meanwhile

    def _model(self, base_id: int) -> Embedding:
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
        cut = task.cut or Cut(self._settings.chunk_tokens, self._settings.chunk_overlap)
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

    def _fail(self, work: Work, code: str, detail: str, passing: bool = False) -> None:
        """Let a job end, or rest until a further try where what failed may pass by itself."""
        number = work.job.id
        resting = self._retries.rest(number, work.base_id, detail, code) if passing else None
        try:
            if resting is None:
                self._jobs.note(work.as_final("failed", detail, code))
            elif not self._jobs.rest(number, detail, code):
                resting = None  # cancelled meanwhile
            if resting is None:
                self._retries.forget({number})
        except KnowledgeError as error:  # the disk: memory knows that it rests, and a job that had all its tries ends later
            log.warning("how the ingest of %r ended could not be written down: %s", work.job.name, error)
            self._retries.rest(number, work.base_id, detail, code, forced=True)

    def _give_up(self, work: Work) -> None:
        """Leave a job that was cancelled, which its row says; one that the process's end cut off waits again."""
        with contextlib.suppress(KnowledgeError):  # the row may be gone with its base
            if self._closing and not self._jobs.get(work.job.id).done:
                self._jobs.again(work.job.id)
