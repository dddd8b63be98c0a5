"""In which inverted list each vector is: id -> number of the list, 12 bytes each. What a vector is, it does not know.

FAISS's own map (`DirectMap`) takes 48 bytes each, and filling it takes longer than reading the vectors.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Lists = npt.NDArray[np.int32]

NOWHERE = -1
"""The list of an id that is not there."""


class Places:
    """Ids in order, each with its list; those taken out stay as holes until half of all are."""

    def __init__(self, ids: Numbers, lists: Lists) -> None:
        self._sort(ids, lists)

    def _sort(self, ids: Numbers, lists: Lists) -> None:
        kept = np.flatnonzero(lists != NOWHERE)
        order = kept[np.argsort(ids[kept], kind="stable")]
        self._ids, self._lists = ids[order], lists[order]
        self._used, self._holes = len(order), 0

    @property
    def size(self) -> int:
        """How many ids there are."""
        return self._used - self._holes

    def ids(self) -> Numbers:
        """Return all ids, in order."""
        ids: Numbers = self._ids[: self._used][self._lists[: self._used] != NOWHERE]
        return ids

    def of(self, ids: Numbers) -> Lists:
        """Return the list of each of these ids; `NOWHERE` for one that is not there."""
        rows, there = self._find(ids)
        return np.where(there, self._lists[rows], NOWHERE) if self._used else np.full(len(ids), NOWHERE, dtype=np.int32)

    def put(self, ids: Numbers, lists: Lists) -> None:
        """Put ids in that are not there."""
        if len(ids) and ((self._used and ids.min() <= self._ids[self._used - 1]) or (np.diff(ids) <= 0).any()):
            self._sort(np.concatenate([self._ids[: self._used], ids]), np.concatenate([self._lists[: self._used], lists]))
            return  # out of order, which ids of a database are not
        last = self._used + len(ids)
        self._ids, self._lists = _grown(self._ids, last), _grown(self._lists, last)
        self._ids[self._used : last], self._lists[self._used : last] = ids, lists
        self._used = last

    def take(self, ids: Numbers) -> None:
        """Take ids out; those that are not there are no error."""
        rows, there = self._find(ids)
        rows = np.unique(rows[there])
        self._lists[rows] = NOWHERE
        self._holes += len(rows)
        if 2 * self._holes > self._used:
            self._sort(self._ids[: self._used], self._lists[: self._used])

    def _find(self, ids: Numbers) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        """Return the row of each id, and whether it is there."""
        if not self._used:
            return np.zeros(len(ids), dtype=np.int64), np.zeros(len(ids), dtype=np.bool_)
        rows = np.minimum(np.searchsorted(self._ids[: self._used], ids), self._used - 1)
        return rows, (self._ids[rows] == ids) & (self._lists[rows] != NOWHERE)


def _grown(array: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """Return an array with room for `size` numbers, an eighth more where it has to be a new one."""
    if size <= len(array):
        return array
    new = np.empty(size + size // 8, dtype=array.dtype)
    new[: len(array)] = array
    return new
