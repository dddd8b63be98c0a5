"""A question in, the passages that are nearest to it out.

Dense only: candidates are found by the cosine of their vectors. Another way of finding candidates, or of ordering them,
goes into `_candidates` and changes nothing else. How passages are stored or vectors compared, it does not know.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from knowledge import catalog
from knowledge.base import EmptyBase, Passage
from knowledge.embeddings import Embedding
from knowledge.index import Indexes
from knowledge.store import Store

LARGEST = 50
"""Most passages a search returns."""

SPARE = 8
"""Candidates fetched beyond three for each passage wanted, so that repetitions can be dropped."""

MOST = 2000
"""Candidates looked at, at most, however often the base repeats itself."""

RETRIES = 5
"""How often a search begins again because documents change under it."""

_NOT_WORDS = re.compile(r"[\W_]+")

Candidates = Mapping[int, Mapping[str, float]]
"""Chunk id -> scores by name, the best chunk first; the one named "score" is the one it is ordered by, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Found:
    """The passages of a search, the best first, and the question as it was searched for."""

    passages: list[Passage]
    query: str


class Search:
    """Searches the bases of a store by their indexes."""

    def __init__(self, store: Store, indexes: Indexes, embedder: Embedding) -> None:
        self._store = store
        self._indexes = indexes
        self._embedder = embedder

    def find(
        self, base: str, query: str, top_k: int, earlier: Sequence[str] = (), documents: Collection[int] | None = None
    ) -> Found:
        """Return up to `top_k` (at most 50) passages, the best first, no text twice; of these `documents` only, if given.

        `earlier`: what the same person said before, the oldest first; not looked at.
        Raises `UnknownBase`, `EmptyBase`, `EmbedderMismatch`, `EmbedderNotReady`. A blank query finds nothing.
        """
        number = self._checked(base)
        wanted = min(top_k, LARGEST)
        if wanted < 1 or not query.strip():
            return Found([], query)
        look = self._candidates(number, query, documents)
        count = wanted * 3 + SPARE
        while True:
            candidates = look(count)
            found = list(_distinct(self._fetch(look, candidates, count)))[:wanted]
            if len(found) == wanted or len(candidates) < count or count >= MOST:
                return Found(found, query)
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

    def _candidates(self, base_id: int, query: str, documents: Collection[int] | None) -> Callable[[int], Candidates]:
        """Return the function from a count to that many candidates, the best first."""
        vector, index = self._embedder.encode_query(query), self._indexes.of(base_id)
        if documents is None:
            return lambda count: {chunk: _scores(cosine) for chunk, cosine in index.search(vector, count)}
        with self._store.read() as connection:
            allowed = catalog.chunks_of(connection, documents)

        def look(count: int) -> Candidates:
            found = ((chunk, cosine) for chunk, cosine in index.search(vector, index.size) if chunk in allowed)
            return {chunk: _scores(cosine) for chunk, cosine in islice(found, count)}

        return look

    def _fetch(self, look: Callable[[int], Candidates], candidates: Candidates, count: int) -> list[Passage]:
        """Return the candidates' passages, all as they are stored at one moment.

        One that is gone was replaced or removed since the index was asked: it is asked again, so that the new document
        is found in place of the old one.
        """
        for _ in range(RETRIES):
            with self._store.read() as connection:
                found = catalog.fetch(connection, candidates)
            if len(found) == len(candidates):
                break
            candidates = look(count)
        return found


def _scores(cosine: float) -> dict[str, float]:
    return {"score": max(0.0, min(1.0, cosine)), "dense": cosine}


def _distinct(passages: Iterable[Passage]) -> Iterator[Passage]:
    """Yield the passages that say something new: other words than each better one, and not only a part of them.

    Case, spacing and punctuation do not count. Digits do: two rows of a table may differ in nothing else.
    """
    seen: list[str] = []
    for passage in passages:
        words = f" {_NOT_WORDS.sub(' ', passage.text.casefold()).strip()} "
        if not any(words in other for other in seen):
            seen.append(words)
            yield passage
