"""A question in, the passages that tell most about it out.

Candidates are found by the cosine of their vectors and by the words they hold, both at one moment; `ranking.py` orders
them. How passages are stored, vectors compared or words counted, it does not know.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from knowledge import catalog, followup, ranking
from knowledge.base import EmptyBase, Passage
from knowledge.embeddings import Embedding, Vectors
from knowledge.followup import Asked
from knowledge.index import Index, Indexes, Looked, Numbers
from knowledge.ranking import Mode
from knowledge.store import Store

LARGEST = 50
"""Most passages a search returns."""

POOL = 100
"""Candidates by vector and as many by words, at least: what the second look chooses from."""

SPARE = 8
"""Candidates beyond three for each passage wanted, so that repetitions can be dropped."""

MOST = 2000
"""Candidates looked at, at most, however often the base repeats itself."""

RETRIES = 5
"""How often a search begins again because documents change under it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The passages of a search, the best first, and the question as it was searched for, with what came from before.

    `by_words`: why only the words were compared, "" where vectors were too.
    """

    passages: list[Passage]
    query: str
    by_words: str = ""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A question made ready: its vector, words with what each counts, what the vector is worth, and where to look."""

    index: Index
    vector: Vectors
    words: Mapping[str, float]
    weight: float
    only: Numbers | None


class Search:
    """Searches the bases of a store by their indexes."""

    def __init__(self, store: Store, indexes: Indexes, embedder: Embedding) -> None:
        self._store = store
        self._indexes = indexes
        self._embedder = embedder

    def find(
        self,
        base: str,
        query: str,
        top_k: int,
        earlier: Sequence[str] = (),
        documents: Collection[int] | None = None,
        mode: Mode = "hybrid",
    ) -> Found:
        """Return up to `top_k` (at most 50) passages, the best first, no text twice, neighbours in one.

        `earlier`: what the same person said before, the oldest first. `documents`: the ids of those that count; None: all.
        `mode` other than "hybrid" is for comparison: by one side alone, without second look, neighbours apart.
        Raises `UnknownBase`, `EmptyBase`, `EmbedderMismatch`, `EmbedderNotReady`. A blank query finds nothing.
        """
        number = self._checked(base)
        wanted = min(top_k, LARGEST)
        asked = followup.asked(query, earlier)
        if wanted < 1 or not query.strip():
            return Found([], asked.text)
        ready = self._ready(number, asked, documents, mode)
        count = max(POOL, wanted * 3 + SPARE)
        while True:
            candidates = self._candidates(ready, count)
            if mode == "hybrid":
                found = ranking.merged(ranking.distinct(self._second_look(ready, candidates)), wanted)
            else:
                found = list(islice(ranking.distinct(candidates), wanted))
            if len(found) == wanted or len(candidates) < count or count >= MOST:
                return Found(found, asked.text)
            count = min(count * 4, MOST)

    def _checked(self, base: str) -> int:
        """Return the base's id, if it can be searched with the present embedding model."""
        with self._store.read() as connection:
            number = catalog.base_id(connection, base)
            made_by = catalog.made_by(connection, number)
        if made_by is None:
            raise EmptyBase(f"nothing has been added to the knowledge base {base!r} yet")
        if made_by != self._embedder.identity:
            raise catalog.mismatch(made_by, self._embedder.identity)
        return number

    def _ready(self, base_id: int, asked: Asked, documents: Collection[int] | None, mode: Mode) -> _Wanted:
        vector = sum(weight * self._embedder.encode_query(text) for text, weight in asked.texts)
        vector = np.asarray(vector, dtype=np.float32)
        only = None
        if documents is not None:
            with self._store.read() as connection:
                only = np.array(sorted(catalog.chunks_of(connection, documents)), dtype=np.int64)
        weight = ranking.worth(mode, self._embedder.familiar(asked.texts[0][0]))
        return _Wanted(self._indexes.of(base_id), vector / np.linalg.norm(vector), asked.words, weight, only)

    def _candidates(self, ready: _Wanted, count: int) -> list[Passage]:
        """Return the best passages by vector and by words, the best first, all as they are stored at one moment.

        One that is gone was replaced or removed since the index was asked: it is asked again, so that the new document
        is found in place of the old one.
        """
        for _ in range(RETRIES):
            looked = ready.index.look(ready.vector, ready.words, count, ready.only)
            with self._store.read() as connection:
                rest = catalog.vectors_of(connection, [chunk for chunk in looked.lexical if chunk not in looked.dense])
                scores = _scores(looked, rest, ready)
                best = dict(sorted(scores.items(), key=lambda one: -one[1]["score"])[:count])
                found = catalog.fetch(connection, best)
            if len(found) == len(best) and len(rest) + len(looked.dense) == len({*looked.dense, *looked.lexical}):
                break
        return found

    def _second_look(self, ready: _Wanted, passages: Sequence[Passage]) -> list[Passage]:
        return ranking.second_look(passages, ready.index.tells(ranking.asked_about(passages)))


def _scores(looked: Looked, rest: Mapping[int, Vectors], ready: _Wanted) -> dict[int, dict[str, float]]:
    """Return all scores of each candidate; those only found by words get their cosine from their own vectors."""
    cosines = {chunk: float(vector @ ready.vector[0]) for chunk, vector in rest.items()} | looked.dense
    scores = {}
    for chunk, dense in cosines.items():
        lexical = looked.lexical.get(chunk, 0.0)
        one = ranking.fused(dense, lexical, ready.weight)
        if one > 0:
            scores[chunk] = {"score": one, "dense": dense, "lexical": lexical, "fused": one}
    return scores
