"""Postings of some passages in numpy arrays: which of them hold a term, and how often; and which of them score best.

Scored by BM25. Terms are gone through from the one that tells most; once what is left to go through tells less than the
least of the scores wanted, no other passage can come in, and only those already found are looked up: the fewer, the more
terms are known, and the words that are in every other passage come last.
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

    def postings(self, keys: Sequence[int]) -> list[slice]:
        """Return where the postings of each key are; an empty slice where there are none."""
        if not len(self.keys):
            return [slice(0, 0)] * len(keys)
        wanted = np.array(keys, dtype=np.uint32)
        places = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        stops = places + (self.keys[places] == wanted)
        return [slice(*ends) for ends in zip(self.starts[places].tolist(), self.starts[stops].tolist(), strict=True)]

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
        rows = _together(len(scores), rows, extra[scores[extra] > 0])
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
        places = sorted(zip(wanted.weights.values(), self.postings([*wanted.weights]), strict=True), key=lambda one: -one[0])
        among = allowed if allowed is not None and DEAR * len(allowed) < len(self.ids) else None
        least, left = wanted.least, sum(weight for weight, _ in places)
        for weight, where in places:
            many = len(self.ids) if among is None else len(among)
            if left < 0.5 and 2 * wanted.count < many < DEAR * (where.stop - where.start):
                rows = allowed if among is None else among
                least = _kth(scores if rows is None else scores[rows], wanted.count, least)
                among = _narrowed(scores, rows, extra, least - left) if left < least else among
            self._add(scores, weight, where, among, wanted.average)
            left -= weight
        return scores, least

    def _add(self, scores: Floats, weight: float, where: slice, among: Numbers | None, average: float) -> None:
        """Add to the scores what one term tells of the rows that hold it, of those `among` at least."""
        rows, counts = self.rows[where], self.counts[where]
        if among is not None and DEAR * len(among) < len(rows):
            sought = among.astype(rows.dtype)  # of another type all rows would be copied
            places = np.minimum(np.searchsorted(rows, sought), len(rows) - 1)
            places = places[rows[places] == sought]
            rows, counts = rows[places], counts[places]
        places, counted = rows.astype(np.intp), counts.astype(np.float32)  # once: numpy does it anew at each use
        slowness = SATURATION * (1 - LENGTH + LENGTH / average * self.lengths[places])
        np.add.at(scores, places, weight * counted / (counted + slowness))


def _narrowed(scores: Floats, rows: Numbers | None, extra: Numbers, above: float) -> Numbers:
    """Return those of these rows (None: of all) whose scores are above something, and the rows `extra`; in order."""
    above_it = np.flatnonzero(scores > above) if rows is None else rows[scores[rows] > above]
    return _together(len(scores), above_it, extra)


def _together(many: int, *parts: Numbers) -> Numbers:
    """Return the rows of several parts, of so many there are, each once and in order."""
    chosen = np.zeros(many, dtype=np.bool_)  # `np.unique` takes ten times as long
    for part in parts:
        chosen[part] = True
    return np.flatnonzero(chosen)


def _kth(scores: Floats, count: int, least: float) -> float:
    """Return a score that `count` of these reach, `least` at least, which so many are known to reach if it is not 0."""
    scores = scores[scores > least]  # so many equal numbers make `partition` thirty times slower
    if not 0 < count <= len(scores):
        return least
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
