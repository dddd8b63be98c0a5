"""The vectors of a knowledge base in memory, by FAISS, with its terms; the only module that knows FAISS.

A copy of what the database holds, made anew at each start or taken from a checked file (`index_file.py`) of bare
numbers, for FAISS's own files crash it when they are crafted. Exact inner product over float16. FAISS crashes the process
too when an index is searched while it changes, so every use is under the lock of the index. Terms change with the
vectors, under the same lock. Texts and names it does not know.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge.base import EmbedderMismatch, KnowledgeError
from knowledge.lexical import Lexical

Numbers = npt.NDArray[np.int64]
Batch = tuple[Numbers, npt.NDArray[np.float16]]
Words = Iterable[tuple[Sequence[int], Sequence[bytes]]]
"""Ids, in order, and the packed terms of their chunks."""

DAMAGED = (
    "this knowledge base is damaged on the disk (the log tells more): restore it from a backup, or delete it and add its"
    " documents again"
)


@dataclass(frozen=True, slots=True)
class Looked:
    """What both halves of an index found at one moment: chunk id -> score; `dense` are cosines, `lexical` in [0, 1)."""

    dense: dict[int, float] = field(default_factory=dict)
    lexical: dict[int, float] = field(default_factory=dict)


class Index:
    """Chunk ids, their vectors and terms. Hold `lock` to keep it as it is while the database changes."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._lexical = Lexical()
        self._faiss: Any = None
        self._incomplete = False

    @property
    def size(self) -> int:
        """How many vectors there are."""
        with self.lock:
            return 0 if self._faiss is None else int(self._faiss.ntotal)

    def ids(self) -> set[int]:
        """Return the ids of all vectors."""
        import faiss

        with self.lock:
            return set() if self._faiss is None else set(faiss.vector_to_array(self._faiss.id_map).tolist())

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
            self._faiss, self._incomplete = None, False
            try:
                self._lexical.rebuild(words)
                for ids, vectors in batches:
                    self._add(ids, vectors)
            except BaseException:
                self._lexical.clear()
                self._faiss, self._incomplete = None, True
                raise

    def arrays(self) -> list[npt.NDArray[Any]]:
        """Return everything as arrays: ids, vectors of shape (ids, dimension) as the bits of float16, and the terms."""
        import faiss

        with self.lock:
            if self._faiss is None:
                return []
            ids = faiss.vector_to_array(self._faiss.id_map)
            flat: Any = faiss.downcast_index(self._faiss.index)
            return [ids, faiss.vector_to_array(flat.codes).reshape(len(ids), -1), *self._lexical.arrays()]

    def restore(self, arrays: Sequence[npt.NDArray[Any]]) -> None:
        """Replace everything by what `arrays` returned, whole and unchanged; after an exception it is empty."""
        with self.lock:
            self.rebuild(())
            if not arrays:
                return
            try:
                self._lexical.restore(arrays[2:])
                self._add(arrays[0], arrays[1].view(np.float16))
            except BaseException:
                self._lexical.clear()
                self._faiss = None
                raise

    def swap(
        self, gone: Sequence[int], came: Sequence[int], vectors: npt.NDArray[np.float16], packed: Sequence[bytes] = ()
    ) -> None:
        """Take out some chunks and put in others, with their packed terms; no search sees one without the other."""
        with self.lock:
            if self._incomplete:
                return
            if gone:
                self._lexical.remove(gone)
            if gone and self._faiss is not None:
                self._faiss.remove_ids(np.asarray(gone, dtype=np.int64))
            if self._faiss is not None and not self._faiss.ntotal:
                self._faiss = None  # the next document may be of another model, with another dimension
            if came:
                self._add(np.asarray(came, dtype=np.int64), vectors)
            if packed:
                self._lexical.add(came, packed)

    def _add(self, ids: npt.NDArray[np.int64], vectors: npt.NDArray[np.float16]) -> None:
        import faiss

        if self._faiss is None:
            flat = faiss.IndexScalarQuantizer(vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
            self._faiss = faiss.IndexIDMap(flat)
        self._check(vectors.shape[1])
        # The bits of float16 are what FAISS keeps for QT_fp16: no way through float32 and back.
        self._faiss.add_sa_codes(np.ascontiguousarray(vectors, dtype=np.float16).view(np.uint8), ids)

    def look(
        self, vector: npt.NDArray[np.float32], words: Mapping[str, float], count: int, only: Numbers | None = None
    ) -> Looked:
        """Return the best `count` chunks by vector, of shape (1, dimension), and by words with what each counts.

        Both at one moment; chunks found by vector have a lexical score, the others may lack a cosine. `only`: the ids, in
        order, of the chunks that count. Raises `KnowledgeError` when the base could not be read.
        """
        with self.lock:
            dense = dict(self.search(vector, count, only))
            weights = self._lexical.weights(words)
            return Looked(dense, self._lexical.search(weights, count, tuple(dense), only))

    def tells(self, words: Iterable[str]) -> dict[str, float]:
        """Return what each term tells: its idf in this base."""
        with self.lock:
            return {word: weight for word in words for weight in self._lexical.weights({word: 1.0}).values()}

    def search(self, vector: npt.NDArray[np.float32], count: int, only: Numbers | None = None) -> list[tuple[int, float]]:
        """Return up to `count` ids and their cosine to `vector`, of shape (1, dimension), the nearest first.

        Raises `KnowledgeError` when the base could not be read.
        """
        with self.lock:
            if self._incomplete:
                raise KnowledgeError(DAMAGED)
            if self._faiss is None:
                return []
            self._check(vector.shape[1])
            exact = np.ascontiguousarray(vector, dtype=np.float32)
            scores, ids = self._faiss.search(exact, min(count, self._faiss.ntotal), params=_among(only))
        return [(int(number), float(score)) for number, score in zip(ids[0], scores[0], strict=True) if number != -1]

    def _check(self, dimension: int) -> None:
        if dimension != self._faiss.d:
            raise EmbedderMismatch(f"the vectors of this base have {self._faiss.d} dimensions, this one has {dimension}")


def _among(only: Numbers | None) -> Any:
    """Return the search parameters that let FAISS look at some ids only."""
    import faiss

    return None if only is None else faiss.SearchParameters(sel=faiss.IDSelectorBatch(only))  # type: ignore[call-arg]


class Indexes:
    """One index for each base, by the base's id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[int, Index] = {}

    def of(self, base_id: int) -> Index:
        """Return the index of a base; an empty one when there is none yet."""
        with self._lock:
            return self._of.setdefault(base_id, Index())

    def drop(self, base_id: int) -> None:
        """Forget the index of a base that is gone."""
        with self._lock:
            self._of.pop(base_id, None)
