"""Postings of some passages in numpy arrays: which of them hold a term, and how often; and which of them score best.

Scored by BM25. Terms are gone through from the one that tells most; once what is left to go through tells less than the
least of the scores wanted, no other passage can come in, and only those already found are looked up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from knowledge import terms

SATURATION = 0.9
"""BM25's k1: how soon a further occurrence of a word adds nothing."""

LENGTH = 0.4
"""BM25's b: how much a long passage is marked down."""

DEAR = 8
"""Looking a passage up among the postings of a term costs as much as going through so many of them."""

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many passages, and what each term (by key) tells of 1 together; `average`: length of a passage in terms.

    `least`: a score that so many passages reach already. `only`: ids, in order, of the passages that count.
    """

    weights: Mapping[int, float]
    average: float
    count: int
    least: float = 0.0
    only: Numbers | None = None


@dataclass(slots=True)
class Segment:
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

    def rows_of(self, ids: Sequence[int] | Numbers) -> Numbers:
        """Return the rows of those of these passages that are here and not taken out."""
        wanted = np.asarray(ids, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        rows: Numbers = places[(self.ids[places] == wanted) & self.alive[places]]
        return rows

    def best(self, wanted: Wanted, also: Sequence[int]) -> tuple[Numbers, Floats]:
        """Return ids and scores, above 0, of the best passages that reach `least`, and of the passages `also`."""
        allowed = self._allowed(wanted.only)
        extra = self.rows_of(also)
        if allowed is not None:
            extra = extra[np.isin(extra, allowed)]
        scores, least = self._scores(wanted, allowed, extra)
        good = (scores >= least) & (scores > 0)
        rows = np.flatnonzero(good) if allowed is None else allowed[good[allowed]]
        if wanted.count < len(rows):
            rows = rows[np.argpartition(-scores[rows], wanted.count)[: wanted.count]]
        rows = np.unique(np.concatenate([rows, extra[scores[extra] > 0]]))
        return self.ids[rows], scores[rows]

    def _allowed(self, only: Numbers | None) -> Numbers | None:
        """Return the rows that count, in order; None: all."""
        if only is None:
            return None if self.alive.all() else np.flatnonzero(self.alive)
        first, last = np.searchsorted(only, self.ids[0]), np.searchsorted(only, self.ids[-1], side="right")
        return self.rows_of(only[first:last])

    def _scores(self, wanted: Wanted, allowed: Numbers | None, extra: Numbers) -> tuple[Floats, float]:
        """Return the score of each row, of one that can be none of the best something below it; and what these reach."""
        scores = np.zeros(len(self.ids), dtype=np.float32)
        places = sorted(((weight, self.postings(key)) for key, weight in wanted.weights.items()), key=lambda one: -one[0])
        among = allowed if allowed is not None and DEAR * len(allowed) < len(self.ids) else None
        least, left = wanted.least, sum(weight for weight, _ in places)
        to_read = sum(where.stop - where.start for _, where in places)
        for weight, where in places:
            if among is None and not least and left < 0.5 and to_read > len(self.ids):
                least = _kth(scores if allowed is None else scores[allowed], wanted.count)
            if among is None and left < least:
                chosen = scores > least - left
                chosen[extra] = True
                among = np.flatnonzero(chosen)
            self._add(scores, weight, where, among, wanted.average)
            left -= weight
            to_read -= where.stop - where.start
        return scores, least

    def _add(self, scores: Floats, weight: float, where: slice, among: Numbers | None, average: float) -> None:
        """Add to the scores what one term tells of the rows that hold it, of those `among` at least."""
        rows, counts = self.rows[where], self.counts[where]
        if among is not None and DEAR * len(among) < len(rows):
            places = np.minimum(np.searchsorted(rows, among), len(rows) - 1)
            places = places[rows[places] == among]
            rows, counts = rows[places], counts[places]
        counts = counts.astype(np.float32)
        slowness = SATURATION * (1 - LENGTH + LENGTH / average * self.lengths[rows])
        scores[rows] += weight * counts / (counts + slowness)  # no row is there twice


def _kth(scores: Floats, count: int) -> float:
    """Return a score that `count` of these reach; 0 where there are not so many."""
    scores = scores[scores > 0]  # so many equal numbers make `partition` thirty times slower
    if not 0 < count <= len(scores):
        return 0.0
    return float(-np.partition(-scores, count - 1)[count - 1])


def of(ids: Sequence[int], packed: Sequence[bytes]) -> Segment:
    """Return a segment of these passages, from their packed terms."""
    rows, keys, counts = terms.unpack(packed)
    return _sorted(np.asarray(ids, dtype=np.int64), rows, keys, counts)


def merged(segments: Sequence[Segment]) -> Segment:
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
    return _sorted(*_in_order(np.concatenate(ids), np.concatenate(rows), np.concatenate(keys), np.concatenate(counts)))


def _in_order(
    ids: Numbers, rows: npt.NDArray[np.int32], keys: terms.Keys, counts: npt.NDArray[np.uint8]
) -> tuple[Numbers, npt.NDArray[np.int32], terms.Keys, npt.NDArray[np.uint8]]:
    """Return passages in the order of their ids: one that is switched on again comes after later ones."""
    if (np.diff(ids) > 0).all():
        return ids, rows, keys, counts
    order = np.argsort(ids)
    place = np.empty(len(ids), dtype=np.int32)
    place[order] = np.arange(len(ids), dtype=np.int32)
    rows = place[rows]
    by_row = np.argsort(rows, kind="stable")
    return ids[order], rows[by_row], keys[by_row], counts[by_row]


def _sorted(
    ids: npt.NDArray[np.int64], rows: npt.NDArray[np.int32], keys: terms.Keys, counts: npt.NDArray[np.uint8]
) -> Segment:
    lengths = np.bincount(rows, weights=counts, minlength=len(ids)).astype(np.float32)
    # Key and place in one number: sorting that is several times faster than finding an order and applying it.
    places = (keys.astype(np.uint64) << np.uint64(32)) | np.arange(len(keys), dtype=np.uint64)
    places.sort(kind="stable")  # which sees what is in order already: merging two segments takes a thirtieth of the time
    ordered = (places >> np.uint64(32)).astype(np.uint32)
    order = (places & np.uint64(0xFFFFFFFF)).astype(np.int64)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(ordered) else order
    alive = np.ones(len(ids), dtype=np.bool_)
    return Segment(ids, alive, lengths, ordered[starts], np.append(starts, len(order)), rows[order], counts[order])
