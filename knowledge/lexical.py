"""The words of a knowledge base in memory: which passages hold a term, and how often. Scored by BM25.

A copy of what the database holds (`terms.pack`), as the vectors are: made anew at each start or taken from a checked file
(`index_file.py`), and changed with them under one lock. Segments of postings in numpy arrays; new passages come as small
segments, which are merged so that each is at least twice as large as the next. Texts it does not know.

Chosen over SQLite's FTS5, which reads a row of a table for every passage that holds any word of the question.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge import terms

SATURATION = 0.9
"""BM25's k1: how soon a further occurrence of a word adds nothing."""

LENGTH = 0.4
"""BM25's b: how much a long passage is marked down."""

LARGEST_SEGMENT = 100_000
"""Passages from which on a segment is merged no more: what one addition costs at most."""

Floats = npt.NDArray[np.float32]


@dataclass(slots=True)
class _Segment:
    """Postings of some passages (`ids` in order), by key: those of `keys[i]` are from `starts[i]` to `starts[i + 1]`."""

    ids: npt.NDArray[np.int64]
    alive: npt.NDArray[np.bool_]
    lengths: Floats
    keys: terms.Keys
    starts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    counts: npt.NDArray[np.uint8]

    def postings(self, key: int) -> slice:
        """Return where the postings of a key are; an empty slice where there are none."""
        place = int(np.searchsorted(self.keys, np.uint32(key)))
        if place == len(self.keys) or self.keys[place] != key:
            return slice(0, 0)
        return slice(int(self.starts[place]), int(self.starts[place + 1]))

    def rows_of(self, ids: Sequence[int]) -> list[int]:
        """Return the rows of those of these passages that are here."""
        wanted = np.asarray(ids, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return [int(place) for place in places[self.ids[places] == wanted]]


PARTS = len(_Segment.__slots__)
"""Arrays of a segment."""


class Lexical:
    """Chunk ids and their terms. Whoever uses it holds the lock of the base's index."""

    def __init__(self) -> None:
        self._segments: list[_Segment] = []
        self._passages = 0
        self._length = 0.0

    @property
    def size(self) -> int:
        """How many passages there are."""
        return self._passages

    def ids(self) -> set[int]:
        """Return the ids of all passages."""
        return {int(number) for segment in self._segments for number in segment.ids[segment.alive]}

    def clear(self) -> None:
        """Forget everything."""
        self._segments, self._passages, self._length = [], 0, 0.0

    def rebuild(self, batches: Iterable[tuple[Sequence[int], Sequence[bytes]]]) -> None:
        """Replace everything by these passages, which come in the order of their ids."""
        self.clear()
        ids: list[int] = []
        packed: list[bytes] = []
        for some, theirs in batches:
            ids += some
            packed += theirs
            if len(ids) >= LARGEST_SEGMENT:
                self._segments.append(_of(ids, packed))
                ids, packed = [], []
        if ids:
            self._segments.append(_of(ids, packed))
        self._count()

    def arrays(self) -> list[npt.NDArray[Any]]:
        """Return everything as arrays, `PARTS` for each segment."""
        return [getattr(segment, part) for segment in self._segments for part in _Segment.__slots__]

    def restore(self, arrays: Sequence[npt.NDArray[Any]]) -> None:
        """Replace everything by what `arrays` returned."""
        self._segments = [_Segment(*arrays[start : start + PARTS]) for start in range(0, len(arrays), PARTS)]
        self._count()

    def add(self, ids: Sequence[int], packed: Sequence[bytes]) -> None:
        """Take in passages, whose ids are in order and not there yet."""
        if not ids:
            return
        self._segments.append(_of(ids, packed))
        while len(self._segments) > 1 and len(self._segments[-2].ids) < min(2 * len(self._segments[-1].ids), LARGEST_SEGMENT):
            self._segments[-2:] = [_merged(self._segments[-2:])]
        self._count()

    def remove(self, gone: Sequence[int]) -> None:
        """Take out passages; those that are not there are no error."""
        numbers = np.asarray(gone, dtype=np.int64)
        for place, segment in enumerate(self._segments):
            segment.alive &= ~np.isin(segment.ids, numbers)
            if 2 * int(segment.alive.sum()) < len(segment.ids):
                self._segments[place] = _merged([segment])
        self._segments = [segment for segment in self._segments if len(segment.ids)]
        self._count()

    def _count(self) -> None:
        self._passages = sum(int(segment.alive.sum()) for segment in self._segments)
        total = sum(float(segment.lengths[segment.alive].sum()) for segment in self._segments)
        self._length = total / self._passages if self._passages else 0.0

    def weights(self, words: Mapping[str, float]) -> dict[int, float]:
        """Return the key of each term and how much it tells: its idf, most if it is nowhere, times what it counts."""
        found: dict[int, float] = {}
        for word, part in words.items():
            number = terms.key(word)
            found[number] = max(found.get(number, 0.0), part * self._weight(number))
        return found

    def _weight(self, key: int) -> float:
        holds = 0
        for segment in self._segments:
            where = segment.postings(key)
            holds += where.stop - where.start
        holds = min(holds, self._passages)  # those that are gone are counted until their segment is merged
        return float(np.log1p((self._passages - holds + 0.5) / (holds + 0.5)))

    def search(
        self, weights: Mapping[int, float], count: int, also: Sequence[int] = (), only: npt.NDArray[np.int64] | None = None
    ) -> dict[int, float]:
        """Return the scores of the best `count` passages that hold any of the terms, and those of the passages `also`.

        A score is the part, in [0, 1), of what the terms tell that the passage holds. `only`: the ids, in order, of the
        passages that count; None: all.
        """
        total = sum(weights.values())
        found: dict[int, float] = {}
        for segment in self._segments if total else ():
            scores = self._scores(segment, weights) / np.float32(total)
            if only is not None:
                scores[~np.isin(segment.ids, only)] = 0
            best = np.flatnonzero(scores)
            best = best[np.argpartition(-scores[best], count)[:count]] if count < len(best) else best
            for row in (*best, *segment.rows_of(also)):
                if scores[row] > 0:
                    found[int(segment.ids[row])] = float(scores[row])
        best_first = sorted(found, key=lambda number: (-found[number], number))
        kept = {*best_first[:count], *also}
        return {number: found[number] for number in best_first if number in kept}

    def _scores(self, segment: _Segment, weights: Mapping[int, float]) -> Floats:
        scores = np.zeros(len(segment.ids), dtype=np.float32)
        for key, weight in weights.items():
            where = segment.postings(key)
            rows, counts = segment.rows[where], segment.counts[where].astype(np.float32)
            slowness = SATURATION * (1 - LENGTH + LENGTH / self._length * segment.lengths[rows])
            scores[rows] += weight * counts / (counts + slowness)  # no row is there twice
        scores[~segment.alive] = 0
        return scores


def _of(ids: Sequence[int], packed: Sequence[bytes]) -> _Segment:
    rows, keys, counts = terms.unpack(packed)
    return _sorted(np.asarray(ids, dtype=np.int64), rows, keys, counts)


def _merged(segments: Sequence[_Segment]) -> _Segment:
    """Return one segment of all passages of these that are still there."""
    ids, rows, keys, counts, before = [], [], [], [], 0
    for segment in segments:
        kept = segment.alive[segment.rows]
        moved = (np.cumsum(segment.alive, dtype=np.int32) - 1 + before).astype(np.int32)
        ids.append(segment.ids[segment.alive])
        rows.append(moved[segment.rows[kept]])
        keys.append(np.repeat(segment.keys, np.diff(segment.starts))[kept])
        counts.append(segment.counts[kept])
        before += len(ids[-1])
    order = np.argsort(np.concatenate(ids))  # a passage that is switched on again comes after later ones
    place = np.empty(before, dtype=np.int32)
    place[order] = np.arange(before, dtype=np.int32)
    return _sorted(np.concatenate(ids)[order], place[np.concatenate(rows)], np.concatenate(keys), np.concatenate(counts))


def _sorted(
    ids: npt.NDArray[np.int64], rows: npt.NDArray[np.int32], keys: terms.Keys, counts: npt.NDArray[np.uint8]
) -> _Segment:
    lengths = np.bincount(rows, weights=counts, minlength=len(ids)).astype(np.float32)
    # Key and place in one number: sorting that is several times faster than finding an order and applying it.
    places = (keys.astype(np.uint64) << np.uint64(32)) | np.arange(len(keys), dtype=np.uint64)
    places.sort()
    ordered = (places >> np.uint64(32)).astype(np.uint32)
    order = (places & np.uint64(0xFFFFFFFF)).astype(np.int64)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(ordered) else order
    alive = np.ones(len(ids), dtype=np.bool_)
    return _Segment(ids, alive, lengths, ordered[starts], np.append(starts, len(order)), rows[order], counts[order])
