"""The worker that makes the vectors of a base again by the present embedding model, while the old ones answer.

Vectors are stored beside the old ones as they are made, so that a stop costs a batch at most; when there is one for every
passage, all take their place in one transaction. Passages stay as they were cut. Documents that come meanwhile are made
by the old model, if it is still there, and have their turn too.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from knowledge import catalog, vector_rows
from knowledge.base import KnowledgeError
from knowledge.chunking import embedded
from knowledge.embedders import Embedders
from knowledge.embeddings import checked, short_name
from knowledge.shelf import Shelf
from knowledge.store import Store
from knowledge.vector_rows import Made

BATCH = 64
SAMPLE = 8
CLOSE_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A base that another model made than the present one, and how far it is being made again.

    `made_by`, `wanted`: names of models. `seconds`: left, estimated, 0 where it is not known. `by_words`: until then it is
    searched by words only, for its model is gone. `error`: why it stopped, "" if it did not.
    """

    base: str
    made_by: str
    wanted: str
    passages: int
    done: int
    running: bool
    seconds: float
    by_words: bool
    error: str = ""


class Rebuilds:
    """The worker thread, one base at a time; which ones, the database says."""

    def __init__(self, store: Store, shelf: Shelf, embedders: Embedders, fault: Callable[[str], None]) -> None:
        self._store = store
        self._shelf = shelf
        self._embedders = embedders
        self._fault = fault
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._failed: dict[int, str] = {}
        self._reached: dict[int, int] = {}
        self._speed = 0.0  # seconds a passage

    def resume(self) -> None:
        """Go on with what an earlier process began; what it wanted of another model than the present is given up."""
        present = self._embedders.present.identity
        with self._store.read() as connection:
            begun = [made for made in vector_rows.bases(connection) if made.next]
        for made in begun:
            if made.next != present:
                with self._store.write() as connection:
                    vector_rows.stop(connection, made.base_id)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="rebuild", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop within a batch; what is done is kept."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def begin(self, base_id: int) -> None:
        """Make the vectors of a base again."""
        with self._store.write() as connection:
            vector_rows.begin(connection, base_id, self._embedders.present.identity)
        with self._changed:
            self._failed.pop(base_id, None)
            self._changed.notify_all()

    def cancel(self, base_id: int) -> None:
        """Leave a base with the vectors that it has."""
        with self._store.write() as connection:
            vector_rows.stop(connection, base_id)

    def states(self) -> list[Rebuild]:
        """Return all bases that are made by another model than the present one, or are being made again."""
        present = self._embedders.present.identity
        with self._store.read() as connection:
            found = [made for made in vector_rows.bases(connection) if made.embedder != present or made.next]
        return [self._state(made) for made in found]

    def _state(self, made: Made) -> Rebuild:
        error = self._failed.get(made.base_id, "")
        with self._store.read() as connection:
            passages, done = vector_rows.counts(connection, made.base_id)
        return Rebuild(
            base=made.name,
            made_by=short_name(made.embedder),
            wanted=short_name(self._embedders.present.identity),
            passages=passages,
            done=done,
            running=bool(made.next) and not error,
            seconds=(passages - done) * self._pace(made.base_id),
            by_words=self._embedders.of(made.embedder) is None,
            error=error,
        )

    def _pace(self, base_id: int) -> float:
        """Return seconds a passage, measured once on some of this base where nothing was made yet."""
        if not self._speed:
            with self._store.read() as connection:
                some = vector_rows.waiting(connection, base_id, SAMPLE)
            try:
                if some:
                    self._vectors(some)
            except Exception:  # whoever only asks how long it takes is not told by an error that it will not work
                log.exception("the embedding model could not be tried")
        return self._speed

    def _vectors(self, rows: list[tuple[int, str, tuple[str, ...], str]]) -> catalog.Halves:
        model = self._embedders.present
        begin = time.perf_counter()
        texts = [embedded(text, name, headings, model, model.max_tokens) for _, name, headings, text in rows]
        vectors = checked(model.encode(texts), len(texts), model.dimension).astype(np.float16)
        self._speed = (time.perf_counter() - begin) / len(rows)
        return vectors

    def _run(self) -> None:
        while not self._closing:
            made = self._next()
            if made is None:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing or self._next() is not None, timeout=None)
                continue
            try:
                self._step(made)
            except Exception as error:  # the model, the disk, a bug: this base keeps its old vectors, and it is told why
                log.exception("the vectors of %r could not be made again", made.name)
                text = str(error) if isinstance(error, KnowledgeError) else f"an error of the server ({type(error).__name__})"
                self._failed[made.base_id] = text

    def _next(self) -> Made | None:
        if self._closing:
            return None
        try:
            with self._store.read() as connection:
                found = [made for made in vector_rows.bases(connection) if made.next and made.base_id not in self._failed]
        except KnowledgeError:  # closed meanwhile, or unreadable, which whoever asks next is told
            return None
        return found[0] if found else None

    def _step(self, made: Made) -> None:
        """Make a batch of vectors, or, when there are none left to make, let them count."""
        with self._store.read() as connection:
            after = self._reached.get(made.base_id, 0)
            rows = vector_rows.waiting(connection, made.base_id, BATCH, after)
            rows = rows or vector_rows.waiting(connection, made.base_id, BATCH)
        if not rows:
            self._shelf.switch(made.base_id, made.next, self._embedders.path_of(made.next))
            with self._store.read() as connection:
                self._embedders.keep(vector_rows.bases(connection))
            return
        vectors = self._vectors(rows)
        self._fault("rebuild_batch")
        with self._store.write(durable=False) as connection:
            if vector_rows.wanted(connection, made.base_id) == made.next:
                vector_rows.put(connection, [row[0] for row in rows], vectors)
        self._reached[made.base_id] = rows[-1][0]
        self._fault("rebuild_stored")
