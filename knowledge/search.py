"""A question in, the passages that tell most about it out.

Candidates are found by the cosine of their vectors and by the words they hold, both at one moment; `ranking.py` orders
them. How passages are stored, vectors compared or words counted, it does not know.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from knowledge import catalog, followup, neighbours, ranking, terms
from knowledge.base import EmptyBase, Passage
from knowledge.embeddings import Embedding, Vectors
from knowledge.evidence import evidence
from knowledge.followup import Asked
from knowledge.index import Index, Indexes, Looked
from knowledge.places import Numbers
from knowledge.ranking import Mode
from knowledge.reranker import Reranking
from knowledge.store import Store

LARGEST = 50
"""Most passages a search returns."""

POOL = 64
"""Candidates by vector and as many by words, at least: what the second look chooses from."""

SPARE = 8
"""Candidates beyond three for each passage wanted, so that repetitions can be dropped."""

MOST = 2000
"""Candidates looked at, at most, however often the base repeats itself."""

RERANKED = 16
"""Passages that a reranker reads, at least: each costs it a pass through its model."""

TELLING = 5
"""The best passages, by which the evidence is measured."""

RETRIES = 5
"""How often a search begins again because documents change under it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The passages of a search, the best first, and the question as it was searched for, with what came from before.

    `evidence`: how much they tell about it, in [0, 1] (`knowledge.evidence`). `milliseconds`: what it took, wall time, of
    the "search" and, with a reranker, of that as "rerank". `by_words`: why only the words were compared, "" where vectors
    were too.
    """

    passages: list[Passage]
    query: str
    evidence: float = 0.0
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    by_words: str = ""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A question made ready: its vector, words with what each counts, what the vector is worth, and where to look."""

    index: Index
    asked: Asked
    vector: Vectors
    familiar: float
    weight: float
    only: Numbers | None


class Search:
    """Searches the bases of a store by their indexes; `share`: see `neighbours.merged`."""

    def __init__(
        self, store: Store, indexes: Indexes, embedder: Embedding, reranker: Reranking | None = None, share: float = 1.0
    ) -> None:
        self._store = store
        self._indexes = indexes
        self._embedder = embedder
        self._reranker = reranker
        self._share = share

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
        `mode` other than "hybrid" is for comparison: by one side alone, without second look and reranker, neighbours apart.
        Raises `UnknownBase`, `EmptyBase`, `EmbedderMismatch`, `EmbedderNotReady`. A blank query finds nothing.
        """
        begin = time.perf_counter()
        number = self._checked(base)
        wanted = min(top_k, LARGEST)
        asked = followup.asked(query, earlier)
        if wanted < 1 or not query.strip():
            return Found([], asked.text)
        ready = self._ready(number, asked, documents, mode)
        spent: dict[str, float] = {}
        count = max(POOL, wanted * 3 + SPARE)
        while True:
            candidates = self._candidates(ready, count)
            if mode == "hybrid":
                found = self._chosen(ready, candidates, wanted, spent)
            else:
                found = list(islice(ranking.distinct(candidates), wanted))
            if len(found) == wanted or len(candidates) < count or count >= MOST:
                break
            count = min(count * 4, MOST)
        told = evidence(asked.turns, found[:TELLING], ready.familiar, ready.asked.meant)
        spent["search"] = (time.perf_counter() - begin) * 1000
        return Found(found, asked.text, told, spent)

    def _chosen(self, ready: _Wanted, candidates: Sequence[Passage], wanted: int, spent: dict[str, float]) -> list[Passage]:
        """Return the best passages after the second look, and the reranker's if there is one, whose time goes to `spent`."""
        first = ranking.paired(candidates, ranking.pairs(ready.asked.texts[0][0]))
        passages = ranking.distinct(self._second_look(ready, first))
        if self._reranker is None:
            return neighbours.merged(passages, wanted, self._share)
        some = list(islice(passages, max(RERANKED, neighbours.TOGETHER * wanted)))
        begin = time.perf_counter()
        scores = self._reranker.scores(ready.asked.text, [_headed(passage) for passage in some])
        spent["rerank"] = spent.get("rerank", 0.0) + (time.perf_counter() - begin) * 1000
        return neighbours.merged(ranking.reranked(some, scores), wanted, self._share)

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
        familiar = self._embedder.familiar(asked.texts[0][0])
        weight = ranking.worth(mode, familiar)
        index = self._indexes.of(base_id)
        asked = followup.without(followup.respelt(asked, index.meant(asked.words)), index.apart(asked.words))
        return _Wanted(index, asked, vector / np.linalg.norm(vector), familiar, weight, only)

    def _candidates(self, ready: _Wanted, count: int) -> list[Passage]:
        """Return the best passages by vector and by words, the best first, all as they are stored at one moment.

        One that is gone was replaced or removed since the index was asked: it is asked again, so that the new document
        is found in place of the old one.
        """
        for _ in range(RETRIES):
            looked = ready.index.look(ready.vector, ready.asked.words, count, ready.only)
            best = _best(looked, ready.weight, count)
            with self._store.read() as connection:
                found = catalog.fetch(connection, best)
            if len(found) == len(best):
                break
        return found

    def _second_look(self, ready: _Wanted, passages: Sequence[Passage]) -> list[Passage]:
        return ranking.second_look(passages, ready.index.tells(ranking.asked_about(passages)))


def _headed(passage: Passage) -> str:
    """Return a passage as a reranker reads it: what it stands below, then its text."""
    return f"{terms.title(passage.source.name, passage.locator.headings)}\n{passage.text}"


def _best(looked: Looked, weight: float, count: int) -> dict[int, dict[str, float]]:
    """Return the best candidates by all their scores, the best first; `weight`: what the cosine counts."""
    scores = ranking.fused(looked.dense, looked.lexical, weight)
    order = np.argsort(-scores, kind="stable")[:count]
    parts = [part[order].tolist() for part in (scores, looked.dense, looked.lexical)]
    best = zip([looked.ids[place] for place in order.tolist()], *parts, strict=True)
    return {chunk: {"dense": dense, "lexical": by_words, "fused": one} for chunk, one, dense, by_words in best if one > 0}
