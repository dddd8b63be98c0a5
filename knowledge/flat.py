"""The vectors of a knowledge base that is not large, by FAISS: all are compared, in float16.

Where they are many and asked again, all are compared roughly (`coarse.py`) and the nearest exactly: reading them from memory
is what takes the time. Whoever uses it holds the lock of the index.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge import huge_pages
from knowledge.coarse import Coarse
from knowledge.inverted import PIECE, Codes, Floats, Halves, selector
from knowledge.places import Numbers

ARRAYS = 2
"""Arrays of such an index: ids and codes."""
MANY = 20_000
"""Vectors from which on a rough copy is worth its memory: comparing all takes a millisecond then."""
SPARE = 64
"""Vectors that are compared exactly beyond those asked for."""


class Flat:
    """Ids and their vectors, all of one dimension."""

    lists = 0
    """It has none."""

    def __init__(self, dimension: int) -> None:
        import faiss

        self.dimension = dimension
        flat = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        self._faiss: Any = faiss.IndexIDMap(flat)
        self._order: Numbers | None = None  # of the rows by their ids, until they change
        self._place = 0  # in memory, of the vectors that are in large pages
        self._coarse: Coarse | None = None
        self._asked = False  # a program that searches once and ends needs no rough copy

    @property
    def size(self) -> int:
        """How many vectors there are."""
        return int(self._faiss.ntotal)

    def ids(self) -> Numbers:
        """Return all ids."""
        import faiss

        return faiss.vector_to_array(self._faiss.id_map)

    def add(self, ids: Numbers, vectors: Halves) -> None:
        """Put vectors in."""
        self.fill(ids, np.ascontiguousarray(vectors, dtype=np.float16).view(np.uint8))

    def fill(self, ids: Numbers, codes: Codes) -> None:
        """Put vectors in, given as the bits of float16, which FAISS keeps: no way through float32 and back."""
        self._order = None
        codes, ids = np.ascontiguousarray(codes), np.ascontiguousarray(ids)
        self._faiss.add_sa_codes(codes, ids)
        if self._coarse is not None:
            self._coarse.add(ids, codes)
        kept = self._inner().codes
        if (place := int(kept.data())) != self._place and (size := int(kept.size())) >= huge_pages.SMALLEST:
            huge_pages.advise(place, size)  # FAISS has moved them to where there is more room
            self._place = place

    def _inner(self) -> Any:
        """Return the index that holds the vectors, by row."""
        import faiss

        return faiss.downcast_index(self._faiss.index)

    def remove(self, ids: Numbers) -> None:
        """Take vectors out; those that are not there are no error."""
        self._order = None
        self._faiss.remove_ids(ids)
        if self._coarse is not None:
            self._coarse.remove(ids)

    def search(self, vector: Floats, count: int, only: Numbers | None = None) -> tuple[Numbers, Floats]:
        """Return up to `count` ids and their cosines to `vector`, of shape (1, dimension), the nearest first."""
        import faiss

        among: Any = None if only is None else faiss.SearchParameters(sel=selector(only))  # type: ignore[call-arg]
        coarse = self._rough()
        if coarse is not None and count + SPARE < self.size:
            near = np.sort(coarse.nearest(vector, count + SPARE, among))
            cosines = self.cosines(vector, near)
            best = np.argsort(-cosines, kind="stable")[:count]
            return near[best], cosines[best]
        scores, ids = self._faiss.search(vector, min(count, self.size), params=among)
        there = ids[0] != -1
        return ids[0][there], scores[0][there]

    def _rough(self) -> Coarse | None:
        """Return the rough copy, made when a search is not the first; None where there is none."""
        if self.size < MANY:
            self._coarse = None
        elif self._coarse is None and self._asked:
            self._coarse = Coarse(*self._held())
        self._asked = True
        return self._coarse

    def cosines(self, vector: Floats, ids: Numbers) -> Floats:
        """Return the cosines of some vectors, whose ids are in order, to `vector`; 0 of one that is not there."""
        held, codes = self._held()
        if self._order is None:
            self._order = np.argsort(held, kind="stable")
        rows = self._order[np.minimum(np.searchsorted(held, ids, sorter=self._order), len(held) - 1)]
        found: Floats = codes[rows].view(np.float16).astype(np.float32) @ vector[0]
        return np.where(held[rows] == ids, found, np.float32(0))

    def _held(self) -> tuple[Numbers, Codes]:
        """Return ids and codes as they lie in memory, until they change."""
        import faiss

        inner = self._inner()
        size, width = self.size, int(inner.code_size)
        ids: Numbers = faiss.rev_swig_ptr(self._faiss.id_map.data(), size)
        codes: Codes = faiss.rev_swig_ptr(inner.codes.data(), size * width).reshape(size, width)
        return ids, codes

    def pieces(self) -> Iterator[tuple[Numbers, Codes]]:
        """Yield copies of ids and codes, some thousands at a time; between two, vectors may be added but not removed."""
        size = self.size
        for start in range(0, size, PIECE):
            stop = min(start + PIECE, size)
            ids, codes = self._held()
            yield ids[start:stop].copy(), codes[start:stop].copy()

    def arrays(self) -> list[npt.NDArray[Any]]:
        """Return everything as arrays, `ARRAYS` of them."""
        import faiss

        ids = self.ids()
        inner = self._inner()
        return [ids, faiss.vector_to_array(inner.codes).reshape(len(ids), -1)]


def restored(arrays: Sequence[npt.NDArray[Any]]) -> Flat:
    """Return the index that `arrays` told about; raises `ValueError` where they do not fit each other."""
    ids, codes = arrays
    if ids.ndim != 1 or codes.ndim != 2 or len(codes) != len(ids) or codes.shape[1] % 2:
        raise ValueError("an index of no such shape")
    found = Flat(codes.shape[1] // 2)
    found.fill(ids, codes)
    return found
