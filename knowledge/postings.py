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

UNWANTED = np.float32(-np.inf)
"""The score of what does not count, whatever is added to it."""

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
    """Postings of some passages (`ids` in order), by key: those of `keys[i]` are from `starts[i]` to `starts[i + 1]`.

    `lengths`: how many terms they have that are no figures.
    """

    ids: npt.NDArray[np.int64]
    alive: npt.NDArray[np.bool_]
    lengths: Floats
    keys: terms.Keys
    starts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    counts: npt.NDArray[np.uint8]

    def postings(self, keys: Sequence[int]) -> list[slice]:
        """Return where the postings of each key are; an empty slice where there are none."""
        starts, stops = self._where(keys)
        return [slice(*ends) for ends in zip(starts.tolist(), stops.tolist(), strict=True)]

    def holding(self, keys: Sequence[int]) -> Numbers:
        """Return how many passages hold each key, those that were taken out among them."""
        starts, stops = self._where(keys)
        return stops - starts

    def _where(self, keys: Sequence[int]) -> tuple[Numbers, Numbers]:
        if not len(self.keys):
            return np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=np.int64)
        wanted = np.array(keys, dtype=np.uint32)
        places = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return self.starts[places], self.starts[places + (self.keys[places] == wanted)]

    def rows_of(self, ids: Sequence[int] | Numbers) -> Numbers:
        """Return the rows of those of these passages that are here and not taken out."""
        wanted = np.asarray(ids, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        rows: Numbers = places[(self.ids[places] == wanted) & self.alive[places]]
        return rows

    def best(self, wanted: Wanted, also: Sequence[int]) -> tuple[Numbers, Floats]:
        """Return ids and scores, above 0, of the best passages that reach `least`, and of the passages `also`."""
        scores, among = self._blank(wanted.only)
        named = np.zeros(len(self.ids), dtype=np.bool_)
        named[self.rows_of(also)] = True
        among, least = self._read(wanted, scores, among, named)
        rows = np.flatnonzero(scores > 0) if among is None else among
        rows = rows[(scores[rows] >= least) & (scores[rows] > 0)]
        if wanted.count < len(rows):
            rows = rows[scores[rows] >= _kth(scores[rows], wanted.count, least)]
            rows = rows[np.argsort(-scores[rows], kind="stable")[: wanted.count]]  # of equal ones the first
        extra = np.flatnonzero(named)
        rows = np.concatenate([rows[~named[rows]], extra[scores[extra] > 0]])
        return self.ids[rows], scores[rows]

    def _blank(self, only: Numbers | None) -> tuple[Floats, Numbers | None]:
        """Return what the terms are added to, 0 for each row that counts, and these rows where they are few."""
        if only is None:
            scores = np.zeros(len(self.ids), dtype=np.float32)
            if not self.alive.all():
                scores[~self.alive] = UNWANTED
            return scores, None
        first, last = np.searchsorted(only, self.ids[0]), np.searchsorted(only, self.ids[-1], side="right")
        rows = self.rows_of(only[first:last])
        scores = np.full(len(self.ids), UNWANTED)
        scores[rows] = 0
        return scores, rows if DEAR * len(rows) < len(self.ids) else None

    def _read(
        self, wanted: Wanted, scores: Floats, among: Numbers | None, named: npt.NDArray[np.bool_]
    ) -> tuple[Numbers | None, float]:
        """Add what the terms tell to the scores, and return the rows that may be among the best, and what these reach.

        None: all rows. The others have a score below that. Rows that are `named` get their whole score.
        """
        places = sorted(zip(wanted.weights.values(), self.postings([*wanted.weights]), strict=True), key=lambda one: -one[0])
        left = sum(weight for weight, _ in places)
        least = most = wanted.least  # of the scores wanted: what the least is known to be, and what it can be
        telling: slice | None = None  # the postings of the word that tells most of those that enough passages hold
        for weight, where in places:
            many = len(self.ids) if among is None else len(among)
            if left < most and 2 * wanted.count < many < DEAR * (where.stop - where.start):
                if among is None and telling is not None:  # a guess, with which the true one takes a quarter of the time
                    least = _kth(scores[self.rows[telling]], wanted.count, least)
                here = scores if among is None else scores[among]
                least = most = _kth(here, wanted.count, least)
                if left < least:
                    kept = (here > least - left) | (named if among is None else named[among])
                    among = np.flatnonzero(kept) if among is None else among[kept]
            self._add(scores, weight, where, among, wanted.average)
            left, most = left - weight, most + weight
            telling = where if telling is None and where.stop - where.start > 2 * wanted.count else telling
        return among, least

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


def _kth(scores: Floats, count: int, least: float) -> float:
    """Return a score that `count` of these reach, `least` at least, which so many are known to reach if it is not 0."""
    scores = scores[scores > least]
    if not 0 < count <= len(scores):  # as many may reach `least` itself
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
    lengths = np.bincount(rows, weights=counts * terms.name_something(keys), minlength=len(ids)).astype(np.float32)
    # Key and place in one number: sorting that is several times faster than finding an order and applying it.
    places = (keys.astype(np.uint64) << np.uint64(32)) | np.arange(len(keys), dtype=np.uint64)
    places.sort(kind="stable")  # which sees what is in order already: merging two segments takes a thirtieth of the time
    ordered = (places >> np.uint64(32)).astype(np.uint32)
    order = (places & np.uint64(0xFFFFFFFF)).astype(np.int64)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(ordered) else order
    alive = np.ones(len(ids), dtype=np.bool_)
    return Segment(ids, alive, lengths, ordered[starts], np.append(starts, len(order)), rows[order], counts[order])
