"""The vectors of a knowledge base in memory, by FAISS; the only module that knows it.

A copy of what the database holds: never written to a file, made anew at each start (100,000 vectors in 0.3 s). Exact
inner product over float16. FAISS crashes the process when an index is searched while it changes, so every use is under
the lock of the index. Texts and names it does not know.
"""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge.base import EmbedderMismatch, KnowledgeError

Batch = tuple[npt.NDArray[np.int64], npt.NDArray[np.float16]]


class Index:
    """Chunk ids and their vectors. Hold `lock` to keep it as it is while the database changes."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
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

    def rebuild(self, batches: Iterable[Batch]) -> None:
        """Replace everything by these vectors; after an exception it is empty and refuses to be searched."""
        with self.lock:
            self._faiss, self._incomplete = None, False
            try:
                for ids, vectors in batches:
                    self._add(ids, vectors)
            except BaseException:
                self._faiss, self._incomplete = None, True
                raise

    def swap(self, gone: Sequence[int], came: Sequence[int], vectors: npt.NDArray[np.float16]) -> None:
        """Take out some vectors and put in others; no search sees one without the other."""
        with self.lock:
            if self._incomplete:
                return
            if gone and self._faiss is not None:
                self._faiss.remove_ids(np.asarray(gone, dtype=np.int64))
            if self._faiss is not None and not self._faiss.ntotal:
                self._faiss = None  # the next document may be of another model, with another dimension
            if came:
                self._add(np.asarray(came, dtype=np.int64), vectors)

    def _add(self, ids: npt.NDArray[np.int64], vectors: npt.NDArray[np.float16]) -> None:
        import faiss

        if self._faiss is None:
            flat = faiss.IndexScalarQuantizer(vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
            self._faiss = faiss.IndexIDMap(flat)
        self._check(vectors.shape[1])
        self._faiss.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), ids)

    def search(self, vector: npt.NDArray[np.float32], count: int) -> list[tuple[int, float]]:
        """Return up to `count` ids and their cosine to `vector`, of shape (1, dimension), the nearest first.

        Raises `KnowledgeError` when the base could not be read.
        """
        with self.lock:
            if self._incomplete:
                raise KnowledgeError(
                    "this knowledge base is damaged on the disk (the log tells more): restore it from a backup, or delete"
                    " it and add its documents again"
                )
            if self._faiss is None:
                return []
            self._check(vector.shape[1])
            scores, ids = self._faiss.search(np.ascontiguousarray(vector, dtype=np.float32), min(count, self._faiss.ntotal))
        return [(int(number), float(score)) for number, score in zip(ids[0], scores[0], strict=True) if number != -1]

    def _check(self, dimension: int) -> None:
        if dimension != self._faiss.d:
            raise EmbedderMismatch(f"the vectors of this base have {self._faiss.d} dimensions, this one has {dimension}")


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
