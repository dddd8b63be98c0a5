"""An index of inverted lists made from an exact one, or from one with too few lists, while both go on being used.

Centres by k-means over a sample of the vectors, every vector into the list of its nearest centre, then the number of
lists a search must look into, measured on vectors of the base itself: real bases differ. In a thread of its own, which
holds the lock of the index only for moments: to copy some vectors at its begin, and to hand over at its end. What changes
meanwhile is noted and done again. It does not know when a base is large enough.
"""

import contextlib
import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from knowledge.flat import Flat
from knowledge.inverted import Codes, Floats, Halves, Inverted
from knowledge.places import NOWHERE, Lists, Numbers

OF_ROOT = 4
"""Lists for each root of the number of vectors: 4,000 for a million."""

SAMPLE = 40
"""Vectors for each list, of which the centres are made."""

ROUNDS = 8
"""Of k-means; further ones move no more than a hundredth of the vectors into another list."""

BLOCK = 16_384
"""Vectors put into their lists between two looks whether to stop."""

ASKED, NEIGHBOURS = 200, 100
"""Vectors that are asked for their neighbours, and how many: as many as a search looks at."""

ATTEMPTS = 3
"""To copy the vectors without keeping searches waiting."""

CATCHING_UP = 3
"""Times that changes are done again without the lock, before the last of them are under it."""

RECALL = 0.97
"""Part of the true neighbours that is to be found: above 0.95, for questions lie further from the passages than they do."""

TINY = 1e-12
"""Instead of a length of nought."""

LEAST = 16
"""Lists that a search looks into, at least: what 200 vectors say of a base is not certain."""

log = logging.getLogger(__name__)

Change = tuple[Numbers, Numbers, Halves]
"""Ids that are gone, ids that came, and their vectors."""


class Stopped(Exception):
    """The base is closed, or all of it was replaced."""


class Training:
    """One making of an index from another, which is used under `lock`; so is `done`, which gets the result."""

    def __init__(
        self,
        lock: AbstractContextManager[Any],
        source: Flat | Inverted,
        done: Callable[["Training", Inverted | None], None],
    ) -> None:
        self._lock, self._source, self._done = lock, source, done
        self._moved = False
        self._changes: list[Change] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-training", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def note(self, gone: Numbers, came: Numbers, vectors: Halves) -> None:
        """Take down a change of the index; whoever calls holds the lock."""
        self._changes.append((gone, came, vectors))
        self._moved |= bool(len(gone))

    def stop(self) -> None:
        """End soon, without a result."""
        self._stop.set()

    def wait(self) -> None:
        """Wait for the end; whoever calls does not hold the lock."""
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        import faiss

        faiss.omp_set_num_threads(1)  # of this thread: searches have the other cores
        try:
            made = self._made()
            with self._lock:
                _apply(made, self._changes)
                self._done(self, made)
        except Stopped:
            pass
        except Exception:  # out of memory, most likely
            log.exception("the index of a large knowledge base could not be made: searches stay as they are, and get slower")
            with self._lock:
                self._done(self, None)

    def _made(self) -> Inverted:
        ids, codes = self._copy()
        vectors = codes.view(np.float16)
        made = Inverted(self._centres(vectors), 1)
        lists = self._lists(made, vectors)
        order = np.argsort(lists, kind="stable")
        made.fill(ids, codes, np.bincount(lists, minlength=made.lists), order)
        made.probes = self._probes(made, vectors)
        for _ in range(CATCHING_UP):  # what is left over is less each time, and waits for the lock
            self._look()
            with self._lock:
                changes, self._changes = self._changes, []
            _apply(made, changes)
        return made

    def _copy(self) -> tuple[Numbers, Codes]:
        """Return all ids and codes, copied piece by piece; again from the begin where removals moved what was left."""
        for _ in range(ATTEMPTS):
            if (found := self._copied(contextlib.nullcontext())) is not None:
                return found
        found = self._copied(self._lock)
        assert found is not None  # noqa: S101  # nothing changes under the lock
        return found

    def _copied(self, whole: AbstractContextManager[Any]) -> tuple[Numbers, Codes] | None:
        """Return a copy made under `whole`; None where removals or many additions came between."""
        with whole:
            with self._lock:
                self._moved, pieces = False, self._source.pieces()
                room = self._source.size + self._source.size // 8
            ids, codes, done = np.empty(0, dtype=np.int64), np.empty((0, 0), dtype=np.uint8), 0
            while True:
                self._look()
                with self._lock:
                    if self._moved:
                        return None
                    some, theirs = next(pieces, (ids[:0], codes[:0]))
                if not len(some):
                    return ids[:done], codes[:done]
                if not done:
                    ids, codes = np.empty(room, dtype=np.int64), np.empty((room, theirs.shape[1]), dtype=np.uint8)
                if done + len(some) > room:
                    return None
                ids[done : done + len(some)], codes[done : done + len(some)] = some, theirs
                done += len(some)

    def _centres(self, vectors: Halves) -> Floats:
        """Return the centres of a sample by k-means; not FAISS's, which cannot be stopped for seconds at a time."""
        lists = lists_for(len(vectors))
        chance = np.random.default_rng(len(vectors))
        sample = vectors[chance.choice(len(vectors), min(SAMPLE * lists, len(vectors)), replace=False)]
        centres = sample[:lists].astype(np.float32)
        for _ in range(ROUNDS):
            centres = _means(sample, self._lists(Inverted(centres, 1), sample), sample[chance.choice(len(sample), lists)])
        return centres

    def _lists(self, made: Inverted, vectors: Halves) -> Lists:
        return np.concatenate([made.nearest(block) for block in self._blocks(vectors)])

    def _blocks(self, vectors: Halves) -> Iterator[Halves]:
        for start in range(0, len(vectors), BLOCK):
            self._look()
            yield vectors[start : start + BLOCK]

    def _probes(self, made: Inverted, vectors: Halves) -> int:
        """Return how many lists hold the wanted part of the true neighbours of some vectors of the base."""
        chance = np.random.default_rng(len(vectors))
        rows = chance.choice(len(vectors), min(ASKED, len(vectors)), replace=False)
        ranks = []
        for row in rows:
            self._look()
            ranks.append(made.ranks(vectors[row : row + 1].astype(np.float32), NEIGHBOURS))
        wanted = int(np.quantile(np.concatenate(ranks), RECALL, method="higher")) + 1
        return min(max(wanted, LEAST), made.lists)

    def _look(self) -> None:
        if self._stop.is_set():
            raise Stopped


def _means(vectors: Halves, lists: Lists, spare: Halves) -> Floats:
    """Return the direction of the middle of each list, shape (lists, dimension); of an empty one what is in `spare`."""
    order = np.argsort(lists, kind="stable")
    held, starts = np.unique(lists[order], return_index=True)
    means = spare.astype(np.float32)
    means[held] = np.add.reduceat(vectors[order].astype(np.float32), starts)
    return np.asarray(means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), TINY), dtype=np.float32)


def lists_for(size: int) -> int:
    """Return how many lists serve so many vectors."""
    return max(1, min(round(OF_ROOT * math.sqrt(size)), size))


def _apply(made: Inverted, changes: list[Change]) -> None:
    for gone, came, vectors in changes:
        made.remove(gone)
        if not len(came):
            continue
        new = made.list_of(came) == NOWHERE  # what was there when the vectors were copied is there already
        made.add(came[new], vectors[new])
