"""The vectors of a large knowledge base, by FAISS: in lists about centres, of which the nearest are searched (IVF).

Vectors stay float16, so a cosine is what the exact index says; which are found is approximate, but for a choice of few
vectors, all of which are compared. Every change costs by the vectors changed, not by those there are. Whoever uses it
holds the lock of the index. How centres are found and how many lists are probed, it is told (`training.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge.places import NOWHERE, Lists, Numbers, Places

Halves = npt.NDArray[np.float16]
Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

ARRAYS = 5
"""Arrays of such an index: ids and codes in the order of the lists, sizes of the lists, centres, probes."""


EXACT = 50_000
"""Of a choice of ids so many are compared at least, if they are there, whichever list they are in."""

FEW = 200
"""A choice of fewer ids is looked up in a hash table, of more in a bitmap, which takes a tenth of the time."""

PIECE = 8192
"""Vectors copied at a time, while nothing is searched."""

MANY = 1000
"""Vectors for which FAISS finds the nearest centres; for fewer numpy takes half of the time."""

LARGEST_BITMAP = 1 << 24
"""Ids above that: a hash table again, for the bitmap has a place for each number."""


class Inverted:
    """Ids and their vectors, about `centres` of shape (lists, dimension); `probes`: lists that a search looks into."""

    def __init__(self, centres: Floats, probes: int) -> None:
        import faiss

        self.centres, self.probes = np.ascontiguousarray(centres, dtype=np.float32), probes
        lists, self.dimension = self.centres.shape
        self._places = Places(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32))
        # One vector's lists are not asked of it: the centres are compared here, so that a choice of ids counts.
        self._quantizer: Any = faiss.IndexFlatIP(self.dimension)
        self._quantizer.add(self.centres)
        kind, metric = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        self._faiss: Any = faiss.IndexIVFScalarQuantizer(self._quantizer, self.dimension, lists, kind, metric, False)
        self._faiss.is_trained = True  # there is nothing else to learn: the codes are the vectors
        self._lists: Any = self._faiss.invlists

    @property
    def size(self) -> int:
        """How many vectors there are."""
        return self._places.size

    @property
    def lists(self) -> int:
        """How many lists there are."""
        return len(self.centres)

    def ids(self) -> Numbers:
        """Return all ids, in order."""
        return self._places.ids()

    def nearest(self, vectors: Halves) -> Lists:
        """Return the list of each vector."""
        if len(vectors) < MANY:
            return np.asarray(np.argmax(vectors.astype(np.float32) @ self.centres.T, axis=1), dtype=np.int32)
        _, lists = self._quantizer.search(vectors.astype(np.float32), 1)
        return np.asarray(lists[:, 0], dtype=np.int32)

    def add(self, ids: Numbers, vectors: Halves) -> None:
        """Put vectors in."""
        lists = self.nearest(vectors)
        self._fill(ids, _codes(vectors), np.bincount(lists, minlength=self.lists), np.argsort(lists, kind="stable"))
        self._places.put(ids, lists)

    def fill(self, ids: Numbers, codes: Codes, sizes: Numbers, order: Numbers | None = None) -> None:
        """Put vectors into an empty index: in `order`, or as they are, they are those of the first list, the next ..."""
        self._fill(ids, codes, sizes, order)
        lists = np.repeat(np.arange(self.lists, dtype=np.int32), sizes)
        self._places = Places(ids if order is None else ids[order], lists)

    def _fill(self, ids: Numbers, codes: Codes, sizes: Numbers, order: Numbers | None) -> None:
        import faiss

        ends = np.cumsum(sizes)
        for number in np.flatnonzero(sizes):
            start, end = int(ends[number] - sizes[number]), int(ends[number])
            some = slice(start, end) if order is None else order[start:end]
            theirs, bits = np.ascontiguousarray(ids[some], dtype=np.int64), np.ascontiguousarray(codes[some])
            self._lists.add_entries(int(number), end - start, faiss.swig_ptr(theirs), faiss.swig_ptr(bits))
        self._faiss.ntotal += len(ids)

    def remove(self, ids: Numbers) -> None:
        """Take vectors out; those that are not there are no error."""
        ids = np.unique(ids)
        for number, list_ in zip(ids.tolist(), self._places.of(ids).tolist(), strict=True):
            if list_ == NOWHERE:
                continue
            held, codes = self._list(list_)
            row, last = int(np.argmax(held == number)), len(held) - 1
            held[row], codes[row] = held[last], codes[last]
            self._lists.resize(list_, last)
            self._faiss.ntotal -= 1
        self._places.take(ids)

    def _list(self, number: int) -> tuple[Numbers, Codes]:
        """Return ids and codes of a list as FAISS holds them: valid until the list changes."""
        import faiss

        size, width = int(self._lists.list_size(number)), int(self._faiss.code_size)
        if not size:
            return np.empty(0, dtype=np.int64), np.empty((0, width), dtype=np.uint8)
        held = faiss.rev_swig_ptr(self._lists.get_ids(number), size)
        return held, faiss.rev_swig_ptr(self._lists.get_codes(number), size * width).reshape(size, width)

    def search(self, vector: Floats, count: int, only: Numbers | None = None) -> tuple[Numbers, Floats]:
        """Return up to `count` ids and their cosines to `vector`, of shape (1, dimension), the nearest first."""
        return self.probe(vector, count, self._chosen(self.centres @ vector[0], only), only)

    def cosines(self, vector: Floats, ids: Numbers) -> Floats:
        """Return the cosines of some vectors, whose ids are in order, to `vector`; 0 of one that is not there."""
        lists = self._places.of(ids)
        there, scores = self.probe(vector, len(ids), np.unique(lists[lists != NOWHERE]), ids)
        found = np.zeros(len(ids), dtype=np.float32)
        found[np.searchsorted(ids, there)] = scores
        return found

    def probe(self, vector: Floats, count: int, lists: Numbers | Lists, only: Numbers | None = None) -> tuple[Numbers, Floats]:
        """Return as `search` what is in these lists."""
        import faiss

        if not len(lists):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        among = None if only is None else selector(only)
        how: Any = faiss.SearchParametersIVF(nprobe=len(lists), sel=among)  # type: ignore[call-arg]
        scores, ids = np.empty((1, count), dtype=np.float32), np.empty((1, count), dtype=np.int64)
        where, similar = np.ascontiguousarray(lists, dtype=np.int64), np.zeros(len(lists), dtype=np.float32)
        pointers = [faiss.swig_ptr(one) for one in (vector, where, similar, scores, ids)]
        self._faiss.search_preassigned_c(1, pointers[0], count, *pointers[1:], False, how)
        there = ids[0] != -1
        return ids[0][there], scores[0][there]

    def _chosen(self, similar: Floats, only: Numbers | None) -> Numbers:
        """Return the lists to look into: the nearest, or those of the chosen ids until as many vectors are compared."""
        if only is None:
            probes = min(self.probes, self.lists)
            return np.argpartition(-similar, probes - 1)[:probes]
        lists = self._places.of(only)
        held = np.bincount(lists[lists != NOWHERE], minlength=self.lists)
        there = np.flatnonzero(held)
        order = there[np.argsort(-similar[there], kind="stable")]
        compared = np.cumsum(held[order])
        enough = max(self.size * self.probes // self.lists, EXACT)
        return order[: int(np.searchsorted(compared, enough)) + 1]

    def ranks(self, vector: Floats, count: int) -> Numbers:
        """Return of each of the true `count` nearest the place of its list, in [0, lists), among the nearest lists."""
        everything = np.arange(self.lists, dtype=np.int64)
        ids, _ = self.probe(vector, min(count, self.size), everything)
        place = np.empty(self.lists, dtype=np.int64)
        place[np.argsort(-(self.centres @ vector[0]), kind="stable")] = everything
        return place[self.list_of(ids)]

    def list_of(self, ids: Numbers) -> Lists:
        """Return the list of each of these ids; `NOWHERE` for one that is not there."""
        return self._places.of(ids)

    def pieces(self) -> Iterator[tuple[Numbers, Codes]]:
        """Yield copies of ids and codes, some thousands at a time; between two, vectors may be added but not removed."""
        parts: list[tuple[Numbers, Codes]] = []
        for number in range(self.lists):
            parts.append(self._list(number))
            if sum(len(ids) for ids, _ in parts) >= PIECE or number == self.lists - 1:
                yield np.concatenate([ids for ids, _ in parts]), np.concatenate([codes for _, codes in parts])
                parts = []

    def arrays(self) -> list[npt.NDArray[Any]]:
        """Return everything as arrays, `ARRAYS` of them."""
        parts = [self._list(number) for number in range(self.lists)]
        sizes = np.array([len(ids) for ids, _ in parts], dtype=np.int64)
        ids, codes = np.concatenate([ids for ids, _ in parts]), np.concatenate([codes for _, codes in parts])
        return [ids, codes, sizes, self.centres, np.array([self.probes], dtype=np.int64)]


def restored(arrays: Sequence[npt.NDArray[Any]]) -> Inverted:
    """Return the index that `arrays` told about; raises `ValueError` where they do not fit each other."""
    ids, codes, sizes, centres, probes = arrays
    if ids.ndim != 1 or codes.ndim != 2 or sizes.ndim != 1 or centres.ndim != 2 or probes.shape != (1,):
        raise ValueError("an index of no such shape")
    if len(sizes) != len(centres) or codes.shape != (len(ids), 2 * centres.shape[1]) or not np.isfinite(centres).all():
        raise ValueError("an index whose parts do not fit")
    if (sizes < 0).any() or (sizes > len(ids)).any() or sizes.sum() != len(ids) or not 0 < probes[0] <= len(centres):
        raise ValueError("an index whose lists do not fit")
    found = Inverted(centres, int(probes[0]))
    found.fill(ids, codes, sizes)
    return found


def selector(only: Numbers) -> Any:
    """Return what lets FAISS look at some ids only, which are in order."""
    import faiss

    if len(only) < FEW or not 0 <= only[0] <= only[-1] < LARGEST_BITMAP:
        return faiss.IDSelectorBatch(only)
    chosen = np.zeros(only[-1] + 1, dtype=np.bool_)
    chosen[only] = True
    return faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))  # type: ignore[call-arg,arg-type]


def _codes(vectors: Halves) -> Codes:
    """Return vectors as FAISS keeps them for QT_fp16: their bits, with no way through float32 and back."""
    return np.ascontiguousarray(vectors, dtype=np.float16).view(np.uint8)
