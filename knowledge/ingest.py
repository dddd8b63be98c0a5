"""The worker that turns uploaded files into stored documents: one thread, one file at a time, in the order of upload.

Whatever a file does, its job ends with a reason in words and the next file's turn comes. What may pass by itself (a full
disk, a model that failed) is tried again after a pause, while others have their turn (`retries.py`). A job that the end of
the process cut off begins again at the next start. How a file becomes a document (`pipeline.py`) and how one is stored
(`shelf.py`), it does not know.
"""

import contextlib
import dataclasses
import logging
import threading

from knowledge import catalog, entry_rows
from knowledge.base import (
    EmbedderMismatch,
    EmbedderNotReady,
    Job,
    KnowledgeError,
    UnreadableFile,
)
from knowledge.embedders import Embedders
from knowledge.jobs import Jobs, Task
from knowledge.pipeline import Pipeline
from knowledge.retries import Retries, may_pass
from knowledge.shelf import Shelf, Withdrawn
from knowledge.store import Store
from knowledge.work import Stopped, Work

log = logging.getLogger(__name__)

CLOSE_SECONDS = 10.0
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
            self._fail(work, error.code, str(error), may_pass(error))
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
        new = self._pipeline.run(task, work)
        try:
            self._shelf.put(new, work.as_ready())
        except EmbedderMismatch:
            if self._pipeline.model(task.base_id).identity == new.embedder:
                raise
            self._jobs.again(task.job.id)  # the base was rebuilt meanwhile

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
