"""The words of a knowledge base in memory: which passages hold a term, and how often. Scored by BM25.

A copy of what the database holds (`terms.pack`), as the vectors are: made anew at each start or taken from a checked file
(`index_file.py`), and changed with them under one lock. Segments of postings in numpy arrays; new passages come as small
segments, which are merged so that each is at least twice as large as the next. Texts it does not know.

Chosen over SQLite's FTS5, which reads a row of a table for every passage that holds any word of the question.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge import postings, spelling, terms
from knowledge.postings import Segment, Wanted

SELDOM = 0.1
"""In a word, its rarer character stands beside the other in more than this part of the passages that hold it."""

LARGEST_SEGMENT = 100_000
"""Passages from which on a segment is merged no more: what one addition costs at most."""

PARTS = len(Segment.__slots__)
"""Arrays of a segment."""


class Lexical:
    """Chunk ids and their terms. Whoever uses it holds the lock of the base's index."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._passages = 0
        self._length = 0.0  # of all passages together, in terms that are no figures

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
                self._segments.append(postings.of(ids, packed))
                ids, packed = [], []
        if ids:
            self._segments.append(postings.of(ids, packed))
        self._count()

    def arrays(self) -> list[npt.NDArray[Any]]:
        """Return everything as arrays, `PARTS` for each segment."""
        return [getattr(segment, part) for segment in self._segments for part in Segment.__slots__]

    def restore(self, arrays: Sequence[npt.NDArray[Any]]) -> None:
        """Replace everything by what `arrays` returned."""
        self._segments = [Segment(*arrays[start : start + PARTS]) for start in range(0, len(arrays), PARTS)]
        self._count()

    def add(self, ids: Sequence[int], packed: Sequence[bytes]) -> None:
        """Take in passages, whose ids are in order and not there yet."""
        if not ids:
            return
        self._segments.append(postings.of(ids, packed))
        self._passages += len(ids)
        self._length += float(self._segments[-1].lengths.sum(dtype=np.float64))
        while len(self._segments) > 1 and len(self._segments[-2].ids) < min(2 * len(self._segments[-1].ids), LARGEST_SEGMENT):
            self._segments[-2:] = [postings.merged(self._segments[-2:])]

    def remove(self, gone: Sequence[int]) -> None:
        """Take out passages; those that are not there are no error."""
        numbers = np.asarray(gone, dtype=np.int64)
        for place, segment in enumerate(self._segments):
            rows = np.unique(segment.rows_of(numbers))
            if not len(rows):
                continue
            segment.alive[rows] = False
            self._passages -= len(rows)
            self._length -= float(segment.lengths[rows].sum(dtype=np.float64))
            if 2 * np.count_nonzero(segment.alive) < len(segment.ids):
                self._segments[place] = postings.merged([segment])
        self._segments = [segment for segment in self._segments if len(segment.ids)]

    def _count(self) -> None:
        self._passages = sum(int(segment.alive.sum()) for segment in self._segments)
        self._length = sum(float(segment.lengths[segment.alive].sum(dtype=np.float64)) for segment in self._segments)

    def weights(self, words: Mapping[str, float]) -> dict[int, float]:
        """Return the key of each term and how much it tells: its idf, most if it is nowhere, times what it counts."""
        found: dict[int, float] = {}
        for (word, part), tells in zip(words.items(), self.tells(words), strict=True):
            number = terms.key(word)
            found[number] = max(found.get(number, 0.0), part * tells)
        return found

    def tells(self, words: Iterable[str]) -> list[float]:
        """Return the idf of each term."""
        holding = self._holding(list(words))
        tells: list[float] = np.log1p((self._passages - holding + 0.5) / (holding + 0.5)).tolist()
        return tells

    def meant(self, words: Iterable[str]) -> dict[str, str]:
        """Return, of the terms that no passage holds, those one slip away from others, and the commonest of these."""
        asked = list(words)
        found: dict[str, str] = {}
        for word in (word for word, holding in zip(asked, self._holding(asked), strict=True) if not holding):
            others = spelling.near(word)
            holding = self._holding(others)
            if holding.any():
                found[word] = others[int(holding.argmax())]
        return found

    def apart(self, words: Iterable[str]) -> set[str]:
        """Return, of pairs of characters of which one may only ask or join, those that are parts of two words here."""
        pairs = [word for word in words if terms.joins(word)]
        if not pairs:  # a question without such characters costs nothing
            return set()
        both, first, second = (
            self._holding(some) for some in (pairs, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
        )
        found = (both > 0) & (both < SELDOM * np.minimum(first, second))
        return {pair for pair, is_apart in zip(pairs, found.tolist(), strict=True) if is_apart}

    def _holding(self, words: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return how many passages hold each term; those that are gone are counted until their segment is merged."""
        keys = [terms.key(word) for word in words]
        held = sum((segment.holding(keys) for segment in self._segments), np.zeros(len(keys), dtype=np.int64))
        return np.minimum(held, self._passages)

    def search(
        self, weights: Mapping[int, float], count: int, also: Sequence[int] = (), only: npt.NDArray[np.int64] | None = None
    ) -> dict[int, float]:
        """Return the scores of the best `count` passages that hold any of the terms, and those of the passages `also`.

        A score is the part, in [0, 1), of what the terms tell that the passage holds. `only`: the ids, in order, of the
        passages that count; None: all.
        """
        total = sum(weights.values())
        if not total or not self._passages:
            return {}
        parts = {key: weight / total for key, weight in weights.items()}
        average = max(1.0, self._length / self._passages)  # of figures alone it is nothing
        ids, scores = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        for segment in self._segments:
            least = float(-np.partition(-scores, count - 1)[count - 1]) if 0 < count <= len(scores) else 0.0
            theirs = segment.best(Wanted(parts, average, count, least, only), also)
            ids, scores = np.concatenate([ids, theirs[0]]), np.concatenate([scores, theirs[1]])
        order = np.lexsort((ids, -scores))
        kept = {*ids[order[:count]].tolist(), *also}
        found = zip(ids[order].tolist(), scores[order].tolist(), strict=True)
        return {number: score for number, score in found if number in kept}
