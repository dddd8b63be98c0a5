"""The vectors of a knowledge base in memory, with its terms: a copy of what the database holds.

Made anew at each start or taken from a checked file (`index_file.py`) of bare numbers, for FAISS's own files crash it
when they are crafted. FAISS crashes the process too when an index is searched while it changes, so every use is under the
lock of the index. Terms change with the vectors, under the same lock. The size decides how vectors are compared: all of
them (`flat.py`), or in a large base those near the question (`inverted.py`), which a thread makes ready while the exact
index answers (`training.py`). Texts and names it does not know.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge import flat, inverted
from knowledge.base import EmbedderMismatch, StorageFailed
from knowledge.flat import Flat
from knowledge.inverted import Inverted
from knowledge.lexical import Lexical
from knowledge.places import Numbers
from knowledge.training import Training, lists_for

Batch = tuple[Numbers, npt.NDArray[np.float16]]
Words = Iterable[tuple[Sequence[int], Sequence[bytes]]]
"""Ids, in order, and the packed terms of their chunks."""

LARGE = 200_000
"""Vectors from which on those near the question are compared, not all: comparing all takes 11 ms then."""

SHRUNK = 0.5
"""Part of that below which a base that was large is compared whole again: not back and forth about one number."""

TOO_FEW = 2
"""An index is made anew when it should have so many times the lists: when the base has grown to its square times."""

DAMAGED = (
    "this knowledge base is damaged on the disk (the log tells more): restore it from a backup, or delete it and add its"
    " documents again"
)


@dataclass(frozen=True, slots=True)
class Looked:
    """What both halves of an index found at one moment: chunk ids, their cosines and their scores by words, in [0, 1).

    First those found by words alone, by their ids, then those found by vector, the nearest first.
    """

    ids: list[int]
    dense: npt.NDArray[np.float64]
    lexical: npt.NDArray[np.float64]


class Index:
    """Chunk ids, their vectors and terms. Hold `lock` to keep it as it is while the database changes."""

    def __init__(self, large: int = LARGE) -> None:
        self.lock = threading.RLock()
        self._large = large
        self._lexical = Lexical()
        self._vectors: Flat | Inverted | None = None
        self._training: Training | None = None
        self._again = 0  # after a training that failed: the size at which to try again
        self._incomplete = False

    @property
    def size(self) -> int:
        """How many vectors there are."""
        with self.lock:
            return 0 if self._vectors is None else self._vectors.size

    @property
    def lists(self) -> int:
        """In how many lists the vectors are; 0: in none, all are compared."""
        with self.lock:
            return 0 if self._vectors is None else self._vectors.lists

    def ids(self) -> set[int]:
        """Return the ids of all vectors."""
        with self.lock:
            return set() if self._vectors is None else set(self._vectors.ids().tolist())

    def settle(self) -> None:
        """Wait until no other index is being made of this one; whoever calls does not hold the lock."""
        while (training := self._training) is not None:
            training.wait()

    def close(self) -> None:
        """Stop what makes another index of this one, and wait for its end."""
        with self.lock:
            training = self._abandon()
        if training is not None:
            training.wait()

    def word_ids(self) -> set[int]:
        """Return the ids of all passages whose terms are here."""
        with self.lock:
            return self._lexical.ids()

    @property
    def words(self) -> int:
        """How many passages have their terms here."""
        with self.lock:
            return self._lexical.size

    def rebuild(self, batches: Iterable[Batch], words: Words = ()) -> None:
        """Replace everything by these vectors and terms; after an exception it is empty and refuses to be searched."""
        with self.lock:
            self._clear()
            self._incomplete = False
            try:
                self._lexical.rebuild(words)
                for ids, vectors in batches:
                    self._add(ids, vectors)
            except BaseException:
                self._clear()
                self._incomplete = True
                raise
            self._follow_size()

    def _clear(self) -> None:
        self._abandon()
        self._lexical.clear()
        self._vectors = None

    def arrays(self) -> list[npt.NDArray[Any]]:
        """Return everything as arrays: how many are of the vectors, these (ids and codes first), and the terms."""
        with self.lock:
            if self._vectors is None:
                return []
            vectors = self._vectors.arrays()
            return [np.array([len(vectors)], dtype=np.int64), *vectors, *self._lexical.arrays()]

    def restore(self, arrays: Sequence[npt.NDArray[Any]]) -> None:
        """Replace everything by what `arrays` returned; after an exception (they do not fit) it is empty."""
        with self.lock:
            self.rebuild(())
            if not arrays:
                return
            try:
                many = int(arrays[0][0])
                vectors = arrays[1 : 1 + many]
                self._vectors = inverted.restored(vectors) if many == inverted.ARRAYS else flat.restored(vectors)
                self._lexical.restore(arrays[1 + many :])
            except BaseException:
                self._clear()
                raise
            self._follow_size()

    def swap(
        self, gone: Sequence[int], came: Sequence[int], vectors: npt.NDArray[np.float16], packed: Sequence[bytes] = ()
    ) -> None:
        """Take out some chunks and put in others, with their packed terms; no search sees one without the other."""
        with self.lock:
            if self._incomplete:
                return
            old, new = np.asarray(gone, dtype=np.int64), np.asarray(came, dtype=np.int64)
            if gone:
                self._lexical.remove(gone)
            if gone and self._vectors is not None:
                self._vectors.remove(old)
            if self._vectors is not None and not self._vectors.size:
                self._abandon()
                self._vectors = None  # the next document may be of another model, with another dimension
            if came:
                self._add(new, vectors)
            if packed:
                self._lexical.add(came, packed)
            if self._training is not None:
                self._training.note(old, new, vectors)
            self._follow_size()

    def _add(self, ids: Numbers, vectors: npt.NDArray[np.float16]) -> None:
        if self._vectors is None:
            self._vectors = Flat(vectors.shape[1])
        self._check(vectors.shape[1])
        self._vectors.add(ids, vectors)

    def _follow_size(self) -> None:
        """Begin what the size asks for: lists, more lists, or none any more."""
        now = self._vectors
        if now is None or self._training is not None:
            return
        if isinstance(now, Inverted) and now.size < SHRUNK * self._large:
            self._vectors = flat.restored(now.arrays()[: flat.ARRAYS])
        elif now.size >= self._large and lists_for(now.size) >= TOO_FEW * now.lists and now.size >= self._again:
            self._training = Training(self.lock, now, self._trained)
            self._training.start()

    def _trained(self, training: Training, made: Inverted | None) -> None:
        """Take what a training made, unless everything was replaced meanwhile."""
        if training is not self._training:
            return
        self._training = None
        if made is not None:
            self._vectors = made
        else:
            self._again = 2 * self.size

    def _abandon(self) -> Training | None:
        training, self._training = self._training, None
        if training is not None:
            training.stop()
        return training

    def look(
        self, vector: npt.NDArray[np.float32], words: Mapping[str, float], count: int, only: Numbers | None = None
    ) -> Looked:
        """Return the best `count` chunks by vector, of shape (1, dimension), and by words with what each counts.

        Both at one moment, each with its cosine and its score by words. `only`: the ids, in order, of the chunks that
        count. Raises `StorageFailed` when the base could not be read.
        """
        with self.lock:
            nearest = dict(self.search(vector, count, only))
            lexical = self._lexical.search(self._lexical.weights(words), count, tuple(nearest), only)
            dense = self._cosines(vector, sorted(lexical.keys() - nearest.keys())) | nearest
        by_words = np.array([lexical.get(chunk, 0.0) for chunk in dense])
        return Looked(list(dense), np.array(list(dense.values())), by_words)

    def _cosines(self, vector: npt.NDArray[np.float32], ids: Sequence[int]) -> dict[int, float]:
        """Return the cosines to `vector` of some chunks, whose ids are in order, in that order."""
        if not ids or self._vectors is None:
            return {}
        wanted = np.array(ids, dtype=np.int64)
        return dict(zip(ids, self._vectors.cosines(vector, wanted).tolist(), strict=True))

    def tells(self, words: Iterable[str]) -> dict[str, float]:
        """Return what each term tells: its idf in this base."""
        with self.lock:
            asked = list(words)
            return dict(zip(asked, self._lexical.tells(asked), strict=True))

    def meant(self, words: Iterable[str]) -> dict[str, str]:
        """Return, of the terms that no passage holds, those one slip away from others, and the commonest of these."""
        with self.lock:
            return self._lexical.meant(words)

    def apart(self, words: Iterable[str]) -> set[str]:
        """Return, of pairs of characters of which one may only ask or join, those that are parts of two words here."""
        with self.lock:
            return self._lexical.apart(words)

    def search(self, vector: npt.NDArray[np.float32], count: int, only: Numbers | None = None) -> list[tuple[int, float]]:
        """Return up to `count` ids and their cosine to `vector`, of shape (1, dimension), the nearest first.

        Raises `StorageFailed` when the base could not be read.
        """
        with self.lock:
            if self._incomplete:
                raise StorageFailed(DAMAGED)
            if self._vectors is None:
                return []
            self._check(vector.shape[1])
            ids, scores = self._vectors.search(np.ascontiguousarray(vector, dtype=np.float32), count, only)
        return list(zip(ids.tolist(), scores.tolist(), strict=True))

    def _check(self, dimension: int) -> None:
        if self._vectors is not None and dimension != self._vectors.dimension:
            raise EmbedderMismatch(
                f"the vectors of this base have {self._vectors.dimension} dimensions, this one has {dimension}"
            )


class Indexes:
    """One index for each base, by the base's id."""

    def __init__(self, large: int = LARGE) -> None:
        self._large = large
        self._lock = threading.Lock()
        self._of: dict[int, Index] = {}

    def of(self, base_id: int) -> Index:
        """Return the index of a base; an empty one when there is none yet."""
        with self._lock:
            return self._of.setdefault(base_id, Index(self._large))

    def drop(self, base_id: int) -> None:
        """Forget the index of a base that is gone."""
        with self._lock:
            gone = self._of.pop(base_id, None)
        if gone is not None:
            gone.close()

    def close(self) -> None:
        """Stop what is made of the indexes in the background."""
        with self._lock:
            indexes = list(self._of.values())
        for index in indexes:
            index.close()
