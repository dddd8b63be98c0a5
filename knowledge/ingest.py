"""The worker that turns uploaded files into stored documents: one thread, in the order of upload.

One file at a time, but small texts are read one after the other and then embedded together, for a batch of the model that is
not full costs more by the token; each is stored by itself all the same. Whatever a file does, its job ends with a reason in
words and the next file's turn comes. What may pass by itself (a full disk, a model that failed) is tried again after a pause,
while others have their turn (`retries.py`). A job that the end of the process cut off begins again at the next start. How a
file becomes a document (`pipeline.py`) and how one is stored (`shelf.py`), it does not know.
"""

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import PurePath

from knowledge import catalog, entry_rows
from knowledge.base import (
    EmbedderMismatch,
    EmbedderNotReady,
    Job,
    KnowledgeError,
    UnreadableFile,
)
from knowledge.catalog import NewDocument
from knowledge.embedders import Embedders
from knowledge.jobs import Jobs, Task
from knowledge.loaders import LOADERS
from knowledge.pipeline import Draft, Pipeline
from knowledge.retries import Retries, may_pass
from knowledge.shelf import Shelf, Withdrawn
from knowledge.store import Store
from knowledge.work import Stopped, Work

log = logging.getLogger(__name__)

CLOSE_SECONDS = 10.0
TOGETHER = 128 * 1024
"""Bytes of the texts that are embedded together: read in a quarter of a second, embedded in two, so the first waits little."""
MOST_TOGETHER = 32
TEXTS = (LOADERS[".txt"], LOADERS[".md"])
"""Loaders that take milliseconds."""
PAUSE_SECONDS = 2.0
"""Between two tries to use the database when it refuses (a full disk)."""


class Ingest:
    """The worker thread and what it is doing."""

    def __init__(self, store: Store, shelf: Shelf, embedders: Embedders, pipeline: Pipeline, retries: Retries) -> None:
        self._store = store
        self._shelf = shelf
        self._jobs: Jobs = shelf.jobs
        self._embedders = embedders
        self._pipeline = pipeline
        self._retries = retries
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._changed = threading.Condition()
        self._ready = False
        self._closing = False
        self._now: tuple[Work, ...] = ()

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
            for work in self._now:
                work.stop.set()
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
        now = next((work for work in self._now if work.job.id == job.id), None)
        if job.done:
            return job
        if now is not None:
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

    def retry(self, number: int) -> Job:
        """Begin a failed or cancelled job again with all its tries before it, or at once one that rests until a further try."""
        job = self.live(self._jobs.get(number))
        if job.retry is not None:
            self._retries.wake(number)
        elif job.stage in ("failed", "cancelled"):
            self._jobs.again(number, attempts=0)
            self._retries.forget({number})
        else:
            raise KnowledgeError(f"the file {job.name!r} is {job.stage}: only what failed or was cancelled can be retried")
        self.wake()
        return self.live(self._jobs.get(number))

    def stop(self, numbers: set[int]) -> None:
        """Stop the work on these jobs, whose rows say already that they are done or are gone."""
        self._retries.forget(numbers)
        for work in self._now:
            if work.job.id in numbers:
                work.stop.set()

    def stop_base(self, base_id: int) -> None:
        """Stop the work on a job of a base whose rows are gone."""
        self._retries.forget_base(base_id)
        for work in self._now:
            if work.task.base_id == base_id:
                work.stop.set()

    def _run(self) -> None:
        while works := self._next():
            try:
                self._work(works)
            except Exception:  # the database refused what nobody above expected: the jobs are there when it works again
                log.exception("the ingest of %s could not be recorded", ", ".join(repr(work.job.name) for work in works))
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, timeout=PAUSE_SECONDS)
            finally:
                self._leave(works)

    def _next(self) -> tuple[Work, ...]:
        """Wait for the oldest jobs that may be worked on together; none when it is time to stop."""
        with self._changed:
            while not self._closing:
                tasks = self._tasks() if self._ready else []
                if tasks:
                    self._now = tuple(Work(task, self._note) for task in tasks)
                    return self._now
                self._changed.wait(None if not self._ready else self._retries.wait(PAUSE_SECONDS))
        return ()

    def _tasks(self) -> list[Task]:
        try:
            return together(self._jobs.next(self._retries.not_due(), MOST_TOGETHER))
        except KnowledgeError:
            log.exception("the jobs cannot be read")
            return []

    def _leave(self, works: Collection[Work]) -> None:
        """Work on these no more."""
        with self._changed:
            self._now = tuple(work for work in self._now if work not in works)
            self._changed.notify_all()

    def _note(self, job: Job) -> None:
        if not self._jobs.note(job):
            raise Stopped

    def _work(self, works: Sequence[Work]) -> None:
        drafts: list[Draft] = []
        for work in works:
            with self._ending(work):
                drafts += self._read(work, drafts)
        for draft, new in zip(drafts, self._embedded(drafts), strict=True):
            with self._ending(draft.work):
                self._put(new or self._pipeline.embed([draft])[0], draft.work)
                self._leave([draft.work])

    @contextlib.contextmanager
    def _ending(self, work: Work) -> Iterator[None]:
        """Let a job end with the reason where a step of its work fails."""
        try:
            yield
        except (Withdrawn, Stopped):
            self._give_up(work)
        except UnreadableFile as error:
            self._fail(work, error.code, str(error))
        except KnowledgeError as error:
            self._fail(work, error.code, str(error), may_pass(error))
        except MemoryError:
            self._fail(work, "out_of_memory", "there was not enough memory for this file")
        except Exception as error:  # a bug of ours or of a library costs this file, not the ones behind it
            log.exception("the ingest of %r failed", work.job.name)
            self._fail(work, "crashed", f"an error of the server ({type(error).__name__}); its log tells more")
        else:
            return
        self._leave([work])

    def _read(self, work: Work, beside: Sequence[Draft]) -> list[Draft]:
        """Return the draft of a task, beside which there are others; none where its document is there already."""
        task = work.task
        work.check()
        work.begin()
        self._retries.wake(task.job.id)
        self._jobs.begin(task.job.id)
        with self._store.read() as connection:
            found = catalog.find(connection, task.base_id, task.job.name)
        if found and found.sha256 == task.sha256:
            with self._store.write() as connection:
                entry_rows.adopt(connection, task.base_id, found.id, task.file_id)
            work.to("skipped", 1.0, "unchanged")
            self._leave([work])
            return []
        return [self._pipeline.read(work, beside)]

    def _embedded(self, drafts: Sequence[Draft]) -> Sequence[NewDocument | None]:
        """Return the documents of drafts embedded together; None for each where that fails, for it may be one's fault only."""
        if len(drafts) > 1:
            with contextlib.suppress(Exception):  # it is met again, and told, when each is embedded by itself
                return self._pipeline.embed(drafts)
        return [None] * len(drafts)

    def _put(self, new: NewDocument, work: Work) -> None:
        try:
            self._shelf.put(new, work.as_ready())
        except EmbedderMismatch:
            if self._pipeline.model(new.base_id).identity == new.embedder:
                raise
            self._jobs.again(work.job.id)  # the base was rebuilt meanwhile

    def _fail(self, work: Work, code: str, detail: str, passing: bool = False) -> None:
        """Let a job end, or rest until a further try where what failed may pass by itself."""
        number = work.job.id
        resting = self._retries.rest(number, work.task.base_id, detail, code) if passing else None
        try:
            if resting is None:
                self._jobs.note(work.as_final("failed", detail, code))
            elif not self._jobs.rest(number, detail, code):
                resting = None  # cancelled meanwhile
            if resting is None:
                self._retries.forget({number})
        except KnowledgeError as error:  # the disk: memory knows that it rests, and a job that had all its tries ends later
            log.warning("how the ingest of %r ended could not be written down: %s", work.job.name, error)
            self._retries.rest(number, work.task.base_id, detail, code, forced=True)

    def _give_up(self, work: Work) -> None:
        """Leave a job that was cancelled, which its row says; one that the process's end cut off waits again."""
        with contextlib.suppress(KnowledgeError):  # the row may be gone with its base
            if self._closing and not self._jobs.get(work.job.id).done:
                self._jobs.again(work.job.id)


def together(tasks: Sequence[Task]) -> list[Task]:
    """Return those of tasks, from the first, that are embedded together: texts of one base, small in all, no name twice.

    What was begun before is alone: the process may have ended because of it, and that is counted.
    """
    found = list(tasks[:1])
    for before, task in pairwise(tasks):
        if not (is_text(before) and is_text(task)) or before.base_id != task.base_id:
            break
        if before.attempts or task.attempts or task.job.name in {other.job.name for other in found}:
            break
        found.append(task)
        if sum(other.job.size for other in found) > TOGETHER:
            return found[:-1]
    return found


def is_text(task: Task) -> bool:
    """Whether the file of a task is plain text or Markdown, by its name."""
    return LOADERS.get(PurePath(task.job.name).suffix.lower()) in TEXTS
